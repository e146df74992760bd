/*
 * One message, from MAIL to end-of-message: what it asks for, its recipients, what is decided.
 * Knows nothing of libmilter: commands come as text, modifications go out through message_ops.
 */
#ifndef MILTER_FILTER_MESSAGE_H
#define MILTER_FILTER_MESSAGE_H

#include "decide/reply.h"
#include "filter/runtime.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct message;

/* The SMTP client, for as long as the connection lasts. Strings are borrowed. */
struct message_client {
    const struct sockaddr *address; /* NULL: locally submitted mail */
    const char *name;               /* verified by the MTA, else NULL */
    const char *daemon;             /* the MTA's name for the listener, or NULL */
    bool sends_body;                /* the MTA hands over message bodies */
    bool mta_requiretls;            /* the MTA enforces REQUIRETLS itself, as Postfix 3.11 */
};

/* What MAIL brings. Strings are borrowed for the call. */
struct message_mail {
    const char *sender;        /* as the MTA gives it */
    const char *const *params; /* ends with NULL */
    const char *login;         /* SASL login name, NULL or "": not authenticated */
    bool tls;                  /* the session is encrypted */
    const char *queue_id;      /* or NULL */
    const char *resolved;      /* what the MTA has made of the sender, or NULL */
    const char *sender_now;    /* its macro f, or NULL; see message_ops */
};

/* What the MTA can do for us at end-of-message. Each function returns false on failure. */
struct message_ops {
    bool can_quarantine;
    bool can_change_from;
    bool forgets_parameters; /* the sender's new parameters replace BODY and SMTPUTF8 too */
    bool can_replace_body;
    bool can_change_recipients;
    const char *sender_now; /* its macro f, without brackets: another than at MAIL if an earlier
                               filter has changed the sender. NULL: it does not tell */
    bool (*progress)(void *arg); /* false: the MTA is gone */
    bool (*add_header)(void *arg, const char *name, const char *value);
    bool (*delete_header)(void *arg, const char *name, unsigned index); /* from 1 */
    bool (*change_header)(void *arg, const char *name, unsigned index, const char *value);
    bool (*change_from)(void *arg, const char *sender, const char *params);
    bool (*quarantine)(void *arg, const char *reason);
    bool (*add_recipient)(void *arg, const char *address, const char *params);
    bool (*delete_recipient)(void *arg, const char *address);
    /* Called until the body is complete, with at most 65535 octets a time. */
    bool (*replace_body)(void *arg, const char *data, size_t len);
    void *arg;
};

enum message_step {
    MESSAGE_CONTINUE,
    MESSAGE_DONE,   /* nothing is left to do: accept without further questions */
    MESSAGE_REFUSE, /* with the reply */
    MESSAGE_FAIL,   /* out of memory or the like: a temporary failure */
};

/* A refusal at end-of-message names the recipients, one line each. */
enum { MESSAGE_LINES_MAX = 8 };
struct message_refusal {
    struct reply lines[MESSAGE_LINES_MAX]; /* one code and status for all */
    size_t count;
};

/*
 * MAIL. On MESSAGE_CONTINUE *out is the new message, to be freed by message_free; the client's
 * strings must outlive it. Otherwise there is none.
 */
enum message_step message_begin(struct runtime *runtime, const struct message_client *client,
                                const struct message_mail *mail, struct reply *reply,
                                struct message **out);
void message_free(struct message *message); /* NULL is allowed */

/* What RCPT brings. Strings are borrowed for the call. */
struct message_recipient {
    const char *address;       /* as the MTA gives it */
    const char *const *params; /* ends with NULL */
    const char *host;          /* the MTA's choice of next-hop and mailer, or NULL */
    const char *mailer;
    const char *resolved; /* what the MTA has made of the address, or NULL */
    const char *own_host; /* the MTA's own name, or NULL */
    const char *queue_id; /* or NULL */
};

/* RCPT. May wait for the engine, within rcpt_wait for all recipients together. */
enum message_step message_rcpt(struct message *message, const struct message_recipient *recipient,
                               struct reply *reply);

/* A header field, in order. The value may begin with white space. */
void message_header(struct message *message, const char *name, const char *value);

/* The end of the header: does not wait. MESSAGE_CONTINUE when end-of-message is needed. */
enum message_step message_eoh(struct message *message, const char *queue_id);

/* A piece of the body. MESSAGE_DONE: no more of it is needed; end-of-message still comes. */
enum message_step message_body(struct message *message, const char *data, size_t len);

/*
 * End-of-message: settles what is open, waiting up to eom_wait, and has the MTA change the message.
 * Returns MESSAGE_DONE, MESSAGE_REFUSE with the refusal, or MESSAGE_FAIL.
 */
enum message_step message_eom(struct message *message, const char *queue_id,
                              const struct message_ops *ops, struct message_refusal *refusal);

#endif
