/*
 * Lookups of the socketmap server that the cache could not answer. The engine calls back on its own
 * thread; finished questions are handed to the loop's thread in a list under a lock, with an
 * eventfd to wake it.
 */
#include "serve/mapconn.h"

#include "answer/answer_terms.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Enough for the kind of an answer; whether its text fits is seen later. */
enum { PROBE_MAX = 512 };

struct mapquestion {
    LIST_ENTRY(mapquestion) link;       /* of all; the loop's thread */
    STAILQ_ENTRY(mapquestion) finished; /* of those that are; under the lock */
    struct maplookup *lookup;
    struct mapconn *conn; /* NULL: nobody waits any more; the loop's thread */
    struct socketmap_request request;
    struct config *config; /* a reference: the terms borrow from it */
    struct answer_terms terms;
    struct engine_request *handle;
    const struct findings *findings; /* the answer; a reference, or NULL */
};

struct maplookup {
    struct socketmap *server;
    int wake_fd;
    struct event *wake;
    LIST_HEAD(, mapquestion) all;
    pthread_mutex_t lock;
    STAILQ_HEAD(, mapquestion) finished;
};

/* On the engine's thread. */
static bool is_enough(const struct findings *findings, void *arg)
{
    const struct mapquestion *q = arg;
    char text[PROBE_MAX];
    return answer_derive(findings, &q->terms, q->request.map, text, sizeof(text)) != ANSWER_PENDING;
}

/* On the engine's thread. */
static void on_done(const struct findings *findings, void *arg)
{
    struct mapquestion *q = arg;
    struct maplookup *lookup = q->lookup;
    const uint64_t one = 1;
    q->findings = findings ? findings_ref(findings) : NULL;
    pthread_mutex_lock(&lookup->lock);
    bool first = STAILQ_EMPTY(&lookup->finished);
    STAILQ_INSERT_TAIL(&lookup->finished, q, finished);
    pthread_mutex_unlock(&lookup->lock);
    if (first && write(lookup->wake_fd, &one, sizeof(one)) < 0) {
        /* Only a counter at its limit refuses, and then the loop wakes anyway. */
    }
}

static void question_free(struct mapquestion *q)
{
    LIST_REMOVE(q, link);
    findings_unref(q->findings);
    config_unref(q->config);
    free(q);
}

static void finish(struct mapquestion *q)
{
    struct mapconn *c = q->conn;
    engine_release(q->handle);
    if (c) {
        c->question = NULL;
        mapanswer_findings(c, &q->request, q->findings);
        mapconn_flush(c);
    }
    question_free(q);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct maplookup *lookup = arg;
    struct mapquestion *q;
    uint64_t count;
    STAILQ_HEAD(, mapquestion) finished = STAILQ_HEAD_INITIALIZER(finished);
    (void)what;
    if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        return;
    pthread_mutex_lock(&lookup->lock);
    STAILQ_CONCAT(&finished, &lookup->finished);
    pthread_mutex_unlock(&lookup->lock);
    while ((q = STAILQ_FIRST(&finished))) {
        STAILQ_REMOVE_HEAD(&finished, finished);
        finish(q);
    }
}

int maplookup_new(struct socketmap *server, struct maplookup **out)
{
    struct maplookup *lookup = calloc(1, sizeof(*lookup));
    if (!lookup)
        return -ENOMEM;
    lookup->server = server;
    LIST_INIT(&lookup->all);
    STAILQ_INIT(&lookup->finished);
    pthread_mutex_init(&lookup->lock, NULL);
    lookup->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (lookup->wake_fd < 0) {
        int error = errno;
        maplookup_free(lookup);
        return -error;
    }
    lookup->wake = event_new(server->base, lookup->wake_fd, EV_READ | EV_PERSIST, on_wake, lookup);
    if (!lookup->wake || event_add(lookup->wake, NULL) < 0) {
        maplookup_free(lookup);
        return -ENOMEM;
    }
    *out = lookup;
    return 0;
}

void maplookup_free(struct maplookup *lookup)
{
    struct mapquestion *q;
    if (!lookup)
        return;
    while ((q = LIST_FIRST(&lookup->all))) {
        engine_cancel(lookup->server->engine, q->handle);
        question_free(q);
    }
    if (lookup->wake)
        event_free(lookup->wake);
    if (lookup->wake_fd >= 0)
        close(lookup->wake_fd);
    pthread_mutex_destroy(&lookup->lock);
    free(lookup);
}

int maplookup_ask(struct mapconn *c, const struct socketmap_request *request)
{
    struct socketmap *server = c->server;
    struct mapquestion *q = calloc(1, sizeof(*q));
    if (!q)
        return -ENOMEM;
    q->lookup = server->lookup;
    q->conn = c;
    q->request = *request;
    q->config = config_ref(server->config);
    answer_terms_for(q->config, &q->request.nexthop, q->request.map, &q->terms);
    LIST_INSERT_HEAD(&server->lookup->all, q, link);
    int error = engine_lookup(server->engine, &q->request.nexthop,
                              request->command == SOCKETMAP_JSON ? NULL : is_enough, on_done, q,
                              &q->handle);
    if (error < 0) {
        question_free(q);
        return error;
    }
    c->question = q;
    return 0;
}

void maplookup_abandon(struct mapconn *c)
{
    c->question->conn = NULL;
    c->question = NULL;
}

const struct socketmap_request *maplookup_request(const struct mapquestion *question)
{
    return &question->request;
}
