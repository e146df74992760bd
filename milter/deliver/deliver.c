/*
 * The thread of the delivery agent. deliver_open binds the sockets and starts nothing;
 * deliver_start makes the loop, the agent and the LMTP server in it, and starts its thread. From
 * then on only that thread touches them: deliver_reload and deliver_drain leave something behind
 * and wake it. deliver_close ends the thread first.
 */
#include "deliver/deliver.h"

#include "base/log.h"
#include "deliver/agent.h"
#include "deliver/lmtp_server.h"
#include "net/listen.h"
#include "policy/clock.h"
#include "policy/loop.h"
#include "policy/wakeup.h"
#include "ticket/ticket_key.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct deliver {
    struct listen_set *sockets;
    size_t socket_count;
    struct loop *loop; /* NULL: not started */
    struct wakeup *told;
    struct agent *agent;
    struct lmtp_server *server;
    struct ticket_keys keys;
    pthread_mutex_t lock;
    /* Under the lock. */
    pthread_cond_t drained;
    struct config *loaded; /* a reference, to be taken over by the thread */
    struct ticket_keys loaded_keys;
    bool draining;
    bool idle;     /* no message is under way any more */
    unsigned busy; /* when that was last looked at */
};

int deliver_open(const struct config *config, struct deliver **out, char *err, size_t err_size)
{
    const struct config_deliver *c = &config->deliver;
    struct deliver *deliver;
    int error = 0;

    *out = NULL;
    if (c->socket_count == 0)
        return 0;
    snprintf(err, err_size, "out of memory");
    deliver = calloc(1, sizeof(*deliver));
    if (deliver == NULL)
        return -ENOMEM;
    pthread_mutex_init(&deliver->lock, NULL);
    clock_cond_init(&deliver->drained);
    deliver->sockets = calloc(c->socket_count, sizeof(*deliver->sockets));
    if (deliver->sockets == NULL)
        error = -ENOMEM;
    for (size_t i = 0; error == 0 && i < c->socket_count; i++) {
        const struct config_deliver_socket *s = &c->sockets[i];

        error = listen_open(&s->listen, s->socket_mode, s->socket_group, &deliver->sockets[i], err,
                            err_size);
        if (error == 0)
            deliver->socket_count++;
    }
    if (error < 0) {
        deliver_close(deliver);
        return error;
    }
    *out = deliver;
    return 0;
}

/* The files were tried before: what fails now has gone, or changed, since. The keys hold all the
 * same: the filter signs by them already, and who waited for the first is not told of them again.
 */
static void take_over(struct deliver *deliver, struct config *config,
                      const struct ticket_keys *keys)
{
    char err[512];

    deliver->keys = *keys;
    if (agent_reload(deliver->agent, config, err, sizeof(err)) < 0) {
        log_msg(LOG_ERR, "deliver: the configuration before stays in force: %s", err);
        return;
    }
    lmtp_server_reconfigure(deliver->server, config);
}

/* The last message that was under way has ended. */
static void on_idle(void *arg)
{
    struct deliver *deliver = arg;

    pthread_mutex_lock(&deliver->lock);
    deliver->idle = true;
    pthread_cond_broadcast(&deliver->drained);
    pthread_mutex_unlock(&deliver->lock);
}

/* wakeup_fn */
static void on_told(void *arg)
{
    struct deliver *deliver = arg;
    struct ticket_keys keys;
    struct config *loaded;
    bool draining;

    pthread_mutex_lock(&deliver->lock);
    loaded = deliver->loaded;
    deliver->loaded = NULL;
    keys = deliver->loaded_keys;
    draining = deliver->draining;
    deliver->busy = lmtp_server_busy(deliver->server);
    pthread_mutex_unlock(&deliver->lock);
    if (loaded != NULL)
        take_over(deliver, loaded, &keys);
    ticket_keys_forget(&keys);
    config_unref(loaded);
    if (draining)
        lmtp_server_drain(deliver->server);
}

static int set_up(struct deliver *deliver, struct config *config, struct engine *engine,
                  struct metrics *metrics, char *err, size_t err_size)
{
    struct lmtp_server_config server = {
        .config = config,
        .metrics = metrics,
        .keys = &deliver->keys,
        .sockets = deliver->sockets,
        .socket_count = deliver->socket_count,
        .on_idle = on_idle,
        .arg = deliver,
    };
    int error = loop_new("deliver", NULL, NULL, &deliver->loop);

    snprintf(err, err_size, "%s", strerror(-error));
    if (error < 0)
        return error;
    server.base = loop_base(deliver->loop);
    error = agent_new(server.base, config, engine, metrics, &deliver->agent, err, err_size);
    if (error < 0)
        return error;
    server.agent = deliver->agent;
    error = lmtp_server_new(&server, &deliver->server);
    if (error == 0)
        error = wakeup_new(server.base, on_told, deliver, &deliver->told);
    if (error == 0)
        error = loop_start(deliver->loop);
    if (error < 0)
        snprintf(err, err_size, "%s", strerror(-error));
    return error;
}

int deliver_start(struct deliver *deliver, struct config *config, const struct ticket_keys *keys,
                  struct engine *engine, struct metrics *metrics, char *err, size_t err_size)
{
    char why[400];
    int error;

    deliver->keys = *keys;
    error = set_up(deliver, config, engine, metrics, why, sizeof(why));
    if (error < 0)
        snprintf(err, err_size, "deliver: %s", why);
    return error;
}

void deliver_reload(struct deliver *deliver, struct config *config, const struct ticket_keys *keys)
{
    struct config *superseded;

    pthread_mutex_lock(&deliver->lock);
    superseded = deliver->loaded;
    deliver->loaded = config_ref(config);
    deliver->loaded_keys = *keys;
    pthread_mutex_unlock(&deliver->lock);
    config_unref(superseded);
    if (deliver->told != NULL)
        wakeup_send(deliver->told);
}

unsigned deliver_drain(struct deliver *deliver, int timeout_ms)
{
    const struct timespec end = clock_cond_time(clock_awake_ms() + timeout_ms);
    unsigned left;
    int error = 0;

    if (deliver->told == NULL)
        return 0;
    pthread_mutex_lock(&deliver->lock);
    if (!deliver->draining)
        deliver->busy = 1; /* until the thread has looked */
    deliver->draining = true;
    wakeup_send(deliver->told);
    while (!deliver->idle && error == 0)
        error = pthread_cond_timedwait(&deliver->drained, &deliver->lock, &end);
    /* Without a message there are sessions that may yet begin one. */
    left = deliver->idle ? 0 : deliver->busy > 0 ? deliver->busy : 1;
    pthread_mutex_unlock(&deliver->lock);
    return left;
}

void deliver_close(struct deliver *deliver)
{
    if (deliver == NULL)
        return;
    if (deliver->loop != NULL)
        loop_stop(deliver->loop);
    lmtp_server_free(deliver->server);
    agent_free(deliver->agent);
    wakeup_free(deliver->told);
    loop_free(deliver->loop);
    for (size_t i = 0; i < deliver->socket_count; i++)
        listen_close(&deliver->sockets[i]);
    free(deliver->sockets);
    ticket_keys_forget(&deliver->keys);
    ticket_keys_forget(&deliver->loaded_keys);
    config_unref(deliver->loaded);
    pthread_cond_destroy(&deliver->drained);
    pthread_mutex_destroy(&deliver->lock);
    free(deliver);
}
