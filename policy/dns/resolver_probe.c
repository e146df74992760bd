/*
 * A question that finds out whether the resolver is slow, or only the destinations of all queries
 * in flight are: the SOA of check_name, which a resolver has in its cache. It says nothing of
 * DNSSEC, which is for resolver_check.c.
 *
 * resolver_probe_start asks it, unless one is on its way; a prompt answer is noted in the queue and
 * wakes the resolver's work. One that does not come promptly is given up at the next start.
 */
#include "dns/resolver_internal.h"

#include "policy/clock.h"

void resolver_probe_stop(struct resolver *r)
{
    if (r->probe == NULL)
        return;
    upstream_cancel(r->probe);
    r->probe = NULL;
    r->probed->users--;
}

static void on_probe_answer(struct dns_answer *answer, void *arg)
{
    struct resolver *r = arg;

    r->probe = NULL;
    r->probed->users--;
    if (answer != NULL) {
        resolver_queue_probed(&r->queue, r->probe_sent_ms, clock_mono_ms());
        resolver_wake(r);
    }
    dns_answer_free(answer);
}

/* The server that queries are most likely asked of first. */
static struct server *likely_server(const struct resolver *r)
{
    struct server *server, *likely = TAILQ_FIRST(&r->servers);

    TAILQ_FOREACH (server, &r->servers, link) {
        if (server->validates)
            return server;
        if (likely->misses >= RESOLVER_MISSES_DOWN && server->misses < RESOLVER_MISSES_DOWN)
            likely = server;
    }
    return likely;
}

void resolver_probe_start(struct resolver *r, int64_t now_ms)
{
    struct server *server = likely_server(r);

    if (server == NULL || (r->probe != NULL && now_ms - r->probe_sent_ms < r->queue.slow_ms))
        return;
    resolver_probe_stop(r);
    r->probe =
        upstream_ask(server->upstream, r->settings.check_name, DNS_TYPE_SOA, on_probe_answer, r);
    if (r->probe == NULL)
        return;
    r->probed = server;
    server->users++;
    r->probe_sent_ms = now_ms;
    r->sent_count++;
}
