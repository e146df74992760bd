#include "shared_client.h"

#include "policy/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum {
    TICK_MS = 2,
    LIFE_S = 3600,
    TURNS = 50, /* of the loop; more than any exchange takes */
};

static void log_line(void *arg, int priority, const char *message)
{
    struct shared_client *client = arg;
    size_t used = strlen(client->log);
    (void)priority;

    snprintf(client->log + used, sizeof(client->log) - used, "%s\n", message);
    client->lines++;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

void shared_client_start(struct shared_client *client, const char *password, const char *first,
                         const char *second)
{
    shared_client_start_with(client, CLIENT_TIMEOUT_MS, password, first, second);
}

void shared_client_start_with(struct shared_client *client, unsigned timeout_ms,
                              const char *password, const char *first, const char *second)
{
    const struct timeval tick = {.tv_usec = TICK_MS * 1000};
    char err[200] = "";

    memset(client, 0, sizeof(*client));
    client->base = event_base_new();
    assert_non_null(client->base);
    client->tick = event_new(client->base, -1, EV_PERSIST, on_tick, NULL);
    assert_non_null(client->tick);
    event_add(client->tick, &tick);
    client->servers[0] = first;
    client->servers[1] = second;
    client->keys.count = 1;
    client->keys.lens[0] = SHARED_MAC_KEY_MIN;
    memset(client->keys.keys[0], 'k', SHARED_MAC_KEY_MIN);
    client->config = (struct shared_config){
        .servers = client->servers,
        .password = password,
        .keys = &client->keys,
        .timeout_ms = timeout_ms,
        .max_payload = CLIENT_MAX_PAYLOAD,
        .log = log_line,
        .log_arg = client,
    };
    if (shared_new(client->base, &client->config, &client->shared, err, sizeof(err)) != 0)
        fail_msg("shared_new: %s", err);
}

void shared_client_end(struct shared_client *client)
{
    shared_free(client->shared);
    event_free(client->tick);
    event_base_free(client->base);
}

static enum shared_reject on_get(const struct shared_row *row, void *arg)
{
    struct asked *asked = arg;

    asked->calls++;
    asked->took_ms = clock_awake_ms() - asked->began_ms;
    asked->found = row != NULL;
    if (row == NULL)
        return SHARED_REJECT_CONTENT; /* is ignored */
    assert_true(row->payload_len <= CLIENT_MAX_PAYLOAD);
    memcpy(asked->payload, row->payload, row->payload_len);
    asked->payload[row->payload_len] = '\0';
    asked->payload_len = row->payload_len;
    return asked->says;
}

void shared_client_ask(struct shared_client *client, struct asked *asked, const char *name)
{
    asked->calls = 0;
    asked->found = false;
    asked->began_ms = clock_awake_ms();
    asked->request = shared_get(client->shared, SHARED_POLICY, name, on_get, asked);
    assert_int_equal(asked->calls, 0);
}

bool shared_client_until(struct shared_client *client, bool (*is)(void *arg), void *arg)
{
    int64_t until_ms = clock_awake_ms() + CLIENT_WAIT_MS;

    while (!is(arg)) {
        if (clock_awake_ms() > until_ms)
            return false;
        event_base_loop(client->base, EVLOOP_ONCE);
    }
    return true;
}

void shared_client_turn(struct shared_client *client, int ms)
{
    int64_t until_ms = clock_awake_ms() + ms;

    while (clock_awake_ms() < until_ms)
        event_base_loop(client->base, EVLOOP_ONCE);
    /* Where this process did not run meanwhile, all that the time was for: both ends of a scripted
     * connection are served by this loop. */
    for (int i = 0; i < TURNS; i++)
        event_base_loop(client->base, EVLOOP_NONBLOCK);
}

static bool is_answered(void *arg)
{
    return ((struct asked *)arg)->calls > 0;
}

const char *shared_client_get(struct shared_client *client, const char *name)
{
    static struct asked asked;

    shared_client_ask(client, &asked, name);
    if (asked.request == NULL)
        return NULL;
    assert_true(shared_client_until(client, is_answered, &asked));
    assert_int_equal(asked.calls, 1);
    return asked.found ? asked.payload : NULL;
}

void shared_client_put(struct shared_client *client, const char *name, const char *payload)
{
    shared_put(client->shared, SHARED_POLICY, name, payload, strlen(payload),
               clock_wall_s() + LIFE_S);
}

static void on_delete(bool gone, void *arg)
{
    *(int *)arg = gone;
}

static bool is_deleted(void *arg)
{
    return *(int *)arg >= 0;
}

int shared_client_delete(struct shared_client *client, const char *name)
{
    int result = -1;

    if (shared_delete(client->shared, SHARED_POLICY, name, on_delete, &result) == NULL)
        return -1;
    assert_true(shared_client_until(client, is_deleted, &result));
    return result;
}

struct awaited {
    const struct shared *shared;
    enum engine_shared_health health;
};

static bool is_so(void *arg)
{
    const struct awaited *awaited = arg;
    struct engine_health health = {0};

    shared_health(awaited->shared, &health);
    return health.shared == awaited->health;
}

void shared_client_await(struct shared_client *client, enum engine_shared_health health)
{
    struct awaited awaited = {.shared = client->shared, .health = health};

    if (!shared_client_until(client, is_so, &awaited))
        fail_msg("not %d: %s\n%s", (int)health, shared_client_failure(client), client->log);
}

uint64_t shared_client_result(struct shared_client *client, enum engine_shared_result result)
{
    struct engine_stats stats = {0};

    shared_get_stats(client->shared, &stats);
    return stats.shared_results[result];
}

uint64_t shared_client_rejected(struct shared_client *client, enum shared_reject reject)
{
    struct engine_stats stats = {0};

    shared_get_stats(client->shared, &stats);
    return stats.shared_rejected[reject];
}

const char *shared_client_failure(struct shared_client *client)
{
    static struct engine_health health;

    shared_health(client->shared, &health);
    return health.shared_failure;
}

const char *shared_client_server(struct shared_client *client)
{
    static struct engine_health health;

    shared_health(client->shared, &health);
    return health.shared_server;
}
