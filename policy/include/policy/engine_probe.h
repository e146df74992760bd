/*
 * The probe: what the MX hosts of a next-hop do, beside what DNS promises of them. The engine
 * connects to them, and looks whether they offer STARTTLS, meet what the findings demand (DANE,
 * MTA-STS, Web PKI), and offer REQUIRETLS after STARTTLS (RFC 3207, RFC 7672, RFC 8461,
 * RFC 8689 section 4.2.1). No mail is sent.
 *
 * What was seen is in findings that carry probes (findings_host.probes); verdict_derive reads them.
 * It is kept for each host, address, port and demand: probe_ttl_ms if the demand is met and
 * REQUIRETLS offered, probe_negative_ttl_ms else. The demand is part of the key with all its TLSA
 * records and names. So a result that was obtained under a demand of findings which are not relied
 * upon any more (a resolver that is distrusted, records that were replaced) says nothing to anybody
 * whose findings demand something else. That STARTTLS is not offered is so for each demand.
 *
 * How much is looked at is bounded, whoever asks: one probe of a host, address, port and demand at
 * a time, for all who ask; at most probe_parallel at once, but for those that have taken longer
 * than a second; two at once to one address; probe_per_minute in a minute. After 20 hosts in a row
 * that could not be reached, none is looked at for ten minutes. Loopback and private addresses, and
 * this host's own, are connected to only for a next-hop `[host]`, which no sender of mail can
 * choose. What a bound leaves out is not waited for, but for two seconds until others have ended:
 * the caller gets what is known.
 *
 * What a connection for delivery shows counts as a probe (engine_probe_note), and as none for these
 * bounds.
 *
 * With probe_enable no, nothing is known and nothing connects.
 */
#ifndef POLICY_ENGINE_PROBE_H
#define POLICY_ENGINE_PROBE_H

#include "policy/engine.h"
#include "policy/smtp_transport.h"
#include "policy/verdict.h"

/*
 * Looks at the hosts that count for a message that requires TLS under these terms: at level enforce
 * those of the requirement (requirement_derive), by preference, and of each some of its addresses
 * in the findings, both families in turn. At any other level, and where the findings leave no host
 * to be looked at (pending, unsatisfied, undecided), nothing is connected to. Calls `done` once, on
 * the engine's thread, never before engine_probe returns, unless cancelled: with findings that
 * carry what is known, as soon as one host meets the demand and offers REQUIRETLS, when there is
 * nothing more to look at, or when a bound leaves an address out, so that there will be no complete
 * answer; with the same findings where nothing is known; with NULL when the engine is shut down or
 * out of memory, which says nothing of the hosts.
 *
 * `findings` are published ones without probes (engine_lookup, engine_cached), of which the engine
 * takes a reference. `terms` are used during the call only. A request waits as long as its probes
 * take, probe_timeout_ms each and more than one in turn: callers have a time of their own and
 * cancel. A probe that was begun goes on when nobody waits any more, as its result is kept. Returns
 * 0 and, if out is not NULL, a request to be given to engine_cancel or engine_release exactly once;
 * or a negative errno, then done will not be called. Any thread but inside a callback.
 */
int engine_probe(struct engine *engine, const struct findings *findings,
                 const struct verdict_terms *terms, engine_done_fn done, void *arg,
                 struct engine_request **out);

/*
 * The same for an administrator who wants to see: looks now, whatever is known, at all hosts that
 * mail can go to, whether or not they suffice, and at several addresses of each, of each family.
 * Neither the limit for a minute nor the rest after unreachable hosts holds. What is not connected
 * to is FAILED, with the reason.
 */
int engine_probe_now(struct engine *engine, const struct findings *findings,
                     const struct verdict_terms *terms, engine_done_fn done, void *arg,
                     struct engine_request **out);

/*
 * Findings that carry what is known already, if that settles it: a host meets the demand and offers
 * REQUIRETLS, or every host that counts was looked at, or there is nothing to look at. With a
 * reference for the caller; NULL: it is not settled, probing is turned off, or out of memory. At
 * opportunistic+starttls it is settled when every host that mail can go to is known not to offer
 * STARTTLS. Any thread; takes a lock for moments only.
 */
const struct findings *engine_probe_cached(struct engine *engine, const struct findings *findings,
                                           const struct verdict_terms *terms);

/* ---- Connections for delivery ---- */

enum {
    /* Results that wait for the engine's thread at most; what is beyond is dropped. */
    ENGINE_PROBE_NOTES = 256,
};

/* The server of a connection: address, port and demand that the connection was made with. */
struct engine_probe_peer {
    const char *host;       /* name of the MX host, as in the findings */
    const uint8_t *address; /* 4 octets, or 16 with ipv6; network byte order */
    bool ipv6;
    uint16_t port;
    const struct tls_demand *demand;
};

/* A number that changes when the engine is configured anew. Any thread. */
unsigned engine_probe_configured(struct engine *engine);

/*
 * What the connection has shown counts as a probe of its server, under its own demand, if it is
 * definite: to be called once for a new connection that is over, or in its first SMTP_TURN_COMMAND,
 * or in SMTP_TURN_PEER where the demand is not met. Only for a connection that a probe could have
 * made: from its source address, with its CA certificates. `configured`: engine_probe_configured,
 * when the caller's configuration began to count; what was seen under another is dropped. All is
 * borrowed for the call. Never fails: what cannot be kept is dropped. On the thread of the
 * connection, which may be any; takes locks for moments only. A probe that is asked for afterwards
 * has it; engine_probe_cached has it a moment later, when the engine's thread has taken it.
 */
void engine_probe_note(struct engine *engine, struct smtp_transport *transport,
                       const struct engine_probe_peer *peer, unsigned configured);

#endif
