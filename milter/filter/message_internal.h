/*
 * What the files message*.c share: the message itself and what each does for the others. Nobody
 * else includes this. A message belongs to one thread at a time.
 */
#ifndef MILTER_FILTER_MESSAGE_INTERNAL_H
#define MILTER_FILTER_MESSAGE_INTERNAL_H

#include "filter/bounce.h"
#include "filter/message.h"
#include "filter/recipient.h"

struct routing;

struct message {
    struct runtime *runtime;
    struct config *config; /* our reference */
    struct message_client client;
    struct envelope_address sender;
    char *sender_arg;   /* as the MTA gave it */
    char *sender_now;   /* its macro f at MAIL; NULL: it has none */
    char *sender_meant; /* for rules, see mailbox_meant(); NULL until MAIL */
    char *login;        /* NULL: not authenticated */
    char *envid;        /* NULL: none; so the next two */
    char *auth;
    char *by;
    bool tls;
    bool trusted;

    struct request_mail mail;
    struct request_header header;
    struct rules_facts facts;
    bool awaited;      /* it has a request: a stop of the daemon waits for its end */
    bool may_be_asked; /* some recipient may require or waive TLS before the header is seen */

    struct rules_header *headers; /* copies, for rules that look at them */
    size_t header_count;
    size_t header_octets;
    bool headers_lost;       /* too many: what rules would have said is not known */
    unsigned route_headers;  /* forged ones */
    unsigned ticket_headers; /* tickets that came with the message */
    char **tickets;          /* by an exit listener: the values of the first, or NULL */
    bool loopback;           /* it came by SMTP, from this host itself */
    bool exit_listener; /* by a listener with a rule for an exit route: a second smtpd of this host
                         */
    bool received;      /* a Received field was seen */
    bool reinjected;    /* exit_listener, or this host has reinjected it before, as it says */

    struct recipient *recipients;
    size_t recipient_count;
    size_t recipient_cap;
    int64_t rcpt_waited_ms; /* of rcpt_wait, by all recipients together */
    bool bound;             /* some recipient's copy requires TLS: none waives it */
    bool rejected;          /* some recipient was, at RCPT */
    bool deferred;          /* likewise, for now */
    bool reserved;          /* an address has a routing tag: refused at end-of-message */

    struct bounce *bounce; /* ours; NULL: not a bounce, or none that may be redacted */
};

extern const char message_no_memory[]; /* a reason for message_fail */

/* --- message.c */

bool message_has_null_sender(const struct message *message);

/* Has a stop of the daemon wait for the message: it is known now that it has a request, of either
 * kind. */
void message_await(struct message *message);

/* Whether Require-TLS-ESMTP of this client counts. */
bool message_is_believed(const struct message *message);

/*
 * Whether the MTA itself holds the message to REQUIRETLS when it sends it, as Postfix 3.11 does for
 * what its client asked for. A header field is certain to count only where it does for everyone.
 */
bool message_mta_enforces(const struct message *message);

/*
 * Locally submitted mail has nobody who could be told about one recipient: Postfix then keeps the
 * message and tries for ever. Its refusals wait for end-of-message, when the whole of it
 * bounces.
 */
bool message_is_local_submission(const struct message *message);

/* --- message_log.c: queue ids may be NULL */

/* The sender for the log. What is no address stands as the client sent it: `<>` would be the null
 * sender. */
const char *message_shown_sender(const struct message *message);

/* The client learns of a temporary failure only; the administrator is told why. */
enum message_step message_fail(int priority, const char *queue_id, const char *why);

void message_log_refused_mail(const struct message *message, const struct reply *reply,
                              const char *queue_id);

/* Counts a message that ends without any recipient, if that is our doing. */
void message_count_refused(const struct message *message);

/* One recipient's line, with the action that was taken in the end; `reason`, if not NULL, stands in
 * for that of the decision. Needs an outcome. */
void message_log_recipient(const struct message *message, const struct recipient *recipient,
                           const char *queue_id, enum decide_action action, const char *reason);

/* The same with the action that was decided; nothing for a recipient without outcome. */
void message_log_settled(const struct message *message, const struct recipient *recipient,
                         const char *queue_id);

/* Counts the message as a whole, under the strictest request of its recipients. */
void message_count(const struct message *message, enum metrics_action action);

/* --- message_header.c */

/* Whether Require-TLS-ESMTP fields are to be removed, so that no later hop believes them, where the
 * message requires no TLS. `reinjects`: the next hop is a second smtpd of this host. */
bool message_drops_require(const struct message *message, bool reinjects);

/* --- message_waiver.c */

/*
 * Whether the TLS-Required fields of a message that requires TLS are to be removed, since somebody
 * who is not told REQUIRETLS would go by them (RFC 8689 section 4.1). What a signature covers
 * stays, and so does what a bounce has, which is to arrive. `marked`: the message has
 * `Require-TLS-ESMTP: yes` when it leaves this filter.
 */
bool message_drops_waiver(const struct message *message, bool marked);

/* Why the MTA, Postfix 3.11, would not hold the message to what its route demands, TLS-Required: No
 * being in it; NULL: it will. To remove the field would be too late. */
const char *message_lowered(const struct message *message);

/* --- message_rcpt.c */

/* Settles what can be settled now. Returns 0 or -ENOMEM. */
int message_settle(struct message *message, struct recipient *recipient,
                   const struct recipient_wait_policy *wait_policy);

/* Has those recipients observed that a rule says so of and that ask for nothing themselves. When
 * the message goes on, and the header is known. */
void message_observe(const struct message *message, const char *queue_id);

/*
 * A message is sent as a whole: where one recipient's copy requires TLS by a rule and another's
 * waives it, all require it (RFC 8689 section 4.1 tags all copies alike). To be called when what
 * each asks for is known. Returns whether recipients are to be settled anew.
 */
bool message_bind(struct message *message);

/* --- message_ticket.c */

/* Takes a ticket field. */
void message_take_ticket(struct message *message, const char *value);
void message_free_tickets(struct message *message);

/* Whether end-of-message may have tickets to remove or to write. When all recipients are settled.
 */
bool message_has_ticket_work(const struct message *message);

/* Whether more tickets are to be written than the agent looks at. `routing` NULL: the routes are
 * not chosen yet, and some of them need not be. */
bool message_has_too_many_tickets(const struct message *message, const struct routing *routing);

/* Whether tickets are to be written, and there is no key to sign them with. */
bool message_lacks_ticket_keys(const struct message *message, const struct routing *routing);

/*
 * Removes the tickets that came with the message, and writes one for each recipient whose mail the
 * delivery agent gets. `sender`: what an earlier filter has made of it, without brackets; NULL: it
 * is as it was at MAIL. Returns false when a ticket could not be made, or the MTA failed to take a
 * change.
 */
bool message_apply_tickets(const struct message *message, const struct routing *routing,
                           const char *queue_id, const char *sender, const struct message_ops *ops);

/* --- message_seen.c */

/* Whether the client is this host, over SMTP and the loopback interface. */
bool message_is_from_loopback(const struct message *message);

/*
 * Whether the message came by a second smtpd of this host, as its listener alone can tell: it has
 * the name of one whose mail a rule gives an exit route ({daemon_name}), and this host is the
 * client.
 */
bool message_is_by_exit_listener(const struct message *message);

/*
 * Whether a Received field has the queue id of a message that this host has reinjected. Asked of
 * the newest one of mail from this host itself, it shows a mail loop where rules for the second
 * smtpd are missing; it may be forged, and lets nothing out.
 */
bool message_was_reinjected(const struct message *message, const char *value);

/* Bounces name the message that bounced by its queue id, which MTAs may reuse: keeps the id of
 * a message that requires TLS, forgets that of another. At end-of-message: waits for a moment until
 * the id is in the file that outlives this process. */
void message_remember(const struct message *message, const char *queue_id, bool require);

/* The same as soon as the request is known, so that the file is written while the rest of the
 * message comes in. That of a message which is refused then stays: its number may be reused. */
void message_remember_early(const struct message *message, const char *queue_id);

/* Keeps the id of a message that goes to a second smtpd. */
void message_remember_reinjected(const struct message *message, const char *queue_id);

#endif
