/*
 * The lines of a scenario that are about the shared cache, and about a second host beside it.
 */
#include "scenario_internal.h"

#include "store/shared_policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int scenario_shared(struct play *play, char *args)
{
    static const char *const states[] = {"off", "up", "read-only", "down"};
    char state[16];
    long long delay_ms = 1;

    if (sscanf(args, "%15s delay=%lld", state, &delay_ms) < 1)
        return scenario_fail(play, "shared off|up|read-only|down [delay=MS]");
    for (unsigned i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (strcmp(state, states[i]) == 0) {
            sim_world_set_shared(play->sim, (enum sim_shared)i, delay_ms);
            return 0;
        }
    }
    return scenario_fail(play, "%s: off, up, read-only or down", state);
}

static int64_t wall_s(struct play *play)
{
    struct world *world = sim_world_world(play->sim);

    return world->ops->wall_s(world);
}

int scenario_shared_policy(struct play *play, char *args)
{
    char domain[SIM_NAME_MAX], id[SHARED_POLICY_ID_MAX + 1], body[LINE_MAX_LEN] = "";
    long long age_s = 0;
    const char *line;

    if (sscanf(args, "%299s id=%32s age=%lld", domain, id, &age_s) < 2)
        return scenario_fail(play, "shared-policy DOMAIN id=ID [age=SECONDS]");
    while ((line = scenario_indented(play)) != NULL) {
        size_t used = strlen(body);
        snprintf(body + used, sizeof body - used, "%s\n", line);
    }
    sim_world_share_policy(play->sim, domain, id, body, wall_s(play) - age_s,
                           wall_s(play) + 31557600);
    return 0;
}

int scenario_row(struct play *play, char *args)
{
    char domain[SIM_NAME_MAX], id[SHARED_POLICY_ID_MAX + 1], how;
    const struct sim_row *row;
    struct shared_policy policy;
    long long want_s = 0, age_s;

    if (sscanf(args, "%299s %32s", domain, id) == 2 && strcmp(id, "none") == 0)
        return sim_world_row(play->sim, SHARED_POLICY, domain) == NULL
                   ? 0
                   : scenario_fail(play, "there is one");
    if (sscanf(args, "%299s id=%32s age%c%lld", domain, id, &how, &want_s) != 4)
        return scenario_fail(play, "row DOMAIN none | id=ID age=SECONDS|age<SECONDS");
    row = sim_world_row(play->sim, SHARED_POLICY, domain);
    if (row == NULL || shared_policy_read(row->payload, row->len, domain, SIZE_MAX, wall_s(play),
                                          &policy) != SHARED_OK)
        return scenario_fail(play, "there is none");
    age_s = wall_s(play) - policy.fetched_at_s;
    if (strcmp(policy.id, id) != 0 || (how == '<' ? age_s >= want_s : age_s != want_s))
        return scenario_fail(play, "it is id=%s age=%lld", policy.id, age_s);
    return 0;
}

/* How long the policy's row lives. */
int scenario_row_life(struct play *play, char *args)
{
    char domain[SIM_NAME_MAX];
    const struct sim_row *row;
    long long want_s;

    if (sscanf(args, "%299s %lld", domain, &want_s) != 2)
        return scenario_fail(play, "row-life DOMAIN SECONDS");
    row = sim_world_row(play->sim, SHARED_POLICY, domain);
    if (row == NULL || row->ends_at_s - row->written_at_s != want_s)
        return scenario_fail(play, "it lives %lld s",
                             row != NULL ? (long long)(row->ends_at_s - row->written_at_s) : -1LL);
    return 0;
}

int scenario_rows(struct play *play, char *args)
{
    unsigned count = 0, want = (unsigned)atoi(args);

    for (const struct sim_row *row = sim_world_rows(play->sim); row != NULL; row = row->next)
        count++;
    return count == want ? 0 : scenario_fail(play, "rows: %u, not %u", count, want);
}

int scenario_shared_asked(struct play *play, char *args)
{
    unsigned asked = sim_world_shared_asked(play->sim), want = (unsigned)atoi(args);

    return asked == want ? 0 : scenario_fail(play, "asked: %u, not %u", asked, want);
}

int scenario_shared_found(struct play *play, char *args)
{
    char reason[32];
    unsigned want;

    if (sscanf(args, "%31s %u", reason, &want) != 2)
        return scenario_fail(play, "shared-found ok|REASON N");
    for (unsigned r = 0; r < SHARED_REJECTS; r++) {
        unsigned found = sim_world_shared_found(play->sim, (enum shared_reject)r);
        if (strcmp(shared_reject_name((enum shared_reject)r), reason) == 0)
            return found == want ? 0 : scenario_fail(play, "found: %u, not %u", found, want);
    }
    return scenario_fail(play, "no such reason: %s", reason);
}

int scenario_purged(struct play *play, char *args)
{
    static const struct {
        const char *word;
        int status;
    } outcomes[] = {{"everywhere", 0}, {"nothing", -ENOENT}, {"here", -EIO}, {"waiting", 1}};

    for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
        if (strcmp(args, outcomes[i].word) == 0)
            return play->purge_status == outcomes[i].status
                       ? 0
                       : scenario_fail(play, "purged: %d", play->purge_status);
    }
    return scenario_fail(play, "purged everywhere|nothing|here|waiting");
}

int scenario_another_host(struct play *play, char *args)
{
    (void)args;
    core_free(play->core);
    if (core_new(sim_world_world(play->sim), &play->settings, &play->core) < 0)
        exit(99);
    return 0;
}
