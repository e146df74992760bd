/*
 * struct world on the real network. Glue: each operation is a call of the module that does it.
 */
#include "engine/world_real.h"

#include "dns/resolver.h"
#include "policy/clock.h"
#include "sts/sts_fetch.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

struct world_real {
    struct world world; /* first */
    struct event_base *base;
    struct resolver *resolver;
    struct sts_fetcher *fetcher;
    struct sts_fetch_config fetching; /* what is in force, for going back to it */
    char *ca_file, *ca_path;          /* its strings */
};

struct world_timer {
    struct event *event;
    world_timer_fn fire;
    void *arg;
};

static struct world_real *real(struct world *world)
{
    return (struct world_real *)world;
}

static struct world_query *query(struct world *w, const char *nexthop, const char *name,
                                 uint16_t type, world_query_fn done, void *arg)
{
    return (struct world_query *)resolver_query(real(w)->resolver, nexthop, name, type, done, arg);
}

static void query_cancel(struct world *w, struct world_query *handle)
{
    (void)w;
    resolver_cancel((struct resolver_query *)handle);
}

/* Addresses of policy hosts: two questions each, which count for the policy host alone. */
static struct world_query *dns_query(void *ctx, const char *name, uint16_t type,
                                     world_query_fn done, void *arg)
{
    return query(ctx, name, name, type, done, arg);
}

static void dns_cancel(void *ctx, struct world_query *handle)
{
    query_cancel(ctx, handle);
}

static struct world_check *check(struct world *w, uint32_t resolver, world_check_fn done, void *arg)
{
    return (struct world_check *)resolver_confirm(real(w)->resolver, resolver, done, arg);
}

static void check_cancel(struct world *w, struct world_check *handle)
{
    (void)w;
    resolver_confirm_cancel((struct resolver_confirm *)handle);
}

static struct world_fetch *fetch_prepare(struct world *w, const char *domain, world_fetch_fn done,
                                         void *arg)
{
    return sts_fetch_prepare(real(w)->fetcher, domain, done, arg);
}

static void fetch_go(struct world *w, struct world_fetch *handle)
{
    (void)w;
    sts_fetch_go(handle);
}

static void fetch_cancel(struct world *w, struct world_fetch *handle)
{
    (void)w;
    sts_fetch_cancel(handle);
}

static void timer_free(struct world_timer *timer)
{
    event_free(timer->event);
    free(timer);
}

/* event_callback_fn */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct world_timer *timer = arg;
    world_timer_fn fire = timer->fire;
    void *fire_arg = timer->arg;
    (void)fd;
    (void)what;

    timer_free(timer); /* dead before it is called */
    fire(fire_arg);
}

static struct world_timer *timer_new(struct world *w, int64_t delay_ms, world_timer_fn fire,
                                     void *arg)
{
    struct world_timer *timer = calloc(1, sizeof *timer);
    struct timeval delay = {.tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000};

    if (timer == NULL)
        return NULL;
    timer->fire = fire;
    timer->arg = arg;
    timer->event = evtimer_new(real(w)->base, on_timer, timer);
    if (timer->event == NULL || evtimer_add(timer->event, &delay) < 0) {
        if (timer->event != NULL)
            event_free(timer->event);
        free(timer);
        return NULL;
    }
    return timer;
}

static void timer_cancel(struct world *w, struct world_timer *timer)
{
    (void)w;
    timer_free(timer);
}

static int64_t mono_ms(struct world *w)
{
    (void)w;
    return clock_mono_ms();
}

static int64_t wall_s(struct world *w)
{
    (void)w;
    return (int64_t)time(NULL);
}

static bool security_known(struct world *w)
{
    return resolver_security_known(real(w)->resolver);
}

static unsigned trust_withdrawn(struct world *w)
{
    return resolver_trust_withdrawn(real(w)->resolver);
}

static uint32_t random_below(struct world *w, uint32_t below)
{
    uint32_t value = 0;
    (void)w;

    /* Only spreads load; when there is no entropy yet, nothing is spread. */
    if (below == 0 || getrandom(&value, sizeof value, GRND_NONBLOCK) != sizeof value)
        return 0;
    return value % below;
}

static const struct world_ops ops = {
    .query = query,
    .query_cancel = query_cancel,
    .check = check,
    .check_cancel = check_cancel,
    .fetch_prepare = fetch_prepare,
    .fetch_go = fetch_go,
    .fetch_cancel = fetch_cancel,
    .timer = timer_new,
    .timer_cancel = timer_cancel,
    .mono_ms = mono_ms,
    .wall_s = wall_s,
    .security_known = security_known,
    .trust_withdrawn = trust_withdrawn,
    .random = random_below,
};

static struct sts_fetch_config fetch_config(const struct engine_config *config)
{
    return (struct sts_fetch_config){
        .ca_file = config->sts_ca_file,
        .ca_path = config->sts_ca_path,
        .connect_timeout_ms = config->sts_connect_timeout_ms,
        .timeout_ms = config->sts_timeout_ms,
        .max_policy = config->sts_max_policy,
        .port = config->sts_port,
    };
}

/* Keeps a copy of what the fetcher runs by. 0 or -ENOMEM, then the old copy stands. */
static int keep_fetching(struct world_real *real, const struct sts_fetch_config *fetching)
{
    char *ca_file = fetching->ca_file != NULL ? strdup(fetching->ca_file) : NULL;
    char *ca_path = fetching->ca_path != NULL ? strdup(fetching->ca_path) : NULL;

    if ((fetching->ca_file != NULL && ca_file == NULL) ||
        (fetching->ca_path != NULL && ca_path == NULL)) {
        free(ca_file);
        free(ca_path);
        return -ENOMEM;
    }
    free(real->ca_file);
    free(real->ca_path);
    real->fetching = *fetching;
    real->fetching.ca_file = real->ca_file = ca_file;
    real->fetching.ca_path = real->ca_path = ca_path;
    return 0;
}

int world_real_new(struct event_base *base, const struct engine_config *config, struct world **out,
                   char *err, size_t err_len)
{
    struct world_real *real = calloc(1, sizeof *real);
    const struct sts_fetch_config fetching = fetch_config(config);
    int status;

    if (real == NULL)
        return -ENOMEM;
    real->world.ops = &ops;
    real->base = base;
    status = keep_fetching(real, &fetching);
    if (status == 0)
        status = resolver_new(base, config, &real->resolver, err, err_len);
    if (status == 0) {
        const struct sts_dns dns = {.query = dns_query, .cancel = dns_cancel, .ctx = &real->world};
        status = sts_fetcher_new(base, &fetching, &dns, &real->fetcher, err, err_len);
    }
    if (status < 0) {
        world_real_free(&real->world);
        return status;
    }
    *out = &real->world;
    return 0;
}

void world_real_free(struct world *world)
{
    if (world == NULL)
        return;
    sts_fetcher_free(real(world)->fetcher);
    resolver_free(real(world)->resolver);
    free(real(world)->ca_file);
    free(real(world)->ca_path);
    free(world);
}

int world_real_reconfigure(struct world *world, const struct engine_config *config, char *err,
                           size_t err_len)
{
    struct world_real *r = real(world);
    struct sts_fetch_config fetching = fetch_config(config);
    char scratch[8];
    int status;

    fetching.port = r->fetching.port;
    status = sts_fetcher_reconfigure(r->fetcher, &fetching, err, err_len);
    if (status < 0)
        return status;
    status = resolver_reconfigure(r->resolver, config, err, err_len);
    if (status == 0)
        status = keep_fetching(r, &fetching);
    if (status < 0) /* the old configuration was good before */
        sts_fetcher_reconfigure(r->fetcher, &r->fetching, scratch, sizeof scratch);
    return status;
}
