/*
 * What the sender of one message asks for (RFC 8689 sections 2, 3 and 4.1), as far as the message
 * itself says so: parameters of MAIL, the marker that stands for one, two header fields.
 * Pure: no I/O. Whether a header field is believed, and what rules say, is for the caller.
 */
#ifndef MILTER_DECIDE_REQUEST_H
#define MILTER_DECIDE_REQUEST_H

#include <stdbool.h>

/* RET= of MAIL (RFC 3461 section 4.3). */
enum request_ret { REQUEST_RET_NONE, REQUEST_RET_FULL, REQUEST_RET_HDRS };

/* What MAIL's parameters say. */
struct request_mail {
    bool parameter;  /* REQUIRETLS */
    bool marker;     /* the administrator's stand-in for it */
    bool with_value; /* REQUIRETLS=x: a syntax error (RFC 8689 section 2, item 8) */
    enum request_ret ret;
    const char *envid; /* ENVID's value, borrowed from the parameters; NULL if absent or not fit
                          to be repeated */
    bool eight_bit;    /* BODY=8BITMIME (RFC 6152) */
    bool smtputf8;     /* SMTPUTF8 (RFC 6531) */
    const char *auth;  /* values of AUTH (RFC 4954 section 5) and BY (RFC 2852), as envid */
    const char *by;
};

/*
 * Reads MAIL's parameters, a list that ends with NULL. `marker` is the whole parameter that means
 * REQUIRETLS, NULL or empty for none. Unknown parameters are left to the MTA.
 */
void request_read_mail(const char *const *params, const char *marker, struct request_mail *out);

/* What RCPT's parameters say (RFC 3461 sections 4.1 and 4.2): borrowed values, NULL if absent or
 * not fit to be repeated. */
struct request_rcpt {
    const char *notify;
    const char *orcpt;
};

void request_read_rcpt(const char *const *params, struct request_rcpt *out);

/* What the header says; begin with all zero. */
struct request_header {
    unsigned tls_required;    /* TLS-Required fields, whatever their value */
    unsigned tls_required_no; /* those whose value is No and nothing else */
    unsigned require_fields;  /* Require-TLS-ESMTP fields, whatever their value */
    unsigned require_esmtp;   /* the number, from 1, of the first whose value is yes; 0: none is */
    bool require_exact;       /* the value of one is as Postfix 3.11 compares it */
    bool signed_tls_required; /* a DKIM-Signature covers TLS-Required fields: they are to stay */
    bool signed_require;      /* likewise those of Require-TLS-ESMTP */
};

extern const char request_tls_required[], request_require_esmtp[]; /* the two names */
extern const char request_signature[]; /* that of the field that may cover them */

/*
 * Reads one header field. `value` may begin with white space and be folded.
 * Returns true if the field is one of the two that are a request.
 */
bool request_read_header(struct request_header *header, const char *name, const char *value);

/*
 * Whether the header asks for delivery without regard to TLS: exactly one TLS-Required field, its
 * value No (RFC 8689 section 3). Anything else is ignored, which is the safe side.
 */
bool request_header_optional(const struct request_header *header);

/*
 * Whether the TLS-Required fields of a message that requires TLS are to go where the next server is
 * not told REQUIRETLS, by which it would ignore them (RFC 8689 section 4.1). Not where a signature
 * covers them, nor from the null sender.
 */
bool request_waiver_goes(const struct request_header *header, bool null_sender);

/* Whether two header field names are the same: letters in any case, blanks at the end ignored. */
bool request_is_field(const char *name, const char *wanted);

#endif
