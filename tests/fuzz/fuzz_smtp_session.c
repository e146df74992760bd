/*
 * The SMTP client between a server that says anything, a connection that takes octets as it likes
 * and a caller that does what it may: the octets are a script of what each of them does. Checked is
 * what stands on the wire, by a reader of its own:
 *
 *   - outside a message nothing but whole commands that this client has, without injected lines;
 *   - where TLS is required, nothing but EHLO, STARTTLS and QUIT before it; AUTH only to a verified
 *     server; REQUIRETLS in MAIL only over TLS;
 *   - a message as a model of its own stuffs it, never more, and its end only if the caller gave
 * it;
 *   - a recipient is sent only if the whole message was written, and no result changes afterwards;
 *   - memory for the output is bounded, replies are printable, and the end is the end;
 *   - all of it the same when the server's octets come one by one.
 */
#include "policy/smtp_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { RCPTS = 3 };

struct octets {
    char *data;
    size_t len, room;
};

struct run {
    struct smtp_session *session;
    struct smtp_session_config config;
    struct smtp_mail mail;
    struct smtp_rcpt rcpts[RCPTS];
    bool verified, one_by_one;
    struct octets commands, content, given;
    size_t plaintext_len; /* of commands, before TLS; all of them without */
    bool in_content, content_ended;
    bool dot_written; /* of the transaction that is under way or was the last */
    bool ended;
    enum smtp_rcpt_status status[RCPTS];
};

#define ALL_EXTENSIONS                                                                             \
    "250-mx\r\n250-PIPELINING\r\n250-DSN\r\n250-SIZE 9999\r\n250-REQUIRETLS\r\n250-8BITMIME\r\n"   \
    "250-SMTPUTF8\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n"

/* What a server may say, so that it need not be found octet by octet. */
static const char *const sayings[] = {
    "220 mx\r\n",
    "250 ok\r\n",
    ALL_EXTENSIONS,
    "250-mx\r\n250 STARTTLS\r\n",
    "354 go\r\n",
    "550 5.1.1 no\r\n",
    "452 4.5.3 later\r\n",
    "334 \r\n",
    "235 ok\r\n",
    "250 a\r\n250 b\r\n250 c\r\n250 d\r\n354 e\r\n",
    "250 a\r\n550 b\r\n550 c\r\n550 d\r\n354 e\r\n",
    "550 a\r\n503 b\r\n503 c\r\n503 d\r\n503 e\r\n",
    "250 a\r\n250 b\r\n250 c\r\n250 d\r\n250 e\r\n354 f\r\n",
    "421 bye\r\n",
};

static void promise(bool kept)
{
    if (!kept)
        abort();
}

static void keep(struct octets *to, const char *data, size_t len)
{
    if (to->room - to->len < len) {
        to->room = 2 * (to->len + len);
        to->data = realloc(to->data, to->room);
        promise(to->data != NULL);
    }
    if (len > 0)
        memcpy(to->data + to->len, data, len);
    to->len += len;
}

/* The content as it must be on the wire: first the line ends, then the lines, then the dot. */
static void check_content(const struct run *run)
{
    const struct octets *given = &run->given;
    char *lines = malloc(given->len + 3), *want = malloc(2 * given->len + 8);
    size_t len = 0, want_len = 0;

    for (size_t i = 0; i < given->len; i++) {
        char c = given->data[i];
        bool cr = c == '\r' && i + 1 < given->len && given->data[i + 1] == '\n';
        bool lf = c == '\n' && i > 0 && given->data[i - 1] == '\r';

        lines[len++] = (c == '\r' && !cr) || (c == '\n' && !lf) ? ' ' : c;
    }
    if (len > 0 && lines[len - 1] != '\n') {
        lines[len++] = '\r';
        lines[len++] = '\n';
    }
    for (size_t i = 0; i < len; i++) {
        if (lines[i] == '.' && (i == 0 || lines[i - 1] == '\n'))
            want[want_len++] = '.';
        want[want_len++] = lines[i];
    }
    memcpy(want + want_len, ".\r\n", 3);
    promise(run->content.len <= want_len + 3);
    promise(run->content.len == 0 || memcmp(run->content.data, want, run->content.len) == 0);
    if (run->dot_written)
        promise(run->content.len == want_len + 3 && run->content_ended);
    else
        promise(run->content.len < want_len + 3);
    free(lines);
    free(want);
}

static bool begins(const char *line, size_t len, const char *with)
{
    return len >= strlen(with) && memcmp(line, with, strlen(with)) == 0;
}

static bool is_response(const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=", line[i]) ==
            NULL)
            return false;
    return len > 0;
}

static void check_command(const struct run *run, const char *line, size_t len, bool plaintext)
{
    static const char *const known[] = {"EHLO me",    "HELO me",     "STARTTLS",
                                        "AUTH PLAIN", "MAIL FROM:<", "RCPT TO:<",
                                        "DATA",       "RSET",        "QUIT"};
    bool is_known = run->config.user != NULL && is_response(line, len);

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        is_known = is_known || begins(line, len, known[i]);
    promise(is_known);
    promise(memchr(line, '\r', len) == NULL && memchr(line, '\0', len) == NULL);
    if (plaintext && run->config.tls == SMTP_TLS_REQUIRED)
        promise(begins(line, len, "EHLO") || begins(line, len, "STARTTLS") ||
                begins(line, len, "QUIT"));
    if (plaintext)
        promise(memmem(line, len, " REQUIRETLS", 11) == NULL);
    if (begins(line, len, "AUTH"))
        promise(!plaintext && run->verified && run->config.user != NULL);
}

/* Whole lines; the last may be cut off by the end of the session. */
static void check_commands(const struct run *run)
{
    size_t at = 0;

    while (at < run->commands.len) {
        const char *line = run->commands.data + at;
        const char *end = memmem(line, run->commands.len - at, "\r\n", 2);

        if (end == NULL) {
            promise(run->ended || memchr(line, '\n', run->commands.len - at) == NULL);
            return;
        }
        check_command(run, line, (size_t)(end - line), at < run->plaintext_len);
        at += (size_t)(end - line) + 2;
    }
}

static void check_results(struct run *run)
{
    for (size_t i = 0; i < run->mail.rcpt_count; i++) {
        struct smtp_rcpt_result result = smtp_session_rcpt_result(run->session, i);

        promise(run->status[i] == SMTP_RCPT_PENDING || run->status[i] == result.status);
        run->status[i] = result.status;
        promise(result.status != SMTP_RCPT_SENT || (run->dot_written && result.reply->code < 300));
        promise(result.status != SMTP_RCPT_REFUSED || result.reply->code >= 400);
        promise(result.status != SMTP_RCPT_FAILED || run->ended);
        promise(result.status != SMTP_RCPT_PENDING || !run->ended);
    }
}

/* After every call. */
static void look(struct run *run, bool in_transaction)
{
    enum smtp_state state = smtp_session_state(run->session);
    const struct smtp_reply *reply = smtp_session_reply(run->session);
    bool content = state == SMTP_STATE_CONTENT || state == SMTP_STATE_DOT;

    run->ended = smtp_session_outcome(run->session) != SMTP_OUTCOME_NONE;
    promise((smtp_session_need(run->session) == SMTP_NEED_CLOSE) == run->ended);
    for (const char *c = reply->text; *c != '\0'; c++)
        promise(*c >= 0x20 && *c <= 0x7e);
    if (content && !run->in_content) {
        run->in_content = true;
        run->content.len = run->given.len = 0;
        run->content_ended = state == SMTP_STATE_DOT; /* of an empty message */
    } else if (!content && run->in_content) {
        check_content(run);
        promise(run->dot_written);
        run->in_content = false;
    }
    if (in_transaction)
        check_results(run);
}

static void write_some(struct run *run, size_t most)
{
    const char *octets;
    size_t len = smtp_session_output(run->session, &octets);

    promise(len < 3 * 8192 + 2 * 512);
    if (run->ended)
        promise(len <= 6 && memcmp(octets, &"QUIT\r\n"[6 - len], len) == 0);
    if (len > most)
        len = most;
    if (run->in_content && !run->ended) {
        keep(&run->content, octets, len);
        run->dot_written = run->content_ended && len == smtp_session_output(run->session, &octets);
    } else {
        keep(&run->commands, octets, len);
    }
    smtp_session_written(run->session, len);
}

static void read_some(struct run *run, const char *octets, size_t len, bool in_transaction)
{
    size_t piece = run->one_by_one ? 1 : len;

    for (size_t at = 0; at < len; at += piece) {
        char *exact = malloc(piece);

        memcpy(exact, octets + at, piece);
        smtp_session_input(run->session, exact, piece);
        free(exact);
        look(run, in_transaction);
    }
}

/* Returns whether a transaction has begun. */
static bool act(struct run *run, const char *octets, size_t len)
{
    switch (smtp_session_need(run->session)) {
    case SMTP_NEED_TLS:
        run->plaintext_len = run->commands.len;
        smtp_session_tls_started(run->session, run->verified);
        break;
    case SMTP_NEED_COMMAND:
        if (len % 8 == 1)
            promise(smtp_session_rset(run->session) == 0);
        else if (len % 8 == 2)
            promise(smtp_session_quit(run->session) == 0);
        else if (smtp_session_mail(run->session, &run->mail) == 0) {
            memset(run->status, 0, sizeof(run->status));
            run->dot_written = false;
            return true;
        }
        break;
    case SMTP_NEED_CONTENT:
        if (len == 0) {
            smtp_session_content_end(run->session);
            run->content_ended = true;
        } else {
            keep(&run->given, octets, len);
            smtp_session_content(run->session, octets, len);
        }
        break;
    case SMTP_NEED_IO:
    case SMTP_NEED_CLOSE:
        break;
    }
    return false;
}

static void set_up(struct run *run, unsigned config, unsigned mail)
{
    run->config = (struct smtp_session_config){.helo_name = "me", .tls = config & 3};
    if (run->config.tls > SMTP_TLS_REQUIRED)
        run->config.tls = SMTP_TLS_REQUIRED;
    run->config.requiretls = (config & 4) != 0 && run->config.tls == SMTP_TLS_REQUIRED;
    if ((config & 8) != 0) {
        run->config.user = "u";
        run->config.password = "p";
    }
    run->verified = (config & 16) != 0;
    run->mail = (struct smtp_mail){.sender = (mail & 1) != 0 ? "a@b" : "",
                                   .size = mail & 2,
                                   .body = (mail & 4) != 0 ? SMTP_BODY_8BITMIME : 0,
                                   .smtputf8 = (mail & 8) != 0,
                                   .requiretls = (mail & 16) != 0,
                                   .ret = SMTP_RET_FULL,
                                   .envid = (mail & 32) != 0 ? "e" : NULL,
                                   .rcpts = run->rcpts,
                                   .rcpt_count = 1 + (mail >> 6) % RCPTS};
    for (size_t i = 0; i < RCPTS; i++)
        run->rcpts[i] = (struct smtp_rcpt){.address = "c@d", .notify = SMTP_NOTIFY_DELAY};
    promise(smtp_session_new(&run->config, &run->session) == 0);
}

static void end_by(struct run *run, unsigned how)
{
    if (how % 4 == 0)
        smtp_session_lost(run->session);
    else if (how % 4 == 1)
        smtp_session_timeout(run->session);
    else if (how % 4 == 2)
        smtp_session_cancel(run->session);
    else
        smtp_session_tls_failed(run->session);
}

/* Plays the script. What came of it is described in `result`. */
static void play(const uint8_t *data, size_t len, bool one_by_one, char *result, size_t size)
{
    struct run run = {.one_by_one = one_by_one, .plaintext_len = SIZE_MAX};
    bool in_transaction = false;
    size_t at = 2;

    set_up(&run, data[0], data[1]);
    while (at + 1 < len) {
        unsigned what = data[at] % 8, count = data[at + 1];
        const char *octets = (const char *)data + at + 2;
        size_t given = len - at - 2 < count ? len - at - 2 : count;

        at += 2;
        if (what == 0) {
            read_some(&run, octets, given, in_transaction);
            at += given;
        } else if (what < 3) {
            const char *saying = sayings[count % (sizeof(sayings) / sizeof(sayings[0]))];

            read_some(&run, saying, strlen(saying), in_transaction);
        } else if (what == 3) {
            write_some(&run, count);
        } else if (what == 4) {
            write_some(&run, SIZE_MAX);
        } else if (what < 7) {
            bool content = smtp_session_need(run.session) == SMTP_NEED_CONTENT;

            in_transaction = act(&run, octets, content ? given : count) || in_transaction;
            at += content ? given : 0;
        } else {
            end_by(&run, count);
        }
        look(&run, in_transaction);
    }
    if (run.in_content)
        check_content(&run);
    check_commands(&run);
    snprintf(result, size, "%d %d %d %s %zu %zu", smtp_session_outcome(run.session),
             smtp_session_state(run.session), smtp_session_reply(run.session)->code,
             smtp_session_reply(run.session)->text, run.commands.len, run.content.len);
    smtp_session_free(run.session);
    free(run.commands.data);
    free(run.content.data);
    free(run.given.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char whole[600], pieces[600];

    if (len < 4 || len > 8192)
        return 0;
    play(data, len, false, whole, sizeof(whole));
    play(data, len, true, pieces, sizeof(pieces));
    promise(strcmp(whole, pieces) == 0);
    return 0;
}
