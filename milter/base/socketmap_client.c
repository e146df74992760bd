/*
 * One question goes out as a netstring, one reply comes back as one. socketmap_client_init,
 * connect, then any number of questions; after a failure the connection is of no use and is to be
 * closed.
 */
#include "base/socketmap_client.h"

#include "base/netstring.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { IO_TIMEOUT_MS = 20000 }; /* more than the daemon lets a question wait */

void socketmap_client_init(struct socketmap_client *c, size_t reply_max)
{
    *c = (struct socketmap_client){.fd = -1, .reply_max = reply_max};
}

static int connect_unix(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(addr.sun_path))
        return -ENAMETOOLONG;
    strcpy(addr.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

static int connect_inet(const char *text)
{
    char host[256];
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
        return -EINVAL;
    bool brackets = text[0] == '[' && colon > text + 1 && colon[-1] == ']';
    size_t len = (size_t)(colon - text) - (brackets ? 2 : 0);
    memcpy(host, text + (brackets ? 1 : 0), len);
    host[len] = '\0';
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        return -EADDRNOTAVAIL;
    int fd = -EADDRNOTAVAIL;
    for (struct addrinfo *a = found; a != NULL && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
            int error = errno;
            close(fd);
            fd = -error;
        }
    }
    freeaddrinfo(found);
    return fd;
}

static int connect_address(const char *address)
{
    if (strncmp(address, "unix:", 5) == 0)
        return connect_unix(address + 5);
    if (strncmp(address, "inet:", 5) == 0)
        return connect_inet(address + 5);
    return address[0] == '/' ? connect_unix(address) : -EINVAL;
}

void socketmap_client_disconnect(struct socketmap_client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

int socketmap_client_connect(struct socketmap_client *c, const char *address)
{
    int fd = connect_address(address);
    if (fd < 0)
        return fd;
    socketmap_client_disconnect(c);
    c->fd = fd;
    return 0;
}

static bool send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}

static bool receive(struct socketmap_client *c)
{
    struct pollfd pollfd = {.fd = c->fd, .events = POLLIN};
    if (c->cap - c->len < 4096) {
        size_t cap = c->cap ? c->cap * 2 : 16384;
        char *buf = realloc(c->buf, cap);
        if (buf == NULL)
            return false;
        c->buf = buf;
        c->cap = cap;
    }
    if (poll(&pollfd, 1, IO_TIMEOUT_MS) <= 0)
        return false;
    ssize_t got = read(c->fd, c->buf + c->len, c->cap - c->len);
    if (got <= 0)
        return false;
    c->len += (size_t)got;
    return true;
}

bool socketmap_client_ask(struct socketmap_client *c, const char *question, const char **reply,
                          size_t *len)
{
    char message[NETSTRING_HEAD_MAX + SOCKETMAP_CLIENT_QUESTION_MAX + 1];
    size_t question_len = strlen(question), used;
    if (question_len > SOCKETMAP_CLIENT_QUESTION_MAX)
        return false;
    size_t head = netstring_head(question_len, message);
    memcpy(message + head, question, question_len);
    message[head + question_len] = ',';
    if (!send_all(c->fd, message, head + question_len + 1))
        return false;
    c->len = 0;
    for (;;) {
        switch (netstring_read(c->buf, c->len, c->reply_max, reply, len, &used)) {
        case NETSTRING_OK:
            return true;
        case NETSTRING_MORE:
            if (!receive(c))
                return false;
            break;
        case NETSTRING_BAD:
        default:
            return false;
        }
    }
}

void socketmap_client_fini(struct socketmap_client *c)
{
    socketmap_client_disconnect(c);
    free(c->buf);
    c->buf = NULL;
}
