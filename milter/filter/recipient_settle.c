/*
 * Settles one recipient: rules, next-hops, findings (cached, or awaited), decision.
 *
 * Where the MTA has several next-hops it tries one after the other, each under the rules and with
 * the findings of its own, and goes on to the next from one that does not meet what is demanded. So
 * one that satisfies is enough; while none does, one that is undecided still might.
 */
#include "filter/recipient.h"

#include "decide/nexthop_levels.h"
#include "decide/terms.h"
#include "policy/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What one next-hop comes to. */
struct candidate {
    struct rules_settings settings;
    struct decide_input in;
    const struct findings *owned; /* a reference from the cache, or NULL */
    bool known;                   /* there is no more to wait for */
    bool early;                   /* its lookup was seen to have ended too early */
    bool renewed;                 /* its lookup has begun anew already */
};

struct settling {
    struct recipient *recipient;
    const struct recipient_context *context;
    struct verdict_terms terms;
    struct envelope_nexthops nexthops;
    struct candidate items[ENVELOPE_NEXTHOPS_MAX];
    size_t count; /* at least one: without a next-hop that of its absence */
};

/* Settings that must be certain before a recipient is settled; `mixed` and the optional route
 * matter at end-of-message only. */
static bool is_certain(const struct candidate *c)
{
    const unsigned late = 1u << CONFIG_SETTING_MIXED | 1u << CONFIG_SETTING_OPTIONAL_ROUTE;

    return (c->settings.undecided & ~late) == 0;
}

static enum verdict_value verdict_of(const struct findings *findings, const struct decide_input *in)
{
    struct verdict_terms terms;
    struct verdict verdict;

    decide_terms(in, &terms);
    verdict_derive(findings, &terms, &verdict);
    return verdict.value;
}

/* Whether cached findings will do: not if a new lookup might decide what they leave open. */
static bool is_conclusive(const struct findings *findings, const struct decide_input *in)
{
    enum verdict_value value = verdict_of(findings, in);

    return value != VERDICT_UNDECIDED && value != VERDICT_PENDING;
}

static void set_known(struct candidate *c, enum decide_missing missing)
{
    c->known = true;
    c->in.missing = missing;
}

/* What the cache has. */
static void look_in_cache(struct settling *s, struct candidate *c)
{
    c->owned = engine_cached(s->context->engine, c->in.nexthop);
    if (c->owned == NULL)
        return;
    if (is_conclusive(c->owned, &c->in)) {
        c->in.findings = c->owned;
        c->known = true;
        return;
    }
    findings_unref(c->owned);
    c->owned = NULL;
}

/*
 * What its lookup has found. Not if that ended too early: it was begun before the header was known,
 * and what was enough for the terms of then is not for those of now.
 */
static void look_at_lookup(struct settling *s, struct candidate *c)
{
    const struct findings *findings;
    bool ended;

    if (!wait_has(s->recipient->waiter, c->in.nexthop, &ended) || !ended)
        return;
    findings = wait_findings(s->recipient->waiter, c->in.nexthop);
    c->early = findings != NULL && !c->renewed && verdict_of(findings, &c->in) == VERDICT_PENDING;
    if (c->early)
        return;
    c->in.findings = findings;
    set_known(c, DECIDE_MISSING_ENGINE);
}

static void look_at_lookups(struct settling *s)
{
    for (size_t i = 0; i < s->count; i++) {
        struct candidate *c = &s->items[i];

        if (!c->known && s->recipient->waiter != NULL)
            look_at_lookup(s, c);
    }
}

/* Has looked up what is not known, or anew what ended too early. What has ended since it was looked
 * at is for the next look. */
static void begin_lookups(struct settling *s)
{
    struct waiter **waiter = &s->recipient->waiter;

    for (size_t i = 0; i < s->count; i++) {
        struct candidate *c = &s->items[i];
        struct verdict_terms terms;
        bool ended;

        if (c->known || (*waiter != NULL && !c->early && wait_has(*waiter, c->in.nexthop, &ended)))
            continue;
        decide_terms(&c->in, &terms);
        c->early = false;
        c->renewed = true;
        if (wait_start(s->context->engine, c->in.nexthop, &terms, waiter) != 0)
            set_known(c, DECIDE_MISSING_ENGINE);
    }
}

/* What is not known will not be. */
static void give_up(struct settling *s, enum decide_missing why)
{
    for (size_t i = 0; i < s->count; i++) {
        if (!s->items[i].known)
            set_known(&s->items[i], why);
    }
}

/* In the order in which next-hops decide for the recipient. */
static unsigned rank_of(const struct decision *decision)
{
    switch (decision->verdict) {
    case VERDICT_SATISFIED:
        return 0;
    case VERDICT_UNSATISFIED:
        return 2;
    case VERDICT_NOT_APPLICABLE: /* nothing to go to: the MTA takes the next */
        return 3;
    case VERDICT_UNDECIDED:
    case VERDICT_PENDING:
    default:
        return 1;
    }
}

/*
 * The next-hop that decides for the recipient, and its decision; NULL while that is not known. What
 * is not known of others, or not certain of their settings, is no matter if one satisfies.
 */
static const struct candidate *choose(const struct settling *s, struct decision *out)
{
    const struct candidate *chosen = NULL;
    struct decision decision;
    bool open = false;

    for (size_t i = 0; i < s->count; i++) {
        const struct candidate *c = &s->items[i];

        if (!c->known || !is_certain(c)) {
            open = true;
            continue;
        }
        decide_require(&c->in, &decision);
        if (chosen == NULL || rank_of(&decision) < rank_of(out)) {
            chosen = c;
            *out = decision;
        }
    }
    return open && chosen != NULL && rank_of(out) > 0 ? NULL : chosen;
}

static bool is_enough(const struct settling *s)
{
    struct decision decision;

    for (size_t i = 0; i < s->count; i++) {
        if (!s->items[i].known)
            return s->count > 1 && choose(s, &decision) != NULL;
    }
    return true;
}

static enum wait_result await(struct settling *s, const struct recipient_wait_policy *wait_policy)
{
    enum wait_stage stage =
        wait_policy->mode == RECIPIENT_CONCLUDE ? WAIT_STAGE_EOM : WAIT_STAGE_RCPT;
    int64_t began_ms = clock_awake_ms();
    enum wait_result result =
        wait_for(s->context->limiter, s->recipient->waiter, stage, wait_policy->deadline_ms,
                 wait_policy->alive, wait_policy->alive_arg);

    s->recipient->waited_ms += clock_awake_ms() - began_ms;
    return result;
}

/* Waits until more is known. Returns false when the recipient is to be left open. */
static bool wait_for_more(struct settling *s, const struct recipient_wait_policy *wait_policy)
{
    bool conclude = wait_policy->mode == RECIPIENT_CONCLUDE;

    switch (await(s, wait_policy)) {
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

    for (size_t i = 0; i < s->count; i++) {
        struct candidate *c = &s->items[i];
        bool ended;

        wait = wait && is_certain(c);
        if (!decide_needs_findings(&c->in))
            c->known = true;
        else if (s->recipient->waiter == NULL ||
                 !wait_has(s->recipient->waiter, c->in.nexthop, &ended))
            look_in_cache(s, c);
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

/* Next-hops, and what the rules say of each. What any of them requires, the copy requires. */
static void begin_settling(struct settling *s, struct rules_facts *facts)
{
    const struct recipient *r = s->recipient;
    const struct config *config = s->context->config;
    /* `bob` without a domain is mail for this host's own domain. */
    const char *domain = r->domain != NULL ? r->domain : config->milter.mydomain;
    struct decide_asked asked = {.request = DECIDE_REQUEST_NONE};
    struct rules_settings *settings[ENVELOPE_NEXTHOPS_MAX];

    envelope_nexthops(r->malformed ? NULL : domain, r->host, r->mailer, &s->nexthops);
    s->count = s->nexthops.count > 0 ? s->nexthops.count : 1;
    terms_of_config(config, &s->terms);
    for (size_t i = 0; i < s->count; i++) {
        struct candidate *c = &s->items[i];
        struct decide_asked here;

        facts->nexthop = s->nexthops.count > 0 ? &s->nexthops.items[i] : NULL;
        rules_evaluate(config, facts, &c->settings);
        settings[i] = &c->settings;
        here = decide_request(s->context->mail, s->context->header, s->context->believed,
                              c->settings.request);
        if (here.request > asked.request)
            asked = here;
        c->in = (struct decide_input){
            .settings = &c->settings,
            .terms = &s->terms,
            .nexthop = facts->nexthop,
            .null_sender = s->context->null_sender,
            .mta_requiretls = s->context->mta_requiretls,
            .mta_may_enforce = s->context->mta_may_enforce,
        };
        c->owned = NULL;
        c->known = c->early = c->renewed = false;
    }
    if (s->context->bound && asked.request == DECIDE_REQUEST_OPTIONAL)
        asked = (struct decide_asked){DECIDE_REQUEST_REQUIRE, DECIDE_ASKED_BY_RULE};
    s->recipient->asked = asked;
    for (size_t i = 0; i < s->count; i++)
        s->items[i].in.asker = asked.asker;
    nexthop_levels_raise(settings, s->count);
}

static void end_settling(struct settling *s)
{
    for (size_t i = 0; i < s->count; i++)
        findings_unref(s->items[i].owned);
    if (s->recipient->settled) {
        waiter_free(s->recipient->waiter);
        s->recipient->waiter = NULL;
    }
}

/* The reason is that of one next-hop: says that there are others. */
static void mention_others(const struct settling *s, struct decision *decision)
{
    size_t len = strlen(decision->reason);
    bool no = decision->verdict == VERDICT_UNSATISFIED;

    if (s->count > 1 && (no || decision->verdict == VERDICT_UNDECIDED))
        snprintf(decision->reason + len, sizeof(decision->reason) - len, " (%s of %zu next-hops%s)",
                 no ? "none" : "one", s->count, no ? " will do" : "");
}

static int conclude(struct settling *s)
{
    struct recipient *r = s->recipient;
    struct recipient_outcome *outcome = malloc(sizeof(*outcome));
    const struct candidate *chosen = &s->items[0];

    if (outcome == NULL)
        return -ENOMEM;
    if (r->asked.request == DECIDE_REQUEST_REQUIRE)
        chosen = choose(s, &outcome->decision);
    else
        decide_optional(&chosen->in, &outcome->decision);
    if (chosen == NULL) { /* settings are not certain yet */
        free(outcome);
        return 0;
    }
    mention_others(s, &outcome->decision);
    outcome->level = chosen->settings.level;
    outcome->mixed = chosen->settings.mixed;
    strcpy(outcome->nexthop, chosen->in.nexthop != NULL ? chosen->in.nexthop->text : "");
    free(r->outcome);
    r->outcome = outcome;
    r->settled = true;
    return 0;
}

int recipient_settle(struct recipient *recipient, const struct recipient_context *context,
                     const struct recipient_wait_policy *wait_policy)
{
    struct rules_facts facts = *context->facts;
    struct settling s;
    int rc = 0;

    facts.known |= CONFIG_FACT_RECIPIENT;
    facts.recipient = recipient->meant;
    facts.mailer = recipient->mailer;
    s.recipient = recipient;
    s.context = context;
    begin_settling(&s, &facts);
    switch (recipient->asked.request) {
    case DECIDE_REQUEST_REQUIRE:
        /* Nothing is found out for a bounce; whether the MTA would hold it to its request may be
         * for the header to say. */
        if ((!context->null_sender || (facts.known & CONFIG_FACT_HEADER) != 0) &&
            find_findings(&s, wait_policy))
            rc = conclude(&s);
        break;
    case DECIDE_REQUEST_OPTIONAL:
        if ((facts.known & CONFIG_FACT_HEADER) != 0)
            rc = conclude(&s);
        break;
    case DECIDE_REQUEST_NONE:
    default:
        recipient->settled = (facts.known & CONFIG_FACT_HEADER) != 0;
        break;
    }
    end_settling(&s);
    return rc;
}
