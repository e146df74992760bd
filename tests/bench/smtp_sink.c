/*
 * An SMTP server that takes every message and looks at none: what programs that send are measured
 * with. One thread, epoll; STARTTLS with OpenSSL.
 *
 *   smtp_sink ADDRESS PORT CERTIFICATE tickets|full|hang
 *
 * CERTIFICATE is a PEM file with certificate and key. tickets: TLS sessions can be resumed; full:
 * they cannot, every handshake is a full one; hang: neither MAIL is answered nor what follows it.
 * When it listens it says so, a line to standard output.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

enum { BUFFER = 16 * 1024, EVENTS = 64, BACKLOG = 4096 };

struct peer {
    int fd;
    SSL *ssl; /* NULL: plaintext */
    bool is_content, is_over, is_hung;
    size_t in_len, out_len;
    char in[BUFFER], out[1024];
};

static SSL_CTX *ctx;
static bool hangs;

static void die(const char *what)
{
    fprintf(stderr, "smtp_sink: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void drop(struct peer *peer)
{
    SSL_free(peer->ssl);
    close(peer->fd);
    free(peer);
}

static void say(struct peer *peer, const char *text)
{
    size_t len = strlen(text);

    if (len > sizeof(peer->out) - peer->out_len)
        die("too much to say");
    memcpy(peer->out + peer->out_len, text, len);
    peer->out_len += len;
}

/* Replies are short: what does not go out at once is an error of the connection. */
static bool flush(struct peer *peer)
{
    size_t len = peer->out_len;

    peer->out_len = 0;
    if (len == 0)
        return true;
    return peer->ssl != NULL ? SSL_write(peer->ssl, peer->out, (int)len) == (int)len
                             : send(peer->fd, peer->out, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool is_verb(const char *line, const char *verb)
{
    return strncasecmp(line, verb, strlen(verb)) == 0;
}

static void take_command(struct peer *peer, const char *line)
{
    if (peer->is_hung)
        return;
    if (is_verb(line, "EHLO")) {
        say(peer, "250-sink.test\r\n250-PIPELINING\r\n250-SIZE\r\n250-8BITMIME\r\n250-DSN\r\n");
        say(peer, peer->ssl != NULL ? "250-REQUIRETLS\r\n" : "250-STARTTLS\r\n");
        say(peer, "250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n");
    } else if (is_verb(line, "STARTTLS")) {
        say(peer, "220 2.0.0 go on\r\n");
    } else if (is_verb(line, "DATA")) {
        say(peer, "354 end with a dot\r\n");
        peer->is_content = true;
    } else if (is_verb(line, "QUIT")) {
        say(peer, "221 2.0.0 bye\r\n");
        peer->is_over = true;
    } else if (hangs && is_verb(line, "MAIL")) {
        peer->is_hung = true;
    } else {
        say(peer, "250 2.0.0 ok\r\n");
    }
}

/* Drops what the input begins with, up to and with `end`. */
static void cut(struct peer *peer, const char *end)
{
    size_t len = (size_t)(end - peer->in);

    peer->in_len -= len;
    memmove(peer->in, end, peer->in_len);
}

static bool take_content(struct peer *peer)
{
    char *end = memmem(peer->in, peer->in_len, "\r\n.\r\n", 5);

    if (end == NULL) {
        if (peer->in_len > 4)
            cut(peer, peer->in + peer->in_len - 4);
        return false;
    }
    cut(peer, end + 5);
    peer->is_content = false;
    say(peer, "250 2.0.0 taken\r\n");
    return true;
}

static bool take_line(struct peer *peer)
{
    char *end = memmem(peer->in, peer->in_len, "\r\n", 2);
    bool starts_tls;

    if (end == NULL)
        return false;
    *end = '\0';
    starts_tls = is_verb(peer->in, "STARTTLS");
    take_command(peer, peer->in);
    cut(peer, end + 2);
    if (!starts_tls)
        return true;
    if (!flush(peer))
        peer->is_over = true;
    peer->ssl = SSL_new(ctx);
    if (peer->ssl == NULL || SSL_set_fd(peer->ssl, peer->fd) != 1)
        die("SSL_new");
    SSL_set_accept_state(peer->ssl);
    return false;
}

/* Octets read, 0: none for now, -1: the end. */
static int read_some(struct peer *peer)
{
    int room = (int)(sizeof(peer->in) - peer->in_len), got;

    if (peer->ssl == NULL) {
        got = (int)recv(peer->fd, peer->in + peer->in_len, (size_t)room, 0);
        return got > 0 ? got : got < 0 && errno == EAGAIN ? 0 : -1;
    }
    got = SSL_read(peer->ssl, peer->in + peer->in_len, room);
    if (got > 0)
        return got;
    return SSL_get_error(peer->ssl, got) == SSL_ERROR_WANT_READ ? 0 : -1;
}

static void hear(struct peer *peer)
{
    int got;

    while ((got = read_some(peer)) > 0) {
        peer->in_len += (size_t)got;
        while (peer->is_content ? take_content(peer) : take_line(peer)) {
        }
        if (peer->in_len == sizeof(peer->in) || peer->is_over || !flush(peer)) {
            flush(peer);
            got = -1;
            break;
        }
        if (peer->ssl == NULL) /* whatever more there is: epoll tells */
            return;
    }
    if (got < 0)
        drop(peer);
}

static void take_connection(int epoll, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
    struct peer *peer = fd >= 0 ? calloc(1, sizeof(*peer)) : NULL;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};

    if (peer == NULL)
        die("accept");
    peer->fd = fd;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
    say(peer, "220 sink.test ESMTP\r\n");
    if (!flush(peer))
        drop(peer);
}

static int listen_at(const char *address, const char *port)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (inet_pton(AF_INET, address, &where.sin_addr) != 1 ||
        bind(fd, (const struct sockaddr *)&where, sizeof(where)) < 0 || listen(fd, BACKLOG) < 0)
        die(address);
    return fd;
}

static void prepare_tls(const char *certificate, const char *kind)
{
    ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL || SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, certificate, SSL_FILETYPE_PEM) != 1)
        die(certificate);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"sink", 4);
    if (strcmp(kind, "tickets") != 0) {
        SSL_CTX_set_num_tickets(ctx, 0);
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    }
    hangs = strcmp(kind, "hang") == 0;
}

int main(int argc, char **argv)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[EVENTS], event = {.events = EPOLLIN};
    int listener;

    if (argc != 5)
        return 64;
    signal(SIGPIPE, SIG_IGN);
    prepare_tls(argv[3], argv[4]);
    listener = listen_at(argv[1], argv[2]);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
        die("epoll_ctl");
    puts("listens");
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr == NULL)
                take_connection(epoll, listener);
            else
                hear(events[i].data.ptr);
        }
    }
}
