/*
 * The attempts of one query: which server is asked, how often, and which answer counts.
 *
 * resolver_attempts_start sends the first attempt: an ask to one server, with a timer of
 * dns_timeout_ms. A server's error makes the next server's turn come at once, silence when the
 * timer fires; late answers to earlier attempts are welcome until the query is settled. It is
 * settled by the first answer that counts, or as failed when no attempt is left.
 *
 * When a server that validates has answered with an error (a bogus zone is a SERVFAIL, RFC 4035
 * section 5.5), the answer of one that does not validate is not taken instead: it would be the very
 * data that validation rejected. And while any validates, an answer whose security nobody vouches
 * for is a failure of that one question, whatever it says (RFC 7672 section 2.1.1).
 */
#include "dns/resolver_internal.h"

#include "policy/clock.h"

void resolver_attempts_cancel(struct resolver_query *query)
{
    while (query->attempt_count > 0) {
        struct resolver_attempt *attempt = &query->attempts[--query->attempt_count];

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

void resolver_query_settle(struct resolver_query *query, struct dns_answer *answer)
{
    resolver_attempts_cancel(query);
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
        struct resolver_attempt *attempt = &query->attempts[query->attempt_count++];

        *attempt = (struct resolver_attempt){.query = query, .server = server};
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
    struct resolver_attempt *latest = &query->attempts[query->attempt_count - 1];

    (void)fd;
    (void)what;
    if (latest->ask != NULL)
        resolver_check_server_answers(latest->server, false);
    if (!attempt_next(query, false))
        resolver_query_settle(query, NULL);
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

static void on_error_answer(struct resolver_attempt *attempt, struct dns_answer *answer)
{
    struct resolver_query *query = attempt->query;

    attempt->refused = true;
    query->barred |= attempt->server->validates;
    if (query->answer == NULL)
        query->answer = answer;
    else
        dns_answer_free(answer);
    if (!attempt_next(query, false) && !any_outstanding(query))
        resolver_query_settle(query, NULL);
}

static void on_unreachable(struct resolver_query *query)
{
    query->unreachable = true;
    /* No use to ask the same server at once again: then the timer decides, it may answer then. */
    if (!attempt_next(query, true) && query->attempt_count >= query->tries &&
        !any_outstanding(query))
        resolver_query_settle(query, NULL);
}

static void on_attempt_answer(struct dns_answer *answer, void *arg)
{
    struct resolver_attempt *attempt = arg;
    struct resolver_query *query = attempt->query;
    struct server *server = attempt->server;
    enum dns_security security;

    attempt->ask = NULL;
    resolver_check_server_answers(server, answer != NULL);
    if (answer != NULL)
        resolver_queue_answered(&query->resolver->queue, &query->entry, clock_mono_ms());
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
        resolver_query_settle(query, answer);
    }
}

void resolver_attempts_init(struct resolver_query *query)
{
    evtimer_assign(&query->timer, query->resolver->base, on_attempt_timer, query);
}

void resolver_attempts_start(struct resolver_query *query)
{
    if (!attempt_next(query, false))
        resolver_query_settle(query, NULL);
}
