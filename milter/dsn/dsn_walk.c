/*
 * The line machine behind dsn_rewrite.c: RFC 2046 section 5.1 (multipart), RFC 6522
 * (multipart/report and text/rfc822-headers), RFC 8689 section 5 (what a bounce may return).
 *
 * Each line belongs to a region, which says what becomes of it; a delimiter of any open multipart,
 * innermost first, ends the region. Only the beginning of a line is ever looked at as a whole:
 * enough for every delimiter; the rest of it shares its fate. A part's own header is held until its
 * end, when what it says decides over the part:
 *
 *   within a multipart/report         first part      later parts
 *   a message, not encoded            its header      its header
 *   a message in base64 or            its header,     its header,
 *     quoted-printable                  decoded         decoded
 *   a message in another encoding     left out        left out
 *   a message's header                kept            kept
 *   the same, encoded                 as a message    as a message
 *   delivery-status and its kin       kept            kept
 *   a multipart                       looked into     left out, unless it is a report
 *   anything else                     kept            left out
 *   what cannot be relied on          left out        left out
 *
 * Outside a report multiparts are looked into and all else is kept. RFC 6522 section 3 gives a
 * report two or three parts, so that "anything else" after the first is returned content under
 * another name.
 */
#include "dsn/dsn_walk.h"

#include "dsn/dsn_encoded.h"
#include "dsn/dsn_levels.h"
#include "dsn/dsn_lines.h"
#include "dsn/dsn_part.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

static struct dsn_level *top(struct dsn_walk *walk)
{
    return dsn_levels_top(&walk->levels);
}

static void emit(void *arg, const char *data, size_t len)
{
    struct dsn_walk *walk = arg;

    dsn_out_write(&walk->out, data, len);
}

/* --- what becomes of bytes --- */

static void drop_line(struct dsn_walk *walk)
{
    walk->redacted = true;
    walk->fate = FATE_DROP;
}

static void keep_line(struct dsn_walk *walk, const char *line, size_t len)
{
    emit(walk, line, len);
    walk->fate = FATE_EMIT;
}

/* Adds bytes to what is held of a part's header; false when that is too much or memory is short. */
static bool hold(struct dsn_walk *walk, const char *data, size_t len)
{
    size_t size = walk->held_size ? walk->held_size : 1024;
    char *grown;

    if (len > DSN_WALK_HEADER_MAX - walk->held_len)
        return false;
    while (size < walk->held_len + len)
        size *= 2;
    if (size != walk->held_size) {
        grown = realloc(walk->held, size);
        if (grown == NULL) {
            walk->error = -ENOMEM;
            return false;
        }
        walk->held = grown;
        walk->held_size = size;
    }
    memcpy(walk->held + walk->held_len, data, len);
    walk->held_len += len;
    return true;
}

static void release_held(struct dsn_walk *walk)
{
    emit(walk, walk->held, walk->held_len);
    walk->held_len = 0;
}

/* --- delimiters --- */

static void end_part(struct dsn_walk *walk)
{
    if (walk->region == REGION_PART_HEADER) { /* a part that is nothing but a header */
        release_held(walk);
        top(walk)->n_kept++;
    } else if (walk->region == REGION_ENCODED) {
        walk->held_len = 0;
        if (dsn_encoded_end(&walk->encoded))
            top(walk)->n_kept++;
        walk->redacted = walk->redacted || dsn_encoded_redacted(&walk->encoded);
    }
}

static void on_delimiter(struct dsn_walk *walk, struct dsn_level *level, bool closing,
                         const char *line, size_t len)
{
    dsn_evidence_end(walk->evidence);
    end_part(walk);
    while (top(walk) != level)
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
    hold(walk, line, len);
}

/* --- parts --- */

static void drop_part(struct dsn_walk *walk, enum dsn_evidence_kind kind,
                      enum mime_encoding encoding)
{
    walk->held_len = 0;
    walk->redacted = true;
    walk->region = REGION_DROP;
    dsn_evidence_begin(walk->evidence, kind, encoding);
}

/* One that is not understood: wherever in it a returned message may be. */
static void drop_unclear(struct dsn_walk *walk, const struct dsn_part *part)
{
    drop_part(walk, DSN_EVIDENCE_LOOSE, part->encoding);
    walk->evidence->originals++; /* without a TLS-Required that could be relied on */
}

static void keep_part(struct dsn_walk *walk, enum region region, enum dsn_evidence_kind kind,
                      enum mime_encoding encoding)
{
    release_held(walk);
    top(walk)->n_kept++;
    walk->region = region;
    dsn_evidence_begin(walk->evidence, kind, encoding);
}

static void enter_multipart(struct dsn_walk *walk, const struct dsn_part *part)
{
    keep_part(walk, REGION_KEEP, DSN_EVIDENCE_NONE, MIME_ENCODING_IDENTITY);
    dsn_levels_open(&walk->levels, &part->type);
}

/* A returned message: its header stays. */
static void shrink_message(struct dsn_walk *walk, const struct dsn_part *part, size_t header_len)
{
    size_t blank_at = walk->header_at + header_len;

    emit(walk, walk->held, walk->header_at);
    dsn_part_write_as_headers(part, walk->held + walk->header_at, header_len, NULL, walk->out.eol,
                              emit, walk);
    if (blank_at < walk->held_len)
        emit(walk, walk->held + blank_at, walk->held_len - blank_at);
    else
        dsn_out_eol(&walk->out);
    walk->held_len = 0;
    walk->redacted = true;
    walk->first_line = true;
    keep_part(walk, REGION_EMBEDDED, DSN_EVIDENCE_ORIGINAL, MIME_ENCODING_IDENTITY);
}

/* What is held stays so until the end of the part. */
static void begin_encoded(struct dsn_walk *walk, const struct dsn_part *part, size_t header_len)
{
    struct dsn_encoded_part before = {
        .part = part,
        .delimiter = walk->held,
        .delimiter_len = walk->header_at,
        .header = walk->held + walk->header_at,
        .header_len = header_len,
    };
    int error = dsn_encoded_begin(&walk->encoded, &before, &walk->out);

    if (error != 0) {
        walk->error = error;
        drop_part(walk, DSN_EVIDENCE_ORIGINAL, part->encoding);
        return;
    }
    walk->region = REGION_ENCODED;
    dsn_evidence_begin(walk->evidence, DSN_EVIDENCE_ORIGINAL, part->encoding);
}

static void begin_part_in_report(struct dsn_walk *walk, const struct dsn_part *part,
                                 size_t header_len)
{
    bool later = top(walk)->is_report && top(walk)->n_parts > 1;

    switch (part->kind) {
    case DSN_PART_MESSAGE:
    case DSN_PART_HEADERS:
        if (part->encoding == MIME_ENCODING_UNKNOWN)
            drop_part(walk, DSN_EVIDENCE_ORIGINAL, part->encoding);
        else if (part->encoding != MIME_ENCODING_IDENTITY)
            begin_encoded(walk, part, header_len);
        else if (part->kind == DSN_PART_MESSAGE)
            shrink_message(walk, part, header_len);
        else
            keep_part(walk, REGION_HEADERS, DSN_EVIDENCE_ORIGINAL, part->encoding);
        return;
    case DSN_PART_STATUS:
        keep_part(walk, REGION_KEEP, DSN_EVIDENCE_STATUS, part->encoding);
        return;
    case DSN_PART_MULTIPART:
        if ((later && !part->is_report) || walk->levels.depth == DSN_LEVELS_MAX)
            drop_unclear(walk, part);
        else
            enter_multipart(walk, part);
        return;
    case DSN_PART_OTHER:
        if (later)
            drop_part(walk, DSN_EVIDENCE_ORIGINAL, part->encoding);
        else
            keep_part(walk, REGION_KEEP, DSN_EVIDENCE_NONE, MIME_ENCODING_IDENTITY);
        return;
    case DSN_PART_BROKEN:
        break;
    }
    drop_unclear(walk, part);
}

/* The part's own header is complete; blank_len is the length of the blank line at the end of it. */
static void begin_part(struct dsn_walk *walk, size_t blank_len)
{
    size_t header_len = walk->held_len - walk->header_at - blank_len;
    struct dsn_part part;

    dsn_part_read(walk->held + walk->header_at, header_len, top(walk)->is_digest, &part);
    if (top(walk)->in_report)
        begin_part_in_report(walk, &part, header_len);
    else if (part.kind == DSN_PART_MULTIPART && walk->levels.depth < DSN_LEVELS_MAX)
        enter_multipart(walk, &part);
    else if (part.is_report && part.encoding != MIME_ENCODING_IDENTITY)
        drop_unclear(walk, &part);
    else if (part.is_report)
        keep_part(walk, REGION_LOOSE, DSN_EVIDENCE_LOOSE, part.encoding);
    else
        keep_part(walk, REGION_KEEP, DSN_EVIDENCE_NONE, MIME_ENCODING_IDENTITY);
}

/* The header that comes next to what is held is too long; len bytes of it did not fit. */
static void give_up_header(struct dsn_walk *walk, const char *data, size_t len)
{
    if (top(walk)->in_report) {
        walk->held_len = 0;
        walk->region = REGION_SKIP_HEADER;
        drop_line(walk);
        return;
    }
    release_held(walk);
    top(walk)->n_kept++;
    walk->region = REGION_KEEP;
    keep_line(walk, data, len);
}

static bool is_continuation(const char *line, size_t len)
{
    return len > 0 && (line[0] == ' ' || line[0] == '\t');
}

/* --- lines, by region --- */

/* Returns false when the line belongs to what follows the header. */
static bool on_part_header(struct dsn_walk *walk, const char *line, size_t len)
{
    bool blank = mime_header_is_blank(line, len);

    if (!walk->header_started) {
        walk->header_started = true;
        walk->header_at = walk->held_len;
    }
    if (!blank && !mime_header_starts_field(line, len) &&
        !(is_continuation(line, len) && walk->held_len > walk->header_at)) {
        begin_part(walk, 0);
        return false;
    }
    walk->fate = FATE_HOLD;
    if (!hold(walk, line, len))
        give_up_header(walk, line, len);
    else if (blank)
        begin_part(walk, len);
    return true;
}

static void on_embedded(struct dsn_walk *walk, const char *line, size_t len)
{
    bool mbox_from = walk->first_line && len >= 5 && memcmp(line, "From ", 5) == 0;
    bool continued = !walk->first_line && is_continuation(line, len);

    walk->first_line = false;
    if (mbox_from || continued || mime_header_starts_field(line, len)) {
        keep_line(walk, line, len);
        return;
    }
    dsn_evidence_end(walk->evidence);
    walk->region = REGION_DROP;
    if (mime_header_is_blank(line, len)) {
        keep_line(walk, line, len);
    } else { /* content without a blank line before it */
        dsn_out_eol(&walk->out);
        drop_line(walk);
    }
}

static void on_headers_tail(struct dsn_walk *walk, const char *line, size_t len)
{
    if (mime_header_is_blank(line, len)) {
        keep_line(walk, line, len);
        return;
    }
    walk->region = REGION_DROP;
    drop_line(walk);
}

static void on_loose(struct dsn_walk *walk, const char *line, size_t len)
{
    keep_line(walk, line, len);
    if (mime_header_is_blank(line, len) && walk->evidence->require)
        walk->region = REGION_DROP;
}

static void on_skip_header(struct dsn_walk *walk, const char *line, size_t len)
{
    drop_line(walk);
    if (!mime_header_is_blank(line, len))
        return;
    walk->region = REGION_DROP;
    dsn_evidence_begin(walk->evidence, DSN_EVIDENCE_ORIGINAL, MIME_ENCODING_IDENTITY);
}

static void on_head(void *arg, const char *line, size_t len)
{
    struct dsn_walk *walk = arg;
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
        keep_line(walk, line, len);
        if (mime_header_is_blank(line, len))
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

/* More of a line that is longer than its head. */
static void on_rest(void *arg, const char *data, size_t len)
{
    struct dsn_walk *walk = arg;

    if (walk->fate == FATE_HOLD) {
        if (!hold(walk, data, len))
            give_up_header(walk, data, len);
        return;
    }
    dsn_evidence_feed(walk->evidence, data, len);
    if (walk->fate == FATE_EMIT)
        emit(walk, data, len);
    else if (walk->fate == FATE_DECODE)
        dsn_encoded_feed(&walk->encoded, data, len);
}

/* --- the whole --- */

static int state(const struct dsn_walk *walk)
{
    return walk->error ? walk->error : walk->out.error;
}

int dsn_walk_feed(struct dsn_walk *walk, const char *data, size_t len)
{
    if (state(walk) == 0)
        dsn_lines_feed(&walk->lines, data, len);
    return state(walk);
}

int dsn_walk_end(struct dsn_walk *walk)
{
    dsn_lines_end(&walk->lines);
    dsn_evidence_end(walk->evidence);
    end_part(walk);
    while (walk->levels.depth > 0)
        dsn_levels_abandon(&walk->levels, &walk->out);
    if (walk->out.len == 0 && walk->redacted)
        dsn_out_eol(&walk->out); /* a body must not become empty: not all MTAs take that */
    dsn_out_flush(&walk->out);
    return state(walk);
}

struct dsn_walk *dsn_walk_new(const struct mime_content_type *type, enum mime_encoding encoding,
                              dsn_sink_fn *sink, void *sink_arg, struct dsn_evidence *evidence)
{
    struct dsn_walk *walk = calloc(1, sizeof(*walk));
    bool opaque = !type || encoding != MIME_ENCODING_IDENTITY;

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
    else if (!opaque && !top(walk)->is_report)
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

uint64_t dsn_walk_output_len(const struct dsn_walk *walk)
{
    return walk->out.len;
}
