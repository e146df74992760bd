/*
 * The SMTP client as a protocol machine: smtp_session_new, then octets in (smtp_session_input) and
 * out (smtp_session_output, smtp_session_written) until smtp_session_need is SMTP_NEED_CLOSE. Each
 * whole reply goes to one handler: smtp_session_setup.c until the session is set up,
 * smtp_session_transaction.c afterwards; 421, and what comes out of turn, is dealt with here for
 * all states. Results: the outcome with the state and the reply that led to it
 * (smtp_session_state.c), and for each recipient what became of it.
 */
#include "smtp/smtp_auth.h"
#include "smtp/smtp_session_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SERVICE_CLOSING = 421, HELO_NAME_MAX = 255 };

static bool is_argument(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < len; i++)
        if (name[i] <= 0x20 || name[i] > 0x7e)
            return false;
    return len > 0 && len <= HELO_NAME_MAX;
}

static bool config_fits(const struct smtp_session_config *config)
{
    if (!is_argument(config->helo_name))
        return false;
    if (config->requiretls && config->tls != SMTP_TLS_REQUIRED)
        return false;
    return config->user == NULL ||
           (config->password != NULL && smtp_auth_fits(config->user, config->password));
}

static int copy_strings(struct smtp_session *session, const struct smtp_session_config *config)
{
    session->helo_name = strdup(config->helo_name);
    if (session->helo_name == NULL)
        return -ENOMEM;
    if (config->user == NULL)
        return 0;
    session->user = strdup(config->user);
    session->password = strdup(config->password);
    return session->user != NULL && session->password != NULL ? 0 : -ENOMEM;
}

int smtp_session_new(const struct smtp_session_config *config, struct smtp_session **out)
{
    struct smtp_session *session;

    if (!config_fits(config))
        return -EINVAL;
    session = calloc(1, sizeof(*session));
    if (session == NULL)
        return -ENOMEM;
    if (copy_strings(session, config) != 0) {
        smtp_session_free(session);
        return -ENOMEM;
    }
    session->tls = config->tls;
    session->demand_requiretls = config->requiretls;
    session->state = SMTP_STATE_GREETING;
    *out = session;
    return 0;
}

void smtp_session_free(struct smtp_session *session)
{
    if (session == NULL)
        return;
    smtp_session_transaction_fini(session);
    smtp_out_fini(&session->out);
    if (session->password != NULL)
        explicit_bzero(session->password, strlen(session->password));
    free(session->password);
    free(session->user);
    free(session->helo_name);
    free(session);
}

/* After whatever may have appended to the output. */
static void check_memory(struct smtp_session *session)
{
    if (session->out.error != 0)
        smtp_session_end(session, SMTP_OUTCOME_NO_MEMORY);
}

size_t smtp_session_output(struct smtp_session *session, const char **octets)
{
    smtp_session_transaction_fill(session);
    check_memory(session);
    *octets = session->out.len > 0 ? session->out.data + session->out.start : "";
    return session->out.len;
}

void smtp_session_written(struct smtp_session *session, size_t len)
{
    if (len == 0)
        return;
    smtp_out_take(&session->out, len);
    if (smtp_session_timer(session) == SMTP_TIMER_DATA_BLOCK || session->out.len == 0)
        session->step++;
}

static bool is_reply_awaited(const struct smtp_session *session)
{
    return smtp_session_need(session) == SMTP_NEED_IO;
}

/* A whole reply. */
static void on_reply(struct smtp_session *session)
{
    session->step++;
    session->reply = session->parser.reply;
    if (session->state == SMTP_STATE_QUIT && !session->early) {
        smtp_session_end(session, SMTP_OUTCOME_QUIT);
    } else if (session->reply.code == SERVICE_CLOSING) {
        smtp_session_end(session, SMTP_OUTCOME_CLOSING);
    } else if (session->early) {
        smtp_session_end(session, SMTP_OUTCOME_EARLY_REPLY);
    } else if (session->state < SMTP_STATE_READY) {
        smtp_session_setup_reply(session);
    } else {
        smtp_session_transaction_reply(session);
    }
    check_memory(session);
}

/* The lines of a reply to EHLO but the first are the extensions. */
static void on_line(struct smtp_session *session)
{
    const struct smtp_reply_parser *parser = &session->parser;

    if (session->state == SMTP_STATE_EHLO && !session->early && parser->lines > 1)
        smtp_extensions_add(&session->extensions, parser->line, parser->line_len);
}

/* Reads one line at most. Returns how many octets that took. */
static size_t read_line(struct smtp_session *session, const char *octets, size_t len)
{
    size_t used = 0;

    if (!smtp_reply_begun(&session->parser))
        session->early = !is_reply_awaited(session) || session->out.written < session->question_end;
    switch (smtp_reply_parse(&session->parser, octets, len, &used)) {
    case SMTP_REPLY_MORE:
        break;
    case SMTP_REPLY_LINE:
        on_line(session);
        break;
    case SMTP_REPLY_DONE:
        on_line(session);
        on_reply(session);
        break;
    case SMTP_REPLY_BAD:
        session->reply = session->parser.reply;
        smtp_session_end(session, SMTP_OUTCOME_BAD_REPLY);
        break;
    case SMTP_REPLY_TOO_LONG:
        session->reply = session->parser.reply;
        smtp_session_end(session, SMTP_OUTCOME_LONG_REPLY);
        break;
    }
    return used;
}

void smtp_session_input(struct smtp_session *session, const char *octets, size_t len)
{
    while (len > 0 && session->outcome == SMTP_OUTCOME_NONE) {
        size_t used;

        /* Behind the reply to STARTTLS the next octet is that of a handshake, which is not read
         * here. What was injected before it must not be taken for a part of the TLS session. */
        if (session->state == SMTP_STATE_TLS) {
            smtp_session_end(session, SMTP_OUTCOME_PLAINTEXT);
            return;
        }
        used = read_line(session, octets, len);
        octets += used;
        len -= used;
    }
}

void smtp_session_lost(struct smtp_session *session)
{
    smtp_session_end(session,
                     session->state == SMTP_STATE_QUIT ? SMTP_OUTCOME_QUIT : SMTP_OUTCOME_LOST);
}

void smtp_session_timeout(struct smtp_session *session)
{
    smtp_session_end(session,
                     session->state == SMTP_STATE_QUIT ? SMTP_OUTCOME_QUIT : SMTP_OUTCOME_TIMEOUT);
}

void smtp_session_cancel(struct smtp_session *session)
{
    smtp_session_end(session, SMTP_OUTCOME_CANCELLED);
}

const char *smtp_session_server_name(const struct smtp_session *session)
{
    return session->server_name;
}

static int say(struct smtp_session *session, const char *command, enum smtp_state state)
{
    if (smtp_session_need(session) != SMTP_NEED_COMMAND)
        return -EBUSY;
    session->step++;
    session->reply = (struct smtp_reply){0};
    smtp_out_text(&session->out, command);
    smtp_session_await(session, state);
    check_memory(session);
    return 0;
}

int smtp_session_rset(struct smtp_session *session)
{
    return say(session, "RSET\r\n", SMTP_STATE_RSET);
}

int smtp_session_quit(struct smtp_session *session)
{
    return say(session, "QUIT\r\n", SMTP_STATE_QUIT);
}
