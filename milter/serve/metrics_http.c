/*
 * HTTP for the metrics, as little as a Prometheus server and curl need: the request line is read,
 * the header is skipped, one response, close. libevent's own HTTP server has no bound on the number
 * of connections, hence buffered sockets of it only.
 */
#include "serve/metrics_http.h"

#include "base/log.h"
#include "serve/status.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum {
    /* For one more the oldest that has not asked yet is closed, so that clients that only hold
     * connections do not keep others out. */
    CONNECTIONS_MAX = 32,
    REQUEST_MAX = 8192, /* with its header */
    CLIENT_MS = 10000,  /* for everything; protects against clients that trickle */
    PAUSE_MS = 1000,    /* when descriptors run out */
};

struct client {
    TAILQ_ENTRY(client) link;
    struct metrics_http *http;
    struct bufferevent *io;
    struct event *deadline;
};

struct metrics_http {
    struct metrics *metrics;
    struct engine *engine;
    const struct socketmap *socketmap;
    struct event_base *base;
    struct evconnlistener *listeners[LISTEN_ADDRESSES_MAX];
    size_t listener_count;
    struct event *resume;         /* accepts again after a pause */
    TAILQ_HEAD(, client) clients; /* the oldest first */
    size_t client_count;
};

static void client_free(struct client *client)
{
    TAILQ_REMOVE(&client->http->clients, client, link);
    client->http->client_count--;
    if (client->io != NULL)
        bufferevent_free(client->io);
    if (client->deadline != NULL)
        event_free(client->deadline);
    free(client);
}

static void on_event(struct bufferevent *io, short what, void *arg)
{
    (void)io;
    (void)what;
    client_free(arg);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    client_free(arg);
}

static void on_sent(struct bufferevent *io, void *arg)
{
    (void)io;
    client_free(arg);
}

static void send_response(struct client *client, const char *status, const char *body, size_t len,
                          bool head_only)
{
    struct evbuffer *out = bufferevent_get_output(client->io);
    bufferevent_disable(client->io, EV_READ);
    bufferevent_setcb(client->io, NULL, on_sent, on_event, client);
    evbuffer_add_printf(out,
                        "HTTP/1.1 %s\r\n"
                        "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                        "Content-Length: %zu\r\n"
                        "Connection: close\r\n\r\n",
                        status, len);
    if (!head_only)
        evbuffer_add(out, body, len);
}

static void respond_metrics(struct client *client, bool head_only)
{
    static const char failed[] = "out of memory\n";
    struct metrics_http *http = client->http;
    struct status status;
    struct metrics_gauges gauges;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    status_collect(http->socketmap, &status);
    gauges =
        (struct metrics_gauges){.security_known = status.health.security_known,
                                .store_up = status.health.store != ENGINE_STORE_DOWN,
                                .shared_up = status.health.shared != ENGINE_SHARED_NOT_CONNECTED,
                                .socketmap_connections = status.socketmap_connections,
                                .dns_waiting = status.health.dns_waiting};
    memcpy(gauges.standing, status.standing, sizeof(gauges.standing));
    if (out != NULL)
        metrics_write(http->metrics, &status.stats, &gauges, out);
    if (out != NULL && fclose(out) == 0)
        send_response(client, "200 OK", text, len, head_only);
    else
        send_response(client, "503 Service Unavailable", failed, sizeof(failed) - 1, head_only);
    free(text);
}

static void respond_text(struct client *client, const char *status, bool head_only)
{
    char body[64];
    int len = snprintf(body, sizeof(body), "%s\n", status);
    send_response(client, status, body, (size_t)len, head_only);
}

/* The request line without its end. */
static void handle_request(struct client *client, const char *line)
{
    bool head_only = strncmp(line, "HEAD ", 5) == 0;
    if (!head_only && strncmp(line, "GET ", 4) != 0) {
        respond_text(client, "405 Method Not Allowed", false);
        return;
    }
    const char *target = line + (head_only ? 5 : 4);
    size_t len = strcspn(target, " ?");
    if (len == 8 && strncmp(target, "/metrics", len) == 0)
        respond_metrics(client, head_only);
    else
        respond_text(client, "404 Not Found", head_only);
}

static void on_input(struct bufferevent *io, void *arg)
{
    struct client *client = arg;
    struct evbuffer *in = bufferevent_get_input(io);
    struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
    if (end.pos < 0 && evbuffer_get_length(in) < REQUEST_MAX)
        return;
    char *line = end.pos >= 0 ? evbuffer_readln(in, NULL, EVBUFFER_EOL_CRLF) : NULL;
    if (line != NULL)
        handle_request(client, line);
    else
        respond_text(client, "431 Request Header Fields Too Large", false);
    free(line);
}

static bool client_start(struct client *client, evutil_socket_t fd)
{
    const struct timeval limit = {.tv_sec = CLIENT_MS / 1000};
    client->deadline = evtimer_new(client->http->base, on_deadline, client);
    client->io = bufferevent_socket_new(client->http->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (client->io == NULL) {
        evutil_closesocket(fd);
        return false;
    }
    bufferevent_setwatermark(client->io, EV_READ, 0, REQUEST_MAX);
    bufferevent_setcb(client->io, on_input, NULL, on_event, client);
    return client->deadline != NULL && evtimer_add(client->deadline, &limit) == 0 &&
           bufferevent_enable(client->io, EV_READ | EV_WRITE) == 0;
}

/* Returns whether there is room now. Who is being answered already is not cut off. */
static bool make_room(struct metrics_http *http)
{
    struct client *client;
    if (http->client_count < CONNECTIONS_MAX)
        return true;
    TAILQ_FOREACH (client, &http->clients, link) {
        if (bufferevent_get_enabled(client->io) & EV_READ) {
            client_free(client);
            return true;
        }
    }
    return false;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer,
                      int peer_len, void *arg)
{
    struct metrics_http *http = arg;
    struct client *client = NULL;
    (void)listener;
    (void)peer;
    (void)peer_len;
    if (make_room(http))
        client = calloc(1, sizeof(*client));
    if (client == NULL) {
        evutil_closesocket(fd);
        return;
    }
    client->http = http;
    TAILQ_INSERT_TAIL(&http->clients, client, link);
    http->client_count++;
    if (!client_start(client, fd))
        client_free(client);
}

static void set_accepting(struct metrics_http *http, bool accepting)
{
    for (size_t i = 0; i < http->listener_count; i++) {
        if (accepting)
            evconnlistener_enable(http->listeners[i]);
        else
            evconnlistener_disable(http->listeners[i]);
    }
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    set_accepting(arg, true);
}

/* Without descriptors the listener would fire again at once. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    const struct timeval pause = {.tv_sec = PAUSE_MS / 1000};
    struct metrics_http *http = arg;
    (void)listener;
    log_msg(LOG_ERR, "metrics: cannot accept connections: %s", strerror(errno));
    set_accepting(http, false);
    evtimer_add(http->resume, &pause);
}

int metrics_http_new(struct event_base *base, struct metrics *metrics, struct engine *engine,
                     const struct socketmap *socketmap, const struct listen_set *listeners,
                     struct metrics_http **out)
{
    struct metrics_http *http = calloc(1, sizeof(*http));
    if (http == NULL)
        return -ENOMEM;
    http->metrics = metrics;
    http->engine = engine;
    http->socketmap = socketmap;
    http->base = base;
    TAILQ_INIT(&http->clients);
    http->resume = evtimer_new(base, on_resume, http);
    if (http->resume == NULL) {
        metrics_http_free(http);
        return -ENOMEM;
    }
    for (size_t i = 0; i < listeners->count; i++) {
        /* Not LEV_OPT_CLOSE_ON_FREE: the sockets are the caller's. Backlog 0: it listens already.
         */
        struct evconnlistener *listener =
            evconnlistener_new(base, on_accept, http, LEV_OPT_CLOSE_ON_EXEC, 0, listeners->fds[i]);
        if (listener == NULL) {
            metrics_http_free(http);
            return -ENOMEM;
        }
        evconnlistener_set_error_cb(listener, on_accept_error);
        http->listeners[http->listener_count++] = listener;
    }
    *out = http;
    return 0;
}

void metrics_http_free(struct metrics_http *http)
{
    struct client *client;
    if (http == NULL)
        return;
    while ((client = TAILQ_FIRST(&http->clients)) != NULL)
        client_free(client);
    for (size_t i = 0; i < http->listener_count; i++)
        evconnlistener_free(http->listeners[i]);
    if (http->resume != NULL)
        event_free(http->resume);
    free(http);
}
