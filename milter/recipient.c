/*
 * Settles one recipient: rules, next-hop, findings (cached, or awaited), decision.
 */
#include "recipient.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Copies a string behind the last one; NULL stays NULL. */
static const char *append(char **at, const char *text)
{
    const char *copy = *at;

    if (text == NULL)
        return NULL;
    *at = stpcpy(*at, text) + 1;
    return copy;
}

static size_t room(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 0;
}

int recipient_init(struct recipient *recipient, const struct recipient_args *args)
{
    const struct envelope_address *address = args->address;
    const char *text = address != NULL ? address->text : "";
    char *at = malloc(room(text) + room(args->host) + room(args->mailer) + room(args->arg) +
                      room(args->params.notify) + room(args->params.orcpt));

    *recipient = (struct recipient){.address = at, .malformed = address == NULL};
    if (at == NULL)
        return -ENOMEM;
    append(&at, text);
    if (address != NULL && address->domain != NULL)
        recipient->domain = recipient->address + (address->domain - address->text);
    recipient->host = append(&at, args->host);
    recipient->mailer = append(&at, args->mailer);
    recipient->arg = append(&at, args->arg);
    recipient->notify = append(&at, args->params.notify);
    recipient->orcpt = append(&at, args->params.orcpt);
    return 0;
}

void recipient_fini(struct recipient *recipient)
{
    wait_ticket_free(recipient->ticket);
    free(recipient->outcome);
    free(recipient->address);
}

/* Settings that must be certain before a recipient is settled; `mixed` and the optional route
 * matter at end-of-message only. */
static bool is_certain(const struct rules_settings *settings)
{
    const unsigned late = 1u << RULES_MIXED | 1u << RULES_OPTIONAL_ROUTE;

    return (settings->undecided & ~late) == 0;
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

static bool begin_lookup(struct recipient *recipient, const struct recipient_context *context,
                         const struct decide_input *in)
{
    struct verdict_terms terms;

    if (recipient->ticket != NULL)
        return true;
    decide_terms(in, &terms);
    return wait_start(context->engine, in->nexthop, &terms, &recipient->ticket) == 0;
}

static enum wait_result await(struct recipient *recipient, const struct recipient_context *context,
                              const struct recipient_patience *patience)
{
    enum wait_stage stage = patience->mode == RECIPIENT_CONCLUDE ? WAIT_STAGE_EOM : WAIT_STAGE_RCPT;
    int64_t began_ms = wait_now_ms();
    enum wait_result result = wait_for(context->gate, recipient->ticket, stage,
                                       patience->deadline_ms, patience->alive, patience->alive_arg);

    recipient->waited_ms += wait_now_ms() - began_ms;
    return result;
}

/*
 * Whether a finished lookup ended too early: it was begun before the header was known, and what was
 * enough for the terms of then is not for those of now.
 */
static bool is_premature(const struct recipient *recipient, const struct decide_input *in)
{
    const struct findings *findings = wait_findings(recipient->ticket);

    return findings != NULL && verdict_of(findings, in) == VERDICT_PENDING;
}

/*
 * Finds what the decision needs. Returns true with in->findings or in->missing set and, in *owned,
 * a reference to be given back; false when the recipient is to be left open.
 */
static bool find(struct recipient *recipient, const struct recipient_context *context,
                 const struct recipient_patience *patience, struct decide_input *in,
                 const struct findings **owned)
{
    enum wait_result result;

    *owned = NULL;
    if (recipient->ticket == NULL) {
        *owned = engine_cached(context->engine, in->nexthop);
        if (*owned != NULL && is_conclusive(*owned, in)) {
            in->findings = *owned;
            return true;
        }
        findings_unref(*owned);
        *owned = NULL;
    }
    in->missing = DECIDE_MISSING_ENGINE;
    if (!begin_lookup(recipient, context, in))
        return patience->mode != RECIPIENT_ASK;
    if (patience->mode == RECIPIENT_ASK)
        return false;
    result = await(recipient, context, patience);
    if (result == WAIT_DONE && is_premature(recipient, in)) {
        wait_ticket_free(recipient->ticket);
        recipient->ticket = NULL;
        if (!begin_lookup(recipient, context, in))
            return true;
        result = await(recipient, context, patience);
    }
    switch (result) {
    case WAIT_DONE:
        in->findings = wait_findings(recipient->ticket);
        return true;
    case WAIT_TIMEOUT:
        in->missing = DECIDE_MISSING_TIME;
        return patience->mode == RECIPIENT_CONCLUDE;
    case WAIT_FULL:
        in->missing = DECIDE_MISSING_BUSY;
        return patience->mode == RECIPIENT_CONCLUDE;
    case WAIT_CANCELLED:
        in->missing = DECIDE_MISSING_STOP;
        return true;
    default:
        return true;
    }
}

/* `bob` without a domain is mail for this host's own domain. */
static bool nexthop_of(const struct recipient *recipient, const struct config *config,
                       struct nexthop *out)
{
    const char *domain = recipient->domain != NULL ? recipient->domain : config->milter.mydomain;

    if (recipient->malformed)
        domain = NULL;
    return envelope_nexthop(domain, recipient->host, recipient->mailer, out) == 0;
}

static void fill_terms(const struct config *config, struct verdict_terms *out)
{
    *out = (struct verdict_terms){
        .web_pki = config->web_pki,
        .accept_testing = config->accept_testing,
        .my_names = (const char *const *)config->milter.my_mx_names.items,
        .my_name_count = config->milter.my_mx_names.count,
    };
}

static int conclude(struct recipient *recipient, const struct decide_input *in)
{
    struct recipient_outcome *outcome = malloc(sizeof(*outcome));

    if (outcome == NULL)
        return -ENOMEM;
    outcome->level = in->settings->level;
    outcome->mixed = in->settings->mixed;
    strcpy(outcome->nexthop, in->nexthop != NULL ? in->nexthop->text : "");
    if (recipient->asked.request == DECIDE_REQUEST_REQUIRE)
        decide_require(in, &outcome->decision);
    else
        decide_optional(in, &outcome->decision);
    free(recipient->outcome);
    recipient->outcome = outcome;
    recipient->settled = true;
    return 0;
}

int recipient_settle(struct recipient *recipient, const struct recipient_context *context,
                     const struct recipient_patience *patience)
{
    struct rules_facts facts = *context->facts;
    struct rules_settings settings;
    struct verdict_terms terms;
    struct nexthop nexthop;
    const struct findings *owned = NULL;
    bool has_nexthop = nexthop_of(recipient, context->config, &nexthop), header_seen;
    int rc;

    facts.known |= RULES_FACT_RECIPIENT;
    facts.recipient = recipient->address;
    facts.mailer = recipient->mailer;
    facts.nexthop = has_nexthop ? &nexthop : NULL;
    header_seen = (facts.known & RULES_FACT_HEADER) != 0;
    rules_evaluate(context->config, &facts, &settings);
    recipient->asked =
        decide_request(context->mail, context->header, context->believed, settings.request);
    if (recipient->asked.request != DECIDE_REQUEST_REQUIRE && !header_seen)
        return 0;
    if (recipient->asked.request == DECIDE_REQUEST_NONE) {
        recipient->settled = true;
        return 0;
    }

    fill_terms(context->config, &terms);
    struct decide_input in = {
        .settings = &settings,
        .terms = &terms,
        .nexthop = has_nexthop ? &nexthop : NULL,
        .null_sender = context->null_sender,
        .asker = recipient->asked.asker,
    };
    if (recipient->asked.request == DECIDE_REQUEST_REQUIRE && decide_needs_findings(&in)) {
        struct recipient_patience now = *patience;

        if (!is_certain(&settings))
            now.mode = RECIPIENT_ASK;
        if (!find(recipient, context, &now, &in, &owned))
            return 0;
    }
    rc = is_certain(&settings) ? conclude(recipient, &in) : 0;
    findings_unref(owned);
    if (recipient->settled) {
        wait_ticket_free(recipient->ticket);
        recipient->ticket = NULL;
    }
    return rc;
}

bool recipient_is_refused(const struct recipient *recipient)
{
    return recipient->outcome != NULL && decide_is_refusal(&recipient->outcome->decision);
}
