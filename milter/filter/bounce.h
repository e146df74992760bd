/*
 * A bounce in the filter: what was found out about the message that bounced, and
 * the redacted body until it replaces the other (RFC 8689 section 5). Ties dsn_rewrite.h to a spool
 * and to what the MTA can do at end-of-message.
 *
 * An object belongs to one message and one thread at a time.
 */
#ifndef MILTER_FILTER_BOUNCE_H
#define MILTER_FILTER_BOUNCE_H

#include "dsn/dsn_rewrite.h"
#include "dsn/seen_ids.h"
#include "filter/message.h"

struct bounce;

/* `seen` knows the queue ids of REQUIRETLS messages; NULL: none are known. NULL: out of memory. */
struct bounce *bounce_new(struct seen_ids *seen);
void bounce_free(struct bounce *bounce); /* NULL is allowed */

/* A field of the message's own header. */
void bounce_header(struct bounce *bounce, const char *name, const char *value);

/* Whether the body must be seen: asked at the end of the header. If not, free it. */
bool bounce_wanted(const struct bounce *bounce);

/* A piece of the body. 0 or a negative errno: then the message must be deferred. */
int bounce_body(struct bounce *bounce, const char *data, size_t len);

/* The end of the body: what the message that bounced had asked. 0 or a negative errno, likewise. */
int bounce_end(struct bounce *bounce, enum dsn_rewrite_request *request);

/* Has the MTA make the changes; *redacted tells whether a returned message lost its body. Returns
 * false when it could not: the message must be deferred. */
bool bounce_apply(struct bounce *bounce, const struct message_ops *ops, bool *redacted);

#endif
