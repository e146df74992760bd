/*
 * Settles one recipient: rules, next-hops, findings (cached, or awaited), what probes of the
 * servers show (the same), decision. What a probe has not shown in time leaves the decision as it
 * is.
 *
 * Where the MTA has several next-hops it tries one after the other, each under the rules and with
 * the findings of its own, and goes on to the next from one that does not meet what is demanded. So
 * one that satisfies is enough; while none does, one that is undecided still might.
 */
#include "filter/recipient.h"

#include "filter/candidate.h"
#include "policy/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct settling {
    struct recipient *recipient;
    const struct recipient_context *context;
    struct candidates of; /* the next-hops */
};

static bool same_terms(const struct verdict_terms *a, const struct verdict_terms *b)
{
    return a->level == b->level && a->can == b->can && a->web_pki == b->web_pki &&
           a->accept_testing == b->accept_testing && a->dane_every == b->dane_every &&
           a->require_offer == b->require_offer;
}

/*
 * What its lookup has found. Not if that ended too early: it was begun before the header was known,
 * and what was enough for the terms of then is not for those of now.
 */
static void take_looked_up(struct settling *s, struct candidate *c, const struct findings *findings)
{
    c->early = findings != NULL && !c->renewed &&
               candidate_verdict_of(findings, &c->in) == VERDICT_PENDING;
    if (c->early)
        return;
    if (findings == NULL)
        candidate_set_known(c, DECIDE_MISSING_ENGINE);
    else
        candidate_take_findings(c, s->context->engine, findings);
}

static void look_at_lookup(struct settling *s, struct candidate *c)
{
    struct verdict_terms terms;
    struct wait_view view;

    if (!wait_look(s->recipient->waiter, c->in.nexthop, &view))
        return;
    decide_terms(&c->in, &terms);
    if (view.step == WAIT_STEP_LOOKUP) {
        if (view.ended)
            take_looked_up(s, c, view.findings);
        return;
    }
    if (!same_terms(&view.terms, &terms)) {
        /* A probe for other terms says nothing here. */
        take_looked_up(s, c, view.satisfying);
        return;
    }
    c->in.findings = view.satisfying;
    if (view.ended && view.findings == NULL)
        c->known = true;
    else if (view.ended && view.step == WAIT_STEP_HOSTS)
        candidate_take_findings(c, s->context->engine, view.findings);
    else if (view.ended)
        candidate_take_probed(c, view.findings, view.satisfying);
}

static void look_at_lookups(struct settling *s)
{
    for (size_t i = 0; i < s->of.count; i++) {
        struct candidate *c = &s->of.items[i];

        if (!c->known && s->recipient->waiter != NULL)
            look_at_lookup(s, c);
    }
}

/* Has looked up what is not known, or anew what ended too early. What has ended since it was looked
 * at is for the next look. */
static void begin_lookups(struct settling *s)
{
    struct waiter **waiter = &s->recipient->waiter;

    for (size_t i = 0; i < s->of.count; i++) {
        struct candidate *c = &s->of.items[i];
        struct verdict_terms terms;
        bool ended;

        if (c->known || (*waiter != NULL && !c->early && !c->goes_on &&
                         wait_has(*waiter, c->in.nexthop, &ended)))
            continue;
        decide_terms(&c->in, &terms);
        if (c->goes_on) {
            c->goes_on = false;
            c->known = wait_go_on(s->context->engine, c->in.nexthop, &terms, c->next,
                                  c->in.findings, waiter) != 0;
            continue;
        }
        c->early = false;
        c->renewed = true;
        if (wait_start(s->context->engine, c->in.nexthop, &terms, waiter) != 0)
            candidate_set_known(c, DECIDE_MISSING_ENGINE);
    }
}

/* What is not known will not be: what a probe could have changed stays as it is. When the MTA has
 * gone nothing is to be decided any more. */
static void give_up(struct settling *s, enum decide_missing why)
{
    for (size_t i = 0; i < s->of.count; i++) {
        struct candidate *c = &s->of.items[i];

        if (c->known)
            continue;
        if (why == DECIDE_MISSING_MTA)
            c->in.findings = NULL;
        candidate_set_known(c, why);
    }
}

static bool is_enough(const struct settling *s)
{
    struct decision decision;

    for (size_t i = 0; i < s->of.count; i++) {
        if (!s->of.items[i].known)
            return s->of.count > 1 && candidates_choose(&s->of, &decision) != NULL;
    }
    return true;
}

/* Whether all that is waited for are probes, which may change a decision that stands. */
static bool awaits_probes_only(const struct settling *s)
{
    for (size_t i = 0; i < s->of.count; i++) {
        if (!s->of.items[i].known && s->of.items[i].in.findings == NULL)
            return false;
    }
    return true;
}

/* At RCPT a probe takes half of the time that is left: the lookups of later recipients, who could
 * be refused alone, need some too. */
static int64_t deadline_of(const struct settling *s,
                           const struct recipient_wait_policy *wait_policy, int64_t now_ms)
{
    int64_t left_ms = wait_policy->deadline_ms - now_ms;

    if (wait_policy->mode != RECIPIENT_TRY || left_ms <= 0 || !awaits_probes_only(s))
        return wait_policy->deadline_ms;
    return now_ms + left_ms / 2;
}

static enum wait_result await_lookup(struct settling *s,
                                     const struct recipient_wait_policy *wait_policy)
{
    enum wait_stage stage =
        wait_policy->mode == RECIPIENT_CONCLUDE ? WAIT_STAGE_EOM : WAIT_STAGE_RCPT;
    int64_t began_ms = clock_awake_ms();
    enum wait_result result =
        wait_for(s->context->limiter, s->recipient->waiter, stage,
                 deadline_of(s, wait_policy, began_ms), wait_policy->alive, wait_policy->alive_arg);

    s->recipient->waited_ms += clock_awake_ms() - began_ms;
    return result;
}

/* Waits until more is known. Returns false when the recipient is to be left open. */
static bool wait_for_more(struct settling *s, const struct recipient_wait_policy *wait_policy)
{
    bool conclude = wait_policy->mode == RECIPIENT_CONCLUDE;

    switch (await_lookup(s, wait_policy)) {
    case WAIT_DONE:
        look_at_lookups(s);
        begin_lookups(s);
        /* Many short waits are a long one for the MTA. */
        if (!is_enough(s) && wait_policy->alive != NULL &&
            !wait_policy->alive(wait_policy->alive_arg))
            give_up(s, DECIDE_MISSING_MTA);
        return true;
    case WAIT_TIMEOUT:
        give_up(s, DECIDE_MISSING_TIME);
        return conclude;
    case WAIT_FULL:
        give_up(s, DECIDE_MISSING_BUSY);
        return conclude;
    case WAIT_CLOSED:
        give_up(s, DECIDE_MISSING_STOP);
        return true;
    case WAIT_GONE:
        give_up(s, DECIDE_MISSING_MTA);
        return true;
    default:
        give_up(s, DECIDE_MISSING_ENGINE);
        return true;
    }
}

/* Finds what the decision needs. Returns false when the recipient is to be left open. */
static bool find_findings(struct settling *s, const struct recipient_wait_policy *wait_policy)
{
    bool wait = wait_policy->mode != RECIPIENT_ASK;

    for (size_t i = 0; i < s->of.count; i++) {
        struct candidate *c = &s->of.items[i];
        bool ended;

        wait = wait && candidate_is_certain(c);
        if (!decide_needs_findings(&c->in)) {
            c->known = true;
            candidate_look_for_starttls(c, s->context->engine);
        } else if (s->recipient->waiter == NULL ||
                   !wait_has(s->recipient->waiter, c->in.nexthop, &ended)) {
            candidate_look_in_cache(c, s->context->engine);
            if (c->known)
                candidate_take_findings(c, s->context->engine, c->owned);
        }
    }
    look_at_lookups(s);
    if (is_enough(s))
        return true;
    begin_lookups(s);
    while (wait && !is_enough(s)) {
        if (!wait_for_more(s, wait_policy))
            return false;
    }
    return wait;
}

static void end_settling(struct settling *s)
{
    candidates_release(&s->of);
    if (s->recipient->settled) {
        waiter_free(s->recipient->waiter);
        s->recipient->waiter = NULL;
    }
}

/* What the delivery agent needs to know, where the route leads there: the decision holds for it
 * as well. */
static void note_for_delivery(const struct candidate *chosen, struct recipient_outcome *outcome)
{
    const struct decision *d = &outcome->decision;
    struct verdict_terms terms;

    decide_terms(&chosen->in, &terms);
    outcome->require_offer =
        d->level == VERDICT_LEVEL_ENFORCE && (terms.can & VERDICT_CAN_REQUIRETLS) != 0;
    outcome->fallback = d->fell_back || (terms.can & VERDICT_CAN_FALLBACK) == 0
                            ? CONFIG_FALLBACK_NONE
                            : chosen->settings.fallback;
}

static int store_decision(struct settling *s)
{
    struct recipient *r = s->recipient;
    struct recipient_outcome *outcome = malloc(sizeof(*outcome));
    const struct candidate *chosen = &s->of.items[0];

    if (outcome == NULL)
        return -ENOMEM;
    if (r->asked.request == DECIDE_REQUEST_REQUIRE)
        chosen = candidates_choose(&s->of, &outcome->decision);
    else
        decide_optional(&chosen->in, &outcome->decision);
    if (chosen == NULL) { /* settings are not certain yet */
        free(outcome);
        return 0;
    }
    candidates_mention_others(&s->of, &outcome->decision);
    outcome->level = chosen->settings.level;
    outcome->mixed = chosen->settings.mixed;
    note_for_delivery(chosen, outcome);
    strcpy(outcome->nexthop, chosen->in.nexthop != NULL ? chosen->in.nexthop->text : "");
    free(r->outcome);
    r->outcome = outcome;
    r->settled = true;
    return 0;
}

int recipient_settle(struct recipient *recipient, const struct recipient_context *context,
                     const struct recipient_wait_policy *wait_policy)
{
    unsigned known = context->facts->known;
    struct settling s;
    int error = 0;

    s.recipient = recipient;
    s.context = context;
    recipient->asked = candidates_init(&s.of, recipient, context);
    switch (recipient->asked.request) {
    case DECIDE_REQUEST_REQUIRE:
        /* Nothing is found out for a bounce; whether the MTA would hold it to its request may be
         * for the header to say. */
        if ((!context->null_sender || (known & CONFIG_FACT_HEADER) != 0) &&
            find_findings(&s, wait_policy))
            error = store_decision(&s);
        break;
    case DECIDE_REQUEST_OPTIONAL:
        if ((known & CONFIG_FACT_HEADER) != 0)
            error = store_decision(&s);
        break;
    case DECIDE_REQUEST_NONE:
    default:
        recipient->settled = (known & CONFIG_FACT_HEADER) != 0;
        break;
    }
    end_settling(&s);
    return error;
}
