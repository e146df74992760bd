/* The thread behind the socketmap and metrics listeners, from bound sockets to the end. */
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

struct front {
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

int front_open(const struct config *config, struct front **out, char *err, size_t err_size)
{
    const struct config_socketmap *s = &config->socketmap;
    struct front *front = calloc(1, sizeof(*front));
    int error = -ENOMEM;
    snprintf(err, err_size, "out of memory");
    if (!front)
        return error;
    front->wake_fd = -1;
    pthread_mutex_init(&front->lock, NULL);
    front->maps = calloc(s->listen_count + 1, sizeof(*front->maps));
    if (front->maps)
        error = 0;
    for (size_t i = 0; error == 0 && i < s->listen_count; i++) {
        error = listen_open(&s->listen[i], s->socket_mode, s->socket_group, &front->maps[i], err,
                            err_size);
        if (error == 0)
            front->map_count++;
    }
    if (error == 0 && config->metrics_listen.text)
        error = listen_open(&config->metrics_listen, 0660, s->socket_group, &front->http, err,
                            err_size);
    if (error < 0) {
        front_close(front);
        return error;
    }
    *out = front;
    return 0;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct front *front = arg;
    uint64_t count;
    (void)what;
    if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        log_msg(LOG_ERR, "socketmap: eventfd: %s", strerror(errno));
    pthread_mutex_lock(&front->lock);
    struct config *loaded = front->loaded;
    front->loaded = NULL;
    pthread_mutex_unlock(&front->lock);
    if (loaded)
        socketmap_reconfigure(front->socketmap, loaded);
    config_unref(loaded);
    if (atomic_load(&front->stopping))
        event_base_loopbreak(front->base);
}

static void wake(struct front *front)
{
    const uint64_t one = 1;
    if (write(front->wake_fd, &one, sizeof(one)) < 0)
        log_msg(LOG_ERR, "socketmap: eventfd: %s", strerror(errno));
}

static void *run(void *arg)
{
    struct front *front = arg;
    event_base_loop(front->base, EVLOOP_NO_EXIT_ON_EMPTY);
    return NULL;
}

/* All of the base's events belong to one thread: no locks. Few have a time: it is asked when
 * needed. */
static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;
    if (config &&
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_NO_CACHE_TIME) == 0)
        base = event_base_new_with_config(config);
    if (config)
        event_config_free(config);
    return base;
}

static int set_up(struct front *front, struct config *config, struct engine *engine,
                  struct metrics *metrics)
{
    front->base = new_base();
    front->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!front->base || front->wake_fd < 0)
        return -ENOMEM;
    front->wake = event_new(front->base, front->wake_fd, EV_READ | EV_PERSIST, on_wake, front);
    if (!front->wake || event_add(front->wake, NULL) < 0)
        return -ENOMEM;
    int error = socketmap_new(front->base, config, engine, metrics, front->maps, front->map_count,
                              &front->socketmap);
    if (error == 0 && front->http.count > 0)
        error = metrics_http_new(front->base, metrics, engine, front->socketmap, &front->http,
                                 &front->metrics_http);
    return error;
}

int front_start(struct front *front, struct config *config, struct engine *engine,
                struct metrics *metrics, char *err, size_t err_size)
{
    int error = set_up(front, config, engine, metrics);
    if (error == 0)
        error = -pthread_create(&front->thread, NULL, run, front);
    if (error < 0) {
        snprintf(err, err_size, "socketmap: %s", strerror(-error));
        return error;
    }
    front->running = true;
    return 0;
}

void front_reload(struct front *front, struct config *config)
{
    pthread_mutex_lock(&front->lock);
    struct config *superseded = front->loaded;
    front->loaded = config_ref(config);
    pthread_mutex_unlock(&front->lock);
    config_unref(superseded);
    if (front->running)
        wake(front);
}

void front_close(struct front *front)
{
    if (!front)
        return;
    if (front->running) {
        atomic_store(&front->stopping, true);
        wake(front);
        pthread_join(front->thread, NULL);
    }
    metrics_http_free(front->metrics_http);
    socketmap_free(front->socketmap);
    if (front->wake)
        event_free(front->wake);
    if (front->base)
        event_base_free(front->base);
    if (front->wake_fd >= 0)
        close(front->wake_fd);
    for (size_t i = 0; i < front->map_count; i++)
        listen_close(&front->maps[i]);
    free(front->maps);
    listen_close(&front->http);
    config_unref(front->loaded);
    pthread_mutex_destroy(&front->lock);
    free(front);
}
