/*
 * What other hosts of the site have seen of a server, by way of the shared cache.
 *
 * probe_shared_ask asks for both rows that may be there, that of the demand and that of all demands
 * (probe_cache.h); when both are answered the newer result is kept as if it was ours, until it ends
 * where it was seen, and told, unless something has been seen here meanwhile. probe_shared_put
 * gives away what was seen here.
 *
 * Only what is the server's doing is shared: that one host cannot reach it says nothing of the
 * others, nor does a certificate that one host's CA certificates do not verify.
 */
#include "probe/prober_internal.h"

#include <string.h>

static bool is_shared(enum tls_demand_kind kind, unsigned result)
{
    if (result == FINDINGS_PROBE_NOT_AUTHENTICATED)
        return kind == TLS_DEMAND_DANE || kind == TLS_DEMAND_POLICY_FINGERPRINT;
    return probe_result_is_definite(result);
}

/* ---- Asking ---- */

/* Until when a result counts here, whose row ends at row_ends_at_s: no longer than one of our own
 * that was seen at the same time. */
static int64_t ends_at_s(const struct prober *prober, const struct findings_probe *probe,
                         int64_t row_ends_at_s)
{
    int64_t ttl_ms = probe->result == FINDINGS_PROBE_OK ? prober->settings.ttl_ms
                                                        : prober->settings.negative_ttl_ms;
    int64_t at_s = probe->checked_at_s + ttl_ms / 1000;

    return at_s < row_ends_at_s ? at_s : row_ends_at_s;
}

/* Whether it can be what a probe of the candidate has shown, under the row key it had. */
static bool is_of_candidate(const struct probe_shared_question *question,
                            const struct findings_probe *probe)
{
    const struct probe_shared *shared = question->shared;
    const struct probe_candidate *c = &shared->plan->candidates[shared->candidate];

    return probe->family == (c->ipv6 ? 6 : 4) && probe->port == shared->plan->port &&
           memcmp(probe->address, c->address, c->ipv6 ? 16 : 4) == 0 &&
           probe_result_is_for_all(probe->result) == question->for_all &&
           is_shared(shared->plan->hosts[c->host].demand.kind, probe->result);
}

static enum shared_reject check_result(const struct probe_shared_question *question,
                                       const struct findings_probe *probe, int64_t row_ends_at_s)
{
    const struct prober *prober = question->shared->prober;
    int64_t now_s = prober->world->ops->wall_s(prober->world);

    if (!is_of_candidate(question, probe))
        return SHARED_REJECT_CONTENT;
    if (probe->checked_at_s > now_s + SHARED_ROW_EARLY_S)
        return SHARED_REJECT_FUTURE;
    return ends_at_s(prober, probe, row_ends_at_s) > now_s ? SHARED_OK : SHARED_REJECT_EXPIRED;
}

/* Keeps the newer one; of two of one second that of the demand, which disproves the other. */
static void take_result(struct probe_shared_question *question, struct probe_result *result,
                        int64_t row_ends_at_s)
{
    struct probe_shared *shared = question->shared;
    const struct findings_probe *probe = probe_result_probe(result);

    if (shared->result != NULL) {
        int64_t since_s = probe->checked_at_s - probe_result_probe(shared->result)->checked_at_s;

        if (since_s < 0 || (since_s == 0 && question->for_all))
            return;
        probe_result_unref(shared->result);
    }
    shared->result = probe_result_ref(result);
    shared->ends_at_s = ends_at_s(shared->prober, probe, row_ends_at_s);
}

static enum shared_reject read_row(struct probe_shared_question *question,
                                   const struct shared_row *row)
{
    struct probe_result *result = probe_result_decode(row->payload, row->payload_len);
    enum shared_reject reject = SHARED_REJECT_CONTENT;

    if (result != NULL)
        reject = check_result(question, probe_result_probe(result), row->ends_at_s);
    if (reject == SHARED_OK)
        take_result(question, result, row->ends_at_s);
    probe_result_unref(result);
    return reject;
}

static void keep_result(struct probe_shared *shared)
{
    struct prober *prober = shared->prober;
    int64_t left_s = shared->ends_at_s - prober->world->ops->wall_s(prober->world);
    char endpoint[PROBE_ENDPOINT_MAX];
    struct probe_cache_key key = probe_keep_key(shared->plan, shared->candidate, endpoint);

    probe_cache_put(prober->cache, &key, shared->result,
                    prober->world->ops->mono_ms(prober->world) + left_s * 1000);
}

/* What has been seen here while the shared cache was asked, as nothing was known before, with a
 * reference; or NULL. */
static struct probe_result *seen_meanwhile(const struct probe_shared *shared)
{
    struct prober *prober = shared->prober;

    return probe_keep_known(prober, shared->plan, shared->candidate,
                            prober->world->ops->mono_ms(prober->world));
}

static void finish(struct probe_shared *shared)
{
    struct probe_result *result = seen_meanwhile(shared);

    if (result == NULL && shared->result != NULL && !shared->barred) {
        keep_result(shared);
        result = probe_result_ref(shared->result);
    }
    shared->done(shared, result);
    probe_result_unref(result);
}

/* world_shared_fn */
static enum shared_reject on_answer(const struct shared_row *row, void *arg)
{
    struct probe_shared_question *question = arg;
    struct probe_shared *shared = question->shared;
    enum shared_reject reject = row != NULL ? read_row(question, row) : SHARED_OK;

    question->asked = NULL;
    if (shared->questions[0].asked == NULL && shared->questions[1].asked == NULL)
        finish(shared);
    return reject;
}

static void ask(struct probe_shared *shared, bool for_all)
{
    struct probe_shared_question *question = &shared->questions[for_all];
    struct world *world = shared->prober->world;
    char endpoint[PROBE_ENDPOINT_MAX], text[PROBE_CACHE_KEY_MAX + 1];
    struct probe_cache_key key = probe_keep_key(shared->plan, shared->candidate, endpoint);

    *question = (struct probe_shared_question){.shared = shared, .for_all = for_all};
    if (!for_all && key.demand[0] == '\0')
        return;
    probe_cache_key_text(&key, for_all ? NULL : key.demand, text);
    question->asked = world->ops->shared_get(world, SHARED_PROBE, text, on_answer, question);
}

bool probe_shared_ask(struct probe_shared *shared, struct prober *prober, struct probe_plan *plan,
                      size_t candidate,
                      void (*done)(struct probe_shared *shared, struct probe_result *result))
{
    *shared =
        (struct probe_shared){.prober = prober, .plan = plan, .candidate = candidate, .done = done};
    ask(shared, false);
    ask(shared, true);
    return shared->questions[0].asked != NULL || shared->questions[1].asked != NULL;
}

void probe_shared_stop(struct probe_shared *shared)
{
    for (size_t i = 0; i < 2; i++) {
        if (shared->questions[i].asked != NULL)
            shared->prober->world->ops->shared_drop(shared->prober->world,
                                                    shared->questions[i].asked);
        shared->questions[i].asked = NULL;
    }
    probe_result_unref(shared->result);
    shared->result = NULL;
}

/* ---- Giving ---- */

/* world_shared_deleted_fn: if it is there still, it ends soon. */
static void on_deleted(bool gone, void *arg)
{
    (void)gone;
    (void)arg;
}

void probe_shared_put(struct prober *prober, const struct probe_cache_key *key,
                      enum tls_demand_kind kind, const struct probe_result *result)
{
    const struct world_ops *ops = prober->world->ops;
    const struct findings_probe *probe = probe_result_probe(result);
    bool for_all = probe_result_is_for_all(probe->result);
    uint8_t record[PROBE_RESULT_RECORD_MAX];
    char text[PROBE_CACHE_KEY_MAX + 1];

    if (!ops->shared_is_on(prober->world) || !is_shared(kind, probe->result) ||
        (!for_all && key->demand[0] == '\0'))
        return;
    probe_cache_key_text(key, for_all ? NULL : key->demand, text);
    ops->shared_put(prober->world, SHARED_PROBE, text, record, probe_result_encode(result, record),
                    ends_at_s(prober, probe, INT64_MAX));
    if (for_all)
        return;
    /* What was said of all demands is disproved by this one. */
    probe_cache_key_text(key, NULL, text);
    ops->shared_delete(prober->world, SHARED_PROBE, text, on_deleted, NULL);
}
