/*
 * `secure` answers and TLSRPT attributes in Postfix's syntax (smtp_tls_policy_maps): attributes
 * are separated by blanks, a value that holds blanks stands in braces, match patterns are separated
 * by colons. `*.example.net` of an STS policy (RFC 8461 section 4.1) is `.example.net` in match=.
 */
#include "answer/answer_syntax.h"

#include "base/text.h"

#include <string.h>
#include <strings.h>

/* A policy line longer than this is no line of RFC 8461 section 3.2 anyone needs reported. */
enum { LINE_MAX_LEN = 1000 };

/* Room for ` servername=hostname` after a list of names. */
static const char tail[] = " servername=hostname";

void answer_syntax_printable(struct text *out, const char *value, size_t max)
{
    for (size_t i = 0; value[i] && i < max; i++) {
        char c = value[i] >= 0x20 && value[i] < 0x7f ? value[i] : '?';
        text_add_n(out, &c, 1);
    }
}

/* Host names only, and none of the words that match= gives a meaning of their own. */
static bool name_ok(const char *name)
{
    static const char *const keywords[] = {"nexthop", "dot-nexthop", "hostname"};
    size_t len = strlen(name);
    if (len == 0 || len > NEXTHOP_NAME_MAX || name[0] == '.')
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'))
            return false;
    }
    for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
        if (strcmp(name, keywords[i]) == 0)
            return false;
    }
    return true;
}

static bool is_wildcard(const char *pattern)
{
    return pattern[0] == '*' && pattern[1] == '.';
}

static bool pattern_ok(const char *pattern)
{
    return name_ok(is_wildcard(pattern) ? pattern + 2 : pattern);
}

static bool finish_match(struct text *out, size_t start, bool any)
{
    if (any)
        text_add(out, tail);
    if (any && !out->full)
        return true;
    text_cut(out, start);
    return false;
}

bool answer_syntax_match_hosts(struct text *out, const struct findings *findings, uint32_t hosts)
{
    size_t start = out->len;
    bool any = false;
    text_add(out, "secure match=");
    for (size_t i = 0; i < findings->host_count && i < FINDINGS_MAX_HOSTS; i++) {
        const char *name = findings->hosts[i].name;
        if (!(hosts & UINT32_C(1) << i) || !name_ok(name))
            continue;
        text_addf(out, "%s%s", any ? ":" : "", name);
        any = true;
    }
    return finish_match(out, start, any);
}

bool answer_syntax_match_patterns(struct text *out, const struct findings *findings)
{
    size_t start = out->len;
    bool any = false;
    text_add(out, "secure match=");
    for (size_t i = 0; i < findings->sts.mx_count; i++) {
        const char *pattern = findings->sts.mx[i];
        if (!pattern_ok(pattern))
            continue;
        text_addf(out, "%s%s", any ? ":" : "", is_wildcard(pattern) ? pattern + 1 : pattern);
        any = true;
    }
    if (finish_match(out, start, any))
        return true;
    uint32_t hosts = 0;
    for (size_t i = 0; i < findings->host_count && i < FINDINGS_MAX_HOSTS; i++) {
        if (findings->hosts[i].sts_match)
            hosts |= UINT32_C(1) << i;
    }
    return answer_syntax_match_hosts(out, findings, hosts);
}

/* Braces cannot be quoted at all; the rest of printable ASCII is safe within braces. */
static bool line_ok(const char *line, size_t len)
{
    if (len == 0 || len > LINE_MAX_LEN)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (line[i] < 0x20 || line[i] >= 0x7f || line[i] == '{' || line[i] == '}')
            return false;
    }
    return true;
}

/* As many lines as fit: they are only reported. */
static void add_policy_strings(struct text *out, const char *lines)
{
    while (lines != NULL && *lines && !out->full) {
        size_t len = strcspn(lines, "\n");
        const char *next = lines + len + (lines[len] ? 1 : 0);
        while (len > 0 && text_is_fws(lines[0])) {
            lines++;
            len--;
        }
        while (len > 0 && text_is_fws(lines[len - 1]))
            len--;
        if (line_ok(lines, len))
            text_addf(out, " { policy_string = %.*s }", (int)len, lines);
        lines = next;
    }
    text_cut(out, out->len);
}

void answer_syntax_tlsrpt(struct text *out, const struct findings *findings, const char *failure)
{
    size_t start = out->len;
    if (!name_ok(findings->nexthop.name))
        return;
    text_addf(out, " policy_type=sts policy_domain=%s", findings->nexthop.name);
    if (failure != NULL)
        text_addf(out, " policy_failure=%s", failure);
    for (size_t i = 0; i < findings->sts.mx_count; i++) {
        if (pattern_ok(findings->sts.mx[i]))
            text_addf(out, " mx_host_pattern=%s", findings->sts.mx[i]);
    }
    if (out->full) {
        text_cut(out, start);
        return;
    }
    add_policy_strings(out, findings->sts.policy_lines);
}
