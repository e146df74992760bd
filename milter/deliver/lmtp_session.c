/*
 * An LMTP server as a protocol machine: lmtp_session_init, then lmtp_session_input and
 * lmtp_session_answer in turn, lmtp_session_fini. A line is a command (lmtp_command.h), or after
 * DATA a part of the content (lmtp_data.h). Each command has one reply, the end of the content one
 * for each recipient that was accepted (RFC 2033 section 4.2).
 */
#include "deliver/lmtp_session.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct lmtp_reply ok = {250, "2.0.0", "ok"};
static const struct lmtp_reply too_long = {500, "5.5.2", "the line is too long"};
static const struct lmtp_reply bare_lf = {500, "5.5.2", "a line must end in CRLF"};
static const struct lmtp_reply need_lhlo = {503, "5.5.1", "LHLO first"};
static const struct lmtp_reply need_mail = {503, "5.5.1", "MAIL first"};
static const struct lmtp_reply need_rcpt = {503, "5.5.1", "no recipient was accepted"};
static const struct lmtp_reply nested = {503, "5.5.1", "a transaction is open already"};
static const struct lmtp_reply too_large = {552, "5.3.4", "the message is too large"};
static const struct lmtp_reply too_many = {452, "4.5.3", "too many recipients"};
static const struct lmtp_reply vrfy = {252, "2.5.0", "send mail, and see"};
static const struct lmtp_reply bye = {221, "2.0.0", "bye"};

static void say(struct lmtp_session *session, const char *text)
{
    if (!session->no_memory && !octets_add(&session->out, text, strlen(text)))
        session->no_memory = true;
}

static void reply(struct lmtp_session *session, const struct lmtp_reply *what)
{
    char code[sizeof("-2147483648 ")];

    snprintf(code, sizeof(code), "%d ", what->code);
    say(session, code);
    say(session, what->enhanced);
    say(session, what->enhanced[0] != '\0' ? " " : "");
    say(session, what->text);
    say(session, "\r\n");
}

void lmtp_session_init(struct lmtp_session *session, const char *name, uint64_t max_message)
{
    *session = (struct lmtp_session){.name = name, .max_message = max_message};
    say(session, "220 ");
    say(session, name);
    say(session, " LMTP\r\n");
}

void lmtp_session_fini(struct lmtp_session *session)
{
    octets_fini(&session->out);
}

static void reply_lhlo(struct lmtp_session *session)
{
    char size[sizeof("250-SIZE 18446744073709551615\r\n")] = "250-SIZE\r\n";

    if (session->max_message != 0)
        snprintf(size, sizeof(size), "250-SIZE %" PRIu64 "\r\n", session->max_message);
    say(session, "250-");
    say(session, session->name);
    say(session, "\r\n250-PIPELINING\r\n");
    say(session, size);
    say(session, "250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n"
                 "250 REQUIRETLS\r\n");
}

/* Ends the transaction, if there is one; returns the event that tells of it. */
static enum lmtp_event end_transaction(struct lmtp_session *session)
{
    bool open = session->state == LMTP_STATE_MAIL;

    session->state = LMTP_STATE_READY;
    session->rcpt_count = 0;
    return open ? LMTP_EVENT_RESET : LMTP_EVENT_NONE;
}

void lmtp_session_close(struct lmtp_session *session, const struct lmtp_reply *what)
{
    reply(session, what);
    session->state = LMTP_STATE_CLOSED;
    session->due = LMTP_EVENT_QUIT;
}

static enum lmtp_event refuse(struct lmtp_session *session, const struct lmtp_reply *what)
{
    reply(session, what);
    return LMTP_EVENT_NONE;
}

static enum lmtp_event ask(struct lmtp_session *session, enum lmtp_event event)
{
    session->state = LMTP_STATE_ANSWER;
    return event;
}

static enum lmtp_event on_mail(struct lmtp_session *session)
{
    const struct smtp_mail *mail = &session->command.mail;

    if (session->state == LMTP_STATE_HELLO)
        return refuse(session, &need_lhlo);
    if (session->state == LMTP_STATE_MAIL)
        return refuse(session, &nested);
    if (session->max_message != 0 && mail->size > session->max_message)
        return refuse(session, &too_large);
    session->smtputf8 = mail->smtputf8;
    return ask(session, LMTP_EVENT_MAIL);
}

static enum lmtp_event on_rcpt(struct lmtp_session *session)
{
    if (session->state != LMTP_STATE_MAIL)
        return refuse(session, &need_mail);
    if (session->rcpt_count >= LMTP_RCPTS_MAX)
        return refuse(session, &too_many);
    return ask(session, LMTP_EVENT_RCPT);
}

static enum lmtp_event on_data(struct lmtp_session *session)
{
    if (session->state != LMTP_STATE_MAIL)
        return refuse(session, &need_mail);
    if (session->rcpt_count == 0)
        return refuse(session, &need_rcpt);
    return ask(session, LMTP_EVENT_DATA);
}

static enum lmtp_event on_quit(struct lmtp_session *session)
{
    enum lmtp_event event = end_transaction(session);

    lmtp_session_close(session, &bye);
    return event;
}

static enum lmtp_event on_command(struct lmtp_session *session)
{
    struct lmtp_command *command = &session->command;

    lmtp_command_parse(session->line, session->line_len, session->smtputf8, command);
    if (command->refused.code != 0)
        return refuse(session, &command->refused);
    switch (command->verb) {
    case LMTP_VERB_LHLO:
        reply_lhlo(session);
        return end_transaction(session);
    case LMTP_VERB_MAIL:
        return on_mail(session);
    case LMTP_VERB_RCPT:
        return on_rcpt(session);
    case LMTP_VERB_DATA:
        return on_data(session);
    case LMTP_VERB_RSET:
        reply(session, &ok);
        return session->state == LMTP_STATE_HELLO ? LMTP_EVENT_NONE : end_transaction(session);
    case LMTP_VERB_NOOP:
        return refuse(session, &ok);
    case LMTP_VERB_VRFY:
        return refuse(session, &vrfy);
    case LMTP_VERB_QUIT:
        return on_quit(session);
    case LMTP_VERB_NONE:
        break;
    }
    return LMTP_EVENT_NONE;
}

/* Takes octets up to the end of a line. Returns whether a command is whole; what is no line is
 * answered here. */
static bool take_line(struct lmtp_session *session, const char *octets, size_t len, size_t *used)
{
    const char *lf = memchr(octets, '\n', len);
    size_t part = lf != NULL ? (size_t)(lf - octets) + 1 : len;
    size_t room = sizeof(session->line) - session->line_len;

    *used = part;
    if (part > room)
        session->line_long = true;
    if (!session->line_long) {
        memcpy(session->line + session->line_len, octets, part);
        session->line_len += part;
    }
    if (lf == NULL)
        return false;
    if (session->line_long) {
        reply(session, &too_long);
    } else if (session->line_len < 2 || session->line[session->line_len - 2] != '\r') {
        reply(session, &bare_lf);
    } else {
        session->line_len -= 2;
        session->line[session->line_len] = '\0';
        return true;
    }
    session->line_len = 0;
    session->line_long = false;
    return false;
}

static enum lmtp_event take_content(struct lmtp_session *session, const char *octets, size_t len,
                                    size_t *used, struct lmtp_piece *piece)
{
    if (len > LMTP_PIECE_MAX)
        len = LMTP_PIECE_MAX;
    if (lmtp_data_piece(&session->data, octets, len, used, piece->octets, &piece->len)) {
        session->state = LMTP_STATE_RESULTS;
        session->due = LMTP_EVENT_MESSAGE;
    }
    return LMTP_EVENT_CONTENT;
}

enum lmtp_event lmtp_session_input(struct lmtp_session *session, const char *octets, size_t len,
                                   size_t *used, struct lmtp_piece *piece)
{
    enum lmtp_event event = LMTP_EVENT_NONE;
    size_t part;

    *used = 0;
    if (session->due != LMTP_EVENT_NONE) {
        event = session->due;
        session->due = LMTP_EVENT_NONE;
        return event;
    }
    if (session->state == LMTP_STATE_CONTENT && len > 0)
        return take_content(session, octets, len, used, piece);
    while (event == LMTP_EVENT_NONE && *used < len && lmtp_session_reads(session)) {
        bool whole = take_line(session, octets + *used, len - *used, &part);

        *used += part;
        if (!whole)
            continue;
        event = on_command(session);
        session->line_len = 0;
    }
    if (event == LMTP_EVENT_NONE && session->due != LMTP_EVENT_NONE)
        return lmtp_session_input(session, octets, 0, &part, piece);
    return event;
}

bool lmtp_session_reads(const struct lmtp_session *session)
{
    return session->state != LMTP_STATE_RESULTS && session->state != LMTP_STATE_ANSWER &&
           session->state != LMTP_STATE_CLOSED;
}

/* To MAIL, RCPT or DATA. */
static void answer_command(struct lmtp_session *session, const struct lmtp_reply *answer)
{
    bool accepted = answer->code / 100 == 2;

    session->state = LMTP_STATE_MAIL;
    if (session->command.verb == LMTP_VERB_MAIL && !accepted)
        session->state = LMTP_STATE_READY;
    else if (session->command.verb == LMTP_VERB_RCPT && accepted)
        session->rcpt_count++;
    else if (session->command.verb == LMTP_VERB_DATA && answer->code == 354)
        session->state = LMTP_STATE_CONTENT;
    if (session->state == LMTP_STATE_CONTENT)
        session->data = (struct lmtp_data){0};
}

void lmtp_session_answer(struct lmtp_session *session, const struct lmtp_reply *answer)
{
    if (session->state == LMTP_STATE_ANSWER && answer->code == 421) {
        lmtp_session_close(session, answer);
        return;
    }
    reply(session, answer);
    if (session->state == LMTP_STATE_ANSWER)
        answer_command(session, answer);
    else if (session->state == LMTP_STATE_RESULTS && --session->rcpt_count == 0)
        session->state = LMTP_STATE_READY;
}
