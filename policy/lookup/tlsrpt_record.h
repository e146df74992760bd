/*
 * The TLSRPT TXT record (RFC 8460 section 3), to the letter of its ABNF. Pure.
 */
#ifndef POLICY_LOOKUP_TLSRPT_RECORD_H
#define POLICY_LOOKUP_TLSRPT_RECORD_H

#include "dns/dns_answer.h"

enum { TLSRPT_RECORD_MAX = 4096 }; /* octets; a longer one is not valid */

/*
 * The record among the TXT records at _smtp._tls.<domain>, which belongs to the answer: the strings
 * joined, printable ASCII and tabs. NULL: there is none, more than one, or it is not valid, or the
 * answer's status is not DNS_FOUND.
 */
const struct dns_record *tlsrpt_record_find(const struct dns_answer *answer);

#endif
