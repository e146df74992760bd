/*
 * What connections for delivery show counts as a probe. prober_note judges one on its own thread
 * (probe_judge.c) and copies what is to be kept; prober_take_note puts it where the results of
 * probes are, the shared cache included, on the engine's thread. It is no probe for the limits:
 * nothing was connected to for it.
 *
 * A busy agent shows the same of a server many times a second: what is known already and was seen
 * a moment ago costs a look into the cache.
 */
#include "probe/prober_internal.h"

#include "policy/clock.h"
#include "probe/probe_judge.h"

#include <stdlib.h>
#include <string.h>

enum { SAME_S = 60 }; /* the same result is not kept anew so soon */

unsigned prober_configured(struct prober *prober)
{
    return atomic_load(&prober->configured);
}

static struct probe_cache_key key_of(const struct probe_note *note)
{
    return (struct probe_cache_key){
        .host = note->host, .endpoint = note->endpoint, .demand = note->demand};
}

/* Whether anybody would ask for it. */
static bool is_to_be_kept(const struct probe_judgement *judgement, const struct tls_demand *demand)
{
    unsigned result = judgement->probe.result;

    return !judgement->local && probe_result_is_definite(result) &&
           (probe_plan_looks_at(demand) || probe_result_is_for_all(result));
}

static bool is_known(struct prober *prober, const struct probe_note *note, unsigned seen)
{
    struct probe_cache_key key = key_of(note);
    struct probe_result *known = probe_cache_get(prober->cache, &key, clock_mono_ms());
    int64_t age_s;
    bool same;

    if (known == NULL)
        return false;
    age_s = clock_wall_s() - probe_result_probe(known)->checked_at_s;
    same = probe_result_probe(known)->result == seen && age_s >= 0 && age_s < SAME_S;
    probe_result_unref(known);
    return same;
}

static struct probe_note *note_new(const struct world_probe_target *target, unsigned configured)
{
    size_t len = strlen(target->host) + 1;
    struct probe_note *note;

    if (len > NEXTHOP_NAME_MAX + 1)
        return NULL;
    note = calloc(1, sizeof(*note) + len);
    if (note == NULL)
        return NULL;
    list_init(&note->link);
    note->configured = configured;
    note->kind = target->demand->kind;
    note->host = (char *)(note + 1);
    memcpy(note->host, target->host, len);
    probe_address_endpoint(target->address, target->ipv6, target->port, note->endpoint);
    if (probe_plan_key(target->demand, note->demand) == 0)
        return note;
    free(note);
    return NULL;
}

void prober_free_note(struct probe_note *note)
{
    probe_result_unref(note->result);
    free(note);
}

struct probe_note *prober_note(struct prober *prober, struct smtp_transport *transport,
                               const struct world_probe_target *target, unsigned configured)
{
    struct probe_judgement judgement;
    struct probe_note *note;

    if (!atomic_load(&prober->enabled) || configured != prober_configured(prober))
        return NULL;
    probe_judge(transport, target, NULL, &judgement);
    if (!is_to_be_kept(&judgement, target->demand))
        return NULL;
    note = note_new(target, configured);
    if (note == NULL)
        return NULL;
    if (!is_known(prober, note, judgement.probe.result))
        note->result = probe_result_new(&judgement.probe, clock_wall_s());
    if (note->result != NULL)
        return note;
    prober_free_note(note);
    return NULL;
}

void prober_take_note(struct prober *prober, struct probe_note *note)
{
    struct probe_cache_key key = key_of(note);

    if (prober->settings.enable && note->configured == prober_configured(prober)) {
        probe_keep(prober, &key, note->result);
        probe_shared_put(prober, &key, note->kind, note->result);
    }
    prober_free_note(note);
}
