/*
 * Load for a milter: as many connections as asked for, each with one message at a time, spoken as
 * Postfix does: macros before each command, no waiting where none was negotiated. Prints messages
 * a second and latencies.
 *
 *   milter_load PATH CONNECTIONS SECONDS KIND DOMAIN KEYS
 *
 * KIND: `none`, or `require`: MAIL has the parameter REQUIRETLS. The recipient's domain is
 * d<0 to KEYS-1>.DOMAIN, in turn. Every message must be accepted.
 */
#include "load.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmilter/mfapi.h>
#include <libmilter/mfdef.h>

enum { CONNECTIONS_MAX = 256, BUFFER = 64 * 1024, BODY = 4000 };

/* What an answer is awaited to. */
enum step { ENVELOPE, RECIPIENT, DATA, FIELD, HEADER, BODY_PIECE, END };

struct client {
    int fd;
    enum step step;
    size_t field; /* the next to be sent */
    uint32_t options;
    char *lists[SMFIM_LAST + 1]; /* of macros asked for, NULL: all */
    int64_t began_ns;
    size_t out_len, in_len;
    char out[BUFFER], in[BUFFER];
};

static struct client *clients;
static const char *domain;
static unsigned keys, next_key;
static int require;

static void put(struct client *c, const void *data, size_t len)
{
    if (len > sizeof(c->out) - c->out_len)
        load_die("too much to send");
    memcpy(c->out + c->out_len, data, len);
    c->out_len += len;
}

/* A packet: its length, the command, and strings that end with a NUL each. */
static void packet(struct client *c, char command, const char *const *strings)
{
    size_t len = 1;
    for (size_t i = 0; strings[i] != NULL; i++)
        len += strlen(strings[i]) + 1;
    uint32_t head = htonl((uint32_t)len);
    put(c, &head, sizeof(head));
    put(c, &command, 1);
    for (size_t i = 0; strings[i] != NULL; i++)
        put(c, strings[i], strlen(strings[i]) + 1);
}

/* Whether Postfix sends a macro with a command: what was asked for, and i; by default all but j and
 * v, which then come with the connection alone. */
static bool is_sent(const char *list, int stage, const char *name)
{
    size_t len = strlen(name);
    if (strcmp(name, "i") == 0)
        return true;
    if (list == NULL)
        return stage == SMFIM_CONNECT || (strcmp(name, "j") != 0 && strcmp(name, "v") != 0);
    for (const char *at = list; *at != '\0'; at += strspn(at, " ")) {
        size_t word = strcspn(at, " ");
        if (word == len && memcmp(at, name, len) == 0)
            return true;
        at += word;
    }
    return false;
}

/* The macros of a command, those that are sent with it; names and values in turn. */
static void macros(struct client *c, char command, int stage, const char *const *all)
{
    const char *list = stage < 0 ? NULL : c->lists[stage];
    const char *chosen[32];
    char first[64];
    size_t count = 0;
    for (size_t i = 0; all[i] != NULL; i += 2) {
        if (!is_sent(list, stage, all[i]))
            continue;
        if (count == 0) { /* the command goes before the first name */
            snprintf(first, sizeof(first), "%c%s", command, all[i]);
            chosen[count++] = first;
        } else {
            chosen[count++] = all[i];
        }
        chosen[count++] = all[i + 1];
    }
    chosen[count] = NULL;
    if (count > 0)
        packet(c, SMFIC_MACRO, chosen);
}

static void flush(struct client *c)
{
    size_t at = 0;
    while (at < c->out_len) {
        ssize_t sent = send(c->fd, c->out + at, c->out_len - at, MSG_NOSIGNAL);
        if (sent < 0)
            load_die("send");
        at += (size_t)sent;
    }
    c->out_len = 0;
}

static const char *const queue_id[] = {"i", "4bXyZ0123456789", NULL};
static const char *const nothing[] = {NULL};

static void send_envelope(struct client *c)
{
    static const char *const known[] = {"v",
                                        "Postfix 3.7.11",
                                        "j",
                                        "mta.test",
                                        "i",
                                        "4bXyZ0123456789",
                                        "{auth_type}",
                                        "PLAIN",
                                        "{auth_authen}",
                                        "alice",
                                        "{tls_version}",
                                        "TLSv1.3",
                                        "{mail_addr}",
                                        "alice@sender.test",
                                        "{mail_host}",
                                        "sender.test",
                                        "{mail_mailer}",
                                        "smtp",
                                        NULL};
    const char *mail[] = {"<alice@sender.test>", "SIZE=4500", require ? "REQUIRETLS" : NULL, NULL};
    c->began_ns = load_now_ns();
    c->field = 0;
    macros(c, SMFIC_MAIL, SMFIM_ENVFROM, known);
    packet(c, SMFIC_MAIL, mail);
    c->step = ENVELOPE;
}

static void send_recipient(struct client *c)
{
    char host[256], address[300];
    snprintf(host, sizeof(host), "d%u.%s", next_key++ % keys, domain);
    snprintf(address, sizeof(address), "<bob@%s>", host);
    const char *const known[] = {"j",     "mta.test",    "i",  "4bXyZ0123456789", "{rcpt_addr}",
                                 address, "{rcpt_host}", host, "{rcpt_mailer}",   "smtp",
                                 NULL};
    const char *const rcpt[] = {address, NULL};
    macros(c, SMFIC_RCPT, SMFIM_ENVRCPT, known);
    packet(c, SMFIC_RCPT, rcpt);
    c->step = RECIPIENT;
}

static void send_data(struct client *c)
{
    macros(c, SMFIC_DATA, SMFIM_DATA, queue_id);
    packet(c, SMFIC_DATA, nothing);
    c->step = DATA;
}

static const char *const fields[][2] = {
    {"Received", "from client.test (client.test [192.0.2.9])\n\tby mta.test (Postfix) with ESMTPS"},
    {"DKIM-Signature", "v=1; a=rsa-sha256; d=sender.test; s=2026; h=from:to:subject; bh=47DEQpj8="},
    {"From", "Alice <alice@sender.test>"},
    {"To", "Bob <bob@example.test>"},
    {"Subject", "the figures for the third quarter"},
    {"Date", "Mon, 2 Mar 2026 10:00:00 +0000"},
    {"Message-ID", "<20260302100000.1234@sender.test>"},
    {"MIME-Version", "1.0"},
    {"Content-Type", "text/plain; charset=utf-8"},
    {"Content-Transfer-Encoding", "8bit"},
};
enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

static void send_field(struct client *c, size_t number)
{
    const char *const field[] = {fields[number][0], fields[number][1], NULL};
    macros(c, SMFIC_HEADER, -1, queue_id);
    packet(c, SMFIC_HEADER, field);
}

static void send_eoh(struct client *c)
{
    macros(c, SMFIC_EOH, SMFIM_EOH, queue_id);
    packet(c, SMFIC_EOH, nothing);
    c->step = HEADER;
}

static void send_body(struct client *c)
{
    static const char command = SMFIC_BODY;
    static char piece[BODY];
    if (!piece[0])
        memset(piece, 'x', sizeof(piece));
    uint32_t head = htonl(sizeof(piece) + 1);
    put(c, &head, sizeof(head));
    put(c, &command, 1);
    put(c, piece, sizeof(piece));
    c->step = BODY_PIECE;
}

static void send_end(struct client *c)
{
    macros(c, SMFIC_BODYEOB, SMFIM_EOM, queue_id);
    packet(c, SMFIC_BODYEOB, nothing);
    c->step = END;
}

/* Ends the message, as Postfix does after every one, and begins the next. */
static void next_message(struct client *c)
{
    load_answered(c->began_ns);
    packet(c, SMFIC_ABORT, nothing);
    send_envelope(c);
}

/* The header, without waiting where no field is answered. */
static void go_on_with_header(struct client *c)
{
    while (c->field < FIELDS) {
        send_field(c, c->field++);
        if (!(c->options & SMFIP_NR_HDR)) {
            c->step = FIELD;
            return;
        }
    }
    send_eoh(c);
}

static void take_answer(struct client *c, char answer)
{
    if (answer == SMFIR_ACCEPT) {
        next_message(c);
        return;
    }
    if (answer != SMFIR_CONTINUE && answer != SMFIR_SKIP) {
        fprintf(stderr, "milter_load: answer %c in step %d\n", answer, (int)c->step);
        exit(1);
    }
    switch (c->step) {
    case ENVELOPE:
        send_recipient(c);
        return;
    case RECIPIENT:
        if (!(c->options & SMFIP_NODATA))
            send_data(c);
        else
            go_on_with_header(c);
        return;
    case DATA:
    case FIELD:
        go_on_with_header(c);
        return;
    case HEADER:
        if (!(c->options & SMFIP_NOBODY))
            send_body(c);
        else
            send_end(c);
        return;
    case BODY_PIECE:
        send_end(c);
        return;
    case END:
        next_message(c);
        return;
    default:
        load_die("no such step");
    }
}

/* Changes and progress come before the answer to the end of the message. */
static int is_answer(char command)
{
    return command == SMFIR_ACCEPT || command == SMFIR_CONTINUE || command == SMFIR_SKIP ||
           command == SMFIR_REJECT || command == SMFIR_TEMPFAIL || command == SMFIR_REPLYCODE ||
           command == SMFIR_DISCARD || command == SMFIR_CONN_FAIL || command == SMFIR_SHUTDOWN;
}

/* The length of the whole packet that the input begins with, 0: it is not all there. */
static size_t whole_packet(const struct client *c)
{
    uint32_t head;
    if (c->in_len < sizeof(head))
        return 0;
    memcpy(&head, c->in, sizeof(head));
    size_t len = ntohl(head) + sizeof(head);
    if (len > sizeof(c->in) || len < 5)
        load_die("a packet of a strange length");
    return len <= c->in_len ? len : 0;
}

static void drop(struct client *c, size_t len)
{
    memmove(c->in, c->in + len, c->in_len - len);
    c->in_len -= len;
}

static void hear(void *arg)
{
    struct client *c = arg;
    ssize_t got = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);
    size_t len;
    if (got <= 0)
        load_die("recv");
    c->in_len += (size_t)got;
    while ((len = whole_packet(c))) {
        char command = c->in[4];
        drop(c, len);
        if (is_answer(command))
            take_answer(c, command);
    }
    flush(c);
}

static void wait_for_packet(struct client *c)
{
    while (!whole_packet(c)) {
        ssize_t got = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);
        if (got <= 0)
            load_die("recv");
        c->in_len += (size_t)got;
    }
}

static void negotiate(struct client *c)
{
    const uint32_t offer[] = {htonl(13), htonl(SMFI_PROT_VERSION), htonl(0x1ff), htonl(0x1fffff)};
    uint32_t numbers[3];
    put(c, &offer[0], 4);
    put(c, "O", 1);
    put(c, &offer[1], 12);
    flush(c);
    wait_for_packet(c);
    size_t len = whole_packet(c), at = 17;
    if (c->in[4] != 'O' || len < at)
        load_die("negotiation");
    memcpy(numbers, c->in + 5, sizeof(numbers));
    c->options = ntohl(numbers[2]);
    while (at + 4 < len) {
        uint32_t stage;
        memcpy(&stage, c->in + at, 4);
        stage = ntohl(stage);
        if (stage <= SMFIM_LAST)
            c->lists[stage] = strdup(c->in + at + 4);
        at += 4 + strlen(c->in + at + 4) + 1;
    }
    drop(c, len);
}

static void greet(struct client *c)
{
    static const char *const known[] = {"j",        "mta.test",       "{daemon_name}",
                                        "mta.test", "{client_addr}",  "192.0.2.9",
                                        "v",        "Postfix 3.7.11", NULL};
    static const char *const tls[] = {
        "{tls_version}", "TLSv1.3", "{cipher}", "TLS_AES_256_GCM_SHA384",
        "{cipher_bits}", "256",     NULL};
    static const char *const name[] = {"client.test", NULL};
    const char connect_data[] = "Cclient.test\0"
                                "4"
                                "\x9c\x40"
                                "192.0.2.9";
    uint32_t head = htonl(sizeof(connect_data));
    macros(c, SMFIC_CONNECT, SMFIM_CONNECT, known);
    put(c, &head, sizeof(head));
    put(c, connect_data, sizeof(connect_data));
    if (!(c->options & SMFIP_NR_CONN)) {
        flush(c);
        wait_for_packet(c);
        drop(c, whole_packet(c));
    }
    if (!(c->options & SMFIP_NOHELO)) {
        macros(c, SMFIC_HELO, SMFIM_HELO, tls);
        packet(c, SMFIC_HELO, name);
        if (!(c->options & SMFIP_NR_HELO)) {
            flush(c);
            wait_for_packet(c);
            drop(c, whole_packet(c));
        }
    }
}

static void open_client(struct client *c, const char *path)
{
    c->fd = load_connect(path, c);
    negotiate(c);
    greet(c);
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fputs("usage: milter_load PATH CONNECTIONS SECONDS none|require DOMAIN KEYS\n", stderr);
        return 64;
    }
    int count = atoi(argv[2]);
    int64_t length_ns = (int64_t)(atof(argv[3]) * 1e9);
    require = strcmp(argv[4], "require") == 0;
    domain = argv[5];
    keys = (unsigned)atoi(argv[6]);
    clients = calloc(CONNECTIONS_MAX, sizeof(*clients));
    if (count < 1 || count > CONNECTIONS_MAX || keys == 0 || clients == NULL)
        return 64;
    for (int i = 0; i < count; i++)
        open_client(&clients[i], argv[1]);
    int64_t begin_ns = load_now_ns();
    for (int i = 0; i < count; i++) {
        send_envelope(&clients[i]);
        flush(&clients[i]);
    }
    load_run(begin_ns, length_ns, hear);
    return 0;
}
