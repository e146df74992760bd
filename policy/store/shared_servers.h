/*
 * Which server of the shared cache is used: shared.h says by which rule. One connection is in use;
 * a second is opened beside it to see whether a server that comes first is there again, or takes
 * rows. Logs when the cache goes and comes, once each. On the thread of the event loop.
 */
#ifndef POLICY_STORE_SHARED_SERVERS_H
#define POLICY_STORE_SHARED_SERVERS_H

#include "policy/engine_health.h"
#include "store/shared_connection.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

struct shared_servers;

struct shared_servers_config {
    struct event_base *base;
    const char *const *servers; /* copied; one at least; ends with NULL */
    const char *password;       /* copied */
    size_t max_value;           /* octets of the longest reply */
    int stall_ms;               /* that a server may owe a reply */
    /* There is a connection to send by, perhaps another one than before. From the loop. */
    void (*on_ready)(void *arg);
    void *arg;
    void (*log)(void *log_arg, int priority, const char *message);
    void *log_arg;
};

/* Begins to connect. 0; or -EINVAL or -ENOSYS with a message in err; or -ENOMEM. */
int shared_servers_new(const struct shared_servers_config *config, struct shared_servers **out,
                       char *err, size_t err_size);

/* What is in use, or NULL. Lives until the loop has its turn again. */
struct shared_connection *shared_servers_current(const struct shared_servers *s);

/* There is none, but there may be one in a moment: it is the first attempt, or the first after a
 * connection that was in use. */
bool shared_servers_is_coming(const struct shared_servers *s);

void shared_servers_health(const struct shared_servers *s, struct engine_health *out);

/* Calls back what is outstanding. NULL is allowed. */
void shared_servers_free(struct shared_servers *s);

#endif
