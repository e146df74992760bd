/*
 * libmilter's callbacks: they fetch arguments and macros, call message.c, and translate its answer.
 * The callbacks of one connection come one after the other, but on different threads: all state is
 * in the session.
 */
#include "filter/callbacks.h"

#include "base/log.h"
#include "filter/milter_ops.h"
#include "filter/session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libmilter/mfapi.h>

/* libmilter gives callbacks no argument of ours before there is a session. */
static struct runtime *the_runtime;

/* Without its text a refusal tells the sender nothing: then it is a temporary one. */
static sfsistat untold(int code, const char *status, const char *text)
{
    log_msg(LOG_ERR, "libmilter refused the reply %d %s %s: the mail is deferred", code, status,
            text);
    return SMFIS_TEMPFAIL;
}

static sfsistat send_refusal(SMFICTX *ctx, const struct reply *reply)
{
    char code[4], text[2 * REPLY_TEXT_MAX + 1];

    snprintf(code, sizeof(code), "%03d", reply->code);
    reply_escape(reply->text, text, sizeof(text));
    if (smfi_setreply(ctx, code, milter_ops_mutable(reply->status), text) != MI_SUCCESS)
        return untold(reply->code, reply->status, reply->text);
    return reply->code >= 500 ? SMFIS_REJECT : SMFIS_TEMPFAIL;
}

static sfsistat defer_command(SMFICTX *ctx)
{
    struct reply reply;

    reply_set_fixed(&reply, REPLY_FILTER_FAILED);
    return send_refusal(ctx, &reply);
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
        return untold(first->code, first->status, first->text);
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
        return defer_command(ctx);
    }
}

static bool ask_for_macros(SMFICTX *ctx)
{
    bool done = true;

    for (int stage = SMFIM_FIRST; stage <= SMFIM_LAST; stage++) {
        const char *list = negotiate_macros(stage);

        done = done && (list == NULL ||
                        smfi_setsymlist(ctx, stage, milter_ops_mutable(list)) == MI_SUCCESS);
    }
    return done;
}

static bool macros_arrived(SMFICTX *ctx, struct session *session, enum session_stage stage)
{
    static const char *const commands[] = {"connect", "MAIL", "RCPT"};

    if (session_macros_arrived(session, stage, milter_ops_macro(ctx, "j"),
                               milter_ops_macro(ctx, "v")))
        return true;
    log_msg(LOG_ERR,
            "out of memory: libmilter has lost what the MTA said with %s, its mail is "
            "deferred",
            commands[stage]);
    return false;
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
    if (session != NULL)
        metrics_session_begun(runtime_metrics(the_runtime));
    if (session != NULL && terms.macros && !ask_for_macros(ctx)) {
        log_msg(LOG_ERR, "out of memory: the mail of a connection is deferred");
        session->failed = true;
    }
    *pf0 = terms.actions;
    *pf1 = terms.options;
    *pf2 = 0;
    *pf3 = 0;
    return SMFIS_CONTINUE;
}

static sfsistat on_connect(SMFICTX *ctx, char *host, struct sockaddr *address)
{
    struct session *session = smfi_getpriv(ctx);

    if (session != NULL && !macros_arrived(ctx, session, SESSION_CONNECT))
        session->failed = true;
    if (session != NULL)
        session_connect(session, host, address, milter_ops_macro(ctx, "{daemon_name}"),
                        milter_ops_macro(ctx, "v"));
    return SMFIS_NOREPLY;
}

static sfsistat on_helo(SMFICTX *ctx, char *name)
{
    struct session *session = smfi_getpriv(ctx);

    (void)name;
    if (session != NULL)
        session_greeted(session);
    return SMFIS_NOREPLY;
}

static sfsistat on_mail(SMFICTX *ctx, char **args)
{
    struct session *session = smfi_getpriv(ctx);
    struct message_mail mail = {0};
    enum message_step step;
    struct reply reply;

    if (session == NULL || session->failed)
        return defer_command(ctx);
    session_end_message(session);
    if (!macros_arrived(ctx, session, SESSION_MAIL))
        return defer_command(ctx);
    mail.sender = args[0];
    mail.params = (const char *const *)(args + 1);
    mail.resolved = milter_ops_macro(ctx, "{mail_addr}");
    mail.login = milter_ops_macro(ctx, "{auth_authen}");
    mail.tls = milter_ops_macro(ctx, "{tls_version}") != NULL;
    mail.queue_id = milter_ops_macro(ctx, "i");
    mail.sender_now = milter_ops_macro(ctx, "f");
    step = message_begin(the_runtime, &session->client, &mail, &reply, &session->message);
    return answer(ctx, step, &reply);
}

static sfsistat on_rcpt(SMFICTX *ctx, char **args)
{
    struct session *session = smfi_getpriv(ctx);
    struct reply reply;

    if (session == NULL || session->message == NULL || !macros_arrived(ctx, session, SESSION_RCPT))
        return defer_command(ctx);
    struct message_recipient recipient = {
        .address = args[0],
        .params = (const char *const *)(args + 1),
        .host = milter_ops_macro(ctx, "{rcpt_host}"),
        .mailer = milter_ops_macro(ctx, "{rcpt_mailer}"),
        .resolved = milter_ops_macro(ctx, "{rcpt_addr}"),
        .own_host = milter_ops_macro(ctx, "j"),
        .queue_id = milter_ops_macro(ctx, "i"),
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
        return defer_command(ctx);
    switch (message_eoh(session->message, milter_ops_macro(ctx, "i"))) {
    case MESSAGE_CONTINUE:
        return SMFIS_CONTINUE;
    case MESSAGE_DONE:
        session_end_message(session);
        return SMFIS_ACCEPT;
    case MESSAGE_REFUSE:
    case MESSAGE_FAIL:
    default:
        session_end_message(session);
        return defer_command(ctx);
    }
}

static sfsistat on_body(SMFICTX *ctx, unsigned char *data, size_t len)
{
    struct session *session = smfi_getpriv(ctx);

    if (session == NULL || session->message == NULL)
        return defer_command(ctx);
    switch (message_body(session->message, (const char *)data, len)) {
    case MESSAGE_CONTINUE:
        return SMFIS_CONTINUE;
    case MESSAGE_DONE:
        return session->terms.can_skip ? SMFIS_SKIP : SMFIS_CONTINUE;
    case MESSAGE_REFUSE:
    case MESSAGE_FAIL:
    default:
        session_end_message(session);
        return defer_command(ctx);
    }
}

static sfsistat on_eom(SMFICTX *ctx)
{
    struct session *session = smfi_getpriv(ctx);
    struct message_refusal refusal;
    struct message_ops ops;
    enum message_step step;

    if (session == NULL || session->message == NULL)
        return defer_command(ctx);
    milter_ops_init(ctx, &session->terms, &ops);
    step = message_eom(session->message, milter_ops_macro(ctx, "i"), &ops, &refusal);
    session_end_message(session);
    switch (step) {
    case MESSAGE_DONE:
        return SMFIS_CONTINUE;
    case MESSAGE_REFUSE:
        return refuse_lines(ctx, &refusal);
    case MESSAGE_CONTINUE:
    case MESSAGE_FAIL:
    default:
        return defer_command(ctx);
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
    struct session *session = smfi_getpriv(ctx);

    if (session != NULL)
        metrics_session_over(runtime_metrics(the_runtime));
    session_free(session);
    smfi_setpriv(ctx, NULL);
    return SMFIS_CONTINUE;
}

int callbacks_register(void)
{
    struct smfiDesc desc;

    memset(&desc, 0, sizeof(desc));
    desc.xxfi_name = milter_ops_mutable("requiretls-milter");
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
