/*
 * One part of a multipart: what its own header says it is, and that header rewritten for a part
 * whose returned message shrinks to its header (RFC 6522 section 4, RFC 6533 section 6). Pure; the
 * header is in memory as a whole, bounded by the caller.
 */
#ifndef MILTER_DSN_DSN_PART_H
#define MILTER_DSN_DSN_PART_H

#include "dsn/mime_header.h"

enum dsn_part_kind {
    DSN_PART_MESSAGE,   /* message/rfc822, message/global: a whole message */
    DSN_PART_HEADERS,   /* text/rfc822-headers, message/global-headers: its header */
    DSN_PART_STATUS,    /* message/delivery-status and its kin: the machine's account */
    DSN_PART_MULTIPART, /* with a boundary that can be used */
    DSN_PART_OTHER,     /* anything else that is well understood */
    DSN_PART_BROKEN,    /* cannot be relied on: unreadable or given twice, unknown message/... */
};

struct dsn_part {
    enum dsn_part_kind kind;
    bool is_report; /* multipart/report, usable or broken */
    enum mime_encoding encoding;
    struct mime_content_type type;
};

/*
 * Reads a part's own header: fields up to and without the blank line. in_digest says that a part
 * without Content-Type is a message (RFC 2046 section 5.1.5), else it is text.
 */
void dsn_part_read(const char *header, size_t len, bool in_digest, struct dsn_part *out);

typedef void dsn_part_write_fn(void *arg, const char *data, size_t len);

/*
 * Writes the header of a DSN_PART_MESSAGE as that of a part that holds the message's header alone:
 * its Content-Type field replaced (added if there was none), fields that measure the old content
 * left out, every other byte as it was. That of a DSN_PART_HEADERS keeps its type. encoding is the
 * new Content-Transfer-Encoding: "" for none, NULL for what it was. eol is the message's line end.
 */
void dsn_part_write_as_headers(const struct dsn_part *part, const char *header, size_t len,
                               const char *encoding, const char *eol, dsn_part_write_fn *write,
                               void *arg);

#endif
