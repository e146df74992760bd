/*
 * One JSON object of findings as text for people. What it prints came from a peer or the daemon:
 * only printable ASCII reaches the terminal.
 */
#include "query/query.h"

#include <inttypes.h>
#include <string.h>

/* The column where values begin. */
enum { COLUMN = 26 };

static void put_text(FILE *out, const char *text)
{
    for (; text && *text; text++)
        fputc(*text >= 0x20 && *text < 0x7f ? *text : '?', out);
}

static void label(FILE *out, const char *text)
{
    int len = (int)strlen(text);
    fputs("  ", out);
    put_text(out, text);
    fprintf(out, "%*s", len < COLUMN - 3 ? COLUMN - 2 - len : 1, "");
}

static const char *member(const struct json_value *object, const char *key)
{
    return json_text(json_get(object, key));
}

static void line(FILE *out, const char *what, const char *value)
{
    label(out, what);
    put_text(out, value != NULL ? value : "-");
    fputc('\n', out);
}

static void print_tlsa(FILE *out, const struct json_value *host)
{
    const struct json_value *list = json_get(host, "tlsa");
    for (const struct json_value *tlsa = list ? list->first : NULL; tlsa; tlsa = tlsa->next) {
        const char *data = member(tlsa, "data");
        label(out, "");
        fprintf(out, "TLSA %" PRId64 " %" PRId64 " %" PRId64 " %.64s%s%s\n",
                json_number(json_get(tlsa, "usage"), -1),
                json_number(json_get(tlsa, "selector"), -1),
                json_number(json_get(tlsa, "matching_type"), -1), data != NULL ? data : "",
                data != NULL && strlen(data) > 64 ? "..." : "",
                json_is_true(json_get(tlsa, "usable")) ? "" : " (unusable)");
    }
}

static void print_host(FILE *out, const struct json_value *host)
{
    char text[32];
    const struct json_value *match = json_get(host, "sts_match");
    const char *base = member(host, "tlsa_base"), *name = member(host, "host");
    snprintf(text, sizeof(text), "MX %" PRId64, json_number(json_get(host, "preference"), 0));
    label(out, text);
    put_text(out, name);
    fputs(": A ", out);
    put_text(out, member(host, "a"));
    fputs(", AAAA ", out);
    put_text(out, member(host, "aaaa"));
    fputs(", TLSA ", out);
    put_text(out, member(host, "tlsa_state"));
    if (base && name && strcmp(base, name) != 0) {
        fputs(" at ", out);
        put_text(out, base);
    }
    if (match && match->type != JSON_NULL)
        fputs(json_is_true(match) ? ", matches MTA-STS" : ", does not match MTA-STS", out);
    fputc('\n', out);
    print_tlsa(out, host);
    if (member(host, "failure")) {
        label(out, "");
        fputs("failure: ", out);
        put_text(out, member(host, "failure"));
        fputc('\n', out);
    }
}

static void print_sts(FILE *out, const struct json_value *sts)
{
    const char *mode = member(sts, "mode"), *failure = member(sts, "failure");
    const char *text = member(sts, "failure_text");
    int64_t age = json_number(json_get(sts, "age"), -1);
    label(out, "MTA-STS");
    put_text(out, mode != NULL ? mode : member(sts, "state"));
    if (mode) {
        fputs(", id ", out);
        put_text(out, member(sts, "id"));
        fprintf(out, ", max_age %" PRId64, json_number(json_get(sts, "max_age"), 0));
        if (age >= 0)
            fprintf(out, ", fetched %" PRId64 " s ago", age);
        fputs(", ", out);
        put_text(out, member(sts, "source"));
    }
    if (failure != NULL) {
        fputs(" (", out);
        put_text(out, failure);
        if (text != NULL)
            fputs(": ", out);
        put_text(out, text);
        fputs(")", out);
    }
    fputc('\n', out);
    const struct json_value *patterns = json_get(sts, "mx");
    for (const struct json_value *mx = patterns ? patterns->first : NULL; mx; mx = mx->next)
        line(out, "", json_text(mx));
}

/* Below enforce there is nothing to say of a level that is satisfied: it always is. */
static void print_verdicts(FILE *out, const struct json_value *verdicts)
{
    if (verdicts == NULL || verdicts->type != JSON_OBJECT)
        return;
    for (const struct json_value *v = verdicts->first; v; v = v->next) {
        const char *verdict = member(v, "verdict");
        bool plain = verdict && strcmp(verdict, "satisfied") == 0 && v != verdicts->first;
        label(out, v->key);
        put_text(out, verdict);
        if (member(v, "reason") && !plain) {
            fputs(": ", out);
            put_text(out, member(v, "reason"));
        }
        fputc('\n', out);
    }
}

static void print_answers(FILE *out, const struct json_value *answers)
{
    static const char *const maps[] = {"QUERY", "enforce", "requiretls"};
    for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
        char text[64];
        if (!member(answers, maps[i]))
            continue;
        snprintf(text, sizeof(text), "map %s", maps[i]);
        line(out, text, member(answers, maps[i]));
    }
}

void query_text(FILE *out, const struct json_value *object, const char *unicode)
{
    const struct json_value *hosts = json_get(object, "mx");
    const char *policy = member(object, "tls_policy"), *failure = member(object, "failure");
    const char *summary = member(object, "summary");
    if (unicode != NULL)
        fprintf(out, "%s (", unicode);
    put_text(out, member(object, "nexthop"));
    fprintf(out, "%s: ", unicode != NULL ? ")" : "");
    put_text(out, summary != NULL ? summary : policy != NULL ? "policy" : "failed");
    fputc('\n', out);
    if (policy != NULL)
        line(out, "tls_policy", policy);
    if (summary) {
        label(out, "MX records");
        put_text(out, member(object, "security"));
        if (!json_is_true(json_get(object, "security_known")))
            fputs(" (no resolver that validates DNSSEC was there: security unknown)", out);
        if (failure != NULL)
            fputs(": ", out);
        put_text(out, failure);
        fputc('\n', out);
        for (const struct json_value *host = hosts ? hosts->first : NULL; host; host = host->next)
            print_host(out, host);
        print_sts(out, json_get(object, "sts"));
    }
    print_verdicts(out, json_get(object, "verdict"));
    print_answers(out, json_get(object, "answers"));
    if (summary) {
        label(out, "age");
        fprintf(out, "%" PRId64 " s, valid for another %" PRId64 " s\n",
                json_number(json_get(object, "age"), 0), json_number(json_get(object, "ttl"), 0));
    }
}
