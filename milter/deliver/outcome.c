/*
 * The reply for a recipient. outcome_of_connection() says of one connection why it did not do;
 * outcome_of_attempts() makes one reply of all of them, outcome_of_plan() of findings that left no
 * host, outcome_of_rcpt() of what a server said in a transaction. Codes are those of Postfix 3.11
 * where it has them: RFC 8689 section 4.2.1 (x.7.10, x.7.30), RFC 3463, RFC 7505, RFC 6531.
 *
 * A reason is permanent only where every host that counts was reached and has shown it itself.
 */
#include "deliver/outcome.h"

#include "decide/reply.h"
#include "deliver/outcome_text.h"

#include <stdio.h>
#include <string.h>

/* ---- one connection ---- */

static bool is_refused(enum smtp_outcome session)
{
    return session == SMTP_OUTCOME_REFUSED || session == SMTP_OUTCOME_CLOSING;
}

static enum outcome_failure failure_of_refusal(const struct outcome_seen *seen)
{
    if (seen->session == SMTP_OUTCOME_CLOSING)
        return OUTCOME_REFUSED;
    switch (seen->state) {
    case SMTP_STATE_STARTTLS:
        return smtp_reply_class(seen->reply) == 5 ? OUTCOME_STARTTLS_5XX : OUTCOME_STARTTLS_4XX;
    case SMTP_STATE_AUTH:
    case SMTP_STATE_AUTH_RESPONSE:
        return OUTCOME_AUTH_REFUSED;
    case SMTP_STATE_GREETING:
    case SMTP_STATE_EHLO:
    case SMTP_STATE_HELO:
    case SMTP_STATE_TLS:
    case SMTP_STATE_READY:
    case SMTP_STATE_RSET:
    case SMTP_STATE_MAIL:
    case SMTP_STATE_RCPT:
    case SMTP_STATE_DATA:
    case SMTP_STATE_CONTENT:
    case SMTP_STATE_DOT:
    case SMTP_STATE_QUIT:
    default:
        return OUTCOME_REFUSED;
    }
}

/* A handshake that was done, or has failed, with a demand that is not met. */
static enum outcome_failure failure_of_peer(enum tls_why why, bool established)
{
    if (why == TLS_WHY_HANDSHAKE)
        return OUTCOME_HANDSHAKE;
    if (why == TLS_WHY_LOCAL && !established)
        return OUTCOME_LOCAL;
    return OUTCOME_NOT_VERIFIED;
}

/* The caller gave it up. */
static enum outcome_failure failure_of_lack(enum smtp_lack lack)
{
    switch (lack) {
    case SMTP_LACK_REQUIRETLS:
        return OUTCOME_NO_REQUIRETLS;
    case SMTP_LACK_SMTPUTF8:
    case SMTP_LACK_8BITMIME:
    case SMTP_LACK_SIZE:
        return OUTCOME_LACK;
    case SMTP_LACK_NONE:
    default:
        return OUTCOME_LOCAL;
    }
}

static enum outcome_failure failure_of_session(const struct outcome_seen *seen)
{
    switch (seen->session) {
    case SMTP_OUTCOME_REFUSED:
    case SMTP_OUTCOME_CLOSING:
        return failure_of_refusal(seen);
    case SMTP_OUTCOME_NO_STARTTLS:
        return OUTCOME_NO_STARTTLS;
    case SMTP_OUTCOME_TLS_FAILED:
        return seen->peer != NULL ? failure_of_peer(seen->peer->proof.why, false)
                                  : OUTCOME_HANDSHAKE;
    case SMTP_OUTCOME_PLAINTEXT:
        return OUTCOME_HANDSHAKE;
    case SMTP_OUTCOME_NO_REQUIRETLS:
        return OUTCOME_NO_REQUIRETLS;
    case SMTP_OUTCOME_NO_AUTH:
    case SMTP_OUTCOME_AUTH_NOT_VERIFIED:
        return OUTCOME_NO_AUTH;
    case SMTP_OUTCOME_TIMEOUT:
        return OUTCOME_TIMEOUT;
    case SMTP_OUTCOME_LOST:
    case SMTP_OUTCOME_EARLY_REPLY:
    case SMTP_OUTCOME_BAD_REPLY:
    case SMTP_OUTCOME_LONG_REPLY:
        return OUTCOME_LOST;
    case SMTP_OUTCOME_NONE:
    case SMTP_OUTCOME_QUIT:
    case SMTP_OUTCOME_CANCELLED:
        return failure_of_lack(seen->lack);
    case SMTP_OUTCOME_NO_MEMORY:
    default:
        return OUTCOME_LOCAL;
    }
}

static enum outcome_failure failure_of(const struct outcome_seen *seen)
{
    const struct tls_peer *peer = seen->peer;

    if (seen->connection == SMTP_CONNECTION_LOCAL)
        return OUTCOME_LOCAL;
    if (seen->connection == SMTP_CONNECTION_NOT_MADE)
        return OUTCOME_NOT_REACHED;
    if (peer != NULL && peer->established && !peer->met)
        return failure_of_peer(peer->proof.why, true);
    return failure_of_session(seen);
}

/* An EHLO reply without PIPELINING is no definite no: what tests its clients announces little. */
static bool is_definite(const struct outcome_seen *seen, enum outcome_failure failure)
{
    switch (failure) {
    case OUTCOME_NO_STARTTLS:
    case OUTCOME_NO_REQUIRETLS:
        return smtp_extensions_complete(seen->extensions);
    case OUTCOME_LACK: /* TLS that was offered and not had could have offered more */
        return smtp_extensions_complete(seen->extensions) &&
               (seen->peer != NULL || !seen->extensions->starttls);
    case OUTCOME_STARTTLS_5XX:
        return true;
    case OUTCOME_NOT_VERIFIED:
        return seen->peer != NULL && tls_why_definite(seen->peer->proof.why);
    case OUTCOME_NOT_TRIED:
    case OUTCOME_LOCAL:
    case OUTCOME_NOT_REACHED:
    case OUTCOME_TIMEOUT:
    case OUTCOME_LOST:
    case OUTCOME_REFUSED:
    case OUTCOME_STARTTLS_4XX:
    case OUTCOME_HANDSHAKE:
    case OUTCOME_NO_AUTH:
    case OUTCOME_AUTH_REFUSED:
    default:
        return false;
    }
}

/* The sentence says itself that it was STARTTLS or the handshake. */
static const char *without_state(const struct outcome_seen *seen)
{
    const char *name = smtp_state_name(seen->state);
    size_t len = strlen(name);
    bool is_tls = seen->state == SMTP_STATE_STARTTLS || seen->state == SMTP_STATE_TLS;

    return is_tls && strncmp(seen->text, name, len) == 0 && strncmp(seen->text + len, ": ", 2) == 0
               ? seen->text + len + 2
               : seen->text;
}

void outcome_of_connection(const struct outcome_seen *seen, struct outcome_attempt *out)
{
    out->failure = failure_of(seen);
    out->definite = is_definite(seen, out->failure);
    out->lack = out->failure == OUTCOME_LACK ? seen->lack : SMTP_LACK_NONE;
    memset(&out->reply, 0, sizeof(out->reply));
    if (seen->connection == SMTP_CONNECTION_CLOSED && is_refused(seen->session) &&
        seen->reply->code != 0)
        out->reply = *seen->reply;
    if (out->failure == OUTCOME_NOT_VERIFIED)
        outcome_text_of_proof(&seen->peer->proof, out->text, sizeof(out->text));
    else
        reply_clean(without_state(seen), out->text, sizeof(out->text));
}

/* ---- all attempts ---- */

static bool is_enforced(const struct treatment_demands *demands)
{
    return demands->level == VERDICT_LEVEL_ENFORCE && demands->by != TREATMENT_POLICY_EXEMPT;
}

/* Says nothing of the host, as long as another of its addresses was reached. */
static bool is_unreached(const struct outcome_attempt *attempt)
{
    return attempt->failure == OUTCOME_NOT_REACHED || attempt->failure == OUTCOME_NOT_TRIED;
}

typedef bool (*outcome_says_fn)(const struct outcome_attempt *attempt, bool enforced);

/* Would be permanent if every host said so. */
static bool is_no(const struct outcome_attempt *attempt, bool enforced)
{
    switch (attempt->failure) {
    case OUTCOME_NO_STARTTLS:
    case OUTCOME_STARTTLS_5XX:
    case OUTCOME_NOT_VERIFIED:
    case OUTCOME_NO_REQUIRETLS:
        return attempt->definite && enforced;
    case OUTCOME_LACK:
        return attempt->definite;
    case OUTCOME_NOT_TRIED:
    case OUTCOME_LOCAL:
    case OUTCOME_NOT_REACHED:
    case OUTCOME_TIMEOUT:
    case OUTCOME_LOST:
    case OUTCOME_REFUSED:
    case OUTCOME_STARTTLS_4XX:
    case OUTCOME_HANDSHAKE:
    case OUTCOME_NO_AUTH:
    case OUTCOME_AUTH_REFUSED:
    default:
        return false;
    }
}

/* The demand of the level was not met, and that is not only so for now. */
static bool is_unmet(const struct outcome_attempt *attempt, bool enforced)
{
    return attempt->failure != OUTCOME_LACK &&
           (is_no(attempt, enforced) || attempt->failure == OUTCOME_HANDSHAKE);
}

/* Whether each host of the plan says so with one of its addresses, and with none anything else. */
static bool all_say(const struct outcome_attempt *attempts, size_t count,
                    const struct treatment_demands *demands, const struct treatment_plan *plan,
                    outcome_says_fn says)
{
    uint32_t said = 0;

    for (size_t i = 0; i < count; i++) {
        if (says(&attempts[i], is_enforced(demands)))
            said |= attempts[i].host < FINDINGS_MAX_HOSTS ? UINT32_C(1) << attempts[i].host : 0;
        else if (!is_unreached(&attempts[i]))
            return false;
    }
    return plan->firm && plan->hosts != 0 && (plan->hosts & ~said) == 0;
}

static const struct outcome_attempt *farthest(const struct outcome_attempt *attempts, size_t count)
{
    const struct outcome_attempt *found = NULL;

    for (size_t i = 0; i < count; i++) {
        if (found == NULL || attempts[i].failure >= found->failure)
            found = &attempts[i];
    }
    return found;
}

/* The codes that the milter's replies have too. */
static void set_shared(enum reply_reason reason, bool permanent, struct outcome_code *out)
{
    const char *status;

    out->code = reply_code(reason, permanent, &status);
    out->enhanced = status;
}

static struct outcome_code code_of_lack(enum smtp_lack lack, bool permanent)
{
    switch (lack) {
    case SMTP_LACK_SMTPUTF8:
        return permanent ? (struct outcome_code){550, "5.6.7"}
                         : (struct outcome_code){451, "4.6.7"};
    case SMTP_LACK_8BITMIME:
        return permanent ? (struct outcome_code){554, "5.6.3"}
                         : (struct outcome_code){451, "4.6.3"};
    case SMTP_LACK_SIZE:
        return permanent ? (struct outcome_code){552, "5.3.4"}
                         : (struct outcome_code){451, "4.3.4"};
    case SMTP_LACK_NONE:
    case SMTP_LACK_REQUIRETLS:
    default:
        return (struct outcome_code){451, "4.3.0"};
    }
}

static struct outcome_code code_of(const struct outcome_attempt *attempt, bool enforced,
                                   bool permanent)
{
    struct outcome_code code = {451, "4.3.0"};

    switch (attempt->failure) {
    case OUTCOME_NOT_TRIED:
        code.enhanced = "4.3.2";
        return code;
    case OUTCOME_NOT_REACHED:
        code.enhanced = "4.4.1";
        return code;
    case OUTCOME_TIMEOUT:
    case OUTCOME_LOST:
        code.enhanced = "4.4.2";
        return code;
    case OUTCOME_NO_STARTTLS:
        code.enhanced = "4.7.4";
        if (enforced)
            set_shared(REPLY_REQUIRETLS_NEEDED, permanent, &code);
        return code;
    case OUTCOME_STARTTLS_4XX:
    case OUTCOME_STARTTLS_5XX:
    case OUTCOME_NOT_VERIFIED:
        code.enhanced = "4.7.5";
        if (enforced)
            set_shared(REPLY_ENCRYPTION_NEEDED, permanent, &code);
        return code;
    case OUTCOME_HANDSHAKE:
        code.enhanced = "4.7.5";
        return code;
    case OUTCOME_NO_REQUIRETLS:
        set_shared(REPLY_REQUIRETLS_NEEDED, permanent, &code);
        return code;
    case OUTCOME_NO_AUTH:
    case OUTCOME_AUTH_REFUSED:
        code.enhanced = "4.7.0";
        return code;
    case OUTCOME_LACK:
        return code_of_lack(attempt->lack, permanent);
    case OUTCOME_LOCAL:
    case OUTCOME_REFUSED: /* its own, outcome_text_refused */
    default:
        return code;
    }
}

void outcome_of_attempts(const struct outcome_attempt *attempts, size_t count,
                         const struct treatment_demands *demands, const struct treatment_plan *plan,
                         const struct nexthop *nexthop, struct outcome *out)
{
    const struct outcome_attempt *told = farthest(attempts, count);
    bool permanent = all_say(attempts, count, demands, plan, is_no);
    struct outcome_code code;

    if (told == NULL) {
        outcome_text_set(out, (struct outcome_code){451, "4.4.1"},
                         "no mail server of %s was tried at present", nexthop->text);
        return;
    }
    code = code_of(told, is_enforced(demands), permanent);
    outcome_text_of_attempt(told, code, demands, out);
}

bool outcome_may_fall_back(const struct outcome_attempt *attempts, size_t count,
                           const struct treatment_demands *demands,
                           const struct treatment_plan *plan)
{
    if (!is_enforced(demands))
        return false;
    if (count > 0)
        return all_say(attempts, count, demands, plan, is_unmet);
    if (plan->requirement.kind != REQUIREMENT_IMPOSSIBLE || plan->classes.best_mx)
        return false;
    if (demands->by == TREATMENT_POLICY_IMPOSSIBLE)
        return plan->deliverable;
    return plan->requirement.verdict.value == VERDICT_UNSATISFIED &&
           plan->requirement.verdict.reason != VERDICT_REASON_NULL_MX;
}
