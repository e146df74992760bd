/*
 * Transactions of an SMTP session (RFC 5321 section 3.3, pipelining RFC 2920). smtp_session_mail
 * begins one. smtp_session_transaction_fill puts out what can be said: with PIPELINING as much as
 * the output should hold, else the next command when the one before was answered.
 * smtp_session_transaction_reply takes the replies, which come in the order of the commands. After
 * 354 the caller gives the content. smtp_session_rcpt_result says what became of a recipient; in
 * state READY it does so for all of them.
 *
 * A recipient counts as sent only by 2yz to the final dot of a content that the caller ended, and
 * as refused only by 4yz or 5yz. Any other reply ends the session, and with it the transaction.
 */
#include "smtp/smtp_session_internal.h"

#include <errno.h>
#include <stdlib.h>

/* The numbers of the commands, see struct smtp_transaction. */
enum { STEP_RSET, STEP_MAIL, STEP_RCPT };

/* More of a pipelined transaction is put out when there is less than this in the output. */
enum { OUTPUT_SHORT = 8192 };

static size_t step_data(const struct smtp_transaction *t)
{
    return STEP_RCPT + t->rcpt_count;
}

static enum smtp_state state_of_step(const struct smtp_transaction *t, size_t step)
{
    if (step == STEP_RSET)
        return SMTP_STATE_RSET;
    if (step == STEP_MAIL)
        return SMTP_STATE_MAIL;
    return step < step_data(t) ? SMTP_STATE_RCPT : SMTP_STATE_DATA;
}

void smtp_session_transaction_fini(struct smtp_session *session)
{
    struct smtp_transaction *t = &session->transaction;

    if (t->rcpts != NULL)
        for (size_t i = 0; i < t->rcpt_count; i++)
            free(t->rcpts[i].refused);
    free(t->rcpts);
    free(t->ends);
    *t = (struct smtp_transaction){0};
}

static void put_step(struct smtp_session *session)
{
    struct smtp_transaction *t = &session->transaction;
    size_t step = t->put++;

    if (step == STEP_RSET)
        smtp_out_text(&session->out, "RSET\r\n");
    else if (step == STEP_MAIL)
        smtp_mail_command(t->mail, &session->extensions, &session->out);
    else if (step < step_data(t))
        smtp_rcpt_command(&t->mail->rcpts[step - STEP_RCPT], &session->extensions, &session->out);
    else
        smtp_out_text(&session->out, "DATA\r\n");
    t->ends[step] = smtp_out_end(&session->out);
}

/* Whether the next command is to be put out now. */
static bool is_next_due(const struct smtp_session *session)
{
    const struct smtp_transaction *t = &session->transaction;

    if (t->mail_refused || t->put > step_data(t))
        return false;
    if (t->put == t->awaited) /* all replies are there */
        return t->put < step_data(t) || t->accepted > 0;
    return session->extensions.pipelining && session->out.len < OUTPUT_SHORT;
}

void smtp_session_transaction_fill(struct smtp_session *session)
{
    if (session->transaction.mail == NULL || session->outcome != SMTP_OUTCOME_NONE)
        return;
    while (is_next_due(session))
        put_step(session);
}

/* The transaction is over. `given_up`: the server may not know. */
static void finish(struct smtp_session *session, bool given_up)
{
    session->transaction.mail = NULL;
    session->given_up = given_up;
    session->state = SMTP_STATE_READY;
}

/* Waits for the reply to the command `awaited`, if it is or can be put out. */
static void await_step(struct smtp_session *session)
{
    struct smtp_transaction *t = &session->transaction;

    smtp_session_transaction_fill(session);
    if (t->awaited == t->put) {
        finish(session, true);
        return;
    }
    session->state = state_of_step(t, t->awaited);
    session->question_end = t->ends[t->awaited];
}

static void advance(struct smtp_session *session)
{
    session->transaction.awaited++;
    await_step(session);
}

/* The reply holds for all recipients that are not refused yet. */
static void decide(struct smtp_session *session, enum smtp_rcpt_status status)
{
    struct smtp_transaction *t = &session->transaction;

    t->status = status;
    t->decided_in = session->state;
    t->reply = session->reply;
}

static void on_mail(struct smtp_session *session, bool success)
{
    if (!success) {
        session->transaction.mail_refused = true;
        decide(session, SMTP_RCPT_REFUSED);
    }
    advance(session);
}

/* RFC 5321 section 4.5.3.1.10: 552 says that there are too many recipients, as 452 does. */
static void soften_552(struct smtp_reply *reply)
{
    if (reply->code != 552)
        return;
    reply->code = 452;
    reply->enhanced[0] = '4';
}

static void on_rcpt(struct smtp_session *session, bool success)
{
    struct smtp_transaction *t = &session->transaction;

    if (success) {
        t->accepted++;
    } else {
        struct smtp_reply *refused = malloc(sizeof(*refused));

        if (refused == NULL) {
            smtp_session_end(session, SMTP_OUTCOME_NO_MEMORY);
            return;
        }
        *refused = session->reply;
        soften_552(refused);
        t->rcpts[t->awaited - STEP_RCPT].refused = refused;
    }
    advance(session);
}

/* 354. Without recipients there is nothing to be said; RFC 2920 section 3.1 has an empty message
 * then. A server that has recipients though it refused MAIL would deliver that. */
static void on_data(struct smtp_session *session)
{
    struct smtp_transaction *t = &session->transaction;

    if (t->mail_refused && t->accepted > 0) {
        smtp_session_end(session, SMTP_OUTCOME_BAD_REPLY);
        return;
    }
    smtp_data_init(&session->data);
    if (t->accepted > 0) {
        session->state = SMTP_STATE_CONTENT;
        return;
    }
    t->empty = true;
    smtp_data_end(&session->data, &session->out);
    smtp_session_await(session, SMTP_STATE_DOT);
}

static void on_data_refused(struct smtp_session *session)
{
    struct smtp_transaction *t = &session->transaction;

    if (!t->mail_refused && t->accepted > 0)
        decide(session, SMTP_RCPT_REFUSED);
    finish(session, true);
}

static void on_dot(struct smtp_session *session, bool success)
{
    if (session->transaction.empty) {
        finish(session, true);
        return;
    }
    decide(session, success ? SMTP_RCPT_SENT : SMTP_RCPT_REFUSED);
    finish(session, !success);
}

static void on_rset(struct smtp_session *session, bool success)
{
    if (!success)
        smtp_session_end_with_quit(session, SMTP_OUTCOME_REFUSED);
    else if (session->transaction.mail != NULL)
        advance(session);
    else
        finish(session, false);
}

void smtp_session_transaction_reply(struct smtp_session *session)
{
    int class = smtp_reply_class(&session->reply);
    bool success = class == 2, failure = class == 4 || class == 5;

    if (session->state == SMTP_STATE_DATA) {
        if (class == 3)
            on_data(session);
        else if (failure)
            on_data_refused(session);
        else
            smtp_session_end(session, SMTP_OUTCOME_BAD_REPLY);
    } else if (!success && !failure) {
        smtp_session_end(session, SMTP_OUTCOME_BAD_REPLY);
    } else if (session->state == SMTP_STATE_RSET) {
        on_rset(session, success);
    } else if (session->state == SMTP_STATE_MAIL) {
        on_mail(session, success);
    } else if (session->state == SMTP_STATE_RCPT) {
        on_rcpt(session, success);
    } else if (session->state == SMTP_STATE_DOT) {
        on_dot(session, success);
    } else {
        smtp_session_end(session, SMTP_OUTCOME_BAD_REPLY);
    }
}

int smtp_session_mail(struct smtp_session *session, const struct smtp_mail *mail)
{
    struct smtp_transaction *t = &session->transaction;
    int error;

    if (smtp_session_need(session) != SMTP_NEED_COMMAND)
        return -EBUSY;
    error = smtp_mail_check(mail);
    if (error != 0)
        return error;
    if (smtp_mail_lack(mail, &session->extensions) != SMTP_LACK_NONE)
        return -EOPNOTSUPP;
    smtp_session_transaction_fini(session);
    t->rcpts = calloc(mail->rcpt_count, sizeof(*t->rcpts));
    t->ends = calloc(mail->rcpt_count + STEP_RCPT + 1, sizeof(*t->ends));
    if (t->rcpts == NULL || t->ends == NULL) {
        smtp_session_transaction_fini(session);
        return -ENOMEM;
    }
    t->mail = mail;
    t->rcpt_count = mail->rcpt_count;
    t->put = t->awaited = session->given_up ? STEP_RSET : STEP_MAIL;
    session->step++;
    await_step(session);
    if (session->out.error != 0)
        smtp_session_end(session, SMTP_OUTCOME_NO_MEMORY);
    return 0;
}

struct smtp_rcpt_result smtp_session_rcpt_result(const struct smtp_session *session, size_t i)
{
    static const struct smtp_reply none;
    const struct smtp_transaction *t = &session->transaction;

    if (!t->mail_refused && i < t->rcpt_count && t->rcpts[i].refused != NULL)
        return (struct smtp_rcpt_result){SMTP_RCPT_REFUSED, SMTP_STATE_RCPT, t->rcpts[i].refused};
    if (t->status != SMTP_RCPT_PENDING && i < t->rcpt_count)
        return (struct smtp_rcpt_result){t->status, t->decided_in, &t->reply};
    if (session->outcome != SMTP_OUTCOME_NONE || i >= t->rcpt_count)
        return (struct smtp_rcpt_result){SMTP_RCPT_FAILED, session->state, &session->reply};
    return (struct smtp_rcpt_result){SMTP_RCPT_PENDING, session->state, &none};
}

void smtp_session_content(struct smtp_session *session, const char *octets, size_t len)
{
    if (smtp_session_need(session) != SMTP_NEED_CONTENT)
        return;
    smtp_data_piece(&session->data, &session->out, octets, len);
    if (session->out.error != 0)
        smtp_session_end(session, SMTP_OUTCOME_NO_MEMORY);
}

void smtp_session_content_end(struct smtp_session *session)
{
    if (smtp_session_need(session) != SMTP_NEED_CONTENT)
        return;
    session->step++;
    smtp_data_end(&session->data, &session->out);
    smtp_session_await(session, SMTP_STATE_DOT);
    if (session->out.error != 0)
        smtp_session_end(session, SMTP_OUTCOME_NO_MEMORY);
}
