/*
 * An LMTP server (RFC 2033) as a protocol machine: octets in, replies out, and events for its
 * owner, who decides about recipients and knows what became of them. It has no socket, clock or
 * log. What a client may send ahead (RFC 2920) is answered in order.
 *
 *   lmtp_session_init    the greeting is in `out`
 *   lmtp_session_input   until it returns LMTP_EVENT_NONE: all octets are used, or an answer is due
 *   lmtp_session_answer  after LMTP_EVENT_MAIL, _RCPT and _DATA, before the next input; after
 *                        LMTP_EVENT_MESSAGE once for each recipient that was accepted, in order
 *   lmtp_session_fini
 *
 * Pure; no function calls back.
 */
#ifndef MILTER_DELIVER_LMTP_SESSION_H
#define MILTER_DELIVER_LMTP_SESSION_H

#include "base/octets.h"
#include "deliver/lmtp_command.h"
#include "deliver/lmtp_data.h"

enum {
    LMTP_LINE_MAX = 2048, /* octets of a command with its CRLF */
    LMTP_RCPTS_MAX = 1000,
    LMTP_PIECE_MAX = 65536, /* octets of the content that one event brings */
};

enum lmtp_event {
    LMTP_EVENT_NONE,    /* nothing more for now */
    LMTP_EVENT_MAIL,    /* a transaction would begin: command.mail */
    LMTP_EVENT_RCPT,    /* a recipient: command.rcpt */
    LMTP_EVENT_DATA,    /* there are recipients, and the content would follow */
    LMTP_EVENT_CONTENT, /* a piece of it */
    LMTP_EVENT_MESSAGE, /* it has ended */
    LMTP_EVENT_RESET,   /* the transaction was given up, by RSET, LHLO or QUIT */
    LMTP_EVENT_QUIT,    /* the session is over: write `out` and close */
};

/* Which events can come next. */
enum lmtp_state {
    LMTP_STATE_HELLO,   /* no LHLO yet */
    LMTP_STATE_READY,   /* LHLO, RSET, or the end of a transaction */
    LMTP_STATE_MAIL,    /* MAIL was accepted */
    LMTP_STATE_CONTENT, /* DATA was accepted */
    LMTP_STATE_ANSWER,  /* the owner's answer is awaited; nothing is read */
    LMTP_STATE_RESULTS, /* the content has ended; nothing is read before all is answered */
    LMTP_STATE_CLOSED,  /* nothing is read any more */
};

struct lmtp_session {
    const char *name;     /* of the server; borrowed */
    uint64_t max_message; /* octets; 0: no limit */
    enum lmtp_state state;
    enum lmtp_event due; /* comes next, before any input */
    bool smtputf8;       /* of MAIL */
    size_t rcpt_count;   /* accepted, or of LMTP_STATE_RESULTS: not answered yet */
    struct lmtp_data data;
    struct octets out;           /* to be written; its owner takes from it */
    bool no_memory;              /* a reply was lost: the connection must be closed */
    struct lmtp_command command; /* of the last event */
    size_t line_len;
    bool line_long; /* the line is beyond LMTP_LINE_MAX, and dropped */
    char line[LMTP_LINE_MAX];
};

/* A piece of the content, as it is to be sent on (lmtp_data.h); shared by sessions. */
struct lmtp_piece {
    size_t len;
    char octets[LMTP_PIECE_MAX + 1];
};

void lmtp_session_init(struct lmtp_session *session, const char *name, uint64_t max_message);
void lmtp_session_fini(struct lmtp_session *session);

/*
 * Reads up to an event; *used is how many octets that took. The command's strings are valid until
 * the next input, the piece is filled by LMTP_EVENT_CONTENT alone.
 */
enum lmtp_event lmtp_session_input(struct lmtp_session *session, const char *octets, size_t len,
                                   size_t *used, struct lmtp_piece *piece);

/* Whether it reads: not while answers are awaited, nor when it is closed. */
bool lmtp_session_reads(const struct lmtp_session *session);

/*
 * The reply that was awaited. To MAIL and RCPT 2yz accepts; to DATA 354, then the content follows;
 * 421 to one of the three ends the session. The reply for a recipient is passed on as it is.
 */
void lmtp_session_answer(struct lmtp_session *session, const struct lmtp_reply *answer);

/* Ends it in any state, with a last reply (421). */
void lmtp_session_close(struct lmtp_session *session, const struct lmtp_reply *reply);

#endif
