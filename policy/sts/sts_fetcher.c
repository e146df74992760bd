/*
 * The fetcher of MTA-STS policies: the line of fetches, how many are at work, and what they share
 * (TLS, CA certificates, configuration). sts_fetch.c has the steps of each.
 *
 * Policy hosts that hang are not to hold up those that do not: a fetch that takes longer than most
 * gives its slot to the line and goes on beside it, for as long as there are not too many such.
 * Beyond that, and with thousands of questions before the resolver, others wait longer, but none
 * fails for it.
 */
#include "sts/sts_fetch_internal.h"

#include "policy/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PARALLEL_DEFAULT = 200, /* protects descriptors, memory and the network */
    /* After so long at work a fetch is slow; and so many times as many may be slow as at work. */
    SLOW_MS = 500,
    SLOW_SHARE = 5,
};

static bool is_full(const struct sts_fetcher *fetcher)
{
    return fetcher->counts[STS_FETCH_WORKING] >= fetcher->config.max_parallel;
}

/* Milliseconds until the fetch that has been at work for longest makes room in the line; -1: that
 * does not come by time alone. */
static int64_t room_in_ms(const struct sts_fetcher *fetcher)
{
    const struct world_fetch *oldest = TAILQ_FIRST(&fetcher->lists[STS_FETCH_WORKING]);
    int64_t age_ms;

    if (oldest == NULL ||
        fetcher->counts[STS_FETCH_SLOW] >= SLOW_SHARE * fetcher->config.max_parallel)
        return -1;
    age_ms = clock_mono_ms() - oldest->began_ms;
    return age_ms < SLOW_MS ? SLOW_MS - age_ms : 0;
}

static void on_pump(evutil_socket_t fd, short what, void *arg)
{
    struct sts_fetcher *fetcher = arg;
    struct world_fetch *oldest;
    int64_t in_ms = 0;

    (void)fd;
    (void)what;
    while (fetcher->counts[STS_FETCH_WAITING] > 0 && (!is_full(fetcher) || in_ms == 0)) {
        if (!is_full(fetcher)) {
            ca_store_refresh(fetcher->config.ca_store);
            sts_fetch_begin(TAILQ_FIRST(&fetcher->lists[STS_FETCH_WAITING]));
        } else if ((in_ms = room_in_ms(fetcher)) == 0) {
            oldest = TAILQ_FIRST(&fetcher->lists[STS_FETCH_WORKING]);
            sts_fetch_move(oldest, STS_FETCH_SLOW);
        }
    }
    if (fetcher->counts[STS_FETCH_WAITING] > 0 && in_ms > 0)
        event_add(fetcher->pump,
                  &(struct timeval){.tv_sec = in_ms / 1000, .tv_usec = in_ms % 1000 * 1000});
}

void sts_fetcher_reconfigure(struct sts_fetcher *fetcher, const struct sts_fetch_config *config)
{
    fetcher->config = *config;
    if (config->max_parallel == 0)
        fetcher->config.max_parallel = PARALLEL_DEFAULT;
    event_active(fetcher->pump, EV_TIMEOUT, 1); /* there may be more room now */
}

int sts_fetcher_new(struct event_base *base, const struct sts_fetch_config *config,
                    const struct sts_dns *dns, struct sts_fetcher **out, char *err, size_t err_size)
{
    struct sts_fetcher *fetcher = calloc(1, sizeof(*fetcher));
    int error;

    if (fetcher == NULL) {
        snprintf(err, err_size, "out of memory");
        return -ENOMEM;
    }
    fetcher->base = base;
    fetcher->dns = *dns;
    for (int state = 0; state < STS_FETCH_STATES; state++)
        TAILQ_INIT(&fetcher->lists[state]);
    fetcher->pump = evtimer_new(base, on_pump, fetcher);
    /* A policy is fetched again after hours or days, when no session is good any more. */
    error = tls_client_new(config->ca_store, 0, &fetcher->tls_client);
    if (fetcher->pump == NULL || error != 0) {
        snprintf(err, err_size, "out of memory");
        sts_fetcher_free(fetcher);
        return -ENOMEM;
    }
    tls_client_prefer_quick(fetcher->tls_client); /* a policy is public */
    sts_fetcher_reconfigure(fetcher, config);
    *out = fetcher;
    return 0;
}

void sts_fetcher_free(struct sts_fetcher *fetcher)
{
    if (fetcher == NULL)
        return;
    for (int state = 0; state < STS_FETCH_STATES; state++)
        while (!TAILQ_EMPTY(&fetcher->lists[state]))
            sts_fetch_cancel(TAILQ_FIRST(&fetcher->lists[state]));
    tls_client_free(fetcher->tls_client);
    if (fetcher->pump != NULL)
        event_free(fetcher->pump);
    free(fetcher);
}
