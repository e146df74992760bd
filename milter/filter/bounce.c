/*
 * Bounces that may have to be redacted. The rewriting is dsn_rewrite.c's; here its output is kept
 * until the end of the message, when alone the body may be replaced, and handed to the MTA.
 */
#include "filter/bounce.h"

#include "base/log.h"
#include "base/spool.h"
#include "policy/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Redacted bounces are headers and a delivery report: nearly all stay in memory. */
enum { MEMORY_MAX = 256 * 1024, PROGRESS_MS = 2000 };

static const char spool_dir[] = "/var/tmp"; /* not /tmp, which may be memory itself */

struct bounce {
    struct dsn_rewrite *rewrite;
    struct spool *spool;
    struct spool *whole; /* without tickets alone; NULL: memory was short */
    struct seen_ids *seen;
    struct dsn_rewrite_result result;
};

static bool is_known(void *arg, const char *queue_id)
{
    const struct bounce *bounce = arg;

    return bounce->seen != NULL && seen_ids_contains(bounce->seen, queue_id);
}

/* dsn_sink_fn */
static int write_whole(void *arg, const char *data, size_t len)
{
    return arg != NULL ? spool_write(arg, data, len) : -ENOMEM;
}

struct bounce *bounce_new(struct seen_ids *seen)
{
    struct bounce *bounce = calloc(1, sizeof(*bounce));
    struct dsn_rewrite_hooks hooks = {
        .sink = spool_write, .known_id = is_known, .whole_sink = write_whole};

    if (bounce == NULL)
        return NULL;
    bounce->seen = seen;
    bounce->spool = spool_new(MEMORY_MAX, spool_dir);
    bounce->whole = spool_new(MEMORY_MAX, spool_dir);
    hooks.sink_arg = bounce->spool;
    hooks.whole_sink_arg = bounce->whole;
    hooks.known_id_arg = bounce;
    if (bounce->spool != NULL)
        bounce->rewrite = dsn_rewrite_new(&hooks);
    if (bounce->rewrite == NULL) {
        bounce_free(bounce);
        return NULL;
    }
    return bounce;
}

void bounce_free(struct bounce *bounce)
{
    if (bounce == NULL)
        return;
    dsn_rewrite_free(bounce->rewrite);
    spool_free(bounce->spool);
    spool_free(bounce->whole);
    free(bounce);
}

void bounce_header(struct bounce *bounce, const char *name, const char *value)
{
    dsn_rewrite_header(bounce->rewrite, name, value);
}

bool bounce_wanted(const struct bounce *bounce)
{
    return dsn_rewrite_wanted(bounce->rewrite);
}

static int report_failure(int error)
{
    if (error < 0)
        log_msg(LOG_ERR, "a bounce is deferred, its redacted body cannot be kept in %s: %s",
                spool_dir, strerror(-error));
    return error;
}

int bounce_body(struct bounce *bounce, const char *data, size_t len)
{
    return report_failure(dsn_rewrite_body(bounce->rewrite, data, len));
}

int bounce_end(struct bounce *bounce, enum dsn_rewrite_request *request)
{
    int error = dsn_rewrite_end(bounce->rewrite, &bounce->result);

    if (error == 0)
        *request = bounce->result.request;
    return report_failure(error);
}

struct replacing {
    const struct message_ops *ops;
    int64_t progress_at_ms;
};

static int replace_part(void *arg, const char *data, size_t len)
{
    struct replacing *r = arg;

    if (clock_awake_ms() >= r->progress_at_ms) {
        if (!r->ops->progress(r->ops->arg))
            return -EPIPE;
        r->progress_at_ms = clock_awake_ms() + PROGRESS_MS;
    }
    return r->ops->replace_body(r->ops->arg, data, len) ? 0 : -EPIPE;
}

static bool replace_body(struct bounce *bounce, const struct message_ops *ops)
{
    struct replacing r = {.ops = ops, .progress_at_ms = clock_awake_ms() + PROGRESS_MS};

    if (!ops->can_replace_body) {
        log_msg(LOG_ERR, "the MTA does not let its bounces be redacted: they are deferred");
        return false;
    }
    return spool_each(bounce->result.whole ? bounce->whole : bounce->spool, replace_part, &r) == 0;
}

bool bounce_apply(struct bounce *bounce, const struct message_ops *ops, bool *redacted)
{
    struct dsn_rewrite_result *result = &bounce->result;
    struct dsn_rewrite_change change;

    /* A ticket that is returned to its sender is no reason to defer. */
    if (result->tickets_only && !ops->can_replace_body) {
        dsn_rewrite_keep_body(bounce->rewrite);
        result->replace_body = false;
    }
    *redacted = result->replace_body && !result->tickets_only;
    if (result->replace_body && !replace_body(bounce, ops))
        return false;
    while (dsn_rewrite_next_change(bounce->rewrite, &change)) {
        bool done = change.value == NULL
                        ? ops->delete_header(ops->arg, change.name, (unsigned)change.index)
                        : ops->add_header(ops->arg, change.name, change.value);

        if (!done)
            return false;
    }
    return true;
}
