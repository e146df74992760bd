/*
 * One JSON object of findings as text for people: query_text prints what is published, each MX
 * host with its probes (query_text_probe.c), then verdicts and answers.
 */
#include "query/query.h"
#include "query/query_line.h"

#include <inttypes.h>
#include <string.h>

static const char *member(const struct json_value *object, const char *key)
{
    return json_text(json_get(object, key));
}

static void line(FILE *out, const char *what, const char *value)
{
    query_line_label(out, what);
    query_line_put(out, value != NULL ? value : "-");
    fputc('\n', out);
}

static void print_tlsa(FILE *out, const struct json_value *host)
{
    const struct json_value *list = json_get(host, "tlsa");
    for (const struct json_value *tlsa = list != NULL ? list->first : NULL; tlsa != NULL;
         tlsa = tlsa->next) {
        const char *data = member(tlsa, "data");
        query_line_label(out, "");
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
    query_line_label(out, text);
    query_line_put(out, name);
    fputs(": A ", out);
    query_line_put(out, member(host, "a"));
    fputs(", AAAA ", out);
    query_line_put(out, member(host, "aaaa"));
    fputs(", TLSA ", out);
    query_line_put(out, member(host, "tlsa_state"));
    if (base != NULL && name != NULL && strcmp(base, name) != 0) {
        fputs(" at ", out);
        query_line_put(out, base);
    }
    if (match != NULL && match->type != JSON_NULL)
        fputs(json_is_true(match) ? ", matches MTA-STS" : ", does not match MTA-STS", out);
    fputc('\n', out);
    print_tlsa(out, host);
    if (member(host, "failure") != NULL) {
        query_line_label(out, "");
        fputs("failure: ", out);
        query_line_put(out, member(host, "failure"));
        fputc('\n', out);
    }
    query_text_probes(out, host);
}

static void print_sts(FILE *out, const struct json_value *sts)
{
    const char *mode = member(sts, "mode"), *failure = member(sts, "failure");
    const char *text = member(sts, "failure_text");
    int64_t age = json_number(json_get(sts, "age"), -1);
    query_line_label(out, "MTA-STS");
    query_line_put(out, mode != NULL ? mode : member(sts, "state"));
    if (mode != NULL) {
        fputs(", id ", out);
        query_line_put(out, member(sts, "id"));
        fprintf(out, ", max_age %" PRId64, json_number(json_get(sts, "max_age"), 0));
        if (age >= 0)
            fprintf(out, ", fetched %" PRId64 " s ago", age);
        fputs(", ", out);
        query_line_put(out, member(sts, "source"));
    }
    if (failure != NULL) {
        fputs(" (", out);
        query_line_put(out, failure);
        if (text != NULL)
            fputs(": ", out);
        query_line_put(out, text);
        fputs(")", out);
    }
    fputc('\n', out);
    const struct json_value *patterns = json_get(sts, "mx");
    for (const struct json_value *mx = patterns != NULL ? patterns->first : NULL; mx != NULL;
         mx = mx->next)
        line(out, "", json_text(mx));
}

/* Of a satisfied verdict: whether the servers were looked at, and it is not known of one that it
 * would do, nor of each that it would not. */
static bool is_unseen(const struct json_value *hosts)
{
    bool unknown = false;
    const struct json_value *host, *probe, *probes;
    for (host = hosts != NULL ? hosts->first : NULL; host != NULL; host = host->next) {
        probes = json_get(host, "probe");
        for (probe = probes != NULL ? probes->first : NULL; probe != NULL; probe = probe->next) {
            const char *result = member(probe, "result");
            if (result != NULL && strcmp(result, "ok") == 0)
                return false;
            unknown = unknown || (result != NULL && (strcmp(result, "unreachable") == 0 ||
                                                     strcmp(result, "failed") == 0));
        }
    }
    return unknown;
}

/* Below enforce there is nothing to say of a level that is satisfied: it always is. */
static void print_verdicts(FILE *out, const struct json_value *object)
{
    const struct json_value *verdicts = json_get(object, "verdict");
    if (verdicts == NULL || verdicts->type != JSON_OBJECT)
        return;
    for (const struct json_value *v = verdicts->first; v != NULL; v = v->next) {
        const char *verdict = member(v, "verdict");
        bool plain = verdict != NULL && strcmp(verdict, "satisfied") == 0 && v != verdicts->first;
        query_line_label(out, v->key);
        query_line_put(out, verdict);
        if (member(v, "reason") != NULL && !plain) {
            fputs(": ", out);
            query_line_put(out, member(v, "reason"));
        }
        fputc('\n', out);
        if (v == verdicts->first && verdict != NULL && strcmp(verdict, "satisfied") == 0 &&
            is_unseen(json_get(object, "mx")))
            line(out, "", "by what is published alone: no server was seen to do all of it");
    }
}

/* Whether the map's answer lets mail go to some host. */
static bool is_map_open(const char *answer)
{
    return answer != NULL && strncmp(answer, "TEMP", 4) != 0 && strcmp(answer, "NOTFOUND") != 0 &&
           strstr(answer, "requiretls-unsatisfied.invalid") == NULL;
}

static bool is_probed(const struct json_value *object)
{
    const struct json_value *verdict = json_get(json_get(object, "verdict"), "enforce");
    return json_is_true(json_get(verdict, "probed"));
}

/* The verdict is that of the route which the rules give; the map is for a transport that can do all
 * that the map demands. */
static void print_difference(FILE *out, const struct json_value *object)
{
    const char *verdict = member(json_get(json_get(object, "verdict"), "enforce"), "verdict");
    const char *answer = member(json_get(object, "answers"), "enforce");
    if (verdict == NULL || answer == NULL)
        return;
    if (strcmp(verdict, "unsatisfied") == 0 && is_map_open(answer) && is_probed(object))
        line(out, "", "the map answers by what is published, not by what the servers did");
    else if (strcmp(verdict, "unsatisfied") == 0 && is_map_open(answer))
        line(out, "",
             "the verdict is that of the route of this name, which cannot demand this "
             "(`can` in its section)");
    else if (strcmp(verdict, "satisfied") == 0 && !is_map_open(answer))
        line(out, "",
             "the verdict is that of the rules for this name, which the map does not know");
}

static void print_answers(FILE *out, const struct json_value *object)
{
    const struct json_value *answers = json_get(object, "answers");
    static const char *const maps[] = {"QUERY", "enforce", "requiretls"};
    for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
        char text[64];
        if (member(answers, maps[i]) == NULL)
            continue;
        snprintf(text, sizeof(text), "map %s", maps[i]);
        line(out, text, member(answers, maps[i]));
        if (strcmp(maps[i], "enforce") == 0)
            print_difference(out, object);
    }
}

/* An address, of which nothing is looked up, and so no resolver is missed. */
static bool is_literal(const struct json_value *object)
{
    const struct json_value *hosts = json_get(object, "mx");
    const char *security = member(object, "security");
    return security != NULL && strcmp(security, "not-asked") == 0 &&
           (hosts == NULL || hosts->first == NULL);
}

void query_text(FILE *out, const struct json_value *object, const char *unicode)
{
    const struct json_value *hosts = json_get(object, "mx");
    const char *policy = member(object, "tls_policy"), *failure = member(object, "failure");
    const char *summary = member(object, "summary");
    if (unicode != NULL)
        fprintf(out, "%s (", unicode);
    query_line_put(out, member(object, "nexthop"));
    fprintf(out, "%s: ", unicode != NULL ? ")" : "");
    query_line_put(out, summary != NULL ? summary : policy != NULL ? "policy" : "failed");
    fputc('\n', out);
    if (policy != NULL)
        line(out, "tls_policy", policy);
    if (summary != NULL) {
        query_line_label(out, "MX records");
        query_line_put(out, member(object, "security"));
        if (!json_is_true(json_get(object, "security_known")) && !is_literal(object))
            fputs(" (no resolver that validates DNSSEC was there)", out);
        if (failure != NULL)
            fputs(": ", out);
        query_line_put(out, failure);
        fputc('\n', out);
        for (const struct json_value *host = hosts != NULL ? hosts->first : NULL; host != NULL;
             host = host->next)
            print_host(out, host);
        print_sts(out, json_get(object, "sts"));
    }
    print_verdicts(out, object);
    print_answers(out, object);
    if (summary != NULL) {
        query_line_label(out, "age");
        fprintf(out, "%" PRId64 " s, valid for another %" PRId64 " s\n",
                json_number(json_get(object, "age"), 0), json_number(json_get(object, "ttl"), 0));
    }
}
