#include "scripted_redis.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* The number of a line "*3\r\n" or "$5\r\n" at *at; -1: it has not come yet. Moves *at behind it.
 */
static long number(const char *octets, size_t len, size_t *at, char sign)
{
    const char *end = memchr(octets + *at, '\n', len - *at);
    long value = 0;

    if (end == NULL)
        return -1;
    assert_int_equal(octets[*at], sign);
    for (const char *digit = octets + *at + 1; digit < end && *digit >= '0' && *digit <= '9';
         digit++)
        value = value * 10 + (*digit - '0');
    *at = (size_t)(end - octets) + 1;
    return value;
}

/* How long the first command is; 0: it has not come yet. Its words, joined, go to `words`. */
static size_t command_of(const char *octets, size_t len, char *words, size_t size)
{
    size_t at = 0, used = 0;
    long count = number(octets, len, &at, '*');

    if (count < 0)
        return 0;
    words[0] = '\0';
    while (count-- > 0) {
        long word_len = at < len ? number(octets, len, &at, '$') : -1;

        if (word_len < 0 || at + (size_t)word_len + 2 > len)
            return 0;
        if (used < size)
            used += (size_t)snprintf(words + used, size - used, "%s%.*s", used > 0 ? " " : "",
                                     (int)word_len, octets + at);
        at += (size_t)word_len + 2;
    }
    return at;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static const char *reply_of(struct scripted_redis *server)
{
    if (begins(server->words, "AUTH "))
        return server->script.auth;
    if (begins(server->words, "SELECT "))
        return server->script.select;
    if (begins(server->words, "SET requiretls:1:check"))
        return server->script.check;
    if (begins(server->words, "DEL "))
        return server->script.del;
    if (begins(server->words, "SET ")) {
        server->sets++;
        return server->script.set;
    }
    assert_true(begins(server->words, "GETRANGE "));
    server->gets++;
    return server->script.get;
}

static void drop(struct scripted_redis *server, struct bufferevent *connection)
{
    for (size_t i = 0; i < SCRIPTED_CONNECTIONS_MAX; i++) {
        if (server->connections[i] == connection)
            server->connections[i] = NULL;
    }
    bufferevent_free(connection);
}

static void on_flushed(struct bufferevent *connection, void *arg)
{
    drop(arg, connection);
}

static void on_event(struct bufferevent *connection, short what, void *arg)
{
    struct scripted_redis *server = arg;
    (void)what;

    server->closed++;
    drop(server, connection);
}

static void on_read(struct bufferevent *connection, void *arg)
{
    struct scripted_redis *server = arg;
    struct evbuffer *in = bufferevent_get_input(connection);
    size_t len;

    while ((len = command_of((const char *)evbuffer_pullup(in, -1), evbuffer_get_length(in),
                             server->words, sizeof(server->words))) > 0) {
        unsigned gets = server->gets;
        const char *reply = reply_of(server);

        evbuffer_drain(in, len);
        if (reply != NULL)
            bufferevent_write(connection, reply, strlen(reply));
        if (server->script.closes && server->gets > gets) {
            if (reply == NULL || reply[0] == '\0')
                drop(server, connection);
            else
                bufferevent_setcb(connection, NULL, on_flushed, on_event, server);
            return;
        }
        if (evbuffer_get_length(in) == 0)
            return;
    }
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
                      int from_len, void *arg)
{
    struct scripted_redis *server = arg;
    struct bufferevent *connection =
        bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
    size_t i = 0;
    (void)from;
    (void)from_len;

    assert_non_null(connection);
    while (server->connections[i] != NULL)
        assert_true(++i < SCRIPTED_CONNECTIONS_MAX);
    server->connections[i] = connection;
    server->accepted++;
    bufferevent_setcb(connection, on_read, NULL, on_event, server);
    if (server->script.greeting != NULL)
        bufferevent_write(connection, server->script.greeting, strlen(server->script.greeting));
    if (!server->script.no_reader)
        bufferevent_enable(connection, EV_READ);
}

void scripted_redis_start(struct scripted_redis *server, const struct script *script)
{
    signal(SIGPIPE, SIG_IGN); /* its client may have closed */
    *server = (struct scripted_redis){.script = *script, .dir = "/tmp/test_shared.XXXXXX"};
    assert_non_null(mkdtemp(server->dir));
    snprintf(server->path, sizeof(server->path), "%s/socket", server->dir);
    snprintf(server->url, sizeof(server->url), "unix:%s", server->path);
}

void scripted_redis_listen(struct scripted_redis *server, struct event_base *base)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    memcpy(un.sun_path, server->path, sizeof(server->path));
    server->listener = evconnlistener_new_bind(base, on_accept, server, LEV_OPT_CLOSE_ON_FREE, -1,
                                               (struct sockaddr *)&un, sizeof(un));
    assert_non_null(server->listener);
}

void scripted_redis_say(struct scripted_redis *server, const char *octets, size_t len)
{
    for (size_t i = 0; i < SCRIPTED_CONNECTIONS_MAX; i++) {
        if (server->connections[i] != NULL)
            bufferevent_write(server->connections[i], octets, len);
    }
}

void scripted_redis_end(struct scripted_redis *server)
{
    for (size_t i = 0; i < SCRIPTED_CONNECTIONS_MAX; i++) {
        if (server->connections[i] != NULL)
            bufferevent_free(server->connections[i]);
    }
    if (server->listener != NULL)
        evconnlistener_free(server->listener);
    unlink(server->path);
    assert_int_equal(rmdir(server->dir), 0);
}
