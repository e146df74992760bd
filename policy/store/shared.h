/*
 * The client of the shared cache: asks a Redis or Valkey server for rows, writes and deletes them.
 * It only ever costs what others have learnt: whatever is wrong with server or network, a question
 * ends within timeout_ms, and while no server is there it is answered at once. So it is for a
 * second after one was late, until the server has answered anything in time: of questions that are
 * asked one after the other not each waits for a slow server.
 *
 * One server of the list is used at a time: the first, in the order of the list, that can be
 * reached, accepts the password and takes rows; if none takes rows, the first that answers. One
 * that fails leaves its turn to the next; when all have failed they are tried again after a second,
 * then less often, at most 30 s apart, and so are those that the one in use stands in for.
 *
 * All of it on the thread of the event loop, but for shared_get_stats. No callback fires before the
 * call that asked for it has returned. A callback may make any call but those that change the
 * configuration, and shared_free. A name in a redis:// URL is looked up with getaddrinfo(3) for
 * each attempt to connect, on a thread of its own (shared_name.h).
 *
 * Built without hiredis there is no server that could be configured: then a list with servers is
 * -ENOSYS.
 */
#ifndef POLICY_STORE_SHARED_H
#define POLICY_STORE_SHARED_H

#include "policy/engine_health.h"
#include "policy/engine_stats.h"
#include "policy/shared_cache.h"
#include "store/shared_row.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shared;
struct shared_request;

/* All of it is copied. */
struct shared_config {
    const char *const *servers; /* as policy/shared_server.h has them; ends with NULL. NULL or no
                                   server: nothing is shared, and every call has no answer */
    const char *password;       /* NULL: none. Never logged */
    const struct shared_mac_keys *keys; /* of the rows; NULL only without servers */
    int timeout_ms;     /* from question to answer, and for a row to be deleted. 0: 100 */
    size_t max_payload; /* octets of a row's payload; more is no answer, and is not written */

    /* Warnings and notices, one line; on the loop's thread. NULL: silence. Always the same. */
    void (*log)(void *log_arg, int priority /* syslog(3) LOG_... */, const char *message);
    void *log_arg;
};

/*
 * Begins to connect. Returns 0 and the client; -EINVAL (a server that is none, no keys) or -ENOSYS
 * with a message in err; or -ENOMEM. A server that is not there is no error.
 */
int shared_new(struct event_base *base, const struct shared_config *config, struct shared **out,
               char *err, size_t err_size);

/*
 * Makes ready to take over another configuration: results as shared_new's. Nothing of it counts
 * before shared_change_apply, which takes all of it and cannot fail: if servers or password are
 * others, it begins anew, and requests that are open end without an answer, soon. What is not to
 * be applied is freed. Between the two there is no turn of the loop, and no other change.
 */
struct shared_change;
int shared_change_new(struct shared *shared, const struct shared_config *config,
                      struct shared_change **out, char *err, size_t err_size);
void shared_change_apply(struct shared_change *change); /* and frees it */
void shared_change_free(struct shared_change *change);  /* NULL is allowed */

/* Both at once. */
int shared_reconfigure(struct shared *shared, const struct shared_config *config, char *err,
                       size_t err_size);

/*
 * A row, or NULL: there is none, it is late, rejected or too large, or the server failed. Borrowed
 * for the call, with its payload. Returns what the caller made of the payload, SHARED_OK or why it
 * is not used, which is then counted; without a row it is ignored.
 */
typedef enum shared_reject (*shared_get_fn)(const struct shared_row *row, void *arg);

/*
 * Asks for the row of `name` (shared_key.h). `done` is called once, at most timeout_ms later. NULL:
 * there is no answer, and no callback: no server is there, it is late, too much is asked already,
 * the name has no row key, or there is no memory.
 */
struct shared_request *shared_get(struct shared *shared, enum shared_kind kind, const char *name,
                                  shared_get_fn done, void *arg);

/* Writes a row that lives until ends_at_s (wall clock), as well as it can: nothing is kept for
 * later, and that it was not written is only counted. */
void shared_put(struct shared *shared, enum shared_kind kind, const char *name, const void *payload,
                size_t len, int64_t ends_at_s);

typedef void (*shared_delete_fn)(bool gone, void *arg);

/*
 * Deletes a row. `done` is called once, at most timeout_ms later: whether the server has it no
 * more; false also when it did not say so in time. NULL: it has not been deleted, for the reasons
 * of shared_get, and there is no callback.
 */
struct shared_request *shared_delete(struct shared *shared, enum shared_kind kind, const char *name,
                                     shared_delete_fn done, void *arg);

/* Gives up a request that has not called back: it will not. A row to be deleted may still be. */
void shared_drop(struct shared_request *request);

/* What has come of the calls; fills in the members of the shared cache. Any thread. A request that
 * was dropped is counted when the server answers, or by its time. */
void shared_get_stats(const struct shared *shared, struct engine_stats *out);

/* How it is; fills in the members of the shared cache. */
void shared_health(const struct shared *shared, struct engine_health *out);

/* Requests that are open are dropped. NULL is allowed. */
void shared_free(struct shared *shared);

#endif
