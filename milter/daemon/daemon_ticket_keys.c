/*
 * The keys of tickets, for filter and agent of this process: whether it needs any, who makes the
 * file, and what is said of one that cannot be read. daemon_ticket_keys, at the start and before a
 * reload, hands over what both then use; daemon_check_ticket_keys, for -t, makes nothing. The
 * results are 0 or a negative errno, after a message.
 */
#include "config/config_report.h"
#include "daemon/daemon_internal.h"
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
        kind = check_only ? CONFIG_REPORT_WARNING : CONFIG_REPORT_ERROR;
        snprintf(err, sizeof(err),
                 "%s: there is none yet: the filter makes it, at its first start with a route "
                 "that has agent = yes; start it before the agent",
                 path);
    }
    if (error != 0)
        tell(config, kind, to, err);
    return kind == CONFIG_REPORT_WARNING ? 0 : error;
}

int daemon_ticket_keys(const struct config *config, bool filter, struct ticket_keys *out,
                       config_report_fn on_error, void *arg)
{
    struct config_report to = {.path = config->path, .on_error = on_error, .arg = arg};

    return read_keys(config, filter, false, out, &to);
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
