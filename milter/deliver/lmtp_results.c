/*
 * What becomes of the recipients of a transaction whose content has ended: lmtp_transaction_deliver
 * decides how each is treated (lmtp_transaction_decide) and starts a delivery for each treatment;
 * lmtp_transaction_next gives the replies, in order, as they are known. A recipient whose treatment
 * is in doubt, and a content that could not be kept, are 451.
 */
#include "base/log.h"
#include "deliver/lmtp_transaction_internal.h"
#include "deliver/report.h"
#include "policy/clock.h"

#include <errno.h>
#include <string.h>

void lmtp_transaction_report(const struct lmtp_transaction *t, const char *address,
                             const struct treatment *treatment, const struct outcome *outcome)
{
    const struct delivery_result result = {.outcome = *outcome, .treatment = treatment};
    const struct report_recipient recipient = {
        .address = address,
        .result = &result,
        .delay_s = (double)(clock_awake_ms() - t->begin_ms) / 1000,
    };

    report_recipient(t->c.shared->metrics, &recipient);
}

static void treatment_facts_of(const struct lmtp_transaction *t, const char *recipient,
                               struct treatment_facts *facts)
{
    *facts = (struct treatment_facts){
        .config = t->c.config,
        .socket = t->socket,
        .sender = t->mail.sender,
        .recipient = recipient,
        .mail_requiretls = t->mail.requiretls,
        .header = &t->header.request,
        .tickets = t->header.tickets,
        .ticket_count = t->header.ticket_count,
        .keys = t->c.shared->keys,
        .now_s = clock_wall_s(),
    };
}

bool lmtp_transaction_decide(const struct lmtp_transaction *t, const char *recipient,
                             struct treatment *out, struct outcome *refused)
{
    enum ticket_status ticket_status;
    struct treatment_facts facts;
    char to[SMTP_ADDRESS_MAX + 1];

    treatment_facts_of(t, recipient, &facts);
    switch (treatment_decide(&facts, out, &ticket_status)) {
    case TREATMENT_OK:
        return true;
    case TREATMENT_BAD_DOMAIN:
        outcome_local(550, "5.1.2", "the recipient has no domain to send it to", refused);
        return false;
    case TREATMENT_NO_TICKET:
        log_msg(LOG_WARNING,
                "deliver %s: to=<%s>: no valid %s field (%s): is ticket_key the filter's, and does "
                "all mail of this socket pass it?",
                t->socket->name, log_quote_field(recipient, to, sizeof(to)), TICKET_HEADER,
                facts.ticket_count == 0  ? "there is none"
                : facts.keys->count == 0 ? "the agent has no key yet"
                                         : ticket_status_text(ticket_status));
        break;
    }
    outcome_local(451, "4.3.5", "the message has no valid ticket for this recipient", refused);
    return false;
}

struct lmtp_reply lmtp_transaction_reply(struct lmtp_transaction *t, const struct outcome *outcome)
{
    struct lmtp_reply reply = {
        .code = outcome->code,
        .enhanced = arena_string(&t->arena, outcome->enhanced),
        .text = arena_string(&t->arena, outcome->text),
    };

    if (reply.enhanced == NULL || reply.text == NULL)
        reply = (struct lmtp_reply){451, "4.3.0", "out of memory"};
    return reply;
}

static void end_content(struct lmtp_transaction *t)
{
    struct octets *kept = &t->c.shared->kept;

    if (t->error != 0)
        return;
    kept->len = 0;
    t->error = content_header_end(&t->header, kept);
    if (t->error == 0)
        t->error = content_write(t->content, kept->buf, kept->len);
    kept->len = 0;
    if (t->error == 0 && request_waiver_goes(&t->header.request, t->mail.sender[0] == '\0'))
        content_set_parts(t->content, t->header.waivers, t->header.waiver_count);
}

/* Why the content could not be kept. */
static void outcome_of_error(const struct lmtp_transaction *t, struct outcome *out)
{
    if (t->error == -EMSGSIZE) {
        outcome_local(552, "5.3.4", "the message is larger than max_message", out);
        return;
    }
    log_msg(LOG_ERR, "deliver %s: a message cannot be kept in %s: %s", t->socket->name,
            t->c.config->deliver.content_dir, strerror(-t->error));
    outcome_local(451, "4.3.0", "the message cannot be kept", out);
}

static struct lmtp_group *find_group(struct lmtp_transaction *t, const struct treatment *treatment)
{
    struct lmtp_group **at = &t->groups;

    while (*at != NULL) {
        if (treatment_equal(&(*at)->treatment, treatment))
            return *at;
        at = &(*at)->next;
    }
    *at = arena_zalloc(&t->arena, sizeof(**at));
    if (*at != NULL) {
        (*at)->transaction = t;
        (*at)->treatment = *treatment;
    }
    return *at;
}

/* Puts the recipient into the group of its treatment, or knows its reply. */
static void sort_recipient(struct lmtp_transaction *t, struct lmtp_recipient *recipient)
{
    const char *address = recipient->rcpt.address;
    struct treatment treatment;
    struct outcome refused;

    if (!lmtp_transaction_decide(t, address, &treatment, &refused)) {
        lmtp_transaction_report(t, address, NULL, &refused);
        recipient->reply = lmtp_transaction_reply(t, &refused);
        return;
    }
    recipient->group = find_group(t, &treatment);
    if (recipient->group != NULL) {
        recipient->group->mail.rcpt_count++;
        return;
    }
    outcome_local(451, "4.3.0", "out of memory", &refused);
    lmtp_transaction_report(t, address, &treatment, &refused);
    recipient->reply = lmtp_transaction_reply(t, &refused);
}

/* delivery_done_fn */
static void on_done(const struct delivery_result *results, size_t count, void *arg)
{
    struct lmtp_group *group = arg;
    struct lmtp_transaction *t = group->transaction;

    group->delivery = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct report_recipient recipient = {
            .address = group->rcpts[i].address,
            .result = &results[i],
            .delay_s = (double)(clock_awake_ms() - t->begin_ms) / 1000,
        };

        report_recipient(t->c.shared->metrics, &recipient);
        group->recipients[i]->reply = lmtp_transaction_reply(t, &results[i].outcome);
    }
    t->c.on_known(t->c.arg);
}

/* All that a delivery needs; false without memory. */
static bool fill_group(struct lmtp_transaction *t, struct lmtp_group *group)
{
    size_t count = group->mail.rcpt_count, n = 0;

    group->rcpts = arena_zalloc(&t->arena, count * sizeof(*group->rcpts));
    group->recipients = arena_zalloc(&t->arena, count * sizeof(struct lmtp_recipient *));
    if (group->rcpts == NULL || group->recipients == NULL)
        return false;
    for (size_t i = 0; i < t->recipient_count; i++) {
        if (t->recipients[i].group != group)
            continue;
        group->rcpts[n] = t->recipients[i].rcpt;
        group->recipients[n++] = &t->recipients[i];
    }
    group->mail = t->mail;
    group->mail.size = content_size(t->content);
    group->mail.requiretls = false; /* the treatment says it */
    group->mail.rcpts = group->rcpts;
    group->mail.rcpt_count = count;
    return true;
}

static bool start_group(struct lmtp_transaction *t, struct lmtp_group *group)
{
    if (!fill_group(t, group))
        return false;
    const struct delivery_request request = {
        .treatment = &group->treatment,
        .mail = &group->mail,
        .content = t->content,
        .config = t->c.config,
        .done = on_done,
        .arg = group,
    };

    return delivery_start(t->c.shared->agent, &request, &group->delivery) == 0;
}

static void refuse_group(struct lmtp_transaction *t, const struct lmtp_group *group)
{
    struct outcome refused;

    outcome_local(451, "4.3.0", "out of memory", &refused);
    for (size_t i = 0; i < t->recipient_count; i++) {
        if (t->recipients[i].group != group)
            continue;
        lmtp_transaction_report(t, t->recipients[i].rcpt.address, &group->treatment, &refused);
        t->recipients[i].reply = lmtp_transaction_reply(t, &refused);
    }
}

void lmtp_transaction_deliver(struct lmtp_transaction *t)
{
    struct outcome refused;

    end_content(t);
    if (t->error != 0)
        outcome_of_error(t, &refused);
    for (size_t i = 0; i < t->recipient_count; i++) {
        if (t->error == 0) {
            sort_recipient(t, &t->recipients[i]);
            continue;
        }
        lmtp_transaction_report(t, t->recipients[i].rcpt.address, NULL, &refused);
        t->recipients[i].reply = lmtp_transaction_reply(t, &refused);
    }
    for (struct lmtp_group *group = t->groups; group != NULL; group = group->next) {
        if (!start_group(t, group))
            refuse_group(t, group);
    }
    content_unref(t->content); /* each delivery has its own reference */
    t->content = NULL;
}

void lmtp_transaction_stop(struct lmtp_transaction *t)
{
    for (struct lmtp_group *group = t->groups; group != NULL; group = group->next) {
        if (group->delivery != NULL)
            delivery_stop(group->delivery);
    }
}

bool lmtp_transaction_next(struct lmtp_transaction *t, struct lmtp_reply *out)
{
    if (t->told == t->recipient_count || t->recipients[t->told].reply.code == 0)
        return false;
    *out = t->recipients[t->told++].reply;
    return true;
}
