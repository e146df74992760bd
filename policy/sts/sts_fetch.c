/*
 * One fetch of an MTA-STS policy (RFC 8461 section 3.3), in two steps: the addresses of the policy
 * host (sts_host.c), then the request (sts_request.c). sts_fetcher.c says when it begins.
 *
 * sts_fetch_prepare makes it ready; its addresses are looked up beside whatever tells whether it is
 * to go: that saves a round trip. They are known then, or soon; an error is looked at when the
 * fetch is at work. sts_fetch_go puts it in line, sts_fetch_begin begins it, and `done` has the
 * result.
 *
 * The time-out is the request's; a look-up of addresses ends by the resolver's own. How long an
 * answer is awaited is the askers' business.
 */
#include "sts/sts_fetch_internal.h"

#include "policy/clock.h"
#include "policy/nexthop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "mta-sts."

enum {
    /* Addresses looked up ahead of need, perhaps in vain. With more lookups than that at once it is
     * the resolver's work that counts, not one lookup's round trips. */
    AHEAD_MAX = 64,
    /* After so long in line addresses are looked up again: they may have changed. */
    ADDRESSES_LIFE_MS = 5000,
};

static void leave_list(struct world_fetch *fetch)
{
    TAILQ_REMOVE(&fetch->fetcher->lists[fetch->state], fetch, link);
    fetch->fetcher->counts[fetch->state]--;
}

static void enter_list(struct world_fetch *fetch, enum sts_fetch_state state)
{
    fetch->state = state;
    TAILQ_INSERT_TAIL(&fetch->fetcher->lists[state], fetch, link);
    fetch->fetcher->counts[state]++;
}

void sts_fetch_move(struct world_fetch *fetch, enum sts_fetch_state state)
{
    leave_list(fetch);
    enter_list(fetch, state);
}

/* Takes a fetch out of the lists, so that nothing leads to it any more. */
static void fetch_detach(struct world_fetch *fetch)
{
    struct sts_fetcher *fetcher = fetch->fetcher;

    leave_list(fetch);
    if (fetch->state >= STS_FETCH_WORKING && !TAILQ_EMPTY(&fetcher->lists[STS_FETCH_WAITING]))
        event_active(fetcher->pump, EV_TIMEOUT, 1);
    if (fetch->deadline != NULL)
        event_del(fetch->deadline);
}

static void forget_addresses(struct world_fetch *fetch)
{
    free(fetch->addresses);
    free(fetch->no_addresses);
    fetch->addresses = NULL;
    fetch->no_addresses = NULL;
}

static void fetch_free(struct world_fetch *fetch)
{
    if (fetch->deadline != NULL)
        event_free(fetch->deadline);
    sts_host_free(fetch->lookup);
    sts_request_free(fetch->request);
    forget_addresses(fetch);
    free(fetch);
}

static void fetch_finish(struct world_fetch *fetch, const struct fetch_result *result)
{
    fetch_detach(fetch);
    fetch->done(result, fetch->arg);
    fetch_free(fetch); /* holds the result */
}

static void fetch_fail(struct world_fetch *fetch, const char *failure)
{
    fetch_finish(fetch, &(struct fetch_result){.status = FETCH_FAILED, .failure = failure});
}

static void fetch_end_no_memory(struct world_fetch *fetch)
{
    fetch_finish(fetch, &(struct fetch_result){.status = FETCH_LOCAL, .failure = "out of memory"});
}

/* A domain without a policy host has no policy, whatever its record says. */
static void fetch_end_no_host(struct world_fetch *fetch, const char *failure)
{
    fetch_finish(fetch, &(struct fetch_result){.status = FETCH_NO_HOST, .failure = failure});
}

static void on_request_done(const struct fetch_result *result, void *arg)
{
    fetch_finish(arg, result);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct world_fetch *fetch = arg;
    char failure[100];

    (void)fd;
    (void)what;
    snprintf(failure, sizeof(failure), "timed out %s", sts_request_step(fetch->request));
    fetch_fail(fetch, failure);
}

static void request_policy(struct world_fetch *fetch, const struct sts_addresses *addresses)
{
    const struct sts_fetcher *fetcher = fetch->fetcher;
    int timeout_ms = fetcher->config.timeout_ms;
    struct timeval tv = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    struct sts_request_terms terms = {
        .base = fetcher->base,
        .tls_client = fetcher->tls_client,
        .host = fetch->host,
        .addresses = addresses,
        .port = fetcher->config.port,
        .connect_timeout_ms = fetcher->config.connect_timeout_ms,
        .max_policy = fetcher->config.max_policy,
    };

    fetch->deadline = evtimer_new(fetcher->base, on_deadline, fetch);
    fetch->request = sts_request_new(&terms, on_request_done, fetch);
    if (fetch->deadline == NULL || fetch->request == NULL || event_add(fetch->deadline, &tv) != 0)
        fetch_end_no_memory(fetch);
}

/* Kept until the fetch is at work. If there is no memory for that, they are looked up again. */
static void keep_addresses(struct world_fetch *fetch, const struct sts_addresses *addresses,
                           const char *failure, bool definite)
{
    forget_addresses(fetch);
    fetch->no_host = definite;
    if (addresses != NULL) {
        fetch->addresses = malloc(sizeof(*addresses));
        if (fetch->addresses != NULL)
            *fetch->addresses = *addresses;
    } else {
        fetch->no_addresses = strdup(failure);
    }
    fetch->learnt_ms = clock_mono_ms();
}

static void on_addresses(const struct sts_addresses *addresses, const char *failure, bool definite,
                         void *arg)
{
    struct world_fetch *fetch = arg;
    struct sts_host *lookup = fetch->lookup;

    if (fetch->state < STS_FETCH_WORKING) {
        keep_addresses(fetch, addresses, failure, definite);
        fetch->lookup = NULL;
        sts_host_free(lookup);
    } else if (addresses == NULL) {
        (definite ? fetch_end_no_host : fetch_fail)(fetch, failure);
    } else {
        fetch->lookup = NULL;
        request_policy(fetch, addresses); /* may end the fetch */
        sts_host_free(lookup);
    }
}

static void look_up_host(struct world_fetch *fetch)
{
    struct sts_fetcher *fetcher = fetch->fetcher;

    fetch->lookup = sts_host_new(fetcher->base, &fetcher->dns, fetch->host, on_addresses, fetch);
}

/* The first step, or the second if that is done. */
static void fetch_step(struct world_fetch *fetch)
{
    if (clock_mono_ms() - fetch->learnt_ms > ADDRESSES_LIFE_MS)
        forget_addresses(fetch);
    if (fetch->addresses != NULL) {
        request_policy(fetch, fetch->addresses);
    } else if (fetch->no_addresses != NULL) {
        (fetch->no_host ? fetch_end_no_host : fetch_fail)(fetch, fetch->no_addresses);
    } else if (fetch->lookup == NULL) {
        look_up_host(fetch);
        if (fetch->lookup == NULL)
            fetch_end_no_memory(fetch);
    }
}

void sts_fetch_begin(struct world_fetch *fetch)
{
    sts_fetch_move(fetch, STS_FETCH_WORKING);
    fetch->began_ms = clock_mono_ms();
    if (!fetch->host_valid) {
        fetch_end_no_host(fetch, "not a domain name that can have a policy host");
        return;
    }
    fetch_step(fetch);
}

/* The name goes into an HTTP request: nothing that could change its meaning. */
static bool domain_valid(const char *domain, size_t len)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-_.";

    return len > 0 && len + sizeof(PREFIX) - 1 <= NEXTHOP_NAME_MAX && domain[0] != '.' &&
           domain[len - 1] != '.' && strspn(domain, allowed) == len;
}

struct world_fetch *sts_fetch_prepare(struct sts_fetcher *fetcher, const char *domain,
                                      world_fetch_fn done, void *arg)
{
    size_t len = strlen(domain);
    struct world_fetch *fetch = calloc(1, sizeof(*fetch) + sizeof(PREFIX) + len);

    if (fetch == NULL)
        return NULL;
    memcpy(fetch->host, PREFIX, sizeof(PREFIX) - 1);
    memcpy(fetch->host + sizeof(PREFIX) - 1, domain, len + 1);
    fetch->host_valid = domain_valid(domain, len);
    fetch->fetcher = fetcher;
    fetch->done = done;
    fetch->arg = arg;
    if (fetch->host_valid &&
        fetcher->counts[STS_FETCH_READY] + fetcher->counts[STS_FETCH_WAITING] < AHEAD_MAX)
        look_up_host(fetch); /* if there is no memory for it now, there may be when it goes */
    enter_list(fetch, STS_FETCH_READY);
    return fetch;
}

void sts_fetch_go(struct world_fetch *fetch)
{
    sts_fetch_move(fetch, STS_FETCH_WAITING);
    event_active(fetch->fetcher->pump, EV_TIMEOUT, 1);
}

void sts_fetch_cancel(struct world_fetch *fetch)
{
    fetch_detach(fetch);
    fetch_free(fetch);
}
