/*
 * Inherited sockets are descriptors 3 and up, LISTEN_FDS of them, if LISTEN_PID is this process.
 * inherited_socket() looks for the one that is bound to a path and listens; what is not asked for
 * stays as it is. A descriptor that it has given out is closed by execve(2), and so told apart.
 */
#include "net/inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST_FD = 3, COUNT_MAX = 64 };

/* A number in the environment; -1: none. */
static long number_of(const char *name)
{
    const char *text = getenv(name);
    char *end;
    long value;

    if (text == NULL || text[0] < '0' || text[0] > '9')
        return -1;
    errno = 0;
    value = strtol(text, &end, 10);
    return errno == 0 && *end == '\0' ? value : -1;
}

static bool listens_at(int fd, const char *path)
{
    struct sockaddr_un addr = {0};
    socklen_t len = sizeof(addr);
    int listens = 0, type = 0;
    socklen_t listens_len = sizeof(listens), type_len = sizeof(type);

    return getsockname(fd, (struct sockaddr *)&addr, &len) == 0 && addr.sun_family == AF_UNIX &&
           len > offsetof(struct sockaddr_un, sun_path) &&
           strnlen(addr.sun_path, sizeof(addr.sun_path)) < sizeof(addr.sun_path) &&
           strcmp(addr.sun_path, path) == 0 &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 && type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_len) == 0 && listens != 0;
}

/* Whether it was made ours by this; false: it was before, or cannot be. */
static bool take(int fd)
{
    int flags = fcntl(fd, F_GETFD), status = fcntl(fd, F_GETFL);

    return flags >= 0 && status >= 0 && (flags & FD_CLOEXEC) == 0 &&
           fcntl(fd, F_SETFL, status | O_NONBLOCK) == 0 &&
           fcntl(fd, F_SETFD, flags | FD_CLOEXEC) == 0;
}

int inherited_socket(const char *path)
{
    long count = number_of("LISTEN_PID") == (long)getpid() ? number_of("LISTEN_FDS") : 0;

    for (int fd = FIRST_FD; fd < FIRST_FD + COUNT_MAX && fd - FIRST_FD < count; fd++) {
        if (listens_at(fd, path) && take(fd))
            return fd;
    }
    return -1;
}
