/*
 * One resource record, from its RDATA. Pure, for dns_answer.c. Types that no member of struct
 * dns_record is for are taken as they are, and nothing is kept of them.
 */
#ifndef POLICY_DNS_DNS_RECORD_H
#define POLICY_DNS_DNS_RECORD_H

#include "dns/dns_answer.h"
#include "dns/dns_message.h"

/* NULL, and in *text_len the octets of text that dns_record_read needs; or what is wrong with the
 * record. */
const char *dns_record_measure(uint16_t type, const struct dns_rr *rr, size_t *text_len);

/* Reads a record that was measured; its names and data go to *text, which is moved on. False when
 * it names a host that cannot exist. */
bool dns_record_read(uint16_t type, struct buf *rdata, char **text, struct dns_record *out);

bool dns_record_equal(uint16_t type, const struct dns_record *a, const struct dns_record *b);

#endif
