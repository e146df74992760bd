/*
 * What dsn_walk.c and dsn_walk_part.c share: the walk itself, and what the second does for the
 * first. Nobody else includes this.
 */
#ifndef MILTER_DSN_DSN_WALK_INTERNAL_H
#define MILTER_DSN_DSN_WALK_INTERNAL_H

#include "dsn/dsn_encoded.h"
#include "dsn/dsn_levels.h"
#include "dsn/dsn_lines.h"
#include "dsn/dsn_walk.h"

/* What the lines at this point are. */
enum region {
    REGION_LOOSE,       /* a report's preamble, or a report whose parts cannot be told apart: kept,
                           up to the blank line that follows a sign of REQUIRETLS */
    REGION_PART_HEADER, /* a part's own header: held */
    REGION_SKIP_HEADER, /* one that is too long to be held: left out */
    REGION_KEEP,
    REGION_EMBEDDED,     /* a returned message's header: kept; what follows is left out */
    REGION_ENCODED,      /* the same in base64 or so: decoded, what follows is left out */
    REGION_HEADERS,      /* a part that says it is a header */
    REGION_HEADERS_TAIL, /* behind its end: blank lines are kept, content is left out */
    REGION_DROP,
};

/* What becomes of the rest of a long line. */
enum fate { FATE_EMIT, FATE_HOLD, FATE_DECODE, FATE_DROP };

struct dsn_walk {
    struct dsn_evidence *evidence;
    int error;
    bool redacted;
    bool first_line; /* of a returned message */
    bool in_ticket;  /* the last line of its header was one of a ticket */
    bool tickets;    /* some were left out */

    /* What is not redacted, see dsn_walk_keep_whole. */
    dsn_sink_fn *whole_sink; /* NULL: it is not written, or not any more */
    void *whole_arg;
    uint64_t whole_len;
    bool is_ticket;     /* the present line is not to be in it */
    bool whole_tickets; /* some were left out of it */

    enum region region;
    enum fate fate;

    char *held; /* delimiter line and header of a part; own */
    size_t held_len;
    size_t held_size;
    size_t header_at;    /* where in it the header begins */
    bool header_started; /* the delimiter line is complete */

    struct dsn_encoded encoded;

    struct dsn_lines lines;
    struct dsn_levels levels;
    struct dsn_out out;
};

/* The innermost multipart. */
static inline struct dsn_level *dsn_walk_top(struct dsn_walk *walk)
{
    return dsn_levels_top(&walk->levels);
}

/* Writes to the output; its type suits the writers of other files. arg is the walk. */
void dsn_walk_emit(void *arg, const char *data, size_t len);

/* Adds bytes to what is held of a part's header; false when that is too much or memory is short. */
bool dsn_walk_hold(struct dsn_walk *walk, const char *data, size_t len);

/* Writes what is held to the output. */
void dsn_walk_release(struct dsn_walk *walk);

/*
 * The part's own header is complete: decides over the part, writes its header or leaves it out, and
 * sets the region of the lines that follow. blank_len is the length of the blank line at the end of
 * what is held, 0 when there is none.
 */
void dsn_walk_begin_part(struct dsn_walk *walk, size_t blank_len);

#endif
