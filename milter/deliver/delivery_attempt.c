/*
 * delivery_attempt_begin connects; then the transport's turns come to on_turn. After the handshake
 * a peer that does not meet the demand is left (on_peer). In the first SMTP_TURN_COMMAND the
 * message begins (delivery_transaction.c), where the connection is looked at for the last time; in
 * the next its recipients are told what became of them, and those that the server had
 * no room for (452) get another transaction. A connection that is over before the content leads to
 * another one to the same address only where it was a kept one that the server has closed, or where
 * TLS has failed that nobody demands.
 */
#include "deliver/delivery_attempt_internal.h"
#include "policy/clock.h"

#include <errno.h>
#include <string.h>

/* ---- The end ---- */

static void drop_connection(struct delivery_attempt *attempt)
{
    agent_connection_drop(attempt->connection);
    attempt->connection = NULL;
}

static void end(struct delivery_attempt *attempt)
{
    const struct delivery_attempt_facts *facts = attempt->facts;

    drop_connection(attempt);
    delivery_transaction_forget(attempt);
    facts->on_end(facts->arg);
}

static void leave(struct delivery_attempt *attempt)
{
    delivery_attempt_note_left(attempt);
    end(attempt);
}

static void on_turn(struct smtp_transport *transport, enum smtp_turn turn, void *arg);

/* The first turn of a kept connection is now. False: the attempt is over. */
static bool begin_on_kept(struct delivery_attempt *attempt)
{
    if (delivery_transaction_take(attempt) == 0 && delivery_transaction_begin(attempt)) {
        smtp_transport_go(delivery_attempt_transport(attempt));
        return true;
    }
    if (!attempt->failed && attempt->mail.rcpt_count == 0)
        delivery_attempt_fail_own(attempt, -ENOMEM);
    return false;
}

static bool connect_to(struct delivery_attempt *attempt, bool fresh)
{
    int error = delivery_connect(attempt, fresh, on_turn);

    if (error != 0) {
        delivery_attempt_fail_own(attempt, error);
        return false;
    }
    if (!attempt->reused || begin_on_kept(attempt))
        return true;
    if (attempt->failed)
        delivery_attempt_note_left(attempt);
    agent_connection_keep(attempt->connection);
    attempt->connection = NULL;
    delivery_transaction_forget(attempt);
    return false;
}

/* ---- Turns ---- */

/* Another connection to the same address; or the attempt is over, with the failure as it is. */
static void connect_again(struct delivery_attempt *attempt, bool fresh)
{
    struct outcome_attempt failure = attempt->failure;
    bool failed = attempt->failed;

    drop_connection(attempt);
    delivery_transaction_forget(attempt);
    attempt->failed = false;
    if (connect_to(attempt, fresh))
        return;
    if (failed) {
        attempt->failure = failure;
        attempt->failed = true;
        attempt->busy = false;
    }
    end(attempt);
}

/* A kept connection that the server has closed meanwhile: nobody has heard of the message. */
static bool was_closed_meanwhile(const struct delivery_attempt *attempt)
{
    enum smtp_state state = smtp_session_state(delivery_attempt_session(attempt));
    enum smtp_outcome outcome = smtp_session_outcome(delivery_attempt_session(attempt));

    return attempt->reused && (state == SMTP_STATE_RSET || state == SMTP_STATE_MAIL) &&
           (outcome == SMTP_OUTCOME_LOST || outcome == SMTP_OUTCOME_CLOSING ||
            (outcome == SMTP_OUTCOME_REFUSED && state == SMTP_STATE_RSET));
}

/* TLS does not work with this server, or what was said first over it was not answered. */
static bool has_tls_failed(const struct delivery_attempt *attempt)
{
    const struct smtp_session *session = delivery_attempt_session(attempt);
    const struct tls_peer *peer = smtp_transport_peer(delivery_attempt_transport(attempt));
    enum smtp_state state = smtp_session_state(session);
    bool in_tls = smtp_session_has_tls(session);

    if (smtp_transport_connection(delivery_attempt_transport(attempt)) == SMTP_CONNECTION_LOCAL ||
        (peer != NULL && peer->proof.why == TLS_WHY_LOCAL))
        return false; /* that is our doing */
    switch (smtp_session_outcome(session)) {
    case SMTP_OUTCOME_NONE:
        return peer != NULL && !peer->met;
    case SMTP_OUTCOME_TLS_FAILED:
    case SMTP_OUTCOME_PLAINTEXT:
        return true;
    case SMTP_OUTCOME_LOST:
        return state == SMTP_STATE_STARTTLS || state == SMTP_STATE_TLS ||
               (in_tls && (state == SMTP_STATE_EHLO || state == SMTP_STATE_MAIL));
    case SMTP_OUTCOME_TIMEOUT:
    case SMTP_OUTCOME_EARLY_REPLY:
    case SMTP_OUTCOME_BAD_REPLY:
    case SMTP_OUTCOME_LONG_REPLY:
        return state == SMTP_STATE_STARTTLS || state == SMTP_STATE_TLS ||
               (in_tls && state == SMTP_STATE_EHLO);
    case SMTP_OUTCOME_CLOSING:
        return state == SMTP_STATE_STARTTLS;
    case SMTP_OUTCOME_QUIT:
    case SMTP_OUTCOME_REFUSED:
    case SMTP_OUTCOME_NO_STARTTLS:
    case SMTP_OUTCOME_NO_REQUIRETLS:
    case SMTP_OUTCOME_NO_AUTH:
    case SMTP_OUTCOME_AUTH_NOT_VERIFIED:
    case SMTP_OUTCOME_CANCELLED:
    case SMTP_OUTCOME_NO_MEMORY:
    default:
        return false;
    }
}

static bool goes_on_in_plaintext(const struct delivery_attempt *attempt)
{
    return agent_connection_demand(attempt->connection)->plaintext_retry && !attempt->plaintext &&
           has_tls_failed(attempt);
}

static void note_reached(struct delivery_attempt *attempt)
{
    char endpoint[DELIVERY_ENDPOINT_MAX];

    delivery_target_endpoint(&attempt->target, attempt->facts->port, endpoint);
    if (smtp_transport_connection(delivery_attempt_transport(attempt)) == SMTP_CONNECTION_NOT_MADE)
        agent_limits_failed(attempt->facts->limits, endpoint, clock_awake_ms());
    else if (attempt->target.avoided)
        agent_limits_connected(attempt->facts->limits, endpoint);
}

/* The connection is over. */
static void on_over(struct delivery_attempt *attempt)
{
    bool made =
        smtp_transport_connection(delivery_attempt_transport(attempt)) == SMTP_CONNECTION_CLOSED;

    note_reached(attempt);
    if (made) {
        delivery_attempt_tell(attempt);
        delivery_attempt_note(attempt);
    }
    if (was_closed_meanwhile(attempt)) {
        connect_again(attempt, true);
        return;
    }
    if (attempt->mail.rcpt_count > 0)
        delivery_transaction_collect(attempt);
    delivery_attempt_fail(attempt, SMTP_LACK_NONE);
    if (made && goes_on_in_plaintext(attempt)) {
        attempt->plaintext = true;
        connect_again(attempt, true);
        return;
    }
    leave(attempt);
}

static void on_peer(struct delivery_attempt *attempt)
{
    const struct tls_peer *peer = smtp_transport_peer(delivery_attempt_transport(attempt));

    note_reached(attempt);
    delivery_attempt_tell(attempt);
    if (peer != NULL && peer->met) {
        smtp_transport_go(delivery_attempt_transport(attempt));
        return;
    }
    delivery_attempt_note(attempt);
    delivery_attempt_fail(attempt, SMTP_LACK_NONE);
    if (goes_on_in_plaintext(attempt)) {
        attempt->plaintext = true;
        connect_again(attempt, true);
        return;
    }
    leave(attempt);
}

/* The connection stands, and nothing more is to be said on it. */
static void release(struct delivery_attempt *attempt)
{
    struct agent_connection *connection = attempt->connection;

    if (attempt->failed)
        delivery_attempt_note_left(attempt);
    attempt->connection = NULL;
    agent_connection_keep(connection);
    end(attempt);
}

/* From the first content on there is data_timeout for all that follows, transactions for those that
 * a server had no room for, and other hosts, among it: the MTA waits no longer. */
static void limit_content(struct delivery_attempt *attempt)
{
    int64_t now_ms = clock_awake_ms(), left_ms;

    if (attempt->data_deadline_ms == 0)
        attempt->data_deadline_ms = now_ms + attempt->facts->config->deliver.data_timeout_ms;
    left_ms = attempt->data_deadline_ms - now_ms;
    smtp_transport_limit(delivery_attempt_transport(attempt), left_ms > 0 ? left_ms : 1);
}

static void on_command(struct delivery_attempt *attempt)
{
    bool first = attempt->mail.rcpt_count == 0;

    if (first) {
        note_reached(attempt);
        delivery_attempt_tell(attempt);
        delivery_attempt_note(attempt);
        if (delivery_transaction_take(attempt) != 0)
            delivery_attempt_fail_own(attempt, -ENOMEM);
    } else {
        delivery_transaction_collect(attempt);
    }
    if (attempt->mail.rcpt_count == 0) {
        release(attempt);
    } else if (delivery_transaction_begin(attempt)) {
        if (!first)
            limit_content(attempt);
        smtp_transport_go(delivery_attempt_transport(attempt));
    } else {
        release(attempt);
    }
}

static void on_content(struct delivery_attempt *attempt)
{
    const struct delivery_attempt_facts *facts = attempt->facts;
    char piece[SMTP_TRANSPORT_PIECE];
    size_t len;
    bool first = attempt->content_at == 0;
    int error;

    if (attempt->without_waiver) {
        error =
            content_read_without(facts->content, &attempt->content_at, piece, sizeof(piece), &len);
    } else {
        error = content_read(facts->content, attempt->content_at, piece, sizeof(piece), &len);
        attempt->content_at += error == 0 ? len : 0;
    }
    if (error != 0) {
        delivery_transaction_settle(attempt, 451, "4.3.0", "the message cannot be read");
        end(attempt); /* without the final dot */
        return;
    }
    if (first)
        limit_content(attempt);
    if (len > 0)
        smtp_session_content(delivery_attempt_session(attempt), piece, len);
    else
        smtp_session_content_end(delivery_attempt_session(attempt));
    smtp_transport_go(delivery_attempt_transport(attempt));
}

/* smtp_turn_fn */
static void on_turn(struct smtp_transport *transport, enum smtp_turn turn, void *arg)
{
    struct delivery_attempt *attempt = arg;
    (void)transport;

    switch (turn) {
    case SMTP_TURN_PEER:
        on_peer(attempt);
        break;
    case SMTP_TURN_COMMAND:
        on_command(attempt);
        break;
    case SMTP_TURN_CONTENT:
        on_content(attempt);
        break;
    case SMTP_TURN_OVER:
        on_over(attempt);
        break;
    case SMTP_TURN_NONE:
        break;
    }
}

bool delivery_attempt_begin(struct delivery_attempt *attempt,
                            const struct delivery_attempt_facts *facts,
                            const struct delivery_target *target, struct agent_limits_wait *wait)
{
    bool begun;

    attempt->facts = facts;
    attempt->target = *target;
    attempt->connection = NULL;
    attempt->plaintext = false;
    attempt->met = false;
    attempt->wait = wait;
    attempt->busy = false;
    attempt->failed = false;
    memset(&attempt->failure, 0, sizeof(attempt->failure));
    attempt->failure.host = target->host;
    delivery_attempt_write_relay(attempt, true, attempt->failure.relay,
                                 sizeof(attempt->failure.relay));
    begun = connect_to(attempt, false);
    attempt->wait = NULL;
    return begun;
}

void delivery_attempt_cancel(struct delivery_attempt *attempt)
{
    drop_connection(attempt);
    delivery_transaction_forget(attempt);
}
