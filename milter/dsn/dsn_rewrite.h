/*
 * What a bounce may carry back (RFC 8689 section 5): given the header and the body of a message
 * from the empty reverse-path, says whether the message that bounced asked for REQUIRETLS or said
 * TLS-Required: No, and what the bounce must look like then. Pure: no file, clock, lock or log.
 *
 * The answer comes after the body, so the redacted body is written while the body passes, into a
 * sink of the caller's (spool.h, since the output may be as long as the input), and thrown away
 * when it turns out not to be needed. A body that is returned in full may have to lose tickets
 * alone: that form goes to a sink of its own.
 *
 *   dsn_rewrite_new
 *   dsn_rewrite_header         each header field
 *   dsn_rewrite_wanted         at the end of the header: else free it and look no further
 *   dsn_rewrite_body           each piece of the body, of any size; feeds the sink
 *   dsn_rewrite_end            feeds the rest to the sink and gives the result
 *   dsn_rewrite_next_change    until false: the header's changes
 *   dsn_rewrite_free
 *
 * An object belongs to one message and one thread at a time. About 20 kB of memory, 64 kB more when
 * a part has a huge header of its own or is encoded; no more however long the body, its lines or
 * its parts are.
 */
#ifndef MILTER_DSN_DSN_REWRITE_H
#define MILTER_DSN_DSN_REWRITE_H

#include "dsn/dsn_walk.h"

struct dsn_rewrite;

struct dsn_rewrite_hooks {
    dsn_sink_fn *sink;
    void *sink_arg;
    dsn_known_id_fn *known_id; /* queue ids of REQUIRETLS messages; NULL when there are none */
    void *known_id_arg;
    dsn_sink_fn *whole_sink; /* for the other form of the body, see .whole; NULL: it is not wanted.
                                Its errors are no error: there is no other form then */
    void *whole_sink_arg;
};

/* What the message that bounced had asked. */
enum dsn_rewrite_request {
    DSN_REWRITE_NONE,
    DSN_REWRITE_OPTIONAL, /* every returned message said TLS-Required: No */
    DSN_REWRITE_REQUIRE,  /* a returned message asked for REQUIRETLS */
};

struct dsn_rewrite_result {
    enum dsn_rewrite_request request;
    bool replace_body; /* the sink's bytes are the new body; else they are to be thrown away */
    bool tickets_only; /* it differs in this, that returned headers have no tickets */
    bool whole;        /* the new body is what the other sink has: nothing is redacted */
    uint64_t body_len; /* of the sink's; of the new body; never 0 when replace_body */
};

/* One change of the message's own header. */
struct dsn_rewrite_change {
    const char *name;
    const char *value; /* NULL: delete the field */
    int index;         /* which field of this name, from 1; 0: add a new one */
};

/* NULL when memory is short. The hooks are copied, what they point to outlives the object. */
struct dsn_rewrite *dsn_rewrite_new(const struct dsn_rewrite_hooks *hooks);
void dsn_rewrite_free(struct dsn_rewrite *rewrite); /* NULL is allowed */

/* Takes a field of the message's own header; the value may be folded and begin with blanks. */
void dsn_rewrite_header(struct dsn_rewrite *rewrite, const char *name, const char *value);

/*
 * Whether the message can be a bounce, or a multipart that holds one: a multipart whose boundary is
 * known, or a multipart/report in any condition.
 */
bool dsn_rewrite_wanted(const struct dsn_rewrite *rewrite);

/*
 * Take the body, and its end; only for a message that is wanted. 0, -ENOMEM, or what the sink
 * returned. After an error nothing is known about the message: it must be deferred (4xx).
 */
int dsn_rewrite_body(struct dsn_rewrite *rewrite, const char *data, size_t len);
int dsn_rewrite_end(struct dsn_rewrite *rewrite, struct dsn_rewrite_result *out);

/* After the end, before the changes: the body stays as it came, where that loses tickets alone, and
 * so do the fields that tell of it. */
void dsn_rewrite_keep_body(struct dsn_rewrite *rewrite);

/* After the end: the next change to be made in this order, or false. */
bool dsn_rewrite_next_change(struct dsn_rewrite *rewrite, struct dsn_rewrite_change *out);

#endif
