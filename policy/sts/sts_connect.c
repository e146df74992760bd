/*
 * sts_connect_new() tries the first address, from the event loop; the next one follows when an
 * attempt has failed, or has taken so long that the address may be one that nobody answers at. The
 * attempts before go on meanwhile, but only so many: a stranger says which addresses there are, and
 * each takes a descriptor here and a packet from whoever has it. `done` has the first that stands,
 * or the error of the last.
 */
#include "sts/sts_connect.h"

#include "smtp/smtp_stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum {
    NEXT_MS = 250, /* RFC 8305 section 5 */
    OPEN_MAX = 4,  /* beyond it the oldest attempt, a second old, is given up */
};

struct attempt {
    struct sts_connect *connect;
    struct smtp_stream stream;
    struct event *writable; /* NULL: not begun, or over */
};

struct sts_connect {
    struct event_base *base;
    sts_connect_done_fn done;
    void *arg;
    struct sts_addresses addresses;
    uint16_t port;
    size_t next;        /* the address that is tried next */
    size_t open;        /* attempts */
    int error;          /* of the last that failed */
    bool local;         /* one failed for want of memory or descriptors */
    struct event *turn; /* of the next address */
    struct attempt attempts[STS_ADDRESSES_MAX];
};

static void end_attempt(struct attempt *attempt)
{
    if (attempt->writable == NULL)
        return;
    event_free(attempt->writable);
    attempt->writable = NULL;
    smtp_stream_close(&attempt->stream);
    attempt->connect->open--;
}

static void fail(struct sts_connect *connect, int error, bool local)
{
    connect->error = error;
    connect->local = connect->local || local;
}

static void socket_address(const struct sts_address *address, uint16_t port,
                           struct sockaddr_storage *out)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    struct sockaddr_in *in = (struct sockaddr_in *)out;

    memset(out, 0, sizeof(*out));
    out->ss_family = address->family;
    if (address->family == AF_INET6) {
        in6->sin6_port = htons(port);
        memcpy(&in6->sin6_addr, address->octets, sizeof(in6->sin6_addr));
    } else {
        in->sin_port = htons(port);
        memcpy(&in->sin_addr, address->octets, sizeof(in->sin_addr));
    }
}

static void on_writable(evutil_socket_t fd, short what, void *arg);

static void try(struct sts_connect *connect, size_t i)
{
    struct attempt *attempt = &connect->attempts[i];
    struct sockaddr_storage address;
    int error;

    attempt->connect = connect;
    attempt->stream = (struct smtp_stream){.fd = -1};
    socket_address(&connect->addresses.list[i], connect->port, &address);
    error = smtp_stream_connect(&attempt->stream, (struct sockaddr *)&address, NULL);
    if (error != 0) {
        fail(connect, -error, attempt->stream.local);
        return;
    }
    attempt->writable =
        event_new(connect->base, attempt->stream.fd, EV_WRITE, on_writable, attempt);
    if (attempt->writable != NULL && event_add(attempt->writable, NULL) == 0) {
        connect->open++;
        return;
    }
    if (attempt->writable != NULL)
        event_free(attempt->writable);
    attempt->writable = NULL;
    smtp_stream_close(&attempt->stream);
    fail(connect, ENOMEM, true);
}

static void make_room(struct sts_connect *connect)
{
    for (size_t i = 0; i < connect->next && connect->open >= OPEN_MAX; i++) {
        if (connect->attempts[i].writable == NULL)
            continue;
        end_attempt(&connect->attempts[i]);
        fail(connect, ETIMEDOUT, false);
    }
}

/* Until one address is being tried, or there is none left. May end it all. */
static void go_on(struct sts_connect *connect)
{
    static const struct timeval later = {.tv_usec = NEXT_MS * 1000};
    size_t before;

    if (connect->next < connect->addresses.count)
        make_room(connect);
    before = connect->open;
    while (connect->open == before && connect->next < connect->addresses.count)
        try(connect, connect->next++);
    if (connect->open == 0)
        connect->done(-1, connect->error, connect->local, connect->arg);
    else if (connect->next < connect->addresses.count)
        event_add(connect->turn, &later);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    go_on(arg);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct attempt *attempt = arg;
    struct sts_connect *connect = attempt->connect;
    int error = smtp_stream_connected(&attempt->stream);

    (void)what;
    if (error == 0)
        attempt->stream.fd = -1; /* is given away */
    end_attempt(attempt);
    if (error == 0) {
        connect->done(fd, 0, false, connect->arg);
    } else {
        fail(connect, -error, false);
        go_on(connect);
    }
}

struct sts_connect *sts_connect_new(struct event_base *base, const struct sts_addresses *addresses,
                                    uint16_t port, sts_connect_done_fn done, void *arg)
{
    struct sts_connect *connect = calloc(1, sizeof(*connect));

    if (connect == NULL)
        return NULL;
    connect->base = base;
    connect->done = done;
    connect->arg = arg;
    connect->addresses = *addresses;
    connect->port = port;
    connect->turn = evtimer_new(base, on_turn, connect);
    if (connect->turn == NULL) {
        free(connect);
        return NULL;
    }
    event_active(connect->turn, EV_TIMEOUT, 1);
    return connect;
}

void sts_connect_free(struct sts_connect *connect)
{
    if (connect == NULL)
        return;
    for (size_t i = 0; i < connect->next; i++)
        end_attempt(&connect->attempts[i]);
    event_free(connect->turn);
    free(connect);
}
