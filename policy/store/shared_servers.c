/*
 * look() goes through the list once, one server after the other, each by a connection `candidate`:
 * all of the list while there is no connection that takes rows, else those before the one in use. A
 * server that failed, or took no row, rests (shared_rest.h). When a rest is over, look() is called
 * again if that server could be better than what is in use.
 *
 * A connection that has been in use for ten seconds and ends (the server was restarted, or closes
 * what is idle) is opened again at once.
 */
#include "store/shared_servers.h"

#include "policy/clock.h"
#include "store/shared_rest.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

enum {
    OPEN_MS = 2000, /* to be connected and ready */
    IN_USE_MS = 10000,
    LINE_SIZE = 512,
};

struct server {
    struct shared_url url;
    struct shared_rest rest;
    /* It failed after it was ready and before it answered: that it is ready says nothing then. */
    bool is_doubted;
    char why[SHARED_WHY_MAX]; /* it failed, or takes no rows */
};

struct shared_servers {
    struct shared_servers_config config;
    char *password;
    struct server *servers;
    size_t count;

    struct shared_connection *current;
    size_t current_at; /* of the servers */
    int64_t ready_at_ms;

    struct shared_connection *candidate;
    size_t candidate_at;
    bool has_failed; /* since there was a connection in use, or at all */
    struct event *on_time;

    enum engine_shared_health logged; /* ENGINE_SHARED_OFF: nothing yet */
    size_t logged_at;
};

static void look(struct shared_servers *s);
static void try_from(struct shared_servers *s, size_t at);

static __attribute__((format(printf, 3, 4))) void log_line(const struct shared_servers *s,
                                                           int priority, const char *format, ...)
{
    char line[LINE_SIZE];
    va_list args;

    if (s->config.log == NULL)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    s->config.log(s->config.log_arg, priority, line);
}

static bool takes_rows(const struct shared_servers *s)
{
    return s->current != NULL && shared_connection_refuses(s->current) == NULL;
}

/* Why none is there: each server's reason. */
static void tell_failures(const struct shared_servers *s, char *out, size_t size)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < s->count && used < size; i++) {
        const struct server *server = &s->servers[i];
        int len = snprintf(out + used, size - used, "%s%s: %s", i > 0 ? "; " : "", server->url.text,
                           server->why[0] != '\0' ? server->why : "being connected");

        used += len > 0 ? (size_t)len : 0;
    }
}

static enum engine_shared_health state_of(const struct shared_servers *s)
{
    if (s->current == NULL)
        return ENGINE_SHARED_NOT_CONNECTED;
    return takes_rows(s) ? ENGINE_SHARED_CONNECTED : ENGINE_SHARED_READ_ONLY;
}

/* Logs the state if it is another than what was logged last. */
static void log_state(struct shared_servers *s)
{
    enum engine_shared_health state = state_of(s);
    const char *server = s->current != NULL ? s->servers[s->current_at].url.text : "";
    char failures[LINE_SIZE / 2];

    if (s->logged == state && (s->current == NULL || s->logged_at == s->current_at))
        return;
    if (s->current != NULL && s->servers[s->current_at].is_doubted)
        return;
    s->logged = state;
    s->logged_at = s->current_at;
    if (state == ENGINE_SHARED_CONNECTED) {
        log_line(s, LOG_NOTICE, "shared cache: connected to %s", server);
    } else if (state == ENGINE_SHARED_READ_ONLY) {
        log_line(s, LOG_WARNING, "shared cache: %s is read, but takes no rows: %s", server,
                 shared_connection_refuses(s->current));
    } else {
        tell_failures(s, failures, sizeof(failures));
        log_line(s, LOG_WARNING, "shared cache: not connected, it is done without: %s", failures);
    }
}

static void rest(struct server *server, const char *why)
{
    snprintf(server->why, sizeof(server->why), "%s", why);
    shared_rest_begin(&server->rest, clock_awake_ms());
}

/* How many servers of the list could be better than what is in use. */
static size_t better_count(const struct shared_servers *s)
{
    return takes_rows(s) ? s->current_at : s->count;
}

/* When all that could be better have been tried: again when the first has rested. */
static void look_over(struct shared_servers *s)
{
    size_t count = better_count(s);
    int64_t first_ms = INT64_MAX, now_ms = clock_awake_ms(), delay_ms;
    struct timeval delay;

    for (size_t i = 0; i < count; i++) {
        if (s->servers[i].rest.until_ms < first_ms)
            first_ms = s->servers[i].rest.until_ms;
    }
    delay_ms = first_ms > now_ms ? first_ms - now_ms : 0;
    if (count > 0) {
        delay = (struct timeval){.tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000};
        event_add(s->on_time, &delay);
    }
    log_state(s);
}

/* event_callback_fn */
static void on_time(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    look(arg);
}

/* Whether a connection that has become ready is better than what is in use. */
static bool is_better(const struct shared_servers *s)
{
    bool takes = shared_connection_refuses(s->candidate) == NULL;

    return s->current == NULL || (takes && !takes_rows(s)) ||
           (takes == takes_rows(s) && s->candidate_at < s->current_at);
}

static void use_candidate(struct shared_servers *s)
{
    struct shared_connection *before = s->current;

    s->current = s->candidate;
    s->current_at = s->candidate_at;
    s->candidate = NULL;
    s->ready_at_ms = clock_awake_ms();
    s->has_failed = false;
    s->config.on_ready(s->config.arg);
    shared_connection_free(before);
}

/* on_ready of a connection, which is the candidate then. */
static bool on_ready(struct shared_connection *c, void *arg)
{
    struct shared_servers *s = arg;
    struct server *server = &s->servers[s->candidate_at];
    const char *refusal = shared_connection_refuses(c);
    bool keep = is_better(s);

    if (refusal != NULL)
        rest(server, refusal);
    else
        server->why[0] = '\0';
    if (keep) {
        use_candidate(s);
    } else {
        s->candidate = NULL;
        shared_connection_free(c);
    }
    if (takes_rows(s))
        look_over(s);
    else
        try_from(s, s->candidate_at + 1);
    return keep;
}

/* on_answered of the connection in use */
static void on_answered(struct shared_connection *c, void *arg)
{
    struct shared_servers *s = arg;

    if (c != s->current)
        return;
    s->servers[s->current_at].is_doubted = false;
    log_state(s);
}

/* on_refused of the connection in use */
static void on_refused(struct shared_connection *c, void *arg)
{
    struct shared_servers *s = arg;

    if (c != s->current)
        return;
    rest(&s->servers[s->current_at], shared_connection_refuses(c));
    look(s);
}

/* What was in use has ended. */
static void on_lost(struct shared_servers *s, const char *why)
{
    struct server *server = &s->servers[s->current_at];
    bool was_in_use = clock_awake_ms() - s->ready_at_ms >= IN_USE_MS;
    struct shared_connection *lost = s->current;

    s->current = NULL;
    if (was_in_use) {
        snprintf(server->why, sizeof(server->why), "%s", why);
    } else {
        if (!shared_connection_has_answered(lost))
            server->is_doubted = true;
        s->has_failed = true;
        rest(server, why);
    }
    shared_connection_free(lost);
    look(s);
}

/* on_failed of a connection */
static void on_failed(struct shared_connection *c, const char *why, void *arg)
{
    struct shared_servers *s = arg;

    if (c != s->candidate) {
        on_lost(s, why);
        return;
    }
    s->candidate = NULL;
    s->has_failed = true;
    shared_connection_free(c);
    rest(&s->servers[s->candidate_at], why);
    try_from(s, s->candidate_at + 1);
}

static const struct shared_connection_events connection_events = {
    .on_ready = on_ready,
    .on_answered = on_answered,
    .on_refused = on_refused,
    .on_failed = on_failed,
};

static int try_server(struct shared_servers *s, size_t at)
{
    const struct shared_connection_config config = {
        .base = s->config.base,
        .url = &s->servers[at].url,
        .password = s->password,
        .max_value = s->config.max_value,
        .open_ms = OPEN_MS,
        .stall_ms = s->config.stall_ms,
        .events = &connection_events,
        .arg = s,
    };

    s->candidate_at = at;
    return shared_connection_new(&config, &s->candidate);
}

/* Tries the next that could be better and does not rest. */
static void try_from(struct shared_servers *s, size_t at)
{
    for (; at < better_count(s); at++) {
        if (s->servers[at].rest.until_ms > clock_awake_ms())
            continue;
        if (try_server(s, at) == 0)
            return;
        rest(&s->servers[at], "there is no memory to connect");
    }
    look_over(s);
}

/* If it looks already, it comes to the end of the list by itself. */
static void look(struct shared_servers *s)
{
    if (s->candidate == NULL)
        try_from(s, 0);
}

static int copy_config(struct shared_servers *s, char *err, size_t err_size)
{
    char why[SHARED_WHY_MAX];
    size_t count = 0;

    while (s->config.servers[count] != NULL)
        count++;
    s->servers = calloc(count, sizeof(*s->servers));
    if (s->servers == NULL)
        return -ENOMEM;
    for (; s->count < count; s->count++) {
        const char *text = s->config.servers[s->count];

        if (shared_url_parse(text, &s->servers[s->count].url, why, sizeof(why)) != 0) {
            snprintf(err, err_size, "server %zu of the shared cache: %s", s->count + 1, why);
            return -EINVAL;
        }
    }
    if (s->config.password != NULL && (s->password = strdup(s->config.password)) == NULL)
        return -ENOMEM;
    return 0;
}

int shared_servers_new(const struct shared_servers_config *config, struct shared_servers **out,
                       char *err, size_t err_size)
{
    struct shared_servers *s;
    int error;

    if (!shared_reply_is_built_in()) {
        snprintf(err, err_size, "built without hiredis, there is no shared cache");
        return -ENOSYS;
    }
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return -ENOMEM;
    s->config = *config;
    error = copy_config(s, err, err_size);
    if (error == 0 && (s->on_time = evtimer_new(config->base, on_time, s)) == NULL)
        error = -ENOMEM;
    if (error != 0) {
        shared_servers_free(s);
        return error;
    }
    look(s);
    *out = s;
    return 0;
}

struct shared_connection *shared_servers_current(const struct shared_servers *s)
{
    return s->current;
}

bool shared_servers_is_coming(const struct shared_servers *s)
{
    return s->current == NULL && s->candidate != NULL && !s->has_failed;
}

void shared_servers_health(const struct shared_servers *s, struct engine_health *out)
{
    out->shared = state_of(s);
    out->shared_server[0] = out->shared_failure[0] = '\0';
    if (s->current != NULL)
        snprintf(out->shared_server, sizeof(out->shared_server), "%.*s",
                 (int)sizeof(out->shared_server) - 1, s->servers[s->current_at].url.text);
    if (out->shared == ENGINE_SHARED_READ_ONLY)
        snprintf(out->shared_failure, sizeof(out->shared_failure), "%s",
                 shared_connection_refuses(s->current));
    else if (s->current == NULL)
        tell_failures(s, out->shared_failure, sizeof(out->shared_failure));
}

void shared_servers_free(struct shared_servers *s)
{
    if (s == NULL)
        return;
    shared_connection_free(s->candidate);
    shared_connection_free(s->current);
    if (s->on_time != NULL)
        event_free(s->on_time);
    if (s->password != NULL)
        OPENSSL_cleanse(s->password, strlen(s->password));
    free(s->password);
    free(s->servers);
    free(s);
}
