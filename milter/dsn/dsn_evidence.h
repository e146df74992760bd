/*
 * What the parts of a bounce tell about the request of the message that bounced: header fields of
 * the returned original (RFC 8689 sections 3 and 4.1) and Postfix's queue id in the delivery status
 * (RFC 3464 section 2) or in the original. Pure, fixed memory, bytes in pieces of any size.
 */
#ifndef MILTER_DSN_DSN_EVIDENCE_H
#define MILTER_DSN_DSN_EVIDENCE_H

#include "dsn/mime_decode.h"

/* Whether a queue id is remembered as that of a REQUIRETLS message. */
typedef bool dsn_known_id_fn(void *arg, const char *queue_id);

/* What is being read. */
enum dsn_evidence_kind {
    DSN_EVIDENCE_NONE,
    DSN_EVIDENCE_STATUS,   /* groups of fields with blank lines between: the queue id only */
    DSN_EVIDENCE_ORIGINAL, /* a message or its header: up to the first line that is no field */
    DSN_EVIDENCE_LOOSE,    /* a text whose parts cannot be told apart: any line may be one */
};

enum { DSN_EVIDENCE_FIELD_MAX = 256 }; /* what is looked at of a field, however long it is */

struct dsn_evidence {
    dsn_known_id_fn *known_id; /* may be NULL */
    void *known_id_arg;

    /* The findings, of all parts so far. */
    bool require;     /* a returned message asked for REQUIRETLS */
    size_t originals; /* returned messages seen */
    size_t optionals; /* those of them with a valid TLS-Required: No */

    /* The part being read. */
    enum dsn_evidence_kind kind;
    struct mime_decode decode;
    size_t tls_required;    /* TLS-Required fields */
    size_t tls_required_no; /* those that say No and nothing else */
    bool line_empty;        /* nothing of the line but CR so far */
    bool field_cut;         /* the field is longer than what is kept of it */
    size_t field_len;
    char field[DSN_EVIDENCE_FIELD_MAX];
};

void dsn_evidence_init(struct dsn_evidence *evidence, dsn_known_id_fn *known_id, void *arg);

/* Starts a part, which ends the one before. */
void dsn_evidence_begin(struct dsn_evidence *evidence, enum dsn_evidence_kind kind,
                        enum mime_encoding encoding);

/* Takes the part's next bytes, encoded as they are; ignored when nothing is being read. */
void dsn_evidence_feed(struct dsn_evidence *evidence, const char *data, size_t len);

/* Ends the part; harmless when none is being read. */
void dsn_evidence_end(struct dsn_evidence *evidence);

/* Whether the bounce should get TLS-Required: No: every original had it, none asked REQUIRETLS. */
bool dsn_evidence_optional(const struct dsn_evidence *evidence);

#endif
