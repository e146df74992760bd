/*
 * Opens listening sockets: listen_open makes one unix socket with mode and group, or inet sockets
 * on every address of a host, and returns 0 or a negative errno with a sentence; listen_close
 * closes them and removes the path.
 */
#include "net/listen.h"

#include "base/socket_file.h"
#include "net/inherited.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 511 };

static int fail_listen(const struct config_address *address, const char *what, int error, char *err,
                       size_t err_size)
{
    snprintf(err, err_size, "cannot open the socket %s: %s: %s", address->text, what,
             strerror(error));
    return -error;
}

/* Whether somebody listens there already. */
static bool is_alive(const struct sockaddr_un *addr)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return true;
    bool alive = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN;
    close(fd);
    return alive;
}

/* Between bind and listen nobody can connect: that is the time for what bind did not give. */
static int bind_unix(int fd, const struct config_address *address, const struct sockaddr_un *addr,
                     const struct socket_file *file, struct listen_set *out, char *err,
                     size_t err_size)
{
    struct stat st;
    if (lstat(addr->sun_path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode))
            return fail_listen(address, "there is something else at that path", EEXIST, err,
                               err_size);
        if (is_alive(addr))
            return fail_listen(address, "another process listens there", EADDRINUSE, err, err_size);
        unlink(addr->sun_path);
    }
    if (bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0)
        return fail_listen(address, "bind", errno, err, err_size);
    out->path = strdup(address->path);
    if (out->path == NULL)
        return fail_listen(address, "bind", ENOMEM, err, err_size);
    if (lstat(out->path, &st) == 0) {
        out->device = st.st_dev;
        out->inode = st.st_ino;
    }
    return socket_file_give(file, err, err_size);
}

static int open_unix(const struct config_address *address, const struct socket_file *file,
                     struct listen_set *out, char *err, size_t err_size)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(address->path) >= sizeof(addr.sun_path))
        return fail_listen(address, "socket", ENAMETOOLONG, err, err_size);
    strcpy(addr.sun_path, address->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail_listen(address, "socket", errno, err, err_size);
    out->fds[out->count++] = fd;
    int error = bind_unix(fd, address, &addr, file, out, err, err_size);
    if (error < 0)
        return error;
    if (listen(fd, BACKLOG) < 0)
        return fail_listen(address, "listen", errno, err, err_size);
    return 0;
}

static int open_one(const struct config_address *address, const struct addrinfo *info,
                    struct listen_set *out, char *err, size_t err_size)
{
    const int one = 1;
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                    info->ai_protocol);
    if (fd < 0)
        return fail_listen(address, "socket", errno, err, err_size);
    out->fds[out->count++] = fd;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    /* The IPv4 address, if the host has one, is in the list by itself. */
    if (info->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    if (bind(fd, info->ai_addr, info->ai_addrlen) < 0)
        return fail_listen(address, "bind", errno, err, err_size);
    if (listen(fd, BACKLOG) < 0)
        return fail_listen(address, "listen", errno, err, err_size);
    return 0;
}

static int open_inet(const struct config_address *address, struct listen_set *out, char *err,
                     size_t err_size)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    int error = getaddrinfo(address->host, address->port, &hints, &found), result = 0;
    if (error) {
        snprintf(err, err_size, "cannot open the socket %s: %s", address->text,
                 gai_strerror(error));
        return -EADDRNOTAVAIL;
    }
    for (struct addrinfo *info = found; info != NULL && result == 0; info = info->ai_next) {
        if (out->count < LISTEN_ADDRESSES_MAX)
            result = open_one(address, info, out, err, err_size);
    }
    freeaddrinfo(found);
    return result;
}

int listen_open(const struct config_address *address, mode_t mode, const char *group,
                struct listen_set *out, char *err, size_t err_size)
{
    struct socket_file file;
    char why[200];
    *out = (struct listen_set){0};
    int inherited = address->path != NULL ? inherited_socket(address->path) : -1;
    if (inherited >= 0) { /* mode, group and path are the service manager's */
        out->fds[out->count++] = inherited;
        return 0;
    }
    int error = socket_file_begin(&file, address->path, address->path != NULL ? group : NULL, mode,
                                  why, sizeof(why));
    if (error < 0)
        snprintf(err, err_size, "%s: socket_group: %s", address->text, why);
    else
        error = address->path != NULL ? open_unix(address, &file, out, err, err_size)
                                      : open_inet(address, out, err, err_size);
    if (error < 0)
        listen_close(out);
    socket_file_end(&file);
    return error;
}

static void remove_path(const struct listen_set *set)
{
    struct stat st;
    if (lstat(set->path, &st) == 0 && st.st_dev == set->device && st.st_ino == set->inode)
        unlink(set->path);
}

/* The path first: when nobody listens there any more it may be another daemon's. */
void listen_close(struct listen_set *set)
{
    if (set->path != NULL)
        remove_path(set);
    for (size_t i = 0; i < set->count; i++)
        close(set->fds[i]);
    free(set->path);
    *set = (struct listen_set){0};
}
