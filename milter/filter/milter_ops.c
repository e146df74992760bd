/*
 * What message_eom asks of the MTA, by libmilter: milter_ops_init fills in the operations for one
 * callback, each of which returns whether libmilter took it. Header values get the blank that the
 * MTA does not add itself, where that was negotiated.
 */
#include "filter/milter_ops.h"

#include "filter/session.h"

#include <stdint.h>
#include <stdio.h>

char *milter_ops_mutable(const char *text)
{
    return (char *)(uintptr_t)text;
}

const char *milter_ops_macro(SMFICTX *ctx, const char *name)
{
    const char *value = smfi_getsymval(ctx, milter_ops_mutable(name));

    return value != NULL && value[0] != '\0' ? value : NULL;
}

static bool progress(void *arg)
{
    return smfi_progress(arg) == MI_SUCCESS;
}

static bool add_header(void *arg, const char *name, const char *value)
{
    const struct session *session = smfi_getpriv(arg);
    char spaced[1000];

    snprintf(spaced, sizeof(spaced), "%s%s", session->terms.lead_space ? " " : "", value);
    return smfi_addheader(arg, milter_ops_mutable(name), spaced) == MI_SUCCESS;
}

static bool change_header(void *arg, const char *name, unsigned index, const char *value)
{
    const struct session *session = smfi_getpriv(arg);
    char spaced[1000];

    snprintf(spaced, sizeof(spaced), "%s%s", session->terms.lead_space ? " " : "", value);
    return smfi_chgheader(arg, milter_ops_mutable(name), (int)index, spaced) == MI_SUCCESS;
}

static bool delete_header(void *arg, const char *name, unsigned index)
{
    return smfi_chgheader(arg, milter_ops_mutable(name), (int)index, NULL) == MI_SUCCESS;
}

static bool change_from(void *arg, const char *sender, const char *params)
{
    return smfi_chgfrom(arg, milter_ops_mutable(sender), milter_ops_mutable(params)) == MI_SUCCESS;
}

static bool quarantine(void *arg, const char *reason)
{
    return smfi_quarantine(arg, milter_ops_mutable(reason)) == MI_SUCCESS;
}

static bool add_recipient(void *arg, const char *address, const char *params)
{
    return smfi_addrcpt_par(arg, milter_ops_mutable(address), milter_ops_mutable(params)) ==
           MI_SUCCESS;
}

static bool delete_recipient(void *arg, const char *address)
{
    return smfi_delrcpt(arg, milter_ops_mutable(address)) == MI_SUCCESS;
}

static bool replace_body(void *arg, const char *data, size_t len)
{
    return smfi_replacebody(arg, (unsigned char *)(uintptr_t)data, (int)len) == MI_SUCCESS;
}

/* {v} is `Postfix 3.7.11` of Postfix, `8.17.1.9/...` of sendmail, which takes new parameters of the
 * sender for all there are; Postfix takes no others than RET and ENVID. */
static bool is_sendmail(SMFICTX *ctx)
{
    const char *version = milter_ops_macro(ctx, "v");

    return version != NULL && version[0] >= '0' && version[0] <= '9';
}

void milter_ops_init(SMFICTX *ctx, const struct negotiate_terms *terms, struct message_ops *out)
{
    *out = (struct message_ops){
        .can_quarantine = terms->can_quarantine,
        .can_change_from = terms->can_change_from,
        .forgets_parameters = is_sendmail(ctx),
        .can_replace_body = terms->can_replace_body,
        .can_change_recipients = terms->can_change_recipients,
        .sender_now = milter_ops_macro(ctx, "f"),
        .progress = progress,
        .add_header = add_header,
        .delete_header = delete_header,
        .change_header = change_header,
        .change_from = change_from,
        .quarantine = quarantine,
        .add_recipient = add_recipient,
        .delete_recipient = delete_recipient,
        .replace_body = replace_body,
        .arg = ctx,
    };
}
