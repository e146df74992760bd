/*
 * Queries: their line, when each is sent, and their callbacks. resolver_queue.c knows whose turn it
 * is, resolver_attempts.c asks servers until there is an answer, resolver_check.c knows which of
 * them validate.
 *
 * The life of a query: resolver_query puts it in line (resolver_queue.c); on_work starts its
 * attempts when its turn has come and the first check is over; they settle it, with an answer or
 * the reason why there is none. Then it is `ready`, and on_work calls back. So callbacks come from
 * the event loop only, and none runs inside another call.
 */
#include "dns/resolver_internal.h"

#include "base/list.h"
#include "policy/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* A query is slow when the first try has lasted for one of so many parts of its time-out:
     * longer than most answers take, and short enough for others to wait. */
    SLOW_PART = 8,
};

static const struct dns_answer no_memory_answer = {
    .status = DNS_FAILED,
    .security = DNS_UNKNOWN,
    .canonical = "",
    .failure = "out of memory",
};

static struct resolver_query *query_of(struct resolver_entry *entry)
{
    return list_entry(entry, struct resolver_query, entry);
}

/* ---- The work ---- */

static void query_free(struct resolver_query *query)
{
    dns_answer_free(query->answer);
    free(query);
}

static void call_back(struct resolver *r)
{
    struct resolver_entry *entry;

    while ((entry = TAILQ_FIRST(&r->queue.ready)) != NULL) {
        struct resolver_query *query = query_of(entry);

        resolver_queue_leave(&r->queue, entry);
        query->done(query->answer != NULL ? query->answer : &no_memory_answer, query->arg);
        query_free(query);
    }
}

/* A query that has lasted so long that others could not be sent for it. */
static void query_give_up(struct resolver_query *query, int64_t now_ms)
{
    char reason[80];

    snprintf(reason, sizeof(reason), "no answer within %lld ms, while many others wait",
             (long long)(now_ms - query->entry.started_ms));
    resolver_query_settle(query, dns_answer_failed(reason));
}

static void start_next(struct resolver *r, int64_t now_ms)
{
    struct resolver_entry *entry;

    while ((entry = resolver_queue_next(&r->queue, now_ms)) != NULL)
        resolver_attempts_start(query_of(entry));
}

static void start_waiting(struct resolver *r)
{
    struct resolver_entry *overdue;
    int64_t now_ms, due_ms;

    if (r->queue.waiting_count == 0)
        return;
    resolver_servers_refresh(r);
    if (resolver_check_pending(r))
        return;
    now_ms = clock_mono_ms();
    start_next(r, now_ms);
    while ((overdue = resolver_queue_overdue(&r->queue, now_ms)) != NULL) {
        query_give_up(query_of(overdue), now_ms);
        start_next(r, now_ms);
    }
    if (resolver_queue_wants_probe(&r->queue, now_ms))
        resolver_probe_start(r, now_ms);
    due_ms = resolver_queue_due_ms(&r->queue, now_ms);
    if (due_ms != INT64_MAX) {
        struct timeval delay = {.tv_sec = (due_ms - now_ms) / 1000,
                                .tv_usec = (due_ms - now_ms) % 1000 * 1000};

        evtimer_add(&r->unblock, &delay);
    }
}

static void on_work(evutil_socket_t fd, short what, void *arg)
{
    struct resolver *r = arg;

    (void)fd;
    (void)what;
    call_back(r);
    resolver_confirm_call_back(r);
    resolver_check_awaited(r);
    start_waiting(r);
}

static void on_check_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    /* As long as all answers come from the cache nothing else looks whom to ask. */
    resolver_servers_refresh(arg);
    resolver_check_all(arg);
}

/* ---- The interface ---- */

struct resolver_query *resolver_query(struct resolver *r, const char *nexthop, const char *name,
                                      uint16_t type, resolver_done_fn done, void *arg)
{
    char text[DNS_NAME_MAX + 1];
    int len = dns_name_normalise(name, text);
    size_t name_len = len < 0 ? 0 : (size_t)len;
    size_t attempts_len = r->settings.tries * sizeof(struct resolver_attempt);
    struct resolver_query *query = calloc(1, sizeof(*query) + attempts_len + name_len + 1);

    if (query == NULL)
        return NULL;
    query->attempts = (struct resolver_attempt *)(query + 1);
    query->tries = r->settings.tries;
    query->name = (char *)(query->attempts + query->tries);
    query->resolver = r;
    query->done = done;
    query->arg = arg;
    query->type = type;
    memcpy(query->name, text, name_len);
    resolver_attempts_init(query);
    if (len < 0) {
        query->answer = dns_answer_failed("not a domain name");
        resolver_queue_add_ready(&r->queue, &query->entry);
    } else if (resolver_queue_add(&r->queue, &query->entry, nexthop) < 0) {
        free(query);
        return NULL;
    }
    r->query_count++;
    resolver_wake(r);
    return query;
}

void resolver_cancel(struct resolver_query *query)
{
    if (query->entry.stage == RESOLVER_IN_FLIGHT || query->entry.stage == RESOLVER_SLOW) {
        resolver_attempts_cancel(query);
        resolver_wake(query->resolver); /* there is room for another */
    }
    resolver_queue_leave(&query->resolver->queue, &query->entry);
    query_free(query);
}

int resolver_reconfigure(struct resolver *r, const struct engine_config *config, char *err,
                         size_t err_size)
{
    struct resolver_settings settings;
    struct server *server;
    int error = resolver_settings_copy(&settings, config, err, err_size);

    if (error < 0)
        return error;
    error = resolver_servers_load(r, &settings, err, err_size);
    if (error < 0) {
        resolver_settings_free(&settings);
        return error;
    }
    resolver_settings_free(&r->settings);
    r->settings = settings;
    resolver_queue_configure(&r->queue, settings.max_in_flight, settings.timeout_ms / SLOW_PART);
    TAILQ_FOREACH (server, &r->servers, link)
        resolver_check_stop(server); /* perhaps the name to check is another now */
    resolver_check_all(r);
    resolver_wake(r);
    return 0;
}

int resolver_new(struct event_base *base, const struct engine_config *config, struct resolver **out,
                 char *err, size_t err_size)
{
    struct resolver *r = calloc(1, sizeof(*r));

    if (r == NULL) {
        snprintf(err, err_size, "out of memory");
        return -ENOMEM;
    }
    r->base = base;
    TAILQ_INIT(&r->servers);
    list_init(&r->confirmed);
    TAILQ_INIT(&r->gone);
    event_assign(&r->work, base, -1, 0, on_work, r);
    evtimer_assign(&r->unblock, base, on_work, r);
    evtimer_assign(&r->check_timer, base, on_check_timer, r);
    r->settings.log = config->log; /* for what is said while loading */
    r->settings.log_arg = config->log_arg;
    int error = resolver_queue_init(&r->queue);

    if (error < 0)
        snprintf(err, err_size, "out of memory");
    else
        error = resolver_reconfigure(r, config, err, err_size);
    if (error < 0) {
        resolver_queue_fini(&r->queue);
        free(r);
        return error;
    }
    r->conf_checked_ms = clock_mono_ms();
    *out = r;
    return 0;
}

void resolver_free(struct resolver *r)
{
    struct resolver_entry *entry;

    if (r == NULL)
        return;
    while ((entry = resolver_queue_any(&r->queue)) != NULL)
        resolver_cancel(query_of(entry));
    event_del(&r->check_timer);
    resolver_probe_stop(r);
    resolver_servers_free(r);
    resolver_confirm_drop(r);
    event_del(&r->work);
    event_del(&r->unblock);
    resolver_queue_fini(&r->queue);
    resolver_settings_free(&r->settings);
    free(r);
}

void resolver_get_stats(const struct resolver *r, struct resolver_stats *out)
{
    const struct server *server;

    *out = (struct resolver_stats){
        .in_flight = r->queue.in_flight_count,
        .slow = r->queue.slow_count,
        .waiting = r->queue.waiting_count,
        .queries = r->query_count,
        .sent = r->sent_count,
    };
    TAILQ_FOREACH (server, &r->servers, link)
        out->sockets += upstream_sockets(server->upstream);
    TAILQ_FOREACH (server, &r->gone, link)
        out->sockets += upstream_sockets(server->upstream);
}
