/*
 * struct world on the real network: each operation is a call of the module that does it, DNS of
 * resolver.c, MTA-STS fetches of sts_fetch.c, SMTP servers of probe_client.c, the shared cache of
 * shared.c, timers of libevent.
 * world_real_new begins with the resolver and its first check; world_real_reconfigure takes over a
 * new configuration, all of it or nothing.
 */
#include "engine/world_real.h"

#include "dns/resolver.h"
#include "engine/world_settings.h"
#include "policy/ca_store.h"
#include "policy/clock.h"
#include "policy/own_address.h"
#include "probe/probe_client.h"
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
    struct probe_client *probe_client;
    struct shared *shared;
    bool shared_is_on;         /* it has servers */
    struct ca_store *ca_store; /* for all that verifies by the Web PKI */
    uint16_t sts_port;         /* is not reconfigured */
};

struct world_timer {
    struct event *event;
    world_timer_fn fire;
    void *arg;
};

static struct world_real *real_of_world(struct world *world)
{
    return (struct world_real *)world;
}

static struct world_query *start_query(struct world *w, const char *nexthop, const char *name,
                                       uint16_t type, world_query_fn done, void *arg)
{
    return (struct world_query *)resolver_query(real_of_world(w)->resolver, nexthop, name, type,
                                                done, arg);
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
    return start_query(ctx, name, name, type, done, arg);
}

static void dns_cancel(void *ctx, struct world_query *handle)
{
    query_cancel(ctx, handle);
}

static struct world_check *start_check(struct world *w, uint32_t resolver, world_check_fn done,
                                       void *arg)
{
    return (struct world_check *)resolver_confirm(real_of_world(w)->resolver, resolver, done, arg);
}

static void check_cancel(struct world *w, struct world_check *handle)
{
    (void)w;
    resolver_confirm_cancel((struct resolver_confirm *)handle);
}

static struct world_fetch *fetch_prepare(struct world *w, const char *domain, world_fetch_fn done,
                                         void *arg)
{
    return sts_fetch_prepare(real_of_world(w)->fetcher, domain, done, arg);
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

static struct world_probe *start_probe(struct world *w, const struct world_probe_target *target,
                                       world_probe_fn done, void *arg)
{
    struct world_real *real = real_of_world(w);

    ca_store_refresh(real->ca_store);
    return probe_client_start(real->probe_client, target, done, arg);
}

static void probe_cancel(struct world *w, struct world_probe *handle)
{
    (void)w;
    probe_client_cancel(handle);
}

static bool is_own(struct world *w, const uint8_t *address, bool ipv6)
{
    (void)w;
    return own_address_is(address, ipv6);
}

static bool shared_is_on(struct world *w)
{
    return real_of_world(w)->shared_is_on;
}

static struct world_shared *ask_shared(struct world *w, enum shared_kind kind, const char *name,
                                       world_shared_fn done, void *arg)
{
    return (struct world_shared *)shared_get(real_of_world(w)->shared, kind, name, done, arg);
}

static void put_shared(struct world *w, enum shared_kind kind, const char *name,
                       const void *payload, size_t len, int64_t ends_at_s)
{
    shared_put(real_of_world(w)->shared, kind, name, payload, len, ends_at_s);
}

static struct world_shared *delete_shared(struct world *w, enum shared_kind kind, const char *name,
                                          world_shared_deleted_fn done, void *arg)
{
    return (struct world_shared *)shared_delete(real_of_world(w)->shared, kind, name, done, arg);
}

static void drop_shared(struct world *w, struct world_shared *request)
{
    (void)w;
    shared_drop((struct shared_request *)request);
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
    timer->event = evtimer_new(real_of_world(w)->base, on_timer, timer);
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
    return clock_wall_s();
}

static bool security_known(struct world *w)
{
    return resolver_security_known(real_of_world(w)->resolver);
}

static unsigned trust_withdrawn(struct world *w)
{
    return resolver_trust_withdrawn(real_of_world(w)->resolver);
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
    .query = start_query,
    .query_cancel = query_cancel,
    .check = start_check,
    .check_cancel = check_cancel,
    .fetch_prepare = fetch_prepare,
    .fetch_go = fetch_go,
    .fetch_cancel = fetch_cancel,
    .probe = start_probe,
    .probe_cancel = probe_cancel,
    .is_own = is_own,
    .shared_is_on = shared_is_on,
    .shared_get = ask_shared,
    .shared_put = put_shared,
    .shared_delete = delete_shared,
    .shared_drop = drop_shared,
    .timer = timer_new,
    .timer_cancel = timer_cancel,
    .mono_ms = mono_ms,
    .wall_s = wall_s,
    .security_known = security_known,
    .trust_withdrawn = trust_withdrawn,
    .random = random_below,
};

static struct sts_fetch_config fetch_config(const struct world_real *real,
                                            const struct engine_config *config)
{
    return (struct sts_fetch_config){
        .ca_store = real->ca_store,
        .connect_timeout_ms = config->sts_connect_timeout_ms,
        .timeout_ms = config->sts_timeout_ms,
        .max_policy = config->sts_max_policy,
        .port = real->sts_port,
    };
}

static int new_probe_client(struct event_base *base, const struct engine_config *config,
                            struct ca_store *ca_store, struct probe_client **out, char *err,
                            size_t err_size)
{
    const struct probe_client_config probing = world_settings_probe(config);

    return probe_client_new(base, ca_store, &probing, out, err, err_size);
}

static int new_shared(struct world_real *real, const struct engine_config *config, char *err,
                      size_t err_size)
{
    const struct shared_config sharing = world_settings_shared(config);

    real->shared_is_on = world_settings_share(config);
    return shared_new(real->base, &sharing, &real->shared, err, err_size);
}

static int new_shared_change(struct world_real *real, const struct engine_config *config,
                             struct shared_change **out, char *err, size_t err_size)
{
    const struct shared_config sharing = world_settings_shared(config);

    return shared_change_new(real->shared, &sharing, out, err, err_size);
}

int world_real_new(struct event_base *base, const struct engine_config *config, struct world **out,
                   char *err, size_t err_size)
{
    struct world_real *real = calloc(1, sizeof *real);
    int error;

    if (real == NULL)
        return -ENOMEM;
    real->world.ops = &ops;
    real->base = base;
    real->sts_port = config->sts_port;
    error = ca_store_new(config->sts_ca_file, config->sts_ca_path, &real->ca_store, err, err_size);
    if (error == 0)
        error = new_probe_client(base, config, real->ca_store, &real->probe_client, err, err_size);
    if (error == 0)
        error = new_shared(real, config, err, err_size);
    if (error == 0)
        error = resolver_new(base, config, &real->resolver, err, err_size);
    if (error == 0) {
        const struct sts_dns dns = {.query = dns_query, .cancel = dns_cancel, .ctx = &real->world};
        const struct sts_fetch_config fetching = fetch_config(real, config);

        error = sts_fetcher_new(base, &fetching, &dns, &real->fetcher, err, err_size);
    }
    if (error < 0) {
        world_real_free(&real->world);
        return error;
    }
    *out = &real->world;
    return 0;
}

void world_real_free(struct world *world)
{
    if (world == NULL)
        return;
    sts_fetcher_free(real_of_world(world)->fetcher);
    probe_client_free(real_of_world(world)->probe_client);
    resolver_free(real_of_world(world)->resolver);
    shared_free(real_of_world(world)->shared);
    ca_store_free(real_of_world(world)->ca_store);
    free(world);
}

int world_real_reconfigure(struct world *world, const struct engine_config *config, char *err,
                           size_t err_size)
{
    struct world_real *r = real_of_world(world);
    struct sts_fetch_config fetching = fetch_config(r, config);
    struct probe_client *probe_client = NULL;
    struct shared_change *shared = NULL;
    struct ca_store *ca_store;
    int error = ca_store_new(config->sts_ca_file, config->sts_ca_path, &ca_store, err, err_size);

    if (error < 0)
        return error;
    error = new_probe_client(r->base, config, ca_store, &probe_client, err, err_size);
    if (error == 0)
        error = new_shared_change(r, config, &shared, err, err_size);
    /* Last: it cannot be taken back. */
    if (error == 0)
        error = resolver_reconfigure(r->resolver, config, err, err_size);
    if (error < 0) {
        shared_change_free(shared);
        probe_client_free(probe_client);
        ca_store_free(ca_store);
        return error;
    }
    shared_change_apply(shared);
    r->shared_is_on = world_settings_share(config);
    probe_client_replace(r->probe_client, probe_client);
    ca_store_replace(r->ca_store, ca_store);
    sts_fetcher_reconfigure(r->fetcher, &fetching);
    return 0;
}

void world_real_health(struct world *world, struct engine_health *out)
{
    resolver_health(real_of_world(world)->resolver, out);
    shared_health(real_of_world(world)->shared, out);
}

void world_real_stats(const struct world *world, struct engine_stats *out)
{
    shared_get_stats(((const struct world_real *)world)->shared, out);
}
