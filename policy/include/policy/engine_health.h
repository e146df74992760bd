/*
 * How the engine is: which of its resolvers validate DNSSEC, whether its store is written, and
 * whether a shared cache is there. engine_get_health (engine.h) gives a copy.
 */
#ifndef POLICY_ENGINE_HEALTH_H
#define POLICY_ENGINE_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ENGINE_HEALTH_RESOLVERS_MAX = 16, ENGINE_HEALTH_TEXT_MAX = 200 };

struct engine_resolver_health {
    char address[80]; /* with the port, where that is not 53 */
    bool trusted;     /* its AD bit is believed */
    bool checked;     /* a check of it has ended since it was named */
    bool validates;   /* it passed its last check; false where it is not trusted */
    char failure[ENGINE_HEALTH_TEXT_MAX]; /* why the last check failed; "": it did not */
};

enum engine_store_health {
    ENGINE_STORE_OFF, /* in memory only */
    ENGINE_STORE_UP,
    ENGINE_STORE_DOWN, /* it cannot be opened or written now */
};

enum engine_shared_health {
    ENGINE_SHARED_OFF,       /* none is configured */
    ENGINE_SHARED_CONNECTED, /* a server of the list answers and takes rows */
    ENGINE_SHARED_READ_ONLY, /* one answers, but none takes rows */
    ENGINE_SHARED_NOT_CONNECTED,
};

struct engine_health {
    bool security_known;
    struct engine_resolver_health resolvers[ENGINE_HEALTH_RESOLVERS_MAX];
    size_t resolver_count; /* in the list; more than that are left out */
    size_t dns_waiting;    /* queries that are not sent yet: the resolver has enough to do */
    enum engine_store_health store;
    char store_failure[ENGINE_HEALTH_TEXT_MAX]; /* of ENGINE_STORE_DOWN */
    enum engine_shared_health shared;
    char shared_server[80];                      /* which one is asked, as configured; "": none */
    char shared_failure[ENGINE_HEALTH_TEXT_MAX]; /* where it is not ENGINE_SHARED_CONNECTED */
};

#endif
