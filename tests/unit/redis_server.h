/*
 * Redis servers, as Debian packages them, each with a unix socket in a directory of the test's own.
 * Any failure of its own aborts the test.
 */
#ifndef TESTS_UNIT_REDIS_SERVER_H
#define TESTS_UNIT_REDIS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct redis_server {
    char dir[64];
    char path[96];    /* of the socket */
    char url[104];    /* as the configuration writes it */
    const char *port; /* "0": no TCP */
    const char *password;
    pid_t pid; /* 0: it does not run */
};

/* Makes the directory and starts the server; returns when it answers. `port` on 127.0.0.1, "0":
 * none. The password may be NULL; both are borrowed. */
void redis_server_start(struct redis_server *server, const char *port, const char *password);

void redis_server_kill(struct redis_server *server);    /* SIGKILL; it is gone then */
void redis_server_restart(struct redis_server *server); /* a new process, without its rows */
void redis_server_signal(const struct redis_server *server, int signal);

/* What it answers to a command, at most 16 words split at blanks; an error is text as any other,
 * nil is "(nil)", a number is decimal. Lives until the next call. */
const char *redis_server_do(const struct redis_server *server, const char *command);

/* SET of any octets. */
void redis_server_set(const struct redis_server *server, const char *key, const void *octets,
                      size_t len);

/* GET; returns the length, at most `size`. */
size_t redis_server_get(const struct redis_server *server, const char *key, void *out, size_t size);

void redis_server_end(struct redis_server *server); /* kills it and removes the directory */

#endif
