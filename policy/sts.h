/*
 * MTA-STS grammar and matching, pure: the TXT record (RFC 8461 section 3.1), the policy file
 * (section 3.2) and the match of an MX host with the policy's patterns (section 4.1).
 * Fetching is left to sts_fetch.c; lifetime and caching to the engine.
 */
#ifndef POLICY_STS_H
#define POLICY_STS_H

#include "dns_answer.h"
#include "policy/findings.h"

enum { STS_ID_MAX = 32 }; /* 1*32(ALPHA / DIGIT) */

/* What a set of TXT records at _mta-sts.<domain> says. */
enum sts_record_status {
    STS_RECORD_FOUND,
    STS_RECORD_NONE,    /* no record that begins with v=STSv1 and a separator */
    STS_RECORD_INVALID, /* one that breaks the grammar, or several: no policy (3.1) */
};

/* Reads the TXT RRset of an answer with status DNS_FOUND; others are STS_RECORD_NONE. */
enum sts_record_status sts_record_parse(const struct dns_answer *answer, char id[STS_ID_MAX + 1]);

/* A parsed policy. Own allocation; patterns are lower case A-labels. */
struct sts_policy {
    enum findings_sts_mode mode;
    uint32_t max_age_s; /* clamped to 31557600, the RFC's limit */
    size_t mx_count;
    char **mx;   /* `mx.example.org` or `*.example.org` */
    char *lines; /* the lines as served that TLSRPT quotes (RFC 8460 4.3), printable ASCII only,
                    each ended by \n, bounded */
};

/*
 * Parses a policy file. Returns 0 and the policy (caller frees), -EBADMSG with a reason in err when
 * it is invalid, -ENOMEM.
 */
int sts_policy_parse(const char *body, size_t len, struct sts_policy **out, char *err,
                     size_t err_len);
void sts_policy_free(struct sts_policy *policy); /* NULL is allowed */

/* Whether host (A-labels, lower case) matches one pattern; a wildcard covers one label (4.1). */
bool sts_pattern_match(const char *pattern, const char *host);

#endif
