/*
 * A server that speaks enough of Redis's protocol to answer what it is told to, on the event loop
 * of its client: nothing is sent that the test does not know of. Any failure of its own aborts the
 * test.
 */
#ifndef TESTS_UNIT_SCRIPTED_REDIS_H
#define TESTS_UNIT_SCRIPTED_REDIS_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

enum { SCRIPTED_CONNECTIONS_MAX = 64 };

struct bufferevent;
struct evconnlistener;

/* What it says, octets with a NUL behind them; NULL: nothing. */
struct script {
    const char *greeting; /* when a client has connected */
    const char *auth;
    const char *select;
    const char *check; /* to the row that shows whether it takes rows */
    const char *get;
    const char *set;
    const char *del;
    bool closes;    /* after what it says to get */
    bool no_reader; /* it reads nothing */
};

/* A server that has no rows. */
#define SCRIPT_GOOD                                                                                \
    {                                                                                              \
        .auth = "+OK\r\n", .select = "+OK\r\n", .check = "+OK\r\n", .get = "$0\r\n\r\n",           \
        .set = "+OK\r\n", .del = ":0\r\n"                                                          \
    }

struct scripted_redis {
    struct script script; /* the test may change it */
    char dir[64];
    char path[96];
    char url[104];
    struct evconnlistener *listener;
    struct bufferevent *connections[SCRIPTED_CONNECTIONS_MAX]; /* NULL: none */
    unsigned accepted;
    unsigned closed; /* by the client */
    unsigned gets;   /* that came */
    unsigned sets;   /* likewise, but for the check */
    char words[200]; /* of the last command, joined by blanks */
};

void scripted_redis_start(struct scripted_redis *server, const struct script *script);
void scripted_redis_listen(struct scripted_redis *server, struct event_base *base);

/* Says something to all who are connected. */
void scripted_redis_say(struct scripted_redis *server, const char *octets, size_t len);

void scripted_redis_end(struct scripted_redis *server); /* before its event base is */

#endif
