/*
 * The envelope and the content of a transaction, as they come: lmtp_transaction_new, then
 * lmtp_transaction_rcpt, _begin and _content; lmtp_transaction_free in any state. What becomes of
 * it then is lmtp_results.c.
 *
 * Where no ticket is wanted, the next-hop is known at RCPT: a recipient without one, and a next-hop
 * that has its share of connections, are told there.
 */
#include "deliver/lmtp_transaction_internal.h"

#include "policy/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* Of all messages together that may be in memory; those beyond it are in files. */
    MEMORY_MAX = 64 * 1024 * 1024,
    MEMORY_LEAST = 16 * 1024, /* that each has nevertheless */
};

static const struct config_deliver_socket *find_socket(const struct config *config,
                                                       const char *name)
{
    for (size_t i = 0; i < config->deliver.socket_count; i++) {
        if (strcmp(config->deliver.sockets[i].name, name) == 0)
            return &config->deliver.sockets[i];
    }
    return NULL;
}

int lmtp_transaction_new(const struct lmtp_transaction_config *config, const struct smtp_mail *mail,
                         struct lmtp_transaction **out)
{
    const struct config_deliver_socket *socket = find_socket(config->config, config->socket);
    struct lmtp_transaction *t;

    if (socket == NULL)
        return -ENOENT;
    t = calloc(1, sizeof(*t));
    if (t == NULL)
        return -ENOMEM;
    t->c = *config;
    t->socket = socket;
    t->c.socket = socket->name;
    t->begin_ms = clock_awake_ms();
    config_ref(t->c.config);
    arena_init(&t->arena);
    t->mail = *mail;
    t->mail.sender = arena_string(&t->arena, mail->sender);
    if (mail->envid != NULL)
        t->mail.envid = arena_string(&t->arena, mail->envid);
    if (t->mail.sender == NULL || (mail->envid != NULL && t->mail.envid == NULL)) {
        lmtp_transaction_free(t);
        return -ENOMEM;
    }
    *out = t;
    return 0;
}

void lmtp_transaction_free(struct lmtp_transaction *t)
{
    if (t == NULL)
        return;
    for (struct lmtp_group *g = t->groups; g != NULL; g = g->next) {
        if (g->delivery != NULL)
            delivery_cancel(g->delivery);
    }
    t->c.shared->memory -= t->memory;
    content_unref(t->content);
    content_header_fini(&t->header);
    arena_fini(&t->arena);
    config_unref(t->c.config);
    free(t);
}

/* Whether it is known already that a recipient cannot be delivered to, or not now. */
static bool refused_at_rcpt(const struct lmtp_transaction *t, const char *address,
                            struct outcome *refused)
{
    struct treatment treatment;

    if (t->socket->tickets) /* its next-hop is in the ticket */
        return false;
    if (!lmtp_transaction_decide(t, address, &treatment, refused)) {
        lmtp_transaction_report(t, address, NULL, refused);
        return true;
    }
    if (!agent_is_busy(t->c.shared->agent, &treatment.nexthop))
        return false;
    outcome_local(451, "4.3.2", "this next-hop has its share of connections", refused);
    lmtp_transaction_report(t, address, &treatment, refused);
    return true;
}

static bool add_recipient(struct lmtp_transaction *t, const struct smtp_rcpt *rcpt)
{
    struct lmtp_recipient *all = arena_grow(&t->arena, t->recipients, t->recipient_count,
                                            sizeof(*all)),
                          *r;

    if (all == NULL)
        return false;
    t->recipients = all;
    r = &all[t->recipient_count];
    *r = (struct lmtp_recipient){.rcpt.notify = rcpt->notify};
    r->rcpt.address = arena_string(&t->arena, rcpt->address);
    if (rcpt->orcpt != NULL)
        r->rcpt.orcpt = arena_string(&t->arena, rcpt->orcpt);
    if (r->rcpt.address == NULL || (rcpt->orcpt != NULL && r->rcpt.orcpt == NULL))
        return false;
    t->recipient_count++;
    return true;
}

struct lmtp_reply lmtp_transaction_rcpt(struct lmtp_transaction *t, const struct smtp_rcpt *rcpt)
{
    struct outcome refused;

    if (refused_at_rcpt(t, rcpt->address, &refused))
        return lmtp_transaction_reply(t, &refused);
    if (!add_recipient(t, rcpt))
        return (struct lmtp_reply){451, "4.3.0", "out of memory"};
    return (struct lmtp_reply){250, "2.1.5", "ok"};
}

int lmtp_transaction_begin(struct lmtp_transaction *t)
{
    t->memory_max = CONTENT_MEMORY_MAX;
    t->content = content_new(t->c.config->deliver.content_dir, t->memory_max);
    return t->content != NULL ? 0 : -ENOMEM;
}

/* When all messages together have too much, this one has the least. */
static int write_content(struct lmtp_transaction *t, const char *octets, size_t len)
{
    if (t->c.shared->memory >= MEMORY_MAX && t->memory_max > MEMORY_LEAST) {
        t->memory_max = MEMORY_LEAST;
        content_limit(t->content, t->memory_max);
    }
    return content_write(t->content, octets, len);
}

/* Counts what the content has in memory; in a file it needs none. */
static void count_memory(struct lmtp_transaction *t)
{
    uint64_t size = content_size(t->content);

    if (size > t->memory_max)
        size = 0;
    t->c.shared->memory += size - t->memory;
    t->memory = size;
}

static int keep(struct lmtp_transaction *t, const char *octets, size_t len)
{
    uint64_t max = t->c.config->deliver.max_message;
    struct octets *kept = &t->c.shared->kept;
    int error;

    t->octets += len;
    if (max != 0 && t->octets > max)
        return -EMSGSIZE;
    if (t->header.ended)
        return write_content(t, octets, len);
    kept->len = 0;
    error = content_header_piece(&t->header, octets, len, kept);
    if (error == 0)
        error = write_content(t, kept->buf, kept->len);
    kept->len = 0;
    return error;
}

void lmtp_transaction_content(struct lmtp_transaction *t, const char *octets, size_t len)
{
    if (t->error != 0)
        return;
    t->error = keep(t, octets, len);
    if (t->error == 0) {
        count_memory(t);
        return;
    }
    t->c.shared->memory -= t->memory;
    t->memory = 0;
    content_unref(t->content); /* nobody will read it */
    t->content = NULL;
}
