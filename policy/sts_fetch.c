/*
 * Fetches of MTA-STS policies (RFC 8461 section 3.3): the line of those that wait, the few that are
 * at work, each in two steps, addresses (sts_host.c) and request (sts_request.c), under one total
 * time-out.
 *
 * The time-out counts from the moment a fetch leaves the line: policy hosts that hang make others
 * wait, but do not fail them. How long an answer is awaited is the askers' business.
 */
#include "sts_fetch.h"

#include "curl_loop.h"
#include "policy/nexthop.h"
#include "sts_request.h"
#include "sts_trust.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#define PREFIX "mta-sts."

enum {
    PARALLEL_DEFAULT = 200, /* protects descriptors, memory and the network */
    /* CA certificates that the system withdrew are forgotten within this time. */
    TRUST_LIFE_S = 3600,
};

TAILQ_HEAD(fetch_list, world_fetch);

struct sts_fetcher {
    struct event_base *base;
    struct sts_dns dns;
    struct curl_loop *loop;
    struct sts_fetch_config config; /* strings are our own */
    X509_STORE *trust;
    time_t trust_loaded_s; /* monotonic */
    struct event *pump;    /* begins what waits in line */
    struct fetch_list waiting;
    struct fetch_list working;
    unsigned working_count;
};

struct world_fetch {
    TAILQ_ENTRY(world_fetch) link; /* in waiting, until begun; then in working */
    struct sts_fetcher *fetcher;
    world_fetch_fn done;
    void *arg;
    bool begun;
    bool host_valid;
    struct event *deadline;
    struct sts_host *lookup;     /* NULL before and after the first step */
    struct sts_request *request; /* NULL before the second */
    char host[];                 /* mta-sts.<domain> */
};

static time_t monotonic_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec;
}

/* Takes a fetch out of the lists, so that nothing leads to it any more. */
static void detach(struct world_fetch *fetch)
{
    struct sts_fetcher *fetcher = fetch->fetcher;

    if (!fetch->begun) {
        TAILQ_REMOVE(&fetcher->waiting, fetch, link);
        return;
    }
    TAILQ_REMOVE(&fetcher->working, fetch, link);
    fetcher->working_count--;
    if (!TAILQ_EMPTY(&fetcher->waiting))
        event_active(fetcher->pump, EV_TIMEOUT, 1);
    if (fetch->deadline != NULL)
        event_del(fetch->deadline);
}

static void destroy(struct world_fetch *fetch)
{
    if (fetch->deadline != NULL)
        event_free(fetch->deadline);
    sts_host_free(fetch->lookup);
    sts_request_free(fetch->request);
    free(fetch);
}

static void finish(struct world_fetch *fetch, const struct fetch_result *result)
{
    detach(fetch);
    fetch->done(result, fetch->arg);
    destroy(fetch); /* holds the result */
}

static void fail(struct world_fetch *fetch, const char *failure)
{
    finish(fetch, &(struct fetch_result){.status = FETCH_FAILED, .failure = failure});
}

static void on_request_done(const struct fetch_result *result, void *arg)
{
    finish(arg, result);
}

static void on_addresses(const char *addresses, const char *failure, void *arg)
{
    struct world_fetch *fetch = arg;
    const struct sts_fetcher *fetcher = fetch->fetcher;
    struct sts_request_terms terms = {
        .host = fetch->host,
        .addresses = addresses,
        .port = fetcher->config.port,
        .connect_timeout_ms = fetcher->config.connect_timeout_ms,
        .max_policy = fetcher->config.max_policy,
        .trust = fetcher->trust,
    };

    if (addresses == NULL) {
        fail(fetch, failure);
        return;
    }
    fetch->request = sts_request_new(fetcher->loop, &terms, on_request_done, fetch);
    if (fetch->request == NULL) {
        fail(fetch, "out of memory");
        return;
    }
    sts_host_free(fetch->lookup);
    fetch->lookup = NULL;
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct world_fetch *fetch = arg;
    char failure[100];

    (void)fd;
    (void)what;
    snprintf(failure, sizeof(failure), "timed out %s",
             fetch->request != NULL ? sts_request_step(fetch->request)
                                    : "looking up the policy host's address");
    fail(fetch, failure);
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

static void begin(struct world_fetch *fetch)
{
    struct sts_fetcher *fetcher = fetch->fetcher;
    int timeout_ms = fetcher->config.timeout_ms;
    struct timeval tv = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};

    TAILQ_REMOVE(&fetcher->waiting, fetch, link);
    TAILQ_INSERT_TAIL(&fetcher->working, fetch, link);
    fetcher->working_count++;
    fetch->begun = true;
    if (!fetch->host_valid) {
        fail(fetch, "not a domain name that can have a policy host");
        return;
    }
    trust_refresh(fetcher);
    fetch->deadline = evtimer_new(fetcher->base, on_deadline, fetch);
    fetch->lookup = sts_host_new(fetcher->base, &fetcher->dns, fetch->host, on_addresses, fetch);
    if (fetch->deadline == NULL || fetch->lookup == NULL || event_add(fetch->deadline, &tv) != 0)
        fail(fetch, "out of memory");
}

static void on_pump(evutil_socket_t fd, short what, void *arg)
{
    struct sts_fetcher *fetcher = arg;

    (void)fd;
    (void)what;
    while (!TAILQ_EMPTY(&fetcher->waiting) && fetcher->working_count < fetcher->config.max_parallel)
        begin(TAILQ_FIRST(&fetcher->waiting));
}

/* The name goes into a URL: nothing that could change the URL's meaning. */
static bool domain_valid(const char *domain, size_t len)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-_.";

    return len > 0 && len + sizeof(PREFIX) - 1 <= NEXTHOP_NAME_MAX && domain[0] != '.' &&
           domain[len - 1] != '.' && strspn(domain, allowed) == len;
}

struct world_fetch *sts_fetch_start(struct sts_fetcher *fetcher, const char *domain,
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
    TAILQ_INSERT_TAIL(&fetcher->waiting, fetch, link);
    event_active(fetcher->pump, EV_TIMEOUT, 1);
    return fetch;
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
    TAILQ_INIT(&fetcher->waiting);
    TAILQ_INIT(&fetcher->working);
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
    while (!TAILQ_EMPTY(&fetcher->waiting))
        sts_fetch_cancel(TAILQ_FIRST(&fetcher->waiting));
    while (!TAILQ_EMPTY(&fetcher->working))
        sts_fetch_cancel(TAILQ_FIRST(&fetcher->working));
    curl_loop_free(fetcher->loop);
    if (fetcher->pump != NULL)
        event_free(fetcher->pump);
    X509_STORE_free(fetcher->trust);
    config_fini(&fetcher->config);
    free(fetcher);
    curl_global_cleanup();
}
