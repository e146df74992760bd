/*
 * The MTA-STS policy file (RFC 8461 section 3.2), to the letter of its ABNF. Pure.
 *
 * The grammar makes every line a `key: value`, and a line whose key is known but whose value is
 * not of that key's form is still a well-formed extension. So:
 *  - what is no key/value pair at all (a byte order mark, an empty line, control characters, a
 *    blank before the colon, no value, broken UTF-8) makes the policy invalid; but blank lines at
 *    the end, which the ABNF does not have and editors leave, are passed over;
 *  - version, mode and max_age count by their first line only; if that has no valid value the
 *    policy is invalid;
 *  - an mx value that is no domain name (an address in brackets or IPv6, a U-label, `*.*.x`, a
 *    trailing dot) is passed over like an unknown field and the other patterns stay in force.
 *    That is the strict side: no host is accepted because of it, and enforce is not lost;
 *  - without one usable mx a policy is invalid, unless its mode is none.
 * An IPv4 address has the form of a domain name. It stays, and matches no MX host.
 */
#include "sts/sts.h"

#include "base/ascii.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EXT_NAME_MAX = 32,
    MAX_AGE_DIGITS = 10,
    MAX_AGE_LIMIT_S = 31557600,
    /* Protects the match of each MX host; the largest providers need a dozen. What is beyond is
     * passed over, which accepts fewer hosts, never more. */
    MX_MAX = 1024,
    /* Protects the answers that quote the policy; a policy of ten hosts has 400 octets. */
    LINES_MAX = 4096,
};

struct line {
    const char *key;
    size_t key_len;
    const char *value;
    size_t value_len;
};

struct parser {
    const char *at;
    const char *end;
    unsigned line_no;
    bool version_seen, mode_seen, max_age_seen;
    size_t mx_passed_over;
    size_t lines_len;
    struct sts_policy *policy;
    char *err;
    size_t err_size;
};

/* The reason never quotes the file: it goes to logs and replies. */
static int invalid_policy(struct parser *p, const char *what)
{
    snprintf(p->err, p->err_size, "line %u: %s", p->line_no, what);
    return -EBADMSG;
}

/* Length of the UTF-8 sequence at s (RFC 3629 section 4), 0 when it is none. */
static size_t utf8_len(const char *s, const char *end)
{
    const unsigned char *u = (const unsigned char *)s;
    size_t left = (size_t)(end - s);
    unsigned char low = 0x80, high = 0xbf;
    size_t len;

    if (u[0] >= 0xc2 && u[0] <= 0xdf)
        len = 2;
    else if ((u[0] & 0xf0) == 0xe0)
        len = 3;
    else if (u[0] >= 0xf0 && u[0] <= 0xf4)
        len = 4;
    else
        return 0;
    /* No overlong forms, no surrogates, nothing above U+10FFFF. */
    if (u[0] == 0xe0)
        low = 0xa0;
    else if (u[0] == 0xed)
        high = 0x9f;
    else if (u[0] == 0xf0)
        low = 0x90;
    else if (u[0] == 0xf4)
        high = 0x8f;
    if (left < len || u[1] < low || u[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((u[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

static bool value_valid(const char *s, const char *end)
{
    while (s < end) {
        size_t len = (*s >= 0x20 && *s <= 0x7e) ? 1 : utf8_len(s, end);

        if (len == 0)
            return false;
        s += len;
    }
    return true;
}

static int split_line(struct parser *p, const char *s, const char *end, struct line *line)
{
    const char *q = s;

    while (q < end && (ascii_is_alnum(*q) || (q > s && (*q == '_' || *q == '-' || *q == '.'))))
        q++;
    if (q == s)
        return invalid_policy(p, s == end ? "empty" : "does not begin with a key");
    if (q == end || *q != ':')
        return invalid_policy(p, "no colon after the key");
    if (q - s > EXT_NAME_MAX)
        return invalid_policy(p, "key too long");
    line->key = s;
    line->key_len = (size_t)(q - s);
    q++;
    while (q < end && ascii_is_wsp(*q))
        q++;
    while (end > q && ascii_is_wsp(end[-1]))
        end--;
    if (q == end)
        return invalid_policy(p, "no value");
    if (!value_valid(q, end))
        return invalid_policy(p, "control characters or broken UTF-8 in the value");
    line->value = q;
    line->value_len = (size_t)(end - q);
    return 0;
}

static bool equals_word(const char *s, size_t len, const char *word)
{
    return len == strlen(word) && memcmp(s, word, len) == 0;
}

static int on_mode(struct parser *p, const struct line *line)
{
    static const struct {
        const char *word;
        enum findings_sts_mode mode;
    } modes[] = {
        {"none", FINDINGS_STS_MODE_NONE},
        {"testing", FINDINGS_STS_MODE_TESTING},
        {"enforce", FINDINGS_STS_MODE_ENFORCE},
    };

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (equals_word(line->value, line->value_len, modes[i].word)) {
            p->policy->mode = modes[i].mode;
            return 0;
        }
    }
    return invalid_policy(p, "mode is not enforce, testing or none");
}

static int on_max_age(struct parser *p, const struct line *line)
{
    uint64_t seconds = 0;

    if (line->value_len > MAX_AGE_DIGITS)
        return invalid_policy(p, "max_age has more than ten digits");
    for (size_t i = 0; i < line->value_len; i++) {
        if (line->value[i] < '0' || line->value[i] > '9')
            return invalid_policy(p, "max_age is not a number");
        seconds = seconds * 10 + (uint64_t)(line->value[i] - '0');
    }
    p->policy->max_age_s = seconds > MAX_AGE_LIMIT_S ? MAX_AGE_LIMIT_S : (uint32_t)seconds;
    return 0;
}

static int on_mx(struct parser *p, const struct line *line)
{
    struct sts_policy *policy = p->policy;
    char *pattern;

    if (!sts_pattern_valid(line->value, line->value_len) || policy->mx_count == MX_MAX) {
        p->mx_passed_over++;
        return 0;
    }
    if ((policy->mx_count & (policy->mx_count - 1)) == 0) { /* full at each power of two */
        size_t room = policy->mx_count == 0 ? 1 : policy->mx_count * 2;
        char **grown = realloc(policy->mx, room * sizeof(*grown));

        if (grown == NULL)
            return -ENOMEM;
        policy->mx = grown;
    }
    pattern = malloc(line->value_len + 1);
    if (pattern == NULL)
        return -ENOMEM;
    memcpy(pattern, line->value, line->value_len);
    pattern[line->value_len] = '\0';
    for (char *c = pattern; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    policy->mx[policy->mx_count++] = pattern;
    return 0;
}

static int on_field(struct parser *p, const struct line *line)
{
    if (equals_word(line->key, line->key_len, "mx"))
        return on_mx(p, line);
    if (equals_word(line->key, line->key_len, "version") && !p->version_seen) {
        p->version_seen = true;
        if (!equals_word(line->value, line->value_len, "STSv1"))
            return invalid_policy(p, "version is not STSv1");
    } else if (equals_word(line->key, line->key_len, "mode") && !p->mode_seen) {
        p->mode_seen = true;
        return on_mode(p, line);
    } else if (equals_word(line->key, line->key_len, "max_age") && !p->max_age_seen) {
        p->max_age_seen = true;
        return on_max_age(p, line);
    }
    return 0;
}

/* Keeps a line for reports while there is room; a tab becomes a blank, what else is not printable
 * ASCII a '?'. */
static void quote_line(struct parser *p, const char *s, const char *end)
{
    char *out = p->policy->lines + p->lines_len;
    size_t len;

    while (end > s && ascii_is_wsp(end[-1]))
        end--;
    len = (size_t)(end - s);
    if (p->lines_len + len + 1 > LINES_MAX)
        return;
    for (size_t i = 0; i < len; i++)
        out[i] = ascii_is_wsp(s[i]) ? ' ' : (s[i] >= 0x20 && s[i] <= 0x7e) ? s[i] : '?';
    out[len] = '\n';
    out[len + 1] = '\0';
    p->lines_len += len + 1;
}

static int parse_line(struct parser *p)
{
    const char *s = p->at;
    const char *newline = memchr(s, '\n', (size_t)(p->end - s));
    const char *end = newline != NULL ? newline : p->end;
    struct line line;
    int error;

    p->line_no++;
    p->at = newline != NULL ? newline + 1 : p->end;
    if (newline != NULL && end > s && end[-1] == '\r')
        end--;
    error = split_line(p, s, end, &line);
    if (error == 0)
        error = on_field(p, &line);
    if (error == 0)
        quote_line(p, s, end);
    return error;
}

static bool only_blank_lines_left(const struct parser *p)
{
    for (const char *s = p->at; s < p->end; s++) {
        if (!ascii_is_wsp(*s) && *s != '\r' && *s != '\n')
            return false;
    }
    return true;
}

static int check_whole(struct parser *p)
{
    const char *missing = NULL;

    if (!p->version_seen)
        missing = "no version";
    else if (!p->mode_seen)
        missing = "no mode";
    else if (!p->max_age_seen)
        missing = "no max_age";
    else if (p->policy->mx_count == 0 && p->policy->mode != FINDINGS_STS_MODE_NONE)
        missing = p->mx_passed_over > 0 ? "no mx that is a domain name" : "no mx";
    if (missing == NULL)
        return 0;
    snprintf(p->err, p->err_size, "%s", missing);
    return -EBADMSG;
}

int sts_policy_parse(const char *body, size_t len, struct sts_policy **out, char *err,
                     size_t err_size)
{
    struct parser p = {.at = body, .end = body + len, .err = err, .err_size = err_size};
    int error;

    if (len == 0) {
        snprintf(err, err_size, "empty file");
        return -EBADMSG;
    }
    p.policy = calloc(1, sizeof(*p.policy));
    if (p.policy == NULL)
        return -ENOMEM;
    p.policy->lines = calloc(1, (len < LINES_MAX ? len + 1 : LINES_MAX) + 1);
    error = p.policy->lines != NULL ? 0 : -ENOMEM;
    while (error == 0 && p.at < p.end) {
        error = parse_line(&p);
        if (error == 0 && only_blank_lines_left(&p))
            break;
    }
    if (error == 0)
        error = check_whole(&p);
    if (error != 0) {
        sts_policy_free(p.policy);
        return error;
    }
    *out = p.policy;
    return 0;
}

void sts_policy_free(struct sts_policy *policy)
{
    if (policy == NULL)
        return;
    for (size_t i = 0; i < policy->mx_count; i++)
        free(policy->mx[i]);
    free(policy->mx);
    free(policy->lines);
    free(policy);
}
