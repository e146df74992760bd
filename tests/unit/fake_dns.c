#include "fake_dns.h"

#include "dns/dns_answer.h"
#include "dns/dns_message.h"
#include "dns/resolver_addr.h"
#include "policy/clock.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

enum { QUERY_MAX = 512, ANSWER_MAX = 8192, UDP_MAX = 1232 };

struct held { /* a query, with the way back */
    TAILQ_ENTRY(held) link;
    struct sockaddr_storage from;
    socklen_t from_len;
    uint8_t query[QUERY_MAX];
    size_t len;
};

struct client { /* a TCP connection */
    LIST_ENTRY(client) link;
    struct fake_dns *server;
    struct bufferevent *stream;
};

struct fake_dns {
    struct fake_dns_state state;
    int fd;
    struct event *readable;
    struct evconnlistener *listener;
    char address[RESOLVER_ADDR_TEXT_MAX];
    TAILQ_HEAD(held_list, held) held;
    size_t held_count;
    struct held_list paced; /* by state.per_second */
    struct event *pace;
    int64_t paced_ms; /* until then answers have been given */
    LIST_HEAD(, client) clients;
};

struct question {
    uint16_t id, flags, type;
    char name[DNS_NAME_MAX + 1];
    size_t end; /* of the question section */
    bool good;  /* as our queries must be */
};

static struct question read_question(const uint8_t *query, size_t len)
{
    struct question q = {0};
    struct buf b;
    struct dns_rr opt;

    buf_init(&b, query, len);
    q.id = buf_u16(&b);
    q.flags = buf_u16(&b);
    bool counts = buf_u16(&b) == 1 && buf_u16(&b) == 0 && buf_u16(&b) == 0 && buf_u16(&b) == 1;

    dns_name_read(&b, q.name);
    q.type = buf_u16(&b);
    buf_u16(&b);
    q.end = b.pos;
    q.good = counts && q.flags == 0x0120 && dns_message_rr(&b, &opt) && opt.type == 41 &&
             opt.class == UDP_MAX && opt.ttl_s == 0 && buf_left(&b) == 0;
    return q;
}

static size_t put(uint8_t *out, size_t len, const void *data, size_t data_len)
{
    memcpy(out + len, data, data_len);
    return len + data_len;
}

static size_t put_u16(uint8_t *out, size_t len, unsigned value)
{
    uint8_t octets[2] = {(uint8_t)(value >> 8), (uint8_t)value};

    return put(out, len, octets, 2);
}

/* Owner, type, class, TTL 300; the RDATA is to follow. */
static size_t put_record(uint8_t *out, size_t len, uint16_t type, size_t rdata_len)
{
    len = put_u16(out, len, 0xc00c);
    len = put_u16(out, len, type);
    len = put_u16(out, len, 1);
    len = put_u16(out, len, 0);
    len = put_u16(out, len, 300);
    return put_u16(out, len, (unsigned)rdata_len);
}

static size_t put_soa(uint8_t *out, size_t len)
{
    static const uint8_t soa[22] = {0, 0, 0, 0, 0, 1, [20] = 300 >> 8, [21] = 300 & 0xff};

    len = put_record(out, len, DNS_TYPE_SOA, sizeof(soa));
    return put(out, len, soa, sizeof(soa));
}

static size_t put_answer(uint8_t *out, size_t len, const struct question *q)
{
    if (q->type == DNS_TYPE_SOA)
        return put_soa(out, len);
    if (q->type == DNS_TYPE_A) {
        unsigned long number = q->name[0] == 'n' ? strtoul(q->name + 1, NULL, 10) : 0;
        uint8_t a[4] = {10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};

        len = put_record(out, len, DNS_TYPE_A, sizeof(a));
        return put(out, len, a, sizeof(a));
    }
    if (q->type == DNS_TYPE_TXT && strncmp(q->name, "_smtp._tls.", 11) == 0) {
        static const char record[] = "\x12" FAKE_DNS_TLSRPT; /* a string of 18 octets */

        len = put_record(out, len, DNS_TYPE_TXT, sizeof(record) - 1);
        return put(out, len, record, sizeof(record) - 1);
    }
    if (q->type == DNS_TYPE_TXT) {
        len = put_record(out, len, DNS_TYPE_TXT, 20 * 241);
        for (int i = 0; i < 20; i++) {
            out[len++] = 240;
            memset(out + len, 'a' + i, 240);
            len += 240;
        }
    }
    return len;
}

static size_t make_answer(const struct fake_dns *server, const uint8_t *query,
                          const struct question *q, bool tcp, uint8_t *out)
{
    enum fake_dns_mode mode =
        q->type == DNS_TYPE_SOA ? server->state.check_mode : server->state.mode;
    bool ad = server->state.validates && strncmp(q->name, "unsigned", 8) != 0;
    size_t len = put(out, 0, query, q->end);

    put_u16(out, 2, 0x8180 | (ad ? 0x20 : 0));
    put_u16(out, 10, 0);
    if (mode == FAKE_DNS_SERVFAIL || mode == FAKE_DNS_REFUSED) {
        out[3] = (uint8_t)(0x80 | (mode == FAKE_DNS_SERVFAIL ? 2 : 5));
        return len;
    }
    size_t end = put_answer(out, len, q);

    if (end > len) {
        put_u16(out, 6, 1);
    } else { /* NODATA, to be kept for 300 seconds */
        put_u16(out, 8, 1);
        end = put_soa(out, len);
    }
    if ((end > UDP_MAX && !tcp) || mode == FAKE_DNS_TRUNCATED_TCP ||
        mode == FAKE_DNS_TCP_HANGS_UP) {
        put_u16(out, 6, 0);
        out[2] |= 0x02;
        return len;
    }
    if (mode == FAKE_DNS_STALE) {
        static const uint8_t opt[] = {0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 6, 0, 15, 0, 2, 0, 3};

        out[3] &= (uint8_t)~0x20;
        put_u16(out, 10, 1);
        return put(out, end, opt, sizeof(opt));
    }
    return mode == FAKE_DNS_MALFORMED ? end - 1 : end;
}

static void send_udp(struct fake_dns *server, const struct held *held, const uint8_t *message,
                     size_t len)
{
    if (sendto(server->fd, message, len, 0, (const struct sockaddr *)&held->from, held->from_len) <
            0 &&
        errno != ECONNREFUSED && errno != EPERM)
        perror("fake_dns: sendto");
}

static void send_forgeries(struct fake_dns *server, const struct held *held, uint8_t *answer,
                           size_t len, enum fake_dns_mode mode)
{
    uint8_t forged[ANSWER_MAX];

    if (mode != FAKE_DNS_WRONG_QUESTION) {
        memcpy(forged, answer, len);
        forged[0] ^= 0x55;
        forged[len - 1] ^= 0xff;
        send_udp(server, held, forged, len);
    }
    if (mode != FAKE_DNS_WRONG_ID) {
        memcpy(forged, answer, len);
        forged[13] = forged[13] == 'x' ? 'y' : 'x'; /* first letter of the name */
        forged[len - 1] ^= 0xff;
        send_udp(server, held, forged, len);
    }
}

static void answer_udp(struct fake_dns *server, const struct held *held)
{
    struct question q = read_question(held->query, held->len);
    bool check = q.type == DNS_TYPE_SOA;
    enum fake_dns_mode mode = check ? server->state.check_mode : server->state.mode;
    uint8_t answer[ANSWER_MAX];
    size_t len = make_answer(server, held->query, &q, false, answer);

    if (mode == FAKE_DNS_SILENT || strncmp(q.name, "slow", 4) == 0)
        return;
    if (mode == FAKE_DNS_WRONG_ID || mode == FAKE_DNS_WRONG_QUESTION ||
        mode == FAKE_DNS_FORGED_FIRST)
        send_forgeries(server, held, answer, len, mode);
    if (mode == FAKE_DNS_WRONG_ID || mode == FAKE_DNS_WRONG_QUESTION)
        return;
    send_udp(server, held, answer, mode == FAKE_DNS_SHORT ? 7 : len);
}

static void note_query(struct fake_dns *server, const struct held *held)
{
    struct fake_dns_state *state = &server->state;
    struct question q = read_question(held->query, held->len);
    /* sin_port and sin6_port are in the same place. */
    struct sockaddr_in from;

    memcpy(&from, &held->from, sizeof(from));
    if (!q.good)
        state->bad_queries++;
    if (q.type == DNS_TYPE_SOA) {
        state->checks++;
        return;
    }
    if (state->udp < FAKE_DNS_SEEN_MAX)
        state->seen[state->udp] = (struct fake_dns_seen){q.id, ntohs(from.sin_port)};
    state->udp++;
}

/* Answers as many of those that wait as the time since the last call allows. */
static void on_pace(evutil_socket_t fd, short what, void *arg)
{
    struct fake_dns *server = arg;
    int64_t now_ms = clock_mono_ms();
    struct held *held;

    (void)fd;
    (void)what;
    while ((held = TAILQ_FIRST(&server->paced)) != NULL && server->paced_ms < now_ms) {
        server->paced_ms += 1000 / server->state.per_second;
        TAILQ_REMOVE(&server->paced, held, link);
        answer_udp(server, held);
        free(held);
    }
    if (held == NULL && server->paced_ms < now_ms)
        server->paced_ms = now_ms;
}

static void on_udp(evutil_socket_t fd, short what, void *arg)
{
    struct fake_dns *server = arg;

    (void)what;
    for (;;) {
        struct held *held = calloc(1, sizeof(*held));

        held->from_len = sizeof(held->from);
        ssize_t len = recvfrom(fd, held->query, sizeof(held->query), 0,
                               (struct sockaddr *)&held->from, &held->from_len);

        if (len < 0) {
            free(held);
            return;
        }
        held->len = (size_t)len;
        note_query(server, held);
        if (server->state.per_second > 0) {
            TAILQ_INSERT_TAIL(&server->paced, held, link);
            continue;
        }
        struct question q = read_question(held->query, held->len);
        bool check = q.type == DNS_TYPE_SOA;

        if ((check ? server->state.check_mode : server->state.mode) == FAKE_DNS_HOLD) {
            TAILQ_INSERT_TAIL(&server->held, held, link);
            server->held_count++;
            continue;
        }
        answer_udp(server, held);
        free(held);
    }
}

static void client_free(struct client *client)
{
    LIST_REMOVE(client, link);
    bufferevent_free(client->stream);
    free(client);
}

static void on_tcp_event(struct bufferevent *stream, short what, void *arg)
{
    (void)stream;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        client_free(arg);
}

static void on_tcp_read(struct bufferevent *stream, void *arg)
{
    struct client *client = arg;
    struct fake_dns *server = client->server;
    struct evbuffer *in = bufferevent_get_input(stream);

    while (evbuffer_get_length(in) >= 2) {
        uint8_t query[QUERY_MAX], answer[ANSWER_MAX];
        uint8_t head[2];

        evbuffer_copyout(in, head, 2);
        size_t len = (size_t)(head[0] << 8 | head[1]);

        if (len > sizeof(query))
            abort();
        if (evbuffer_get_length(in) < 2 + len)
            return;
        evbuffer_drain(in, 2);
        evbuffer_remove(in, query, len);
        server->state.tcp++;
        struct question q = read_question(query, len);

        if (!q.good)
            server->state.bad_queries++;
        if (server->state.mode == FAKE_DNS_TCP_HANGS_UP) {
            client_free(client);
            return;
        }
        len = make_answer(server, query, &q, true, answer);
        put_u16(head, 0, (unsigned)len);
        bufferevent_write(stream, head, 2);
        bufferevent_write(stream, answer, len);
    }
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
                      int from_len, void *arg)
{
    struct fake_dns *server = arg;
    struct client *client = calloc(1, sizeof(*client));

    (void)from;
    (void)from_len;
    client->server = server;
    client->stream =
        bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
    LIST_INSERT_HEAD(&server->clients, client, link);
    bufferevent_setcb(client->stream, on_tcp_read, NULL, on_tcp_event, client);
    bufferevent_enable(client->stream, EV_READ | EV_WRITE);
}

static void die(const char *what)
{
    perror(what);
    abort();
}

/* UDP takes a free port, TCP the same one; another is tried if that is taken. */
static bool open_sockets(struct fake_dns *server, struct event_base *base, const char *address)
{
    struct resolver_addr addr;
    socklen_t len = sizeof(addr.in6);
    int room = 4 << 20;

    if (resolver_addr_parse(address, &addr) < 0)
        die(address);
    if (addr.sa.sa_family == AF_INET) {
        len = sizeof(addr.in);
        addr.in.sin_port = 0;
    } else {
        addr.in6.sin6_port = 0;
    }
    server->fd = socket(addr.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (server->fd < 0 || bind(server->fd, &addr.sa, len) < 0 ||
        getsockname(server->fd, &addr.sa, &len) < 0)
        die("fake_dns: bind");
    /* A whole burst must fit: nothing may depend on luck here. */
    if (setsockopt(server->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
        setsockopt(server->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    server->listener = evconnlistener_new_bind(base, on_accept, server,
                                               LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 64,
                                               &addr.sa, (int)len);
    if (server->listener == NULL) {
        close(server->fd);
        return false;
    }
    bool v6 = addr.sa.sa_family == AF_INET6;

    snprintf(server->address, sizeof(server->address), v6 ? "[%s]:%d" : "%s:%d", address,
             ntohs(v6 ? addr.in6.sin6_port : addr.in.sin_port));
    return true;
}

struct fake_dns *fake_dns_new(struct event_base *base, const char *address)
{
    struct fake_dns *server = calloc(1, sizeof(*server));
    int tries = 50;

    while (!open_sockets(server, base, address)) {
        if (--tries == 0)
            die("fake_dns: no port for UDP and TCP");
    }
    TAILQ_INIT(&server->held);
    TAILQ_INIT(&server->paced);
    LIST_INIT(&server->clients);
    server->state.validates = true;
    server->readable = event_new(base, server->fd, EV_READ | EV_PERSIST, on_udp, server);
    event_add(server->readable, NULL);
    server->pace = event_new(base, -1, EV_PERSIST, on_pace, server);
    event_add(server->pace, &(struct timeval){.tv_usec = 5000});
    return server;
}

void fake_dns_free(struct fake_dns *server)
{
    struct held *held;

    while ((held = TAILQ_FIRST(&server->paced)) != NULL) {
        TAILQ_REMOVE(&server->paced, held, link);
        free(held);
    }
    event_free(server->pace);
    while ((held = TAILQ_FIRST(&server->held)) != NULL) {
        TAILQ_REMOVE(&server->held, held, link);
        free(held);
    }
    while (!LIST_EMPTY(&server->clients))
        client_free(LIST_FIRST(&server->clients));
    evconnlistener_free(server->listener);
    event_free(server->readable);
    close(server->fd);
    free(server);
}

struct fake_dns_state *fake_dns_state(struct fake_dns *server)
{
    return &server->state;
}

const char *fake_dns_address(const struct fake_dns *server)
{
    return server->address;
}

void fake_dns_release(struct fake_dns *server)
{
    struct held *held;

    while ((held = TAILQ_FIRST(&server->held)) != NULL) {
        TAILQ_REMOVE(&server->held, held, link);
        server->held_count--;
        answer_udp(server, held);
        free(held);
    }
}

size_t fake_dns_held(const struct fake_dns *server)
{
    return server->held_count;
}
