/*
 * A thread with a libevent loop. What the loop serves belongs to its thread from loop_start on: the
 * base has no locks. Other threads leave something behind under a lock of their own and wake the
 * thread (wakeup.h).
 *
 *   loop_new     makes the base; the caller adds its events to loop_base
 *   loop_start   starts the thread; not before the process has forked
 *   loop_stop    ends it; from then on the events belong to the caller again, who frees them
 *   loop_free    after its events
 */
#ifndef POLICY_LOOP_H
#define POLICY_LOOP_H

#include <event2/event.h>
#include <stdbool.h>

struct loop;

/* Called on the loop's thread when the loop has ended, as the last thing there. */
typedef void (*loop_end_fn)(void *arg);

/*
 * A loop without events or thread. `name` is the thread's, 15 octets at most, for ps(1) and
 * debuggers; it is borrowed. `on_end` may be NULL. Returns 0 and the loop, or a negative errno.
 */
int loop_new(const char *name, loop_end_fn on_end, void *arg, struct loop **out);

struct event_base *loop_base(struct loop *loop);

/*
 * Starts the thread, with all signals blocked: they are for the program's own threads. Returns 0,
 * or a negative errno (-EAGAIN: no more threads); then it may be called once more.
 */
int loop_start(struct loop *loop);

/* Whether the calling thread is the loop's. Not before loop_start has returned. */
bool loop_is_current(const struct loop *loop);

/*
 * Ends the loop after the callback that is running, if one is, and waits for the thread; events
 * that are due and wakeups that were sent may not be called any more. Nothing happens if no thread
 * runs. Not from the loop's own thread, nor from two at once.
 */
void loop_stop(struct loop *loop);

void loop_free(struct loop *loop); /* stopped or never started, without events; NULL is allowed */

#endif
