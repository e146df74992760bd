/*
 * What becomes of a recipient: the reply that the MTA gets for it, from what went wrong at each
 * host that was tried. The one owner of codes and sentences of the delivery agent. Pure.
 */
#ifndef MILTER_DELIVER_OUTCOME_H
#define MILTER_DELIVER_OUTCOME_H

#include "decide/decide.h"
#include "deliver/treatment_demand.h"
#include "policy/smtp_session.h"
#include "policy/smtp_transport.h"
#include "policy/tls_peer.h"

enum {
    OUTCOME_TEXT_MAX = 512,
    OUTCOME_RELAY_MAX = NEXTHOP_NAME_MAX + 64,
};

/* Why a host, or an address of it, was left before the message was said. The order of the kinds is
 * that of how far it came; of several the last is told. */
enum outcome_failure {
    OUTCOME_NOT_TRIED,   /* by a limit of ours: of connections to one address, of addresses */
    OUTCOME_LOCAL,       /* memory, descriptors, no source address: says nothing of the host */
    OUTCOME_NOT_REACHED, /* no connection: 4.4.1 */
    OUTCOME_TIMEOUT,     /* 4.4.2 */
    OUTCOME_LOST,        /* connection lost, no SMTP: 4.4.2 */
    OUTCOME_REFUSED,     /* 4yz or 5yz to the connection, EHLO or HELO, 421 to anything, what ends a
                            transaction before the content: 451, the server's words */
    OUTCOME_NO_STARTTLS, /* not offered: 5.7.30 or 4.7.30 at enforce, below 4.7.4 */
    OUTCOME_STARTTLS_4XX,  /* refused with 4yz: 4.7.10, below enforce 4.7.5 */
    OUTCOME_STARTTLS_5XX,  /* refused with 5yz: 5.7.10 or 4.7.10, below 4.7.5 */
    OUTCOME_HANDSHAKE,     /* broken handshake, plaintext behind the 220: 4.7.5 */
    OUTCOME_NOT_VERIFIED,  /* certificate or TLSA: 5.7.10 or 4.7.10, below 4.7.5 */
    OUTCOME_NO_REQUIRETLS, /* 5.7.30 or 4.7.30 */
    OUTCOME_NO_AUTH,       /* AUTH PLAIN not offered, or not for this server: 4.7.0 */
    OUTCOME_AUTH_REFUSED,  /* whatever the server says: 4.7.0 */
    OUTCOME_LACK,          /* SMTPUTF8 5.6.7, 8BITMIME 5.6.3, SIZE 5.3.4: `lack` */
};

struct outcome_attempt {
    size_t host; /* findings->hosts[host]; 0 of an address literal */
    enum outcome_failure failure;
    bool definite;                     /* the host itself has shown it, and will tomorrow */
    enum smtp_lack lack;               /* with OUTCOME_LACK */
    char relay[OUTCOME_RELAY_MAX + 1]; /* host[address]:port */
    char text[OUTCOME_TEXT_MAX];       /* what was wrong, printable; or "" */
    struct smtp_reply reply;           /* of a refusal; code 0: none */
};

/* What a connection has shown that is over, or that is given up. */
struct outcome_seen {
    enum smtp_connection connection;
    enum smtp_outcome session;
    enum smtp_state state;
    const struct smtp_reply *reply;           /* smtp_session_reply */
    const struct smtp_extensions *extensions; /* smtp_session_extensions */
    const struct tls_peer *peer;              /* NULL: there was no handshake */
    enum smtp_lack lack;                      /* of the message, where that is why it is given up */
    const char *text;                         /* smtp_transport_text */
};

/* Sets all but host and relay. Never definite in doubt. */
void outcome_of_connection(const struct outcome_seen *seen, struct outcome_attempt *out);

/* The reply for one recipient. */
struct outcome {
    enum outcome_status { OUTCOME_SENT, OUTCOME_DEFERRED, OUTCOME_BOUNCED } status;
    int code;
    char enhanced[SMTP_ENHANCED_MAX + 1];
    char text[OUTCOME_TEXT_MAX]; /* printable ASCII, one line; begins with `host[address] said:`
                                    where it is another server's word */
};

/*
 * When no host was left. `attempts` in the order in which they were made; `level` that of the
 * demands. A reason is permanent where every host of the plan was reached and said so itself, and
 * the plan is firm.
 */
void outcome_of_attempts(const struct outcome_attempt *attempts, size_t count,
                         const struct treatment_demands *demands, const struct treatment_plan *plan,
                         const struct nexthop *nexthop, struct outcome *out);

/* When the plan has no host to be tried: unsatisfied 5.7.10 with the milter's sentence, undecided
 * 4.4.3, null MX 5.1.10, no such domain 5.1.2, we are the best MX 5.4.6, a tls_policy that cannot
 * be honoured 4.3.5. `findings` NULL: the engine could not be asked, 4.4.3. */
void outcome_of_plan(const struct findings *findings, const struct treatment_demands *demands,
                     const struct treatment_plan *plan, const struct nexthop *nexthop,
                     struct outcome *out);

/* Whether it was the demand of the treatment that no host could meet, so that `fallback` applies:
 * of attempts, where each host of a firm plan was reached and failed in TLS, authentication or
 * REQUIRETLS; of a plan without hosts, where what is published is definitely not enough. */
bool outcome_may_fall_back(const struct outcome_attempt *attempts, size_t count,
                           const struct treatment_demands *demands,
                           const struct treatment_plan *plan);

/* What the server said of the recipient in a transaction, `session` being how the session stands,
 * and its last reply. `relay` is host[address]. */
void outcome_of_rcpt(const struct smtp_rcpt_result *result, enum smtp_outcome session,
                     const struct smtp_reply *last, const char *relay, struct outcome *out);

/* Of this host alone: 451 4.3.0 (memory, disk), 4.3.2 (busy), 4.4.2 (setup_timeout), 4.3.5. */
void outcome_local(int code, const char *enhanced, const char *text, struct outcome *out);

#endif
