/*
 * shared_name_start makes a pair of sockets and a detached thread that owns one of them; the thread
 * calls getaddrinfo and sends all that it found as one message; the loop reads it, or finds the
 * socket closed when the thread had no memory.
 */
#include "store/shared_name.h"

#include "store/shared_url.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Threads that are there. */
static atomic_uint threads;

struct shared_name {
    int fd;
    struct event *event;
    shared_name_fn done;
    void *arg;
};

/* What the thread owns. */
struct job {
    int fd;
    char host[SHARED_HOST_MAX + 1];
    char port[6];
};

static void take_addresses(const struct addrinfo *found, struct shared_addresses *out)
{
    for (; found != NULL && out->count < SHARED_ADDRESSES_MAX; found = found->ai_next) {
        struct shared_address *to = &out->list[out->count];

        if (found->ai_addrlen > sizeof(to->sa))
            continue;
        memcpy(&to->sa, found->ai_addr, found->ai_addrlen);
        to->len = found->ai_addrlen;
        out->count++;
    }
}

/* Returns getaddrinfo's result. */
static int look_up(const char *host, const char *port, int flags, struct shared_addresses *out)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags};
    struct addrinfo *found = NULL;
    int result = getaddrinfo(host, port, &hints, &found);

    memset(out, 0, sizeof(*out));
    if (result == 0) {
        take_addresses(found, out);
        freeaddrinfo(found);
    } else {
        snprintf(out->why, sizeof(out->why), "its name has no address: %s",
                 result == EAI_SYSTEM ? strerror(errno) : gai_strerror(result));
    }
    return result;
}

bool shared_name_is_address(const char *host, const char *port, struct shared_addresses *out)
{
    return look_up(host, port, AI_NUMERICHOST | AI_NUMERICSERV, out) == 0 && out->count > 0;
}

static void *run(void *arg)
{
    struct job *job = arg;
    struct shared_addresses found;

    look_up(job->host, job->port, AI_NUMERICSERV, &found);
    if (send(job->fd, &found, sizeof(found), MSG_NOSIGNAL) < 0) {
        /* Nobody waits for it any more. */
    }
    close(job->fd);
    free(job);
    atomic_fetch_sub(&threads, 1);
    return NULL;
}

/* event_callback_fn */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct shared_name *name = arg;
    shared_name_fn done = name->done;
    void *done_arg = name->arg;
    struct shared_addresses found;

    (void)what;
    if (recv(fd, &found, sizeof(found), 0) != (ssize_t)sizeof(found)) {
        memset(&found, 0, sizeof(found));
        snprintf(found.why, sizeof(found.why), "its name could not be looked up");
    }
    shared_name_cancel(name);
    done(&found, done_arg);
}

/* The thread takes the job and its descriptor. 0 or a negative errno. */
static int start_thread(struct job *job)
{
    sigset_t all, before;
    pthread_attr_t attr;
    pthread_t thread;
    int error = pthread_attr_init(&attr);

    if (error != 0)
        return -error;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, &attr, run, job);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return -error;
}

/* A place among the threads; whether there was one. */
static bool take_place(void)
{
    if (atomic_fetch_add(&threads, 1) < SHARED_NAMES_MAX)
        return true;
    atomic_fetch_sub(&threads, 1);
    return false;
}

static int start_job(const char *host, const char *port, int fd)
{
    struct job *job = calloc(1, sizeof(*job));
    int error;

    if (job == NULL) {
        close(fd);
        return -ENOMEM;
    }
    if (!take_place()) {
        close(fd);
        free(job);
        return -EAGAIN;
    }
    job->fd = fd;
    snprintf(job->host, sizeof(job->host), "%s", host);
    snprintf(job->port, sizeof(job->port), "%s", port);
    error = start_thread(job);
    if (error != 0) {
        atomic_fetch_sub(&threads, 1);
        close(fd);
        free(job);
    }
    return error;
}

int shared_name_start(struct event_base *base, const char *host, const char *port,
                      shared_name_fn done, void *arg, struct shared_name **out)
{
    struct shared_name *name = calloc(1, sizeof(*name));
    int fds[2], error;

    if (name == NULL)
        return -ENOMEM;
    *name = (struct shared_name){.fd = -1, .done = done, .arg = arg};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
        error = -errno;
        shared_name_cancel(name);
        return error;
    }
    name->fd = fds[0];
    evutil_make_socket_nonblocking(fds[0]);
    name->event = event_new(base, fds[0], EV_READ, on_readable, name);
    if (name->event == NULL || event_add(name->event, NULL) < 0) {
        close(fds[1]);
        error = -ENOMEM;
    } else {
        error = start_job(host, port, fds[1]);
    }
    if (error != 0) {
        shared_name_cancel(name);
        return error;
    }
    *out = name;
    return 0;
}

void shared_name_cancel(struct shared_name *name)
{
    if (name == NULL)
        return;
    if (name->event != NULL)
        event_free(name->event);
    if (name->fd >= 0)
        close(name->fd);
    free(name);
}
