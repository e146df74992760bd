/*
 * The state of an SMTP session, what it needs next, and how it ends. smtp_session_await after a
 * command was put out; smtp_session_end or smtp_session_end_with_quit once, with the outcome that
 * stays. Also the words for states and outcomes.
 */
#include "smtp/smtp_session_internal.h"

void smtp_session_await(struct smtp_session *session, enum smtp_state state)
{
    session->state = state;
    session->question_end = smtp_out_end(&session->out);
}

/* Whether it was a reply that ended the session, so that the last one is to be kept. */
static bool is_by_reply(enum smtp_outcome outcome)
{
    switch (outcome) {
    case SMTP_OUTCOME_QUIT:
    case SMTP_OUTCOME_REFUSED:
    case SMTP_OUTCOME_CLOSING:
    case SMTP_OUTCOME_NO_STARTTLS:
    case SMTP_OUTCOME_NO_REQUIRETLS:
    case SMTP_OUTCOME_NO_AUTH:
    case SMTP_OUTCOME_AUTH_NOT_VERIFIED:
    case SMTP_OUTCOME_EARLY_REPLY:
    case SMTP_OUTCOME_BAD_REPLY:
    case SMTP_OUTCOME_LONG_REPLY:
        return true;
    case SMTP_OUTCOME_NONE:
    case SMTP_OUTCOME_TLS_FAILED:
    case SMTP_OUTCOME_PLAINTEXT:
    case SMTP_OUTCOME_LOST:
    case SMTP_OUTCOME_TIMEOUT:
    case SMTP_OUTCOME_CANCELLED:
    case SMTP_OUTCOME_NO_MEMORY:
        break;
    }
    return false;
}

void smtp_session_end(struct smtp_session *session, enum smtp_outcome outcome)
{
    if (session->outcome != SMTP_OUTCOME_NONE)
        return;
    session->outcome = outcome;
    /* A dot that was not written never is: the server cannot have taken the message. */
    if (session->state == SMTP_STATE_DOT && session->out.written < session->question_end)
        session->state = SMTP_STATE_CONTENT;
    if (!is_by_reply(outcome))
        session->reply = (struct smtp_reply){0};
    session->transaction.mail = NULL;
    smtp_out_clear(&session->out);
}

void smtp_session_end_with_quit(struct smtp_session *session, enum smtp_outcome outcome)
{
    bool whole = session->out.len == 0;

    smtp_session_end(session, outcome);
    if (whole)
        smtp_out_text(&session->out, "QUIT\r\n");
}

enum smtp_need smtp_session_need(const struct smtp_session *session)
{
    if (session->outcome != SMTP_OUTCOME_NONE)
        return SMTP_NEED_CLOSE;
    if (session->state == SMTP_STATE_TLS)
        return SMTP_NEED_TLS;
    if (session->state == SMTP_STATE_READY)
        return SMTP_NEED_COMMAND;
    return session->state == SMTP_STATE_CONTENT ? SMTP_NEED_CONTENT : SMTP_NEED_IO;
}

enum smtp_timer smtp_session_timer(const struct smtp_session *session)
{
    if (session->outcome != SMTP_OUTCOME_NONE)
        return SMTP_TIMER_NONE;
    switch (session->state) {
    case SMTP_STATE_GREETING:
        return SMTP_TIMER_GREETING;
    case SMTP_STATE_TLS:
        return SMTP_TIMER_TLS;
    case SMTP_STATE_READY:
        return SMTP_TIMER_NONE;
    case SMTP_STATE_DATA:
        return SMTP_TIMER_DATA_BEGIN;
    case SMTP_STATE_CONTENT:
        return SMTP_TIMER_DATA_BLOCK;
    case SMTP_STATE_DOT:
        /* Until the dot is written it is still the content that takes its time. */
        return session->out.written < session->question_end ? SMTP_TIMER_DATA_BLOCK
                                                            : SMTP_TIMER_DATA_END;
    case SMTP_STATE_QUIT:
        return SMTP_TIMER_QUIT;
    case SMTP_STATE_EHLO:
    case SMTP_STATE_HELO:
    case SMTP_STATE_STARTTLS:
    case SMTP_STATE_AUTH:
    case SMTP_STATE_AUTH_RESPONSE:
    case SMTP_STATE_RSET:
    case SMTP_STATE_MAIL:
    case SMTP_STATE_RCPT:
        break;
    }
    return SMTP_TIMER_COMMAND;
}

unsigned smtp_session_step(const struct smtp_session *session)
{
    return session->step;
}

enum smtp_state smtp_session_state(const struct smtp_session *session)
{
    return session->state;
}

enum smtp_outcome smtp_session_outcome(const struct smtp_session *session)
{
    return session->outcome;
}

const struct smtp_reply *smtp_session_reply(const struct smtp_session *session)
{
    return &session->reply;
}

const struct smtp_extensions *smtp_session_extensions(const struct smtp_session *session)
{
    return &session->extensions;
}

bool smtp_session_has_tls(const struct smtp_session *session)
{
    return session->has_tls;
}

const char *smtp_state_name(enum smtp_state state)
{
    switch (state) {
    case SMTP_STATE_GREETING:
        return "greeting";
    case SMTP_STATE_EHLO:
        return "EHLO";
    case SMTP_STATE_HELO:
        return "HELO";
    case SMTP_STATE_STARTTLS:
        return "STARTTLS";
    case SMTP_STATE_TLS:
        return "TLS handshake";
    case SMTP_STATE_AUTH:
    case SMTP_STATE_AUTH_RESPONSE:
        return "AUTH";
    case SMTP_STATE_READY:
        return "idle";
    case SMTP_STATE_RSET:
        return "RSET";
    case SMTP_STATE_MAIL:
        return "MAIL";
    case SMTP_STATE_RCPT:
        return "RCPT";
    case SMTP_STATE_DATA:
        return "DATA";
    case SMTP_STATE_CONTENT:
        return "message content";
    case SMTP_STATE_DOT:
        return "end of DATA";
    case SMTP_STATE_QUIT:
        return "QUIT";
    }
    return "unknown";
}

const char *smtp_outcome_name(enum smtp_outcome outcome)
{
    switch (outcome) {
    case SMTP_OUTCOME_NONE:
        return "none";
    case SMTP_OUTCOME_QUIT:
        return "ended by QUIT";
    case SMTP_OUTCOME_REFUSED:
        return "refused";
    case SMTP_OUTCOME_CLOSING:
        return "server closes the connection";
    case SMTP_OUTCOME_NO_STARTTLS:
        return "STARTTLS not offered";
    case SMTP_OUTCOME_TLS_FAILED:
        return "TLS handshake failed";
    case SMTP_OUTCOME_PLAINTEXT:
        return "plaintext after the reply to STARTTLS";
    case SMTP_OUTCOME_NO_REQUIRETLS:
        return "REQUIRETLS not offered";
    case SMTP_OUTCOME_NO_AUTH:
        return "AUTH PLAIN not offered";
    case SMTP_OUTCOME_AUTH_NOT_VERIFIED:
        return "server not verified, no AUTH";
    case SMTP_OUTCOME_EARLY_REPLY:
        return "reply before its command";
    case SMTP_OUTCOME_BAD_REPLY:
        return "malformed or unexpected reply";
    case SMTP_OUTCOME_LONG_REPLY:
        return "reply too long";
    case SMTP_OUTCOME_LOST:
        return "connection lost";
    case SMTP_OUTCOME_TIMEOUT:
        return "timed out";
    case SMTP_OUTCOME_CANCELLED:
        return "cancelled";
    case SMTP_OUTCOME_NO_MEMORY:
        return "out of memory";
    }
    return "unknown";
}
