/*
 * Channels of c-ares for upstream_channels.c: one server, one transport, nothing from the system's
 * files.
 */
#ifndef POLICY_DNS_UPSTREAM_ARES_H
#define POLICY_DNS_UPSTREAM_ARES_H

#define CARES_NO_DEPRECATED /* the calls that every version from 1.18 on has */
#include "dns/resolver_addr.h"

#include <ares.h>
#include <stdbool.h>

struct upstream_ares_terms {
    const struct resolver_addr *addr; /* must outlive the channel */
    int timeout_ms;                   /* an ask may stay unanswered for so long */
    bool tcp;                         /* from the first octet; else UDP */
    ares_sock_state_cb on_socket_state;
    void *arg; /* of that */
};

/* Returns 0 and a channel, for the caller to end by ares_destroy, or -ENOMEM. */
int upstream_ares_new(const struct upstream_ares_terms *terms, ares_channel *out);

#endif
