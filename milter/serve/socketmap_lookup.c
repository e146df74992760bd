/*
 * Lookups of the socketmap server that the cache could not answer. socketmap_lookup_ask starts one;
 * the engine calls back on its own thread, completed lookups are handed to the loop's thread in a
 * list under a lock, a wakeup says so, and there on_completed is called for the connection, unless
 * socketmap_lookup_abandon was called before.
 */
#include "serve/socketmap_conn.h"

#include "answer/answer_terms.h"
#include "policy/wakeup.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

/* Enough for the kind of an answer; whether its text fits is seen later. */
enum { PROBE_MAX = 512 };

struct socketmap_lookup {
    LIST_ENTRY(socketmap_lookup) link;       /* of all; the loop's thread */
    STAILQ_ENTRY(socketmap_lookup) finished; /* of the completed; under the lock */
    struct socketmap_lookups *lookups;
    struct socketmap_conn *conn; /* NULL: abandoned; the loop's thread */
    struct socketmap_request request;
    struct config *config; /* a reference: the terms borrow from it */
    struct answer_terms terms;
    struct engine_request *handle;
    const struct findings *findings; /* the answer; a reference, or NULL */
};

struct socketmap_lookups {
    struct socketmap *server;
    socketmap_completed_fn on_completed;
    struct wakeup *wakeup; /* sent when there are completed ones */
    LIST_HEAD(, socketmap_lookup) all;
    pthread_mutex_t lock;
    STAILQ_HEAD(, socketmap_lookup) finished;
};

/* On the engine's thread. */
static bool is_answer_enough(const struct findings *findings, void *arg)
{
    const struct socketmap_lookup *q = arg;
    char text[PROBE_MAX];
    return answer_derive(findings, &q->terms, q->request.map, text, sizeof(text)) != ANSWER_PENDING;
}

/* On the engine's thread. With the lock held to the end: once it is in the list its connection's
 * thread may free it, and at a stop `lookups` with it. */
static void on_lookup_done(const struct findings *findings, void *arg)
{
    struct socketmap_lookup *q = arg;
    struct socketmap_lookups *lookups = q->lookups;
    q->findings = findings != NULL ? findings_ref(findings) : NULL;
    pthread_mutex_lock(&lookups->lock);
    STAILQ_INSERT_TAIL(&lookups->finished, q, finished);
    wakeup_send(lookups->wakeup);
    pthread_mutex_unlock(&lookups->lock);
}

static void lookup_free(struct socketmap_lookup *q)
{
    LIST_REMOVE(q, link);
    findings_unref(q->findings);
    config_unref(q->config);
    free(q);
}

static void complete_lookup(struct socketmap_lookup *q)
{
    struct socketmap_conn *c = q->conn;
    engine_release(q->handle);
    if (c != NULL) {
        c->lookup = NULL;
        q->lookups->on_completed(c, &q->request, q->findings);
    }
    lookup_free(q);
}

/* wakeup_fn */
static void on_lookups_finished(void *arg)
{
    struct socketmap_lookups *lookups = arg;
    struct socketmap_lookup *q;
    STAILQ_HEAD(, socketmap_lookup) finished = STAILQ_HEAD_INITIALIZER(finished);
    pthread_mutex_lock(&lookups->lock);
    STAILQ_CONCAT(&finished, &lookups->finished);
    pthread_mutex_unlock(&lookups->lock);
    while ((q = STAILQ_FIRST(&finished)) != NULL) {
        STAILQ_REMOVE_HEAD(&finished, finished);
        complete_lookup(q);
    }
}

int socketmap_lookups_new(struct socketmap *server, socketmap_completed_fn on_completed,
                          struct socketmap_lookups **out)
{
    struct socketmap_lookups *lookups = calloc(1, sizeof(*lookups));
    if (lookups == NULL)
        return -ENOMEM;
    lookups->server = server;
    lookups->on_completed = on_completed;
    LIST_INIT(&lookups->all);
    STAILQ_INIT(&lookups->finished);
    pthread_mutex_init(&lookups->lock, NULL);
    int err = wakeup_new(server->base, on_lookups_finished, lookups, &lookups->wakeup);
    if (err < 0) {
        socketmap_lookups_free(lookups);
        return err;
    }
    *out = lookups;
    return 0;
}

void socketmap_lookups_free(struct socketmap_lookups *lookups)
{
    struct socketmap_lookup *q;
    if (lookups == NULL)
        return;
    while ((q = LIST_FIRST(&lookups->all)) != NULL) {
        engine_cancel(lookups->server->engine, q->handle);
        lookup_free(q);
    }
    wakeup_free(lookups->wakeup);
    pthread_mutex_destroy(&lookups->lock);
    free(lookups);
}

int socketmap_lookup_ask(struct socketmap_conn *c, const struct socketmap_request *request)
{
    struct socketmap *server = c->server;
    struct socketmap_lookup *q = calloc(1, sizeof(*q));
    if (q == NULL)
        return -ENOMEM;
    q->lookups = server->lookups;
    q->conn = c;
    q->request = *request;
    q->config = config_ref(server->config);
    answer_terms_for(q->config, &q->request.nexthop, q->request.map, &q->terms);
    LIST_INSERT_HEAD(&server->lookups->all, q, link);
    int err = engine_lookup(server->engine, &q->request.nexthop,
                            request->command == SOCKETMAP_JSON ? NULL : is_answer_enough,
                            on_lookup_done, q, &q->handle);
    if (err < 0) {
        lookup_free(q);
        return err;
    }
    c->lookup = q;
    return 0;
}

void socketmap_lookup_abandon(struct socketmap_conn *c)
{
    c->lookup->conn = NULL;
    c->lookup = NULL;
}

const struct socketmap_request *socketmap_lookup_request(const struct socketmap_lookup *lookup)
{
    return &lookup->request;
}
