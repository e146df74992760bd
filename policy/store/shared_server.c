/*
 * For those who read or check a configuration. shared_server_try opens the connection that the
 * cache would, on an event loop of its own, and looks at what became of it.
 */
#include "policy/shared_server.h"

#include "store/shared_connection.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { MAX_VALUE = 1024 }; /* of a reply: nothing is asked for */

struct trial {
    struct event_base *base;
    enum engine_shared_health result;
    char *why;
    size_t why_size;
};

int shared_server_check(const char *text, char *err, size_t err_size)
{
    struct shared_url url;
    int error = shared_url_parse(text, &url, err, err_size);

    if (error == 0 && !shared_reply_is_built_in()) {
        snprintf(err, err_size, "this program was built without hiredis, which it takes for that");
        return -ENOSYS;
    }
    return error;
}

/* on_ready of the connection */
static bool on_ready(struct shared_connection *c, void *arg)
{
    struct trial *trial = arg;
    const char *refusal = shared_connection_refuses(c);

    trial->result = refusal == NULL ? ENGINE_SHARED_CONNECTED : ENGINE_SHARED_READ_ONLY;
    snprintf(trial->why, trial->why_size, "%s", refusal != NULL ? refusal : "");
    event_base_loopbreak(trial->base);
    return true;
}

/* on_failed of the connection */
static void on_failed(struct shared_connection *c, const char *why, void *arg)
{
    struct trial *trial = arg;
    (void)c;

    snprintf(trial->why, trial->why_size, "%s", why);
    event_base_loopbreak(trial->base);
}

/* on_answered and on_refused: no command is sent */
static void on_command(struct shared_connection *c, void *arg)
{
    (void)c;
    (void)arg;
}

static const struct shared_connection_events events = {
    .on_ready = on_ready,
    .on_answered = on_command,
    .on_refused = on_command,
    .on_failed = on_failed,
};

static struct event_base *base_new(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (config != NULL) {
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
        base = event_base_new_with_config(config);
        event_config_free(config);
    }
    return base;
}

/* 0, with the result in `trial`, or a negative errno. */
static int run(struct trial *trial, const struct shared_url *url, const char *password,
               int timeout_ms)
{
    const struct shared_connection_config config = {
        .base = trial->base,
        .url = url,
        .password = password,
        .max_value = MAX_VALUE,
        .open_ms = timeout_ms,
        .stall_ms = timeout_ms,
        .events = &events,
        .arg = trial,
    };
    struct shared_connection *c = NULL;
    int error = shared_connection_new(&config, &c);

    if (error == 0 && event_base_dispatch(trial->base) < 0)
        error = -EIO;
    shared_connection_free(c);
    return error;
}

enum engine_shared_health shared_server_try(const char *text, const char *password, int timeout_ms,
                                            char *why, size_t why_size)
{
    struct trial trial = {.result = ENGINE_SHARED_NOT_CONNECTED, .why = why, .why_size = why_size};
    struct shared_url url;
    int error = shared_server_check(text, why, why_size);

    if (error != 0)
        return ENGINE_SHARED_NOT_CONNECTED;
    shared_url_parse(text, &url, why, why_size);
    trial.base = base_new();
    error = trial.base != NULL ? run(&trial, &url, password, timeout_ms) : -ENOMEM;
    if (error != 0)
        snprintf(why, why_size, "%s", strerror(-error));
    if (trial.base != NULL)
        event_base_free(trial.base);
    return trial.result;
}
