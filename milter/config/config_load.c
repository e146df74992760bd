/*
 * From a file to a configuration, in this order: the defaults (config_defaults.c), what the file
 * says (config_parse.c), what its keys must have in common (config_check.c). The result is a
 * snapshot that owns all its strings; the last config_unref frees it.
 */
#include "config/config.h"

#include "config/config_check.h"
#include "config/config_defaults.h"
#include "config/config_parse.h"
#include "policy/arena.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

struct snapshot {
    struct config config; /* first: the public handle is its address */
    struct arena arena;
    atomic_uint references;
};

/* Not so for a symbolic link that leads nowhere: somebody has meant a file. */
static bool is_absent(const char *path)
{
    struct stat st;

    return lstat(path, &st) != 0 && errno == ENOENT;
}

/* -EINVAL leaves in *out what could be read; that is not to be used as a configuration. */
static int read_from(const char *path, bool absent, bool in_part, const char *host_name,
                     config_report_fn on_error, config_report_fn on_warning, void *arg,
                     struct config **out)
{
    struct config_report report = {path, on_error, on_warning, arg, 0};
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
    struct config *config;
    int error;

    *out = NULL;
    if (snapshot == NULL)
        return -ENOMEM;
    atomic_init(&snapshot->references, 1);
    config = &snapshot->config;
    config->source.read_s = time(NULL);
    config->path = arena_string(&snapshot->arena, path);
    if (config->path == NULL || !config_defaults(config, &snapshot->arena, host_name))
        error = -ENOMEM;
    else
        error = absent ? 0 : config_parse(config, &snapshot->arena, &report);
    /* Checked even after errors, so that one run names them all. */
    if (error == 0 || error == -EINVAL) {
        if (error != 0 && in_part)
            report.on_error = report.on_warning = NULL;
        int checked = config_check(config, &snapshot->arena, &report);

        error = error != 0 ? error : checked;
    }
    if (error == 0 || error == -EINVAL)
        *out = config;
    else
        config_unref(config);
    return error;
}

static int load_from(const char *path, bool absent, const char *host_name,
                     config_report_fn on_error, config_report_fn on_warning, void *arg,
                     struct config **out)
{
    int error = read_from(path, absent, false, host_name, on_error, on_warning, arg, out);

    if (error == -EINVAL) {
        config_unref(*out);
        *out = NULL;
    }
    return error;
}

int config_load(const char *path, const char *host_name, config_report_fn on_error,
                config_report_fn on_warning, void *arg, struct config **out)
{
    return load_from(path, false, host_name, on_error, on_warning, arg, out);
}

int config_load_if_present(const char *path, const char *host_name, config_report_fn on_error,
                           config_report_fn on_warning, void *arg, struct config **out)
{
    return load_from(path, is_absent(path), host_name, on_error, on_warning, arg, out);
}

int config_load_in_part(const char *path, bool if_present, const char *host_name,
                        config_report_fn on_error, config_report_fn on_warning, void *arg,
                        struct config **out)
{
    return read_from(path, if_present && is_absent(path), true, host_name, on_error, on_warning,
                     arg, out);
}

char *config_unix_listener_of_file(const char *path)
{
    struct config *config;
    const char *listener = NULL;
    char *copy;

    (void)read_from(path, false, false, "localhost", NULL, NULL, NULL, &config);
    if (config != NULL && config->source.present)
        listener = config_unix_listener(config);
    copy = listener != NULL ? strdup(listener) : NULL;
    config_unref(config);
    return copy;
}

struct config *config_ref(struct config *config)
{
    atomic_fetch_add_explicit(&((struct snapshot *)(void *)config)->references, 1,
                              memory_order_relaxed);
    return config;
}

void config_unref(struct config *config)
{
    struct snapshot *snapshot = (struct snapshot *)(void *)config;

    if (config == NULL ||
        atomic_fetch_sub_explicit(&snapshot->references, 1, memory_order_acq_rel) != 1)
        return;
    arena_fini(&snapshot->arena);
    free(snapshot);
}

bool config_source_changed(const struct config *config, const char *path)
{
    const struct config_source *was = &config->source;
    struct stat st;

    if (stat(path, &st) != 0)
        return was->present;
    return !was->present || st.st_dev != was->device || st.st_ino != was->inode ||
           st.st_size != was->size || st.st_mtim.tv_sec != was->modified.tv_sec ||
           st.st_mtim.tv_nsec != was->modified.tv_nsec;
}
