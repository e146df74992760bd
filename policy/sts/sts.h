/*
 * MTA-STS grammar, pure: the TXT record (RFC 8461 section 3.1) and the policy file (section 3.2).
 * The match of an MX host with the policy's patterns is findings/sts_match.h's, fetching
 * sts_fetch.c's, lifetime and caching sts_cache.c's.
 */
#ifndef POLICY_STS_STS_H
#define POLICY_STS_STS_H

#include "dns/dns_answer.h"
#include "policy/findings.h"

enum { STS_ID_MAX = 32 }; /* 1*32(ALPHA / DIGIT) */

/* What a set of TXT records at _mta-sts.<domain> says. */
enum sts_record_status {
    STS_RECORD_FOUND,
    STS_RECORD_NONE,    /* no record that begins with v=STSv1 and a semicolon */
    STS_RECORD_INVALID, /* one that breaks the grammar, or several: no policy (3.1) */
};

/*
 * Reads the TXT RRset of an answer with status DNS_FOUND; others are STS_RECORD_NONE, so a failed
 * lookup must be told apart before. `id` is empty unless the result is STS_RECORD_FOUND.
 */
enum sts_record_status sts_record_parse(const struct dns_answer *answer, char id[STS_ID_MAX + 1]);

/* A parsed policy. Own allocation; patterns are lower case A-labels. */
struct sts_policy {
    enum findings_sts_mode mode;
    uint32_t max_age_s; /* clamped to 31557600, the RFC's limit; 0 is allowed */
    size_t mx_count;    /* at most 1024; 0 only in mode none */
    char **mx;          /* `mx.example.org` or `*.example.org`, never anything else */
    char *lines;        /* the lines as served that TLSRPT quotes (RFC 8460 4.4): printable ASCII
                           (other octets are '?'), each ended by \n, 4096 octets at most */
};

/*
 * Parses a policy file. Returns 0 and the policy (caller frees), -EBADMSG when it is invalid with a
 * reason in err that quotes nothing of the file ("line 2: mode is not ..."), -ENOMEM.
 */
int sts_policy_parse(const char *body, size_t len, struct sts_policy **out, char *err,
                     size_t err_size);
void sts_policy_free(struct sts_policy *policy); /* NULL is allowed */

/*
 * A policy file that parses to the same policy, for where the file as served is not at hand: its
 * lines as far as they are known, or else lines of our own. A string that the caller frees; NULL
 * when out of memory.
 */
char *sts_policy_text(const struct sts_policy *policy);

/* Whether these octets are an mx value of the grammar: a domain name, perhaps after `*.`. */
bool sts_pattern_valid(const char *pattern, size_t len);

#endif
