/*
 * Load for a socketmap server: as many connections as asked for, each with one question at a time,
 * as Postfix asks. Prints answers a second and latencies.
 *
 *   socketmap_load PATH CONNECTIONS SECONDS MAP KEY_FORMAT KEYS
 *
 * KEY_FORMAT holds one %u, the number of the key, below KEYS; keys take turns.
 */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 1024, REPLY_MAX = 4096 };

struct client {
    int fd;
    size_t got;
    int64_t asked_ns;
    char reply[REPLY_MAX];
};

static struct client clients[CONNECTIONS_MAX];
static char **requests;
static unsigned request_count, next_request;

static void open_client(struct client *c, const char *path)
{
    c->fd = load_connect(path, c);
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0)
        load_die("fcntl");
}

static void ask(struct client *c)
{
    const char *request = requests[next_request++ % request_count];
    size_t len = strlen(request);
    c->got = 0;
    c->asked_ns = load_now_ns();
    if (send(c->fd, request, len, MSG_NOSIGNAL) != (ssize_t)len)
        load_die("send");
}

/* Whether one netstring is whole. */
static int is_whole(const struct client *c)
{
    char *end;
    size_t len = strtoul(c->reply, &end, 10);
    return *end == ':' && c->got == (size_t)(end - c->reply) + len + 2;
}

static void hear(void *arg)
{
    struct client *c = arg;
    ssize_t got = recv(c->fd, c->reply + c->got, sizeof(c->reply) - 1 - c->got, 0);
    if (got <= 0) {
        if (got < 0 && errno == EAGAIN)
            return;
        load_die("recv");
    }
    c->got += (size_t)got;
    c->reply[c->got] = '\0';
    if (!is_whole(c))
        return;
    if (strstr(c->reply, ":OK ") == NULL && strstr(c->reply, ":NOTFOUND ") == NULL) {
        fprintf(stderr, "unexpected reply: %s\n", c->reply);
        exit(1);
    }
    load_answered(c->asked_ns);
    ask(c);
}

static void make_requests(const char *map, const char *format, unsigned count)
{
    requests = calloc(count, sizeof(*requests));
    request_count = count;
    for (unsigned i = 0; i < count; i++) {
        char key[512], text[1024];
        const char *at = strstr(format, "%u");
        if (at != NULL)
            snprintf(key, sizeof(key), "%.*s%u%s", (int)(at - format), format, i, at + 2);
        else
            snprintf(key, sizeof(key), "%s", format);
        snprintf(text, sizeof(text), "%zu:%s %s,", strlen(map) + 1 + strlen(key), map, key);
        requests[i] = strdup(text);
    }
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fputs("usage: socketmap_load PATH CONNECTIONS SECONDS MAP KEY_FORMAT KEYS\n", stderr);
        return 64;
    }
    int count = atoi(argv[2]);
    int64_t length_ns = (int64_t)(atof(argv[3]) * 1e9);
    if (count < 1 || count > CONNECTIONS_MAX)
        return 64;
    make_requests(argv[4], argv[5], (unsigned)atoi(argv[6]));
    for (int i = 0; i < count; i++)
        open_client(&clients[i], argv[1]);
    int64_t begin_ns = load_now_ns();
    for (int i = 0; i < count; i++)
        ask(&clients[i]);
    load_run(begin_ns, length_ns, hear);
    return 0;
}
