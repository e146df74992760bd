/*
 * The life of the daemon: the configuration is read, daemon_start opens the sockets and starts
 * engine, agent and libmilter, then the main thread takes signals until the end; while the agent
 * has no key of tickets it looks for it now and then.
 *
 * SIGUSR1 (and SIGHUP) reload: a new snapshot replaces the running one, or, if it has errors,
 * nothing changes. SIGTERM (and SIGINT) drain: no new message begins, those in progress that have a
 * request or are being delivered end, then the process ends; a second one, or DRAIN_MS, cuts the
 * rest short with a 4xx.
 */
#include "daemon/daemon.h"

#include "base/log.h"
#include "daemon/daemon_internal.h"
#include "daemon/daemonize.h"
#include "daemon/filter_socket.h"
#include "daemon/listeners.h"
#include "daemon/notify.h"
#include "daemon/signals.h"
#include "deliver/deliver.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

static const char *absent_text(const struct config *config)
{
    return config->source.present
               ? ""
               : ": there is no such file, the defaults hold and no rule is in force";
}

static int serve(struct daemon *d)
{
    for (;;) {
        switch (signals_next(d->awaits_keys ? DAEMON_KEYS_MS : -1)) {
        case SIGNALS_NONE:
            if (d->awaits_keys)
                daemon_look_for_ticket_keys(d);
            break;
        case SIGUSR1:
        case SIGHUP:
            daemon_reload(d);
            break;
        case SIGTERM:
        case SIGINT:
            notify_stopping();
            daemon_drain(d);
            daemon_stop(d, EX_OK);
            return EX_OK;
        case SIGNALS_FILTER_ENDED:
            log_msg(LOG_ERR, "libmilter ended by itself");
            notify_stopping();
            wait_limiter_close(runtime_limiter(d->runtime));
            daemon_stop(d, EX_SOFTWARE);
            return EX_SOFTWARE;
        default:
            break;
        }
    }
}

int daemon_run(const struct daemon_options *options)
{
    struct daemon d = {.foreground = options->foreground, .config_given = options->config_given};
    struct config *config = NULL;
    int status = daemon_load_config(&d, options->config_path, &config);

    if (status == EX_OK && options->check_only) {
        status = daemon_check_host(config);
        if (status == EX_OK)
            printf("%s: %s is in order%s\n", DAEMON_NAME, options->config_path,
                   absent_text(config));
        config_unref(config);
    } else if (status == EX_OK) {
        notify_init();
        log_configure(&config->log, DAEMON_NAME, !options->foreground);
        log_echo_errors(true);
        if (!config->source.present) /* rules may have been there before the restart */
            log_msg(LOG_WARNING, "%s%s", options->config_path, absent_text(config));
        status = daemon_start(&d, config);
        if (status == EX_OK) {
            log_msg(LOG_INFO, "ready");
            notify_ready();
        }
        log_echo_errors(false);
        daemonize_report(status);
        if (status == EX_OK)
            status = serve(&d);
        filter_socket_remove();
        deliver_close(d.deliver);
        listeners_close(d.listeners);
    }
    config_unref(d.at_start);
    free(d.config_path);
    return status;
}
