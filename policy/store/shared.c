/*
 * shared_new takes the configuration and begins to connect (shared_servers.c); the requests are
 * shared_request.c's. Another configuration of servers ends all connections, and with them what is
 * open; another key, or none of that, does not.
 */
#include "store/shared.h"

#include "store/shared_internal.h"

#include <errno.h>
#include <event2/buffer.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TIMEOUT_MS = 100,
    STALL_MS = 1000, /* that a server may owe a reply; ten time-outs, if that is longer */
};

/* What depends on servers and password. */
struct part {
    struct shared_servers *servers;
    char *setup;
    size_t setup_len;
};

struct shared_change {
    struct shared *shared;
    struct shared_mac_keys keys;
    bool same; /* as what is there: `part` is not used */
    struct part part;
    int timeout_ms;
    size_t max_payload;
};

static int timeout_of(const struct shared_config *config)
{
    return config->timeout_ms > 0 ? config->timeout_ms : TIMEOUT_MS;
}

static bool has_servers(const struct shared_config *config)
{
    return config->servers != NULL && config->servers[0] != NULL;
}

/* on_ready of the servers */
static void on_ready(void *arg)
{
    shared_requests_send(arg);
}

/* All that the connections depend on, in one string of octets. 0 or -ENOMEM. */
static int write_setup(const struct shared_config *config, struct part *out)
{
    struct evbuffer *text = evbuffer_new();
    bool ok = text != NULL &&
              evbuffer_add_printf(text, "%d %zu\n", timeout_of(config), config->max_payload) >= 0;

    for (size_t i = 0; ok && has_servers(config) && config->servers[i] != NULL; i++)
        ok = evbuffer_add_printf(text, "%s\n", config->servers[i]) >= 0;
    if (ok && config->password != NULL)
        ok = evbuffer_add_printf(text, "\n%s", config->password) >= 0;
    if (ok) {
        out->setup_len = evbuffer_get_length(text);
        out->setup = malloc(out->setup_len);
        ok = out->setup != NULL;
    }
    if (ok)
        evbuffer_copyout(text, out->setup, out->setup_len);
    if (text != NULL)
        evbuffer_free(text);
    return ok ? 0 : -ENOMEM;
}

static void part_free(struct part *part)
{
    shared_servers_free(part->servers);
    if (part->setup != NULL)
        OPENSSL_cleanse(part->setup, part->setup_len);
    free(part->setup);
}

static int make_servers(struct shared *shared, const struct shared_config *config,
                        struct part *part, char *err, size_t err_size)
{
    const int timeout_ms = timeout_of(config);
    const struct shared_servers_config servers = {
        .base = shared->base,
        .servers = config->servers,
        .password = config->password,
        .max_value = shared_row_max(config->max_payload) + 1,
        .stall_ms = timeout_ms > STALL_MS / 10 ? timeout_ms * 10 : STALL_MS,
        .on_ready = on_ready,
        .arg = shared,
        .log = config->log,
        .log_arg = config->log_arg,
    };

    if (!has_servers(config))
        return 0;
    return shared_servers_new(&servers, &part->servers, err, err_size);
}

static int check_keys(const struct shared_config *config, char *err, size_t err_size)
{
    if (!has_servers(config) || (config->keys != NULL && config->keys->count > 0))
        return 0;
    snprintf(err, err_size, "the shared cache has no key");
    return -EINVAL;
}

/* The part takes the place of what was there. */
static void replace(struct shared *shared, struct shared_change *change)
{
    struct part before = {
        .servers = shared->servers, .setup = shared->setup, .setup_len = shared->setup_len};

    shared->ending = true;
    part_free(&before);
    shared->ending = false;
    shared->servers = change->part.servers;
    shared->setup = change->part.setup;
    shared->setup_len = change->part.setup_len;
    change->part = (struct part){.servers = NULL};
    shared->timeout_ms = change->timeout_ms;
    shared->max_payload = change->max_payload;
    shared->in_vain = false;
    shared->late_ms = 0;
    shared_requests_end_soon(shared);
}

void shared_change_free(struct shared_change *change)
{
    if (change == NULL)
        return;
    part_free(&change->part);
    OPENSSL_cleanse(&change->keys, sizeof(change->keys));
    free(change);
}

int shared_change_new(struct shared *shared, const struct shared_config *config,
                      struct shared_change **out, char *err, size_t err_size)
{
    struct shared_change *change = calloc(1, sizeof(*change));
    int error;

    if (change == NULL)
        return -ENOMEM;
    change->shared = shared;
    change->timeout_ms = timeout_of(config);
    change->max_payload = config->max_payload;
    if (config->keys != NULL)
        change->keys = *config->keys;
    error = check_keys(config, err, err_size);
    if (error == 0)
        error = write_setup(config, &change->part);
    change->same = error == 0 && shared->setup != NULL &&
                   change->part.setup_len == shared->setup_len &&
                   memcmp(change->part.setup, shared->setup, shared->setup_len) == 0;
    if (error == 0 && !change->same)
        error = make_servers(shared, config, &change->part, err, err_size);
    if (error != 0) {
        shared_change_free(change);
        return error;
    }
    *out = change;
    return 0;
}

void shared_change_apply(struct shared_change *change)
{
    struct shared *shared = change->shared;

    OPENSSL_cleanse(&shared->keys, sizeof(shared->keys));
    shared->keys = change->keys;
    if (!change->same)
        replace(shared, change);
    shared_change_free(change);
}

int shared_reconfigure(struct shared *shared, const struct shared_config *config, char *err,
                       size_t err_size)
{
    struct shared_change *change;
    int error = shared_change_new(shared, config, &change, err, err_size);

    if (error == 0)
        shared_change_apply(change);
    return error;
}

int shared_new(struct event_base *base, const struct shared_config *config, struct shared **out,
               char *err, size_t err_size)
{
    struct shared *shared = calloc(1, sizeof(*shared));
    int error;

    if (shared == NULL)
        return -ENOMEM;
    shared->base = base;
    list_init(&shared->open);
    shared->on_time = evtimer_new(base, shared_requests_on_time, shared);
    error = shared->on_time != NULL ? shared_reconfigure(shared, config, err, err_size) : -ENOMEM;
    if (error != 0) {
        shared_free(shared);
        return error;
    }
    *out = shared;
    return 0;
}

void shared_get_stats(const struct shared *shared, struct engine_stats *out)
{
    for (size_t i = 0; i < ENGINE_SHARED_RESULTS; i++)
        out->shared_results[i] = atomic_load_explicit(&shared->results[i], memory_order_relaxed);
    for (size_t i = 0; i < SHARED_REJECTS; i++)
        out->shared_rejected[i] = atomic_load_explicit(&shared->rejected[i], memory_order_relaxed);
}

void shared_health(const struct shared *shared, struct engine_health *out)
{
    if (shared->servers != NULL) {
        shared_servers_health(shared->servers, out);
    } else {
        out->shared = ENGINE_SHARED_OFF;
        out->shared_server[0] = out->shared_failure[0] = '\0';
    }
}

void shared_free(struct shared *shared)
{
    struct part part;

    if (shared == NULL)
        return;
    part = (struct part){
        .servers = shared->servers, .setup = shared->setup, .setup_len = shared->setup_len};
    shared->ending = true;
    part_free(&part);
    shared_requests_free(shared);
    if (shared->on_time != NULL)
        event_free(shared->on_time);
    OPENSSL_cleanse(&shared->keys, sizeof(shared->keys));
    free(shared);
}
