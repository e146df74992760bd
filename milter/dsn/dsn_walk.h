/*
 * Walks through the body of a bounce line by line and writes it as it must be when a returned
 * message asked for REQUIRETLS: returned messages cut down to their header, content that cannot be
 * understood left out, and so are tickets, everything else byte for byte. Whether that form is
 * needed is known only at the end.
 *
 * Pure: bytes in, bytes out. Linear in the body; memory is one struct and at most
 * DSN_WALK_HEADER_MAX bytes of a part's own header, whatever the body is.
 */
#ifndef MILTER_DSN_DSN_WALK_H
#define MILTER_DSN_DSN_WALK_H

#include "dsn/dsn_evidence.h"
#include "dsn/dsn_out.h"

enum { DSN_WALK_HEADER_MAX = 64 * 1024 }; /* a part's own header; against memory use */

struct dsn_walk;

/*
 * A walk over a body of this Content-Type. type NULL: a multipart/report whose parts cannot be told
 * apart; encoding other than IDENTITY: the same, and not readable either. sink and evidence are the
 * caller's and outlive the walk. NULL when memory is short.
 */
struct dsn_walk *dsn_walk_new(const struct mime_content_type *type, enum mime_encoding encoding,
                              dsn_sink_fn *sink, void *sink_arg, struct dsn_evidence *evidence);
void dsn_walk_free(struct dsn_walk *walk); /* NULL is allowed */

/*
 * Writes a second form besides, into a sink of its own: all of the body but for the tickets. It is
 * given up when a returned message turns out to have none, or to ask for REQUIRETLS, and when the
 * sink has an error: that is no error of the walk. To be called before the first bytes.
 */
void dsn_walk_keep_whole(struct dsn_walk *walk, dsn_sink_fn *sink, void *arg);

/* After the end: bytes of that form; 0: it was given up, or is the body as it came. */
uint64_t dsn_walk_whole_len(const struct dsn_walk *walk);

/* Takes the next bytes. Returns 0, -ENOMEM or the sink's error; an error is final. */
int dsn_walk_feed(struct dsn_walk *walk, const char *data, size_t len);

/* Ends the body and hands the last of the output to the sink. Errors as dsn_walk_feed. */
int dsn_walk_end(struct dsn_walk *walk);

/* After the end: whether the output says less than the input, tickets apart. If not, it may still
 * differ in the closing delimiters added. */
bool dsn_walk_redacted(const struct dsn_walk *walk);

/* After the end: whether ticket fields of returned headers were left out. */
bool dsn_walk_tickets(const struct dsn_walk *walk);

/* After the end: bytes written to the sink. */
uint64_t dsn_walk_output_len(const struct dsn_walk *walk);

#endif
