/*
 * libmilter's callbacks: they fetch arguments and macros, call message.c, and translate its answer.
 * The callbacks of one connection come one after the other, but on different threads: all state is
 * in the session.
 */
#include "filter/callbacks.h"

#include "base/log.h"
#include "filter/session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libmilter/mfapi.h>

/* libmilter gives callbacks no argument of ours before there is a session. */
static struct runtime *the_runtime;

static char *mutable(const char *text)
{
    return (char *)(uintptr_t)text; /* libmilter's prototypes lack const */
}

static const char *macro(SMFICTX *ctx, const char *name)
{
    const char *value = smfi_getsymval(ctx, mutable(name));

    return value != NULL && value[0] != '\0' ? value : NULL;
}

static sfsistat temporary(SMFICTX *ctx)
{
    smfi_setreply(ctx, mutable("451"), mutable("4.3.0"),
                  mutable("Temporary failure of a filter; try again later"));
    return SMFIS_TEMPFAIL;
}

static sfsistat send_refusal(SMFICTX *ctx, const struct reply *reply)
{
    char code[4], text[2 * REPLY_TEXT_MAX + 1];

    snprintf(code, sizeof(code), "%03d", reply->code);
    reply_escape(reply->text, text, sizeof(text));
    if (smfi_setreply(ctx, code, mutable(reply->status), text) != MI_SUCCESS)
        log_msg(LOG_ERR, "libmilter refused the reply %d %s %s", reply->code, reply->status,
                reply->text);
    return reply->code >= 500 ? SMFIS_REJECT : SMFIS_TEMPFAIL;
}

static sfsistat refuse_lines(SMFICTX *ctx, const struct message_refusal *refusal)
{
    const struct reply *first = &refusal->lines[0];
    char code[4], text[MESSAGE_LINES_MAX][2 * REPLY_TEXT_MAX + 1];
    char *line[MESSAGE_LINES_MAX] = {NULL};

    if (refusal->count == 1)
        return send_refusal(ctx, first);
    snprintf(code, sizeof(code), "%03d", first->code);
    for (size_t i = 0; i < refusal->count; i++) {
        reply_escape(refusal->lines[i].text, text[i], sizeof(text[i]));
        line[i] = text[i];
    }
    if (smfi_setmlreply(ctx, code, first->status, line[0], line[1], line[2], line[3], line[4],
                        line[5], line[6], line[7], NULL) != MI_SUCCESS)
        log_msg(LOG_ERR, "libmilter refused a reply of %zu lines", refusal->count);
    return first->code >= 500 ? SMFIS_REJECT : SMFIS_TEMPFAIL;
}

/* The answer to a command after which the message goes on or not. */
static sfsistat answer(SMFICTX *ctx, enum message_step step, const struct reply *reply)
{
    switch (step) {
    case MESSAGE_CONTINUE:
        return SMFIS_CONTINUE;
    case MESSAGE_REFUSE:
        return send_refusal(ctx, reply);
    case MESSAGE_DONE:
    case MESSAGE_FAIL:
    default:
        return temporary(ctx);
    }
}

static void ask_for_macros(SMFICTX *ctx)
{
    for (int stage = SMFIM_FIRST; stage <= SMFIM_LAST; stage++) {
        const char *list = negotiate_macros(stage);

        if (list != NULL && smfi_setsymlist(ctx, stage, mutable(list)) != MI_SUCCESS)
            log_msg(LOG_WARNING, "libmilter refused the macro list of stage %d", stage);
    }
}

static sfsistat on_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2,
                             unsigned long f3, unsigned long *pf0, unsigned long *pf1,
                             unsigned long *pf2, unsigned long *pf3)
{
    struct config *config = runtime_config(the_runtime);
    bool body = config->milter.redact_dsn != CONFIG_REDACT_NO;
    struct negotiate_terms terms;
    struct session *session;

    (void)f2;
    (void)f3;
    config_unref(config);
    /* A connection without a session defers all mail, in callbacks that find none. To refuse the
     * negotiation would leave it to the MTA's milter_default_action, which may be to accept. */
    if (!negotiate_choose(f0, f1, body, &terms)) {
        log_msg(LOG_ERR, "the MTA offers too few milter actions (0x%lx): its mail is deferred", f0);
        session = NULL;
    } else if ((session = session_new(&terms)) == NULL) {
        log_msg(LOG_ERR, "out of memory: the mail of a connection is deferred");
    }
    if (smfi_setpriv(ctx, session) != MI_SUCCESS) {
        session_free(session);
        return SMFIS_REJECT;
    }
    if (terms.macros)
        ask_for_macros(ctx);
    *pf0 = terms.actions;
    *pf1 = terms.options;
    *pf2 = 0;
    *pf3 = 0;
    return SMFIS_CONTINUE;
}

static sfsistat on_connect(SMFICTX *ctx, char *host, struct sockaddr *address)
{
    struct session *session = smfi_getpriv(ctx);

    if (session != NULL)
        session_connect(session, host, address, macro(ctx, "{daemon_name}"), macro(ctx, "v"));
    return SMFIS_NOREPLY;
}

static sfsistat on_helo(SMFICTX *ctx, char *name)
{
    (void)ctx;
    (void)name;
    return SMFIS_NOREPLY;
}

static sfsistat on_mail(SMFICTX *ctx, char **args)
{
    struct session *session = smfi_getpriv(ctx);
    struct message_mail mail = {0};
    enum message_step step;
    struct reply reply;

    if (session == NULL || session->failed)
        return temporary(ctx);
    session_end_message(session);
    mail.sender = args[0];
    mail.params = (const char *const *)(args + 1);
    mail.resolved = macro(ctx, "{mail_addr}");
    mail.login = macro(ctx, "{auth_authen}");
    mail.tls = macro(ctx, "{tls_version}") != NULL;
    mail.queue_id = macro(ctx, "i");
    mail.sender_now = macro(ctx, "f");
    step = message_begin(the_runtime, &session->client, &mail, &reply, &session->message);
    return answer(ctx, step, &reply);
}

static sfsistat on_rcpt(SMFICTX *ctx, char **args)
{
    struct session *session = smfi_getpriv(ctx);
    struct reply reply;

    if (session == NULL || session->message == NULL)
        return temporary(ctx);
    struct message_recipient recipient = {
        .address = args[0],
        .params = (const char *const *)(args + 1),
        .host = macro(ctx, "{rcpt_host}"),
        .mailer = macro(ctx, "{rcpt_mailer}"),
        .resolved = macro(ctx, "{rcpt_addr}"),
        .own_host = macro(ctx, "j"),
        .queue_id = macro(ctx, "i"),
    };
    return answer(ctx, message_rcpt(session->message, &recipient, &reply), &reply);
}

static sfsistat on_header(SMFICTX *ctx, char *name, char *value)
{
    struct session *session = smfi_getpriv(ctx);

    if (session != NULL && session->message != NULL)
        message_header(session->message, name, value);
    return SMFIS_NOREPLY;
}

static sfsistat on_eoh(SMFICTX *ctx)
{
    struct session *session = smfi_getpriv(ctx);

    if (session == NULL || session->message == NULL)
        return temporary(ctx);
    switch (message_eoh(session->message, macro(ctx, "i"))) {
    case MESSAGE_CONTINUE:
        return SMFIS_CONTINUE;
    case MESSAGE_DONE:
        session_end_message(session);
        return SMFIS_ACCEPT;
    case MESSAGE_REFUSE:
    case MESSAGE_FAIL:
    default:
        session_end_message(session);
        return temporary(ctx);
    }
}

static sfsistat on_body(SMFICTX *ctx, unsigned char *data, size_t len)
{
    struct session *session = smfi_getpriv(ctx);

    if (session == NULL || session->message == NULL)
        return temporary(ctx);
    switch (message_body(session->message, (const char *)data, len)) {
    case MESSAGE_CONTINUE:
        return SMFIS_CONTINUE;
    case MESSAGE_DONE:
        return session->terms.can_skip ? SMFIS_SKIP : SMFIS_CONTINUE;
    case MESSAGE_REFUSE:
    case MESSAGE_FAIL:
    default:
        session_end_message(session);
        return temporary(ctx);
    }
}

/* --- what message.c asks of the MTA ---------------------------------------------------------- */

static bool progress(void *arg)
{
    return smfi_progress(arg) == MI_SUCCESS;
}

static bool add_header(void *arg, const char *name, const char *value)
{
    const struct session *session = smfi_getpriv(arg);
    char spaced[1000];

    snprintf(spaced, sizeof(spaced), "%s%s", session->terms.lead_space ? " " : "", value);
    return smfi_addheader(arg, mutable(name), spaced) == MI_SUCCESS;
}

static bool change_header(void *arg, const char *name, unsigned index, const char *value)
{
    const struct session *session = smfi_getpriv(arg);
    char spaced[1000];

    snprintf(spaced, sizeof(spaced), "%s%s", session->terms.lead_space ? " " : "", value);
    return smfi_chgheader(arg, mutable(name), (int)index, spaced) == MI_SUCCESS;
}

static bool delete_header(void *arg, const char *name, unsigned index)
{
    return smfi_chgheader(arg, mutable(name), (int)index, NULL) == MI_SUCCESS;
}

static bool change_from(void *arg, const char *sender, const char *params)
{
    return smfi_chgfrom(arg, mutable(sender), mutable(params)) == MI_SUCCESS;
}

static bool quarantine(void *arg, const char *reason)
{
    return smfi_quarantine(arg, mutable(reason)) == MI_SUCCESS;
}

static bool add_recipient(void *arg, const char *address, const char *params)
{
    return smfi_addrcpt_par(arg, mutable(address), mutable(params)) == MI_SUCCESS;
}

static bool delete_recipient(void *arg, const char *address)
{
    return smfi_delrcpt(arg, mutable(address)) == MI_SUCCESS;
}

static bool replace_body(void *arg, const char *data, size_t len)
{
    return smfi_replacebody(arg, (unsigned char *)(uintptr_t)data, (int)len) == MI_SUCCESS;
}

/* {v} is `Postfix 3.7.11` of Postfix, `8.17.1.9/...` of sendmail, which takes new parameters of the
 * sender for all there are; Postfix takes no others than RET and ENVID. */
static bool is_sendmail(SMFICTX *ctx)
{
    const char *version = macro(ctx, "v");

    return version != NULL && version[0] >= '0' && version[0] <= '9';
}

static sfsistat on_eom(SMFICTX *ctx)
{
    struct session *session = smfi_getpriv(ctx);
    struct message_refusal refusal;
    enum message_step step;

    if (session == NULL || session->message == NULL)
        return temporary(ctx);
    struct message_ops ops = {
        .can_quarantine = session->terms.can_quarantine,
        .can_change_from = session->terms.can_change_from,
        .forgets_parameters = is_sendmail(ctx),
        .can_replace_body = session->terms.can_replace_body,
        .can_change_recipients = session->terms.can_change_recipients,
        .sender_now = macro(ctx, "f"),
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
    step = message_eom(session->message, macro(ctx, "i"), &ops, &refusal);
    session_end_message(session);
    switch (step) {
    case MESSAGE_DONE:
        return SMFIS_CONTINUE;
    case MESSAGE_REFUSE:
        return refuse_lines(ctx, &refusal);
    case MESSAGE_CONTINUE:
    case MESSAGE_FAIL:
    default:
        return temporary(ctx);
    }
}

static sfsistat on_abort(SMFICTX *ctx)
{
    struct session *session = smfi_getpriv(ctx);

    if (session != NULL)
        session_end_message(session);
    return SMFIS_CONTINUE;
}

static sfsistat on_close(SMFICTX *ctx)
{
    session_free(smfi_getpriv(ctx));
    smfi_setpriv(ctx, NULL);
    return SMFIS_CONTINUE;
}

int callbacks_register(void)
{
    struct smfiDesc desc;

    memset(&desc, 0, sizeof(desc));
    desc.xxfi_name = mutable("requiretls-milter");
    desc.xxfi_version = SMFI_VERSION;
    /* What may be asked for in negotiation at all. */
    desc.xxfi_flags = SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_CHGBODY | SMFIF_QUARANTINE |
                      SMFIF_CHGFROM | SMFIF_ADDRCPT_PAR | SMFIF_DELRCPT | SMFIF_SETSYMLIST;
    desc.xxfi_negotiate = on_negotiate;
    desc.xxfi_connect = on_connect;
    desc.xxfi_helo = on_helo;
    desc.xxfi_envfrom = on_mail;
    desc.xxfi_envrcpt = on_rcpt;
    desc.xxfi_header = on_header;
    desc.xxfi_eoh = on_eoh;
    desc.xxfi_body = on_body;
    desc.xxfi_eom = on_eom;
    desc.xxfi_abort = on_abort;
    desc.xxfi_close = on_close;
    return smfi_register(desc) == MI_SUCCESS ? 0 : -EINVAL;
}

void callbacks_set_runtime(struct runtime *runtime)
{
    the_runtime = runtime;
}
