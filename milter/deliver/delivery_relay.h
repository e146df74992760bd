/*
 * What the log and the audit tell of a connection: struct delivery_relay, filled in.
 */
#ifndef MILTER_DELIVER_DELIVERY_RELAY_H
#define MILTER_DELIVER_DELIVERY_RELAY_H

#include "deliver/agent.h"
#include "deliver/delivery_plan.h"
#include "deliver/treatment_demand.h"
#include "policy/smtp_transport.h"

#include <sys/queue.h>

/* Those of a delivery, freed together. */
struct delivery_relay_entry {
    SLIST_ENTRY(delivery_relay_entry) link;
    struct delivery_relay relay;
};
SLIST_HEAD(delivery_relays, delivery_relay_entry);

struct delivery_relay *delivery_relay_new(struct delivery_relays *relays); /* NULL: no memory */
void delivery_relays_free(struct delivery_relays *relays);

struct delivery_relay_facts {
    const struct treatment_demands *demands;
    const struct treatment_plan *plan;
    const struct findings *findings;
    const struct delivery_target *target;
    uint16_t port;
    const struct tls_demand *demand;       /* on the host */
    const struct tls_peer *peer;           /* NULL: there was no handshake */
    bool has_tls;                          /* what was said last was said over TLS */
    bool requiretls;                       /* MAIL had it */
    const struct outcome_attempt *failure; /* why the connection was left; NULL: it was used */
    const char *policy_before;
};

void delivery_relay_fill(struct delivery_relay *relay, const struct delivery_relay_facts *facts);

/* `tls` of it: the level, and what became of it and of REQUIRETLS, in the words of Postfix's
 * smtp_log_tls_feature_status. Pure. */
void delivery_relay_tls(const struct delivery_relay_facts *facts, char *out, size_t out_size);

#endif
