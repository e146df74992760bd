/*
 * What may become of a message in a situation, from RFC 8689, RFC 7672, RFC 8461 and the agent's
 * manual alone. Shares no code and no type with the agent.
 */
#ifndef TESTS_DELIVER_PROPERTY_MODEL_H
#define TESTS_DELIVER_PROPERTY_MODEL_H

#include "situation.h"

enum { ANSWERS_MAX = 32 };

struct model {
    /* Where the message may be said at all, and how. */
    struct allowed {
        bool connected; /* a host that counts */
        bool mail;      /* MAIL FROM and what follows */
        bool in_clear;  /* without TLS, too */
        bool in_tls;
        bool requiretls;     /* MAIL FROM has it, in TLS */
        bool may_requiretls; /* with and without (before and after a fallback) */
        bool ret_hdrs;       /* and RET=HDRS */
        bool may_ret_hdrs;
    } allowed[HOSTS_MAX][FAMILIES];
    bool may_fall_back;
    /* Replies that are right, `code enhanced`; an enhanced code that ends in `.` stands for any
     * that begins so. */
    char answers[ANSWERS_MAX][32];
    size_t answer_count;
};

void model_make(const struct situation *s, unsigned delivery, struct model *out);

bool model_accepts(const struct model *model, int code, const char *enhanced);

#endif
