/*
 * The sentences SMTP clients read. RFC 5321 section 4.2, RFC 3463, RFC 8689 section 4.2.1.
 * Pure: no I/O.
 */
#ifndef MILTER_DECIDE_REPLY_H
#define MILTER_DECIDE_REPLY_H

#include <stdbool.h>
#include <stddef.h>

/* A reply line is at most 512 octets (RFC 5321 section 4.5.3.1.5); libmilter's own limit is 980. */
enum { REPLY_TEXT_MAX = 480 };

struct reply {
    int code;                      /* 4xx or 5xx */
    const char *status;            /* enhanced status code, a literal such as "5.7.10" */
    char text[REPLY_TEXT_MAX + 1]; /* printable ASCII */
};

/* Why a message or a recipient is refused or deferred. The table in reply.c has the codes. */
enum reply_reason {
    REPLY_ENCRYPTION_NEEDED, /* no route of this host meets what the sender requires */
    REPLY_REQUIRETLS_NEEDED, /* ... as REQUIRETLS cannot be passed on, or no server offers it */
    REPLY_NULL_MX,
    REPLY_NO_DOMAIN,
    REPLY_RESERVED_DOMAIN,
    REPLY_LOOKUP_FAILED,
    REPLY_BUSY,     /* this host has too much to do, or stops */
    REPLY_MTA_GONE, /* the MTA has ended the session */
    /* These have a sentence of their own. */
    REPLY_PARAMETER_VALUE,
    REPLY_SENDER_RESERVED,
    REPLY_STARTTLS_NEEDED,
    REPLY_STOPPING,
    REPLY_FILTER_FAILED, /* memory, libmilter, a spool file */
    REPLY_TOO_MANY_RECIPIENTS,
    REPLY_NO_TICKET_KEY, /* mail for the delivery agent, and nothing to sign a ticket with */
    REPLY_REASONS,
};

/* The code and the enhanced status code for a reason: those of a permanent failure, or of a
 * temporary one. What is only temporary has no others. Returns the code. */
int reply_code(enum reply_reason reason, bool permanent, const char **status);

/* The whole reply for a reason that has a sentence of its own. */
void reply_set_fixed(struct reply *reply, enum reply_reason reason);

/* Sets all three. What is not printable ASCII in the text becomes `?`; what is too long is cut. */
void reply_set(struct reply *reply, int code, const char *status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Of a recipient in the domain of routing tags, 550 5.1.2; `asked`: the message requires TLS, as
 * the reply then says. requiretls-query --check-setup knows by it what a proxy has handed on. */
#define REPLY_RESERVED "reserved domain"
#define REPLY_RESERVED_ASKED "REQUIRETLS was asked for"
void reply_set_reserved(struct reply *reply, const char *address, bool asked);

/* Copies a peer's text for a reply: other than printable ASCII becomes `?`, over-long text is cut
 * and ends in "...". out_len must be at least 4. Returns out. */
const char *reply_clean(const char *text, char *out, size_t out_len);

/*
 * Makes the lines of one reply agree, as SMTP has one code for all: that of the first about TLS
 * (x.7.10, x.7.30), else of the first, and of none that is temporary where another is permanent. A
 * line whose own code was another ends with it.
 */
void reply_unite(struct reply *lines, size_t count);

/*
 * The text as libmilter wants it, where `%` introduces something: doubled. out_len of
 * 2 * REPLY_TEXT_MAX + 1 always suffices. Returns out.
 */
const char *reply_escape(const char *text, char *out, size_t out_len);

#endif
