/*
 * An SMTP client as a protocol machine (RFC 5321, 3207, 4954, 2920, 3461, 8689): octets in, octets
 * out, and what it needs next. It has no socket, clock or log, and verifies no certificate; the
 * transport around it does. For a probe (EHLO, STARTTLS, EHLO, QUIT) and for delivery.
 *
 * The transport connects, makes a session, and then as long as it lives:
 *
 *     smtp_session_output, smtp_session_written   as the connection takes octets
 *     smtp_session_input                          all that was read, at once
 *     smtp_session_need                           after each of them: what is next
 *
 * No function calls back. One thread at a time owns a session. Without memory a session ends with
 * SMTP_OUTCOME_NO_MEMORY, where a function does not say otherwise.
 */
#ifndef POLICY_SMTP_SESSION_H
#define POLICY_SMTP_SESSION_H

#include "policy/smtp_ehlo.h"
#include "policy/smtp_mail.h"
#include "policy/smtp_reply.h"

struct smtp_session;

enum smtp_tls {
    SMTP_TLS_NEVER,    /* plaintext, whatever is offered */
    SMTP_TLS_OFFERED,  /* where STARTTLS is offered; plaintext, where it is refused */
    SMTP_TLS_REQUIRED, /* nothing but EHLO and STARTTLS is said without */
};

/* Strings are copied. */
struct smtp_session_config {
    const char *helo_name;
    enum smtp_tls tls;
    bool requiretls;      /* the EHLO reply after STARTTLS must offer REQUIRETLS; needs TLS */
    const char *user;     /* AUTH PLAIN, only over a verified connection; NULL: no AUTH */
    const char *password; /* with user */
};

/* Which reply, or what else, the session waits for. Who enters the state, and why. */
enum smtp_state {
    /* smtp_session_new: the connection stands, and the server speaks first. */
    SMTP_STATE_GREETING,
    /* GREETING, after 2yz. TLS, after the handshake: what was offered in plaintext does not
     * count. */
    SMTP_STATE_EHLO,
    /* EHLO, after 5yz, if nothing that is demanded needs an extension: the server may be an old
     * one that does not know EHLO. */
    SMTP_STATE_HELO,
    /* EHLO, in plaintext, if STARTTLS is offered and wanted. */
    SMTP_STATE_STARTTLS,
    /* STARTTLS, after 2yz: the transport makes the handshake. */
    SMTP_STATE_TLS,
    /* EHLO, if there are credentials. */
    SMTP_STATE_AUTH,
    /* AUTH, after 334, when the response did not fit into the command. */
    SMTP_STATE_AUTH_RESPONSE,
    /* EHLO, HELO, STARTTLS that was refused, AUTH: the session is set up. RSET, DATA or DOT: the
     * transaction is over, and another may follow. */
    SMTP_STATE_READY,
    /* READY, by smtp_session_rset. READY, by smtp_session_mail, if the transaction before was
     * given up: the server still holds its envelope. */
    SMTP_STATE_RSET,
    /* READY or RSET: a transaction. */
    SMTP_STATE_MAIL,
    /* MAIL, whatever the reply was, if RCPT is under way; then once for each recipient. */
    SMTP_STATE_RCPT,
    /* RCPT, after the last, if a recipient was accepted or DATA is under way. */
    SMTP_STATE_DATA,
    /* DATA, after 354: the caller gives the content. */
    SMTP_STATE_CONTENT,
    /* CONTENT, by smtp_session_content_end. DATA, after 354 though no recipient was accepted: an
     * empty message ends it (RFC 2920 section 3.1). */
    SMTP_STATE_DOT,
    /* READY, by smtp_session_quit. */
    SMTP_STATE_QUIT,
};

/* Why a session is over. */
enum smtp_outcome {
    SMTP_OUTCOME_NONE,              /* it is not */
    SMTP_OUTCOME_QUIT,              /* after QUIT, as it should be */
    SMTP_OUTCOME_REFUSED,           /* 4yz or 5yz to what the state says, GREETING to RSET */
    SMTP_OUTCOME_CLOSING,           /* 421, in any state */
    SMTP_OUTCOME_NO_STARTTLS,       /* not offered, and required */
    SMTP_OUTCOME_TLS_FAILED,        /* the transport's word: no handshake */
    SMTP_OUTCOME_PLAINTEXT,         /* octets between the reply to STARTTLS and the handshake */
    SMTP_OUTCOME_NO_REQUIRETLS,     /* not offered after STARTTLS, and demanded */
    SMTP_OUTCOME_NO_AUTH,           /* AUTH PLAIN not offered, and there are credentials */
    SMTP_OUTCOME_AUTH_NOT_VERIFIED, /* credentials are not for an unverified server */
    SMTP_OUTCOME_EARLY_REPLY,       /* a reply to a command that was not written yet */
    SMTP_OUTCOME_BAD_REPLY,         /* no SMTP, or neither success nor failure of the command */
    SMTP_OUTCOME_LONG_REPLY,        /* beyond the bounds of smtp_reply.h */
    SMTP_OUTCOME_LOST,              /* the transport's word: the connection is gone */
    SMTP_OUTCOME_TIMEOUT,           /* the transport's word: the reply is overdue */
    SMTP_OUTCOME_CANCELLED,         /* the caller's word */
    SMTP_OUTCOME_NO_MEMORY,
};

/* What the transport does next. */
enum smtp_need {
    SMTP_NEED_IO,      /* write what there is, and read */
    SMTP_NEED_TLS,     /* the handshake, then smtp_session_tls_started or _tls_failed; all output is
                          written, and what is read now is not for the session */
    SMTP_NEED_COMMAND, /* the caller's turn: _mail, _rset or _quit; read meanwhile */
    SMTP_NEED_CONTENT, /* content once the output is short, then _content_end; write and read */
    SMTP_NEED_CLOSE,   /* over: write what there is (a QUIT) if that is to be had at once, close */
};

/* How long the transport lets a session wait (RFC 5321 section 4.5.3.2). */
enum smtp_timer {
    SMTP_TIMER_NONE,       /* READY: how long to keep a connection is the caller's choice; over */
    SMTP_TIMER_GREETING,   /* 5 min */
    SMTP_TIMER_COMMAND,    /* 5 min: EHLO, HELO, STARTTLS, AUTH, RSET, MAIL, RCPT */
    SMTP_TIMER_TLS,        /* the handshake */
    SMTP_TIMER_DATA_BEGIN, /* 2 min: DATA to 354 */
    SMTP_TIMER_DATA_BLOCK, /* 3 min: a piece of the content is written */
    SMTP_TIMER_DATA_END,   /* 10 min: the final dot */
    SMTP_TIMER_QUIT,       /* short: nothing depends on it */
};

/* What became of a recipient. */
enum smtp_rcpt_status {
    SMTP_RCPT_PENDING, /* not known yet */
    SMTP_RCPT_SENT,    /* the server took the message: 2yz to the final dot */
    SMTP_RCPT_REFUSED, /* 4yz or 5yz to what the state says: MAIL, RCPT, DATA or DOT */
    SMTP_RCPT_FAILED,  /* the session ended before. In state DOT the whole message was written, and
                          may have been taken; in any other it was not */
};

struct smtp_rcpt_result {
    enum smtp_rcpt_status status;
    enum smtp_state state;
    /* The session's, until the next transaction; code 0: none. 552 to RCPT is told as 452
     * (RFC 5321 section 4.5.3.1.10). */
    const struct smtp_reply *reply;
};

/* 0; -EINVAL when helo_name or the credentials cannot be said, or REQUIRETLS is demanded without
 * SMTP_TLS_REQUIRED; -ENOMEM. */
int smtp_session_new(const struct smtp_session_config *config, struct smtp_session **out);
void smtp_session_free(struct smtp_session *session); /* NULL is allowed */

/* What is to be written, borrowed until the next call for this session; the length, or 0. */
size_t smtp_session_output(struct smtp_session *session, const char **octets);
/* So many of them were handed to the connection. A reply to what was not is one out of turn. */
void smtp_session_written(struct smtp_session *session, size_t len);

/* All that was read; none of it is kept back. Before smtp_session_lost, also what was still to be
 * read when writing failed: it says why. */
void smtp_session_input(struct smtp_session *session, const char *octets, size_t len);

void smtp_session_lost(struct smtp_session *session);    /* closed, or an error */
void smtp_session_timeout(struct smtp_session *session); /* the timer ran out */
/* Ends it at once, in any state: the final dot is not written if it was not yet. */
void smtp_session_cancel(struct smtp_session *session);

/* In need SMTP_NEED_TLS: whether the server was authenticated as demanded is `verified`; a caller
 * that demands it and does not get it cancels instead. */
void smtp_session_tls_started(struct smtp_session *session, bool verified);
void smtp_session_tls_failed(struct smtp_session *session);

/*
 * In need SMTP_NEED_COMMAND. A transaction: MAIL, RCPT and DATA, in one go where PIPELINING is
 * offered. `mail` and what it points to are borrowed until the need is SMTP_NEED_COMMAND or
 * SMTP_NEED_CLOSE again. 0, -EINVAL as smtp_mail_check has it, -EOPNOTSUPP when the server lacks
 * something (smtp_mail_lack), -EBUSY in another state, -ENOMEM; then nothing was said. REQUIRETLS
 * counts as offered only after STARTTLS.
 */
int smtp_session_mail(struct smtp_session *session, const struct smtp_mail *mail);

/* What became of recipient `i` of the last transaction; also after the session's end. */
struct smtp_rcpt_result smtp_session_rcpt_result(const struct smtp_session *session, size_t i);

/* In need SMTP_NEED_CONTENT, octets with CRLF line ends, see smtp_data.h. The output grows by up to
 * twice the length; give the next piece when it is short. */
void smtp_session_content(struct smtp_session *session, const char *octets, size_t len);
void smtp_session_content_end(struct smtp_session *session);

/* In need SMTP_NEED_COMMAND: 0, or -EBUSY in another state. RSET asks whether the connection still
 * lives; QUIT ends the session. */
int smtp_session_rset(struct smtp_session *session);
int smtp_session_quit(struct smtp_session *session);

enum smtp_need smtp_session_need(const struct smtp_session *session);
enum smtp_timer smtp_session_timer(const struct smtp_session *session);
/* Another number after each whole reply, each step of the caller's and each written piece of the
 * content: the timer begins anew. Single octets of a reply do not prolong it. */
unsigned smtp_session_step(const struct smtp_session *session);

enum smtp_state
smtp_session_state(const struct smtp_session *session); /* after the end: the last */
enum smtp_outcome smtp_session_outcome(const struct smtp_session *session);
/* The last whole reply; after SMTP_OUTCOME_BAD_REPLY and _LONG_REPLY what there was of one. Code 0:
 * none, or it is not a reply that ended the session. Borrowed until the next call. */
const struct smtp_reply *smtp_session_reply(const struct smtp_session *session);
/* The name that the server gives itself in its reply to EHLO or HELO, as sent; "": none, or it
 * is no host name. */
enum { SMTP_SERVER_NAME_MAX = 253 };
const char *smtp_session_server_name(const struct smtp_session *session);
/* What the last EHLO reply offers. */
const struct smtp_extensions *smtp_session_extensions(const struct smtp_session *session);
bool smtp_session_has_tls(const struct smtp_session *session);

/* Words for logs and findings: `MAIL`, `end of DATA`; `connection lost`. */
const char *smtp_state_name(enum smtp_state state);
const char *smtp_outcome_name(enum smtp_outcome outcome);

#endif
