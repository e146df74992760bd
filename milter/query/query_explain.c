/*
 * `requiretls-query --explain`: the settings that the rules give for a message as the command line
 * describes it, and the rule behind each of them.
 */
#include "query/query.h"

#include "base/json.h"
#include "decide/decide.h"
#include "decide/request.h"
#include "decide/terms.h"

#include <string.h>

static const char *request_name(enum config_request request)
{
    switch (request) {
    case CONFIG_REQUEST_NONE:
        return "none";
    case CONFIG_REQUEST_REQUIRE:
        return "require";
    case CONFIG_REQUEST_OPTIONAL:
        return "optional";
    case CONFIG_REQUEST_IGNORE:
        return "ignore";
    default:
        return "unknown";
    }
}

static const char *fallback_name(enum config_fallback fallback)
{
    switch (fallback) {
    case CONFIG_FALLBACK_NONE:
        return "none";
    case CONFIG_FALLBACK_ENCRYPT:
        return "encrypt";
    case CONFIG_FALLBACK_MAY:
        return "may";
    default:
        return "unknown";
    }
}

static const char *action_name(enum config_action action)
{
    switch (action) {
    case CONFIG_ACTION_REJECT:
        return "reject";
    case CONFIG_ACTION_TEMPFAIL:
        return "tempfail";
    case CONFIG_ACTION_QUARANTINE:
        return "quarantine";
    case CONFIG_ACTION_LOG:
        return "log";
    default:
        return "unknown";
    }
}

static const char *mixed_name(enum config_mixed mixed)
{
    switch (mixed) {
    case CONFIG_MIXED_REJECT:
        return "reject";
    case CONFIG_MIXED_KEEP:
        return "keep";
    default:
        return "unknown";
    }
}

static const char *offer_name(enum config_offer offer)
{
    switch (offer) {
    case CONFIG_OFFER_AUTO:
        return "auto";
    case CONFIG_OFFER_YES:
        return "yes";
    case CONFIG_OFFER_NO:
        return "no";
    default:
        return "unknown";
    }
}

/* What the command line says of the message itself; a header there is believed. */
static enum config_request asked(const struct query_options *options, const char **by)
{
    struct request_header header = {0};
    for (size_t i = 0; i < options->header_count; i++)
        request_read_header(&header, options->headers[i].name, options->headers[i].value);
    *by = "the command line";
    if (options->request == QUERY_REQUEST_REQUIRE)
        return CONFIG_REQUEST_REQUIRE;
    if (options->request == QUERY_REQUEST_OPTIONAL)
        return CONFIG_REQUEST_OPTIONAL;
    *by = "the header";
    if (header.require_esmtp)
        return CONFIG_REQUEST_REQUIRE;
    return request_header_optional(&header) ? CONFIG_REQUEST_OPTIONAL : CONFIG_REQUEST_NONE;
}

void query_explain_evaluate(const struct config *config, const struct query_options *options,
                            struct query_name *name)
{
    /* Of the client nothing is known. The listener is one that no rule names: rules with a `daemon`
     * are for mail that comes by a second time. */
    struct rules_facts facts = {
        .known = CONFIG_FACT_RECIPIENT | CONFIG_FACT_HEADER | CONFIG_FACT_DAEMON,
        .sender = options->from,
        .recipient = name->recipient,
        .nexthop = &name->nexthop,
        .headers = options->headers,
        .header_count = options->header_count,
    };
    if (!options->explain) {
        rules_evaluate_nexthop(config, &name->nexthop, &name->settings);
        return;
    }
    if (options->from != NULL)
        facts.known |= CONFIG_FACT_SENDER;
    rules_evaluate(config, &facts, &name->settings);
    enum config_request message = asked(options, &name->request_by);
    if (name->settings.request == CONFIG_REQUEST_IGNORE || message == CONFIG_REQUEST_NONE ||
        (message == CONFIG_REQUEST_OPTIONAL && name->settings.request == CONFIG_REQUEST_REQUIRE))
        name->request_by = NULL;
    else
        name->settings.request = message;
}

struct row {
    const char *name;
    const char *value;
    enum config_setting setting;
};

enum { ROWS = 10 };

static void make_rows(const struct rules_settings *s, struct row rows[ROWS])
{
    const struct row made[ROWS] = {
        {"request", request_name(s->request), CONFIG_SETTING_REQUEST},
        {"level", verdict_level_name(s->level), CONFIG_SETTING_LEVEL},
        {"fallback", fallback_name(s->fallback), CONFIG_SETTING_FALLBACK},
        {"on_unsatisfied", action_name(s->on_unsatisfied), CONFIG_SETTING_ON_UNSATISFIED},
        {"on_undecided", action_name(s->on_undecided), CONFIG_SETTING_ON_UNDECIDED},
        {"mixed", mixed_name(s->mixed), CONFIG_SETTING_MIXED},
        {"require_offer", offer_name(s->require_offer), CONFIG_SETTING_REQUIRE_OFFER},
        {"route", s->route ? s->route->name : NULL, CONFIG_SETTING_ROUTE},
        {"optional_route", s->optional_route ? s->optional_route->name : NULL,
         CONFIG_SETTING_OPTIONAL_ROUTE},
        {"tls_policy", s->tls_policy, CONFIG_SETTING_TLS_POLICY},
    };
    memcpy(rows, made, sizeof(made));
}

static const char *origin_of(const struct query_name *name, const struct row *row, char *out,
                             size_t out_size)
{
    if (row->setting == CONFIG_SETTING_REQUEST && name->request_by != NULL)
        return name->request_by;
    return rules_origin_name(&name->settings.origin[row->setting], out, out_size);
}

void query_explain_text(FILE *out, const struct query_name *name)
{
    struct row rows[ROWS];
    make_rows(&name->settings, rows);
    for (size_t i = 0; i < ROWS; i++) {
        char origin[256];
        if (!rows[i].value)
            continue;
        bool open = name->settings.undecided & 1U << rows[i].setting;
        fprintf(out, "  %-23s %s (%s%s)\n", rows[i].name, rows[i].value,
                origin_of(name, &rows[i], origin, sizeof(origin)),
                open ? "; an earlier rule looks at what is not known here" : "");
    }
    if (name->decision[0])
        fprintf(out, "  %-23s %s\n", "decision", name->decision);
}

/* Whether it hangs on the MTA, which the filter knows and this program does not. */
static bool by_mta(const struct rules_settings *s, const struct decision *decision)
{
    return s->require_offer == CONFIG_OFFER_YES && s->request == CONFIG_REQUEST_REQUIRE &&
           s->level == VERDICT_LEVEL_ENFORCE && decision->verdict == VERDICT_SATISFIED &&
           s->route->can_follows_mta;
}

/* What the filter would do with the recipient; the tool's own findings only. */
void query_explain_decide(const struct config *config, const struct query_options *options,
                          struct query_name *name)
{
    struct verdict_terms terms;
    const struct decide_input input = {
        .settings = &name->settings,
        .terms = &terms,
        .nexthop = &name->nexthop,
        .findings = name->findings,
        .missing = DECIDE_MISSING_ENGINE,
        .null_sender = options->from && options->from[0] == '\0',
        .mta_requiretls = true, /* not known here: see by_mta */
        .asker = name->request_by != NULL ? DECIDE_ASKED_BY_SENDER : DECIDE_ASKED_BY_RULE,
    };
    struct decision decision;
    struct reply reply;
    terms_of_config(config, &terms);
    if (name->settings.request == CONFIG_REQUEST_REQUIRE)
        decide_require(&input, &decision);
    else if (name->settings.request == CONFIG_REQUEST_OPTIONAL)
        decide_optional(&input, &decision);
    else
        return;
    if (decide_is_refusal(&decision)) {
        decide_reply(&decision, name->recipient != NULL ? name->recipient : name->nexthop.name,
                     input.asker, &reply);
        snprintf(name->decision, sizeof(name->decision), "%s: %d %s %s",
                 decide_action_name(decision.action), reply.code, reply.status, reply.text);
    } else {
        snprintf(name->decision, sizeof(name->decision), "%s, route %s%s%s%s",
                 decide_action_name(decision.action),
                 decision.route != NULL ? decision.route->name : "none",
                 decision.reason[0] ? ": " : "", decision.reason,
                 by_mta(&name->settings, &decision)
                     ? "; where the MTA is not Postfix 3.11 or later, 550 5.7.30"
                     : "");
    }
}

void query_explain_json(struct json *json, const struct query_name *name)
{
    struct row rows[ROWS];
    make_rows(&name->settings, rows);
    json_object_begin(json);
    for (size_t i = 0; i < ROWS; i++) {
        char origin[256];
        json_key(json, rows[i].name);
        json_object_begin(json);
        json_key(json, "value");
        json_string(json, rows[i].value);
        json_key(json, "origin");
        json_string(json, rows[i].value ? origin_of(name, &rows[i], origin, sizeof(origin)) : NULL);
        json_key(json, "undecided");
        json_bool(json, name->settings.undecided & 1U << rows[i].setting);
        json_object_end(json);
    }
    json_key(json, "decision");
    json_string(json, name->decision[0] ? name->decision : NULL);
    json_object_end(json);
}
