/*
 * The files of this host that a configuration names: each key is tried for itself, so that what is
 * wrong is said with its line.
 */
#include "config/config_host.h"

#include "config/config_report.h"

#include <errno.h>

static void try_ca(const struct engine_config *terms, const char *key, unsigned line,
                   struct config_report *to)
{
    char err[400];

    if (engine_config_check(terms, err, sizeof(err)) != 0)
        config_report_at(to, CONFIG_REPORT_ERROR, line, "%s: %s", key, err);
}

int config_host_check_ca(const struct config *config, config_report_fn on_error, void *arg)
{
    struct config_report to = {.path = config->path, .on_error = on_error, .arg = arg};
    struct engine_config terms = config->engine;
    bool any = terms.sts_ca_file != NULL || terms.sts_ca_path != NULL;

    terms.sts_ca_path = NULL;
    if (terms.sts_ca_file != NULL || !any)
        try_ca(&terms, any ? "ca_file" : "[mta_sts]", config->ca_file_line, &to);
    terms.sts_ca_file = NULL;
    terms.sts_ca_path = config->engine.sts_ca_path;
    if (terms.sts_ca_path != NULL)
        try_ca(&terms, "ca_path", config->ca_path_line, &to);
    return to.errors > 0 ? -EINVAL : 0;
}
