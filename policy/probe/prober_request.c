/*
 * Requests: somebody waits for what a plan comes to. prober_ask takes what is known of all
 * candidates and asks for the rest, candidate by candidate, as probe_plan_choose says; each change
 * of one of them is a step; when there is nothing more to wait for the request is called back and
 * freed. prober_cached is the same without asking.
 */
#include "probe/prober_internal.h"

#include "findings/findings_make.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What a request has of one candidate. */
struct cell {
    struct probe_waiter waiter;
    struct probe_request *request;
    struct probe_result *result; /* with a reference; of KNOWN */
};

struct probe_request {
    struct prober *prober;
    struct probe_plan *plan; /* with a reference */
    probe_done_fn done;
    void *arg;
    struct list link; /* in prober->requests, once prober_ask has returned 0 */
    bool stepping;    /* inside step() */
    struct probe_seen seen[PROBE_PLAN_ADDRESSES_NOW];
    struct cell cells[]; /* one for each candidate */
};

/* Findings of the plan with the results that are not NULL; those of the plan where none is. NULL
 * when out of memory. */
static const struct findings *gather(const struct probe_plan *plan,
                                     struct probe_result *const *results)
{
    const struct findings_probe *of_host[FINDINGS_MAX_HOSTS] = {NULL};
    struct findings_probe probes[PROBE_PLAN_ADDRESSES_NOW];
    uint8_t counts[FINDINGS_MAX_HOSTS] = {0};
    size_t known = 0;

    for (size_t i = 0; i < plan->candidate_count; i++) {
        size_t host = plan->hosts[plan->candidates[i].host].index;

        if (results[i] == NULL)
            continue;
        probes[known] = *probe_result_probe(results[i]);
        if (counts[host]++ == 0)
            of_host[host] = &probes[known];
        known++;
    }
    return known > 0 ? findings_with_probes(plan->findings, of_host, counts)
                     : findings_ref(plan->findings);
}

/* What is known of each candidate, with a reference; else NULL. */
static void take_known(struct prober *prober, const struct probe_plan *plan, int64_t now_ms,
                       struct probe_seen *seen, struct probe_result **results)
{
    for (size_t i = 0; i < plan->candidate_count; i++) {
        seen[i] = (struct probe_seen){PROBE_STAGE_OPEN, 0};
        results[i] = NULL;
        if (plan->scope == PROBE_SCOPE_ALL) /* looks anew */
            continue;
        results[i] = probe_keep_known(prober, plan, i, now_ms);
        if (results[i] != NULL)
            seen[i] =
                (struct probe_seen){PROBE_STAGE_KNOWN, probe_result_probe(results[i])->result};
    }
}

/* ---- What is known ---- */

const struct findings *prober_cached(struct prober *prober, const struct probe_plan *plan,
                                     int64_t now_ms)
{
    struct probe_seen seen[PROBE_PLAN_ADDRESSES_NOW];
    struct probe_result *results[PROBE_PLAN_ADDRESSES_NOW];
    const struct findings *findings = NULL;
    size_t next;

    if (!atomic_load(&prober->enabled))
        return NULL;
    take_known(prober, plan, now_ms, seen, results);
    if (probe_plan_choose(plan, seen, &next) == PROBE_CHOICE_DONE)
        findings = gather(plan, results);
    for (size_t i = 0; i < plan->candidate_count; i++)
        probe_result_unref(results[i]);
    return findings;
}

/* ---- Requests ---- */

/* One address of the host was left out: what the others say is not what the host says. */
static bool is_host_left(const struct probe_request *request, size_t candidate)
{
    const struct probe_plan *plan = request->plan;

    for (size_t i = 0; plan->scope != PROBE_SCOPE_ALL && i < plan->candidate_count; i++) {
        if (plan->candidates[i].host == plan->candidates[candidate].host &&
            request->seen[i].stage == PROBE_STAGE_LEFT)
            return true;
    }
    return false;
}

static const struct findings *gather_request(const struct probe_request *request)
{
    struct probe_result *results[PROBE_PLAN_ADDRESSES_NOW];

    for (size_t i = 0; i < request->plan->candidate_count; i++) {
        bool ok = request->seen[i].stage == PROBE_STAGE_KNOWN &&
                  request->seen[i].result == FINDINGS_PROBE_OK;

        results[i] = ok || !is_host_left(request, i) ? request->cells[i].result : NULL;
    }
    return gather(request->plan, results);
}

static void request_free(struct probe_request *request)
{
    for (size_t i = 0; i < request->plan->candidate_count; i++) {
        probe_task_leave(&request->cells[i].waiter);
        probe_result_unref(request->cells[i].result);
    }
    list_remove(&request->link);
    probe_plan_unref(request->plan);
    free(request);
}

/* What is said of an address that is not connected to. */
static struct probe_result *barred_result(const struct probe_request *request, size_t i)
{
    const struct probe_candidate *c = &request->plan->candidates[i];
    struct findings_probe probe = {
        .result = FINDINGS_PROBE_FAILED,
        .family = c->ipv6 ? 6 : 4,
        .port = request->plan->port,
        .failure = c->barred ? "not connected to: a private address, and the next-hop is not [host]"
                             : "not connected to: an address of this host",
    };

    memcpy(probe.address, c->address, c->ipv6 ? 16 : 4);
    return probe_result_new(&probe, request->prober->world->ops->wall_s(request->prober->world));
}

/* Of an address that was left out. */
static bool is_to_be_explained(const struct probe_request *request, size_t i)
{
    return request->plan->scope == PROBE_SCOPE_ALL && request->prober->settings.enable &&
           probe_task_is_own(request->prober, request->plan, i);
}

static void ask_candidate(struct probe_request *request, size_t i)
{
    struct cell *cell = &request->cells[i];
    struct probe_seen *seen = &request->seen[i];
    struct probe_result *result = NULL;
    enum probe_stage stage = PROBE_STAGE_LEFT;
    bool barred = request->plan->candidates[i].barred;

    seen->stage = PROBE_STAGE_ASKED;
    if (!barred)
        stage = probe_task_ask(request->prober, request->plan, i, &cell->waiter, &result);
    if (barred || (stage == PROBE_STAGE_LEFT && is_to_be_explained(request, i))) {
        result = barred_result(request, i);
        stage = result != NULL ? PROBE_STAGE_KNOWN : PROBE_STAGE_LEFT;
    }
    /* It may have been told already that the task could not be started. */
    if (seen->stage == PROBE_STAGE_ASKED)
        seen->stage = stage;
    if (stage == PROBE_STAGE_KNOWN) {
        cell->result = result;
        seen->result = probe_result_probe(result)->result;
    }
}

/* Asks for what is next. Whether there is nothing more to wait for. */
static bool step(struct probe_request *request)
{
    enum probe_choice choice;
    size_t next;

    request->stepping = true;
    while ((choice = probe_plan_choose(request->plan, request->seen, &next)) == PROBE_CHOICE_ASK)
        ask_candidate(request, next);
    request->stepping = false;
    return choice == PROBE_CHOICE_DONE;
}

/* struct probe_waiter's */
static void on_changed(struct probe_waiter *waiter, enum probe_stage stage,
                       struct probe_result *result)
{
    struct cell *cell = list_entry(waiter, struct cell, waiter);
    struct probe_request *request = cell->request;
    struct probe_seen *seen = &request->seen[cell - request->cells];
    const struct findings *findings;
    probe_done_fn done = request->done;
    void *arg = request->arg;

    seen->stage = stage;
    if (stage == PROBE_STAGE_KNOWN) {
        cell->result = probe_result_ref(result);
        seen->result = probe_result_probe(result)->result;
    }
    if (request->stepping || !step(request))
        return;
    findings = gather_request(request);
    request_free(request);
    done(findings, arg);
    findings_unref(findings);
}

static struct probe_request *request_new(struct prober *prober, struct probe_plan *plan,
                                         probe_done_fn done, void *arg)
{
    size_t count = plan->candidate_count;
    struct probe_request *request = calloc(1, sizeof(*request) + count * sizeof(request->cells[0]));

    if (request == NULL)
        return NULL;
    request->prober = prober;
    request->plan = probe_plan_ref(plan);
    request->done = done;
    request->arg = arg;
    list_init(&request->link);
    for (size_t i = 0; i < count; i++) {
        request->cells[i].request = request;
        request->cells[i].waiter.changed = on_changed;
        list_init(&request->cells[i].waiter.link);
    }
    return request;
}

/* With what is known already. */
static void begin(struct probe_request *request)
{
    struct prober *prober = request->prober;
    struct probe_result *results[PROBE_PLAN_ADDRESSES_NOW];

    if (!prober->settings.enable)
        return;
    take_known(prober, request->plan, prober->world->ops->mono_ms(prober->world), request->seen,
               results);
    for (size_t i = 0; i < request->plan->candidate_count; i++)
        request->cells[i].result = results[i];
}

int prober_ask(struct prober *prober, struct probe_plan *plan, probe_done_fn done, void *arg,
               struct probe_request **request, const struct findings **findings)
{
    struct probe_request *asked = request_new(prober, plan, done, arg);

    if (asked == NULL)
        return -ENOMEM;
    begin(asked);
    if (step(asked)) {
        *findings = gather_request(asked);
        request_free(asked);
        return *findings != NULL ? 1 : -ENOMEM;
    }
    list_append(&prober->requests, &asked->link);
    *request = asked;
    return 0;
}

void prober_drop(struct probe_request *request)
{
    request_free(request);
}

void probe_request_fail_all(struct prober *prober)
{
    while (!list_empty(&prober->requests)) {
        struct probe_request *request =
            list_entry(prober->requests.next, struct probe_request, link);
        probe_done_fn done = request->done;
        void *arg = request->arg;

        request_free(request);
        done(NULL, arg);
    }
}
