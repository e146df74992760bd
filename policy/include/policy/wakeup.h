/*
 * How other threads have a function called on the thread of an event loop. A wakeup says only that
 * there is something; what it is stands where its owner has put it, under the owner's lock.
 */
#ifndef POLICY_WAKEUP_H
#define POLICY_WAKEUP_H

#include <event2/event.h>

struct wakeup;

typedef void (*wakeup_fn)(void *arg);

/*
 * On the loop's thread, or while it has none. Returns 0 and the wakeup, or a negative errno (no
 * descriptor left, out of memory).
 */
int wakeup_new(struct event_base *base, wakeup_fn on_wakeup, void *arg, struct wakeup **out);

/*
 * Has on_wakeup called soon on the loop's thread: once or more often after this call, and once for
 * many that came before it could be called. Cannot fail, does not wait. Any thread; also before
 * the loop runs.
 */
void wakeup_send(struct wakeup *wakeup);

/* As wakeup_new; no wakeup_send may be in progress or follow. NULL is allowed. */
void wakeup_free(struct wakeup *wakeup);

#endif
