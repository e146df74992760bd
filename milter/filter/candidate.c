/*
 * Next-hops and settings of one recipient: candidates_init, then what is known of each is filled
 * in, by candidate_look_in_cache or by the caller; candidates_choose tells which one decides, as
 * soon as one does.
 */
#include "filter/candidate.h"

#include "decide/nexthop_levels.h"
#include "decide/terms.h"
#include "filter/probe_step.h"

#include <stdio.h>
#include <string.h>

struct decide_asked candidates_init(struct candidates *s, const struct recipient *r,
                                    const struct recipient_context *context)
{
    const struct config *config = context->config;
    /* `bob` without a domain is mail for this host's own domain. */
    const char *domain = r->domain != NULL ? r->domain : config->milter.mydomain;
    struct decide_asked asked = {.request = DECIDE_REQUEST_NONE};
    struct rules_settings *settings[ENVELOPE_NEXTHOPS_MAX];
    struct rules_facts facts = *context->facts;

    facts.known |= CONFIG_FACT_RECIPIENT;
    facts.recipient = r->meant;
    facts.mailer = r->mailer;
    facts.agent = r->agent != NULL;
    envelope_nexthops(r->malformed ? NULL : domain, recipient_host(r), r->mailer, &s->nexthops);
    s->count = s->nexthops.count > 0 ? s->nexthops.count : 1;
    terms_of_config(config, &s->terms);
    for (size_t i = 0; i < s->count; i++) {
        struct candidate *c = &s->items[i];
        struct decide_asked here;

        facts.nexthop = s->nexthops.count > 0 ? &s->nexthops.items[i] : NULL;
        rules_evaluate(config, &facts, &c->settings);
        settings[i] = &c->settings;
        here =
            decide_request(context->mail, context->header, context->believed, c->settings.request);
        if (here.request > asked.request)
            asked = here;
        else if (here.observe && asked.request == DECIDE_REQUEST_NONE)
            asked.observe = true;
        c->in = (struct decide_input){
            .settings = &c->settings,
            .terms = &s->terms,
            .nexthop = facts.nexthop,
            .null_sender = context->null_sender,
            .mta_requiretls = context->mta_requiretls,
            .mta_may_enforce = context->mta_may_enforce,
            .agent = r->agent != NULL && r->agent->tickets,
            .probe = context->observed ? DECIDE_PROBE_NO : context->probe,
        };
        c->owned = c->probed = NULL;
        c->known = c->early = c->renewed = c->goes_on = false;
    }
    if (context->observed)
        asked = (struct decide_asked){.request = DECIDE_REQUEST_REQUIRE,
                                      .asker = DECIDE_ASKED_BY_SENDER};
    if (context->bound && asked.request == DECIDE_REQUEST_OPTIONAL)
        asked =
            (struct decide_asked){.request = DECIDE_REQUEST_REQUIRE, .asker = DECIDE_ASKED_BY_RULE};
    for (size_t i = 0; i < s->count; i++)
        s->items[i].in.asker = asked.asker;
    nexthop_levels_raise(settings, s->count);
    return asked;
}

bool candidate_is_certain(const struct candidate *c)
{
    const unsigned late = 1u << CONFIG_SETTING_MIXED | 1u << CONFIG_SETTING_OPTIONAL_ROUTE |
                          1u << CONFIG_SETTING_HELO_NAME | 1u << CONFIG_SETTING_SOURCE;

    return (c->settings.undecided & ~late) == 0;
}

enum verdict_value candidate_verdict_of(const struct findings *findings,
                                        const struct decide_input *in)
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
    enum verdict_value value = candidate_verdict_of(findings, in);

    return value != VERDICT_UNDECIDED && value != VERDICT_PENDING;
}

void candidate_set_known(struct candidate *c, enum decide_missing missing)
{
    c->known = true;
    c->in.missing = missing;
}

void candidate_look_in_cache(struct candidate *c, struct engine *engine)
{
    c->owned = engine_cached(engine, c->in.nexthop);
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

static void go_on(struct candidate *c, enum wait_step next)
{
    c->known = false;
    c->goes_on = true;
    c->next = next;
}

void candidate_take_probed(struct candidate *c, const struct findings *probed,
                           const struct findings *satisfying)
{
    struct verdict_terms terms;

    decide_terms(&c->in, &terms);
    c->known = true;
    c->in.findings = probed;
    if (candidate_verdict_of(probed, &c->in) != VERDICT_PENDING)
        return;
    /* All that were found say no; others may yet be found. */
    c->in.findings = satisfying;
    if (!probe_step_hosts_known(satisfying, &terms))
        go_on(c, WAIT_STEP_HOSTS);
}

void candidate_take_findings(struct candidate *c, struct engine *engine,
                             const struct findings *findings)
{
    enum decide_probe probe;
    struct verdict_terms terms;

    c->known = true;
    c->in.findings = findings;
    probe = candidate_is_certain(c) ? decide_probe(&c->in) : DECIDE_PROBE_NO;
    if (probe == DECIDE_PROBE_NO)
        return;
    decide_terms(&c->in, &terms);
    if (!probe_step_can_begin(findings, &terms)) {
        if (probe == DECIDE_PROBE_LOOK)
            go_on(c, WAIT_STEP_HOSTS);
        return;
    }
    findings_unref(c->probed);
    c->probed = engine_probe_cached(engine, findings, &terms);
    if (c->probed != NULL)
        candidate_take_probed(c, c->probed, findings);
    else if (probe == DECIDE_PROBE_LOOK)
        go_on(c, WAIT_STEP_PROBE);
}

void candidate_look_for_starttls(struct candidate *c, struct engine *engine)
{
    if (c->in.probe == DECIDE_PROBE_NO || c->in.nexthop == NULL ||
        c->settings.level != VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS)
        return;
    c->owned = engine_cached(engine, c->in.nexthop);
    if (c->owned == NULL)
        return;
    candidate_take_findings(c, engine, c->owned);
    /* Nothing else of them matters here. */
    if (c->in.findings != c->probed)
        c->in.findings = NULL;
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

const struct candidate *candidates_choose(const struct candidates *s, struct decision *out)
{
    const struct candidate *chosen = NULL;
    struct decision decision;
    bool open = false;

    for (size_t i = 0; i < s->count; i++) {
        const struct candidate *c = &s->items[i];

        if (!c->known || !candidate_is_certain(c)) {
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

void candidates_mention_others(const struct candidates *s, struct decision *decision)
{
    size_t len = strlen(decision->reason);
    bool no = decision->verdict == VERDICT_UNSATISFIED;

    if (s->count > 1 && (no || decision->verdict == VERDICT_UNDECIDED))
        snprintf(decision->reason + len, sizeof(decision->reason) - len, " (%s of %zu next-hops%s)",
                 no ? "none" : "one", s->count, no ? " will do" : "");
}

void candidates_release(struct candidates *candidates)
{
    for (size_t i = 0; i < candidates->count; i++) {
        findings_unref(candidates->items[i].owned);
        findings_unref(candidates->items[i].probed);
    }
}
