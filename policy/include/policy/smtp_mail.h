/*
 * The envelope of a message, what it needs of a server, and its commands MAIL and RCPT with their
 * parameters (RFC 5321 sections 4.1.1.2 and 4.1.1.3). Pure.
 */
#ifndef POLICY_SMTP_MAIL_H
#define POLICY_SMTP_MAIL_H

#include "policy/smtp_ehlo.h"
#include "policy/smtp_out.h"

enum {
    SMTP_ADDRESS_MAX = 1000, /* octets; RFC 5321 has 256 for a path, some have longer ones */
    SMTP_ENVID_MAX = 256,    /* RFC 3461 4.4 has 100, some clients more */
    SMTP_ORCPT_MAX = 1000,   /* RFC 3461 4.2 has 500 */
};

enum smtp_body { SMTP_BODY_UNSPECIFIED, SMTP_BODY_7BIT, SMTP_BODY_8BITMIME };
enum smtp_ret { SMTP_RET_UNSPECIFIED, SMTP_RET_FULL, SMTP_RET_HDRS };

/* Bits of NOTIFY (RFC 3461 4.1); 0: unspecified. NEVER stands alone. */
enum {
    SMTP_NOTIFY_NEVER = 1 << 0,
    SMTP_NOTIFY_SUCCESS = 1 << 1,
    SMTP_NOTIFY_FAILURE = 1 << 2,
    SMTP_NOTIFY_DELAY = 1 << 3,
};

/* Strings are borrowed by the functions here and by smtp_session_mail, see there. */
struct smtp_rcpt {
    const char *address; /* without angle brackets */
    const char *orcpt;   /* `rfc822;xtext` as it came; NULL: none */
    unsigned notify;
};

struct smtp_mail {
    const char *sender; /* without angle brackets; "" is the null reverse-path */
    uint64_t size;      /* octets of the content, CRLF as two; 0: not known */
    enum smtp_body body;
    bool smtputf8; /* the addresses or the header fields need it */
    bool requiretls;
    enum smtp_ret ret;
    const char *envid; /* xtext as it came; NULL: none */
    const struct smtp_rcpt *rcpts;
    size_t rcpt_count; /* 1 or more */
};

/* What a message needs that a server does not offer. Nothing is converted, so it cannot go there.
 * The first that is missing, in this order. */
enum smtp_lack {
    SMTP_LACK_NONE,
    SMTP_LACK_REQUIRETLS,
    SMTP_LACK_SMTPUTF8,
    SMTP_LACK_8BITMIME,
    SMTP_LACK_SIZE, /* larger than the server's limit */
};

enum smtp_lack smtp_mail_lack(const struct smtp_mail *mail,
                              const struct smtp_extensions *extensions);

/* 0; -EINVAL when an address, ENVID, ORCPT or NOTIFY cannot be said in a command: it is too long,
 * has control characters, ends the path early, is no xtext, or is not ASCII without smtputf8. */
int smtp_mail_check(const struct smtp_mail *mail);

/*
 * Append the command, with the parameters that the server offers, of a message that was checked and
 * lacks nothing. A message with REQUIRETLS has RET=HDRS, whatever `ret` is: what a bounce returns
 * of it would travel without (RFC 8689 section 5).
 */
void smtp_mail_command(const struct smtp_mail *mail, const struct smtp_extensions *extensions,
                       struct smtp_out *out);
void smtp_rcpt_command(const struct smtp_rcpt *rcpt, const struct smtp_extensions *extensions,
                       struct smtp_out *out);

#endif
