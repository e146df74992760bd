/*
 * Load for the delivery agent: as many connections to its unix socket as asked for, each with one
 * message after the other, spoken as Postfix's lmtp(8) does: the envelope in one piece, then the
 * content. Prints messages a second and latencies.
 *
 *   lmtp_load PATH CONNECTIONS MESSAGES DOMAIN
 *
 * Every message must be accepted by the next server.
 */
#include "load.h"
#include "message.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { CONNECTIONS_MAX = 1024 };

/* What an answer is awaited to. */
enum step { GREETING, LHLO, MAIL, RCPT, DATA, END, DONE };
static const char *const wanted[] = {"220", "250", "250", "250", "354", "250", ""};

struct client {
    int fd;
    enum step step;
    int64_t began_ns;
    size_t in_len;
    char in[4096];
};

static const char *domain, *content;
static size_t content_len;
static long to_begin, to_end;

static void put(struct client *c, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(c->fd, data, len, MSG_NOSIGNAL);
        if (sent < 0)
            load_die("send");
        data += sent;
        len -= (size_t)sent;
    }
}

static void begin_message(struct client *c)
{
    char envelope[600];
    int len = snprintf(envelope, sizeof(envelope),
                       "MAIL FROM:<alice@own.test> SIZE=%zu\r\n"
                       "RCPT TO:<bob@%s> ORCPT=rfc822;bob@%s\r\n"
                       "DATA\r\n",
                       content_len, domain, domain);
    if (to_begin == 0) {
        c->step = DONE;
        return;
    }
    to_begin--;
    c->began_ns = load_now_ns();
    put(c, envelope, (size_t)len);
    c->step = MAIL;
}

static void take_reply(struct client *c, const char *line)
{
    if (strncmp(line, wanted[c->step], strlen(wanted[c->step])) != 0) {
        fprintf(stderr, "lmtp_load: in step %d: %s\n", (int)c->step, line);
        exit(1);
    }
    switch (c->step) {
    case GREETING:
        put(c, "LHLO mta.test\r\n", 15);
        c->step = LHLO;
        return;
    case DATA:
        put(c, content, content_len);
        c->step = END;
        return;
    case END:
        load_answered(c->began_ns);
        if (--to_end == 0)
            load_stop();
        begin_message(c);
        return;
    case LHLO:
        begin_message(c);
        return;
    case MAIL:
    case RCPT:
        c->step++;
        return;
    case DONE:
    default:
        load_die("a reply to nothing");
    }
}

static void hear(void *arg)
{
    struct client *c = arg;
    ssize_t got = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);
    char *end;
    if (got <= 0)
        load_die("recv");
    c->in_len += (size_t)got;
    while ((end = memmem(c->in, c->in_len, "\r\n", 2)) != NULL) {
        *end = '\0';
        if (end - c->in >= 4 && c->in[3] != '-')
            take_reply(c, c->in);
        c->in_len -= (size_t)(end + 2 - c->in);
        memmove(c->in, end + 2, c->in_len);
    }
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fputs("usage: lmtp_load PATH CONNECTIONS MESSAGES DOMAIN\n", stderr);
        return 64;
    }
    int count = atoi(argv[2]);
    to_begin = to_end = atol(argv[3]);
    domain = argv[4];
    content = message_text(&content_len);
    struct client *clients = calloc(CONNECTIONS_MAX, sizeof(*clients));
    if (count < 1 || count > CONNECTIONS_MAX || to_end < 1 || clients == NULL)
        return 64;
    int64_t begin_ns = load_now_ns();
    for (int i = 0; i < count; i++)
        clients[i].fd = load_connect(argv[1], &clients[i]);
    load_run(begin_ns, INT64_MAX, hear);
    return 0;
}
