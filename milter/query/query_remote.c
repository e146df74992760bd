/*
 * Asks the daemon's JSON map over its socketmap: a few connections, each with one thread and one
 * question at a time, as Postfix itself would ask.
 */
#include "query/query.h"

#include "answer/findings_json.h"
#include "base/socketmap_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECTIONS_MAX = 16,
    /* The daemon answers TEMP while a lookup takes long, and keeps the result for the next try. */
    ATTEMPTS = 4,
    REPLY_MAX = FINDINGS_JSON_MAX + 64,
};

struct query_remote {
    struct query_set *set;
    char *address;
    pthread_mutex_t lock;
    size_t next; /* name to be asked; with the lock held */
    pthread_t threads[CONNECTIONS_MAX];
    size_t thread_count;
};

static void finish_name(struct query_remote *remote, size_t index, const char *json, size_t len,
                        const char *failure)
{
    char *copy = json != NULL ? strndup(json, len) : NULL;
    query_set_finish(remote->set, index, copy, copy != NULL ? len : 0, NULL,
                     json != NULL && copy == NULL ? "out of memory" : failure);
}

static void ask_name(struct query_remote *remote, struct socketmap_client *c, size_t index)
{
    char question[NEXTHOP_TEXT_MAX + 8], failure[256];
    const char *reply;
    size_t len;
    snprintf(question, sizeof(question), "JSON %s", remote->set->names[index].nexthop.text);
    snprintf(failure, sizeof(failure), "no answer");
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (c->fd < 0) {
            int error = socketmap_client_connect(c, remote->address);
            if (error < 0) {
                snprintf(failure, sizeof(failure), "%s", strerror(-error));
                break;
            }
        }
        if (!socketmap_client_ask(c, question, &reply, &len)) {
            snprintf(failure, sizeof(failure), "the daemon closed the connection or is too slow");
            socketmap_client_disconnect(c);
            continue;
        }
        if (len > 3 && memcmp(reply, "OK ", 3) == 0) {
            finish_name(remote, index, reply + 3, len - 3, NULL);
            return;
        }
        snprintf(failure, sizeof(failure), "%.*s", (int)(len < 200 ? len : 200), reply);
        if (strncmp(failure, "TEMP ", 5) != 0)
            break;
    }
    finish_name(remote, index, NULL, 0, failure);
}

static void *run_connection(void *arg)
{
    struct query_remote *remote = arg;
    struct socketmap_client c;
    socketmap_client_init(&c, REPLY_MAX);
    for (;;) {
        pthread_mutex_lock(&remote->lock);
        size_t index = remote->next++;
        pthread_mutex_unlock(&remote->lock);
        if (index >= remote->set->count)
            break;
        ask_name(remote, &c, index);
    }
    socketmap_client_fini(&c);
    return NULL;
}

int query_remote_start(const char *address, struct query_set *set, struct query_remote **out,
                       char *err, size_t err_size)
{
    /* One try first, so that a wrong address is said once and not for each name. */
    struct socketmap_client c;
    socketmap_client_init(&c, REPLY_MAX);
    int error = socketmap_client_connect(&c, address);
    socketmap_client_fini(&c);
    if (error < 0) {
        snprintf(err, err_size, "%s: %s", address,
                 error == -EINVAL ? "an address is unix:/path or inet:host:port"
                                  : strerror(-error));
        return error;
    }
    struct query_remote *remote = calloc(1, sizeof(*remote));
    if (remote == NULL || (remote->address = strdup(address)) == NULL) {
        free(remote);
        snprintf(err, err_size, "out of memory");
        return -ENOMEM;
    }
    remote->set = set;
    pthread_mutex_init(&remote->lock, NULL);
    size_t want = set->count < CONNECTIONS_MAX ? set->count : CONNECTIONS_MAX;
    for (size_t i = 0; i < want; i++) {
        if (pthread_create(&remote->threads[i], NULL, run_connection, remote) != 0)
            break;
        remote->thread_count++;
    }
    *out = remote;
    if (remote->thread_count > 0 || want == 0)
        return 0;
    query_remote_stop(remote);
    snprintf(err, err_size, "no thread can be started");
    return -EAGAIN;
}

void query_remote_stop(struct query_remote *remote)
{
    if (remote == NULL)
        return;
    for (size_t i = 0; i < remote->thread_count; i++)
        pthread_join(remote->threads[i], NULL);
    pthread_mutex_destroy(&remote->lock);
    free(remote->address);
    free(remote);
}
