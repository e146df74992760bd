/* A transaction, as lmtp_transaction.c and lmtp_results.c share it. */
#ifndef MILTER_DELIVER_LMTP_TRANSACTION_INTERNAL_H
#define MILTER_DELIVER_LMTP_TRANSACTION_INTERNAL_H

#include "deliver/content_header.h"
#include "deliver/lmtp_transaction.h"
#include "policy/arena.h"

struct lmtp_recipient {
    struct smtp_rcpt rcpt;
    struct lmtp_group *group;
    struct lmtp_reply reply; /* code 0: not known yet */
};

/* Recipients of one treatment, and their delivery. In the arena. */
struct lmtp_group {
    struct lmtp_group *next;
    struct lmtp_transaction *transaction;
    struct treatment treatment;
    struct smtp_mail mail;
    struct smtp_rcpt *rcpts;
    struct lmtp_recipient **recipients; /* in the order of rcpts */
    struct delivery *delivery;          /* NULL: not started, or over */
};

struct lmtp_transaction {
    struct lmtp_transaction_config c;
    struct arena arena;
    const struct config_deliver_socket *socket; /* of the configuration */
    struct smtp_mail mail;
    struct lmtp_recipient *recipients;
    size_t recipient_count;
    size_t told; /* recipients whose reply was taken */
    struct content *content;
    struct content_header header;
    uint64_t octets;   /* of the content as it came */
    size_t memory_max; /* octets that the content may have in memory */
    uint64_t memory;   /* of shared->memory */
    int error;         /* that of keeping the content */
    struct lmtp_group *groups;
    int64_t begin_ms;
};

/* lmtp_results.c: whether the recipient has a treatment; if not, the outcome. */
bool lmtp_transaction_decide(const struct lmtp_transaction *t, const char *recipient,
                             struct treatment *out, struct outcome *refused);

/* lmtp_results.c: logs and counts what became of a recipient that no delivery was begun for.
 * treatment NULL: it has none. */
void lmtp_transaction_report(const struct lmtp_transaction *t, const char *address,
                             const struct treatment *treatment, const struct outcome *outcome);

/* lmtp_results.c: the reply of an outcome, which is copied; 451 without memory. */
struct lmtp_reply lmtp_transaction_reply(struct lmtp_transaction *t, const struct outcome *outcome);

#endif
