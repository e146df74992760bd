/*
 * The least that a client must do which sends each message on a connection of its own: connect,
 * STARTTLS, verify by DANE, send, QUIT; nothing is looked up, nothing kept but TLS sessions. One
 * thread for each connection, blocking. Prints messages a second, and latencies, as lmtp_load does.
 *
 *   smtp_floor ADDRESS CONNECTIONS MESSAGES NAME SPKI
 *
 * NAME is the server's, SPKI the SHA-256 of its public key in hexadecimal, as a TLSA record 3 1 1
 * has it.
 */
#include "load.h"
#include "message.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum { CONNECTIONS_MAX = 256, DIGEST = 32 };

static struct sockaddr_in server = {.sin_family = AF_INET};
static SSL_CTX *ctx;
static const char *name, *content;
static size_t content_len;
static unsigned char digest[DIGEST];
static atomic_long to_begin;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

struct session {
    int fd;
    SSL *ssl; /* NULL: plaintext */
    SSL_SESSION **resumed;
    size_t len;
    char in[4096];
};

static void put(struct session *s, const char *data, size_t len)
{
    ssize_t sent =
        s->ssl != NULL ? SSL_write(s->ssl, data, (int)len) : send(s->fd, data, len, MSG_NOSIGNAL);
    if (sent != (ssize_t)len)
        load_die("send");
}

/* Waits for `count` replies, the last of which has this code. */
static void await(struct session *s, int count, const char *code)
{
    while (count > 0) {
        char *end = memmem(s->in, s->len, "\r\n", 2);
        if (end != NULL) {
            if (end - s->in >= 4 && s->in[3] != '-' && --count == 0 && strncmp(s->in, code, 3) != 0)
                load_die("a reply");
            s->len -= (size_t)(end + 2 - s->in);
            memmove(s->in, end + 2, s->len);
            continue;
        }
        size_t room = sizeof(s->in) - s->len;
        ssize_t got = s->ssl != NULL ? SSL_read(s->ssl, s->in + s->len, (int)room)
                                     : recv(s->fd, s->in + s->len, room, 0);
        if (got <= 0)
            load_die("recv");
        s->len += (size_t)got;
    }
}

static void ask(struct session *s, const char *command, int count, const char *code)
{
    put(s, command, strlen(command));
    await(s, count, code);
}

static void start_tls(struct session *s)
{
    SSL *ssl = SSL_new(ctx);
    if (ssl == NULL || SSL_dane_enable(ssl, name) != 1 ||
        SSL_dane_tlsa_add(ssl, 3, 1, 1, digest, sizeof(digest)) != 1)
        load_die("SSL");
    SSL_set_fd(ssl, s->fd);
    SSL_set_app_data(ssl, s->resumed);
    if (*s->resumed != NULL)
        SSL_set_session(ssl, *s->resumed);
    if (SSL_connect(ssl) != 1 || SSL_get_verify_result(ssl) != X509_V_OK) {
        ERR_print_errors_fp(stderr);
        load_die(X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
    }
    s->ssl = ssl;
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    SSL_SESSION **resumed = SSL_get_app_data(ssl);
    SSL_SESSION_free(*resumed);
    *resumed = SSL_SESSION_dup(session);
    return 0;
}

static void send_message(SSL_SESSION **resumed)
{
    struct session s = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .resumed = resumed};
    int on = 1;
    if (s.fd < 0 || connect(s.fd, (const struct sockaddr *)&server, sizeof(server)) < 0)
        load_die("connect");
    setsockopt(s.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    await(&s, 1, "220");
    ask(&s, "EHLO floor.test\r\n", 1, "250");
    ask(&s, "STARTTLS\r\n", 1, "220");
    start_tls(&s);
    ask(&s, "EHLO floor.test\r\n", 1, "250");
    ask(&s,
        "MAIL FROM:<alice@own.test> SIZE=4200 REQUIRETLS\r\nRCPT TO:<bob@example.test>\r\n"
        "DATA\r\n",
        3, "354");
    put(&s, content, content_len);
    await(&s, 1, "250");
    ask(&s, "QUIT\r\n", 1, "221");
    SSL_shutdown(s.ssl);
    SSL_free(s.ssl);
    close(s.fd);
}

static void *work(void *arg)
{
    SSL_SESSION *resumed = NULL;
    while (atomic_fetch_sub(&to_begin, 1) > 0) {
        int64_t began_ns = load_now_ns();
        send_message(&resumed);
        pthread_mutex_lock(&mutex);
        load_answered(began_ns);
        pthread_mutex_unlock(&mutex);
    }
    SSL_SESSION_free(resumed);
    return arg;
}

int main(int argc, char **argv)
{
    pthread_t threads[CONNECTIONS_MAX];
    if (argc != 6 || strlen(argv[5]) != sizeof(digest) * 2 ||
        inet_pton(AF_INET, argv[1], &server.sin_addr) != 1) {
        fputs("usage: smtp_floor ADDRESS CONNECTIONS MESSAGES NAME SPKI\n", stderr);
        return 64;
    }
    int count = atoi(argv[2]);
    server.sin_port = htons(25);
    to_begin = atol(argv[3]);
    name = argv[4];
    content = message_text(&content_len);
    for (size_t i = 0; i < sizeof(digest); i++) {
        unsigned octet;
        if (sscanf(argv[5] + 2 * i, "%2x", &octet) != 1)
            return 64;
        digest[i] = (unsigned char)octet;
    }
    ctx = SSL_CTX_new(TLS_client_method());
    if (count < 1 || count > CONNECTIONS_MAX || ctx == NULL || SSL_CTX_dane_enable(ctx) != 1)
        return 64;
    SSL_CTX_dane_set_flags(ctx, DANE_FLAG_NO_DANE_EE_NAMECHECKS); /* RFC 7672, 3.1.1 */
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
    int64_t begin_ns = load_now_ns();
    for (int i = 0; i < count; i++) {
        if (pthread_create(&threads[i], NULL, work, NULL) != 0)
            load_die("pthread_create");
    }
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    load_print(begin_ns);
    return 0;
}
