/*
 * What a configuration names on this host. config_host_check_files: CA certificates, of which each
 * key is tried for itself, so that what is wrong is said with its line; and what the delivery agent
 * reads and writes. config_host_check_sockets: whether there is a directory for each socket.
 */
#include "config/config_host.h"

#include "config/config_report.h"
#include "config/credentials.h"
#include "policy/ca_store.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void try_ca(const char *file, const char *path, const char *key, unsigned line,
                   struct config_report *to)
{
    char err[400];

    if (ca_store_check(file, path, err, sizeof(err)) != 0)
        config_report_at(to, CONFIG_REPORT_ERROR, line, "%s: %s", key, err);
}

/* Each for itself; neither: the system's, of which `section` is told. */
static void try_cas(const char *file, unsigned file_line, const char *path, unsigned path_line,
                    const char *section, struct config_report *to)
{
    if (file == NULL && path == NULL)
        try_ca(NULL, NULL, section, 0, to);
    if (file != NULL)
        try_ca(file, NULL, "ca_file", file_line, to);
    if (path != NULL)
        try_ca(NULL, path, "ca_path", path_line, to);
}

static void try_deliver(const struct config_deliver *d, struct config_report *to)
{
    struct credentials *credentials;
    char err[400];

    if (d->ca_file != NULL || d->ca_path != NULL)
        try_cas(d->ca_file, d->ca_file_line, d->ca_path, d->ca_path_line, "[deliver]", to);
    if (d->credentials != NULL &&
        credentials_read(d->credentials, &credentials, err, sizeof(err)) != 0)
        config_report_at(to, CONFIG_REPORT_ERROR, d->credentials_line, "credentials: %s", err);
    else if (d->credentials != NULL)
        credentials_unref(credentials);
    if (access(d->content_dir, W_OK | X_OK) != 0)
        config_report_at(to, CONFIG_REPORT_ERROR, 0,
                         "[deliver]: %s, where messages are kept that are longer than 1 MiB: %s",
                         d->content_dir, strerror(errno));
}

int config_host_check_files(const struct config *config, config_report_fn on_error, void *arg)
{
    struct config_report to = {.path = config->path, .on_error = on_error, .arg = arg};

    try_cas(config->engine.sts_ca_file, config->ca_file_line, config->engine.sts_ca_path,
            config->ca_path_line, "[mta_sts]", &to);
    if (config->deliver.socket_count > 0)
        try_deliver(&config->deliver, &to);
    return to.errors > 0 ? -EINVAL : 0;
}

/* RuntimeDirectory= of the units of filter and agent: systemd makes it at each start, and removes
 * it at the end. */
static bool is_made_at_start(const char *directory)
{
    return (strcmp(directory, "/run/requiretls-milter") == 0 ||
            strcmp(directory, "/run/requiretls-deliver") == 0) &&
           access("/run/systemd/system", F_OK) == 0;
}

static void try_directory(const struct config *config, const char *key, const char *path,
                          const char *group, struct config_report *to)
{
    const char *user = config->milter.user != NULL ? config->milter.user : "USER";
    const char *slash = strrchr(path, '/');
    char directory[PATH_MAX];
    struct stat st;

    if (slash == NULL || slash == path || (size_t)(slash - path) >= sizeof(directory))
        return;
    memcpy(directory, path, (size_t)(slash - path));
    directory[slash - path] = '\0';
    if (is_made_at_start(directory))
        return;
    if (stat(directory, &st) == 0 ? S_ISDIR(st.st_mode) : errno != ENOENT && errno != ENOTDIR)
        return;
    if (group != NULL && group[0] != '\0') /* which what is made in it then has */
        config_report_at(to, CONFIG_REPORT_ERROR, 0,
                         "%s: %s: there is no directory %s: install -d -o %s -g %s -m 2750 %s", key,
                         path, directory, user, group, directory);
    else
        config_report_at(to, CONFIG_REPORT_ERROR, 0,
                         "%s: %s: there is no directory %s: install -d -o %s -m 0755 %s", key, path,
                         directory, user, directory);
}

int config_host_check_sockets(const struct config *config, config_report_fn on_error, void *arg)
{
    struct config_report to = {.path = config->path, .on_error = on_error, .arg = arg};
    const char *socket = config->milter.socket, *group = config->socketmap.socket_group;

    if (socket != NULL && strncmp(socket, "unix:", 5) == 0)
        try_directory(config, "[milter] socket", socket + 5, config->milter.socket_group, &to);
    for (size_t i = 0; i < config->socketmap.listen_count; i++)
        if (config->socketmap.listen[i].path != NULL)
            try_directory(config, "[socketmap] listen", config->socketmap.listen[i].path, group,
                          &to);
    for (size_t i = 0; i < config->deliver.socket_count; i++) {
        const struct config_deliver_socket *s = &config->deliver.sockets[i];

        if (s->listen.path != NULL)
            try_directory(config, "[deliver] listen", s->listen.path, s->socket_group, &to);
    }
    if (config->metrics_listen.path != NULL)
        try_directory(config, "[metrics] listen", config->metrics_listen.path, group, &to);
    return to.errors > 0 ? -EINVAL : 0;
}
