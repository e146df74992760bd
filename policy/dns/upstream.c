/*
 * One resolver behind c-ares, which upstream_ares.c sets up. What c-ares does and does not do for
 * us:
 *
 * - It keeps the sockets, retries nothing (one try) and matches answers by address, ID and
 *   question. ARES_FLAG_NOCHECKRESP makes it hand over every rcode.
 * - 1.18 sends the caller's query ID as it is and keeps one UDP socket, hence one source port. So
 *   each ID is random and unique in its channel, and a channel is retired after CHANNEL_ASKS
 *   queries: the next one has another port (RFC 5452 section 9.2).
 * - Truncated answers are asked for again by TCP from here, on channels of their own: when a TCP
 *   connection breaks, c-ares fails every query of its channel, those sent by UDP included.
 * - It cannot cancel one query. A cancelled one stays with its channel, without an owner, until
 *   c-ares is done with it or nothing else is left in the channel.
 *
 * Callbacks are deferred to an event of our own, so that none runs inside c-ares.
 */
#include "dns/upstream.h"

#include "dns/upstream_ares.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum {
    QUERY_LEN = 512,    /* a query has at most 286 octets */
    CHANNEL_ASKS = 100, /* their answers also fit a default socket buffer when all come at once */
    CHANNELS_MAX = 64,  /* of one upstream; bounds sockets. Above it channels serve longer. */
    ID_TRIES = 64,
    TRANSPORTS = 2, /* 0 is UDP, 1 is TCP */
};

struct watch { /* one socket of c-ares */
    LIST_ENTRY(watch) link;
    struct channel *channel;
    ares_socket_t fd;
    struct event event;
};

struct channel {
    LIST_ENTRY(channel) link;
    struct upstream *upstream;
    ares_channel ares;
    LIST_HEAD(, watch) watches;
    struct event timer;
    bool tcp;
    size_t asked;           /* ever */
    size_t pending;         /* asks that c-ares holds */
    size_t live;            /* those of them that have an owner */
    uint8_t ids[65536 / 8]; /* in use; one bit each */
};

struct upstream {
    struct event_base *base;
    struct resolver_addr addr;
    int timeout_ms;
    LIST_HEAD(, channel) channels;
    size_t channel_count;
    struct channel *current[TRANSPORTS];
    TAILQ_HEAD(ask_list, upstream_ask) finished; /* to be delivered, or to be asked by TCP */
    struct event deliver;
    bool closing;
};

struct upstream_ask {
    TAILQ_ENTRY(upstream_ask) link; /* in finished */
    struct upstream *upstream;
    struct channel *channel; /* while c-ares holds it, else NULL */
    upstream_done_fn done;   /* NULL: cancelled */
    void *arg;
    struct dns_answer *answer;
    bool truncated; /* to be asked again by TCP */
    uint16_t type, id;
    char name[];
};

/* ---- Channels ---- */

static void on_channel_timer(evutil_socket_t fd, short what, void *arg);
static void on_socket(evutil_socket_t fd, short what, void *arg);

static void watch_free(struct watch *watch)
{
    event_del(&watch->event);
    LIST_REMOVE(watch, link);
    free(watch);
}

static struct watch *watch_find(struct channel *channel, ares_socket_t fd)
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
    struct channel *channel = arg;
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
    event_assign(&watch->event, channel->upstream->base, fd, (short)(what | EV_PERSIST), on_socket,
                 watch);
    event_add(&watch->event, NULL);
}

static struct channel *channel_new(struct upstream *upstream, bool tcp)
{
    struct channel *channel = calloc(1, sizeof(*channel));

    if (channel == NULL)
        return NULL;
    channel->upstream = upstream;
    channel->tcp = tcp;
    LIST_INIT(&channel->watches);
    if (upstream_ares_new(&(struct upstream_ares_terms){.addr = &upstream->addr,
                                                        .timeout_ms = upstream->timeout_ms,
                                                        .tcp = tcp,
                                                        .on_socket_state = on_socket_state,
                                                        .arg = channel},
                          &channel->ares) != 0) {
        free(channel);
        return NULL;
    }
    evtimer_assign(&channel->timer, upstream->base, on_channel_timer, channel);
    LIST_INSERT_HEAD(&upstream->channels, channel, link);
    upstream->channel_count++;
    return channel;
}

/* Not from inside c-ares. What it still holds is called back by ares_destroy. */
static void channel_free(struct channel *channel)
{
    struct upstream *upstream = channel->upstream;

    if (upstream->current[channel->tcp] == channel)
        upstream->current[channel->tcp] = NULL;
    ares_destroy(channel->ares);
    while (!LIST_EMPTY(&channel->watches))
        watch_free(LIST_FIRST(&channel->watches));
    event_del(&channel->timer);
    LIST_REMOVE(channel, link);
    upstream->channel_count--;
    free(channel);
}

/* After every visit to c-ares: ends a channel that is of no more use, else minds its time-outs. */
static void channel_settle(struct channel *channel)
{
    bool current = channel->upstream->current[channel->tcp] == channel;
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
    struct channel *channel = watch->channel;

    ares_process_fd(channel->ares, what & EV_READ ? fd : ARES_SOCKET_BAD,
                    what & EV_WRITE ? fd : ARES_SOCKET_BAD);
    channel_settle(channel);
}

static void on_channel_timer(evutil_socket_t fd, short what, void *arg)
{
    struct channel *channel = arg;

    (void)fd;
    (void)what;
    ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    channel_settle(channel);
}

static struct channel *channel_for(struct upstream *upstream, bool tcp)
{
    struct channel *channel = upstream->current[tcp];
    struct channel *fresh;

    if (channel != NULL &&
        (channel->asked < CHANNEL_ASKS || upstream->channel_count >= CHANNELS_MAX))
        return channel;
    fresh = channel_new(upstream, tcp);
    if (fresh == NULL)
        return channel;
    upstream->current[tcp] = fresh;
    if (channel != NULL)
        channel_settle(channel);
    return fresh;
}

/* ---- Asks ---- */

static void ask_finish(struct upstream_ask *ask)
{
    TAILQ_INSERT_TAIL(&ask->upstream->finished, ask, link);
    event_active(&ask->upstream->deliver, EV_TIMEOUT, 0);
}

static void ask_free(struct upstream_ask *ask)
{
    dns_answer_free(ask->answer);
    free(ask);
}

static bool id_take(struct channel *channel, uint16_t *out)
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

static void id_give_back(struct channel *channel, uint16_t id)
{
    channel->ids[id >> 3] &= (uint8_t) ~(1 << (id & 7));
}

static bool is_truncated(const unsigned char *message, int len)
{
    return len > 3 && (message[2] & 0x02) != 0;
}

/* c-ares is done with a query; we are inside c-ares. */
static void on_reply(void *arg, int status, int timeouts, unsigned char *message, int len)
{
    struct upstream_ask *ask = arg;
    struct channel *channel = ask->channel;

    (void)timeouts;
    channel->pending--;
    id_give_back(channel, ask->id);
    ask->channel = NULL;
    if (ask->done == NULL) { /* cancelled */
        ask_free(ask);
        return;
    }
    channel->live--;
    if (ask->upstream->closing) {
        ask_free(ask);
        return;
    }
    if (status == ARES_SUCCESS && !channel->tcp && is_truncated(message, len))
        ask->truncated = true;
    else if (status == ARES_SUCCESS)
        ask->answer =
            dns_answer_parse(message, (size_t)len, ask->name, ask->type, DNS_SECURE, DNS_INSECURE);
    else if (status == ARES_EBADRESP) /* later versions look into it before we do */
        ask->answer = dns_answer_failed("malformed answer");
    ask_finish(ask);
}

/* Hands the query to c-ares, which may call back at once. */
static int ask_send(struct upstream_ask *ask, bool tcp)
{
    struct channel *channel = channel_for(ask->upstream, tcp);
    uint8_t query[QUERY_LEN];

    if (channel == NULL || !id_take(channel, &ask->id))
        return -ENOMEM;
    int len = dns_query_build(ask->name, ask->type, ask->id, query, sizeof(query));

    if (len < 0) {
        id_give_back(channel, ask->id);
        return len;
    }
    ask->channel = channel;
    channel->asked++;
    channel->pending++;
    channel->live++;
    ares_send(channel->ares, query, len, on_reply, ask);
    channel_settle(channel);
    return 0;
}

static void on_deliver(evutil_socket_t fd, short what, void *arg)
{
    struct upstream *upstream = arg;
    struct upstream_ask *ask;

    (void)fd;
    (void)what;
    while ((ask = TAILQ_FIRST(&upstream->finished)) != NULL) {
        TAILQ_REMOVE(&upstream->finished, ask, link);
        if (ask->truncated) {
            ask->truncated = false;
            if (ask_send(ask, true) == 0)
                continue;
        }
        upstream_done_fn done = ask->done;
        void *done_arg = ask->arg;
        struct dns_answer *answer = ask->answer;

        free(ask);
        done(answer, done_arg);
    }
}

struct upstream_ask *upstream_ask(struct upstream *upstream, const char *name, uint16_t type,
                                  upstream_done_fn done, void *arg)
{
    size_t name_len = strlen(name) + 1;
    struct upstream_ask *ask = calloc(1, sizeof(*ask) + name_len);

    if (ask == NULL)
        return NULL;
    ask->upstream = upstream;
    ask->done = done;
    ask->arg = arg;
    ask->type = type;
    memcpy(ask->name, name, name_len);
    if (ask_send(ask, false) < 0) {
        free(ask);
        return NULL;
    }
    return ask;
}

void upstream_cancel(struct upstream_ask *ask)
{
    struct channel *channel = ask->channel;

    if (channel == NULL) {
        TAILQ_REMOVE(&ask->upstream->finished, ask, link);
        ask_free(ask);
        return;
    }
    ask->done = NULL;
    channel->live--;
    channel_settle(channel);
}

/* ---- Upstreams ---- */

struct upstream *upstream_new(struct event_base *base, const struct resolver_addr *addr,
                              int timeout_ms)
{
    struct upstream *upstream = calloc(1, sizeof(*upstream));

    if (upstream == NULL || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        free(upstream);
        return NULL;
    }
    upstream->base = base;
    upstream->addr = *addr;
    upstream->timeout_ms = timeout_ms;
    LIST_INIT(&upstream->channels);
    TAILQ_INIT(&upstream->finished);
    event_assign(&upstream->deliver, base, -1, 0, on_deliver, upstream);
    return upstream;
}

void upstream_free(struct upstream *upstream)
{
    struct upstream_ask *ask;

    if (upstream == NULL)
        return;
    upstream->closing = true;
    while (!LIST_EMPTY(&upstream->channels))
        channel_free(LIST_FIRST(&upstream->channels));
    while ((ask = TAILQ_FIRST(&upstream->finished)) != NULL) {
        TAILQ_REMOVE(&upstream->finished, ask, link);
        ask_free(ask);
    }
    event_del(&upstream->deliver);
    free(upstream);
    ares_library_cleanup();
}

void upstream_set_timeout(struct upstream *upstream, int timeout_ms)
{
    if (upstream->timeout_ms == timeout_ms)
        return;
    upstream->timeout_ms = timeout_ms;
    /* Channels got theirs when they were made: retire them. */
    for (int i = 0; i < TRANSPORTS; i++) {
        struct channel *channel = upstream->current[i];

        upstream->current[i] = NULL;
        if (channel != NULL)
            channel_settle(channel);
    }
}

size_t upstream_sockets(const struct upstream *upstream)
{
    return upstream->channel_count;
}
