/*
 * The least a socketmap server can do: one thread, epoll, one read and one write a request, the
 * same answer to all. What a real server costs is measured against it.
 *
 *   socketmap_floor PATH ANSWER
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void add(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void serve(int fd, const char *reply, size_t len)
{
    char in[4096];
    ssize_t got = recv(fd, in, sizeof(in), 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0 || send(fd, reply, len, MSG_NOSIGNAL) != (ssize_t)len)
        close(fd);
}

int main(int argc, char **argv)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char reply[1024];
    if (argc != 3)
        return 64;
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", argv[1]);
    size_t len = (size_t)snprintf(reply, sizeof(reply), "%zu:OK %s,", strlen(argv[2]) + 3, argv[2]);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    unlink(argv[1]);
    if (bind(listener, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        listen(listener, 511) < 0) {
        perror(argv[1]);
        return 1;
    }
    add(epoll, listener);
    for (;;) {
        struct epoll_event events[64];
        int ready = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd != listener) {
                serve(events[i].data.fd, reply, len);
                continue;
            }
            int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd >= 0)
                add(epoll, fd);
        }
    }
}
