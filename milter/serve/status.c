/*
 * The state of the daemon: status_collect asks engine, metrics and configuration, and derives which
 * warnings stand; status_json writes it all for who asks by the socketmap.
 */
#include "serve/status.h"

#include "base/json.h"
#include "serve/socketmap_conn.h"

#include <unistd.h>

static bool misses_resolver(const struct engine_health *health)
{
    for (size_t i = 0; i < health->resolver_count; i++) {
        const struct engine_resolver_health *r = &health->resolvers[i];
        if (r->trusted && r->checked && !r->validates)
            return true;
    }
    return false;
}

void status_collect(const struct socketmap *server, struct status *out)
{
    *out = (struct status){.config = server->config,
                           .store = server->at_start->engine.store,
                           .started_s = metrics_started_s(server->metrics),
                           .uptime_s = metrics_uptime_s(server->metrics),
                           .sessions = metrics_sessions(server->metrics),
                           .lmtp_sessions = metrics_lmtp_sessions(server->metrics),
                           .socketmap_connections = server->connection_count};
    for (unsigned i = 0; i < METRICS_CONNECTION_NONE; i++)
        out->connections[i] = metrics_connections(server->metrics, i);
    engine_get_health(server->engine, &out->health);
    engine_get_stats(server->engine, &out->stats);
    out->config_changed = config_source_changed(out->config, out->config->path);
    for (unsigned i = 0; i < STANDING_COUNT; i++)
        out->standing[i] = metrics_standing(server->metrics, i);
    out->standing[STANDING_DNSSEC_UNKNOWN] = !out->health.security_known;
    out->standing[STANDING_RESOLVER] = out->health.security_known && misses_resolver(&out->health);
    out->standing[STANDING_STORE_DOWN] = out->health.store == ENGINE_STORE_DOWN;
    out->standing[STANDING_SHARED_DOWN] = out->health.shared == ENGINE_SHARED_NOT_CONNECTED;
    out->standing[STANDING_SHARED_READ_ONLY] = out->health.shared == ENGINE_SHARED_READ_ONLY;
    out->standing[STANDING_CONFIGURATION_CHANGED] = out->config_changed;
    out->standing[STANDING_PROBE_RESTS] =
        out->stats.probe_rests && out->config->engine.probe_enable != ENGINE_PROBE_NO;
}

static void add_string(struct json *json, const char *key, const char *value)
{
    json_key(json, key);
    json_string(json, value);
}

static void add_int(struct json *json, const char *key, int64_t value)
{
    json_key(json, key);
    json_int(json, value);
}

static void add_bool(struct json *json, const char *key, bool value)
{
    json_key(json, key);
    json_bool(json, value);
}

static void add_time(struct json *json, const char *key, time_t when)
{
    json_key(json, key);
    json_time(json, when);
}

static void add_configuration(const struct status *status, struct json *json)
{
    json_key(json, "configuration");
    json_object_begin(json);
    add_string(json, "file", status->config->path);
    add_bool(json, "present", status->config->source.present);
    add_time(json, "read", status->config->source.read_s);
    add_bool(json, "changed", status->config_changed);
    json_object_end(json);
}

static void add_resolvers(const struct engine_health *health, struct json *json)
{
    add_bool(json, "dnssec_known", health->security_known);
    json_key(json, "resolvers");
    json_array_begin(json);
    for (size_t i = 0; i < health->resolver_count; i++) {
        const struct engine_resolver_health *r = &health->resolvers[i];
        json_object_begin(json);
        add_string(json, "address", r->address);
        add_bool(json, "trusted", r->trusted);
        add_bool(json, "checked", r->checked);
        add_bool(json, "validates", r->validates);
        add_string(json, "failure", r->failure[0] != '\0' ? r->failure : NULL);
        json_object_end(json);
    }
    json_array_end(json);
}

static void add_store(const struct status *status, struct json *json)
{
    static const char *const states[] = {
        [ENGINE_STORE_OFF] = "off", [ENGINE_STORE_UP] = "up", [ENGINE_STORE_DOWN] = "down"};
    const struct engine_health *health = &status->health;
    json_key(json, "store");
    json_object_begin(json);
    add_string(json, "path", status->store);
    add_string(json, "state", states[health->store]);
    add_string(json, "failure", health->store == ENGINE_STORE_DOWN ? health->store_failure : NULL);
    json_object_end(json);
}

static void add_shared(const struct engine_health *health, struct json *json)
{
    static const char *const states[] = {[ENGINE_SHARED_OFF] = "off",
                                         [ENGINE_SHARED_CONNECTED] = "up",
                                         [ENGINE_SHARED_READ_ONLY] = "read-only",
                                         [ENGINE_SHARED_NOT_CONNECTED] = "down"};
    bool wrong =
        health->shared == ENGINE_SHARED_READ_ONLY || health->shared == ENGINE_SHARED_NOT_CONNECTED;

    json_key(json, "shared_cache");
    json_object_begin(json);
    add_string(json, "state", states[health->shared]);
    add_string(json, "server", health->shared_server[0] != '\0' ? health->shared_server : NULL);
    add_string(json, "failure", wrong ? health->shared_failure : NULL);
    json_object_end(json);
}

static void add_probe(const struct status *status, struct json *json)
{
    json_key(json, "probe");
    json_object_begin(json);
    add_bool(json, "enabled", status->config->engine.probe_enable != ENGINE_PROBE_NO);
    add_int(json, "in_progress", (int64_t)status->stats.probes_in_flight);
    add_int(json, "entries", (int64_t)status->stats.probe_entries);
    add_bool(json, "resting", status->standing[STANDING_PROBE_RESTS]);
    json_object_end(json);
}

static void add_deliver(const struct status *status, struct json *json)
{
    json_key(json, "deliver");
    json_object_begin(json);
    add_bool(json, "enabled", status->config->deliver.socket_count > 0);
    add_int(json, "sessions", (int64_t)status->lmtp_sessions);
    add_int(json, "setup", (int64_t)status->connections[METRICS_CONNECTION_SETUP]);
    add_int(json, "active", (int64_t)status->connections[METRICS_CONNECTION_ACTIVE]);
    add_int(json, "idle", (int64_t)status->connections[METRICS_CONNECTION_IDLE]);
    json_object_end(json);
}

static void add_warnings(const struct status *status, struct json *json)
{
    json_key(json, "warnings");
    json_array_begin(json);
    for (unsigned i = 0; i < STANDING_COUNT; i++) {
        if (!status->standing[i])
            continue;
        json_object_begin(json);
        add_string(json, "name", standing_name(i));
        add_string(json, "text", standing_text(i));
        json_object_end(json);
    }
    json_array_end(json);
}

void status_json(const struct status *status, struct json *json)
{
    json_object_begin(json);
    add_string(json, "version", PROJECT_VERSION);
    add_int(json, "pid", getpid());
    add_time(json, "started", status->started_s);
    add_int(json, "uptime", status->uptime_s);
    add_configuration(status, json);
    add_resolvers(&status->health, json);
    add_store(status, json);
    add_shared(&status->health, json);
    add_int(json, "sessions", (int64_t)status->sessions);
    add_int(json, "socketmap_connections", (int64_t)status->socketmap_connections);
    add_int(json, "cache_entries", (int64_t)status->stats.cache_entries);
    add_int(json, "cache_octets", (int64_t)status->stats.cache_octets);
    add_probe(status, json);
    add_deliver(status, json);
    add_warnings(status, json);
    json_object_end(json);
}
