/*
 * load_connect for each connection, then load_run, which polls them and calls the generator for
 * what has come; that notes each answer by load_answered. At the end the times are sorted and
 * printed.
 */
#include "load.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

enum { SAMPLES_MAX = 1 << 22, PATIENCE_MS = 30000 };

static int64_t samples[SAMPLES_MAX]; /* ns */
static size_t sample_count;
static int epoll = -1;
static bool is_stopped;

int64_t load_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void load_die(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
    exit(1);
}

int load_connect(const char *path, void *client)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
        load_die(path);
    if (epoll < 0)
        epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        load_die("epoll");
    return fd;
}

void load_answered(int64_t asked_ns)
{
    if (sample_count < SAMPLES_MAX)
        samples[sample_count++] = load_now_ns() - asked_ns;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static double percentile_us(size_t percent)
{
    return sample_count ? (double)samples[sample_count * percent / 100] / 1e3 : 0;
}

void load_print(int64_t begin_ns)
{
    double seconds = (double)(load_now_ns() - begin_ns) / 1e9;
    qsort(samples, sample_count, sizeof(*samples), compare);
    printf("%.0f %.1f %.1f\n", (double)sample_count / seconds, percentile_us(50),
           percentile_us(99));
}

void load_stop(void)
{
    is_stopped = true;
}

void load_run(int64_t begin_ns, int64_t length_ns, void (*hear)(void *client))
{
    while (!is_stopped && load_now_ns() - begin_ns < length_ns) {
        struct epoll_event events[64];
        int ready = epoll_wait(epoll, events, 64, PATIENCE_MS);
        if (ready == 0)
            load_die("no answer for half a minute");
        for (int i = 0; i < ready; i++)
            hear(events[i].data.ptr);
    }
    load_print(begin_ns);
}
