/*
 * The recipients of a message: RCPT, and settling them at any time. RFC 8689 section 4.2.1.
 */
#include "message_internal.h"

#include "log.h"

#include <stdlib.h>
#include <string.h>

/* What one message may make us keep. A client that sends more is told to split it (RFC 5321 section
 * 4.5.3.1.10); mail without SMTP has nobody to tell, and its recipients are in the MTA's queue
 * already. */
enum { RECIPIENTS_MAX = 10000 };

static bool is_believed(const struct message *m)
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

int message_settle(struct message *m, struct recipient *r,
                   const struct recipient_patience *patience)
{
    struct recipient_context context = {
        .config = m->config,
        .engine = runtime_engine(m->runtime),
        .gate = runtime_gate(m->runtime),
        .facts = &m->facts,
        .mail = &m->mail,
        .header = &m->header,
        .believed = is_believed(m),
        .null_sender = message_has_null_sender(m),
        .mta_requiretls = m->client.mta_requiretls,
    };

    return r->settled ? 0 : recipient_settle(r, &context, patience);
}

/* A place for one more, or NULL. */
static struct recipient *next_recipient(struct message *m)
{
    if (m->recipient_count == m->recipient_cap) {
        size_t cap = m->recipient_cap > 0 ? 2 * m->recipient_cap : 4;
        struct recipient *more = realloc(m->recipients, cap * sizeof(*more));

        if (more == NULL)
            return NULL;
        m->recipients = more;
        m->recipient_cap = cap;
    }
    return &m->recipients[m->recipient_count];
}

/* Settles the new recipient as far as RCPT allows. */
static int settle_at_rcpt(struct message *m, struct recipient *r)
{
    struct recipient_patience patience = {.mode = RECIPIENT_TRY};
    int64_t before_ms = r->waited_ms;
    int rc;

    patience.deadline_ms = wait_now_ms() + m->config->milter.rcpt_wait_ms - m->rcpt_waited_ms;
    rc = message_settle(m, r, &patience);
    m->rcpt_waited_ms += r->waited_ms - before_ms;
    return rc;
}

/* The longest of our tags that the address ends with. */
static void untag(const struct config *config, struct envelope_address *address)
{
    const char *tag = config->milter.tag;

    for (size_t i = 0; i < config->route_count; i++) {
        const char *own = config->routes[i].tag;

        if (envelope_is_tagged(address->domain, own) && strlen(own) > strlen(tag))
            tag = own;
    }
    envelope_untag(address, tag);
}

enum message_step message_rcpt(struct message *m, const struct message_recipient *recipient,
                               struct reply *reply)
{
    struct envelope_address address;
    bool parsed = envelope_parse(recipient->address, &address) == 0;
    bool tagged = parsed && envelope_is_tagged(address.domain, m->config->milter.tag);
    struct recipient_args args = {.arg = recipient->address,
                                  .address = parsed ? &address : NULL,
                                  .host = tagged ? NULL : recipient->host,
                                  .mailer = tagged ? NULL : recipient->mailer};
    const char *queue_id = recipient->queue_id;
    struct recipient *r;

    if (m->recipient_count >= RECIPIENTS_MAX && !message_is_without_smtp(m)) {
        reply_set(reply, 452, "4.5.3", "Too many recipients");
        return MESSAGE_REFUSE;
    }
    if (tagged && !m->trusted) {
        char shown[130];

        reply_set(reply, 550, "5.1.2", "<%s>: Recipient address rejected: reserved domain",
                  reply_clean(address.text, shown, sizeof(shown)));
        return MESSAGE_REFUSE;
    }
    if (tagged)
        untag(m->config, &address);
    request_read_rcpt(recipient->params, &args.params);
    r = next_recipient(m);
    if (r == NULL || recipient_init(r, &args) != 0)
        return message_fail(LOG_ERR, queue_id, message_no_memory);
    r->marked = tagged;
    if (m->may_be_asked && settle_at_rcpt(m, r) != 0) {
        recipient_fini(r);
        return message_fail(LOG_ERR, queue_id, message_no_memory);
    }
    if (r->settled && recipient_is_refused(r) && !message_is_without_smtp(m)) {
        decide_reply(&r->outcome->decision, r->shown, r->asked.asker, reply);
        message_log_settled(m, r, queue_id);
        m->rejected |= reply->code >= 500;
        m->put_off |= reply->code < 500;
        recipient_fini(r);
        return MESSAGE_REFUSE;
    }
    m->recipient_count++;
    if (r->asked.request != DECIDE_REQUEST_NONE)
        message_await(m);
    return MESSAGE_CONTINUE;
}
