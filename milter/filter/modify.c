/*
 * Changes at end-of-message. RFC 8689 section 4.1: who requires TLS does not waive it. RFC 8689
 * section 5: a message that requires TLS is bounced as if RET=HDRS had been asked for (RFC 3461
 * section 4.3). Only the MTA can do that, so it is told by changing the envelope sender to itself,
 * with parameters.
 */
#include "filter/modify.h"

#include <stdio.h>
#include <string.h>

void modify_plan_require(struct modify_plan *plan, const struct decision *decision)
{
    plan->require = true;
    if (decision->action == DECIDE_QUARANTINE && plan->quarantine == NULL)
        plan->quarantine = decision->reason;
}

/* The header is what content filters and a later MTA go by. A bounce is not to be lost for it (RFC
 * 8689 section 5). */
static bool adds_header(const struct modify_plan *plan, const struct config *config)
{
    if (!plan->require || plan->has_require_header || plan->null_sender)
        return false;
    switch (config->milter.add_header) {
    case CONFIG_ADD_HEADER_YES:
        return true;
    case CONFIG_ADD_HEADER_REINJECT:
        return plan->reinjects;
    case CONFIG_ADD_HEADER_NO:
    default:
        return false;
    }
}

/* Appends " NAME=value" unless the value is NULL, "" for a name alone. */
static void add_param(char *params, size_t size, const char *name, const char *value)
{
    size_t len = strlen(params);

    if (value != NULL)
        snprintf(params + len, size - len, " %s%s%s", name, value[0] != '\0' ? "=" : "", value);
}

bool modify_has_require_header(const struct modify_plan *plan, const struct config *config)
{
    return plan->has_require_header || adds_header(plan, config);
}

/* New parameters replace the client's RET and ENVID both, so ENVID is repeated; and with sendmail
 * all others. */
static bool ask_for_headers_only(const struct modify_plan *plan, const struct message_ops *ops)
{
    char params[1000] = "RET=HDRS"; /* request.c bounds the values */

    if (!plan->require || plan->null_sender || plan->ret == REQUEST_RET_HDRS ||
        plan->sender == NULL || !ops->can_change_from)
        return true;
    add_param(params, sizeof(params), "ENVID", plan->envid);
    if (ops->forgets_parameters) {
        add_param(params, sizeof(params), "BODY", plan->eight_bit ? "8BITMIME" : NULL);
        add_param(params, sizeof(params), "SMTPUTF8", plan->smtputf8 ? "" : NULL);
        add_param(params, sizeof(params), "AUTH", plan->auth);
        add_param(params, sizeof(params), "BY", plan->by);
    }
    return ops->change_from(ops->arg, plan->sender, params);
}

/* From the last to the first: MTAs differ in whether deleting one renumbers the others. */
static bool delete_all(const char *name, unsigned count, const struct message_ops *ops)
{
    for (unsigned i = count; i > 0; i--) {
        if (!ops->delete_header(ops->arg, name, i))
            return false;
    }
    return true;
}

/* Postfix takes the value `yes` alone, without blanks at its end; one that differs is made that. */
static bool add_require_header(const struct modify_plan *plan, const struct message_ops *ops)
{
    if (plan->require_header > 0)
        return ops->change_header(ops->arg, request_require_esmtp, plan->require_header, "yes");
    return ops->add_header(ops->arg, request_require_esmtp, "yes");
}

bool modify_apply(const struct modify_plan *plan, const struct config *config,
                  const struct message_ops *ops)
{
    if (!delete_all(config->milter.route_header, plan->route_headers, ops) ||
        !delete_all(request_require_esmtp, plan->require_fields, ops) ||
        !delete_all(request_tls_required, plan->tls_required_fields, ops))
        return false;
    if (adds_header(plan, config) && !add_require_header(plan, ops))
        return false;
    if (!ask_for_headers_only(plan, ops))
        return false;
    return plan->quarantine == NULL || ops->quarantine(ops->arg, plan->quarantine);
}
