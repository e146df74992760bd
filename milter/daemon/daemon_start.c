/*
 * The start of the daemon, in this order: signals are blocked; as root the limits are raised and
 * the sockets opened; root is dropped; engine, listeners, agent and libmilter run in threads.
 * Whatever fails is logged, and what had begun is taken back. The result is an exit status
 * (sysexits.h).
 */
#include "base/log.h"
#include "base/privilege.h"
#include "config/config_host.h"
#include "config/shared_files.h"
#include "daemon/daemon_internal.h"
#include "daemon/daemonize.h"
#include "daemon/filter_socket.h"
#include "daemon/listeners.h"
#include "daemon/signals.h"
#include "deliver/deliver.h"
#include "filter/callbacks.h"
#include "filter/observe.h"
#include "ticket/ticket_key.h"

#include <errno.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include <libmilter/mfapi.h>

enum {
    NOFILE_WANTED = 65536,
    NOFILE_LOW = 4096,
};

static int fail_start(int exit_status, const char *message)
{
    log_msg(LOG_ERR, "%s", message);
    return exit_status;
}

static int exit_status_of(int error)
{
    switch (-error) {
    case EADDRINUSE:
        return EX_UNAVAILABLE;
    case ENOENT:
    case EINVAL:
    case ENOTSOCK:
        return EX_CONFIG;
    case EACCES:
    case EPERM:
        return EX_NOPERM;
    default:
        return EX_OSERR;
    }
}

/* What needs root, or must come before threads. Root acts as the user from the first moment on:
 * only sockets may need more, see socket_file.h. */
static int open_and_drop(struct daemon *d, const struct config *config)
{
    struct privilege_user user;
    char err[400];
    size_t nofile = privilege_raise_nofile(NOFILE_WANTED);
    bool drop = geteuid() == 0;
    int error, status;

    d->few_files = nofile < NOFILE_LOW;
    if (d->few_files)
        log_msg(LOG_WARNING, "only %zu files may be open: that is few for a busy MTA", nofile);
    if (drop && (error = privilege_find_user(config->milter.user, &user, err, sizeof(err))) != 0) {
        log_msg(LOG_ERR, "[milter] user: %s", err);
        return exit_status_of(error);
    }
    if (drop && (error = privilege_lower(&user, err, sizeof(err))) != 0)
        return fail_start(EX_NOPERM, err);
    if (config->milter.socket == NULL)
        error = 0;
    else if (callbacks_register() != 0)
        return fail_start(EX_SOFTWARE, "libmilter does not take this filter");
    else
        error = filter_socket_open(&config->milter, err, sizeof(err));
    if (error == 0)
        error = listeners_open(config, &d->listeners, err, sizeof(err));
    if (error == 0)
        error = deliver_open(config, &d->deliver, err, sizeof(err));
    if (error != 0) {
        status = fail_start(exit_status_of(error), err);
        if (drop)
            (void)privilege_drop(&user, err, sizeof(err)); /* what is left to do needs no root */
        return status;
    }
    if (!d->foreground && (error = daemonize_begin()) != 0)
        return fail_start(EX_OSERR, "cannot fork");
    if (drop && (error = privilege_drop(&user, err, sizeof(err))) != 0)
        return fail_start(EX_NOPERM, err);
    if (!d->foreground && chdir("/") != 0)
        return fail_start(EX_OSERR, "cannot change to the root directory");
    return EX_OK;
}

/* engine_config.log */
static void on_engine_message(void *arg, int priority, const char *message)
{
    (void)arg;
    log_msg(priority, "%s", message);
}

void daemon_engine_config(const struct config *config, const struct shared_files *shared,
                          struct engine_config *out)
{
    *out = config->engine;
    if (config->shared.servers.count > 0)
        out->shared_servers = (const char *const *)config->shared.servers.items;
    out->shared_keys = &shared->keys;
    out->shared_password = shared->password[0] != '\0' ? shared->password : NULL;
    out->log = on_engine_message;
    out->log_arg = NULL;
}

static void *run_filter(void *arg)
{
    (void)arg;
    pthread_detach(pthread_self()); /* it may end by itself, or with the process */
    if (smfi_main() != MI_SUCCESS)
        log_msg(LOG_ERR, "libmilter failed");
    signals_filter_ended();
    return NULL;
}

static int fail(int exit_status, const char *message, char *err, size_t err_size)
{
    snprintf(err, err_size, "%s", message);
    return exit_status;
}

/* Tries the files that the configuration names. Without a key of tickets the filter runs, and
 * defers what needs one, and so does the agent where the filter has yet to make it; with a file
 * that cannot be used the agent does not run. Returns an exit status; what is not EX_OK was logged.
 */
static int try_files(struct daemon *d, const struct config *config, struct ticket_keys *keys,
                     struct shared_files *shared)
{
    bool filter = config->milter.socket != NULL;
    int error;

    if (config_host_check_files(config, daemon_error_to_log, NULL) != 0 ||
        shared_files_read(config, shared, daemon_error_to_log, daemon_warning_to_log, NULL) != 0)
        return EX_CONFIG;
    error =
        daemon_ticket_keys(config, filter, keys, daemon_error_to_log, daemon_warning_to_log, NULL);
    d->awaits_keys = error == 0 && daemon_awaits_ticket_keys(config, filter, keys);
    metrics_set_standing(d->metrics, STANDING_TICKET_KEY, error != 0 || d->awaits_keys);
    if (error != 0 && daemon_agent_wants_tickets(config))
        return EX_CONFIG;
    runtime_set_ticket_keys(d->runtime, keys);
    return EX_OK;
}

/* Engine, listeners, agent and libmilter. What is not EX_OK has a message in err. */
static int start_threads(struct daemon *d, struct config *config, const struct ticket_keys *keys,
                         const struct shared_files *shared, char *err, size_t err_size)
{
    struct engine_config engine;
    int error;

    daemon_engine_config(config, shared, &engine);
    error = engine_new(&engine, &d->engine, err, err_size);
    if (error != 0)
        return exit_status_of(error);
    runtime_set_engine(d->runtime, d->engine);
    if (observer_new(d->engine, d->metrics, &d->observer) != 0)
        return fail(EX_OSERR, "out of memory", err, err_size);
    runtime_set_observer(d->runtime, d->observer);
    callbacks_set_runtime(d->runtime);
    wait_limiter_on_slow_wait(runtime_limiter(d->runtime), filter_socket_nudge);
    error = listeners_start(d->listeners, config, d->engine, d->metrics, err, err_size);
    if (error != 0)
        return EX_OSERR;
    if (d->deliver != NULL && (error = deliver_start(d->deliver, config, keys, d->engine,
                                                     d->metrics, err, err_size)) != 0)
        return exit_status_of(error);
    if (config->milter.socket != NULL && pthread_create(&d->filter, NULL, run_filter, NULL) != 0)
        return fail(EX_OSERR, "cannot start a thread", err, err_size);
    return EX_OK;
}

/* Takes back what a start that failed had begun; libmilter does not run yet. */
static void undo_start(struct daemon *d)
{
    deliver_close(d->deliver);
    d->deliver = NULL;
    listeners_close(d->listeners);
    d->listeners = NULL;
    observer_free(d->observer);
    engine_free(d->engine);
    runtime_free(d->runtime);
    metrics_free(d->metrics);
}

/* Takes over the reference to the configuration. */
static int start(struct daemon *d, struct config *config)
{
    struct ticket_keys keys = {.count = 0};
    struct shared_files shared = {.keys = {.count = 0}};
    char err[400];
    int status;

    d->at_start = config_ref(config);
    if (runtime_new(config, &d->runtime) != 0) {
        config_unref(config);
        return fail_start(EX_OSERR, "out of memory");
    }
    if (metrics_new(&d->metrics) != 0) {
        undo_start(d);
        return fail_start(EX_OSERR, "out of memory");
    }
    metrics_set_standing(d->metrics, STANDING_FEW_OPEN_FILES, d->few_files);
    runtime_set_metrics(d->runtime, d->metrics);
    status = try_files(d, config, &keys, &shared);
    if (status != EX_OK) {
        shared_files_forget(&shared);
        undo_start(d);
        return status;
    }
    if (config->milter.socket != NULL)
        runtime_keep_seen_ids(d->runtime, config->engine.store);
    status = start_threads(d, config, &keys, &shared, err, sizeof(err));
    ticket_keys_forget(&keys);
    shared_files_forget(&shared);
    if (status == EX_OK) {
        signals_take();
        return EX_OK;
    }
    undo_start(d);
    return fail_start(status, err); /* last, behind what the threads say */
}

int daemon_start(struct daemon *d, struct config *config)
{
    int status;

    /* As soon as a socket answers somebody may take us for started, and send a signal. */
    if (signals_block() != 0)
        status = fail_start(EX_OSERR, "cannot block signals");
    else
        status = open_and_drop(d, config);
    if (status != EX_OK) {
        config_unref(config);
        return status;
    }
    return start(d, config);
}
