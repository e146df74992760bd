/*
 * Asks the daemon's JSON map over its socketmap: a few connections, each with one thread and one
 * question at a time, as Postfix itself would ask.
 */
#include "query/query.h"

#include "answer/findings_json.h"
#include "base/netstring.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 16,
    IO_TIMEOUT_MS = 20000, /* more than the daemon lets a question wait */
    /* The daemon answers TEMP while a lookup takes long, and keeps the result for the next try. */
    ATTEMPTS = 4,
    REPLY_MAX = FINDINGS_JSON_MAX + 64,
};

struct query_remote {
    struct query_set *set;
    char *address;
    pthread_mutex_t lock;
    size_t next; /* name to be asked; with the lock held */
    pthread_t threads[CONNECTIONS_MAX];
    size_t thread_count;
};

struct connection {
    int fd; /* -1: not connected */
    char *buf;
    size_t len;
    size_t cap;
};

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
    for (struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
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

static int connect_daemon(const char *address)
{
    if (strncmp(address, "unix:", 5) == 0)
        return connect_unix(address + 5);
    if (strncmp(address, "inet:", 5) == 0)
        return connect_inet(address + 5);
    return address[0] == '/' ? connect_unix(address) : -EINVAL;
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

static bool receive(struct connection *c)
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

/* One question; the reply points into the connection's buffer. */
static bool exchange(struct connection *c, const char *question, const char **reply, size_t *len)
{
    char message[NETSTRING_HEAD_MAX + 512];
    size_t question_len = strlen(question), used;
    size_t head = netstring_head(question_len, message);
    memcpy(message + head, question, question_len);
    message[head + question_len] = ',';
    if (!send_all(c->fd, message, head + question_len + 1))
        return false;
    c->len = 0;
    for (;;) {
        switch (netstring_read(c->buf, c->len, REPLY_MAX, reply, len, &used)) {
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

static void disconnect(struct connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static void finish_name(struct query_remote *remote, size_t index, const char *json, size_t len,
                        const char *failure)
{
    char *copy = json ? strndup(json, len) : NULL;
    query_set_finish(remote->set, index, copy, copy ? len : 0, NULL,
                     json != NULL && copy == NULL ? "out of memory" : failure);
}

static void ask_name(struct query_remote *remote, struct connection *c, size_t index)
{
    char question[NEXTHOP_TEXT_MAX + 8], failure[256];
    const char *reply;
    size_t len;
    snprintf(question, sizeof(question), "JSON %s", remote->set->names[index].nexthop.text);
    snprintf(failure, sizeof(failure), "no answer");
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (c->fd < 0) {
            c->fd = connect_daemon(remote->address);
            if (c->fd < 0) {
                snprintf(failure, sizeof(failure), "%s", strerror(-c->fd));
                break;
            }
        }
        if (!exchange(c, question, &reply, &len)) {
            snprintf(failure, sizeof(failure), "the daemon closed the connection or is too slow");
            disconnect(c);
            continue;
        }
        if (len > 3 && memcmp(reply, "OK ", 3) == 0) {
            finish_name(remote, index, reply + 3, len - 3, NULL);
            return;
        }
        snprintf(failure, sizeof(failure), "%.*s", (int)(len < 200 ? len : 200), reply);
        if (strncmp(failure, "TEMP ", 5) != 0)
            break;
    }
    finish_name(remote, index, NULL, 0, failure);
}

static void *run_connection(void *arg)
{
    struct query_remote *remote = arg;
    struct connection c = {.fd = -1};
    for (;;) {
        pthread_mutex_lock(&remote->lock);
        size_t index = remote->next++;
        pthread_mutex_unlock(&remote->lock);
        if (index >= remote->set->count)
            break;
        ask_name(remote, &c, index);
    }
    disconnect(&c);
    free(c.buf);
    return NULL;
}

int query_remote_start(const char *address, struct query_set *set, struct query_remote **out,
                       char *err, size_t err_size)
{
    /* One try first, so that a wrong address is said once and not for each name. */
    int fd = connect_daemon(address);
    if (fd < 0) {
        snprintf(err, err_size, "%s: %s", address,
                 fd == -EINVAL ? "an address is unix:/path or inet:host:port" : strerror(-fd));
        return fd;
    }
    close(fd);
    struct query_remote *remote = calloc(1, sizeof(*remote));
    if (remote == NULL || (remote->address = strdup(address)) == NULL) {
        free(remote);
        snprintf(err, err_size, "out of memory");
        return -ENOMEM;
    }
    remote->set = set;
    pthread_mutex_init(&remote->lock, NULL);
    size_t want = set->count < CONNECTIONS_MAX ? set->count : CONNECTIONS_MAX;
    for (size_t i = 0; i < want; i++) {
        if (pthread_create(&remote->threads[i], NULL, run_connection, remote) != 0)
            break;
        remote->thread_count++;
    }
    *out = remote;
    if (remote->thread_count > 0 || want == 0)
        return 0;
    query_remote_stop(remote);
    snprintf(err, err_size, "no thread can be started");
    return -EAGAIN;
}

void query_remote_stop(struct query_remote *remote)
{
    if (remote == NULL)
        return;
    for (size_t i = 0; i < remote->thread_count; i++)
        pthread_join(remote->threads[i], NULL);
    pthread_mutex_destroy(&remote->lock);
    free(remote->address);
    free(remote);
}
