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

struct snapshot {
    struct config config; /* first: the public handle is its address */
    struct arena arena;
    atomic_uint references;
};

int config_load(const char *path, const char *host_name, config_report_fn on_error,
                config_report_fn on_warning, void *arg, struct config **out)
{
    struct config_report report = {path, on_error, on_warning, arg, 0};
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
    struct config *config;
    int r;

    *out = NULL;
    if (snapshot == NULL)
        return -ENOMEM;
    atomic_init(&snapshot->references, 1);
    config = &snapshot->config;
    config->path = arena_string(&snapshot->arena, path);
    if (config->path == NULL || !config_defaults(config, &snapshot->arena, host_name))
        r = -ENOMEM;
    else
        r = config_parse(config, &snapshot->arena, &report);
    /* Checked even after errors, so that one run names them all. */
    if (r == 0 || r == -EINVAL) {
        int checked = config_check(config, &snapshot->arena, &report);

        r = r != 0 ? r : checked;
    }
    if (r != 0) {
        config_unref(config);
        return r;
    }
    *out = config;
    return 0;
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
