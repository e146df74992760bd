/*
 * The values of findings as users see them: in logs, maps, JSON and metrics. Contract: scripts
 * match these words.
 */
#include "policy/findings.h"

#define NAME_OF(names, value)                                                                      \
    ((value) < sizeof(names) / sizeof *(names) ? (names)[value] : "unknown")

const char *findings_summary_name(unsigned summary)
{
    static const char *const names[] = {
        [FINDINGS_SUMMARY_DANE] = "dane",
        [FINDINGS_SUMMARY_DANE_PARTIAL] = "dane-partial",
        [FINDINGS_SUMMARY_DANE_INSECURE_MX] = "dane-insecure-mx",
        [FINDINGS_SUMMARY_DANE_UNUSABLE] = "dane-unusable",
        [FINDINGS_SUMMARY_STS_ENFORCE] = "sts-enforce",
        [FINDINGS_SUMMARY_STS_TESTING] = "sts-testing",
        [FINDINGS_SUMMARY_DNSSEC_PKI] = "dnssec-pki",
        [FINDINGS_SUMMARY_PKI] = "pki",
        [FINDINGS_SUMMARY_NONE] = "none",
        [FINDINGS_SUMMARY_UNKNOWN] = "unknown",
        [FINDINGS_SUMMARY_FAILED] = "failed",
    };
    return NAME_OF(names, summary);
}

const char *findings_mx_name(unsigned mx)
{
    static const char *const names[] = {
        [FINDINGS_MX_PENDING] = "pending",   [FINDINGS_MX_NOT_ASKED] = "not-asked",
        [FINDINGS_MX_SECURE] = "secure",     [FINDINGS_MX_INSECURE] = "insecure",
        [FINDINGS_MX_ABSENT] = "absent",     [FINDINGS_MX_NULL] = "null-mx",
        [FINDINGS_MX_NXDOMAIN] = "nxdomain", [FINDINGS_MX_FAILED] = "failed",
    };
    return NAME_OF(names, mx);
}

const char *findings_addr_name(unsigned addr)
{
    static const char *const names[] = {
        [FINDINGS_ADDR_PENDING] = "pending",   [FINDINGS_ADDR_SECURE] = "secure",
        [FINDINGS_ADDR_INSECURE] = "insecure", [FINDINGS_ADDR_ABSENT] = "absent",
        [FINDINGS_ADDR_FAILED] = "failed",
    };
    return NAME_OF(names, addr);
}

const char *findings_tlsa_state_name(unsigned state)
{
    static const char *const names[] = {
        [FINDINGS_TLSA_PENDING] = "pending", [FINDINGS_TLSA_NONE] = "none",
        [FINDINGS_TLSA_USABLE] = "usable",   [FINDINGS_TLSA_UNUSABLE] = "unusable",
        [FINDINGS_TLSA_FAILED] = "failed",
    };
    return NAME_OF(names, state);
}

const char *findings_sts_mode_name(unsigned mode)
{
    static const char *const names[] = {
        [FINDINGS_STS_MODE_NONE] = "none",
        [FINDINGS_STS_MODE_TESTING] = "testing",
        [FINDINGS_STS_MODE_ENFORCE] = "enforce",
    };
    return NAME_OF(names, mode);
}

const char *findings_sts_source_name(unsigned source)
{
    static const char *const names[] = {
        [FINDINGS_STS_FRESH] = "fresh",
        [FINDINGS_STS_CACHED] = "cached",
        [FINDINGS_STS_CACHED_FAILED] = "cached-refresh-failed",
        [FINDINGS_STS_SHARED] = "shared",
    };
    return NAME_OF(names, source);
}

const char *findings_sts_failure_name(unsigned failure)
{
    static const char *const names[] = {
        [FINDINGS_STS_FAILURE_NONE] = "none",
        [FINDINGS_STS_NO_RECORD] = "no-record",
        [FINDINGS_STS_INVALID_RECORD] = "invalid-record",
        [FINDINGS_STS_DNS_ERROR] = "dns-error",
        [FINDINGS_STS_FETCH_ERROR] = "sts-policy-fetch-error",
        [FINDINGS_STS_POLICY_INVALID] = "sts-policy-invalid",
        [FINDINGS_STS_WEBPKI_INVALID] = "sts-webpki-invalid",
    };
    return NAME_OF(names, failure);
}

const char *findings_probe_result_name(unsigned result)
{
    static const char *const names[] = {
        [FINDINGS_PROBE_OK] = "ok",
        [FINDINGS_PROBE_NO_STARTTLS] = "no-starttls",
        [FINDINGS_PROBE_NOT_AUTHENTICATED] = "not-authenticated",
        [FINDINGS_PROBE_NO_REQUIRETLS] = "no-requiretls",
        [FINDINGS_PROBE_UNREACHABLE] = "unreachable",
        [FINDINGS_PROBE_FAILED] = "failed",
    };
    return NAME_OF(names, result);
}

const char *findings_probe_check_name(unsigned check)
{
    static const char *const names[] = {
        [FINDINGS_PROBE_CHECK_NOT_TRIED] = "not-tried",
        [FINDINGS_PROBE_CHECK_OK] = "ok",
        [FINDINGS_PROBE_CHECK_FAILED] = "failed",
    };
    return NAME_OF(names, check);
}
