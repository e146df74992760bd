/*
 * Writes the JSON object of a next-hop. Every key is always there; what is not known or does not
 * apply is null, so that a reader needs no cases.
 */
#include "answer/findings_json.h"

#include "answer/findings_json_probe.h"
#include "policy/findings_summary.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void string_or_null(struct json *json, const char *key, const char *value)
{
    json_key(json, key);
    json_string(json, value);
}

static void write_tlsa(struct json *json, const struct findings_host *host)
{
    json_key(json, "tlsa");
    json_array_begin(json);
    for (size_t i = 0; i < host->tlsa_count; i++) {
        const struct findings_tlsa *tlsa = &host->tlsa[i];
        json_object_begin(json);
        json_key(json, "usage");
        json_int(json, tlsa->usage);
        json_key(json, "selector");
        json_int(json, tlsa->selector);
        json_key(json, "matching_type");
        json_int(json, tlsa->matching_type);
        json_key(json, "data");
        json_hex(json, tlsa->data, tlsa->data_len);
        json_key(json, "usable");
        json_bool(json, tlsa->usable);
        json_object_end(json);
    }
    json_array_end(json);
}

/* What is not signed as far as is known is of unknown security while nobody validated; nor have
 * TLSA records been asked for then. */
static const char *mx_name(const struct findings *f)
{
    return f->mx == FINDINGS_MX_INSECURE && !f->security_known ? "unknown"
                                                               : findings_mx_name(f->mx);
}

static const char *addr_name(const struct findings *f, unsigned addr)
{
    return addr == FINDINGS_ADDR_INSECURE && !f->security_known ? "unknown"
                                                                : findings_addr_name(addr);
}

static const char *tlsa_name(const struct findings *f, const struct findings_host *host)
{
    bool secure = host->a == FINDINGS_ADDR_SECURE || host->aaaa == FINDINGS_ADDR_SECURE;

    return host->tlsa_state == FINDINGS_TLSA_NONE && !f->security_known && !secure
               ? "unknown"
               : findings_tlsa_state_name(host->tlsa_state);
}

static void write_hosts(struct json *json, const struct findings *f)
{
    json_key(json, "mx");
    json_array_begin(json);
    for (size_t i = 0; f != NULL && i < f->host_count; i++) {
        const struct findings_host *host = &f->hosts[i];
        json_object_begin(json);
        string_or_null(json, "host", host->name);
        json_key(json, "preference");
        json_int(json, host->preference);
        string_or_null(json, "a", addr_name(f, host->a));
        string_or_null(json, "aaaa", addr_name(f, host->aaaa));
        string_or_null(json, "tlsa_base", host->tlsa_base);
        string_or_null(json, "tlsa_state", tlsa_name(f, host));
        write_tlsa(json, host);
        json_key(json, "sts_match");
        if (f->sts.state == FINDINGS_STS_POLICY)
            json_bool(json, host->sts_match);
        else
            json_null(json);
        string_or_null(json, "failure", host->failure);
        findings_json_probes(json, host);
        json_object_end(json);
    }
    json_array_end(json);
}

static const char *sts_state_name(unsigned state)
{
    switch (state) {
    case FINDINGS_STS_PENDING:
        return "pending";
    case FINDINGS_STS_OFF:
        return "off";
    case FINDINGS_STS_NONE:
        return "none";
    case FINDINGS_STS_POLICY:
        return "policy";
    case FINDINGS_STS_FAILED:
        return "failed";
    default:
        return "unknown";
    }
}

static void write_sts(struct json *json, const struct findings *f, int64_t wall_s)
{
    const struct findings_sts *sts = f != NULL ? &f->sts : NULL;
    bool policy = sts != NULL && sts->state == FINDINGS_STS_POLICY;
    json_key(json, "sts");
    json_object_begin(json);
    string_or_null(json, "state", sts != NULL ? sts_state_name(sts->state) : NULL);
    string_or_null(json, "mode", policy ? findings_sts_mode_name(sts->mode) : NULL);
    string_or_null(json, "id", policy ? sts->id : NULL);
    json_key(json, "max_age");
    if (policy)
        json_int(json, sts->max_age_s);
    else
        json_null(json);
    json_key(json, "mx");
    json_array_begin(json);
    for (size_t i = 0; policy && i < sts->mx_count; i++)
        json_string(json, sts->mx[i]);
    json_array_end(json);
    json_key(json, "age");
    if (policy && sts->fetched_at_s > 0)
        json_int(json, wall_s > sts->fetched_at_s ? wall_s - sts->fetched_at_s : 0);
    else
        json_null(json);
    string_or_null(json, "source", policy ? findings_sts_source_name(sts->source) : NULL);
    string_or_null(json, "failure",
                   sts != NULL && sts->failure != FINDINGS_STS_FAILURE_NONE
                       ? findings_sts_failure_name(sts->failure)
                       : NULL);
    string_or_null(json, "failure_text", sts != NULL ? sts->failure_text : NULL);
    json_object_end(json);
}

static void write_verdicts(struct json *json, const struct nexthop *nexthop,
                           const struct findings *f, const struct findings_json_terms *terms)
{
    json_key(json, "verdict");
    json_object_begin(json);
    for (unsigned level = VERDICT_LEVEL_ENFORCE; level <= VERDICT_LEVEL_DISABLE; level++) {
        struct verdict verdict;
        char reason[512];
        findings_json_verdict(nexthop, f, terms, (enum verdict_level)level, &verdict, reason,
                              sizeof(reason));
        json_key(json, verdict_level_name(level));
        json_object_begin(json);
        string_or_null(json, "verdict", verdict_value_name(verdict.value));
        string_or_null(json, "reason", reason);
        json_key(json, "probed");
        json_bool(json, verdict_is_by_probes(&verdict));
        json_object_end(json);
    }
    json_object_end(json);
}

static void write_answer(struct json *json, const struct findings *f,
                         const struct findings_json_terms *terms, enum answer_map map, char *text)
{
    json_key(json, answer_map_name(map));
    switch (answer_derive(f, &terms->answer, map, text, ANSWER_MAX)) {
    case ANSWER_OK:
        json_string(json, text);
        return;
    case ANSWER_NOTFOUND:
        json_string(json, "NOTFOUND");
        return;
    case ANSWER_PENDING:
        json_string(json, "PENDING");
        return;
    case ANSWER_TEMP:
    default:
        break;
    }
    char line[300];
    snprintf(line, sizeof(line), "TEMP %.280s", text);
    json_string(json, line);
}

static void write_answers(struct json *json, const struct findings *f,
                          const struct findings_json_terms *terms)
{
    char *text = malloc(ANSWER_MAX);
    if (text == NULL)
        json->error = -ENOMEM;
    json_key(json, "answers");
    json_object_begin(json);
    for (unsigned map = 0; text != NULL && map < ANSWER_MAPS; map++)
        write_answer(json, f, terms, (enum answer_map)map, text);
    json_object_end(json);
    free(text);
}

void findings_json(struct json *json, const struct nexthop *nexthop, const struct findings *f,
                   const struct findings_json_terms *terms)
{
    json_object_begin(json);
    string_or_null(json, "nexthop", nexthop->text);
    string_or_null(json, "summary",
                   f != NULL ? findings_summary_name(findings_summarise(f, &terms->verdict))
                             : NULL);
    string_or_null(json, "security", f != NULL ? mx_name(f) : NULL);
    json_key(json, "security_known");
    if (f != NULL)
        json_bool(json, f->security_known);
    else
        json_null(json);
    json_key(json, "dane_seen");
    if (f != NULL && !f->security_known)
        json_bool(json, f->dane_seen);
    else
        json_null(json);
    string_or_null(json, "failure", f != NULL ? f->failure : NULL);
    string_or_null(json, "tls_policy", terms->answer.tls_policy);
    write_hosts(json, f);
    write_sts(json, f, terms->wall_s);
    write_verdicts(json, nexthop, f, terms);
    write_answers(json, f, terms);
    json_key(json, "age");
    if (f != NULL)
        json_int(json, findings_json_age_s(f, terms));
    else
        json_null(json);
    json_key(json, "ttl");
    if (f != NULL)
        json_int(json, findings_json_ttl_s(f, terms));
    else
        json_null(json);
    json_object_end(json);
}
