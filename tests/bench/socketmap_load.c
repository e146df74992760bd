/*
 * Load for a socketmap server: as many connections as asked for, each with one question at a time,
 * as Postfix asks. Prints answers a second and latencies.
 *
 *   socketmap_load PATH CONNECTIONS SECONDS MAP KEY_FORMAT KEYS
 *
 * KEY_FORMAT holds one %u, the number of the key, below KEYS; keys take turns.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 1024, SAMPLES_MAX = 1 << 22, REPLY_MAX = 4096 };

struct client {
    int fd;
    size_t got;
    int64_t asked_ns;
    char reply[REPLY_MAX];
};

static struct client clients[CONNECTIONS_MAX];
static uint32_t *samples;
static size_t sample_count;
static char **requests;
static unsigned request_count, next_request;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void open_client(struct client *c, const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
        die(path);
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0)
        die("fcntl");
}

static void ask(struct client *c)
{
    const char *request = requests[next_request++ % request_count];
    size_t len = strlen(request);
    c->got = 0;
    c->asked_ns = now_ns();
    if (send(c->fd, request, len, MSG_NOSIGNAL) != (ssize_t)len)
        die("send");
}

/* Whether one netstring is whole. */
static int is_whole(const struct client *c)
{
    char *end;
    size_t len = strtoul(c->reply, &end, 10);
    return *end == ':' && c->got == (size_t)(end - c->reply) + len + 2;
}

static void hear(struct client *c)
{
    ssize_t got = recv(c->fd, c->reply + c->got, sizeof(c->reply) - 1 - c->got, 0);
    if (got <= 0) {
        if (got < 0 && errno == EAGAIN)
            return;
        die("recv");
    }
    c->got += (size_t)got;
    c->reply[c->got] = '\0';
    if (!is_whole(c))
        return;
    if (!strstr(c->reply, ":OK ") && !strstr(c->reply, ":NOTFOUND ")) {
        fprintf(stderr, "unexpected reply: %s\n", c->reply);
        exit(1);
    }
    if (sample_count < SAMPLES_MAX)
        samples[sample_count++] = (uint32_t)(now_ns() - c->asked_ns);
    ask(c);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void make_requests(const char *map, const char *format, unsigned count)
{
    requests = calloc(count, sizeof(*requests));
    request_count = count;
    for (unsigned i = 0; i < count; i++) {
        char key[512], text[1024];
        const char *at = strstr(format, "%u");
        if (at)
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
    int count = atoi(argv[2]), epoll = epoll_create1(EPOLL_CLOEXEC);
    int64_t length_ns = (int64_t)(atof(argv[3]) * 1e9);
    if (count < 1 || count > CONNECTIONS_MAX || epoll < 0)
        return 64;
    make_requests(argv[4], argv[5], (unsigned)atoi(argv[6]));
    samples = malloc(SAMPLES_MAX * sizeof(*samples));
    for (int i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};
        open_client(&clients[i], argv[1]);
        epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &event);
    }
    int64_t begin = now_ns();
    for (int i = 0; i < count; i++)
        ask(&clients[i]);
    while (now_ns() - begin < length_ns) {
        struct epoll_event events[64];
        int ready = epoll_wait(epoll, events, 64, 1000);
        if (ready == 0) {
            fputs("no answer for a second\n", stderr);
            return 1;
        }
        for (int i = 0; i < ready; i++)
            hear(events[i].data.ptr);
    }
    double seconds = (double)(now_ns() - begin) / 1e9;
    qsort(samples, sample_count, sizeof(*samples), compare);
    printf("%.0f %.1f %.1f\n", (double)sample_count / seconds,
           sample_count ? samples[sample_count / 2] / 1e3 : 0,
           sample_count ? samples[sample_count * 99 / 100] / 1e3 : 0);
    return 0;
}
