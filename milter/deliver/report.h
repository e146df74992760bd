/*
 * What is told of deliveries: the log line and the count of each recipient, a warning for a
 * fallback, and the line of the administrator's own (audit_template) for each transfer of a
 * message. Belongs to the agent's thread. Nothing is ever logged of a message's content.
 */
#ifndef MILTER_DELIVER_REPORT_H
#define MILTER_DELIVER_REPORT_H

#include "deliver/agent.h"

/* `result` may have neither treatment nor relay: a recipient that no delivery was begun for. */
struct report_recipient {
    const char *address; /* without brackets */
    const struct delivery_result *result;
    double delay_s; /* from MAIL to the reply */
};

/*
 * Once for each recipient that is answered after the data, and for each that is refused at RCPT:
 *
 * QUEUEID: to=<bob@example.org>, relay=mx.example.org[192.0.2.1]:25, nexthop=example.org,
 * request=require, level=enforce, tls=dane/requiretls, protocol=TLSv1.3, delay=0.31, dsn=2.0.0,
 * status=sent (250 2.0.0 ok)
 *
 * or an object in JSON. Counts it too; NULL metrics are allowed.
 */
void report_recipient(struct metrics *metrics, const struct report_recipient *recipient);

/* Once for each delivery that goes on at a lower level: a warning with both levels, and the answer
 * that there would have been without it. */
void report_fallback(const struct treatment *before, const struct treatment *after,
                     const struct outcome *why);

/* When a message has been transferred over a connection, that is after the reply to its final dot,
 * whatever that was. Without a template nothing. queue_id "": not known. */
void report_transfer(const char *audit_template, const char *queue_id,
                     const struct delivery_relay *relay);

/* As Postfix writes a digest: hexadecimal octets in upper case with colons between them. */
enum { REPORT_DIGEST_MAX = 3 * TLS_SHA256_LEN };
void report_digest(const uint8_t sha256[TLS_SHA256_LEN], char out[REPORT_DIGEST_MAX]);

/* How a server was authenticated, in Postfix's words: Cleartext, Anonymous (no certificate),
 * Untrusted, Trusted (verified, by another name), Verified. peer NULL: there is no TLS. */
const char *report_auth(const struct tls_peer *peer);

#endif
