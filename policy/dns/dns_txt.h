/*
 * TXT records that are a version and fields: `v=STSv1; id=1;` (MTA-STS, RFC 8461 section 3.1),
 * `v=TLSRPTv1; rua=...` (TLSRPT, RFC 8460 section 3). What the two have in common: which records
 * count, delimiters, names of fields, values of fields that are not known. Pure.
 */
#ifndef POLICY_DNS_DNS_TXT_H
#define POLICY_DNS_DNS_TXT_H

#include "dns/dns_answer.h"

#include <stdbool.h>
#include <stddef.h>

/* A piece of the text of a record, which is borrowed. */
struct dns_txt_span {
    const char *at;
    const char *end;
};

/*
 * How many records begin with the version and a delimiter; all others (SPF, verification tokens,
 * `v=STSv12`) are discarded unread. Of the last of them *record, and in *fields what follows the
 * delimiter; NULL and nothing without one. The texts of the RFCs discard what does not begin with
 * `v=STSv1;`, their ABNF allows blanks before the semicolon: here both count, so that two records
 * are two, rather than one that an attacker or an accident picked.
 */
size_t dns_txt_select(const struct dns_answer *answer, const char *version,
                      const struct dns_record **record, struct dns_txt_span *fields);

/* Each of these moves past what it takes, or returns false and leaves `s` alone. */
bool dns_txt_take_between_wsp(struct dns_txt_span *s, char octet); /* *WSP, the octet, *WSP */
bool dns_txt_take_delimiter(struct dns_txt_span *s);               /* *WSP ";" *WSP */
bool dns_txt_take_name(struct dns_txt_span *s, struct dns_txt_span *name); /* and "=" */
/* By the grammar of extensions. */
bool dns_txt_take_value(struct dns_txt_span *s, struct dns_txt_span *value);

bool dns_txt_is(const struct dns_txt_span *name, const char *word); /* to the letter */

#endif
