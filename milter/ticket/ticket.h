/*
 * Tickets: how the filter tells the delivery agent what one recipient's copy asks for. A ticket is
 * a header field `X-REQUIRETLS-Ticket` that names everything but the sender and the recipient,
 * which are covered by its MAC alone, so that a copy does not show who else got one. Only who knows
 * the key can make one. Pure.
 */
#ifndef MILTER_TICKET_TICKET_H
#define MILTER_TICKET_TICKET_H

#include "config/config_setting.h"
#include "policy/nexthop.h"
#include "policy/verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TICKET_HEADER "X-REQUIRETLS-Ticket"

enum {
    TICKET_QUEUE_ID_MAX = 64,
    TICKET_TEXT_MAX = 900,     /* octets of a field's value; a header line holds it */
    TICKET_ADDRESS_MAX = 1024, /* of sender and recipient; more than RFC 5321 allows */
    TICKET_KEY_LEN = 32,
    TICKET_KEYS_MAX = 8,
    TICKETS_MAX = 1000,  /* of a message: the agent looks at no more */
    TICKET_EARLY_S = 60, /* that clocks may differ by */
};

/* Keys, the first of which signs; all of them verify (HMAC-SHA-256, RFC 2104). */
struct ticket_keys {
    uint8_t keys[TICKET_KEYS_MAX][TICKET_KEY_LEN];
    size_t count; /* 0: nothing can be signed, and nothing verifies */
};

enum ticket_request { TICKET_NONE, TICKET_OPTIONAL, TICKET_REQUIRE };

struct ticket {
    char queue_id[TICKET_QUEUE_ID_MAX + 1]; /* "" if it was not known */
    enum ticket_request request;
    enum verdict_level level;
    bool require_offer; /* the next server must offer REQUIRETLS; of TICKET_REQUIRE at enforce */
    enum config_fallback fallback;
    char nexthop[NEXTHOP_TEXT_MAX + 1]; /* the MTA's, in the canonical form of nexthop_parse; "":
                                           the address has none */
    int64_t made_at_s;                  /* wall clock, seconds since 1970 */
};

/* Whom it is for; without brackets, "" is the null reverse-path. Local parts are compared octet by
 * octet, quoted or not (RFC 5321 section 4.1.2), domains without regard to case. */
struct ticket_envelope {
    const char *sender;
    const char *recipient;
};

/* Sets the queue id, or "" if it is NULL or not such as a ticket can name: letters, digits, dots,
 * hyphens, underscores. */
void ticket_set_queue_id(struct ticket *ticket, const char *queue_id);

/* Writes the field's value: printable ASCII without blanks, so that nobody folds it. Returns 0,
 * -EINVAL (something of it cannot be said, or there is no key), or -ENOMEM. */
int ticket_write(const struct ticket *ticket, const struct ticket_envelope *envelope,
                 const struct ticket_keys *keys, char out[TICKET_TEXT_MAX + 1]);

enum ticket_status {
    TICKET_VALID,
    TICKET_MALFORMED,
    TICKET_FORGED,    /* no key gives its MAC for this envelope: also one for another recipient */
    TICKET_EXPIRED,   /* older than life_s */
    TICKET_PREMATURE, /* made later than now, by more than TICKET_EARLY_S */
};

/* Reads the value of a field, which may have folding white space around it, for an envelope. *out
 * is all zero unless it is TICKET_VALID. The comparison of MACs takes the same time wherever they
 * differ. */
enum ticket_status ticket_read(const char *value, size_t len,
                               const struct ticket_envelope *envelope,
                               const struct ticket_keys *keys, int64_t now_s, int64_t life_s,
                               struct ticket *out);

const char *ticket_status_text(enum ticket_status status); /* for a log: "expired", ... */

#endif
