/*
 * Messages to one address. smtp_send() begins the connection; on_turn() answers each turn of the
 * transport: it gives messages and their content until there are no more, then it ends the
 * connection, or keeps it until the server ends it (on_turn_while_kept). finish_send() prints what
 * came of the recipient, of the connection and of the session.
 */
#include "smtp_send.h"

#include "policy/clock.h"
#include "smtp_job.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct smtp_rcpt rcpts[] = {{.address = "to@mx.test"}};
static const struct smtp_mail mail = {
    .sender = "from@sender.test", .rcpts = rcpts, .rcpt_count = 1};

static const char *rcpt_word(enum smtp_rcpt_status status)
{
    static const char *const words[] = {"pending", "sent", "refused", "failed"};

    return words[status];
}

static void finish_send(struct job *job)
{
    struct smtp_session *session = smtp_transport_session(job->transport);
    char text[SMTP_TRANSPORT_TEXT_MAX];

    smtp_transport_text(job->transport, text, sizeof(text));
    printf("%s send %s %lld connection=%d outcome=%d state=%s text=%s\n", job->id,
           rcpt_word(smtp_session_rcpt_result(session, 0).status),
           (long long)(clock_awake_ms() - job->begun_ms),
           (int)smtp_transport_connection(job->transport), (int)smtp_session_outcome(session),
           smtp_state_name(smtp_session_state(session)), text);
    fflush(stdout);
    smtp_transport_free(job->transport);
    job_remove(job);
}

static void give_content(struct job *job)
{
    static const char line[] =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\r\n";
    static char piece[SMTP_TRANSPORT_PIECE];
    struct smtp_session *session = smtp_transport_session(job->transport);
    size_t len = job->octets_left < sizeof(piece) ? job->octets_left : sizeof(piece);

    if (len == 0) {
        smtp_session_content_end(session);
        return;
    }
    for (size_t i = 0; i < len; i++)
        piece[i] = line[i % (sizeof(line) - 1)];
    smtp_session_content(session, piece, len);
    job->octets_left -= len;
}

/* event_callback_fn */
static void on_pause(evutil_socket_t fd, short what, void *arg)
{
    struct job *job = arg;
    (void)fd;
    (void)what;

    give_content(job);
    smtp_transport_go(job->transport);
}

/* Whether the content comes later. */
static bool begins_pause(struct job *job)
{
    struct timeval pause = {.tv_sec = job->pause_ms / 1000, .tv_usec = job->pause_ms % 1000 * 1000};

    if (job->pause_ms == 0 || job->on_pause != NULL)
        return false;
    job->on_pause = evtimer_new(job->base, on_pause, job);
    event_add(job->on_pause, &pause);
    return true;
}

/* smtp_turn_fn */
static void on_turn_while_kept(struct smtp_transport *transport, enum smtp_turn turn, void *arg)
{
    (void)transport;

    if (turn != SMTP_TURN_OVER)
        die("a turn of a connection that is kept");
    finish_send(arg);
}

/* smtp_turn_fn */
static void on_turn(struct smtp_transport *transport, enum smtp_turn turn, void *arg)
{
    struct job *job = arg;
    struct smtp_session *session = smtp_transport_session(transport);

    switch (turn) {
    case SMTP_TURN_PEER:
        if (!smtp_transport_peer(transport)->met)
            smtp_session_cancel(session);
        break;
    case SMTP_TURN_COMMAND:
        if (job->messages_left == 0 && job->waits) {
            smtp_transport_limit(transport, 0);
            smtp_transport_owner(transport, on_turn_while_kept, job);
            return;
        }
        job->octets_left = job->octets;
        if (job->messages_left == 0 || smtp_session_mail(session, &mail) != 0)
            smtp_session_quit(session);
        else
            job->messages_left--;
        break;
    case SMTP_TURN_CONTENT:
        if (begins_pause(job))
            return;
        give_content(job);
        break;
    case SMTP_TURN_OVER:
        finish_send(job);
        return;
    case SMTP_TURN_NONE:
        die("a turn that is none");
    }
    smtp_transport_go(transport);
}

void smtp_send(struct event_base *base, struct tls_client *tls_client, char *words[])
{
    struct job *job = job_add(base, words);
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(job->target.port)};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(job->target.port)};
    struct sockaddr_in source = {.sin_family = AF_INET};
    int64_t ms = atoll(words[6]);
    struct smtp_transport_config config = {
        .base = base,
        .address = job->target.ipv6 ? (const struct sockaddr *)&in6 : (const struct sockaddr *)&in,
        .smtp = {.helo_name = "client.test",
                 .tls = words[5][0] == 'n'   ? SMTP_TLS_NEVER
                        : words[5][0] == 'o' ? SMTP_TLS_OFFERED
                                             : SMTP_TLS_REQUIRED},
        .tls_client = tls_client,
        .demand = &job->demand,
        .timeouts = {ms, ms, ms, ms, ms, ms, ms, ms},
        .limit_ms = atoll(words[7]),
        .on_turn = on_turn,
        .arg = job,
    };

    memcpy(&in6.sin6_addr, job->address, 16);
    memcpy(&in.sin_addr, job->address, 4);
    job->octets = (size_t)atoll(words[8]);
    job->messages_left = (unsigned)atoi(words[9]);
    job->waits = strcmp(words[10], "wait") == 0;
    job->pause_ms = strcmp(words[10], "pause") == 0 ? 3 * ms : 0;
    if (inet_pton(AF_INET, words[11], &source.sin_addr) == 1)
        config.source = (const struct sockaddr *)&source;
    if (smtp_transport_new(&config, &job->transport) != 0)
        die("no transport");
}
