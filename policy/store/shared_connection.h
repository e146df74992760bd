/*
 * One connection to a server of the shared cache: opened, password, database, whether it takes
 * rows, then commands, many at a time. Replies come in the order of the commands, and each has its
 * place until its reply has come, whether somebody still waits for it or not; so none is taken for
 * another's. A server that owes a reply for too long, or sends what is none, has its connection
 * closed. On the thread of the event loop.
 */
#ifndef POLICY_STORE_SHARED_CONNECTION_H
#define POLICY_STORE_SHARED_CONNECTION_H

#include "store/shared_answer.h"
#include "store/shared_url.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shared_connection;

enum {
    SHARED_COMMANDS_MAX = 1000,          /* without a reply, on one connection */
    SHARED_UNSENT_MAX = 4 * 1024 * 1024, /* octets that a server has not taken yet */
};

/* From the loop only. Where it does not say that it may, none frees the connection. */
struct shared_connection_events {
    /* Commands can be sent from now on. False: the connection has been freed. */
    bool (*on_ready)(struct shared_connection *c, void *arg);
    /* A command has been answered for the first time since then. */
    void (*on_answered)(struct shared_connection *c, void *arg);
    /* The server has taken no row for the first time since then; shared_connection_refuses says
     * why. */
    void (*on_refused)(struct shared_connection *c, void *arg);
    /* It could not be opened, or is closed; the commands have been called back. It may be freed
     * here. `why` is for people, borrowed for the call. */
    void (*on_failed)(struct shared_connection *c, const char *why, void *arg);
};

/* All borrowed. */
struct shared_connection_config {
    struct event_base *base;
    const struct shared_url *url;
    const char *password; /* NULL: none */
    size_t max_value;     /* octets of the longest reply */
    int open_ms;          /* until it is ready */
    int stall_ms;         /* that a reply may be owed */
    const struct shared_connection_events *events;
    void *arg;
};

/* Begins. 0, -ENOMEM or -ENOSYS (built without hiredis). */
int shared_connection_new(const struct shared_connection_config *config,
                          struct shared_connection **out);

/* reply: NULL with SHARED_ANSWER_BAD if there was none, as the connection is over. */
typedef void (*shared_connection_fn)(enum shared_answer answer, const struct shared_reply *reply,
                                     void *arg);

/* `done` is called once, not within this call. False: it is not sent, and there is no callback: the
 * connection is not ready, too much is outstanding, or there is no memory. */
bool shared_connection_send(struct shared_connection *c, enum shared_command command,
                            const struct shared_word *words, size_t count,
                            shared_connection_fn done, void *arg);

/* Why the server takes no rows, or NULL: it does as far as is known. */
const char *shared_connection_refuses(const struct shared_connection *c);

/* How long the oldest command without a reply has waited; 0: there is none. */
int64_t shared_connection_owed_ms(const struct shared_connection *c);

/* How long the last reply took, to whichever command. */
int64_t shared_connection_took_ms(const struct shared_connection *c);

/* Whether a command has been answered since it was ready. */
bool shared_connection_has_answered(const struct shared_connection *c);

/* Commands that are outstanding are called back first. NULL is allowed. */
void shared_connection_free(struct shared_connection *c);

#endif
