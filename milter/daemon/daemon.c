/*
 * Daemon life. As root, if started so: read the configuration, raise limits, open the sockets; then
 * drop root, start the engine and libmilter in threads, and take signals until the end.
 *
 * SIGUSR1 (and SIGHUP) reload: a new snapshot replaces the running one, or, if it has errors,
 * nothing changes. SIGTERM (and SIGINT) drain: no new message begins, those in progress that have a
 * request end, then the process ends; a second one, or DRAIN_MS, cuts the rest short with a 4xx.
 */
#include "daemon/daemon.h"

#include "base/log.h"
#include "base/privilege.h"
#include "config/config.h"
#include "config/config_host.h"
#include "daemon/daemonize.h"
#include "daemon/filter_socket.h"
#include "daemon/listeners.h"
#include "daemon/notify.h"
#include "daemon/signals.h"
#include "decide/rules_check.h"
#include "filter/callbacks.h"
#include "filter/runtime.h"
#include "policy/clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <libmilter/mfapi.h>

static const char ident[] = "requiretls-milter";

enum {
    DRAIN_MS = 30 * 1000,
    CUT_SHORT_MS = 3 * 1000,
    LAST_REPLY_MS = 250,
    QUIET_MS = 2 * LAST_REPLY_MS,
    POLL_MS = 100,
    NOFILE_WANTED = 65536,
    NOFILE_LOW = 4096,
};

struct daemon {
    char *config_path; /* absolute: a daemon's directory is the root */
    char host_name[256];
    bool foreground;
    struct runtime *runtime;
    struct engine *engine;
    struct metrics *metrics;
    struct listeners *listeners; /* socketmap and metrics listeners */
    pthread_t filter;            /* libmilter's; never joined, see stop() */
};

/* --- start ----------------------------------------------------------------------------------- */

static void to_stderr(void *arg, const char *message)
{
    (void)arg;
    fprintf(stderr, "%s: %s\n", ident, message);
}

static void warn_on_stderr(void *arg, const char *message)
{
    (void)arg;
    fprintf(stderr, "%s: warning: %s\n", ident, message);
}

static void to_log(void *arg, const char *message)
{
    (void)arg;
    log_msg(LOG_ERR, "%s", message);
}

static int fail_start(int exit_status, const char *message)
{
    log_msg(LOG_ERR, "%s", message);
    return exit_status;
}

/* Symbolic links stay: a reload is to find what they point to then. */
static char *absolute(const char *path)
{
    char directory[PATH_MAX], *out;

    if (path[0] == '/' || getcwd(directory, sizeof(directory)) == NULL)
        return strdup(path);
    return asprintf(&out, "%s/%s", directory, path) >= 0 ? out : NULL;
}

static int load(struct daemon *d, const char *path, struct config **out)
{
    int rc;

    if (gethostname(d->host_name, sizeof(d->host_name) - 1) != 0)
        snprintf(d->host_name, sizeof(d->host_name), "localhost");
    d->config_path = absolute(path);
    if (d->config_path == NULL)
        return EX_OSERR;
    rc = config_load(path, d->host_name, to_stderr, warn_on_stderr, NULL, out);
    if (rc == -EINVAL)
        return EX_CONFIG;
    if (rc != 0)
        return EX_OSERR;
    rules_check(*out, warn_on_stderr, NULL);
    return EX_OK;
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
    int rc;

    if (nofile < NOFILE_LOW)
        log_msg(LOG_WARNING, "only %zu files may be open: that is few for a busy MTA", nofile);
    if (drop && (rc = privilege_find_user(config->milter.user, &user, err, sizeof(err))) != 0) {
        log_msg(LOG_ERR, "[milter] user: %s", err);
        return exit_status_of(rc);
    }
    if (drop && (rc = privilege_lower(&user, err, sizeof(err))) != 0)
        return fail_start(EX_NOPERM, err);
    if (config->milter.socket == NULL)
        rc = 0;
    else if (callbacks_register() != 0)
        return fail_start(EX_SOFTWARE, "libmilter does not take this filter");
    else
        rc = filter_socket_open(&config->milter, err, sizeof(err));
    if (rc == 0)
        rc = listeners_open(config, &d->listeners, err, sizeof(err));
    if (rc != 0) {
        rc = fail_start(exit_status_of(rc), err);
        if (drop)
            (void)privilege_drop(&user, err, sizeof(err)); /* what is left to do needs no root */
        return rc;
    }
    if (!d->foreground && (rc = daemonize_begin()) != 0)
        return fail_start(EX_OSERR, "cannot fork");
    if (drop && (rc = privilege_drop(&user, err, sizeof(err))) != 0)
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

static void engine_terms(const struct config *config, struct engine_config *out)
{
    *out = config->engine;
    out->log = on_engine_message;
    out->log_arg = NULL;
}

static void *run_filter(void *arg)
{
    (void)arg;
    if (smfi_main() != MI_SUCCESS)
        log_msg(LOG_ERR, "libmilter failed");
    signals_filter_ended();
    return NULL;
}

/* Takes over the reference to the configuration. */
static int start_threads(struct daemon *d, struct config *config)
{
    struct engine_config terms;
    char err[400];
    int rc;

    engine_terms(config, &terms);
    if (runtime_new(config, &d->runtime) != 0) {
        config_unref(config);
        return fail_start(EX_OSERR, "out of memory");
    }
    if (config_host_check_ca(config, to_log, NULL) != 0)
        return EX_CONFIG;
    runtime_keep_seen_ids(d->runtime, terms.store);
    rc = engine_new(&terms, &d->engine, err, sizeof(err));
    if (rc != 0)
        return fail_start(exit_status_of(rc), err);
    runtime_set_engine(d->runtime, d->engine);
    if (metrics_new(&d->metrics) != 0)
        return fail_start(EX_OSERR, "out of memory");
    runtime_set_metrics(d->runtime, d->metrics);
    callbacks_set_runtime(d->runtime);
    wait_limiter_on_slow_wait(runtime_limiter(d->runtime), filter_socket_nudge);
    rc = listeners_start(d->listeners, config, d->engine, d->metrics, err, sizeof(err));
    if (rc != 0)
        return fail_start(EX_OSERR, err);
    if (config->milter.socket != NULL && pthread_create(&d->filter, NULL, run_filter, NULL) != 0)
        return fail_start(EX_OSERR, "cannot start a thread");
    signals_take();
    return EX_OK;
}

/* Takes back what a start that failed had begun; libmilter does not run yet. */
static void undo_start(struct daemon *d)
{
    listeners_close(d->listeners);
    d->listeners = NULL;
    engine_free(d->engine);
    runtime_free(d->runtime);
    metrics_free(d->metrics);
}

/* --- reload ---------------------------------------------------------------------------------- */

static void on_reload_warning(void *arg, const char *message)
{
    (void)arg;
    log_msg(LOG_WARNING, "%s", message);
}

static void on_fixed(void *arg, const char *message)
{
    (void)arg;
    log_msg(LOG_WARNING, "%s", message);
}

/* Returns whether the new configuration is in force. */
static bool take_over(struct daemon *d, struct config *loaded)
{
    struct config *running = runtime_config(d->runtime);
    struct engine_config terms;
    char err[400];
    int rc;

    config_report_fixed(running, loaded, on_fixed, NULL);
    config_unref(running);
    engine_terms(loaded, &terms);
    rc = config_host_check_ca(loaded, to_log, NULL);
    if (rc == 0 && (rc = engine_reconfigure(d->engine, &terms, err, sizeof(err))) != 0)
        log_msg(LOG_ERR, "%s", err);
    if (rc != 0) {
        config_unref(loaded);
        return false;
    }
    log_configure(&loaded->log, ident, !d->foreground);
    listeners_reload(d->listeners, loaded);
    runtime_swap_config(d->runtime, loaded);
    return true;
}

static void reload(struct daemon *d)
{
    struct config *loaded = NULL;
    bool done;

    notify_reloading();
    done = config_load(d->config_path, d->host_name, to_log, on_reload_warning, NULL, &loaded) == 0;
    if (done) {
        rules_check(loaded, on_reload_warning, NULL);
        done = take_over(d, loaded);
    }
    if (done)
        log_msg(LOG_INFO, "reloaded %s", d->config_path);
    else
        log_msg(LOG_ERR, "%s was not taken over: the configuration in force stays as it is",
                d->config_path);
    notify_ready();
}

/* --- stop ------------------------------------------------------------------------------------ */

/*
 * Lets messages in progress that have a request end. All others are ended at once: what the MTA
 * had yet to ask about them it cannot ask, and it tells their clients to try again. A second
 * request to stop makes it hurry.
 */
static void drain(struct daemon *d)
{
    int64_t deadline = clock_awake_ms() + DRAIN_MS, quiet_by;
    unsigned left = runtime_drain(d->runtime, 0);

    if (left > 0)
        log_msg(LOG_INFO, "stopping: waiting for %u messages in progress", left);
    while (left > 0 && clock_awake_ms() < deadline) {
        int signal = signals_next(0);

        if (signal == SIGTERM || signal == SIGINT || signal == SIGNALS_FILTER_ENDED)
            break;
        left = runtime_drain(d->runtime, POLL_MS);
    }
    wait_limiter_close(runtime_limiter(d->runtime));
    if (left > 0)
        left = runtime_drain(d->runtime, CUT_SHORT_MS);
    /* libmilter writes a reply after the callback that ended the message. */
    quiet_by = clock_awake_ms() + QUIET_MS;
    while (runtime_quiet_ms(d->runtime) < LAST_REPLY_MS && clock_awake_ms() < quiet_by)
        poll(NULL, 0, LAST_REPLY_MS / 10);
    if (left > 0)
        log_msg(LOG_WARNING, "stopping with %u messages unfinished: their clients will try again",
                left);
}

/*
 * The end: no message begins any more. libmilter is not asked to stop: it would take up to five
 * seconds, cut sessions off in the middle, and leave its threads behind all the same. They end with
 * the process. Where one still has a message, nothing that it may touch is freed, and the clean-up
 * of exit(3), which would pull libraries from under it, is left out.
 */
static void stop(struct daemon *d, int exit_status)
{
    filter_socket_remove();
    listeners_close(d->listeners);
    d->listeners = NULL;
    if (runtime_messages(d->runtime) > 0) {
        log_msg(LOG_INFO, "stopped");
        _exit(exit_status);
    }
    engine_free(d->engine);
    log_msg(LOG_INFO, "stopped");
}

static int serve(struct daemon *d)
{
    for (;;) {
        switch (signals_next(-1)) {
        case SIGUSR1:
        case SIGHUP:
            reload(d);
            break;
        case SIGTERM:
        case SIGINT:
            notify_stopping();
            drain(d);
            stop(d, EX_OK);
            return EX_OK;
        case SIGNALS_FILTER_ENDED:
            log_msg(LOG_ERR, "libmilter ended by itself");
            notify_stopping();
            wait_limiter_close(runtime_limiter(d->runtime));
            stop(d, EX_SOFTWARE);
            return EX_SOFTWARE;
        default:
            break;
        }
    }
}

static int check_group(const char *section, const char *group)
{
    gid_t gid;
    char err[400];

    if (group == NULL || group[0] == '\0' ||
        privilege_find_group(group, &gid, err, sizeof(err)) == 0)
        return EX_OK;
    fprintf(stderr, "%s: [%s] socket_group: %s\n", ident, section, err);
    return EX_CONFIG;
}

static bool listens_unix(const struct config *config)
{
    for (size_t i = 0; i < config->socketmap.listen_count; i++) {
        if (config->socketmap.listen[i].path != NULL)
            return true;
    }
    return false;
}

/* What the file alone does not show: whether this host has the user, the groups and the files. */
static int check_host(const struct config *config)
{
    struct privilege_user user;
    char err[400];
    int status = EX_OK;

    if (geteuid() == 0 && privilege_find_user(config->milter.user, &user, err, sizeof(err)) != 0) {
        fprintf(stderr, "%s: [milter] user: %s\n", ident, err);
        status = EX_CONFIG;
    }
    if (check_group("milter", config->milter.socket_group) != EX_OK ||
        (listens_unix(config) && check_group("socketmap", config->socketmap.socket_group) != EX_OK))
        status = EX_CONFIG;
    /* Last, as whoever the daemon will be. */
    if (geteuid() == 0 && status == EX_OK && privilege_drop(&user, err, sizeof(err)) != 0) {
        fprintf(stderr, "%s: %s\n", ident, err);
        status = EX_NOPERM;
    }
    if (config_host_check_ca(config, to_stderr, NULL) != 0)
        status = EX_CONFIG;
    return status;
}

static int start(struct daemon *d, struct config *config)
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
    status = start_threads(d, config);
    if (status != EX_OK)
        undo_start(d);
    return status;
}

int daemon_run(const struct daemon_options *options)
{
    struct daemon d = {.foreground = options->foreground};
    struct config *config = NULL;
    int status = load(&d, options->config_path, &config);

    if (status == EX_OK && options->check_only) {
        status = check_host(config);
        config_unref(config);
        if (status == EX_OK)
            printf("%s: %s is in order\n", ident, options->config_path);
    } else if (status == EX_OK) {
        notify_init();
        log_configure(&config->log, ident, !options->foreground);
        log_echo_errors(true);
        status = start(&d, config);
        if (status == EX_OK) {
            log_msg(LOG_INFO, "ready");
            notify_ready();
        }
        log_echo_errors(false);
        daemonize_report(status);
        if (status == EX_OK)
            status = serve(&d);
        filter_socket_remove();
        listeners_close(d.listeners);
    }
    free(d.config_path);
    return status;
}
