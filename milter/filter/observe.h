/*
 * `request = observe`: the verdict of a recipient as if the message had asked for REQUIRETLS, in
 * the log and the metrics, when the message has gone on already. Nothing waits for it.
 *
 * What the cache knows is told at once. Else the engine is asked, and the line follows when it has
 * answered, or when `eom_wait` is over, then as undecided. At most OBSERVE_MAX recipients are kept
 * for that, OBSERVE_SHARE of them for one next-hop; what is over that is counted, and not looked
 * at. Counted likewise is what rules cannot say.
 */
#ifndef MILTER_FILTER_OBSERVE_H
#define MILTER_FILTER_OBSERVE_H

#include "base/metrics.h"
#include "filter/recipient.h"

struct observer;

enum { OBSERVE_MAX = 500, OBSERVE_SHARE = OBSERVE_MAX / 8 };

/* One for the process, without a thread until it has something to keep. Engine and metrics are
 * borrowed until observer_free. Returns 0 or a negative errno. */
int observer_new(struct engine *engine, struct metrics *metrics, struct observer **out);

/* Ends the thread: what is kept is told as undecided. Nothing is kept any more. Any thread but its
 * own; may be called again. */
void observer_stop(struct observer *observer);
void observer_free(struct observer *observer); /* observer_stop comes first. NULL is allowed */

/* What is to be observed. Strings are borrowed for the call. */
struct observe_args {
    struct config *config; /* a reference is taken */
    const struct recipient *recipient;
    const struct recipient_context *context; /* as if the message had asked */
    const char *queue_id;                    /* NULL: it has none */
    const char *from;
};

/* Does not wait, and never fails: at most, nothing is known of the recipient. Any thread. */
void observer_take(struct observer *observer, const struct observe_args *args);

#endif
