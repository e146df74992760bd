/*
 * The thread behind the socketmap and metrics listeners. listeners_open binds sockets and starts
 * nothing; listeners_start makes the loop, what serves in it, and starts its thread. Afterwards
 * only that thread touches what serves: listeners_reload leaves a configuration behind and wakes
 * it.
 */
#include "daemon/listeners.h"

#include "net/listen.h"
#include "policy/loop.h"
#include "policy/wakeup.h"
#include "serve/metrics_http.h"
#include "serve/socketmap.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct listeners {
    struct listen_set *maps;
    size_t map_count;
    struct listen_set http; /* without sockets: off */
    struct loop *loop;      /* NULL: not started */
    struct wakeup *reloaded;
    struct socketmap *socketmap;
    struct metrics_http *metrics_http;
    pthread_mutex_t lock;
    struct config *loaded; /* a reference, to be taken over by the thread; under the lock */
};

int listeners_open(const struct config *config, struct listeners **out, char *err, size_t err_size)
{
    const struct config_socketmap *s = &config->socketmap;
    struct listeners *listeners = calloc(1, sizeof(*listeners));
    int error = -ENOMEM;
    snprintf(err, err_size, "out of memory");
    if (listeners == NULL)
        return error;
    pthread_mutex_init(&listeners->lock, NULL);
    listeners->maps = calloc(s->listen_count + 1, sizeof(*listeners->maps));
    if (listeners->maps != NULL)
        error = 0;
    for (size_t i = 0; error == 0 && i < s->listen_count; i++) {
        error = listen_open(&s->listen[i], s->socket_mode, s->socket_group, &listeners->maps[i],
                            err, err_size);
        if (error == 0)
            listeners->map_count++;
    }
    if (error == 0 && config->metrics_listen.text != NULL)
        error = listen_open(&config->metrics_listen, 0660, s->socket_group, &listeners->http, err,
                            err_size);
    if (error < 0) {
        listeners_close(listeners);
        return error;
    }
    *out = listeners;
    return 0;
}

/* wakeup_fn */
static void on_reloaded(void *arg)
{
    struct listeners *listeners = arg;
    pthread_mutex_lock(&listeners->lock);
    struct config *loaded = listeners->loaded;
    listeners->loaded = NULL;
    pthread_mutex_unlock(&listeners->lock);
    if (loaded != NULL)
        socketmap_reconfigure(listeners->socketmap, loaded);
    config_unref(loaded);
}

static int set_up(struct listeners *listeners, struct config *config, struct engine *engine,
                  struct metrics *metrics)
{
    int error = loop_new("listeners", NULL, NULL, &listeners->loop);
    if (error < 0)
        return error;
    struct event_base *base = loop_base(listeners->loop);
    error = wakeup_new(base, on_reloaded, listeners, &listeners->reloaded);
    if (error == 0)
        error = socketmap_new(base, config, engine, metrics, listeners->maps, listeners->map_count,
                              &listeners->socketmap);
    if (error == 0 && listeners->http.count > 0)
        error = metrics_http_new(base, metrics, engine, listeners->socketmap, &listeners->http,
                                 &listeners->metrics_http);
    return error;
}

int listeners_start(struct listeners *listeners, struct config *config, struct engine *engine,
                    struct metrics *metrics, char *err, size_t err_size)
{
    int error = set_up(listeners, config, engine, metrics);
    if (error == 0)
        error = loop_start(listeners->loop);
    if (error < 0)
        snprintf(err, err_size, "socketmap: %s", strerror(-error));
    return error;
}

void listeners_reload(struct listeners *listeners, struct config *config)
{
    pthread_mutex_lock(&listeners->lock);
    struct config *superseded = listeners->loaded;
    listeners->loaded = config_ref(config);
    pthread_mutex_unlock(&listeners->lock);
    config_unref(superseded);
    if (listeners->reloaded != NULL)
        wakeup_send(listeners->reloaded);
}

void listeners_close(struct listeners *listeners)
{
    if (listeners == NULL)
        return;
    if (listeners->loop != NULL)
        loop_stop(listeners->loop);
    metrics_http_free(listeners->metrics_http);
    socketmap_free(listeners->socketmap);
    wakeup_free(listeners->reloaded);
    loop_free(listeners->loop);
    for (size_t i = 0; i < listeners->map_count; i++)
        listen_close(&listeners->maps[i]);
    free(listeners->maps);
    listen_close(&listeners->http);
    config_unref(listeners->loaded);
    pthread_mutex_destroy(&listeners->lock);
    free(listeners);
}
