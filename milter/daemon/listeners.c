/*
 * The thread behind the socketmap and metrics listeners. listeners_open binds sockets and starts
 * nothing; listeners_start makes the event loop, what serves in it, and the thread. Afterwards only
 * that thread touches the loop: others leave a configuration or the wish to stop behind, and wake
 * it by an eventfd.
 */
#include "daemon/listeners.h"

#include "base/log.h"
#include "serve/listen.h"
#include "serve/metrics_http.h"
#include "serve/socketmap.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct listeners {
    struct listen_set *maps;
    size_t map_count;
    struct listen_set http; /* without sockets: off */
    struct event_base *base;
    struct socketmap *socketmap;
    struct metrics_http *metrics_http;
    int wake_fd;
    struct event *wake;
    bool running;
    pthread_t thread;
    atomic_bool stopping;
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
    listeners->wake_fd = -1;
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

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct listeners *listeners = arg;
    uint64_t count;
    (void)what;
    if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        log_msg(LOG_ERR, "socketmap: eventfd: %s", strerror(errno));
    pthread_mutex_lock(&listeners->lock);
    struct config *loaded = listeners->loaded;
    listeners->loaded = NULL;
    pthread_mutex_unlock(&listeners->lock);
    if (loaded != NULL)
        socketmap_reconfigure(listeners->socketmap, loaded);
    config_unref(loaded);
    if (atomic_load(&listeners->stopping))
        event_base_loopbreak(listeners->base);
}

static void wake(struct listeners *listeners)
{
    const uint64_t one = 1;
    if (write(listeners->wake_fd, &one, sizeof(one)) < 0)
        log_msg(LOG_ERR, "socketmap: eventfd: %s", strerror(errno));
}

static void *run_loop(void *arg)
{
    struct listeners *listeners = arg;
    event_base_loop(listeners->base, EVLOOP_NO_EXIT_ON_EMPTY);
    return NULL;
}

/* All of the base's events belong to one thread: no locks. Few have a time: it is asked when
 * needed. */
static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;
    if (config != NULL &&
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_NO_CACHE_TIME) == 0)
        base = event_base_new_with_config(config);
    if (config != NULL)
        event_config_free(config);
    return base;
}

static int set_up(struct listeners *listeners, struct config *config, struct engine *engine,
                  struct metrics *metrics)
{
    listeners->base = new_base();
    listeners->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (listeners->base == NULL || listeners->wake_fd < 0)
        return -ENOMEM;
    listeners->wake =
        event_new(listeners->base, listeners->wake_fd, EV_READ | EV_PERSIST, on_wake, listeners);
    if (listeners->wake == NULL || event_add(listeners->wake, NULL) < 0)
        return -ENOMEM;
    int error = socketmap_new(listeners->base, config, engine, metrics, listeners->maps,
                              listeners->map_count, &listeners->socketmap);
    if (error == 0 && listeners->http.count > 0)
        error = metrics_http_new(listeners->base, metrics, engine, listeners->socketmap,
                                 &listeners->http, &listeners->metrics_http);
    return error;
}

int listeners_start(struct listeners *listeners, struct config *config, struct engine *engine,
                    struct metrics *metrics, char *err, size_t err_size)
{
    int error = set_up(listeners, config, engine, metrics);
    if (error == 0)
        error = -pthread_create(&listeners->thread, NULL, run_loop, listeners);
    if (error < 0) {
        snprintf(err, err_size, "socketmap: %s", strerror(-error));
        return error;
    }
    listeners->running = true;
    return 0;
}

void listeners_reload(struct listeners *listeners, struct config *config)
{
    pthread_mutex_lock(&listeners->lock);
    struct config *superseded = listeners->loaded;
    listeners->loaded = config_ref(config);
    pthread_mutex_unlock(&listeners->lock);
    config_unref(superseded);
    if (listeners->running)
        wake(listeners);
}

void listeners_close(struct listeners *listeners)
{
    if (listeners == NULL)
        return;
    if (listeners->running) {
        atomic_store(&listeners->stopping, true);
        wake(listeners);
        pthread_join(listeners->thread, NULL);
    }
    metrics_http_free(listeners->metrics_http);
    socketmap_free(listeners->socketmap);
    if (listeners->wake != NULL)
        event_free(listeners->wake);
    if (listeners->base != NULL)
        event_base_free(listeners->base);
    if (listeners->wake_fd >= 0)
        close(listeners->wake_fd);
    for (size_t i = 0; i < listeners->map_count; i++)
        listen_close(&listeners->maps[i]);
    free(listeners->maps);
    listen_close(&listeners->http);
    config_unref(listeners->loaded);
    pthread_mutex_destroy(&listeners->lock);
    free(listeners);
}
