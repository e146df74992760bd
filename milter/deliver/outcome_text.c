/*
 * Sentences for who sent the message, in the milter's style: which server, and what is missing.
 * outcome_text_of_attempt() has one for each failure; outcome_of_rcpt() passes on a server's own
 * words, which begin with `host[address] said:`. What a server says is shown, never trusted.
 */
#include "deliver/outcome_text.h"

#include "decide/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static enum outcome_status status_of(int code)
{
    if (code >= 200 && code < 300)
        return OUTCOME_SENT;
    return code >= 500 && code < 600 ? OUTCOME_BOUNCED : OUTCOME_DEFERRED;
}

void outcome_text_set(struct outcome *out, struct outcome_code code, const char *format, ...)
{
    char text[2 * OUTCOME_TEXT_MAX];
    va_list args;

    va_start(args, format);
    if (vsnprintf(text, sizeof(text), format, args) < 0)
        text[0] = '\0';
    va_end(args);
    memset(out, 0, sizeof(*out));
    out->status = status_of(code.code);
    out->code = code.code;
    snprintf(out->enhanced, sizeof(out->enhanced), "%s", code.enhanced);
    reply_clean(text, out->text, REPLY_TEXT_MAX + 1);
}

const char *outcome_text_lead(const struct treatment_demands *demands)
{
    return demands->requiretls != TREATMENT_REQUIRETLS_NOT_SAID ? decide_lead(DECIDE_ASKED_BY_RULE)
                                                                : "";
}

void outcome_text_of_proof(const struct tls_proof *proof, char *out, size_t size)
{
    const char *text = tls_why_text(proof->why);
    char reason[TLS_REASON_MAX];

    reply_clean(proof->reason, reason, sizeof(reason));
    if (reason[0] == '\0' || strcmp(reason, text) == 0)
        snprintf(out, size, "%s", text);
    else
        snprintf(out, size, "%s (%s)", text, reason);
}

/* ---- another server's words ---- */

/* The server's enhanced status code, of the class that the code has. */
static struct outcome_code code_passed_on(int code, const struct smtp_reply *reply,
                                          char enhanced[SMTP_ENHANCED_MAX + 1])
{
    snprintf(enhanced, SMTP_ENHANCED_MAX + 1, "%c%s", (char)('0' + code / 100),
             reply->enhanced[0] != '\0' ? reply->enhanced + 1 : ".0.0");
    return (struct outcome_code){code, enhanced};
}

/* `host[address]` of `host[address]:port`. */
static int length_without_port(const char *relay)
{
    const char *end = strrchr(relay, ']');

    return end != NULL ? (int)(end + 1 - relay) : (int)strlen(relay);
}

/* 421 would end the MTA's session with this host; a reply that is none is no answer at all. */
static bool can_be_passed_on(int code)
{
    return (code >= 200 && code < 300) || (code >= 400 && code < 600 && code != 421);
}

static void pass_on(const char *relay, const struct smtp_reply *reply, const char *to,
                    struct outcome *out)
{
    int code = can_be_passed_on(reply->code) ? reply->code : 451;
    char enhanced[SMTP_ENHANCED_MAX + 1], other[8] = "";

    if (code != reply->code)
        snprintf(other, sizeof(other), "%d ", reply->code);
    outcome_text_set(out, code_passed_on(code, reply, enhanced), "%.*s said: %s%s%s%s%s",
                     length_without_port(relay), relay, other, reply->text,
                     to != NULL ? " (in reply to " : "", to != NULL ? to : "",
                     to != NULL ? ")" : "");
}

/* What a server that is left says counts for the host alone. */
static void refused(const struct outcome_attempt *attempt, struct outcome *out)
{
    char enhanced[SMTP_ENHANCED_MAX + 1];

    outcome_text_set(out, code_passed_on(451, &attempt->reply, enhanced), "%.*s said: %d %s%s%s",
                     length_without_port(attempt->relay), attempt->relay, attempt->reply.code,
                     attempt->reply.enhanced_given ? attempt->reply.enhanced : "",
                     attempt->reply.enhanced_given ? " " : "", attempt->reply.text);
}

static const char *lost_text(enum smtp_rcpt_status status, enum smtp_outcome session)
{
    return status == SMTP_RCPT_PENDING ? "the transaction is not over" : smtp_outcome_name(session);
}

static const char *lost_code(enum smtp_outcome session)
{
    switch (session) {
    case SMTP_OUTCOME_NO_MEMORY:
        return "4.3.0";
    case SMTP_OUTCOME_CANCELLED:
        return "4.3.2";
    case SMTP_OUTCOME_NONE:
    case SMTP_OUTCOME_QUIT:
    case SMTP_OUTCOME_REFUSED:
    case SMTP_OUTCOME_CLOSING:
    case SMTP_OUTCOME_NO_STARTTLS:
    case SMTP_OUTCOME_TLS_FAILED:
    case SMTP_OUTCOME_PLAINTEXT:
    case SMTP_OUTCOME_NO_REQUIRETLS:
    case SMTP_OUTCOME_NO_AUTH:
    case SMTP_OUTCOME_AUTH_NOT_VERIFIED:
    case SMTP_OUTCOME_EARLY_REPLY:
    case SMTP_OUTCOME_BAD_REPLY:
    case SMTP_OUTCOME_LONG_REPLY:
    case SMTP_OUTCOME_LOST:
    case SMTP_OUTCOME_TIMEOUT:
    default:
        return "4.4.2";
    }
}

void outcome_of_rcpt(const struct smtp_rcpt_result *result, enum smtp_outcome session,
                     const struct smtp_reply *last, const char *relay, struct outcome *out)
{
    const char *state = smtp_state_name(result->state);

    if (result->status == SMTP_RCPT_SENT && smtp_reply_class(result->reply) == 2) {
        pass_on(relay, result->reply, NULL, out);
    } else if (result->status == SMTP_RCPT_REFUSED && smtp_reply_class(result->reply) >= 4) {
        pass_on(relay, result->reply, state, out);
    } else if (session == SMTP_OUTCOME_CLOSING && last->code == 421) {
        pass_on(relay, last, state, out);
    } else {
        outcome_text_set(
            out, (struct outcome_code){451, lost_code(session)}, "%s: %s: %s%s", relay, state,
            lost_text(result->status, session),
            result->state == SMTP_STATE_DOT ? "; the message may be sent more than once" : "");
    }
}

void outcome_local(int code, const char *enhanced, const char *text, struct outcome *out)
{
    outcome_text_set(out, (struct outcome_code){code, enhanced}, "%s", text);
}

/* ---- one attempt ---- */

static const char *lack_text(enum smtp_lack lack)
{
    switch (lack) {
    case SMTP_LACK_SMTPUTF8:
        return "does not support SMTPUTF8, which the message needs";
    case SMTP_LACK_8BITMIME:
        return "does not support 8BITMIME, which the message needs";
    case SMTP_LACK_SIZE:
        return "takes no message of this size";
    case SMTP_LACK_NONE:
    case SMTP_LACK_REQUIRETLS:
    default:
        return "lacks what the message needs";
    }
}

/* Whether the clause is followed by what was seen. */
static bool has_more(enum outcome_failure failure)
{
    return failure != OUTCOME_NO_STARTTLS && failure != OUTCOME_NO_REQUIRETLS &&
           failure != OUTCOME_LACK && failure != OUTCOME_NOT_TRIED;
}

static const char *clause_of(const struct outcome_attempt *attempt)
{
    switch (attempt->failure) {
    case OUTCOME_NOT_TRIED:
        return "was not tried, as this host has enough connections or has tried enough servers";
    case OUTCOME_LOCAL:
        return "was not tried, as this host lacks something";
    case OUTCOME_NOT_REACHED:
        return "cannot be reached";
    case OUTCOME_TIMEOUT:
        return "does not answer in time";
    case OUTCOME_LOST:
        return "broke off the session";
    case OUTCOME_NO_STARTTLS:
        return "does not offer STARTTLS";
    case OUTCOME_STARTTLS_4XX:
    case OUTCOME_STARTTLS_5XX:
        return "refuses STARTTLS";
    case OUTCOME_HANDSHAKE:
        return "does not complete the TLS handshake";
    case OUTCOME_NOT_VERIFIED:
        return "cannot be authenticated";
    case OUTCOME_NO_REQUIRETLS:
        return "does not support REQUIRETLS";
    case OUTCOME_NO_AUTH:
        return "does not take this host's credentials";
    case OUTCOME_AUTH_REFUSED:
        return "refuses this host's credentials";
    case OUTCOME_LACK:
        return lack_text(attempt->lack);
    case OUTCOME_REFUSED:
    default:
        return "cannot be used";
    }
}

static bool is_demand(enum outcome_failure failure)
{
    return failure == OUTCOME_NO_STARTTLS || failure == OUTCOME_STARTTLS_4XX ||
           failure == OUTCOME_STARTTLS_5XX || failure == OUTCOME_HANDSHAKE ||
           failure == OUTCOME_NOT_VERIFIED || failure == OUTCOME_NO_REQUIRETLS;
}

void outcome_text_of_attempt(const struct outcome_attempt *attempt, struct outcome_code code,
                             const struct treatment_demands *demands, struct outcome *out)
{
    bool more = has_more(attempt->failure) && attempt->text[0] != '\0';

    if (attempt->failure == OUTCOME_REFUSED && attempt->reply.code != 0) {
        refused(attempt, out);
        return;
    }
    outcome_text_set(out, code, "%s%s %s%s%s",
                     is_demand(attempt->failure) ? outcome_text_lead(demands) : "", attempt->relay,
                     clause_of(attempt), more ? ": " : "", more ? attempt->text : "");
}
