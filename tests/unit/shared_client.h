/*
 * A client of the shared cache on an event loop that the test turns, with what it was told and what
 * it logged. Any failure of its own aborts the test.
 */
#ifndef TESTS_UNIT_SHARED_CLIENT_H
#define TESTS_UNIT_SHARED_CLIENT_H

#include "store/shared.h"

enum {
    CLIENT_TIMEOUT_MS = 500, /* what the client is configured with */
    CLIENT_MAX_PAYLOAD = 4096,
    CLIENT_WAIT_MS = 20000, /* until a test that waits fails */
};

struct shared_client {
    struct event_base *base;
    struct event *tick;
    struct shared *shared;
    struct shared_config config;
    const char *servers[5];
    struct shared_mac_keys keys;
    char log[8192]; /* lines */
    unsigned lines;
};

/* Up to four servers; NULL: no more. */
void shared_client_start(struct shared_client *client, const char *password, const char *first,
                         const char *second);
/* With another time-out than CLIENT_TIMEOUT_MS. */
void shared_client_start_with(struct shared_client *client, unsigned timeout_ms,
                              const char *password, const char *first, const char *second);
void shared_client_end(struct shared_client *client);

/* What became of a question. */
struct asked {
    struct shared_request *request; /* NULL: none was begun */
    unsigned calls;
    bool found;
    enum shared_reject says; /* what the callback returns */
    char payload[CLIENT_MAX_PAYLOAD + 1];
    size_t payload_len;
    int64_t began_ms; /* clock_awake_ms */
    int64_t took_ms;
};

void shared_client_ask(struct shared_client *client, struct asked *asked, const char *name);

/* Asks for the policy `name` and waits: its payload; NULL: there was no answer. Lives until the
 * next call. */
const char *shared_client_get(struct shared_client *client, const char *name);

/* A policy that lives for an hour. */
void shared_client_put(struct shared_client *client, const char *name, const char *payload);

/* 1: gone; 0: the callback said no; -1: it was not begun. */
int shared_client_delete(struct shared_client *client, const char *name);

/* Turns the loop until it is so; false when that takes too long. */
bool shared_client_until(struct shared_client *client, bool (*is)(void *arg), void *arg);

void shared_client_turn(struct shared_client *client, int ms); /* for so long */

/* Waits until its health is this. */
void shared_client_await(struct shared_client *client, enum engine_shared_health health);

uint64_t shared_client_result(struct shared_client *client, enum engine_shared_result result);
uint64_t shared_client_rejected(struct shared_client *client, enum shared_reject reject);
const char *shared_client_failure(struct shared_client *client); /* of its health */
const char *shared_client_server(struct shared_client *client);  /* likewise */

#endif
