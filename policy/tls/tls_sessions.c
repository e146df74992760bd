/*
 * tls_sessions_put() keeps a session, tls_sessions_take() takes out the newest of its key, once;
 * NULL is always a result that costs a full handshake and nothing else. A session is good for as
 * long as its server said, an hour at most, by the wall clock, which OpenSSL's sessions go by; one
 * from the future is not good.
 */
#include "tls/tls_sessions.h"

#include "base/list.h"
#include "base/table.h"
#include "policy/clock.h"

#include <stdlib.h>
#include <string.h>

enum { LIFE_S = 3600 };

struct same_key {
    struct table_node node;
    struct list sessions; /* the oldest first; never empty while it is in the table */
    size_t count;
    char key[];
};

struct kept {
    struct list link;   /* of the same key */
    struct list by_age; /* of all */
    struct same_key *of;
    SSL_SESSION *session;
};

struct tls_sessions {
    struct table by_key;
    struct list by_age; /* the oldest first */
    size_t count, max;
};

static struct kept *oldest_of_all(const struct tls_sessions *sessions)
{
    return list_entry(sessions->by_age.next, struct kept, by_age);
}

static void kept_free(struct tls_sessions *sessions, struct kept *kept)
{
    struct same_key *of = kept->of;

    list_remove(&kept->link);
    list_remove(&kept->by_age);
    SSL_SESSION_free(kept->session);
    free(kept);
    sessions->count--;
    if (--of->count > 0)
        return;
    table_remove(&sessions->by_key, &of->node);
    free(of);
}

struct tls_sessions *tls_sessions_new(size_t max)
{
    struct tls_sessions *sessions = calloc(1, sizeof(*sessions));

    if (sessions == NULL || table_init(&sessions->by_key) != 0) {
        free(sessions);
        return NULL;
    }
    list_init(&sessions->by_age);
    sessions->max = max;
    return sessions;
}

void tls_sessions_free(struct tls_sessions *sessions)
{
    if (sessions == NULL)
        return;
    while (!list_empty(&sessions->by_age))
        kept_free(sessions, oldest_of_all(sessions));
    table_fini(&sessions->by_key);
    free(sessions);
}

static struct same_key *find(const struct tls_sessions *sessions, const char *key)
{
    struct table_node *node = table_find(&sessions->by_key, key);

    return node != NULL ? list_entry(node, struct same_key, node) : NULL;
}

/* Wall clock, seconds since 1970. From OpenSSL 3.4 on the first name is deprecated. */
static int64_t began_s(const SSL_SESSION *session)
{
#if OPENSSL_VERSION_NUMBER >= 0x30400000L
    return (int64_t)SSL_SESSION_get_time_ex(session);
#else
    return (int64_t)SSL_SESSION_get_time(session);
#endif
}

static bool is_good(const SSL_SESSION *session)
{
    int64_t age_s = clock_wall_s() - began_s(session);

    return SSL_SESSION_is_resumable(session) && age_s >= 0 && age_s < LIFE_S &&
           age_s < (int64_t)SSL_SESSION_get_timeout(session);
}

/* The key's entry, with room for one more session. NULL: out of memory. */
static struct same_key *make_room(struct tls_sessions *sessions, const char *key)
{
    struct same_key *of = find(sessions, key);
    size_t key_size = strlen(key) + 1;

    if (of != NULL && of->count >= TLS_SESSIONS_OF_KEY)
        kept_free(sessions, list_entry(of->sessions.next, struct kept, link));
    else if (sessions->count >= sessions->max)
        kept_free(sessions, oldest_of_all(sessions));
    of = find(sessions, key); /* it may have gone with its only session */
    if (of != NULL)
        return of;
    of = calloc(1, sizeof(*of) + key_size);
    if (of == NULL)
        return NULL;
    memcpy(of->key, key, key_size);
    list_init(&of->sessions);
    table_add(&sessions->by_key, &of->node, of->key);
    return of;
}

void tls_sessions_put(struct tls_sessions *sessions, const char *key, SSL_SESSION *session)
{
    struct kept *kept = sessions->max > 0 && is_good(session) ? calloc(1, sizeof(*kept)) : NULL;
    struct same_key *of = kept != NULL ? make_room(sessions, key) : NULL;

    if (of == NULL) {
        free(kept);
        SSL_SESSION_free(session);
        return;
    }
    kept->of = of;
    kept->session = session;
    list_append(&of->sessions, &kept->link);
    list_append(&sessions->by_age, &kept->by_age);
    of->count++;
    sessions->count++;
}

SSL_SESSION *tls_sessions_take(struct tls_sessions *sessions, const char *key)
{
    SSL_SESSION *session = NULL;
    struct same_key *of;

    while (session == NULL && (of = find(sessions, key)) != NULL) {
        struct kept *newest = list_entry(of->sessions.prev, struct kept, link);

        if (is_good(newest->session)) {
            session = newest->session;
            newest->session = NULL;
        }
        kept_free(sessions, newest);
    }
    return session;
}

void tls_sessions_forget(struct tls_sessions *sessions, const char *key)
{
    struct same_key *of;

    while ((of = find(sessions, key)) != NULL)
        kept_free(sessions, list_entry(of->sessions.next, struct kept, link));
}

size_t tls_sessions_count(const struct tls_sessions *sessions)
{
    return sessions->count;
}
