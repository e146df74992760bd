/*
 * The reload: the configuration file is read; if it is in order a new snapshot replaces the running
 * one, with the keys that only a restart can change as they were. If it has errors, or the engine
 * does not take it, nothing changes and the log says so.
 */
#include "base/log.h"
#include "config/config_host.h"
#include "config/shared_files.h"
#include "daemon/daemon_internal.h"
#include "daemon/listeners.h"
#include "daemon/notify.h"
#include "decide/rules_check.h"
#include "deliver/deliver.h"
#include "ticket/ticket_key.h"

#include <errno.h>

/* config_report_fn; arg is whether there was one */
static void on_fixed(void *arg, const char *message)
{
    *(bool *)arg = true;
    log_msg(LOG_WARNING, "%s", message);
}

/* Sockets, user and store are those of the start, however often the file was read since. */
static void report_fixed(const struct daemon *d, const struct config *loaded)
{
    bool any = false;

    config_report_fixed(d->at_start, loaded, on_fixed, &any);
    metrics_set_standing(d->metrics, STANDING_RESTART_NEEDED, any);
}

/* All files that the configuration names, before anything changes: one that cannot be read refuses
 * the configuration for filter and agent alike. So does a file of keys that has gone, but not one
 * that was never there: *awaits then. */
static int try_files(struct daemon *d, const struct config *loaded, struct ticket_keys *keys,
                     struct shared_files *shared, bool *awaits)
{
    bool filter = d->at_start->milter.socket != NULL;
    bool had = !filter && !d->awaits_keys && daemon_agent_wants_tickets(d->at_start);
    int error = config_host_check_files(loaded, daemon_error_to_log, NULL);
    int key_error = daemon_ticket_keys(loaded, filter, keys, daemon_error_to_log,
                                       had ? daemon_error_to_log : daemon_warning_to_log, NULL);
    int shared_error =
        shared_files_read(loaded, shared, daemon_error_to_log, daemon_warning_to_log, NULL);

    *awaits = key_error == 0 && daemon_awaits_ticket_keys(loaded, filter, keys);
    if (*awaits && had)
        key_error = -ENOENT;
    metrics_set_standing(d->metrics, STANDING_TICKET_KEY, key_error != 0 || *awaits);
    return error != 0 ? error : key_error != 0 ? key_error : shared_error;
}

/* Returns whether the new configuration is in force. */
static bool take_over(struct daemon *d, struct config *loaded)
{
    struct config *running = runtime_config(d->runtime);
    struct ticket_keys keys;
    struct shared_files shared;
    struct engine_config engine;
    bool awaits;
    char err[400];
    int error;

    if (running->source.present && !loaded->source.present) {
        /* Rules that are gone would let mail out that they held: not by accident. */
        log_msg(LOG_ERR, "%s: there is no such file any more; a restart takes the defaults",
                d->config_path);
        config_unref(running);
        config_unref(loaded);
        return false;
    }
    config_unref(running);
    error = try_files(d, loaded, &keys, &shared, &awaits);
    daemon_engine_config(loaded, &shared, &engine);
    if (error == 0 && (error = engine_reconfigure(d->engine, &engine, err, sizeof(err))) != 0)
        log_msg(LOG_ERR, "%s", err);
    shared_files_forget(&shared);
    if (error != 0) {
        ticket_keys_forget(&keys);
        config_unref(loaded);
        return false;
    }
    d->awaits_keys = awaits;
    report_fixed(d, loaded);
    log_configure(&loaded->log, DAEMON_NAME, !d->foreground);
    listeners_reload(d->listeners, loaded);
    if (keys.count > 0)
        runtime_set_ticket_keys(d->runtime, &keys); /* messages that have begun may need the old */
    if (d->deliver != NULL)
        deliver_reload(d->deliver, loaded, &keys);
    ticket_keys_forget(&keys);
    runtime_swap_config(d->runtime, loaded);
    return true;
}

void daemon_reload(struct daemon *d)
{
    struct config *loaded = NULL;
    bool done;

    notify_reloading();
    done = daemon_read_config(d, d->config_path, daemon_error_to_log, daemon_warning_to_log,
                              &loaded) == 0;
    if (done) {
        rules_check(loaded, daemon_warning_to_log, NULL);
        done = take_over(d, loaded);
    }
    metrics_set_standing(d->metrics, STANDING_CONFIGURATION_REFUSED, !done);
    if (done)
        log_msg(LOG_INFO, "reloaded %s", d->config_path);
    else
        log_msg(LOG_ERR, "%s was not taken over: the configuration in force stays as it is",
                d->config_path);
    notify_ready();
}
