/*
 * What the files of the SMTP client share; nobody else includes this. Each uses those before it
 * alone: smtp_session_state.c, smtp_session_setup.c and smtp_session_transaction.c,
 * smtp_session.c.
 */
#ifndef POLICY_SMTP_SMTP_SESSION_INTERNAL_H
#define POLICY_SMTP_SMTP_SESSION_INTERNAL_H

#include "policy/smtp_session.h"
#include "smtp/smtp_data.h"

struct smtp_rcpt_slot {
    struct smtp_reply *refused; /* freed with the transaction; NULL: not refused by itself */
};

/* RSET, MAIL, each RCPT, DATA: the commands of a transaction are numbered in this order. */
struct smtp_transaction {
    const struct smtp_mail *mail; /* borrowed; NULL: none is under way */
    size_t rcpt_count;
    struct smtp_rcpt_slot *rcpts;
    uint64_t *ends;  /* of each command that was put out, its end in the output */
    size_t put;      /* the next command to be put out */
    size_t awaited;  /* the command whose reply is awaited */
    size_t accepted; /* recipients */
    bool mail_refused;
    bool empty; /* the final dot is that of a transaction without recipients */

    /* What holds for all recipients that RCPT accepted, or after mail_refused for all. */
    enum smtp_rcpt_status status; /* PENDING: nothing yet */
    enum smtp_state decided_in;
    struct smtp_reply reply;
};

struct smtp_session {
    enum smtp_state state;
    enum smtp_outcome outcome;
    enum smtp_tls tls;
    bool demand_requiretls;
    bool has_tls, verified;
    bool auth_whole; /* the AUTH command held the response */
    bool early;      /* the reply that comes in began before its command was written */
    bool given_up;   /* the server may still hold the envelope of a transaction */
    unsigned step;
    uint64_t question_end; /* of the command whose reply is awaited, its end in the output */
    struct smtp_out out;
    struct smtp_reply_parser parser;
    struct smtp_reply reply;
    struct smtp_extensions extensions;
    char server_name[SMTP_SERVER_NAME_MAX + 1];
    struct smtp_data data;
    struct smtp_transaction transaction;
    char *helo_name, *user, *password; /* the password is overwritten before it is freed */
};

/* smtp_session_state.c */
/* Nothing more is written. Does nothing when the session is over already. */
void smtp_session_end(struct smtp_session *session, enum smtp_outcome outcome);
/* The same for a server that can go on: QUIT is written, if no command was cut off. */
void smtp_session_end_with_quit(struct smtp_session *session, enum smtp_outcome outcome);
/* Waits for the reply to the command that was just put out. */
void smtp_session_await(struct smtp_session *session, enum smtp_state state);

/* smtp_session_setup.c: a reply in one of the states GREETING to AUTH_RESPONSE. */
void smtp_session_setup_reply(struct smtp_session *session);

/* smtp_session_transaction.c: a reply in one of the states RSET to DOT. */
void smtp_session_transaction_reply(struct smtp_session *session);
/* Puts out the commands that can be put out. */
void smtp_session_transaction_fill(struct smtp_session *session);
void smtp_session_transaction_fini(struct smtp_session *session);

#endif
