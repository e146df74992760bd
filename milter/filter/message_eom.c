/*
 * End-of-message: what is open is settled, and the message refused or changed so that the MTA does
 * the rest. RFC 8689 sections 4.2 and 5.
 */
#include "filter/message_internal.h"

#include "base/log.h"
#include "filter/modify.h"
#include "filter/routing.h"
#include "policy/clock.h"
#include "ticket/ticket.h"

#include <stdio.h>
#include <string.h>

/* A bounce of mail with TLS-Required: No goes back as it came (RFC 8689 section 5). */
static bool end_bounce(struct message *m)
{
    enum dsn_rewrite_request request;

    if (m->bounce == NULL)
        return true;
    if (bounce_end(m->bounce, &request) != 0)
        return false;
    if (request == DSN_REWRITE_OPTIONAL && m->header.tls_required == 0)
        m->header.tls_required = m->header.tls_required_no = 1;
    return true;
}

static bool change_bounce(struct message *m, const char *queue_id, const struct message_ops *ops)
{
    bool redacted;

    if (m->bounce == NULL)
        return true;
    if (!bounce_apply(m->bounce, ops, &redacted))
        return false;
    if (redacted) {
        char shown[64];

        log_msg(LOG_INFO, "%s: took the returned message's body out of a bounce of REQUIRETLS mail",
                log_quote_field(queue_id, shown, sizeof(shown)));
        metrics_dsn_redacted(runtime_metrics(m->runtime));
    }
    return true;
}

enum { LIFE_GAP_MS = 3000 - WAIT_PROGRESS_MS };

/* Many short waits, one for each recipient, are a long one for the MTA. */
struct life {
    const struct message_ops *ops;
    int64_t shown_ms;
};

/* wait_alive_fn */
static bool show_life(void *arg)
{
    struct life *life = arg;

    life->shown_ms = clock_awake_ms();
    return life->ops->progress(life->ops->arg);
}

static int settle_all(struct message *m, const struct message_ops *ops)
{
    struct life life = {.ops = ops, .shown_ms = clock_awake_ms()};
    struct recipient_wait_policy wait_policy = {
        .mode = RECIPIENT_CONCLUDE,
        .deadline_ms = life.shown_ms + m->config->milter.eom_wait_ms,
        .alive = show_life,
        .alive_arg = &life,
    };

    do {
        for (size_t i = 0; i < m->recipient_count; i++) {
            /* With what lookup_wait.c may add, a sign of life every three seconds. */
            if (clock_awake_ms() - life.shown_ms >= LIFE_GAP_MS && !show_life(&life))
                return -1;
            if (message_settle(m, &m->recipients[i], &wait_policy) != 0 ||
                !m->recipients[i].settled)
                return -1;
        }
    } while (message_bind(m));
    return 0;
}

struct tally {
    size_t rejected; /* a definite no, and the message is to be refused for it */
    size_t kept;     /* a definite no, left to the MTA's bounce */
    size_t deferred;
    size_t good;
};

/* Whether what the copy demands is demanded at delivery as well. */
static bool is_enforced(const struct message *m, const struct recipient *r)
{
    const struct config_route *route = r->route;

    if (route == NULL)
        return false;
    return route->method != CONFIG_METHOD_NONE || message_mta_enforces(m);
}

/*
 * A definite no for some recipients refuses the message for all, unless `mixed` leaves those to the
 * MTA, which then must enforce what was asked. What is only deferred cannot be left to anyone: the
 * message is.
 */
static struct tally count_outcomes(const struct message *m)
{
    struct tally tally = {0};

    for (size_t i = 0; i < m->recipient_count; i++) {
        const struct recipient_outcome *o = m->recipients[i].outcome;

        if (!recipient_is_refused(&m->recipients[i]))
            tally.good++;
        else if (o->decision.action != DECIDE_REJECT)
            tally.deferred++;
        else if (o->mixed == CONFIG_MIXED_KEEP && is_enforced(m, &m->recipients[i]))
            tally.kept++;
        else
            tally.rejected++;
    }
    /* With nobody to deliver to there is nothing to keep; but who is only deferred may be good at
     * the next try. */
    if (tally.good == 0 && tally.deferred == 0) {
        tally.rejected += tally.kept;
        tally.kept = 0;
    }
    return tally;
}

/* One line for each recipient that is the reason; the last line counts those that do not fit. */
static void fill_refusal(const struct message *m, enum decide_action action,
                         struct message_refusal *refusal)
{
    size_t left = 0;

    refusal->count = 0;
    for (size_t i = 0; i < m->recipient_count; i++) {
        const struct recipient *r = &m->recipients[i];

        if (!recipient_is_refused(r) || r->outcome->decision.action != action)
            continue;
        if (refusal->count < MESSAGE_LINES_MAX)
            decide_reply(&r->outcome->decision, r->shown, r->asked.asker,
                         &refusal->lines[refusal->count++]);
        else
            left++;
    }
    reply_unite(refusal->lines, refusal->count);
    if (left > 0) {
        struct reply *last = &refusal->lines[MESSAGE_LINES_MAX - 1];

        reply_set(last, last->code, last->status, "and %zu more recipients", left + 1);
    }
}

static enum message_step refuse_for_recipients(const struct message *m, const struct tally *tally,
                                               const char *queue_id,
                                               struct message_refusal *refusal)
{
    enum decide_action action = tally->rejected > 0 ? DECIDE_REJECT : DECIDE_TEMPFAIL;

    fill_refusal(m, action, refusal);
    for (size_t i = 0; i < m->recipient_count; i++) {
        const struct recipient *r = &m->recipients[i];

        if (r->outcome != NULL)
            message_log_recipient(m, r, queue_id, action,
                                  recipient_is_refused(r) ? NULL
                                                          : "refused for another recipient's sake");
    }
    message_count(m, action == DECIDE_REJECT ? METRICS_REJECT : METRICS_TEMPFAIL);
    return MESSAGE_REFUSE;
}

static void plan_changes(const struct message *m, const struct routing *routing,
                         struct modify_plan *plan)
{
    *plan = (struct modify_plan){
        .sender = m->sender_arg,
        .envid = m->envid,
        .auth = m->auth,
        .by = m->by,
        .ret = m->mail.ret,
        .eight_bit = m->mail.eight_bit,
        .smtputf8 = m->mail.smtputf8,
        .route_headers = m->route_headers,
        .null_sender = message_has_null_sender(m),
        .has_require_header = m->header.require_exact,
        .require_header = m->header.require_esmtp,
        .reinjects = routing_reinjects(routing),
    };
    for (size_t i = 0; i < m->recipient_count; i++) {
        const struct recipient *r = &m->recipients[i];

        if (r->asked.request == DECIDE_REQUEST_REQUIRE && r->outcome != NULL)
            modify_plan_require(plan, &r->outcome->decision);
    }
    if (plan->require)
        plan->tls_required_fields =
            message_drops_waiver(m, modify_has_require_header(plan, m->config))
                ? m->header.tls_required
                : 0;
    else if (message_drops_require(m, plan->reinjects))
        plan->require_fields = m->header.require_fields;
}

static void log_accepted(const struct message *m, const char *queue_id)
{
    for (size_t i = 0; i < m->recipient_count; i++) {
        const struct recipient *r = &m->recipients[i];

        if (recipient_is_refused(r))
            message_log_recipient(m, r, queue_id, DECIDE_LOG, NULL); /* mixed = keep */
        else
            message_log_settled(m, r, queue_id);
    }
}

/* What no change of the message could bring about. */
static enum message_step refuse_whole(const struct message *m, const char *queue_id,
                                      enum metrics_action action, struct message_refusal *refusal,
                                      const char *why)
{
    const char *status;
    int code = reply_code(REPLY_ENCRYPTION_NEEDED, action == METRICS_REJECT, &status);

    refusal->count = 1;
    reply_set(&refusal->lines[0], code, status, "%s", why);
    log_msg(LOG_WARNING, "%s: message refused: %s", queue_id != NULL ? queue_id : "NOQUEUE", why);
    message_count(m, action);
    return MESSAGE_REFUSE;
}

/* Without a ticket the agent would defer it for as long as the MTA tries: the client is told. */
static enum message_step defer_for_tickets(const struct message *m, enum reply_reason reason,
                                           const char *queue_id, struct message_refusal *refusal)
{
    refusal->count = 1;
    reply_set_fixed(&refusal->lines[0], reason);
    if (reason == REPLY_NO_TICKET_KEY)
        log_msg(LOG_WARNING,
                "%s: message deferred: it goes to the delivery agent, and there is no key for its "
                "ticket: %s could not be read",
                queue_id != NULL ? queue_id : "NOQUEUE", m->config->deliver.ticket_key);
    else
        log_msg(LOG_WARNING,
                "%s: message deferred: more than %d of its recipients go to the delivery agent",
                queue_id != NULL ? queue_id : "NOQUEUE", TICKETS_MAX);
    message_count(m, METRICS_TEMPFAIL);
    return MESSAGE_REFUSE;
}

/* A tagged address in locally submitted mail, which is refused here only. */
static enum message_step refuse_reserved(const struct message *m, const char *queue_id,
                                         struct message_refusal *refusal)
{
    static const char why[] = "An address of this message is in a reserved domain";
    enum message_step step = refuse_whole(m, queue_id, METRICS_REJECT, refusal, why);
    const char *status;
    int code = reply_code(REPLY_RESERVED_DOMAIN, true, &status);

    reply_set(&refusal->lines[0], code, status, "%s", why);
    return step;
}

/*
 * Why a copy that requires TLS would leave by no route though it has one: that reinjects, and the
 * message has been reinjected already. NULL: none would, or the MTA itself sees to what the copy
 * requires, which it does only where nobody has written rules for the second smtpd.
 */
static const char *route_loop_reason(const struct message *m)
{
    if (message_has_null_sender(m) || (!m->exit_listener && message_mta_enforces(m)))
        return NULL;
    for (size_t i = 0; i < m->recipient_count; i++) {
        const struct recipient *r = &m->recipients[i];

        if (r->asked.request == DECIDE_REQUEST_REQUIRE && r->route_would_loop)
            return m->exit_listener
                       ? "a rule reinjects it once more: that for its `daemon` must come first"
                       : "it is reinjected, and no rule with `daemon` and `route` gives mail of "
                         "this listener an exit route";
    }
    return NULL;
}

/* Whether an earlier filter has changed the sender, to an address that can be given to the MTA. */
static bool is_changed(const struct message *m, const char *now)
{
    return now != NULL && m->sender_now != NULL && strcmp(now, m->sender_now) != 0 &&
           strlen(now) <= ENVELOPE_ADDRESS_MAX && strpbrk(now, "<>\r\n") == NULL;
}

static enum message_step apply_changes(struct message *m, const struct routing *routing,
                                       const char *queue_id, const struct message_ops *ops,
                                       struct message_refusal *refusal)
{
    const char *why_not = route_loop_reason(m), *changed = NULL;
    char sender[ENVELOPE_ADDRESS_MAX + 3];
    struct modify_plan plan;

    plan_changes(m, routing, &plan);
    if (is_changed(m, ops->sender_now)) {
        snprintf(sender, sizeof(sender), "<%s>", ops->sender_now);
        plan.sender = sender;
        changed = ops->sender_now;
    }
    if (plan.quarantine != NULL && !ops->can_quarantine) {
        char why[REPLY_TEXT_MAX];

        (void)message_fail(LOG_ERR, queue_id, "the MTA offers no quarantine");
        snprintf(why, sizeof(why), "This message cannot be held here: %s", plan.quarantine);
        return refuse_whole(m, queue_id, METRICS_TEMPFAIL, refusal, why);
    }
    if (routing->plan.action == ROUTE_REFUSE)
        return refuse_whole(m, queue_id, METRICS_REJECT, refusal,
                            "This message requires TLS, but its recipients take different ways: "
                            "send it to each separately");
    if (routing->plan.action == ROUTE_REFUSE_ADDRESS)
        return refuse_whole(m, queue_id, METRICS_REJECT, refusal,
                            "This message requires TLS, and a recipient's address is in a form "
                            "that cannot be held to that: write it as user@domain");
    if (why_not == NULL)
        why_not = message_lowered(m);
    if (why_not != NULL)
        return message_fail(LOG_ERR, queue_id, why_not);
    if (message_lacks_ticket_keys(m, routing))
        return defer_for_tickets(m, REPLY_NO_TICKET_KEY, queue_id, refusal);
    if (message_has_too_many_tickets(m, routing))
        return defer_for_tickets(m, REPLY_TOO_MANY_RECIPIENTS, queue_id, refusal);
    if (!modify_apply(&plan, m->config, ops) ||
        !message_apply_tickets(m, routing, queue_id, changed, ops) ||
        !routing_apply(routing, m->config, ops) || !change_bounce(m, queue_id, ops))
        return message_fail(LOG_ERR, queue_id,
                            "the MTA did not take a change of it, or no ticket could be made");
    message_remember(m, queue_id, plan.require);
    if (plan.reinjects)
        message_remember_reinjected(m, queue_id);
    log_accepted(m, queue_id);
    message_observe(m, queue_id);
    message_count(m, plan.quarantine != NULL ? METRICS_QUARANTINE : METRICS_ACCEPT);
    return MESSAGE_DONE;
}

enum message_step message_eom(struct message *m, const char *queue_id,
                              const struct message_ops *ops, struct message_refusal *refusal)
{
    enum message_step step;
    struct routing routing;
    struct tally tally;

    if (m->reserved)
        return refuse_reserved(m, queue_id, refusal);
    if (!end_bounce(m) || settle_all(m, ops) != 0)
        return message_fail(LOG_ERR, queue_id, "its recipients could not be settled");
    tally = count_outcomes(m);
    if (tally.rejected > 0 || tally.deferred > 0)
        return refuse_for_recipients(m, &tally, queue_id, refusal);
    if (routing_init(&routing, m->config, m->recipients, m->recipient_count) != 0)
        return message_fail(LOG_ERR, queue_id, message_no_memory);
    step = apply_changes(m, &routing, queue_id, ops, refusal);
    routing_fini(&routing);
    return step;
}
