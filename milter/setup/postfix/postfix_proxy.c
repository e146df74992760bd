/*
 * One SMTP session with a proxy, RFC 5321: EHLO, MAIL, RCPT, DATA, the message, QUIT. It ends with
 * the first reply that refuses. Some proxies refuse at RCPT what the server behind them refuses,
 * others at the end of the message, with that server's text in theirs.
 */
#include "setup/postfix/postfix_proxy.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { REPLY_S = 60, LINES_MAX = 100, LINE_MAX_LEN = 1024 };

static const char message[] =
    "From: requiretls-milter\r\n"
    "To: nobody\r\n"
    "Subject: requiretls-query --check-setup\r\n"
    "\r\n"
    "The set-up check tries whether this proxy hands the command MAIL on as it is.\r\n"
    "The filter behind it refuses this message.\r\n"
    ".\r\n";

static int set_limits(int fd)
{
    struct timeval limit = {.tv_sec = REPLY_S};

    return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
                   setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0
               ? -errno
               : 0;
}

static int connect_one(const struct sockaddr *address, socklen_t len, int *fd)
{
    int error;

    *fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return -errno;
    error = set_limits(*fd);
    if (error == 0 && connect(*fd, address, len) != 0)
        error = -errno;
    if (error != 0)
        close(*fd);
    return error;
}

static int connect_unix(const char *path, int *fd)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(local.sun_path))
        return -ENAMETOOLONG;
    memcpy(local.sun_path, path, strlen(path));
    return connect_one((const struct sockaddr *)&local, sizeof(local), fd);
}

static int connect_server(const char *where, int *fd)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    char host[256];
    int error = -EADDRNOTAVAIL;

    if (strncasecmp(where, "unix:", 5) == 0)
        return connect_unix(where + 5, fd);
    if (strncasecmp(where, "inet:", 5) == 0)
        where += 5;
    const char *colon = strrchr(where, ':'), *port = colon != NULL ? colon + 1 : where;
    size_t len = colon != NULL ? (size_t)(colon - where) : 0;
    if (len > 1 && where[0] == '[' && where[len - 1] == ']')
        snprintf(host, sizeof(host), "%.*s", (int)len - 2, where + 1);
    else
        snprintf(host, sizeof(host), "%.*s", (int)len, where);
    if (getaddrinfo(host[0] != '\0' ? host : "localhost", port, &hints, &found) != 0)
        return error;
    for (struct addrinfo *address = found; address != NULL && error != 0;
         address = address->ai_next)
        error = connect_one(address->ai_addr, address->ai_addrlen, fd);
    freeaddrinfo(found);
    return error;
}

/* One reply: its code, and its lines in text; a negative errno. */
static int read_reply(FILE *in, char *text, size_t size)
{
    char line[LINE_MAX_LEN];

    text[0] = '\0';
    for (int i = 0; i < LINES_MAX; i++) {
        errno = 0;
        if (fgets(line, sizeof(line), in) == NULL)
            return errno == EAGAIN || errno == EWOULDBLOCK ? -ETIMEDOUT
                   : errno != 0                            ? -errno
                                                           : -ECONNRESET;
        line[strcspn(line, "\r\n")] = '\0';
        size_t len = strlen(text);
        long code = strtol(line, NULL, 10);
        if (strlen(line) < 3 || code < 200 || code > 599)
            return -EPROTO;
        snprintf(text + len, size - len, "%s%s", len > 0 ? " " : "",
                 line[3] != '\0' ? line + 4 : "");
        if (line[3] != '-')
            return (int)code;
    }
    return -EPROTO;
}

static int converse(FILE *in, int fd, const char *parameter, const char *recipient, char *text,
                    size_t size)
{
    char mail[400], rcpt[400];
    const char *const said[] = {NULL, "EHLO localhost\r\n", mail, rcpt, "DATA\r\n", message};
    int code = 0;

    snprintf(mail, sizeof(mail), "MAIL FROM:<>%s%s\r\n", parameter[0] != '\0' ? " " : "",
             parameter);
    snprintf(rcpt, sizeof(rcpt), "RCPT TO:<%s>\r\n", recipient);
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        size_t len = said[i] != NULL ? strlen(said[i]) : 0;

        if (len > 0 && send(fd, said[i], len, MSG_NOSIGNAL) != (ssize_t)len)
            return -errno;
        code = read_reply(in, text, size);
        if (code < 0 || code >= 400)
            break;
    }
    (void)!send(fd, "QUIT\r\n", 6, MSG_NOSIGNAL);
    return code;
}

int setup_proxy_try(const char *where, const char *parameter, const char *recipient, char *text,
                    size_t size)
{
    int fd = -1, result = connect_server(where, &fd);

    text[0] = '\0';
    if (result != 0)
        return result;
    FILE *in = fdopen(fd, "r");
    if (in == NULL) {
        close(fd);
        return -ENOMEM;
    }
    result = converse(in, fd, parameter, recipient, text, size);
    fclose(in);
    return result;
}
