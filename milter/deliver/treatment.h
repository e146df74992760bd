/*
 * How one recipient of a message is treated by the delivery agent: what is asked for it, at which
 * level, and where it goes. From its ticket, or from socket, header and rules. Pure.
 */
#ifndef MILTER_DELIVER_TREATMENT_H
#define MILTER_DELIVER_TREATMENT_H

#include "config/config.h"
#include "decide/decide.h"
#include "ticket/ticket.h"

struct treatment {
    enum decide_request request;
    enum verdict_level level; /* of DECIDE_REQUEST_REQUIRE; lower after a fallback */
    bool require_offer;       /* at enforce the server must offer REQUIRETLS */
    enum config_fallback fallback;
    const char *tls_policy; /* of a rule, belongs to the configuration; NULL: none */
    struct nexthop nexthop;
    const char *helo_name; /* belong to the configuration */
    const struct config_list *source;
    char queue_id[TICKET_QUEUE_ID_MAX + 1]; /* "": not known */
};

/* What is known of a recipient when its treatment is decided. Strings are borrowed. */
struct treatment_facts {
    const struct config *config;
    const struct config_deliver_socket *socket; /* the socket that it came by */
    const char *sender;                         /* without brackets; "" is the null sender */
    const char *recipient;
    bool mail_requiretls;                /* MAIL had REQUIRETLS */
    const struct request_header *header; /* Require-TLS-ESMTP, TLS-Required */
    const char *const *tickets;          /* the values of its ticket fields, unfolded */
    size_t ticket_count;
    const struct ticket_keys *keys;
    int64_t now_s; /* wall clock */
};

enum treatment_status {
    TREATMENT_OK,
    /* tickets = yes, and none is valid: 451 4.3.5, `ticket_status` tells why; MALFORMED also where
     * there is none at all. */
    TREATMENT_NO_TICKET,
    TREATMENT_BAD_DOMAIN, /* the recipient has no domain to send it to: 5.1.2 */
};

/*
 * Rules are asked with sender, recipient and next-hop: a rule that looks at the client, its login
 * or TLS, the header or the MTA's listener never matches here. Of several valid tickets the one
 * that demands most counts. *ticket_status is TICKET_VALID where no ticket is wanted.
 */
enum treatment_status treatment_decide(const struct treatment_facts *facts, struct treatment *out,
                                       enum ticket_status *ticket_status);

/* Whether two recipients can go in one transaction. */
bool treatment_equal(const struct treatment *a, const struct treatment *b);

/* After the treatment could be met by no host (outcome_may_fall_back): the lower one that
 * `fallback` allows, of level enforce alone. False: there is none. What it demands is in
 * treatment_demand.h. */
bool treatment_fall_back(struct treatment *treatment);

#endif
