/*
 * Decides for one recipient. What the findings mean is verdict.c's (policy/); here the
 * administrator's settings turn the verdict into an action, a status code and a sentence.
 *
 * RFC 8689 section 4.2.1 (5.7.10, 5.7.30, and a null reverse-path is never held to the request),
 * section 4.2.2 (TLS-Required: No); RFC 7505 (5.1.10); RFC 3463.
 */
#include "decide/decide_internal.h"

#include "config/tls_policy.h"
#include "decide/feature_status.h"
#include "decide/terms.h"
#include "policy/findings_summary.h"
#include "policy/requirement.h"

#include <stdio.h>
#include <string.h>

struct decide_asked decide_request(const struct request_mail *mail,
                                   const struct request_header *header, bool believed,
                                   enum config_request rule)
{
    struct decide_asked asked = {.request = DECIDE_REQUEST_NONE, .asker = DECIDE_ASKED_BY_SENDER};

    if (rule == CONFIG_REQUEST_IGNORE)
        return asked;
    if (mail->parameter || mail->marker || (believed && header->require_esmtp > 0)) {
        asked.request = DECIDE_REQUEST_REQUIRE;
    } else if (rule == CONFIG_REQUEST_REQUIRE) {
        asked.request = DECIDE_REQUEST_REQUIRE;
        asked.asker = DECIDE_ASKED_BY_RULE;
    } else if (request_header_optional(header)) {
        asked.request = DECIDE_REQUEST_OPTIONAL;
    } else if (rule == CONFIG_REQUEST_OPTIONAL) {
        asked.request = DECIDE_REQUEST_OPTIONAL;
        asked.asker = DECIDE_ASKED_BY_RULE;
    } else {
        asked.observe = rule == CONFIG_REQUEST_OBSERVE;
    }
    return asked;
}

void decide_terms(const struct decide_input *in, struct verdict_terms *out)
{
    *out = *in->terms;
    terms_add_settings(in->settings, in->mta_requiretls, out);
    /* A message that goes on as it is has REQUIRETLS for the MTA only if its sender said so: what a
     * rule asks for, the MTA does not know. Its delivery agent does. */
    if (in->settings->route->method == CONFIG_METHOD_NONE && in->agent)
        terms_of_agent(in->settings, in->terms, out);
    else if (in->settings->route->method == CONFIG_METHOD_NONE && in->asker == DECIDE_ASKED_BY_RULE)
        out->can &= ~(unsigned)VERDICT_CAN_REQUIRETLS;
}

bool decide_needs_findings(const struct decide_input *in)
{
    const struct rules_settings *s = in->settings;
    struct verdict certain;

    return !in->null_sender && !s->not_applicable && s->tls_policy == NULL && in->nexthop != NULL &&
           !verdict_without_findings(in->nexthop->kind, s->level, &certain);
}

enum decide_probe decide_client_probe(const struct config *config, bool authenticated, bool trusted)
{
    switch (config->engine.probe_enable) {
    case ENGINE_PROBE_YES:
        return DECIDE_PROBE_LOOK;
    case ENGINE_PROBE_AUTO:
        return authenticated || trusted ? DECIDE_PROBE_LOOK : DECIDE_PROBE_KNOWN;
    case ENGINE_PROBE_NO:
    default:
        return DECIDE_PROBE_NO;
    }
}

enum decide_probe decide_probe(const struct decide_input *in)
{
    const struct rules_settings *s = in->settings;
    struct verdict_terms terms;
    struct verdict verdict;

    if (in->probe == DECIDE_PROBE_NO || in->null_sender || s->not_applicable ||
        s->tls_policy != NULL || in->nexthop == NULL || in->findings == NULL)
        return DECIDE_PROBE_NO;
    decide_terms(in, &terms);
    if (terms.level == VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS)
        return DECIDE_PROBE_KNOWN;
    if (terms.level != VERDICT_LEVEL_ENFORCE || (terms.can & VERDICT_CAN_REQUIRETLS) == 0)
        return DECIDE_PROBE_NO;
    verdict_derive(in->findings, &terms, &verdict);
    return verdict.value == VERDICT_SATISFIED ? in->probe : DECIDE_PROBE_NO;
}

static void derive_verdict(const struct decide_input *in, struct verdict *verdict,
                           struct decision *out)
{
    struct verdict_terms terms;

    decide_terms(in, &terms);
    if (in->findings != NULL)
        verdict_derive(in->findings, &terms, verdict);
    else
        verdict_without_findings(in->nexthop->kind, terms.level, verdict);
    if (verdict->value == VERDICT_PENDING) { /* the caller stopped waiting */
        verdict->value = VERDICT_UNDECIDED;
        verdict->reason = VERDICT_REASON_DNS_FAILED;
        decide_explain_without(in, verdict, out->reason, sizeof(out->reason));
    } else if (verdict->value == VERDICT_SATISFIED) {
        out->reason[0] = '\0';
    } else if (in->findings != NULL) {
        verdict_explain(in->findings, verdict, out->reason, sizeof(out->reason));
    } else {
        decide_explain_without(in, verdict, out->reason, sizeof(out->reason));
    }
}

/* An administrator's policy replaces the findings. */
static void derive_policy(const struct decide_input *in, struct verdict *verdict,
                          struct decision *out)
{
    const char *policy = in->settings->tls_policy;
    const char *name = in->nexthop != NULL ? in->nexthop->text : NULL;
    struct verdict_terms terms;
    size_t len;
    const char *word = tls_policy_word(policy, &len);
    char level[32];

    decide_terms(in, &terms);
    terms_policy_verdict(policy, &terms, verdict);
    out->findings = "policy";
    out->exempt = terms_is_exempt(policy);
    if (verdict->reason == VERDICT_REASON_ROUTE_NO_REQUIRETLS)
        snprintf(out->reason, sizeof(out->reason),
                 "this host cannot pass REQUIRETLS on to the mail servers of %s",
                 name != NULL ? name : "its domain");
    else if (verdict->value == VERDICT_UNSATISFIED)
        decide_explain_policy(policy, name, out->reason, sizeof(out->reason));
    if (verdict->value == VERDICT_UNSATISFIED || !tls_policy_authenticates(policy))
        return;
    snprintf(level, sizeof(level), "%.*s", (int)len, word);
    feature_status_write(level, FEATURE_TLS_MET, FEATURE_REQUIRETLS_MET, out->expect,
                         sizeof(out->expect));
}

/* Whether what the servers were seen to fail in is demanded at that level as well: DANE and MTA-STS
 * are, of all mail. */
static bool fails_at(const struct decide_input *in, enum verdict_reason reason,
                     enum verdict_level level)
{
    struct requirement requirement;
    struct verdict_terms terms;

    if (reason != VERDICT_REASON_SERVERS_NO_STARTTLS &&
        reason != VERDICT_REASON_SERVERS_STARTTLS_REFUSED &&
        reason != VERDICT_REASON_SERVERS_NOT_AUTHENTICATED)
        return false;
    decide_terms(in, &terms);
    requirement_derive(in->findings, &terms, level, &requirement);
    return requirement.kind == REQUIREMENT_DANE_ONLY || requirement.kind == REQUIREMENT_STS;
}

/* Whether the message may go on at the lower level that `fallback` names. */
static bool fall_back(const struct decide_input *in, struct verdict *verdict, struct decision *out)
{
    struct rules_settings lower = *in->settings;
    struct decide_input lower_in = *in;
    struct decision unused = {.reason = ""};
    struct verdict at_lower;

    switch (in->settings->fallback) {
    case CONFIG_FALLBACK_ENCRYPT:
        lower.level = VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS;
        break;
    case CONFIG_FALLBACK_MAY:
        lower.level = VERDICT_LEVEL_OPPORTUNISTIC;
        break;
    case CONFIG_FALLBACK_NONE:
    default:
        return false;
    }
    if ((in->settings->route->can & VERDICT_CAN_FALLBACK) == 0 ||
        in->settings->level != VERDICT_LEVEL_ENFORCE || in->nexthop == NULL)
        return false;
    lower_in.settings = &lower;
    derive_verdict(&lower_in, &at_lower, &unused);
    if (at_lower.value != VERDICT_SATISFIED || verdict->reason == VERDICT_REASON_NULL_MX ||
        fails_at(in, verdict->reason, lower.level))
        return false;
    *verdict = at_lower;
    out->level = lower.level;
    out->fell_back = true;
    return true;
}

/* A server without STARTTLS can offer no REQUIRETLS either; below enforce that is not what is
 * missing. */
static enum reply_reason reply_reason_of(enum verdict_reason reason, enum verdict_level level)
{
    if (reason == VERDICT_REASON_NULL_MX)
        return REPLY_NULL_MX;
    if (reason == VERDICT_REASON_ROUTE_NO_REQUIRETLS ||
        reason == VERDICT_REASON_SERVERS_NO_REQUIRETLS ||
        (reason == VERDICT_REASON_SERVERS_NO_STARTTLS && level == VERDICT_LEVEL_ENFORCE))
        return REPLY_REQUIRETLS_NEEDED;
    return reason == VERDICT_REASON_NO_DOMAIN ? REPLY_NO_DOMAIN : REPLY_ENCRYPTION_NEEDED;
}

/* A definite no: what the administrator has done with it. */
static void refuse_recipient(enum config_action setting, enum verdict_reason reason,
                             struct decision *out)
{
    switch (setting) {
    case CONFIG_ACTION_QUARANTINE:
        out->action = DECIDE_QUARANTINE;
        return;
    case CONFIG_ACTION_LOG:
        out->action = DECIDE_LOG;
        return;
    case CONFIG_ACTION_REJECT:
        out->action = DECIDE_REJECT;
        break;
    case CONFIG_ACTION_TEMPFAIL:
    default:
        out->action = DECIDE_TEMPFAIL;
        break;
    }
    out->code =
        reply_code(reply_reason_of(reason, out->level), out->action == DECIDE_REJECT, &out->status);
}

static void defer_recipient(const struct decide_input *in, struct decision *out)
{
    bool missing = in->findings == NULL;
    bool busy =
        missing && (in->missing == DECIDE_MISSING_BUSY || in->missing == DECIDE_MISSING_STOP);
    bool gone = missing && in->missing == DECIDE_MISSING_MTA;
    bool ours = busy || gone || (missing && in->missing == DECIDE_MISSING_ENGINE);

    /* Only what could not be found out may pass by on_undecided = log; that this host is busy,
     * stopping or out of memory is no finding. */
    if (in->settings->on_undecided == CONFIG_ACTION_LOG && !ours) {
        out->action = DECIDE_LOG;
        return;
    }
    out->action = DECIDE_TEMPFAIL;
    out->code = reply_code(busy   ? REPLY_BUSY
                           : gone ? REPLY_MTA_GONE
                                  : REPLY_LOOKUP_FAILED,
                           false, &out->status);
}

static void not_applicable(struct decision *out, const char *why)
{
    out->verdict = VERDICT_NOT_APPLICABLE;
    out->action = DECIDE_ACCEPT;
    out->route = NULL;
    snprintf(out->reason, sizeof(out->reason), "%s", why);
}

/* What stays here may be an alias, or be forwarded: a route that leads through this host once more
 * takes it along, and sees what becomes of it. */
static void local_delivery(const struct config_route *route, struct decision *out)
{
    not_applicable(out, "local delivery");
    out->local = true;
    if (config_route_reinjects(route))
        out->route = route;
}

/* RFC 8689 section 4.2.1 holds no bounce to REQUIRETLS. An MTA that does so all the same discards
 * what it cannot send, as there is nobody to tell: the route is one that demands nothing. */
static void null_sender(const struct decide_input *in, struct decision *out)
{
    not_applicable(out, "the reverse-path is empty");
    out->level = VERDICT_LEVEL_OPPORTUNISTIC;
    out->null_sender = true;
    out->local = in->settings->not_applicable;
    if (in->mta_may_enforce && (!out->local || config_route_reinjects(in->settings->route)))
        out->route = in->settings->route;
}

static void init_decision(const struct decide_input *in, struct decision *out)
{
    *out = (struct decision){
        .action = DECIDE_TEMPFAIL,
        .verdict = VERDICT_UNDECIDED,
        .level = in->settings->level,
        .route = in->settings->route,
        .findings = "-",
    };
    if (in->findings != NULL && findings_complete(in->findings))
        out->findings = findings_summary_name(findings_summarise(in->findings, in->terms));
}

/* A recipient without a next-hop cannot be delivered anywhere else either. */
static void no_nexthop(const struct decide_input *in, struct decision *out)
{
    out->verdict = VERDICT_UNSATISFIED;
    out->reason_code = VERDICT_REASON_NO_DOMAIN;
    snprintf(out->reason, sizeof(out->reason), "the address has no valid domain name");
    refuse_recipient(in->settings->on_unsatisfied, VERDICT_REASON_NO_DOMAIN, out);
}

void decide_require(const struct decide_input *in, struct decision *out)
{
    struct verdict verdict;

    init_decision(in, out);
    if (in->null_sender) {
        null_sender(in, out);
        return;
    }
    if (in->settings->not_applicable) {
        local_delivery(in->settings->route, out);
        return;
    }
    if (in->nexthop == NULL && in->settings->tls_policy == NULL) {
        no_nexthop(in, out);
        return;
    }
    if (in->settings->tls_policy != NULL)
        derive_policy(in, &verdict, out);
    else
        derive_verdict(in, &verdict, out);
    out->verdict = verdict.value;
    out->reason_code = verdict.reason;
    if (in->findings != NULL && !findings_complete(in->findings))
        out->findings = decide_summary(&verdict);
    switch (verdict.value) {
    case VERDICT_SATISFIED:
        out->action = DECIDE_ACCEPT;
        break;
    case VERDICT_NOT_APPLICABLE:
        /* A domain that does not exist, or whose best MX host is this one: the MTA knows what to
         * do. Should it be otherwise when the MTA looks, the route still holds the message to its
         * request. */
        out->action = DECIDE_ACCEPT;
        break;
    case VERDICT_UNSATISFIED:
        if (fall_back(in, &verdict, out))
            out->action = DECIDE_ACCEPT;
        else
            refuse_recipient(in->settings->on_unsatisfied, verdict.reason, out);
        break;
    case VERDICT_UNDECIDED:
    case VERDICT_PENDING:
    default:
        defer_recipient(in, out);
        break;
    }
    decide_expect(in, &verdict, out);
}

void decide_optional(const struct decide_input *in, struct decision *out)
{
    init_decision(in, out);
    if (in->settings->not_applicable) {
        if (in->null_sender)
            not_applicable(out, "local delivery");
        else
            local_delivery(in->settings->optional_route, out);
        return;
    }
    out->verdict = VERDICT_NOT_APPLICABLE;
    out->action = DECIDE_ACCEPT;
    out->route = in->settings->optional_route;
    snprintf(out->expect, sizeof(out->expect), "may");
}

void decide_reply(const struct decision *decision, const char *address, enum decide_asker asker,
                  struct reply *out)
{
    bool null_mx = decision->reason_code == VERDICT_REASON_NULL_MX;
    char shown[130];

    /* The address is the client's own: cut first, so that the reason always fits. */
    reply_clean(address, shown, sizeof(shown));
    reply_set(out, decision->code, decision->status, "<%s>: %s%s%s", shown,
              null_mx ? "" : decide_lead(asker), decision->reason,
              decision->action == DECIDE_TEMPFAIL && decision->code != 0 ? "; try again later"
                                                                         : "");
}

bool decide_is_refusal(const struct decision *decision)
{
    switch (decision->action) {
    case DECIDE_ACCEPT:
    case DECIDE_QUARANTINE:
    case DECIDE_LOG:
        return false;
    case DECIDE_REJECT:
    case DECIDE_TEMPFAIL:
    default:
        return true;
    }
}
