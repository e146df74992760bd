/*
 * The lines about probes: what servers do (smtp), who looks at them (probe), what is known, and how
 * many connections there were.
 */
#include "scenario_internal.h"

#include <stdlib.h>
#include <string.h>

int scenario_smtp(struct play *play, char *args)
{
    char address[48], status[24];
    struct sim_smtp *smtp;
    char *delay;
    int used = 0;

    if (sscanf(args, "%47s %23s %n", address, status, &used) != 2)
        return scenario_fail(play, "smtp ADDRESS RESULT ...");
    smtp = sim_world_smtp(play->sim, address);
    smtp->delay_ms = SIM_DELAY_MS;
    smtp->local = strcmp(status, "local") == 0;
    smtp->fails = strcmp(status, "no-memory") == 0;
    smtp->own = strcmp(status, "own") == 0;
    if (smtp->own)
        strcpy(status, "no-starttls");
    args += used;
    delay = strstr(args, "delay=");
    if (delay != NULL) {
        smtp->delay_ms = atoll(delay + 6);
        *delay = '\0';
    }
    for (size_t len = strlen(args); len > 0 && args[len - 1] == ' '; len--)
        args[len - 1] = '\0';
    snprintf(smtp->failure, sizeof smtp->failure, "%s", args);
    smtp->result = smtp->local || smtp->fails ? FINDINGS_PROBE_FAILED : FINDINGS_PROBE_OK;
    while (!smtp->local && !smtp->fails && smtp->result <= FINDINGS_PROBE_FAILED &&
           strcmp(findings_probe_result_name(smtp->result), status) != 0)
        smtp->result++;
    return smtp->result <= FINDINGS_PROBE_FAILED ? 0 : scenario_fail(play, "no result: %s", status);
}

struct looking {
    struct asker *found;
    struct verdict_terms terms;
    enum probe_scope scope;
    size_t count;
};

static int read_looking(struct play *play, const char *label, char *args, struct looking *out)
{
    char *save = NULL;

    *out = (struct looking){
        .found = scenario_asker(play, label),
        .terms = {.can = VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_WEB_PKI |
                         VERDICT_CAN_REQUIRETLS,
                  .web_pki = true},
        .count = 1,
    };
    if (out->found == NULL || out->found->findings == NULL)
        return scenario_fail(play, "nothing was found as %s", label);
    for (char *word = strtok_r(args, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        if (strcmp(word, "all") == 0)
            out->scope = PROBE_SCOPE_ALL;
        else if (strncmp(word, "level=", 6) == 0 &&
                 verdict_level_parse(word + 6, &out->terms.level) == 0)
            continue;
        else if (strncmp(word, "times=", 6) == 0)
            out->count = (size_t)atoi(word + 6);
        else
            return scenario_fail(play, "%s?", word);
    }
    return 0;
}

static struct probe_plan *make_plan(struct play *play, const struct looking *looking)
{
    struct probe_plan *plan = prober_plan(core_prober(play->core), looking->found->findings,
                                          &looking->terms, looking->scope);

    if (plan == NULL)
        exit(99);
    return plan;
}

/* probe_done_fn */
static void on_probed(const struct findings *findings, void *arg)
{
    struct probing *probing = arg;

    probing->request = NULL;
    scenario_done(findings, probing->asker);
}

static void ask_once(struct play *play, struct probe_plan *plan, struct asker *asker, size_t i)
{
    struct probing *probing = &asker->probing[i];
    const struct findings *findings = NULL;
    int status;

    probing->asker = asker;
    status =
        prober_ask(core_prober(play->core), plan, on_probed, probing, &probing->request, &findings);
    if (status == 0)
        return;
    scenario_done(status > 0 ? findings : NULL, asker);
    findings_unref(findings);
}

int scenario_probe(struct play *play, char *args)
{
    char found[LABEL_LEN], as[8], label[LABEL_LEN];
    struct looking looking;
    struct probe_plan *plan;
    struct asker *asker;
    int used = 0;

    if (sscanf(args, "%31s %7s %31s %n", found, as, label, &used) != 3 || strcmp(as, "as") != 0)
        return scenario_fail(play, "probe FOUND as LABEL ...");
    if (read_looking(play, found, args + used, &looking) < 0)
        return -1;
    asker = scenario_new_asker(play, label, looking.count);
    asker->probing = calloc(looking.count, sizeof *asker->probing);
    if (asker->probing == NULL)
        exit(99);
    plan = make_plan(play, &looking);
    for (size_t i = 0; i < looking.count; i++)
        ask_once(play, plan, asker, i);
    probe_plan_unref(plan);
    return 0;
}

static int get_known(struct play *play, char *args, const struct findings **out)
{
    struct world *world = sim_world_world(play->sim);
    char found[LABEL_LEN];
    struct looking looking;
    struct probe_plan *plan;
    int used = 0;

    if (sscanf(args, "%31s %n", found, &used) != 1)
        return scenario_fail(play, "known FOUND ...");
    if (read_looking(play, found, args + used, &looking) < 0)
        return -1;
    plan = make_plan(play, &looking);
    *out = prober_cached(core_prober(play->core), plan, world->ops->mono_ms(world));
    probe_plan_unref(plan);
    return 0;
}

int scenario_known(struct play *play, char *args)
{
    const struct findings *findings;
    int status = get_known(play, args, &findings);

    if (status == 0 && findings == NULL)
        return scenario_fail(play, "it is not known");
    if (status == 0) {
        status = scenario_compare(play, findings);
        findings_unref(findings);
    }
    return status;
}

int scenario_not_known(struct play *play, char *args)
{
    const struct findings *findings;
    int status = get_known(play, args, &findings);

    if (status == 0 && findings != NULL) {
        findings_unref(findings);
        return scenario_fail(play, "it is known");
    }
    return status;
}

static int compare(struct play *play, char *args,
                   unsigned (*get)(struct sim_world *sim, const char *address))
{
    char address[48];
    unsigned want, got;

    if (sscanf(args, "%47s %u", address, &want) == 2)
        got = get(play->sim, address);
    else if (sscanf(args, "%u", &want) == 1)
        got = get(play->sim, NULL);
    else
        return scenario_fail(play, "[ADDRESS] N");
    return got == want ? 0 : scenario_fail(play, "%u, not %u", got, want);
}

int scenario_connected(struct play *play, char *args)
{
    return compare(play, args, sim_world_connected);
}

int scenario_at_once(struct play *play, char *args)
{
    return compare(play, args, sim_world_at_once);
}
