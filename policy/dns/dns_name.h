/*
 * Domain names on the wire and as text (RFC 1035 sections 3.1 and 4.1.4). Pure.
 *
 * The text form is lower case, without the root dot ("" is the root) and without escapes. It can
 * hold letters, digits, '-' and '_' only, so that a name read from a message may go into a log, a
 * reply or a map answer as it is.
 */
#ifndef POLICY_DNS_DNS_NAME_H
#define POLICY_DNS_DNS_NAME_H

#include "base/buf.h"

enum {
    DNS_NAME_MAX = 253,     /* octets of the text form */
    DNS_NAME_WIRE_MAX = 255 /* octets on the wire, the root's included */
};

enum dns_name_status {
    DNS_NAME_OK,
    DNS_NAME_UNUSABLE, /* well formed, but with octets that the text form cannot hold */
    DNS_NAME_BAD,      /* malformed: out of bounds, over-long, a pointer that does not go back */
};

/*
 * Reads the name at b->pos, which may point back into b->data, and steps over it. `out` holds the
 * text with DNS_NAME_OK and "" otherwise; b->bad is set with DNS_NAME_BAD.
 */
enum dns_name_status dns_name_read(struct buf *b, char out[DNS_NAME_MAX + 1]);

/*
 * Brings a name from elsewhere into the text form; one trailing dot is dropped, "." is the root.
 * Returns its length, or -EINVAL when it is no domain name or has octets the text form cannot hold.
 */
int dns_name_normalise(const char *name, char out[DNS_NAME_MAX + 1]);

/* Writes a name in text form as wire labels. Returns the octets written, -EINVAL or -ENOSPC. */
int dns_name_write(const char *text, uint8_t *out, size_t out_len);

#endif
