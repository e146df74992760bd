/*
 * One resolver behind c-ares: queries out, answers in. upstream_ask sends by UDP over a channel of
 * c-ares (upstream_channels.c); on_reply has the response, inside c-ares; on_deliver calls back
 * from an event of our own, so that no callback runs inside c-ares. A truncated answer is asked for
 * again by TCP before that.
 */
#include "dns/upstream.h"

#include "dns/upstream_channels.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum { QUERY_LEN = 512 /* a query has at most 286 octets */ };

struct upstream {
    struct resolver_addr addr;
    struct upstream_channels channels;
    TAILQ_HEAD(ask_list, upstream_ask) finished; /* to be delivered, or to be asked by TCP */
    struct event deliver;
    bool closing;
};

struct upstream_ask {
    TAILQ_ENTRY(upstream_ask) link; /* in finished */
    struct upstream *upstream;
    struct upstream_channel *channel; /* while c-ares holds it, else NULL */
    upstream_done_fn done;            /* NULL: cancelled */
    void *arg;
    struct dns_answer *answer;
    bool truncated; /* to be asked again by TCP */
    uint16_t type, id;
    char name[];
};

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

static bool is_truncated(const unsigned char *message, int len)
{
    return len > 3 && (message[2] & 0x02) != 0;
}

/* c-ares is done with a query; we are inside c-ares. */
static void on_reply(void *arg, int status, int timeouts, unsigned char *message, int len)
{
    struct upstream_ask *ask = arg;
    struct upstream_channel *channel = ask->channel;

    (void)timeouts;
    upstream_channel_replied(channel, ask->id, ask->done != NULL);
    ask->channel = NULL;
    if (ask->done == NULL || ask->upstream->closing) { /* cancelled, or nobody is left to tell */
        ask_free(ask);
        return;
    }
    if (status == ARES_SUCCESS && !upstream_channel_is_tcp(channel) && is_truncated(message, len))
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
    struct upstream_channel *channel = upstream_channel_for(&ask->upstream->channels, tcp);
    uint8_t query[QUERY_LEN];

    if (channel == NULL || !upstream_channel_id(channel, &ask->id))
        return -ENOMEM;
    int len = dns_query_build(ask->name, ask->type, ask->id, query, sizeof(query));

    if (len < 0) {
        upstream_channel_id_return(channel, ask->id);
        return len;
    }
    ask->channel = channel;
    upstream_channel_send(channel, query, len, on_reply, ask);
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
    if (ask->channel == NULL) {
        TAILQ_REMOVE(&ask->upstream->finished, ask, link);
        ask_free(ask);
        return;
    }
    ask->done = NULL;
    upstream_channel_abandon(ask->channel);
}

struct upstream *upstream_new(struct event_base *base, const struct resolver_addr *addr,
                              int timeout_ms)
{
    struct upstream *upstream = calloc(1, sizeof(*upstream));

    if (upstream == NULL || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        free(upstream);
        return NULL;
    }
    upstream->addr = *addr;
    upstream_channels_init(&upstream->channels, base, &upstream->addr, timeout_ms);
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
    upstream_channels_fini(&upstream->channels);
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
    upstream_channels_set_timeout(&upstream->channels, timeout_ms);
}

size_t upstream_sockets(const struct upstream *upstream)
{
    return upstream->channels.count;
}
