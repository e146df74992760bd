/*
 * One recipient as RCPT brings it. How it is settled is in recipient_settle.c.
 */
#include "filter/recipient.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Copies a string behind the last one; NULL stays NULL. */
static const char *append_string(char **at, const char *text)
{
    const char *copy = *at;

    if (text == NULL)
        return NULL;
    *at = stpcpy(*at, text) + 1;
    return copy;
}

/* The same without `<` and `>` at its ends. */
static const char *append_bare(char **at, const char *text)
{
    const char *copy;
    size_t len;

    if (text == NULL)
        return "";
    copy = append_string(at, text + (text[0] == '<'));
    len = strlen(copy);
    if (len > 0 && copy[len - 1] == '>')
        (*at)[-2] = '\0';
    return copy;
}

static size_t text_size(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 0;
}

int recipient_init(struct recipient *recipient, const struct recipient_args *args)
{
    const struct envelope_address *address = args->address;
    const char *text = address != NULL ? address->text : "";
    char *at = malloc(text_size(text) + text_size(args->meant) + text_size(args->taggable) +
                      text_size(args->host) + text_size(args->mailer) + 2 * text_size(args->arg) +
                      text_size(args->params.notify) + text_size(args->params.orcpt));

    *recipient = (struct recipient){.address = at, .malformed = address == NULL};
    if (at == NULL)
        return -ENOMEM;
    append_string(&at, text);
    if (address != NULL && address->domain != NULL)
        recipient->domain = recipient->address + (address->domain - address->text);
    recipient->meant = args->meant != NULL ? append_string(&at, args->meant) : recipient->address;
    recipient->host = append_string(&at, args->host);
    recipient->mailer = append_string(&at, args->mailer);
    recipient->agent = args->agent;
    recipient->arg = append_string(&at, args->arg);
    recipient->taggable = append_string(&at, args->taggable);
    recipient->shown = address != NULL ? recipient->address : append_bare(&at, args->arg);
    recipient->notify = append_string(&at, args->params.notify);
    recipient->orcpt = append_string(&at, args->params.orcpt);
    return 0;
}

void recipient_fini(struct recipient *recipient)
{
    waiter_free(recipient->waiter);
    free(recipient->outcome);
    free(recipient->address);
}

const char *recipient_host(const struct recipient *recipient)
{
    return recipient->agent != NULL ? recipient->agent->nexthop : recipient->host;
}

bool recipient_is_refused(const struct recipient *recipient)
{
    return recipient->outcome != NULL && decide_is_refusal(&recipient->outcome->decision);
}
