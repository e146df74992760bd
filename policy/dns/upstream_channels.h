/*
 * The channels of c-ares for one resolver, UDP and TCP apart: each has its sockets, its timer and
 * the query IDs in use. For upstream.c alone, on the thread of the event base.
 */
#ifndef POLICY_DNS_UPSTREAM_CHANNELS_H
#define POLICY_DNS_UPSTREAM_CHANNELS_H

#include "dns/upstream_ares.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum { UPSTREAM_TRANSPORTS = 2 /* 0 is UDP, 1 is TCP */ };

struct event_base;
struct upstream_channel;

struct upstream_channels {
    struct event_base *base;
    const struct resolver_addr *addr; /* borrowed; outlives the channels */
    int timeout_ms;
    LIST_HEAD(, upstream_channel) list;
    size_t count;
    struct upstream_channel *current[UPSTREAM_TRANSPORTS]; /* takes the next query; or NULL */
};

void upstream_channels_init(struct upstream_channels *set, struct event_base *base,
                            const struct resolver_addr *addr, int timeout_ms);
/* Ends all channels; c-ares calls back for what it still holds. Not from inside c-ares. */
void upstream_channels_fini(struct upstream_channels *set);
void upstream_channels_set_timeout(struct upstream_channels *set, int timeout_ms);

/* The channel for the next query. NULL: out of memory. */
struct upstream_channel *upstream_channel_for(struct upstream_channels *set, bool tcp);
bool upstream_channel_is_tcp(const struct upstream_channel *channel);

/* A random query ID that is not in use in the channel; false when none was found. It is in use
 * until upstream_channel_replied, or is returned when nothing was sent. */
bool upstream_channel_id(struct upstream_channel *channel, uint16_t *out);
void upstream_channel_id_return(struct upstream_channel *channel, uint16_t id);

/* Sends a query that its owner waits for; on_reply may be called before this returns. Afterwards
 * the channel may be gone. */
void upstream_channel_send(struct upstream_channel *channel, const uint8_t *query, int len,
                           ares_callback on_reply, void *arg);
/* To be called first in on_reply, inside c-ares; `owned`: not abandoned before. */
void upstream_channel_replied(struct upstream_channel *channel, uint16_t id, bool owned);
/* The owner of a query waits no more; on_reply is still called. The channel may be gone then. */
void upstream_channel_abandon(struct upstream_channel *channel);

#endif
