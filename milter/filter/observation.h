/*
 * One observed recipient that the engine is asked about: its next-hops, their answers, and its end.
 * How many there may be, and how long each may wait, is the observer's (observe.h), and so is the
 * lock.
 *
 * Nothing waits for an observation, so it waits for complete findings: its line says what the tool
 * says. Those that settled the verdict are asked for besides, for when the others do not come.
 */
#ifndef MILTER_FILTER_OBSERVATION_H
#define MILTER_FILTER_OBSERVATION_H

#include "filter/candidate.h"
#include "filter/observe.h"

#include <pthread.h>
#include <sys/queue.h>

/* A next-hop that the engine was asked for. */
struct observation_question {
    struct observation *of;
    struct engine_request *request;    /* for complete findings; NULL: none was made */
    struct engine_request *settling;   /* for those that settle the verdict; the same */
    const struct findings *findings;   /* a reference, or NULL; under the lock */
    const struct findings *settled_by; /* the same */
    bool answered;                     /* the request was; under the lock */
};

/* What an observation needs of its observer; all of it is borrowed. */
struct observation_host {
    struct engine *engine;
    struct metrics *metrics;
    pthread_mutex_t *lock;
    /* A question has been answered. With the lock held, on the engine's thread. */
    void (*on_answer)(struct observation *o, void *arg);
    void *arg;
};

struct observation {
    TAILQ_ENTRY(observation) link; /* in a list of the observer's */
    const struct observation_host *host;
    struct config *config; /* a reference */
    struct candidates candidates;
    struct observation_question questions[ENVELOPE_NEXTHOPS_MAX];
    unsigned open;                    /* questions without an answer; under the lock */
    bool listed;                      /* the observer's, as the next two: all questions are asked */
    bool completed;                   /* it is in that list */
    int64_t deadline_ms;              /* of clock_awake_ms */
    const char *queue_id, *from, *to; /* in text */
    char text[];
};

/* Fills what is known of each candidate without asking. Returns whether that is all. */
bool observation_look(struct engine *engine, struct candidates *candidates);

/* NULL: out of memory. The host is borrowed until observation_conclude. */
struct observation *observation_new(const struct observation_host *host,
                                    const struct observe_args *args);

/* Asks the engine for what is not known. Answers may come before this returns. Without the lock. */
void observation_ask(struct observation *o);

/* Whether it waits for that next-hop. With the lock held, after observation_ask. */
bool observation_waits_for(const struct observation *o, const struct nexthop *nexthop);

/* Writes its line, with what is known by now, and frees it. `why`: what is said of a question
 * without an answer. It is in no list any more. Without the lock; not on the engine's thread. */
void observation_conclude(struct observation *o, enum decide_missing why);

#endif
