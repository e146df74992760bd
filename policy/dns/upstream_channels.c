/*
 * The channels of c-ares for one resolver: what c-ares does and does not do for us, and what these
 * files make of it.
 *
 * - It keeps the sockets, retries nothing (one try) and matches answers by address, ID and
 *   question. ARES_FLAG_NOCHECKRESP makes it hand over every rcode.
 * - 1.18 sends the caller's query ID as it is and keeps one UDP socket, hence one source port. So
 *   each ID is random and unique in its channel, and a channel is retired after CHANNEL_ASKS
 *   queries: the next one has another port (RFC 5452 section 9.2).
 * - Queries by TCP have channels of their own: when a TCP connection breaks, c-ares fails every
 *   query of its channel, those sent by UDP included.
 * - It cannot cancel one query. A cancelled one stays with its channel, without an owner, until
 *   c-ares is done with it or nothing else is left in the channel.
 *
 * upstream_channel_for gives the channel for the next query, upstream_channel_id an ID in it, and
 * upstream_channel_send sends; then c-ares calls back once, where upstream_channel_replied is due,
 * or the owner leaves by upstream_channel_abandon.
 */
#include "dns/upstream_channels.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/rand.h>
#include <stdlib.h>

enum {
    CHANNEL_ASKS = 100, /* their answers also fit a default socket buffer when all come at once */
    CHANNELS_MAX = 64,  /* of one upstream; bounds sockets. Above it channels serve longer. */
    ID_TRIES = 64,
};

struct watch { /* one socket of c-ares */
    LIST_ENTRY(watch) link;
    struct upstream_channel *channel;
    ares_socket_t fd;
    struct event event;
};

struct upstream_channel {
    LIST_ENTRY(upstream_channel) link;
    struct upstream_channels *set;
    ares_channel ares;
    LIST_HEAD(, watch) watches;
    struct event timer;
    bool tcp;
    size_t asked;           /* ever */
    size_t pending;         /* asks that c-ares holds */
    size_t live;            /* those of them that have an owner */
    uint8_t ids[65536 / 8]; /* in use; one bit each */
};

static void on_channel_timer(evutil_socket_t fd, short what, void *arg);
static void on_socket(evutil_socket_t fd, short what, void *arg);

static void watch_free(struct watch *watch)
{
    event_del(&watch->event);
    LIST_REMOVE(watch, link);
    free(watch);
}

static struct watch *watch_find(struct upstream_channel *channel, ares_socket_t fd)
{
    struct watch *watch;

    LIST_FOREACH (watch, &channel->watches, link) {
        if (watch->fd == fd)
            return watch;
    }
    return NULL;
}

/* c-ares opened a socket, is about to close it, or waits for something else on it. */
static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct upstream_channel *channel = arg;
    struct watch *watch = watch_find(channel, fd);
    short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));

    if (what == 0) {
        if (watch != NULL)
            watch_free(watch);
        return;
    }
    if (watch != NULL) {
        event_del(&watch->event);
    } else {
        watch = calloc(1, sizeof(*watch));
        if (watch == NULL)
            return; /* nobody listens: the query times out */
        watch->channel = channel;
        watch->fd = fd;
        LIST_INSERT_HEAD(&channel->watches, watch, link);
    }
    event_assign(&watch->event, channel->set->base, fd, (short)(what | EV_PERSIST), on_socket,
                 watch);
    event_add(&watch->event, NULL);
}

static struct upstream_channel *channel_new(struct upstream_channels *set, bool tcp)
{
    struct upstream_channel *channel = calloc(1, sizeof(*channel));

    if (channel == NULL)
        return NULL;
    channel->set = set;
    channel->tcp = tcp;
    LIST_INIT(&channel->watches);
    if (upstream_ares_new(&(struct upstream_ares_terms){.addr = set->addr,
                                                        .timeout_ms = set->timeout_ms,
                                                        .tcp = tcp,
                                                        .on_socket_state = on_socket_state,
                                                        .arg = channel},
                          &channel->ares) != 0) {
        free(channel);
        return NULL;
    }
    evtimer_assign(&channel->timer, set->base, on_channel_timer, channel);
    LIST_INSERT_HEAD(&set->list, channel, link);
    set->count++;
    return channel;
}

/* Not from inside c-ares. What it still holds is called back by ares_destroy. */
static void channel_free(struct upstream_channel *channel)
{
    struct upstream_channels *set = channel->set;

    if (set->current[channel->tcp] == channel)
        set->current[channel->tcp] = NULL;
    ares_destroy(channel->ares);
    while (!LIST_EMPTY(&channel->watches))
        watch_free(LIST_FIRST(&channel->watches));
    event_del(&channel->timer);
    LIST_REMOVE(channel, link);
    set->count--;
    free(channel);
}

/* After every visit to c-ares: ends a channel that is of no more use, else minds its time-outs. */
static void channel_settle(struct upstream_channel *channel)
{
    bool current = channel->set->current[channel->tcp] == channel;
    struct timeval delay;

    if (channel->live == 0 && (channel->pending > 0 || !current)) {
        channel_free(channel);
        return;
    }
    if (channel->pending > 0 && !evtimer_pending(&channel->timer, NULL) &&
        ares_timeout(channel->ares, NULL, &delay) != NULL)
        evtimer_add(&channel->timer, &delay);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct watch *watch = arg; /* may be gone after ares_process_fd */
    struct upstream_channel *channel = watch->channel;

    ares_process_fd(channel->ares, what & EV_READ ? fd : ARES_SOCKET_BAD,
                    what & EV_WRITE ? fd : ARES_SOCKET_BAD);
    channel_settle(channel);
}

static void on_channel_timer(evutil_socket_t fd, short what, void *arg)
{
    struct upstream_channel *channel = arg;

    (void)fd;
    (void)what;
    ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    channel_settle(channel);
}

struct upstream_channel *upstream_channel_for(struct upstream_channels *set, bool tcp)
{
    struct upstream_channel *channel = set->current[tcp];
    struct upstream_channel *fresh;

    if (channel != NULL && (channel->asked < CHANNEL_ASKS || set->count >= CHANNELS_MAX))
        return channel;
    fresh = channel_new(set, tcp);
    if (fresh == NULL)
        return channel;
    set->current[tcp] = fresh;
    if (channel != NULL)
        channel_settle(channel);
    return fresh;
}

bool upstream_channel_id(struct upstream_channel *channel, uint16_t *out)
{
    uint16_t id;

    for (int i = 0; i < ID_TRIES; i++) {
        if (RAND_bytes((unsigned char *)&id, sizeof(id)) != 1)
            return false;
        uint8_t *octet = &channel->ids[id >> 3];
        uint8_t bit = (uint8_t)(1 << (id & 7));

        if ((*octet & bit) == 0) {
            *octet |= bit;
            *out = id;
            return true;
        }
    }
    return false;
}

void upstream_channel_id_return(struct upstream_channel *channel, uint16_t id)
{
    channel->ids[id >> 3] &= (uint8_t) ~(1 << (id & 7));
}

void upstream_channel_send(struct upstream_channel *channel, const uint8_t *query, int len,
                           ares_callback on_reply, void *arg)
{
    channel->asked++;
    channel->pending++;
    channel->live++;
    ares_send(channel->ares, query, len, on_reply, arg);
    channel_settle(channel);
}

void upstream_channel_replied(struct upstream_channel *channel, uint16_t id, bool owned)
{
    channel->pending--;
    channel->live -= owned;
    upstream_channel_id_return(channel, id);
}

void upstream_channel_abandon(struct upstream_channel *channel)
{
    channel->live--;
    channel_settle(channel);
}

bool upstream_channel_is_tcp(const struct upstream_channel *channel)
{
    return channel->tcp;
}

void upstream_channels_init(struct upstream_channels *set, struct event_base *base,
                            const struct resolver_addr *addr, int timeout_ms)
{
    *set = (struct upstream_channels){.base = base, .addr = addr, .timeout_ms = timeout_ms};
    LIST_INIT(&set->list);
}

void upstream_channels_fini(struct upstream_channels *set)
{
    while (!LIST_EMPTY(&set->list))
        channel_free(LIST_FIRST(&set->list));
}

void upstream_channels_set_timeout(struct upstream_channels *set, int timeout_ms)
{
    if (set->timeout_ms == timeout_ms)
        return;
    set->timeout_ms = timeout_ms;
    /* Channels got theirs when they were made: retire them. */
    for (int i = 0; i < UPSTREAM_TRANSPORTS; i++) {
        struct upstream_channel *channel = set->current[i];

        set->current[i] = NULL;
        if (channel != NULL)
            channel_settle(channel);
    }
}
