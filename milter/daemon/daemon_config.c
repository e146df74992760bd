/*
 * The configuration file, read at the start by daemon_load_config, with messages to stderr, and at
 * a reload by daemon_read_config, with messages to the log. A file at the usual place need not be
 * there, one that was named must.
 */
#include "base/log.h"
#include "daemon/daemon_internal.h"
#include "decide/rules_check.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

void daemon_error_to_stderr(void *arg, const char *message)
{
    (void)arg;
    log_early(LOG_ERR, message);
}

void daemon_warning_to_stderr(void *arg, const char *message)
{
    (void)arg;
    log_early(LOG_WARNING, message);
}

void daemon_error_to_log(void *arg, const char *message)
{
    (void)arg;
    log_msg(LOG_ERR, "%s", message);
}

void daemon_warning_to_log(void *arg, const char *message)
{
    (void)arg;
    log_msg(LOG_WARNING, "%s", message);
}

/* Symbolic links stay: a reload is to find what they point to then. */
static char *absolute(const char *path)
{
    char directory[PATH_MAX], *out;

    if (path[0] == '/' || getcwd(directory, sizeof(directory)) == NULL)
        return strdup(path);
    return asprintf(&out, "%s/%s", directory, path) >= 0 ? out : NULL;
}

int daemon_read_config(const struct daemon *d, const char *path, config_report_fn on_error,
                       config_report_fn on_warning, struct config **out)
{
    return d->config_given
               ? config_load(path, d->host_name, on_error, on_warning, NULL, out)
               : config_load_if_present(path, d->host_name, on_error, on_warning, NULL, out);
}

int daemon_load_config(struct daemon *d, const char *path, struct config **out)
{
    int error;

    if (gethostname(d->host_name, sizeof(d->host_name) - 1) != 0)
        snprintf(d->host_name, sizeof(d->host_name), "localhost");
    d->config_path = absolute(path);
    if (d->config_path == NULL)
        return EX_OSERR;
    error = daemon_read_config(d, d->config_path, daemon_error_to_stderr, daemon_warning_to_stderr,
                               out);
    if (error == -EINVAL)
        return EX_CONFIG;
    if (error != 0)
        return EX_OSERR;
    rules_check(*out, daemon_warning_to_stderr, NULL);
    return EX_OK;
}
