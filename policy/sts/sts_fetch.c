/*
 * Fetches of MTA-STS policies (RFC 8461 section 3.3): those made ready, the line of those that
 * wait, the few that are at work, each in two steps, addresses (sts_host.c) and request
 * (sts_request.c).
 *
 * The addresses of one made ready are looked up beside whatever tells whether it is to go: that
 * saves a round trip. They are known then, or soon; an error is looked at when the fetch is at
 * work.
 *
 * The time-out is the request's; a look-up of addresses ends by the resolver's own. Policy hosts
 * that hang are not to hold up those that do not: a fetch that takes longer than most gives its
 * place to the line and goes on beside it, for as long as there are not too many such. Beyond that,
 * and with thousands of questions before the resolver, others wait longer, but none fails for it.
 * How long an answer is awaited is the askers' business.
 */
#include "sts/sts_fetch.h"

#include "policy/clock.h"
#include "policy/nexthop.h"
#include "sts/curl_loop.h"
#include "sts/sts_request.h"
#include "tls/sts_trust.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#define PREFIX "mta-sts."

enum {
    PARALLEL_DEFAULT = 200, /* protects descriptors, memory and the network */
    /* After so long at work a fetch is slow; and so many times as many may be slow as at work. */
    SLOW_MS = 500,
    SLOW_SHARE = 5,
    /* Addresses looked up ahead of need, perhaps in vain. With more lookups than that at once it is
     * the resolver's work that counts, not one lookup's round trips. */
    AHEAD_MAX = 64,
    /* After so long in line addresses are looked up again: they may have changed. */
    ADDRESSES_LIFE_S = 5,
    /* CA certificates that the system withdrew are forgotten within this time. */
    TRUST_LIFE_S = 3600,
};

enum fetch_state {
    READY,   /* entered first: made ready, and not told to go */
    WAITING, /* from READY: in line */
    WORKING, /* from WAITING: begun */
    SLOW,    /* from WORKING: has let the line go on */
    STATES
};

TAILQ_HEAD(fetch_list, world_fetch);

struct sts_fetcher {
    struct event_base *base;
    struct sts_dns dns;
    struct curl_loop *loop;
    struct sts_fetch_config config; /* strings are our own */
    X509_STORE *trust;
    time_t trust_loaded_s; /* monotonic */
    struct event *pump;    /* begins what waits in line; timed while something does */
    struct fetch_list lists[STATES];
    unsigned counts[STATES];
};

struct world_fetch {
    TAILQ_ENTRY(world_fetch) link; /* in the list of its state */
    struct sts_fetcher *fetcher;
    world_fetch_fn done;
    void *arg;
    enum fetch_state state;
    bool host_valid;
    struct event *deadline;
    struct sts_host *lookup; /* NULL before and after the first step */
    char *addresses;         /* learnt before work began; or NULL */
    char *no_addresses;      /* or why there are none; or NULL */
    bool no_host;            /* and then whether that is certain */
    time_t learnt_s;
    int64_t began_ms;            /* work */
    struct sts_request *request; /* NULL before the second step */
    char host[];                 /* mta-sts.<domain> */
};

static time_t monotonic_s(void)
{
    return (time_t)(clock_mono_ms() / 1000);
}

static void leave_list(struct world_fetch *fetch)
{
    TAILQ_REMOVE(&fetch->fetcher->lists[fetch->state], fetch, link);
    fetch->fetcher->counts[fetch->state]--;
}

static void enter_list(struct world_fetch *fetch, enum fetch_state state)
{
    fetch->state = state;
    TAILQ_INSERT_TAIL(&fetch->fetcher->lists[state], fetch, link);
    fetch->fetcher->counts[state]++;
}

/* Takes a fetch out of the lists, so that nothing leads to it any more. */
static void detach(struct world_fetch *fetch)
{
    struct sts_fetcher *fetcher = fetch->fetcher;

    leave_list(fetch);
    if (fetch->state >= WORKING && !TAILQ_EMPTY(&fetcher->lists[WAITING]))
        event_active(fetcher->pump, EV_TIMEOUT, 1);
    if (fetch->deadline != NULL)
        event_del(fetch->deadline);
}

static void forget_addresses(struct world_fetch *fetch)
{
    free(fetch->addresses);
    free(fetch->no_addresses);
    fetch->addresses = fetch->no_addresses = NULL;
}

static void destroy(struct world_fetch *fetch)
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
    detach(fetch);
    fetch->done(result, fetch->arg);
    destroy(fetch); /* holds the result */
}

static void fetch_fail(struct world_fetch *fetch, const char *failure)
{
    fetch_finish(fetch, &(struct fetch_result){.status = FETCH_FAILED, .failure = failure});
}

/* A domain without a policy host has no policy, whatever its record says. */
static void no_host(struct world_fetch *fetch, const char *failure)
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

static void request_policy(struct world_fetch *fetch, const char *addresses)
{
    const struct sts_fetcher *fetcher = fetch->fetcher;
    int timeout_ms = fetcher->config.timeout_ms;
    struct timeval tv = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    struct sts_request_terms terms = {
        .host = fetch->host,
        .addresses = addresses,
        .port = fetcher->config.port,
        .connect_timeout_ms = fetcher->config.connect_timeout_ms,
        .max_policy = fetcher->config.max_policy,
        .trust = fetcher->trust,
    };

    fetch->deadline = evtimer_new(fetcher->base, on_deadline, fetch);
    fetch->request = sts_request_new(fetcher->loop, &terms, on_request_done, fetch);
    if (fetch->deadline == NULL || fetch->request == NULL || event_add(fetch->deadline, &tv) != 0)
        fetch_fail(fetch, "out of memory");
}

/* Kept until the fetch is at work. If there is no memory for that, they are looked up again. */
static void keep_addresses(struct world_fetch *fetch, const char *addresses, const char *failure,
                           bool definite)
{
    forget_addresses(fetch);
    fetch->no_host = definite;
    if (addresses != NULL)
        fetch->addresses = strdup(addresses);
    else
        fetch->no_addresses = strdup(failure);
    fetch->learnt_s = monotonic_s();
}

static void on_addresses(const char *addresses, const char *failure, bool definite, void *arg)
{
    struct world_fetch *fetch = arg;
    struct sts_host *lookup = fetch->lookup;

    if (fetch->state < WORKING) {
        keep_addresses(fetch, addresses, failure, definite);
        fetch->lookup = NULL;
        sts_host_free(lookup);
    } else if (addresses == NULL) {
        (definite ? no_host : fetch_fail)(fetch, failure);
    } else {
        fetch->lookup = NULL;
        request_policy(fetch, addresses); /* may end the fetch */
        sts_host_free(lookup);
    }
}

static void look_up(struct world_fetch *fetch)
{
    struct sts_fetcher *fetcher = fetch->fetcher;

    fetch->lookup = sts_host_new(fetcher->base, &fetcher->dns, fetch->host, on_addresses, fetch);
}

/* CA certificates change on disk while we run. A set that cannot be read leaves the old in force.
 */
static void trust_refresh(struct sts_fetcher *fetcher)
{
    X509_STORE *trust;
    char err[256];

    if (monotonic_s() - fetcher->trust_loaded_s < TRUST_LIFE_S)
        return;
    fetcher->trust_loaded_s = monotonic_s();
    if (sts_trust_load(fetcher->config.ca_file, fetcher->config.ca_path, &trust, err,
                       sizeof(err)) != 0)
        return;
    X509_STORE_free(fetcher->trust);
    fetcher->trust = trust;
}

/* The first step, or the second if that is done. */
static void fetch_step(struct world_fetch *fetch)
{
    if (monotonic_s() - fetch->learnt_s > ADDRESSES_LIFE_S)
        forget_addresses(fetch);
    if (fetch->addresses != NULL) {
        request_policy(fetch, fetch->addresses);
    } else if (fetch->no_addresses != NULL) {
        (fetch->no_host ? no_host : fetch_fail)(fetch, fetch->no_addresses);
    } else if (fetch->lookup == NULL) {
        look_up(fetch);
        if (fetch->lookup == NULL)
            fetch_fail(fetch, "out of memory");
    }
}

static void fetch_begin(struct world_fetch *fetch)
{
    leave_list(fetch);
    enter_list(fetch, WORKING);
    fetch->began_ms = clock_mono_ms();
    if (!fetch->host_valid) {
        no_host(fetch, "not a domain name that can have a policy host");
        return;
    }
    trust_refresh(fetch->fetcher);
    fetch_step(fetch);
}

static bool is_full(const struct sts_fetcher *fetcher)
{
    return fetcher->counts[WORKING] >= fetcher->config.max_parallel;
}

/* Milliseconds until the fetch that has been at work for longest makes room in the line; -1: that
 * does not come by time alone. */
static int64_t room_in_ms(const struct sts_fetcher *fetcher)
{
    const struct world_fetch *oldest = TAILQ_FIRST(&fetcher->lists[WORKING]);
    int64_t age_ms;

    if (oldest == NULL || fetcher->counts[SLOW] >= SLOW_SHARE * fetcher->config.max_parallel)
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
    while (fetcher->counts[WAITING] > 0 && (!is_full(fetcher) || in_ms == 0)) {
        if (!is_full(fetcher)) {
            fetch_begin(TAILQ_FIRST(&fetcher->lists[WAITING]));
        } else if ((in_ms = room_in_ms(fetcher)) == 0) {
            oldest = TAILQ_FIRST(&fetcher->lists[WORKING]);
            leave_list(oldest);
            enter_list(oldest, SLOW);
        }
    }
    if (fetcher->counts[WAITING] > 0 && in_ms > 0)
        event_add(fetcher->pump,
                  &(struct timeval){.tv_sec = in_ms / 1000, .tv_usec = in_ms % 1000 * 1000});
}

/* The name goes into a URL: nothing that could change the URL's meaning. */
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
    if (fetch->host_valid && fetcher->counts[READY] + fetcher->counts[WAITING] < AHEAD_MAX)
        look_up(fetch); /* if there is no memory for it now, there may be when it goes */
    enter_list(fetch, READY);
    return fetch;
}

void sts_fetch_go(struct world_fetch *fetch)
{
    leave_list(fetch);
    enter_list(fetch, WAITING);
    event_active(fetch->fetcher->pump, EV_TIMEOUT, 1);
}

void sts_fetch_cancel(struct world_fetch *fetch)
{
    detach(fetch);
    destroy(fetch);
}

static void config_fini(struct sts_fetch_config *config)
{
    free((void *)(uintptr_t)config->ca_file);
    free((void *)(uintptr_t)config->ca_path);
}

static int config_copy(struct sts_fetch_config *to, const struct sts_fetch_config *from)
{
    *to = *from;
    if (to->max_parallel == 0)
        to->max_parallel = PARALLEL_DEFAULT;
    to->ca_file = from->ca_file != NULL ? strdup(from->ca_file) : NULL;
    to->ca_path = from->ca_path != NULL ? strdup(from->ca_path) : NULL;
    if ((from->ca_file != NULL && to->ca_file == NULL) ||
        (from->ca_path != NULL && to->ca_path == NULL)) {
        config_fini(to);
        return -ENOMEM;
    }
    return 0;
}

int sts_fetcher_reconfigure(struct sts_fetcher *fetcher, const struct sts_fetch_config *config,
                            char *err, size_t err_len)
{
    struct sts_fetch_config copy;
    X509_STORE *trust;
    int r = sts_trust_load(config->ca_file, config->ca_path, &trust, err, err_len);

    if (r != 0)
        return r;
    r = config_copy(&copy, config);
    if (r != 0) {
        snprintf(err, err_len, "out of memory");
        X509_STORE_free(trust);
        return r;
    }
    config_fini(&fetcher->config);
    fetcher->config = copy;
    X509_STORE_free(fetcher->trust);
    fetcher->trust = trust;
    fetcher->trust_loaded_s = monotonic_s();
    event_active(fetcher->pump, EV_TIMEOUT, 1); /* there may be more room now */
    return 0;
}

/* The certificate rules are set through OpenSSL's own context. */
static bool curl_speaks_openssl(void)
{
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);

    return info->ssl_version != NULL && strncmp(info->ssl_version, "OpenSSL", 7) == 0;
}

int sts_fetcher_new(struct event_base *base, const struct sts_fetch_config *config,
                    const struct sts_dns *dns, struct sts_fetcher **out, char *err, size_t err_len)
{
    struct sts_fetcher *fetcher;
    int r = -ENOMEM;

    if (!curl_speaks_openssl()) {
        snprintf(err, err_len, "libcurl is not built with OpenSSL");
        return -ENOTSUP;
    }
    snprintf(err, err_len, "out of memory");
    fetcher = calloc(1, sizeof(*fetcher));
    if (fetcher == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(fetcher);
        return -ENOMEM;
    }
    fetcher->base = base;
    fetcher->dns = *dns;
    for (int state = 0; state < STATES; state++)
        TAILQ_INIT(&fetcher->lists[state]);
    fetcher->pump = evtimer_new(base, on_pump, fetcher);
    fetcher->loop = curl_loop_new(base, sts_request_on_done, NULL);
    if (fetcher->pump != NULL && fetcher->loop != NULL)
        r = sts_fetcher_reconfigure(fetcher, config, err, err_len);
    if (r != 0) {
        sts_fetcher_free(fetcher);
        return r;
    }
    *out = fetcher;
    return 0;
}

void sts_fetcher_free(struct sts_fetcher *fetcher)
{
    if (fetcher == NULL)
        return;
    for (int state = 0; state < STATES; state++)
        while (!TAILQ_EMPTY(&fetcher->lists[state]))
            sts_fetch_cancel(TAILQ_FIRST(&fetcher->lists[state]));
    curl_loop_free(fetcher->loop);
    if (fetcher->pump != NULL)
        event_free(fetcher->pump);
    X509_STORE_free(fetcher->trust);
    config_fini(&fetcher->config);
    free(fetcher);
    curl_global_cleanup();
}
