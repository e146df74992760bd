/*
 * Commands of an LMTP client (RFC 2033, RFC 5321 section 4.1): one line in, what it says out. Pure.
 */
#ifndef MILTER_DELIVER_LMTP_COMMAND_H
#define MILTER_DELIVER_LMTP_COMMAND_H

#include "policy/smtp_mail.h"

/* A reply of this server. `enhanced` (RFC 3463) may be "": none. */
struct lmtp_reply {
    int code;
    const char *enhanced;
    const char *text; /* printable ASCII, one line */
};

enum lmtp_verb {
    LMTP_VERB_LHLO,
    LMTP_VERB_MAIL,
    LMTP_VERB_RCPT,
    LMTP_VERB_DATA,
    LMTP_VERB_RSET,
    LMTP_VERB_NOOP,
    LMTP_VERB_VRFY,
    LMTP_VERB_QUIT,
    LMTP_VERB_NONE, /* no command of LMTP: EHLO and HELO too, which RFC 2033 forbids to accept */
};

/* Strings stand in the line that was parsed. */
struct lmtp_command {
    enum lmtp_verb verb;
    struct lmtp_reply refused; /* code 0: the command is well-formed */
    /* Of MAIL: `size` as the client has it; `requiretls` if it was said; no recipients. */
    struct smtp_mail mail;
    struct smtp_rcpt rcpt; /* of RCPT */
};

/*
 * Parses a line without its line end; line[len] is 0, and the line is changed. `smtputf8`: MAIL had
 * that parameter (of a RCPT). What is not refused can be said to another server (smtp_mail_check).
 * AUTH of MAIL (RFC 4954 section 5) is read and not kept: it is not for the next server.
 */
void lmtp_command_parse(char *line, size_t len, bool smtputf8, struct lmtp_command *out);

#endif
