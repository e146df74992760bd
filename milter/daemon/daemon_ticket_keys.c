/*
 * The keys of tickets, for filter and agent of this process: whether it needs any, who makes the
 * file, and what is said of one that cannot be read. daemon_ticket_keys, at the start and before a
 * reload, hands over what both then use; daemon_look_for_ticket_keys does while an agent waits for
 * the filter to make the file; daemon_check_ticket_keys, for -t, makes nothing. The results are 0
 * or a negative errno, after a message.
 */
#include "base/log.h"
#include "config/config_report.h"
#include "daemon/daemon_internal.h"
#include "deliver/deliver.h"
#include "ticket/ticket_key.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

bool daemon_agent_wants_tickets(const struct config *config)
{
    for (size_t i = 0; i < config->deliver.socket_count; i++)
        if (config->deliver.sockets[i].tickets)
            return true;
    return false;
}

static void tell(const struct config *config, enum config_report_kind kind,
                 struct config_report *to, const char *text)
{
    const char *section = config->deliver.ticket_key_line > 0 ? "" : "[deliver] ";

    config_report_at(to, kind, config->deliver.ticket_key_line, "%sticket_key: %s", section, text);
}

static int read_keys(const struct config *config, bool filter, bool check_only,
                     struct ticket_keys *out, struct config_report *to)
{
    const char *path = config->deliver.ticket_key;
    enum config_report_kind kind = CONFIG_REPORT_ERROR;
    char err[PATH_MAX + 200];
    int error;

    ticket_keys_forget(out);
    if (filter ? !config_uses_tickets(config) : !daemon_agent_wants_tickets(config))
        return 0;
    error = filter && !check_only ? ticket_keys_read_or_make(path, out, err, sizeof(err))
                                  : ticket_keys_read(path, out, err, sizeof(err));
    if (error == -ENOENT && check_only && filter)
        return 0;
    if (error == -ENOENT && !filter) {
        kind = CONFIG_REPORT_WARNING;
        snprintf(err, sizeof(err),
                 "%s: there is none yet: the filter makes it, at its first start with a route "
                 "that has agent = yes; until then the agent defers what needs a ticket",
                 path);
    }
    if (error != 0)
        tell(config, kind, to, err);
    return kind == CONFIG_REPORT_WARNING ? 0 : error;
}

int daemon_ticket_keys(const struct config *config, bool filter, struct ticket_keys *out,
                       config_report_fn on_error, config_report_fn on_warning, void *arg)
{
    struct config_report to = {config->path, on_error, on_warning, arg, 0};

    return read_keys(config, filter, false, out, &to);
}

bool daemon_awaits_ticket_keys(const struct config *config, bool filter,
                               const struct ticket_keys *keys)
{
    return !filter && keys->count == 0 && daemon_agent_wants_tickets(config);
}

/* config_report_fn: it was told already. */
static void tell_nobody(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

void daemon_look_for_ticket_keys(struct daemon *d)
{
    struct config *config = runtime_config(d->runtime);
    config_report_fn on_error = d->told_of_bad_keys ? tell_nobody : daemon_error_to_log;
    struct ticket_keys keys;

    /* Not by their sight is the agent ended: who makes the file may mend it. */
    d->told_of_bad_keys = daemon_ticket_keys(config, false, &keys, on_error, tell_nobody, NULL) < 0;
    d->awaits_keys = daemon_awaits_ticket_keys(config, false, &keys);
    if (!d->awaits_keys) {
        log_msg(LOG_INFO, "ticket_key: %s is there: what needs a ticket is delivered",
                config->deliver.ticket_key);
        metrics_set_standing(d->metrics, STANDING_TICKET_KEY, false);
        deliver_reload(d->deliver, config, &keys);
    }
    ticket_keys_forget(&keys);
    config_unref(config);
}

int daemon_check_ticket_keys(const struct config *config, config_report_fn on_error,
                             config_report_fn on_warning, void *arg)
{
    struct config_report to = {config->path, on_error, on_warning, arg, 0};
    struct ticket_keys keys;
    int error = read_keys(config, config->milter.socket != NULL, true, &keys, &to);

    ticket_keys_forget(&keys);
    return error;
}
