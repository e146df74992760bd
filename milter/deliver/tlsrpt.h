/*
 * Datagrams for a TLSRPT collector (RFC 8460), in the format of libtlsrpt: one JSON object for each
 * SMTP session with a domain that publishes a TLSRPT record. Lossy: never waits.
 */
#ifndef MILTER_DELIVER_TLSRPT_H
#define MILTER_DELIVER_TLSRPT_H

#include "base/metrics.h"
#include "policy/engine.h"
#include "policy/smtp_transport.h"

#include <stdbool.h>
#include <stddef.h>

enum tlsrpt_policy { TLSRPT_TLSA = 1, TLSRPT_STS = 2, TLSRPT_NO_POLICY = 9 };

enum { TLSRPT_DATAGRAM_MAX = 65536, TLSRPT_STRINGS_MAX = 64 };

/* Result types of RFC 8460 section 4.3, by the numbers of libtlsrpt. */
enum tlsrpt_code {
    TLSRPT_NONE = 0, /* the session succeeded */
    TLSRPT_STARTTLS_NOT_SUPPORTED = 201,
    TLSRPT_CERTIFICATE_HOST_MISMATCH,
    TLSRPT_CERTIFICATE_NOT_TRUSTED,
    TLSRPT_CERTIFICATE_EXPIRED,
    TLSRPT_VALIDATION_FAILURE,
    TLSRPT_STS_POLICY_FETCH_ERROR = 301,
    TLSRPT_STS_POLICY_INVALID,
    TLSRPT_STS_WEBPKI_INVALID,
    TLSRPT_TLSA_INVALID,
    TLSRPT_DNSSEC_INVALID,
    TLSRPT_DANE_REQUIRED,
};

/* Strings are borrowed; NULL or "" is left out. */
struct tlsrpt_session {
    const char *domain; /* d: A-labels */
    const char *record; /* pr: the TXT record */
    enum tlsrpt_policy policy;
    const char *policy_domain;         /* always given */
    const char *const *policy_strings; /* NULL or ends with NULL */
    const char *const *mx_hosts;
    enum tlsrpt_code code;
    const char *source_address, *mx_name, *helo_name, *address, *info, *reason;
    bool failed; /* f: the session's verdict; false also when mail went on without the policy */
};

/* Writes the object, valid UTF-8, octet by octet what libtlsrpt writes. Returns its length, or 0:
 * it would be longer than `size`. Pure. */
size_t tlsrpt_write(const struct tlsrpt_session *session, char *out, size_t size);

/*
 * The collector's socket, and the connections whose domains' records are being looked up. Belongs
 * to the agent's thread; the engine's uses it only inside its callbacks.
 */
struct tlsrpt;
struct tlsrpt_facts; /* tlsrpt_session.h */

/*
 * path NULL or "": off, everything is dropped. Does not connect. Engine and metrics (NULL is
 * allowed) are borrowed until tlsrpt_free. 0 or a negative errno.
 */
int tlsrpt_new(const char *path, struct engine *engine, struct metrics *metrics,
               struct tlsrpt **out);
void tlsrpt_free(struct tlsrpt *tlsrpt); /* NULL is allowed; before the engine's end */
/* The path of another configuration. */
void tlsrpt_set_path(struct tlsrpt *tlsrpt, const char *path);
bool tlsrpt_is_on(const struct tlsrpt *tlsrpt);

/*
 * Tells what a connection has come to, if its domain has a TLSRPT record, which is looked up now.
 * Once for each connection that is made (not when it is used again): at SMTP_TURN_PEER, or if that
 * does not come, at the first SMTP_TURN_COMMAND or at SMTP_TURN_OVER. Also once, with transport
 * NULL, for a host that a delivery passes over because it is not to be used (TLS_DEMAND_NOT_USED),
 * when it would have been its turn.
 *
 * Of the facts the caller fills in request to host and tls; the rest is taken from the transport.
 * Never waits: what cannot be looked up, or be handed over at once, is lost, with a warning now and
 * then. Returns at once when TLSRPT is off.
 */
void tlsrpt_report(struct tlsrpt *tlsrpt, const struct tlsrpt_facts *facts,
                   const struct smtp_transport *transport);

#endif
