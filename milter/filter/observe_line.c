/*
 * The log line and the count of an observed recipient: observe_line_write, when all is known that
 * will be, or nothing more is waited for.
 */
#include "filter/observe_line.h"

#include "base/log.h"
#include "filter/logline.h"

/* The message goes on, whatever the verdict: that is its action. */
void observe_line_write(struct metrics *metrics, const struct candidates *candidates,
                        const char *queue_id, const char *from, const char *to)
{
    struct decision decision;
    const struct candidate *chosen = candidates_choose(candidates, &decision);
    struct logline line = {.queue_id = queue_id,
                           .from = from,
                           .to = to,
                           .request = "observe",
                           .action = decide_action_name(DECIDE_ACCEPT),
                           .wait_us = -1};

    if (chosen == NULL) { /* rules look at what is not known, and will not be */
        metrics_observed_skipped(metrics);
        return;
    }
    candidates_mention_others(candidates, &decision);
    line.nexthop = chosen->in.nexthop != NULL ? chosen->in.nexthop->text : "-";
    line.level = verdict_level_name(chosen->settings.level);
    line.findings = decision.findings;
    line.verdict = verdict_value_name(decision.verdict);
    line.reason = decision.reason[0] != '\0' ? decision.reason : NULL;
    logline_write(LOG_INFO, &line);
    metrics_observed(metrics, chosen->settings.level, decision.verdict);
}
