/*
 * The lines that say what must be so: expect, cached.
 */
#include "scenario_internal.h"

#include "engine/cache.h"
#include "findings_lines.h"

#include <stdlib.h>
#include <string.h>

static bool has_line(const char *text, const char *line)
{
    size_t len = strlen(line);

    for (const char *p = text; (p = strstr(p, line)) != NULL; p++) {
        if ((p == text || p[-1] == '\n') && p[len] == '\n')
            return true;
    }
    return false;
}

int scenario_compare(struct play *play, const struct findings *findings)
{
    static char text[FINDINGS_TEXT_MAX];
    const char *want;

    findings_lines_write(findings, text, sizeof text);
    if (play->verbose)
        printf("%s:%u: %s\n%s", play->path, play->line_number, findings->nexthop.text, text);
    while ((want = scenario_indented(play)) != NULL) {
        bool unwanted = strncmp(want, "not ", 4) == 0;
        if (has_line(text, unwanted ? want + 4 : want) == unwanted)
            return scenario_fail(play, "expected: %s\nfound:\n%s", want, text);
    }
    return 0;
}

int scenario_expect(struct play *play, char *args)
{
    char label[LABEL_LEN], what[16], how[16] = "";
    long long ms = -1;
    struct asker *asker;
    bool empty_handed;

    if (sscanf(args, "%31s %15s %lld %15s", label, what, &ms, how) < 2)
        return scenario_fail(play, "expect LABEL at MS [nothing] | waiting | never");
    empty_handed = strcmp(how, "nothing") == 0;
    asker = scenario_asker(play, label);
    if (asker == NULL)
        return scenario_fail(play, "nobody asked as %s", label);
    if (strcmp(what, "waiting") == 0 || strcmp(what, "never") == 0)
        return asker->answered == 0 ? 0 : scenario_fail(play, "%s was answered", label);
    if (strcmp(what, "at") != 0 || ms < 0)
        return scenario_fail(play, "expect LABEL at MS | waiting | never");
    if (asker->answered != asker->count)
        return scenario_fail(play, "%zu of %zu were answered as %s", asker->answered, asker->count,
                             label);
    if (asker->first_ms - asker->asked_ms != ms || asker->last_ms != asker->first_ms)
        return scenario_fail(play, "%s was answered after %lld to %lld ms", label,
                             (long long)(asker->first_ms - asker->asked_ms),
                             (long long)(asker->last_ms - asker->asked_ms));
    if (asker->findings == NULL)
        return empty_handed ? 0 : scenario_fail(play, "%s was answered without findings", label);
    return empty_handed ? scenario_fail(play, "%s was answered with findings", label)
                        : scenario_compare(play, asker->findings);
}

int scenario_cached(struct play *play, char *args)
{
    struct world *world = sim_world_world(play->sim);
    const struct findings *findings;
    struct nexthop nexthop;
    int status;

    if (nexthop_parse(args, &nexthop) < 0)
        return scenario_fail(play, "no next-hop: %s", args);
    findings = core_cached(play->core, &nexthop, world->ops->mono_ms(world),
                           world->ops->security_known(world));
    if (findings == NULL)
        return scenario_fail(play, "%s is not cached", args);
    status = scenario_compare(play, findings);
    findings_unref(findings);
    return status;
}
