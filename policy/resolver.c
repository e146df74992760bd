/*
 * Queries: their line, their tries and what their answers are worth. See resolver.h for the rules;
 * resolver_servers.c knows whom to ask, resolver_check.c who validates, upstream.c how to ask.
 *
 * The life of a query: resolver_query puts it in line; on_work starts it when there is room and the
 * first check is over; each try is an ask to one server with a timer of dns_timeout_ms. A server's
 * error makes the next server's turn come at once, silence when the timer fires; late answers to
 * earlier tries are welcome until the query is settled. Then it is `ready`, and on_work calls back.
 * So callbacks come from the event loop only, and none runs inside another call.
 *
 * When a server that validates has answered with an error (a bogus zone is a SERVFAIL, RFC 4035
 * section 5.5), the answer of one that does not validate is not taken instead: it would be the very
 * data that validation rejected.
 */
#include "resolver_internal.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum query_state { WAITING, IN_FLIGHT, READY };

struct attempt {
    struct resolver_query *query;
    struct server *server;
    struct upstream_ask *ask; /* NULL: answered, failed or given up */
    bool refused;             /* answered with an error: no use to ask that server again */
};

struct resolver_query {
    TAILQ_ENTRY(resolver_query) link; /* in the list of its state */
    struct resolver *resolver;
    resolver_done_fn done;
    void *arg;
    struct dns_answer *answer; /* READY: the answer. Before: the first failure, for its reason */
    struct event timer;        /* of the latest attempt */
    struct attempt attempts[RESOLVER_TRIES_MAX];
    unsigned attempt_count;
    enum query_state state;
    bool unreachable; /* some server could not be reached */
    bool barred;      /* a validating server answered with an error */
    uint16_t type;
    char name[];
};

static const struct dns_answer no_memory_answer = {
    .status = DNS_FAILED,
    .security = DNS_UNKNOWN,
    .canonical = "",
    .failure = "out of memory",
};

/* ---- Small things ---- */

int64_t resolver_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint32_t resolver_random(uint32_t below)
{
    uint32_t number = 0;

    RAND_bytes((unsigned char *)&number, sizeof(number)); /* of a failure only jitter suffers */
    return below > 0 ? number % below : 0;
}

void resolver_log(const struct resolver *r, int priority, const char *format, ...)
{
    char message[1024];
    va_list args;

    if (r->settings.log == NULL)
        return;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    r->settings.log(r->settings.log_arg, priority, message);
}

void resolver_wake(struct resolver *r)
{
    event_active(&r->work, EV_TIMEOUT, 0);
}

static struct query_list *list_of(struct resolver_query *query)
{
    struct resolver *r = query->resolver;

    switch (query->state) {
    case WAITING:
        return &r->waiting;
    case IN_FLIGHT:
        return &r->in_flight;
    case READY:
    default:
        return &r->ready;
    }
}

static void leave_list(struct resolver_query *query)
{
    TAILQ_REMOVE(list_of(query), query, link);
    if (query->state == WAITING)
        query->resolver->waiting_count--;
    else if (query->state == IN_FLIGHT)
        query->resolver->in_flight_count--;
}

static void enter_list(struct resolver_query *query, enum query_state state)
{
    query->state = state;
    TAILQ_INSERT_TAIL(list_of(query), query, link);
    if (state == WAITING)
        query->resolver->waiting_count++;
    else if (state == IN_FLIGHT)
        query->resolver->in_flight_count++;
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
static void settle(struct resolver_query *query, struct dns_answer *answer)
{
    forget_attempts(query);
    if (answer == NULL && query->answer == NULL)
        answer = dns_answer_failed(query->unreachable ? "no resolver can be reached" : "timed out");
    if (answer != NULL) {
        dns_answer_free(query->answer);
        query->answer = answer;
    }
    leave_list(query);
    enter_list(query, READY);
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
 * validating one, the others get the last attempt only.
 */
static struct server *choose_server(const struct resolver_query *query, int *times)
{
    const struct resolver *r = query->resolver;
    bool known = resolver_security_known(r);
    bool last = query->attempt_count + 1 >= r->settings.tries;
    struct server *server, *best = NULL;
    int best_rank = 0;

    TAILQ_FOREACH (server, &r->servers, link) {
        int asked = times_asked(query, server);

        if (asked < 0 || (!server->validates && (query->barred || (known && !last))))
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

static void on_answer(struct dns_answer *answer, void *arg);

/* Starts the next attempt; with `fresh` only at a server that was not asked yet. */
static bool attempt_next(struct resolver_query *query, bool fresh)
{
    struct resolver *r = query->resolver;
    struct timeval delay = {.tv_sec = r->settings.timeout_ms / 1000,
                            .tv_usec = (r->settings.timeout_ms % 1000) * 1000};
    struct server *server;
    int times = 0;

    while (query->attempt_count < r->settings.tries &&
           (server = choose_server(query, &times)) != NULL && !(fresh && times > 0)) {
        struct attempt *attempt = &query->attempts[query->attempt_count++];

        *attempt = (struct attempt){.query = query, .server = server};
        server->users++;
        attempt->ask = upstream_ask(server->upstream, query->name, query->type, on_answer, attempt);
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
        settle(query, NULL);
}

/* What the AD bit is worth, by what is known of the server. */
static enum dns_security worth(const struct server *server, enum dns_security by_ad)
{
    if (!server->trusted)
        return DNS_UNKNOWN;
    if (by_ad == DNS_SECURE)
        return DNS_SECURE;
    return by_ad == DNS_INSECURE && server->validates ? DNS_INSECURE : DNS_UNKNOWN;
}

static void on_error(struct attempt *attempt, struct dns_answer *answer)
{
    struct resolver_query *query = attempt->query;

    attempt->refused = true;
    query->barred |= attempt->server->validates;
    if (query->answer == NULL)
        query->answer = answer;
    else
        dns_answer_free(answer);
    if (!attempt_next(query, false) && !any_outstanding(query))
        settle(query, NULL);
}

static void on_unreachable(struct resolver_query *query)
{
    query->unreachable = true;
    /* No use to ask the same server at once again: then the timer decides, it may come back. */
    if (!attempt_next(query, true) && query->attempt_count >= query->resolver->settings.tries &&
        !any_outstanding(query))
        settle(query, NULL);
}

static void on_answer(struct dns_answer *answer, void *arg)
{
    struct attempt *attempt = arg;
    struct resolver_query *query = attempt->query;
    struct server *server = attempt->server;

    attempt->ask = NULL;
    resolver_check_server_answers(server, answer != NULL);
    if (answer == NULL) {
        on_unreachable(query);
    } else if (answer->status == DNS_FAILED || (query->barred && !server->validates)) {
        on_error(attempt, answer);
    } else {
        answer->security = worth(server, answer->security);
        settle(query, answer);
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
    struct resolver_query *query;

    while ((query = TAILQ_FIRST(&r->ready)) != NULL) {
        leave_list(query);
        query->done(query->answer != NULL ? query->answer : &no_memory_answer, query->arg);
        query_free(query);
    }
}

static void start_waiting(struct resolver *r)
{
    struct resolver_query *query;

    if (TAILQ_EMPTY(&r->waiting))
        return;
    resolver_servers_refresh(r);
    if (resolver_check_pending(r))
        return;
    while (r->in_flight_count < r->settings.max_in_flight &&
           (query = TAILQ_FIRST(&r->waiting)) != NULL) {
        leave_list(query);
        enter_list(query, IN_FLIGHT);
        if (!attempt_next(query, false))
            settle(query, NULL);
    }
}

static void on_work(evutil_socket_t fd, short what, void *arg)
{
    struct resolver *r = arg;

    (void)fd;
    (void)what;
    call_back(r);
    start_waiting(r);
}

/* ---- The interface ---- */

struct resolver_query *resolver_query(struct resolver *r, const char *name, uint16_t type,
                                      resolver_done_fn done, void *arg)
{
    char text[DNS_NAME_MAX + 1];
    int len = dns_name_normalise(name, text);
    size_t name_len = len < 0 ? 0 : (size_t)len;
    struct resolver_query *query = calloc(1, sizeof(*query) + name_len + 1);

    if (query == NULL)
        return NULL;
    query->resolver = r;
    query->done = done;
    query->arg = arg;
    query->type = type;
    memcpy(query->name, text, name_len);
    evtimer_assign(&query->timer, r->base, on_attempt_timer, query);
    r->query_count++;
    if (len < 0)
        query->answer = dns_answer_failed("not a domain name");
    enter_list(query, len < 0 ? READY : WAITING);
    resolver_wake(r);
    return query;
}

void resolver_cancel(struct resolver_query *query)
{
    if (query->state == IN_FLIGHT) {
        forget_attempts(query);
        resolver_wake(query->resolver); /* there is room for another */
    }
    leave_list(query);
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
    TAILQ_INIT(&r->gone);
    TAILQ_INIT(&r->waiting);
    TAILQ_INIT(&r->in_flight);
    TAILQ_INIT(&r->ready);
    event_assign(&r->work, base, -1, 0, on_work, r);
    resolver_check_init(r);
    r->settings.log = config->log; /* for what is said while loading */
    r->settings.log_arg = config->log_arg;
    int result = resolver_reconfigure(r, config, err, err_len);

    if (result < 0) {
        free(r);
        return result;
    }
    r->conf_checked_ms = resolver_now_ms();
    *out = r;
    return 0;
}

void resolver_free(struct resolver *r)
{
    struct resolver_query *query;

    if (r == NULL)
        return;
    while ((query = TAILQ_FIRST(&r->waiting)) != NULL ||
           (query = TAILQ_FIRST(&r->in_flight)) != NULL || (query = TAILQ_FIRST(&r->ready)) != NULL)
        resolver_cancel(query);
    event_del(&r->check_timer);
    resolver_servers_free(r);
    event_del(&r->work);
    resolver_settings_free(&r->settings);
    free(r);
}

void resolver_get_stats(const struct resolver *r, struct resolver_stats *out)
{
    const struct server *server;

    *out = (struct resolver_stats){
        .in_flight = r->in_flight_count,
        .waiting = r->waiting_count,
        .queries = r->query_count,
        .sent = r->sent_count,
    };
    TAILQ_FOREACH (server, &r->servers, link)
        out->sockets += upstream_sockets(server->upstream);
    TAILQ_FOREACH (server, &r->gone, link)
        out->sockets += upstream_sockets(server->upstream);
}
