/*
 * Connects to one socket as the MTA does, in a process that is its user: the path, the connection,
 * then a negotiation (milter), a request (socketmap) or the greeting (LMTP). struct setup_probe
 * says how far it came.
 */
#include "setup/setup_probe.h"

#include "base/netstring.h"
#include "decide/negotiate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <libmilter/mfapi.h>

/* An answer takes the daemon no lookup; the whole is tried a few times at most. */
enum { ANSWER_S = 8, PROBE_MS = 20000, REPLY_MAX = 64 * 1024 };

/*
 * What Postfix and sendmail offer: libmilter keeps part of what was negotiated in process globals,
 * so that a probe must not negotiate anything else.
 */
enum { MILTER_VERSION = 6, MILTER_ACTIONS = 0x1ff, MILTER_STEPS = 0x1fffff };

/* A key whose answer needs no DNS. */
#define PROBE_KEY "[127.0.0.1]"

struct target {
    const struct setup_address *address;
    struct sockaddr_storage inet;
    socklen_t inet_len;
};

static void set_failure(struct setup_probe *out, enum setup_stage stage, int error,
                        const char *where)
{
    out->stage = stage;
    out->error = error;
    snprintf(out->where, sizeof(out->where), "%s", where);
}

static void describe(struct setup_probe *out, const struct stat *st)
{
    out->uid = st->st_uid;
    out->gid = st->st_gid;
    out->mode = st->st_mode;
}

/* Follows the path, directory by directory; false when it ends before the socket. */
static bool follow(const char *path, struct setup_probe *out)
{
    char part[256], before[256] = ".";
    struct stat st;

    if (path[0] == '/')
        strcpy(before, "/");
    for (const char *end = path; *end != '\0';) {
        end += strspn(end, "/");
        end += strcspn(end, "/");
        snprintf(part, sizeof(part), "%.*s", (int)(end - path), path);
        if (stat(part, &st) != 0) {
            int error = errno;
            /* Who may not enter a directory does not learn what is in it. */
            set_failure(out, SETUP_STAGE_PATH, error, error == EACCES ? before : part);
            if (error == EACCES && stat(before, &st) == 0)
                describe(out, &st);
            return false;
        }
        strcpy(before, part);
    }
    describe(out, &st);
    set_failure(out, SETUP_STAGE_PATH, ENOTSOCK, path);
    if (!S_ISSOCK(st.st_mode))
        return false;
    out->device = st.st_dev;
    out->inode = st.st_ino;
    return true;
}

static int connect_socket(const struct target *target, struct setup_probe *out)
{
    const struct setup_address *address = target->address;
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    bool is_unix = address->path[0] != '\0';
    struct timeval limit = {.tv_sec = ANSWER_S};
    char where[320];

    snprintf(where, sizeof(where), "%s%s%s", is_unix ? address->path : address->host,
             is_unix ? "" : ":", address->port);
    if (is_unix && strlen(address->path) >= sizeof(local.sun_path)) {
        set_failure(out, SETUP_STAGE_PATH, ENAMETOOLONG, where);
        return -1;
    }
    if (is_unix)
        memcpy(local.sun_path, address->path, strlen(address->path));
    const struct sockaddr *to =
        is_unix ? (const struct sockaddr *)&local : (const struct sockaddr *)&target->inet;
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0 ||
        connect(fd, to, is_unix ? (socklen_t)sizeof(local) : target->inet_len) != 0) {
        set_failure(out, SETUP_STAGE_CONNECT, errno, where);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    set_failure(out, SETUP_STAGE_ANSWER, 0, where);
    return fd;
}

static void note_listener(int fd, struct setup_probe *out)
{
#ifdef SO_PEERCRED
    struct ucred peer;
    socklen_t len = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
        out->listener = peer.pid;
#else
    (void)fd;
    (void)out;
#endif
}

static bool read_exactly(int fd, void *buf, size_t len)
{
    char *at = buf;

    while (len > 0) {
        ssize_t got = read(fd, at, len);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        len -= (size_t)got;
    }
    return true;
}

/* Option negotiation, and goodbye. */
static bool negotiate(int fd, struct setup_probe *out)
{
    struct __attribute__((packed)) {
        uint32_t len;
        char command;
        uint32_t version, actions, steps;
    } offer = {htonl(13), 'O', htonl(MILTER_VERSION), htonl(MILTER_ACTIONS), htonl(MILTER_STEPS)},
      reply;
    static const char quit[] = {0, 0, 0, 1, 'Q'};
    struct negotiate_terms terms;

    if (send(fd, &offer, sizeof(offer), MSG_NOSIGNAL) != sizeof(offer) ||
        !read_exactly(fd, &reply, sizeof(reply)) || reply.command != 'O' || ntohl(reply.len) < 13 ||
        ntohl(reply.len) > REPLY_MAX)
        return false;
    (void)!send(fd, quit, sizeof(quit), MSG_NOSIGNAL);
    out->actions = ntohl(reply.actions);
    out->ours = negotiate_choose(MILTER_ACTIONS, MILTER_STEPS, true, &terms) &&
                terms.actions == out->actions && ntohl(reply.version) == MILTER_VERSION;
    return true;
}

/* One question; the reply begins in buf and is cut to its size. */
static bool request_map(int fd, const char *map, char *buf, size_t size)
{
    char question[160], message[200], whole[REPLY_MAX];
    int question_len = snprintf(question, sizeof(question), "%s " PROBE_KEY, map);
    int message_len = snprintf(message, sizeof(message), "%d:%s,", question_len, question);
    size_t len = 0, reply_len, used;
    const char *reply;

    if (send(fd, message, (size_t)message_len, MSG_NOSIGNAL) != message_len)
        return false;
    for (;;) {
        ssize_t got = read(fd, whole + len, sizeof(whole) - len);

        if (got <= 0)
            return false;
        len += (size_t)got;
        enum netstring_result result = netstring_read(
            whole, len, sizeof(whole) - NETSTRING_HEAD_MAX, &reply, &reply_len, &used);
        if (result == NETSTRING_BAD || (result == NETSTRING_MORE && len == sizeof(whole)))
            return false;
        if (result == NETSTRING_OK)
            break;
    }
    snprintf(buf, size, "%.*s", (int)reply_len, reply);
    return true;
}

static bool ask_map(int fd, const char *map, struct setup_probe *out)
{
    char json[256];

    if (map[0] != '\0' && !request_map(fd, map, out->reply, sizeof(out->reply)))
        return false;
    out->ours = request_map(fd, "JSON", json, sizeof(json)) && strncmp(json, "OK {", 4) == 0 &&
                strstr(json, "\"nexthop\":\"" PROBE_KEY "\"") != NULL;
    return map[0] != '\0' || out->ours;
}

/* The first line of the greeting, as the delivery agent has it: `220 name LMTP`; and goodbye. */
static bool read_greeting(int fd, struct setup_probe *out)
{
    static const char quit[] = "QUIT\r\n";
    size_t len = 0;
    char c;

    while (read_exactly(fd, &c, 1) && c != '\n') {
        if (len + 1 == sizeof(out->reply))
            return false;
        out->reply[len++] = c;
    }
    while (len > 0 && out->reply[len - 1] == '\r')
        len--;
    out->reply[len] = '\0';
    if (len == 0)
        return false;
    (void)!send(fd, quit, sizeof(quit) - 1, MSG_NOSIGNAL);
    out->ours = strncmp(out->reply, "220 ", 4) == 0 && len > 5 &&
                strcmp(out->reply + len - 5, " LMTP") == 0;
    return true;
}

static bool talk(int fd, const struct setup_address *address, struct setup_probe *out)
{
    switch (address->kind) {
    case SETUP_MILTER:
        return negotiate(fd, out);
    case SETUP_LMTP:
        return read_greeting(fd, out);
    case SETUP_SOCKETMAP:
    default:
        return ask_map(fd, address->map, out);
    }
}

static void look_at_socket(const void *arg, void *result)
{
    const struct target *target = arg;
    struct setup_probe *out = result;
    const struct setup_address *address = target->address;

    if (address->path[0] != '\0' && !follow(address->path, out))
        return;
    int fd = connect_socket(target, out);
    if (fd < 0)
        return;
    note_listener(fd, out);
    errno = 0;
    if (talk(fd, address, out))
        out->stage = SETUP_STAGE_DONE;
    else
        out->error = errno;
    close(fd);
}

/* Names are looked up here: what is in the chroot for that is not our business. */
static bool find_host(const struct setup_address *address, struct target *target)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;

    if (getaddrinfo(address->host, address->port, &hints, &found) != 0)
        return false;
    memcpy(&target->inet, found->ai_addr, found->ai_addrlen);
    target->inet_len = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

int setup_probe(const struct setup_who *who, const struct setup_address *address,
                struct setup_probe *out)
{
    struct target target = {.address = address};

    *out = (struct setup_probe){0};
    if (address->path[0] == '\0' && !find_host(address, &target)) {
        set_failure(out, SETUP_STAGE_PATH, EADDRNOTAVAIL, address->host);
        return 0;
    }
    return setup_as(who, look_at_socket, &target, out, sizeof(*out), PROBE_MS);
}

static int try_address(const struct addrinfo *address)
{
    struct timeval limit = {.tv_sec = ANSWER_S};
    int error = 0, fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0 ||
        connect(fd, address->ai_addr, address->ai_addrlen) != 0)
        error = -errno;
    close(fd);
    return error;
}

int setup_probe_port(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int error = -EADDRNOTAVAIL;

    if (getaddrinfo(host, port, &hints, &found) != 0)
        return error;
    for (struct addrinfo *address = found; address != NULL && error != 0;
         address = address->ai_next)
        error = try_address(address);
    freeaddrinfo(found);
    return error;
}
