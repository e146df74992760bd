/*
 * The transaction of an attempt: delivery_transaction_take the recipients,
 * delivery_transaction_begin with a last look at the connection, and when it is over
 * delivery_transaction_collect what the server has said of each. A 5yz and what follows the content
 * is final; a 4yz before the content may be answered otherwise by another host.
 */
#include "deliver/delivery_attempt_internal.h"

#include "deliver/report.h"

#include <errno.h>
#include <stdlib.h>

void delivery_transaction_forget(struct delivery_attempt *attempt)
{
    free(attempt->rcpts);
    free(attempt->numbers);
    attempt->rcpts = NULL;
    attempt->numbers = NULL;
    attempt->mail.rcpt_count = 0;
}

static void answer(struct delivery_rcpt *rcpt, const struct outcome *outcome, bool settled)
{
    rcpt->outcome = *outcome;
    rcpt->answered = true;
    rcpt->settled = settled;
}

/* All of the transaction, for a reason of this host. */
void delivery_transaction_settle(struct delivery_attempt *attempt, int code, const char *enhanced,
                                 const char *text)
{
    struct outcome outcome;

    outcome_local(code, enhanced, text, &outcome);
    for (size_t i = 0; i < attempt->mail.rcpt_count; i++)
        answer(&attempt->facts->rcpts[attempt->numbers[i]], &outcome, true);
}

/* MAIL for the recipients of `numbers`. The last look at the connection: what demands more than it
 * has shown is not said over it. False: the attempt is over. */
bool delivery_transaction_begin(struct delivery_attempt *attempt)
{
    const struct delivery_attempt_facts *facts = attempt->facts;
    struct smtp_session *session = delivery_attempt_session(attempt);
    const struct smtp_extensions *extensions = smtp_session_extensions(session);
    struct smtp_mail *mail = &attempt->mail;
    int error;

    mail->requiretls =
        treatment_says_requiretls(facts->demands, smtp_session_has_tls(session), extensions);
    /* Who is not told REQUIRETLS would go by the field (RFC 8689 section 4.1). */
    attempt->without_waiver =
        facts->treatment->request == DECIDE_REQUEST_REQUIRE && !mail->requiretls;
    if (facts->demands->ret_hdrs)
        mail->ret = SMTP_RET_HDRS;
    if (!agent_connection_allows(attempt->connection)) {
        delivery_attempt_fail(attempt, SMTP_LACK_NONE);
        return false;
    }
    if (facts->demands->requiretls == TREATMENT_REQUIRETLS_DEMANDED && !mail->requiretls) {
        delivery_attempt_fail(attempt, SMTP_LACK_REQUIRETLS);
        return false;
    }
    error = smtp_session_mail(session, mail);
    if (error == -EOPNOTSUPP) {
        delivery_attempt_fail(attempt, smtp_mail_lack(mail, extensions));
        return false;
    }
    if (error == -EINVAL) {
        delivery_transaction_settle(attempt, 553, "5.1.3", "this envelope cannot be said in SMTP");
        return false;
    }
    if (error != 0) {
        delivery_attempt_fail(attempt, SMTP_LACK_NONE);
        return false;
    }
    attempt->met = true;
    attempt->content_at = 0;
    agent_connection_used(attempt->connection);
    return true;
}

/* Those that are open. 0 or -ENOMEM. */
int delivery_transaction_take(struct delivery_attempt *attempt)
{
    const struct smtp_mail *whole = attempt->facts->mail;
    size_t count = 0;

    delivery_transaction_forget(attempt);
    attempt->mail = *whole;
    attempt->mail.rcpt_count = 0;
    attempt->rcpts = calloc(whole->rcpt_count, sizeof(*attempt->rcpts));
    attempt->numbers = calloc(whole->rcpt_count, sizeof(*attempt->numbers));
    if (attempt->rcpts == NULL || attempt->numbers == NULL) {
        delivery_transaction_forget(attempt);
        return -ENOMEM;
    }
    for (size_t i = 0; i < whole->rcpt_count; i++) {
        if (attempt->facts->rcpts[i].settled)
            continue;
        attempt->rcpts[count] = whole->rcpts[i];
        attempt->numbers[count++] = i;
    }
    attempt->mail.rcpts = attempt->rcpts;
    attempt->mail.rcpt_count = count;
    return 0;
}

/* Whether the server has to have it again by itself: it had no room for one recipient more. */
static bool is_too_many(const struct smtp_rcpt_result *result)
{
    return result->status == SMTP_RCPT_REFUSED && result->state == SMTP_STATE_RCPT &&
           result->reply->code == 452;
}

static bool is_final(const struct smtp_rcpt_result *result)
{
    switch (result->status) {
    case SMTP_RCPT_SENT:
        return true;
    case SMTP_RCPT_REFUSED:
        /* A 4yz before the content may be answered otherwise by another host. */
        return smtp_reply_class(result->reply) == 5 || result->state == SMTP_STATE_DOT;
    case SMTP_RCPT_FAILED:
        /* The content was begun. */
        return result->state == SMTP_STATE_CONTENT || result->state == SMTP_STATE_DOT;
    case SMTP_RCPT_PENDING:
    default:
        return false;
    }
}

/* What became of the recipients of the transaction, which is over. Keeps those that the server had
 * no room for, if it took others; returns how many they are. */
size_t delivery_transaction_collect(struct delivery_attempt *attempt)
{
    const struct delivery_attempt_facts *facts = attempt->facts;
    struct smtp_session *session = delivery_attempt_session(attempt);
    const struct delivery_relay *relay = delivery_attempt_relay(attempt, attempt->mail.requiretls);
    bool accepted = false, transferred = false;
    size_t kept = 0;
    char name[OUTCOME_RELAY_MAX + 1];

    delivery_attempt_write_relay(attempt, false, name, sizeof(name));
    for (size_t i = 0; i < attempt->mail.rcpt_count; i++) {
        struct smtp_rcpt_result result = smtp_session_rcpt_result(session, i);
        struct delivery_rcpt *rcpt = &facts->rcpts[attempt->numbers[i]];
        struct outcome outcome;

        if (result.status == SMTP_RCPT_SENT ||
            (result.status == SMTP_RCPT_REFUSED && result.state == SMTP_STATE_DOT))
            transferred = true;
        if (result.state != SMTP_STATE_MAIL && result.state != SMTP_STATE_RCPT)
            accepted = true;
        if (result.status != SMTP_RCPT_REFUSED && !is_final(&result))
            continue;
        outcome_of_rcpt(&result, smtp_session_outcome(session), smtp_session_reply(session), name,
                        &outcome);
        answer(rcpt, &outcome, is_final(&result));
        rcpt->relay = relay;
        if (is_too_many(&result)) {
            attempt->rcpts[kept] = attempt->rcpts[i];
            attempt->numbers[kept++] = attempt->numbers[i];
        }
    }
    if (transferred && relay != NULL)
        report_transfer(facts->config->deliver.audit_template, facts->treatment->queue_id, relay);
    attempt->mail.rcpt_count = accepted ? kept : 0;
    return attempt->mail.rcpt_count;
}
