/*
 * Looks at one address of an MX host: connects, EHLO, STARTTLS, the handshake, EHLO, QUIT; no
 * message (RFC 5321, RFC 3207, RFC 7672, RFC 8461, RFC 8689 section 4.2.1). Which hosts, when, how
 * many at once and how long a result is kept is left to others. Everything here happens on the
 * thread of the event loop.
 */
#ifndef POLICY_PROBE_PROBE_CLIENT_H
#define POLICY_PROBE_PROBE_CLIENT_H

#include "policy/ca_store.h"
#include "world/world.h"

#include <event2/event.h>

struct probe_client;

struct probe_client_config {
    const char *helo_name; /* NULL: this host's name */
    /* Addresses to connect from, as text, one of a family at most; NULL ends the list, NULL instead
     * of a list: the system chooses. */
    const char *const *sources;
    int64_t timeout_ms; /* of one probe, from connection to QUIT */
};

/*
 * The configuration is copied. The CA certificates are borrowed and must outlive the client; who
 * owns them refreshes them. Returns 0, -ENOMEM, or -EINVAL and a message in err: a name that cannot
 * be said in EHLO, a source that is no address.
 */
int probe_client_new(struct event_base *base, struct ca_store *ca_store,
                     const struct probe_client_config *config, struct probe_client **out, char *err,
                     size_t err_size);

/* Drops all probes without a callback. NULL is allowed. */
void probe_client_free(struct probe_client *client);

/* For probes that begin from now on: the configuration of another client, which has no probes and
 * is freed. Never fails. */
void probe_client_replace(struct probe_client *client, struct probe_client *by);

/*
 * Begins a probe. `target` and all that it points to is borrowed until done or cancel. done is
 * called once, from the event loop, never before this returns; inside it other probes may be begun
 * and cancelled. The handle is dead once done runs. NULL when out of memory: then done is not
 * called.
 *
 * The result (enum findings_probe_result) is the first of these that holds:
 *
 * - UNREACHABLE: no connection, as it was refused, there is no route, or it was not made in time.
 * - NO_STARTTLS: the EHLO reply offers PIPELINING and no STARTTLS; or STARTTLS was answered by 5yz
 *   (then `starttls` is true).
 * - NOT_AUTHENTICATED: TLS, and the peer has shown that it does not meet the demand
 *   (tls_why_definite), whatever came after that.
 * - OK: the demand is met, and the EHLO reply after STARTTLS offers REQUIRETLS.
 * - NO_REQUIRETLS: the demand is met, and that reply offers PIPELINING and no REQUIRETLS.
 * - FAILED: anything else. 4yz; 5yz to the connection or to EHLO; a reply that is no SMTP or comes
 *   out of turn; octets behind the reply to STARTTLS; a handshake that fails; an EHLO reply without
 *   PIPELINING that lacks STARTTLS or REQUIRETLS; a connection that is lost or too slow; a lack of
 *   memory or descriptors (`local`).
 */
struct world_probe *probe_client_start(struct probe_client *client,
                                       const struct world_probe_target *target, world_probe_fn done,
                                       void *arg);

/* At any time before done runs; it is not called then. */
void probe_client_cancel(struct world_probe *probe);

#endif
