/*
 * TLS sessions that may be resumed (RFC 8446 section 2.2, RFC 5077), by a text that says all that
 * was demanded of the connection (tls_demand_key). Bounded in number: the oldest makes room. One
 * object, one thread.
 */
#ifndef POLICY_TLS_TLS_SESSIONS_H
#define POLICY_TLS_TLS_SESSIONS_H

#include <stddef.h>

#include <openssl/ssl.h>

/* Sessions of one key: as many connections as the agent opens to one address by default (per_host),
 * so that each resumes the session of one before it. */
enum { TLS_SESSIONS_OF_KEY = 20 };

struct tls_sessions;

/* NULL: out of memory. */
struct tls_sessions *tls_sessions_new(size_t max);
void tls_sessions_free(struct tls_sessions *sessions); /* NULL is allowed */

/* Keeps a session; where there are too many of the key, or of all, the oldest of them is freed.
 * Takes the caller's reference. One that cannot be resumed, or for which there is no memory, is
 * freed. */
void tls_sessions_put(struct tls_sessions *sessions, const char *key, SSL_SESSION *session);

/* Takes the newest session out: a TLS 1.3 ticket is for one use (RFC 8446 appendix C.4). NULL:
 * there is none that is still good. The caller frees it (SSL_SESSION_free). */
SSL_SESSION *tls_sessions_take(struct tls_sessions *sessions, const char *key);

/* Frees all of a key. */
void tls_sessions_forget(struct tls_sessions *sessions, const char *key);

size_t tls_sessions_count(const struct tls_sessions *sessions);

#endif
