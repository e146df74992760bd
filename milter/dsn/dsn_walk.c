/*
 * The line machine behind dsn_rewrite.c: RFC 2046 section 5.1 (multipart), RFC 6522
 * (multipart/report and text/rfc822-headers), RFC 8689 section 5 (what a bounce may return).
 * dsn_walk_feed takes the body, dsn_walk_end the end of it; each returns 0 or the first error.
 *
 * Each line belongs to a region, which says what becomes of it; a delimiter of any open multipart,
 * innermost first, ends the region. Only the beginning of a line is ever looked at as a whole:
 * enough for every delimiter; the rest of it shares its fate. A part's own header is held until its
 * end, when what it says decides over the part: dsn_walk_part.c.
 */
#include "dsn/dsn_walk.h"

#include "base/text.h"
#include "dsn/dsn_ticket.h"
#include "dsn/dsn_walk_internal.h"

#include <stdlib.h>
#include <string.h>

/* --- what becomes of a line --- */

static void drop_line(struct dsn_walk *walk)
{
    walk->redacted = true;
    walk->fate = FATE_DROP;
}

static void keep_line(struct dsn_walk *walk, const char *line, size_t len)
{
    dsn_walk_emit(walk, line, len);
    walk->fate = FATE_EMIT;
}

/* A line of a returned header. */
static void keep_header_line(struct dsn_walk *walk, const char *line, size_t len)
{
    if (!dsn_ticket_line(&walk->in_ticket, line, len)) {
        keep_line(walk, line, len);
        return;
    }
    walk->tickets = true;
    walk->whole_tickets = true;
    walk->is_ticket = true;
    walk->fate = FATE_DROP;
}

/* --- the form that is not redacted --- */

void dsn_walk_keep_whole(struct dsn_walk *walk, dsn_sink_fn *sink, void *arg)
{
    walk->whole_sink = sink;
    walk->whole_arg = arg;
}

static void write_whole(struct dsn_walk *walk, const char *data, size_t len)
{
    if (walk->whole_sink == NULL || walk->is_ticket || len == 0)
        return;
    if (walk->evidence->require || walk->whole_sink(walk->whole_arg, data, len) != 0)
        walk->whole_sink = NULL;
    walk->whole_len += len;
}

uint64_t dsn_walk_whole_len(const struct dsn_walk *walk)
{
    return walk->whole_sink != NULL && walk->whole_tickets ? walk->whole_len : 0;
}

/* --- delimiters --- */

static void end_part(struct dsn_walk *walk)
{
    if (walk->region == REGION_PART_HEADER) { /* a part that is nothing but a header */
        dsn_walk_release(walk);
        dsn_walk_top(walk)->n_kept++;
    } else if (walk->region == REGION_ENCODED) {
        walk->held_len = 0;
        if (dsn_encoded_end(&walk->encoded))
            dsn_walk_top(walk)->n_kept++;
        walk->redacted = walk->redacted || dsn_encoded_redacted(&walk->encoded);
        walk->tickets = walk->tickets || walk->encoded.tickets;
    }
}

static void on_delimiter(struct dsn_walk *walk, struct dsn_level *level, bool closing,
                         const char *line, size_t len)
{
    dsn_evidence_end(walk->evidence);
    end_part(walk);
    while (dsn_walk_top(walk) != level)
        dsn_levels_abandon(&walk->levels, &walk->out);
    if (closing) {
        dsn_levels_fill(level, &walk->out);
        walk->levels.depth--;
        walk->region = REGION_KEEP; /* the epilogue */
        keep_line(walk, line, len);
        return;
    }
    level->n_parts++;
    walk->region = REGION_PART_HEADER;
    walk->fate = FATE_HOLD;
    walk->header_started = false;
    walk->held_len = 0;
    dsn_walk_hold(walk, line, len);
}

/* The header that comes next to what is held is too long; len bytes of it did not fit. */
static void give_up_header(struct dsn_walk *walk, const char *data, size_t len)
{
    if (dsn_walk_top(walk)->in_report) {
        walk->held_len = 0;
        walk->region = REGION_SKIP_HEADER;
        drop_line(walk);
        return;
    }
    dsn_walk_release(walk);
    dsn_walk_top(walk)->n_kept++;
    walk->region = REGION_KEEP;
    keep_line(walk, data, len);
}

static bool is_continuation(const char *line, size_t len)
{
    return len > 0 && text_is_wsp(line[0]);
}

/* --- lines, by region --- */

/* Returns false when the line belongs to what follows the header. */
static bool on_part_header(struct dsn_walk *walk, const char *line, size_t len)
{
    bool blank = mime_header_ends(line, len);

    if (!walk->header_started) {
        walk->header_started = true;
        walk->header_at = walk->held_len;
    }
    if (!blank && !mime_header_starts_field(line, len) &&
        !(is_continuation(line, len) && walk->held_len > walk->header_at)) {
        dsn_walk_begin_part(walk, 0);
        return false;
    }
    walk->fate = FATE_HOLD;
    if (!dsn_walk_hold(walk, line, len))
        give_up_header(walk, line, len);
    else if (blank)
        dsn_walk_begin_part(walk, len);
    return true;
}

static void on_embedded(struct dsn_walk *walk, const char *line, size_t len)
{
    bool mbox_from = walk->first_line && len >= 5 && memcmp(line, "From ", 5) == 0;
    bool continued = !walk->first_line && is_continuation(line, len);

    walk->first_line = false;
    if (mbox_from || continued || mime_header_starts_field(line, len)) {
        keep_header_line(walk, line, len);
        return;
    }
    dsn_evidence_end(walk->evidence);
    walk->region = REGION_DROP;
    if (!walk->whole_tickets)
        walk->whole_sink = NULL; /* a copy of a large message for nothing */
    if (mime_header_ends(line, len)) {
        keep_line(walk, line, len);
    } else { /* content without a blank line before it */
        dsn_out_eol(&walk->out);
        drop_line(walk);
    }
}

static void on_headers_tail(struct dsn_walk *walk, const char *line, size_t len)
{
    if (mime_header_ends(line, len)) {
        keep_line(walk, line, len);
        return;
    }
    walk->region = REGION_DROP;
    drop_line(walk);
}

static void on_loose(struct dsn_walk *walk, const char *line, size_t len)
{
    keep_header_line(walk, line, len);
    if (mime_header_ends(line, len) && walk->evidence->require)
        walk->region = REGION_DROP;
}

static void on_skip_header(struct dsn_walk *walk, const char *line, size_t len)
{
    drop_line(walk);
    if (!mime_header_ends(line, len))
        return;
    walk->region = REGION_DROP;
    dsn_evidence_begin(walk->evidence, DSN_EVIDENCE_ORIGINAL, MIME_ENCODING_IDENTITY);
}

static void on_line(struct dsn_walk *walk, const char *line, size_t len)
{
    bool closing = false;
    struct dsn_level *level = dsn_levels_match(&walk->levels, line, len, &closing);

    if (line[len - 1] == '\n')
        walk->out.eol = len > 1 && line[len - 2] == '\r' ? "\r\n" : "\n";
    if (level != NULL) {
        on_delimiter(walk, level, closing, line, len);
        return;
    }
    if (walk->region == REGION_PART_HEADER && on_part_header(walk, line, len))
        return;
    dsn_evidence_feed(walk->evidence, line, len);
    switch (walk->region) {
    case REGION_PART_HEADER: /* on_part_header has left it */
    case REGION_KEEP:
        keep_line(walk, line, len);
        return;
    case REGION_LOOSE:
        on_loose(walk, line, len);
        return;
    case REGION_SKIP_HEADER:
        on_skip_header(walk, line, len);
        return;
    case REGION_EMBEDDED:
        on_embedded(walk, line, len);
        return;
    case REGION_ENCODED:
        walk->fate = FATE_DECODE;
        dsn_encoded_feed(&walk->encoded, line, len);
        return;
    case REGION_HEADERS:
        keep_header_line(walk, line, len);
        if (mime_header_ends(line, len))
            walk->region = REGION_HEADERS_TAIL;
        return;
    case REGION_HEADERS_TAIL:
        on_headers_tail(walk, line, len);
        return;
    case REGION_DROP:
        break;
    }
    drop_line(walk);
}

static void on_head(void *arg, const char *line, size_t len)
{
    struct dsn_walk *walk = arg;

    walk->is_ticket = false;
    on_line(walk, line, len);
    write_whole(walk, line, len);
}

/* More of a line that is longer than its head. */
static void on_rest(void *arg, const char *data, size_t len)
{
    struct dsn_walk *walk = arg;

    write_whole(walk, data, len);
    if (walk->fate == FATE_HOLD) {
        if (!dsn_walk_hold(walk, data, len))
            give_up_header(walk, data, len);
        return;
    }
    dsn_evidence_feed(walk->evidence, data, len);
    if (walk->fate == FATE_EMIT)
        dsn_walk_emit(walk, data, len);
    else if (walk->fate == FATE_DECODE)
        dsn_encoded_feed(&walk->encoded, data, len);
}

/* --- the whole --- */

static int error_of(const struct dsn_walk *walk)
{
    return walk->error ? walk->error : walk->out.error;
}

int dsn_walk_feed(struct dsn_walk *walk, const char *data, size_t len)
{
    if (error_of(walk) == 0)
        dsn_lines_feed(&walk->lines, data, len);
    return error_of(walk);
}

int dsn_walk_end(struct dsn_walk *walk)
{
    dsn_lines_end(&walk->lines);
    dsn_evidence_end(walk->evidence);
    end_part(walk);
    while (walk->levels.depth > 0)
        dsn_levels_abandon(&walk->levels, &walk->out);
    if (walk->out.len == 0 && (walk->redacted || walk->tickets))
        dsn_out_eol(&walk->out); /* a body must not become empty: not all MTAs take that */
    dsn_out_flush(&walk->out);
    return error_of(walk);
}

struct dsn_walk *dsn_walk_new(const struct mime_content_type *type, enum mime_encoding encoding,
                              dsn_sink_fn *sink, void *sink_arg, struct dsn_evidence *evidence)
{
    struct dsn_walk *walk = calloc(1, sizeof(*walk));
    bool opaque = type == NULL || encoding != MIME_ENCODING_IDENTITY;

    if (walk == NULL)
        return NULL;
    dsn_out_init(&walk->out, sink, sink_arg);
    walk->lines.on_head = on_head;
    walk->lines.on_rest = on_rest;
    walk->lines.arg = walk;
    walk->evidence = evidence;
    if (!opaque)
        dsn_levels_open(&walk->levels, type);
    walk->region = REGION_LOOSE;
    if (encoding != MIME_ENCODING_IDENTITY)
        walk->region = REGION_DROP;
    else if (!opaque && !dsn_walk_top(walk)->is_report)
        walk->region = REGION_KEEP;
    if (walk->region != REGION_KEEP)
        dsn_evidence_begin(evidence, DSN_EVIDENCE_LOOSE, encoding);
    return walk;
}

void dsn_walk_free(struct dsn_walk *walk)
{
    if (walk == NULL)
        return;
    dsn_encoded_fini(&walk->encoded);
    free(walk->held);
    free(walk);
}

bool dsn_walk_redacted(const struct dsn_walk *walk)
{
    return walk->redacted;
}

bool dsn_walk_tickets(const struct dsn_walk *walk)
{
    return walk->tickets;
}

uint64_t dsn_walk_output_len(const struct dsn_walk *walk)
{
    return walk->out.len;
}
