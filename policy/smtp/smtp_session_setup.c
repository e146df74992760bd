/*
 * An SMTP session from the greeting until a transaction can begin (RFC 5321 sections 3.1 and 3.2,
 * STARTTLS RFC 3207, AUTH RFC 4954). smtp_session_setup_reply is called with each reply in one of
 * these states and puts out the next command; smtp_session_tls_started or smtp_session_tls_failed
 * by the transport, in state TLS. It ends in state READY, or the session ends with an outcome.
 */
#include "base/ascii.h"
#include "smtp/smtp_auth.h"
#include "smtp/smtp_session_internal.h"

#include <string.h>

static void say(struct smtp_session *session, const char *verb, const char *argument,
                enum smtp_state state)
{
    smtp_out_text(&session->out, verb);
    if (argument != NULL) {
        smtp_out_text(&session->out, " ");
        smtp_out_text(&session->out, argument);
    }
    smtp_out_text(&session->out, "\r\n");
    smtp_session_await(session, state);
}

static void say_ehlo(struct smtp_session *session)
{
    session->extensions = (struct smtp_extensions){0};
    say(session, "EHLO", session->helo_name, SMTP_STATE_EHLO);
}

/* STARTTLS is settled, and what is offered is known. */
static void settle(struct smtp_session *session)
{
    /* RFC 8689 section 2: what counts is the EHLO reply after STARTTLS. */
    if (!session->has_tls)
        session->extensions.requiretls = false;
    if (!session->has_tls && session->tls == SMTP_TLS_REQUIRED) {
        smtp_session_end_with_quit(session, SMTP_OUTCOME_NO_STARTTLS);
    } else if (session->demand_requiretls && !session->extensions.requiretls) {
        smtp_session_end_with_quit(session, SMTP_OUTCOME_NO_REQUIRETLS);
    } else if (session->user == NULL) {
        session->state = SMTP_STATE_READY;
    } else if (!session->verified) {
        smtp_session_end_with_quit(session, SMTP_OUTCOME_AUTH_NOT_VERIFIED);
    } else if (!session->extensions.auth_plain) {
        smtp_session_end_with_quit(session, SMTP_OUTCOME_NO_AUTH);
    } else {
        session->auth_whole = smtp_auth_command(session->user, session->password, &session->out);
        smtp_session_await(session, SMTP_STATE_AUTH);
    }
}

static void on_ehlo(struct smtp_session *session)
{
    if (!session->has_tls && session->tls != SMTP_TLS_NEVER && session->extensions.starttls)
        say(session, "STARTTLS", NULL, SMTP_STATE_STARTTLS);
    else
        settle(session);
}

/* An old server may refuse EHLO and know HELO, but offers no extension then. */
static void on_ehlo_refused(struct smtp_session *session)
{
    bool needs_extension = session->demand_requiretls || session->user != NULL ||
                           (session->tls == SMTP_TLS_REQUIRED && !session->has_tls);

    session->extensions = (struct smtp_extensions){0};
    if (smtp_reply_class(&session->reply) == 5 && !needs_extension)
        say(session, "HELO", session->helo_name, SMTP_STATE_HELO);
    else
        smtp_session_end_with_quit(session, SMTP_OUTCOME_REFUSED);
}

/* The first word of the reply (RFC 5321 section 4.1.1.1). An address literal is no name. */
static void note_server_name(struct smtp_session *session)
{
    const char *text = session->reply.text;
    size_t len = strcspn(text, " ");
    bool is_name = len > 0 && len <= SMTP_SERVER_NAME_MAX;

    for (size_t i = 0; i < len && is_name; i++)
        is_name = ascii_is_alnum(text[i]) || text[i] == '-' || text[i] == '.' || text[i] == '_';
    if (!is_name)
        len = 0;
    memcpy(session->server_name, text, len);
    session->server_name[len] = '\0';
}

static void on_success(struct smtp_session *session)
{
    if (session->state == SMTP_STATE_EHLO || session->state == SMTP_STATE_HELO)
        note_server_name(session);
    switch (session->state) {
    case SMTP_STATE_GREETING:
        say_ehlo(session);
        break;
    case SMTP_STATE_EHLO:
        on_ehlo(session);
        break;
    case SMTP_STATE_STARTTLS:
        session->state = SMTP_STATE_TLS;
        break;
    case SMTP_STATE_HELO:
    case SMTP_STATE_AUTH:
    case SMTP_STATE_AUTH_RESPONSE:
        session->state = SMTP_STATE_READY;
        break;
    case SMTP_STATE_TLS:
    case SMTP_STATE_READY:
    case SMTP_STATE_RSET:
    case SMTP_STATE_MAIL:
    case SMTP_STATE_RCPT:
    case SMTP_STATE_DATA:
    case SMTP_STATE_CONTENT:
    case SMTP_STATE_DOT:
    case SMTP_STATE_QUIT:
        smtp_session_end(session, SMTP_OUTCOME_BAD_REPLY);
        break;
    }
}

static void on_failure(struct smtp_session *session)
{
    if (session->state == SMTP_STATE_EHLO)
        on_ehlo_refused(session);
    else if (session->state == SMTP_STATE_STARTTLS && session->tls == SMTP_TLS_OFFERED)
        settle(session);
    else
        smtp_session_end_with_quit(session, SMTP_OUTCOME_REFUSED);
}

void smtp_session_setup_reply(struct smtp_session *session)
{
    int class = smtp_reply_class(&session->reply);

    if (class == 2) {
        on_success(session);
    } else if (class == 4 || class == 5) {
        on_failure(session);
    } else if (session->state == SMTP_STATE_AUTH && !session->auth_whole) {
        smtp_auth_response(session->user, session->password, &session->out);
        smtp_session_await(session, SMTP_STATE_AUTH_RESPONSE);
    } else {
        smtp_session_end(session, SMTP_OUTCOME_BAD_REPLY);
    }
}

void smtp_session_tls_started(struct smtp_session *session, bool verified)
{
    if (session->outcome != SMTP_OUTCOME_NONE || session->state != SMTP_STATE_TLS)
        return;
    session->has_tls = true;
    session->verified = verified;
    session->step++;
    say_ehlo(session);
    if (session->out.error != 0)
        smtp_session_end(session, SMTP_OUTCOME_NO_MEMORY);
}

void smtp_session_tls_failed(struct smtp_session *session)
{
    if (session->state == SMTP_STATE_TLS)
        smtp_session_end(session, SMTP_OUTCOME_TLS_FAILED);
}
