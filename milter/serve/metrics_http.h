/*
 * The metrics listener: answers GET /metrics over HTTP/1.1 (RFC 9112), one request a connection.
 */
#ifndef MILTER_SERVE_METRICS_HTTP_H
#define MILTER_SERVE_METRICS_HTTP_H

#include "base/metrics.h"
#include "net/listen.h"
#include "serve/socketmap.h"

#include <event2/event.h>

struct metrics_http;

/* Serves on the base's thread; everything is borrowed. Returns 0 or a negative errno. */
int metrics_http_new(struct event_base *base, struct metrics *metrics, struct engine *engine,
                     const struct socketmap *socketmap, const struct listen_set *listeners,
                     struct metrics_http **out);
void metrics_http_free(struct metrics_http *http); /* NULL is allowed */

#endif
