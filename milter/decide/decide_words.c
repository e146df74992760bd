/*
 * The words in which a decision is logged: what it rests on, and what the MTA will log of the
 * delivery if all goes as found. And the reason where nothing was found out.
 */
#include "decide/decide_internal.h"

#include "config/tls_policy.h"
#include "decide/feature_status.h"
#include "policy/requirement.h"

#include <stdio.h>

void decide_expect(const struct decide_input *in, const struct verdict *verdict,
                   struct decision *out)
{
    enum feature_requiretls requiretls = FEATURE_REQUIRETLS_MET;
    enum requirement_kind kind;

    if (out->expect[0] != '\0' || verdict->value != VERDICT_SATISFIED ||
        verdict->basis == VERDICT_BASIS_NONE)
        return;
    kind = requirement_of_basis(in->findings, in->terms, verdict->basis, out->level,
                                config_route_asks_enforce(in->settings->route));
    if (verdict->basis == VERDICT_BASIS_LEVEL)
        requiretls = out->level == VERDICT_LEVEL_DISABLE ? FEATURE_REQUIRETLS_NOT_ASKED
                                                         : FEATURE_REQUIRETLS_UNVERIFIED;
    feature_status_write(requirement_tls_level(kind), FEATURE_TLS_MET, requiretls, out->expect,
                         sizeof(out->expect));
}

const char *decide_summary(const struct verdict *verdict)
{
    switch (verdict->basis) {
    case VERDICT_BASIS_DANE:
        return findings_summary_name(FINDINGS_SUMMARY_DANE);
    case VERDICT_BASIS_STS:
        return findings_summary_name(FINDINGS_SUMMARY_STS_ENFORCE);
    case VERDICT_BASIS_WEB_PKI:
        return findings_summary_name(FINDINGS_SUMMARY_PKI);
    case VERDICT_BASIS_NONE:
    case VERDICT_BASIS_LEVEL:
    default:
        break;
    }
    if (verdict->value == VERDICT_UNDECIDED)
        return findings_summary_name(FINDINGS_SUMMARY_FAILED);
    if (verdict->value != VERDICT_UNSATISFIED)
        return "-";
    switch (verdict->reason) {
    case VERDICT_REASON_ROUTE_NO_REQUIRETLS: /* whatever would have been found */
        return "-";
    case VERDICT_REASON_STS_NOT_ENFORCE:
        return findings_summary_name(FINDINGS_SUMMARY_STS_TESTING);
    case VERDICT_REASON_DANE_UNUSABLE:
    case VERDICT_REASON_DANE_UNUSABLE_ROUTE:
        return findings_summary_name(FINDINGS_SUMMARY_DANE_UNUSABLE);
    case VERDICT_REASON_DANE_INSECURE_MX:
        return findings_summary_name(FINDINGS_SUMMARY_DANE_INSECURE_MX);
    case VERDICT_REASON_ROUTE_NO_WEB_PKI:
    case VERDICT_REASON_WEB_PKI_OFF:
        return findings_summary_name(FINDINGS_SUMMARY_DNSSEC_PKI);
    case VERDICT_REASON_DANE_PARTIAL:
        return findings_summary_name(FINDINGS_SUMMARY_DANE_PARTIAL);
    case VERDICT_REASON_ROUTE_NO_DANE:
        return findings_summary_name(FINDINGS_SUMMARY_DANE);
    case VERDICT_REASON_ROUTE_NO_STS:
    case VERDICT_REASON_STS_NO_MATCH:
        return findings_summary_name(FINDINGS_SUMMARY_STS_ENFORCE);
    case VERDICT_REASON_NONE:
    case VERDICT_REASON_NOTHING_PUBLISHED:
    case VERDICT_REASON_LITERAL:
    case VERDICT_REASON_NULL_MX:
    case VERDICT_REASON_NO_DOMAIN:
    case VERDICT_REASON_NO_HOST:
    case VERDICT_REASON_NO_PRIMARY:
    case VERDICT_REASON_BEST_MX:
    case VERDICT_REASON_DNS_FAILED:
    case VERDICT_REASON_STS_FAILED:
    case VERDICT_REASON_SECURITY_UNKNOWN:
    case VERDICT_REASON_SERVERS_NO_STARTTLS: /* the basis says it */
    case VERDICT_REASON_SERVERS_STARTTLS_REFUSED:
    case VERDICT_REASON_SERVERS_NOT_AUTHENTICATED:
    case VERDICT_REASON_SERVERS_NO_REQUIRETLS:
    default:
        return findings_summary_name(FINDINGS_SUMMARY_NONE);
    }
}

const char *decide_lead(enum decide_asker asker)
{
    return asker == DECIDE_ASKED_BY_SENDER ? "Sender requested REQUIRETLS, but "
                                           : "This message requires TLS, but ";
}

const char *decide_explain_policy(const char *tls_policy, const char *nexthop, char *out,
                                  size_t out_size)
{
    size_t len;
    const char *word = tls_policy_word(tls_policy, &len);

    snprintf(out, out_size,
             "this host's own policy for %s (%.*s) does not authenticate its servers",
             nexthop != NULL ? nexthop : "it", (int)len, word);
    return out;
}

const char *decide_action_name(enum decide_action action)
{
    static const char *const names[] = {
        [DECIDE_ACCEPT] = "accept",     [DECIDE_REJECT] = "reject",
        [DECIDE_TEMPFAIL] = "tempfail", [DECIDE_QUARANTINE] = "quarantine",
        [DECIDE_LOG] = "log",
    };

    return (size_t)action < sizeof(names) / sizeof(names[0]) ? names[action] : "tempfail";
}

const char *decide_request_name(enum decide_request request)
{
    static const char *const names[] = {
        [DECIDE_REQUEST_NONE] = "none",
        [DECIDE_REQUEST_OPTIONAL] = "optional",
        [DECIDE_REQUEST_REQUIRE] = "require",
    };

    return (size_t)request < sizeof(names) / sizeof(names[0]) ? names[request] : "unknown";
}

void decide_explain_without(const struct decide_input *in, const struct verdict *verdict, char *out,
                            size_t out_len)
{
    const char *name = in->nexthop != NULL ? in->nexthop->text : "the recipient's domain";

    if (verdict->reason == VERDICT_REASON_LITERAL) {
        snprintf(out, out_len, "%s is an address and can publish neither DANE nor MTA-STS", name);
        return;
    }
    switch (in->missing) {
    case DECIDE_MISSING_TIME:
        snprintf(out, out_len, "the lookups for %s are not finished", name);
        return;
    case DECIDE_MISSING_BUSY:
        snprintf(out, out_len, "too many messages are waiting for lookups, of %s or others", name);
        return;
    case DECIDE_MISSING_STOP:
        snprintf(out, out_len, "this service is being restarted");
        return;
    case DECIDE_MISSING_MTA:
        snprintf(out, out_len, "the MTA ended the session while %s was looked up", name);
        return;
    case DECIDE_MISSING_ENGINE:
    default:
        snprintf(out, out_len, "%s cannot be looked up at present", name);
        return;
    }
}
