/*
 * The recipients of a message: RCPT, and settling them at any time. RFC 8689 section 4.2.1.
 */
#include "filter/message_internal.h"

#include "base/log.h"
#include "decide/agent_socket.h"
#include "decide/mailbox.h"
#include "filter/observe.h"
#include "filter/routing.h"
#include "policy/clock.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What one message may make us keep. A client that sends more is told to split it (RFC 5321 section
 * 4.5.3.1.10); locally submitted mail has nobody to tell, and its recipients are in the MTA's queue
 * already. */
enum { RECIPIENTS_MAX = 10000 };

/* Reinjected mail says no more who its client was: that this host hands it on vouches for nobody.
 */
static enum decide_probe probe_for(const struct message *m)
{
    return decide_client_probe(m->config, m->login != NULL, m->trusted && !m->reinjected);
}

static struct recipient_context context_of(const struct message *m)
{
    return (struct recipient_context){
        .config = m->config,
        .engine = runtime_engine(m->runtime),
        .limiter = runtime_limiter(m->runtime),
        .facts = &m->facts,
        .mail = &m->mail,
        .header = &m->header,
        .believed = message_is_believed(m),
        .null_sender = message_has_null_sender(m),
        .mta_requiretls = message_mta_enforces(m),
        .mta_may_enforce =
            m->client.mta_requiretls && (m->mail.parameter || m->header.require_esmtp > 0),
        .bound = m->bound,
        .probe = probe_for(m),
    };
}

int message_settle(struct message *m, struct recipient *r,
                   const struct recipient_wait_policy *wait_policy)
{
    struct recipient_context context = context_of(m);
    int error;

    if (r->settled)
        return 0;
    error = recipient_settle(r, &context, wait_policy);
    routing_decide(r, m->reinjected);
    return error;
}

bool message_bind(struct message *m)
{
    bool requires = false, waives = false;

    for (size_t i = 0; i < m->recipient_count; i++) {
        requires |= m->recipients[i].asked.request == DECIDE_REQUEST_REQUIRE;
        waives |= m->recipients[i].asked.request == DECIDE_REQUEST_OPTIONAL;
    }
    if (!requires || !waives)
        return false;
    m->bound = true;
    for (size_t i = 0; i < m->recipient_count; i++) {
        struct recipient *r = &m->recipients[i];

        if (r->asked.request == DECIDE_REQUEST_OPTIONAL) {
            free(r->outcome);
            r->outcome = NULL;
            r->settled = false;
            routing_decide(r, m->reinjected);
        }
    }
    return true;
}

void message_observe(const struct message *m, const char *queue_id)
{
    struct observer *observer = runtime_observer(m->runtime);
    struct recipient_context context;

    for (size_t i = 0; i < m->recipient_count && observer != NULL; i++) {
        struct observe_args args = {.config = m->config,
                                    .recipient = &m->recipients[i],
                                    .context = &context,
                                    .queue_id = queue_id,
                                    .from = message_shown_sender(m)};

        if (!args.recipient->asked.observe)
            continue;
        context = context_of(m);
        context.observed = true;
        context.bound = false;
        /* As if REQUIRETLS had come in MAIL. */
        context.mta_requiretls = context.mta_may_enforce = m->client.mta_requiretls;
        observer_take(observer, &args);
    }
}

/* Room for one more, or NULL. */
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
    struct recipient_wait_policy wait_policy = {.mode = RECIPIENT_TRY};
    int64_t before_ms = r->waited_ms;
    int error;

    wait_policy.deadline_ms = clock_awake_ms() + m->config->milter.rcpt_wait_ms - m->rcpt_waited_ms;
    error = message_settle(m, r, &wait_policy);
    m->rcpt_waited_ms += r->waited_ms - before_ms;
    return error;
}

/* sendmail's mailer for a route is called as the route, with `rtls` before it. */
static bool is_mailer_of_route(const struct config *config, const char *mailer)
{
    static const char prefix[] = "rtls";

    if (mailer == NULL || strncasecmp(mailer, prefix, strlen(prefix)) != 0)
        return false;
    for (size_t i = 0; i < config->route_count; i++) {
        if (config->routes[i].method == CONFIG_METHOD_RECIPIENT &&
            strcasecmp(mailer + strlen(prefix), config->routes[i].name) == 0)
            return true;
    }
    return false;
}

/* Whether it has a routing tag, in the spelling of the client or once the MTA has made sense of
 * that: nobody but this filter puts a recipient on a route. */
static bool is_reserved(const struct config *config, const struct envelope_address *address,
                        const struct message_recipient *recipient)
{
    const char *tag = config->milter.tag;
    const char *at = recipient->resolved != NULL ? strrchr(recipient->resolved, '@') : NULL;

    return envelope_is_tagged(address->domain, tag) ||
           envelope_is_tagged(at != NULL ? at + 1 : NULL, tag) ||
           envelope_is_tagged(recipient->host, tag) ||
           is_mailer_of_route(config, recipient->mailer);
}

enum message_step message_rcpt(struct message *m, const struct message_recipient *recipient,
                               struct reply *reply)
{
    struct envelope_address address;
    char taggable[ENVELOPE_ADDRESS_MAX + 1];
    bool parsed = envelope_parse(recipient->address, &address) == 0;
    bool reserved = is_reserved(m->config, &address, recipient);
    struct recipient_args args = {.arg = recipient->address,
                                  .address = parsed ? &address : NULL,
                                  .taggable = taggable,
                                  .host = recipient->host,
                                  .mailer = recipient->mailer,
                                  .agent = agent_socket_find(m->config, recipient->host)};
    const char *queue_id = recipient->queue_id;
    struct recipient *r;

    if (m->recipient_count >= RECIPIENTS_MAX && !message_is_local_submission(m)) {
        reply_set_fixed(reply, REPLY_TOO_MANY_RECIPIENTS);
        return MESSAGE_REFUSE;
    }
    if (reserved && !message_is_local_submission(m)) {
        reply_set_reserved(reply, address.text, m->mail.parameter || m->mail.marker);
        return MESSAGE_REFUSE;
    }
    m->reserved |= reserved;
    if (!parsed || !mailbox_qualify(address.text, recipient->resolved, recipient->own_host,
                                    taggable, sizeof(taggable)))
        args.taggable = NULL;
    if (parsed)
        args.meant = mailbox_meant(address.text, recipient->resolved);
    request_read_rcpt(recipient->params, &args.params);
    r = next_recipient(m);
    if (r == NULL || recipient_init(r, &args) != 0)
        return message_fail(LOG_ERR, queue_id, message_no_memory);
    if (m->may_be_asked && settle_at_rcpt(m, r) != 0) {
        recipient_fini(r);
        return message_fail(LOG_ERR, queue_id, message_no_memory);
    }
    if (r->settled && recipient_is_refused(r) && !message_is_local_submission(m)) {
        decide_reply(&r->outcome->decision, r->shown, r->asked.asker, reply);
        message_log_settled(m, r, queue_id);
        m->rejected |= reply->code >= 500;
        m->deferred |= reply->code < 500;
        recipient_fini(r);
        return MESSAGE_REFUSE;
    }
    m->recipient_count++;
    if (message_has_too_many_tickets(m, NULL) && !message_is_local_submission(m)) {
        m->recipient_count--;
        recipient_fini(r);
        reply_set_fixed(reply, REPLY_TOO_MANY_RECIPIENTS);
        return MESSAGE_REFUSE;
    }
    if (r->asked.request != DECIDE_REQUEST_NONE)
        message_await(m);
    return MESSAGE_CONTINUE;
}
