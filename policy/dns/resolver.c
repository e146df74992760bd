/*
 * Queries: their line, their tries and the security of their answers.
 * resolver_queue.c knows whose turn it is, resolver_servers.c whom to ask, resolver_check.c who
 * validates, upstream.c how to ask.
 *
 * The life of a query: resolver_query puts it in line (resolver_queue.c); on_work starts it when
 * its turn has come and the first check is over; each try is an ask to one server with a timer of
 * dns_timeout_ms. A server's error makes the next server's turn come at once, silence when the
 * timer fires; late answers to earlier tries are welcome until the query is settled. Then it is
 * `ready`, and on_work calls back. So callbacks come from the event loop only, and none runs inside
 * another call.
 *
 * When a server that validates has answered with an error (a bogus zone is a SERVFAIL, RFC 4035
 * section 5.5), the answer of one that does not validate is not taken instead: it would be the very
 * data that validation rejected. And while any validates, an answer whose security nobody vouches
 * for is a failure of that one question, whatever it says (RFC 7672 section 2.1.1).
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

struct attempt {
    struct resolver_query *query;
    struct server *server;
    struct upstream_ask *ask; /* NULL: answered, failed or given up */
    bool refused;             /* answered with an error: no use to ask that server again */
};

struct resolver_query {
    struct resolver_entry entry;
    struct resolver *resolver;
    resolver_done_fn done;
    void *arg;
    struct dns_answer *answer; /* READY: the answer. Before: the first failure, for its reason */
    struct event timer;        /* of the latest attempt */
    struct attempt *attempts;  /* of `tries`; in the same block of memory */
    unsigned attempt_count, tries;
    bool unreachable; /* some server could not be reached */
    bool barred;      /* a validating server answered with an error */
    uint16_t type;
    char *name; /* in the same block */
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

/* ---- Attempts ---- */

static void forget_attempts(struct resolver_query *query)
{
    while (query->attempt_count > 0) {
        struct attempt *attempt = &query->attempts[--query->attempt_count];

        if (attempt->ask != NULL)
            upstream_cancel(attempt->ask);
        attempt->server->users--;
    }
    evtimer_del(&query->timer);
}

static bool any_outstanding(const struct resolver_query *query)
{
    for (unsigned i = 0; i < query->attempt_count; i++) {
        if (query->attempts[i].ask != NULL)
            return true;
    }
    return false;
}

/* Settles a query; answer NULL means what is known of its failure. */
static void query_settle(struct resolver_query *query, struct dns_answer *answer)
{
    forget_attempts(query);
    if (answer == NULL && query->answer == NULL)
        answer = dns_answer_failed(query->unreachable ? "no resolver can be reached" : "timed out");
    if (answer != NULL) {
        dns_answer_free(query->answer);
        query->answer = answer;
    }
    resolver_queue_settle(&query->resolver->queue, &query->entry);
    resolver_wake(query->resolver);
}

/* How often the query asked a server; -1: that server answered with an error. */
static int times_asked(const struct resolver_query *query, const struct server *server)
{
    int times = 0;

    for (unsigned i = 0; i < query->attempt_count; i++) {
        if (query->attempts[i].server != server)
            continue;
        if (query->attempts[i].refused)
            return -1;
        times++;
    }
    return times;
}

/*
 * The server for the next attempt, or NULL: the one least asked by this query; among those
 * validating ones first, then those not known to be down, then by their order. While there is a
 * validating one, trusted others get the last attempt only (what has AD counts), and the rest none.
 */
static struct server *choose_server(const struct resolver_query *query, int *times)
{
    const struct resolver *r = query->resolver;
    bool known = resolver_security_known(r), any = resolver_any_validates(r);
    bool last = query->attempt_count + 1 >= query->tries;
    struct server *server, *best = NULL;
    int best_rank = 0;

    TAILQ_FOREACH (server, &r->servers, link) {
        int asked = times_asked(query, server);

        if (asked < 0 || (!server->validates &&
                          (query->barred || (known && !server->trusted) || (any && !last))))
            continue;
        int rank = asked * 4 + !server->validates * 2 + (server->misses >= RESOLVER_MISSES_DOWN);

        if (best == NULL || rank < best_rank) {
            best = server;
            best_rank = rank;
            *times = asked;
        }
    }
    return best;
}

static void on_attempt_answer(struct dns_answer *answer, void *arg);

/* Starts the next attempt; with `fresh` only at a server that was not asked yet. */
static bool attempt_next(struct resolver_query *query, bool fresh)
{
    struct resolver *r = query->resolver;
    struct timeval delay = {.tv_sec = r->settings.timeout_ms / 1000,
                            .tv_usec = (r->settings.timeout_ms % 1000) * 1000};
    struct server *server;
    int times = 0;

    while (query->attempt_count < query->tries && (server = choose_server(query, &times)) != NULL &&
           !(fresh && times > 0)) {
        struct attempt *attempt = &query->attempts[query->attempt_count++];

        *attempt = (struct attempt){.query = query, .server = server};
        server->users++;
        attempt->ask =
            upstream_ask(server->upstream, query->name, query->type, on_attempt_answer, attempt);
        if (attempt->ask == NULL) {
            query->unreachable = true;
            continue;
        }
        r->sent_count++;
        evtimer_add(&query->timer, &delay);
        return true;
    }
    return false;
}

static void on_attempt_timer(evutil_socket_t fd, short what, void *arg)
{
    struct resolver_query *query = arg;
    struct attempt *latest = &query->attempts[query->attempt_count - 1];

    (void)fd;
    (void)what;
    if (latest->ask != NULL)
        resolver_check_server_answers(latest->server, false);
    if (!attempt_next(query, false))
        query_settle(query, NULL);
}

/* The security of an answer, by its AD bit and what is known of the server. */
static enum dns_security answer_security(const struct server *server, enum dns_security by_ad)
{
    if (!server->trusted)
        return DNS_UNKNOWN;
    if (by_ad == DNS_SECURE)
        return DNS_SECURE;
    return by_ad == DNS_INSECURE && server->validates ? DNS_INSECURE : DNS_UNKNOWN;
}

static void on_error_answer(struct attempt *attempt, struct dns_answer *answer)
{
    struct resolver_query *query = attempt->query;

    attempt->refused = true;
    query->barred |= attempt->server->validates;
    if (query->answer == NULL)
        query->answer = answer;
    else
        dns_answer_free(answer);
    if (!attempt_next(query, false) && !any_outstanding(query))
        query_settle(query, NULL);
}

static void on_unreachable(struct resolver_query *query)
{
    query->unreachable = true;
    /* No use to ask the same server at once again: then the timer decides, it may come back. */
    if (!attempt_next(query, true) && query->attempt_count >= query->tries &&
        !any_outstanding(query))
        query_settle(query, NULL);
}

static void on_attempt_answer(struct dns_answer *answer, void *arg)
{
    struct attempt *attempt = arg;
    struct resolver_query *query = attempt->query;
    struct server *server = attempt->server;
    enum dns_security security;

    attempt->ask = NULL;
    resolver_check_server_answers(server, answer != NULL);
    if (answer != NULL)
        resolver_queue_answered(&query->resolver->queue, clock_mono_ms());
    if (answer == NULL) {
        on_unreachable(query);
    } else if (answer->status == DNS_FAILED || (query->barred && !server->validates)) {
        on_error_answer(attempt, answer);
    } else if ((security = answer_security(server, answer->security)) == DNS_UNKNOWN &&
               resolver_security_known(query->resolver)) {
        dns_answer_free(answer);
        on_error_answer(attempt, dns_answer_failed("answered without DNSSEC validation"));
    } else {
        answer->security = security;
        answer->resolver = server->id;
        query_settle(query, answer);
    }
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
    query_settle(query, dns_answer_failed(reason));
}

static void start_next(struct resolver *r, int64_t now_ms)
{
    struct resolver_entry *entry;

    while ((entry = resolver_queue_next(&r->queue, now_ms)) != NULL) {
        if (!attempt_next(query_of(entry), false))
            query_settle(query_of(entry), NULL);
    }
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
    size_t attempts_len = r->settings.tries * sizeof(struct attempt);
    struct resolver_query *query = calloc(1, sizeof(*query) + attempts_len + name_len + 1);

    if (query == NULL)
        return NULL;
    query->attempts = (struct attempt *)(query + 1);
    query->tries = r->settings.tries;
    query->name = (char *)(query->attempts + query->tries);
    query->resolver = r;
    query->done = done;
    query->arg = arg;
    query->type = type;
    memcpy(query->name, text, name_len);
    evtimer_assign(&query->timer, r->base, on_attempt_timer, query);
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
        forget_attempts(query);
        resolver_wake(query->resolver); /* there is room for another */
    }
    resolver_queue_leave(&query->resolver->queue, &query->entry);
    query_free(query);
}

int resolver_reconfigure(struct resolver *r, const struct engine_config *config, char *err,
                         size_t err_len)
{
    struct resolver_settings settings;
    struct server *server;
    int result = resolver_settings_copy(&settings, config, err, err_len);

    if (result < 0)
        return result;
    result = resolver_servers_load(r, &settings, err, err_len);
    if (result < 0) {
        resolver_settings_free(&settings);
        return result;
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
                 char *err, size_t err_len)
{
    struct resolver *r = calloc(1, sizeof(*r));

    if (r == NULL) {
        snprintf(err, err_len, "out of memory");
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
    int result = resolver_queue_init(&r->queue);

    if (result < 0)
        snprintf(err, err_len, "out of memory");
    else
        result = resolver_reconfigure(r, config, err, err_len);
    if (result < 0) {
        resolver_queue_fini(&r->queue);
        free(r);
        return result;
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
