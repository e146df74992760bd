/*
 * A client of the daemon's socketmap, as Postfix is one: one connection, one question at a time.
 * For the tool and the set-up check. Blocking, with a time-out for each wait.
 */
#ifndef MILTER_BASE_SOCKETMAP_CLIENT_H
#define MILTER_BASE_SOCKETMAP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

struct socketmap_client {
    int fd;           /* -1: not connected */
    size_t reply_max; /* octets */
    char *buf;
    size_t len;
    size_t cap;
};

enum { SOCKETMAP_CLIENT_QUESTION_MAX = 512 };

void socketmap_client_init(struct socketmap_client *client, size_t reply_max);
void socketmap_client_fini(struct socketmap_client *client);

/* Address: unix:/path, inet:host:port or /path. Returns 0 or a negative errno, -EINVAL for what is
 * no address. */
int socketmap_client_connect(struct socketmap_client *client, const char *address);
void socketmap_client_disconnect(struct socketmap_client *client);

/* Asks `map key`; the reply, status and text, points into the client and lives until the next
 * question. False: the daemon closed, is too slow or says what is no reply. */
bool socketmap_client_ask(struct socketmap_client *client, const char *question, const char **reply,
                          size_t *len);

#endif
