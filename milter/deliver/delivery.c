/*
 * A delivery: delivery_start takes a share of the next-hop, for which it may have to wait
 * (delivery_share.c), and asks the engine; with its findings delivery_targets.c makes the plan,
 * and go_on tries one target after the other (delivery_attempt.h) until every recipient is settled
 * or no target is left. Where all that are left have as many connections as they may have it waits
 * for one (delivery_wait.c). Then the treatment may fall back to a lower level, with a plan of its
 * own, or the recipients that are still open get their reply (conclude), and `done` is called.
 *
 * Nothing goes to a host but by delivery_attempt_begin, to a target of the plan, which is made of
 * the hosts that treatment_plan allows. A fallback makes everything anew: demands, plan, attempts.
 */
#include "base/log.h"
#include "deliver/delivery_internal.h"
#include "deliver/report.h"
#include "policy/clock.h"

#include <errno.h>
#include <stdlib.h>

static void go_on(struct delivery *delivery);

/* ---- Its end ---- */

static void stop_lookup(struct delivery *delivery)
{
    if (delivery->engine_request != NULL)
        engine_cancel(delivery->agent->engine, delivery->engine_request);
    delivery->engine_request = NULL;
    agent_lookup_forget(&delivery->lookup);
}

static void delivery_free(struct delivery *delivery)
{
    delivery_wait_end(delivery);
    delivery_attempt_cancel(&delivery->attempt);
    stop_lookup(delivery);
    if (delivery->on_time != NULL)
        delivery_share_end(delivery, delivery->ended);
    if (delivery->on_time != NULL)
        event_free(delivery->on_time);
    delivery_relays_free(&delivery->relays);
    findings_unref(delivery->findings);
    credentials_unref(delivery->credentials);
    content_unref(delivery->content);
    config_unref(delivery->config);
    free(delivery->attempts);
    free(delivery->rcpts);
    free(delivery);
}

void delivery_cancel(struct delivery *delivery)
{
    delivery_free(delivery);
}

static void finish(struct delivery *delivery)
{
    size_t count = delivery->request.mail->rcpt_count;
    struct delivery_result *results = calloc(count, sizeof(*results));

    if (results == NULL) {
        /* Soon there may be memory again; until then nobody is told anything. */
        const struct timeval second = {.tv_sec = 1};

        event_add(delivery->on_time, &second);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        results[i] = (struct delivery_result){
            .outcome = delivery->rcpts[i].outcome,
            .relay = delivery->rcpts[i].relay,
            .treatment = &delivery->treatment,
            .fell_back = delivery->fell_back,
            .level_before = delivery->before.level,
        };
    }
    delivery->request.done(results, count, delivery->request.arg);
    free(results);
    delivery->ended = !delivery->stopping;
    delivery_free(delivery);
}

/* For all who are open and have no answer of a server. */
static void settle(struct delivery *delivery, const struct outcome *outcome)
{
    for (size_t i = 0; i < delivery->request.mail->rcpt_count; i++) {
        struct delivery_rcpt *rcpt = &delivery->rcpts[i];

        if (!rcpt->settled && !rcpt->answered)
            rcpt->outcome = *outcome;
        rcpt->settled = true;
    }
}

/* delivery_attempt_end_fn */
static void on_attempt_end(void *arg)
{
    struct delivery *delivery = arg;

    delivery_note_attempt(delivery);
    go_on(delivery);
}

/* ---- What is left ---- */

static void outcome_of_rest(struct delivery *delivery, struct outcome *out)
{
    const struct nexthop *nexthop = &delivery->treatment.nexthop;

    if (delivery->findings == NULL || delivery->allowed.hosts == 0)
        outcome_of_plan(delivery->findings, &delivery->demands, &delivery->allowed, nexthop, out);
    else if (delivery->attempt_count == 0 && !delivery_has_time(delivery))
        outcome_local(451, "4.4.2", "no time was left to try a mail server", out);
    else
        outcome_of_attempts(delivery->attempts, delivery->attempt_count, &delivery->demands,
                            &delivery->allowed, nexthop, out);
}

/* No host could meet the demand, and a lower level is allowed: it is in force then. */
static bool falls_back(struct delivery *delivery)
{
    struct treatment before = delivery->treatment;
    struct outcome why;

    if (delivery->met || !outcome_may_fall_back(delivery->attempts, delivery->attempt_count,
                                                &delivery->demands, &delivery->allowed))
        return false;
    outcome_of_rest(delivery, &why);
    if (!treatment_fall_back(&delivery->treatment))
        return false;
    report_fallback(&before, &delivery->treatment, &why);
    if (!delivery->fell_back) {
        delivery->before = before;
        delivery->policy_before = treatment_tls_level(&delivery->demands, &delivery->allowed);
        delivery->facts.policy_before = delivery->policy_before;
    }
    delivery->fell_back = true;
    treatment_demands(&delivery->treatment, delivery->config,
                      delivery->request.mail->sender[0] == '\0', &delivery->demands);
    delivery_read_findings(delivery);
    return true;
}

static bool is_any_open(const struct delivery *delivery)
{
    for (size_t i = 0; i < delivery->request.mail->rcpt_count; i++) {
        if (!delivery->rcpts[i].settled)
            return true;
    }
    return false;
}

/* Nothing more can be tried. */
static void conclude(struct delivery *delivery)
{
    struct outcome outcome;

    if (delivery->findings != NULL)
        delivery_tell_passed_over(delivery, delivery->findings->host_count);
    outcome_of_rest(delivery, &outcome);
    settle(delivery, &outcome);
}

static void go_on(struct delivery *delivery)
{
    const struct delivery_target *target;

    while (is_any_open(delivery)) {
        target = delivery_choose(delivery);
        if (target != NULL) {
            delivery_tell_passed_over(delivery, target->host);
            if (delivery_attempt_begin(&delivery->attempt, &delivery->facts, target, NULL))
                return;
            delivery_note_attempt(delivery);
        } else if (delivery_wait(delivery)) {
            return;
        } else if (!falls_back(delivery)) {
            conclude(delivery);
        }
    }
    finish(delivery);
}

/* ---- Its begin ---- */

/* engine_enough_fn, on the engine's thread. */
static bool is_enough(const struct findings *findings, void *arg)
{
    const struct delivery *delivery = ((struct agent_lookup *)arg)->delivery;
    struct treatment_plan plan;

    treatment_plan(&delivery->demands, findings, &plan);
    return findings->mx != FINDINGS_MX_PENDING && plan.requirement.kind != REQUIREMENT_PENDING &&
           (plan.classes.of[HOST_CLASS_ADDRESS_PENDING] |
            plan.classes.of[HOST_CLASS_TLSA_PENDING]) == 0;
}

static void on_findings(struct delivery *delivery)
{
    struct outcome outcome;

    event_del(delivery->on_time);
    if (delivery->findings != NULL) {
        delivery_read_findings(delivery);
        go_on(delivery);
        return;
    }
    outcome_of_rest(delivery, &outcome);
    settle(delivery, &outcome);
    finish(delivery);
}

static void on_lookup(struct agent_lookup *lookup)
{
    struct delivery *delivery = lookup->delivery;

    /* It waits until the callback has returned, which uses the agent. */
    engine_cancel(delivery->agent->engine, delivery->engine_request);
    delivery->engine_request = NULL;
    delivery->findings = lookup->findings;
    lookup->findings = NULL;
    on_findings(delivery);
}

static void ask(struct delivery *delivery)
{
    struct agent *agent = delivery->agent;
    int64_t left_ms = delivery->setup_deadline_ms - clock_awake_ms();
    int64_t ms = left_ms > 0 ? left_ms : 0; /* it may have waited for its share */
    const struct timeval time = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    bool waits = false;

    if (!delivery->is_busy)
        delivery->findings = engine_cached(agent->engine, &delivery->treatment.nexthop);
    if (!delivery->is_busy && delivery->findings == NULL)
        waits = engine_lookup(agent->engine, &delivery->treatment.nexthop, is_enough,
                              agent_lookup_done, &delivery->lookup, &delivery->engine_request) == 0;
    if (!waits || event_add(delivery->on_time, &time) != 0)
        event_active(delivery->on_time, EV_TIMEOUT, 0);
}

/* The service is. What stands open was not said to any server, or not its content. */
static void stop(struct delivery *delivery)
{
    struct outcome outcome;

    delivery_wait_end(delivery);
    delivery_attempt_cancel(&delivery->attempt);
    stop_lookup(delivery);
    outcome_local(451, "4.3.2", "this service is stopping", &outcome);
    settle(delivery, &outcome);
    finish(delivery);
}

/* event_callback_fn: its begin, where nothing is looked up; the end of a lookup's time; while it
 * waits for its share or a connection, its turn or the end of that time; or memory for the results
 * was wanting; or it is stopped.
 */
static void on_time(evutil_socket_t fd, short what, void *arg)
{
    struct delivery *delivery = arg;
    struct outcome outcome;
    (void)fd;
    (void)what;

    if (!is_any_open(delivery)) {
        finish(delivery);
    } else if (delivery->stopping) {
        stop(delivery);
    } else if (delivery_share_waits(delivery)) {
        if (delivery_share_go_on(delivery))
            ask(delivery);
    } else if (delivery->is_busy) {
        outcome_local(451, "4.3.2", "too many messages for this next-hop at the same time",
                      &outcome);
        settle(delivery, &outcome);
        finish(delivery);
    } else if (delivery->waits) {
        if (!delivery_wait_try(delivery))
            go_on(delivery);
    } else {
        stop_lookup(delivery);
        on_findings(delivery);
    }
}

static void set_facts(struct delivery *delivery)
{
    struct agent *agent = delivery->agent;
    struct delivery_attempt_facts *facts = &delivery->facts;
    const struct nexthop *nexthop = &delivery->treatment.nexthop;

    *facts = (struct delivery_attempt_facts){
        .connections = agent->connections,
        .limits = agent->limits,
        .metrics = agent->metrics,
        .engine = agent->engine,
        .probe_configured = agent->probe_configured,
        .tlsrpt = agent->tlsrpt,
        .config = delivery->config,
        .treatment = &delivery->treatment,
        .demands = &delivery->demands,
        .plan = &delivery->allowed,
        .mail = delivery->request.mail,
        .content = delivery->content,
        .port =
            nexthop->port != NEXTHOP_PORT_DEFAULT ? nexthop->port : delivery->config->deliver.port,
        .setup_deadline_ms = delivery->setup_deadline_ms,
        .rcpts = delivery->rcpts,
        .relays = &delivery->relays,
        .on_end = on_attempt_end,
        .arg = delivery,
    };
    credentials_find(delivery->credentials, nexthop, &facts->user, &facts->password);
}

/* The administrator can mend it, and nobody else. */
static void warn_of_policy(const struct delivery *delivery)
{
    if (delivery->demands.by == TREATMENT_POLICY_UNSUPPORTED)
        log_msg(LOG_WARNING, "deliver: nexthop=%s: its tls_policy cannot be honoured: %s",
                delivery->treatment.nexthop.text, delivery->demands.unsupported);
}

int delivery_start(struct agent *agent, const struct delivery_request *request,
                   struct delivery **out)
{
    struct delivery *delivery = calloc(1, sizeof(*delivery));

    if (delivery == NULL)
        return -ENOMEM;
    delivery->agent = agent;
    delivery->request = *request;
    delivery->treatment = *request->treatment;
    delivery->config = config_ref(request->config);
    delivery->content = content_ref(request->content);
    delivery->credentials = agent->credentials != NULL ? credentials_ref(agent->credentials) : NULL;
    delivery->lookup =
        (struct agent_lookup){.agent = agent, .delivery = delivery, .on_come = on_lookup};
    SLIST_INIT(&delivery->relays);
    delivery->rcpts = calloc(request->mail->rcpt_count, sizeof(*delivery->rcpts));
    delivery->on_time = evtimer_new(agent->base, on_time, delivery);
    if (delivery->rcpts == NULL || delivery->on_time == NULL) {
        delivery_free(delivery);
        return -ENOMEM;
    }
    delivery->setup_deadline_ms = clock_awake_ms() + delivery->config->deliver.setup_timeout_ms;
    treatment_demands(&delivery->treatment, delivery->config, request->mail->sender[0] == '\0',
                      &delivery->demands);
    warn_of_policy(delivery);
    set_facts(delivery);
    delivery_share_begin(delivery);
    if (!delivery_share_waits(delivery))
        ask(delivery);
    *out = delivery;
    return 0;
}

void delivery_stop(struct delivery *delivery)
{
    if (delivery->attempt.data_deadline_ms != 0 ||
        !agent_limits_is_slow(delivery->agent->limits, delivery->treatment.nexthop.text,
                              clock_awake_ms()))
        return;
    delivery->stopping = true;
    event_active(delivery->on_time, EV_TIMEOUT, 0);
}
