/*
 * `requiretls-query --explain`: the settings that the rules give for a message as the command line
 * describes it, and the rule behind each of them.
 */
#include "query/query.h"

#include "base/json.h"
#include "base/text.h"
#include "config/config_rule.h"
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
    case CONFIG_REQUEST_OBSERVE:
        return "observe";
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
     * are for reinjected mail. */
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
    const char *value; /* NULL: not told in text */
};

enum { SOURCE_MAX = 100 };

/* [deliver] says these two where no rule does, and that needs no explanation. */
static bool is_ruled(const struct rules_settings *s, enum config_setting setting)
{
    return !s->origin[setting].built_in || s->origin[setting].open != NULL;
}

static const char *source_text(const struct rules_settings *s, char out[SOURCE_MAX])
{
    struct text text;

    text_init(&text, out, SOURCE_MAX);
    for (size_t i = 0; i < s->source->count; i++)
        text_addf(&text, "%s%s", i > 0 ? ", " : "", s->source->items[i]);
    return out;
}

/* The compiler names a setting that is missing here. */
static struct row row_of(const struct rules_settings *s, enum config_setting setting,
                         char source[SOURCE_MAX])
{
    switch (setting) {
    case CONFIG_SETTING_REQUEST:
        return (struct row){"request", request_name(s->request)};
    case CONFIG_SETTING_LEVEL:
        return (struct row){"level", verdict_level_name(s->level)};
    case CONFIG_SETTING_FALLBACK:
        return (struct row){"fallback", fallback_name(s->fallback)};
    case CONFIG_SETTING_ON_UNSATISFIED:
        return (struct row){"on_unsatisfied", action_name(s->on_unsatisfied)};
    case CONFIG_SETTING_ON_UNDECIDED:
        return (struct row){"on_undecided", action_name(s->on_undecided)};
    case CONFIG_SETTING_MIXED:
        return (struct row){"mixed", mixed_name(s->mixed)};
    case CONFIG_SETTING_REQUIRE_OFFER:
        return (struct row){"require_offer", offer_name(s->require_offer)};
    case CONFIG_SETTING_ROUTE:
        return (struct row){"route", s->route != NULL ? s->route->name : NULL};
    case CONFIG_SETTING_OPTIONAL_ROUTE:
        return (struct row){"optional_route",
                            s->optional_route != NULL ? s->optional_route->name : NULL};
    case CONFIG_SETTING_TLS_POLICY:
        return (struct row){"tls_policy", s->tls_policy};
    case CONFIG_SETTING_HELO_NAME:
        return (struct row){"helo_name", is_ruled(s, setting) ? s->helo_name : NULL};
    case CONFIG_SETTING_SOURCE:
        return (struct row){"source", is_ruled(s, setting) ? source_text(s, source) : NULL};
    case CONFIG_SETTING_COUNT:
        break;
    }
    return (struct row){"unknown", NULL};
}

static const char *origin_of(const struct query_name *name, enum config_setting setting, char *out,
                             size_t out_size)
{
    if (setting == CONFIG_SETTING_REQUEST && name->request_by != NULL)
        return name->request_by;
    return rules_origin_name(&name->settings.origin[setting], out, out_size);
}

void query_explain_text(FILE *out, const struct query_name *name)
{
    for (int i = 0; i < CONFIG_SETTING_COUNT; i++) {
        enum config_setting setting = (enum config_setting)i;
        const struct config_rule *open = name->settings.origin[setting].open;
        char source[SOURCE_MAX], origin[256];
        struct row row = row_of(&name->settings, setting, source);

        if (row.value == NULL)
            continue;
        fprintf(out, "  %-23s %s (%s", row.name, row.value,
                origin_of(name, setting, origin, sizeof(origin)));
        if (open != NULL)
            fprintf(out, "; [rule %s], which comes earlier, looks at what is not known here",
                    open->name);
        fputs(")\n", out);
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

/* Likewise: the server does not offer what an older MTA does not ask for. */
static bool is_refused_by_mta(const struct rules_settings *s, const struct decision *decision)
{
    return s->require_offer == CONFIG_OFFER_AUTO && s->route->can_follows_mta &&
           decision->reason_code == VERDICT_REASON_SERVERS_NO_REQUIRETLS;
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
        .null_sender = options->from != NULL && options->from[0] == '\0',
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
        snprintf(name->decision, sizeof(name->decision), "%s: %d %s %s%s",
                 decide_action_name(decision.action), reply.code, reply.status, reply.text,
                 is_refused_by_mta(&name->settings, &decision)
                     ? "; where the MTA is not Postfix 3.11 or later, accept"
                     : "");
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
    json_object_begin(json);
    for (int i = 0; i < CONFIG_SETTING_COUNT; i++) {
        enum config_setting setting = (enum config_setting)i;
        char source[SOURCE_MAX], origin[256];
        struct row row = row_of(&name->settings, setting, source);

        json_key(json, row.name);
        json_object_begin(json);
        json_key(json, "value");
        json_string(json, row.value);
        json_key(json, "origin");
        json_string(json,
                    row.value != NULL ? origin_of(name, setting, origin, sizeof(origin)) : NULL);
        json_key(json, "undecided");
        json_bool(json, name->settings.undecided & 1U << setting);
        json_object_end(json);
    }
    json_key(json, "decision");
    json_string(json, name->decision[0] ? name->decision : NULL);
    json_object_end(json);
}
