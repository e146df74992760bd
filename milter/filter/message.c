/*
 * The life of one message, and what MAIL begins. What is asked for becomes known bit by bit: at
 * MAIL by parameter and rules, at the end of the header by header fields; each recipient is settled
 * as soon as it can be, at the latest at end-of-message. RFC 8689 sections 2 and 4.1.
 */
#include "filter/message_internal.h"

#include "base/log.h"
#include "decide/mailbox.h"

#include <stdlib.h>
#include <string.h>

const char message_no_memory[] = "out of memory";

bool message_has_null_sender(const struct message *m)
{
    return m->sender.null_path;
}

bool message_is_local_submission(const struct message *m)
{
    return m->client.address == NULL;
}

bool message_is_believed(const struct message *m)
{
    switch (m->config->milter.accept_header) {
    case CONFIG_ACCEPT_ANY:
        return true;
    case CONFIG_ACCEPT_AUTHENTICATED:
        return m->login != NULL || m->trusted;
    case CONFIG_ACCEPT_TRUSTED:
        return m->trusted;
    case CONFIG_ACCEPT_NO:
    default:
        return false;
    }
}

bool message_mta_enforces(const struct message *m)
{
    bool by_header =
        m->header.require_exact && m->config->milter.accept_header == CONFIG_ACCEPT_ANY;

    return m->client.mta_requiretls && (m->mail.parameter || by_header);
}

/* Facts about the message as a whole, for rules. */
static void set_facts(struct message *m)
{
    m->facts = (struct rules_facts){
        .known = CONFIG_FACT_CLIENT | CONFIG_FACT_AUTHENTICATED | CONFIG_FACT_TLS |
                 CONFIG_FACT_SENDER | CONFIG_FACT_DAEMON,
        .client_address = m->client.address,
        .client_name = m->client.name,
        .authenticated = m->login,
        .tls = m->tls,
        .sender = m->sender_meant != NULL ? m->sender_meant : m->sender.text,
        .daemon = m->client.daemon,
    };
}

void message_await(struct message *m)
{
    if (!m->awaited)
        runtime_message_await(m->runtime);
    m->awaited = true;
}

/* What MAIL alone makes wrong. Returns whether the message may go on. */
static bool check_mail(struct message *m, struct reply *reply)
{
    struct rules_origin origin;
    bool undecided = false;
    enum config_request rule = rules_request(m->config, &m->facts, &undecided, &origin);
    bool asks = (m->mail.parameter || m->mail.marker) && rule != CONFIG_REQUEST_IGNORE;

    m->may_be_asked = asks || rule == CONFIG_REQUEST_REQUIRE || undecided;
    if (asks || rule == CONFIG_REQUEST_REQUIRE)
        message_await(m);
    if (m->mail.with_value) {
        reply_set_fixed(reply, REPLY_PARAMETER_VALUE);
        return false;
    }
    m->reserved = envelope_is_tagged(m->sender.domain, m->config->milter.tag);
    if (m->reserved && !message_is_local_submission(m)) {
        reply_set_fixed(reply, REPLY_SENDER_RESERVED);
        return false;
    }
    /* A null reverse-path is never refused for what it asks (RFC 8689 section 5). */
    if (asks && !m->tls && !m->trusted && !message_has_null_sender(m)) {
        reply_set_fixed(reply, REPLY_STARTTLS_NEEDED);
        return false;
    }
    return true;
}

static char *copy_string(const char *text, bool *ok)
{
    char *out;

    if (text == NULL || text[0] == '\0')
        return NULL;
    out = strdup(text);
    if (out == NULL)
        *ok = false;
    return out;
}

/* Needs m->config. */
static bool read_mail(struct message *m, const struct message_mail *mail)
{
    bool ok = true;

    request_read_mail(mail->params, m->config->milter.marker, &m->mail);
    m->sender_arg = copy_string(mail->sender, &ok);
    m->login = copy_string(mail->login, &ok);
    m->envid = copy_string(m->mail.envid, &ok);
    m->mail.envid = m->envid;
    m->auth = copy_string(m->mail.auth, &ok);
    m->mail.auth = m->auth;
    m->by = copy_string(m->mail.by, &ok);
    m->mail.by = m->by;
    m->sender_now = copy_string(mail->sender_now, &ok);
    m->tls = mail->tls;
    m->trusted = config_is_trusted(m->config, m->client.address);
    m->loopback = message_is_from_loopback(m);
    m->exit_listener = m->reinjected = message_is_by_exit_listener(m);
    /* A reverse-path that cannot be parsed is the MTA's to refuse; it is not the null one. */
    if (envelope_parse(mail->sender, &m->sender) != 0)
        m->sender = (struct envelope_address){.null_path = false};
    m->sender_meant = copy_string(mailbox_meant(m->sender.text, mail->resolved), &ok);
    set_facts(m);
    return ok;
}

/* What Postfix tells the postmaster of bounces, the whole of one from <> that bounced in it, comes
 * from an address of its own: double_bounce_sender. */
static bool is_own_notice(const struct message *m)
{
    static const char local_part[] = "double-bounce@";

    return message_is_local_submission(m) &&
           strncmp(m->sender.text, local_part, strlen(local_part)) == 0;
}

static bool may_be_redacted(const struct message *m)
{
    switch (m->config->milter.redact_dsn) {
    case CONFIG_REDACT_NO:
        return false;
    case CONFIG_REDACT_ALL:
        return message_has_null_sender(m) || is_own_notice(m);
    case CONFIG_REDACT_OWN:
    default:
        return (message_has_null_sender(m) && message_is_local_submission(m)) || is_own_notice(m);
    }
}

/* False: out of memory, or the connection is older than the configuration that asks for it. */
static bool begin_bounce(struct message *m)
{
    if (!may_be_redacted(m))
        return true;
    if (m->client.sends_body)
        m->bounce = bounce_new(runtime_seen_ids(m->runtime));
    return m->bounce != NULL;
}

enum message_step message_begin(struct runtime *runtime, const struct message_client *client,
                                const struct message_mail *mail, struct reply *reply,
                                struct message **out)
{
    struct message *m;

    *out = NULL;
    if (!runtime_message_begin(runtime)) {
        reply_set_fixed(reply, REPLY_STOPPING);
        return MESSAGE_REFUSE;
    }
    m = calloc(1, sizeof(*m));
    if (m == NULL) {
        runtime_message_end(runtime, false);
        return message_fail(LOG_ERR, mail->queue_id, message_no_memory);
    }
    m->runtime = runtime;
    m->client = *client;
    m->config = runtime_config(runtime);
    if (!read_mail(m, mail)) {
        message_free(m);
        return message_fail(LOG_ERR, mail->queue_id, message_no_memory);
    }
    if (!begin_bounce(m)) {
        message_free(m);
        return message_fail(
            LOG_WARNING, mail->queue_id,
            client->sends_body
                ? message_no_memory
                : "bounces are redacted since this connection began: it gives no body");
    }
    if (!check_mail(m, reply)) {
        message_log_refused_mail(m, reply, mail->queue_id);
        message_free(m);
        return MESSAGE_REFUSE;
    }
    *out = m;
    return MESSAGE_CONTINUE;
}

void message_free(struct message *m)
{
    struct runtime *runtime;
    bool awaited;

    if (m == NULL)
        return;
    runtime = m->runtime;
    awaited = m->awaited;
    message_count_refused(m);
    for (size_t i = 0; i < m->recipient_count; i++)
        recipient_fini(&m->recipients[i]);
    free(m->recipients);
    for (size_t i = 0; i < m->header_count; i++)
        free((void *)(uintptr_t)m->headers[i].name); /* the value lives in the same memory */
    free(m->headers);
    message_free_tickets(m);
    free(m->sender_arg);
    free(m->sender_meant);
    free(m->login);
    free(m->envid);
    free(m->auth);
    free(m->by);
    free(m->sender_now);
    bounce_free(m->bounce);
    config_unref(m->config);
    free(m);
    runtime_message_end(runtime, awaited);
}
