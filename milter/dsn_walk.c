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
 *   a message in base64 or so         left out        left out
 *   a message's header                kept            kept
 *   delivery-status and its kin       kept            kept
 *   a multipart                       looked into     left out, unless it is a report
 *   anything else                     kept            left out
 *   what cannot be relied on          left out        left out
 *
 * Outside a report multiparts are looked into and all else is kept. RFC 6522 section 3 gives a
 * report two or three parts, so that "anything else" after the first is returned content under
 * another name.
 */
#include "dsn_walk.h"

#include "dsn_part.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE_HEAD_MAX =
        1024, /* more than a delimiter with the longest boundary, and than RFC 5322 2.1.1 */
    OUT_MAX = 8192,
};

/* What the lines at this place are. */
enum region {
    REGION_LOOSE,       /* a report's preamble, or a report whose parts cannot be told apart: kept,
                           up to the blank line that follows a sign of REQUIRETLS */
    REGION_PART_HEADER, /* a part's own header: held */
    REGION_SKIP_HEADER, /* one that is too long to be held: left out */
    REGION_KEEP,
    REGION_EMBEDDED,     /* a returned message's header: kept; what follows is left out */
    REGION_HEADERS,      /* a part that says it is a header */
    REGION_HEADERS_TAIL, /* behind its end: blank lines are kept, content is left out */
    REGION_DROP,
};

/* What becomes of the rest of a long line. */
enum fate { FATE_EMIT, FATE_HOLD, FATE_DROP };

struct level {
    bool is_report;
    bool in_report; /* it or a multipart around it is one */
    bool is_digest;
    size_t n_parts; /* begun so far */
    size_t n_kept;  /* of them in the output */
    size_t boundary_len;
    char boundary[MIME_BOUNDARY_MAX + 1];
};

struct dsn_walk {
    dsn_sink_fn *sink;
    void *sink_arg;
    struct dsn_evidence *evidence;
    int error;
    bool redacted;
    bool first_line; /* of a returned message */
    const char *eol; /* as the last line had it, for lines that are added */

    enum region region;
    enum fate fate;
    bool in_line; /* its head is done, its end has not come */
    size_t head_len;
    char head[LINE_HEAD_MAX];

    size_t depth;
    struct level levels[DSN_WALK_DEPTH_MAX];

    char *held; /* delimiter line and header of a part; own */
    size_t held_len;
    size_t held_size;
    size_t header_at;    /* where in it the header begins */
    bool header_started; /* the delimiter line is complete */

    uint64_t output_len;
    char last_out; /* the last byte written */
    size_t out_len;
    char out[OUT_MAX];
};

/* --- output --- */

static void flush(struct dsn_walk *walk)
{
    if (walk->out_len > 0 && walk->error == 0)
        walk->error = walk->sink(walk->sink_arg, walk->out, walk->out_len);
    walk->out_len = 0;
}

static void emit(void *arg, const char *data, size_t len)
{
    struct dsn_walk *walk = arg;

    if (len == 0)
        return;
    walk->output_len += len;
    walk->last_out = data[len - 1];
    while (len > 0) {
        size_t room = OUT_MAX - walk->out_len;
        size_t n = len < room ? len : room;

        memcpy(walk->out + walk->out_len, data, n);
        walk->out_len += n;
        data += n;
        len -= n;
        if (walk->out_len == OUT_MAX)
            flush(walk);
    }
}

static void emit_text(struct dsn_walk *walk, const char *text)
{
    emit(walk, text, strlen(text));
}

static void drop(struct dsn_walk *walk)
{
    walk->redacted = true;
    walk->fate = FATE_DROP;
}

static void keep(struct dsn_walk *walk, const char *line, size_t len)
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
        if (!grown) {
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

/* --- multiparts --- */

static struct level *top(struct dsn_walk *walk)
{
    return &walk->levels[walk->depth - 1];
}

static void open_level(struct dsn_walk *walk, const struct mime_content_type *type)
{
    bool in_report = walk->depth > 0 && top(walk)->in_report;
    struct level *level = &walk->levels[walk->depth++];

    memset(level, 0, sizeof(*level));
    level->is_report = mime_header_is(type, "multipart", "report");
    level->in_report = in_report || level->is_report;
    level->is_digest = mime_header_is(type, "multipart", "digest");
    level->boundary_len = type->boundary_len;
    memcpy(level->boundary, type->boundary, type->boundary_len + 1);
}

/* A multipart has one part at least: an empty one, when all that it had was left out. */
static void fill_if_empty(struct dsn_walk *walk, const struct level *level)
{
    if (level->n_parts == 0 || level->n_kept > 0)
        return;
    emit_text(walk, "--");
    emit(walk, level->boundary, level->boundary_len);
    emit_text(walk, walk->eol);
    emit_text(walk, "Content-Type: text/plain"); /* in a digest the default would be a message */
    emit_text(walk, walk->eol);
    emit_text(walk, walk->eol);
}

/* Leaves a multipart that has no closing delimiter and gives it one. */
static void close_level(struct dsn_walk *walk)
{
    struct level *level = top(walk);

    if (level->n_parts > 0) {
        if (walk->last_out != '\n')
            emit_text(walk, walk->eol);
        fill_if_empty(walk, level);
        emit_text(walk, "--");
        emit(walk, level->boundary, level->boundary_len);
        emit_text(walk, "--");
        emit_text(walk, walk->eol);
    }
    walk->depth--;
}

/*
 * Finds the open multipart, innermost first, whose delimiter the line is. A line that is longer
 * than any delimiter but begins as one, blanks included, is taken for one.
 */
static struct level *match_delimiter(struct dsn_walk *walk, const char *line, size_t len,
                                     bool *closing)
{
    if (walk->depth == 0 || len < 3 || line[0] != '-' || line[1] != '-')
        return NULL;
    while (len > 2 && strchr(" \t\r\n", line[len - 1]) && line[len - 1])
        len--;
    line += 2;
    len -= 2;
    for (size_t i = walk->depth; i-- > 0;) {
        struct level *level = &walk->levels[i];
        const char *rest = line + level->boundary_len;

        if (len < level->boundary_len || memcmp(line, level->boundary, level->boundary_len) != 0)
            continue;
        *closing = len == level->boundary_len + 2 && rest[0] == '-' && rest[1] == '-';
        if (len == level->boundary_len || *closing)
            return level;
    }
    return NULL;
}

static void on_delimiter(struct dsn_walk *walk, struct level *level, bool closing, const char *line,
                         size_t len)
{
    dsn_evidence_end(walk->evidence);
    if (walk->region == REGION_PART_HEADER) { /* a part that is nothing but a header */
        release_held(walk);
        top(walk)->n_kept++;
    }
    while (top(walk) != level)
        close_level(walk);
    if (closing) {
        fill_if_empty(walk, level);
        walk->depth--;
        walk->region = REGION_KEEP; /* the epilogue */
        keep(walk, line, len);
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
    open_level(walk, &part->type);
}

/* A returned message: its header stays. */
static void shrink_message(struct dsn_walk *walk, const struct dsn_part *part, size_t header_len)
{
    size_t blank_at = walk->header_at + header_len;

    emit(walk, walk->held, walk->header_at);
    dsn_part_write_as_headers(part, walk->held + walk->header_at, header_len, walk->eol, emit,
                              walk);
    if (blank_at < walk->held_len)
        emit(walk, walk->held + blank_at, walk->held_len - blank_at);
    else
        emit_text(walk, walk->eol);
    walk->held_len = 0;
    walk->redacted = true;
    walk->first_line = true;
    keep_part(walk, REGION_EMBEDDED, DSN_EVIDENCE_ORIGINAL, MIME_ENCODING_IDENTITY);
}

static void begin_part_in_report(struct dsn_walk *walk, const struct dsn_part *part,
                                 size_t header_len)
{
    bool later = top(walk)->is_report && top(walk)->n_parts > 1;

    switch (part->kind) {
    case DSN_PART_MESSAGE:
        if (part->encoding == MIME_ENCODING_IDENTITY)
            shrink_message(walk, part, header_len);
        else
            drop_part(walk, DSN_EVIDENCE_ORIGINAL, part->encoding);
        return;
    case DSN_PART_HEADERS:
        keep_part(walk, REGION_HEADERS, DSN_EVIDENCE_ORIGINAL, part->encoding);
        return;
    case DSN_PART_STATUS:
        keep_part(walk, REGION_KEEP, DSN_EVIDENCE_STATUS, part->encoding);
        return;
    case DSN_PART_MULTIPART:
        if ((later && !part->is_report) || walk->depth == DSN_WALK_DEPTH_MAX)
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
    else if (part.kind == DSN_PART_MULTIPART && walk->depth < DSN_WALK_DEPTH_MAX)
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
        drop(walk);
        return;
    }
    release_held(walk);
    top(walk)->n_kept++;
    walk->region = REGION_KEEP;
    keep(walk, data, len);
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
        keep(walk, line, len);
        return;
    }
    dsn_evidence_end(walk->evidence);
    walk->region = REGION_DROP;
    if (mime_header_is_blank(line, len)) {
        keep(walk, line, len);
    } else { /* content without a blank line before it */
        emit_text(walk, walk->eol);
        drop(walk);
    }
}

static void on_headers_tail(struct dsn_walk *walk, const char *line, size_t len)
{
    if (mime_header_is_blank(line, len)) {
        keep(walk, line, len);
        return;
    }
    walk->region = REGION_DROP;
    drop(walk);
}

static void on_loose(struct dsn_walk *walk, const char *line, size_t len)
{
    keep(walk, line, len);
    if (mime_header_is_blank(line, len) && walk->evidence->require)
        walk->region = REGION_DROP;
}

static void on_skip_header(struct dsn_walk *walk, const char *line, size_t len)
{
    drop(walk);
    if (!mime_header_is_blank(line, len))
        return;
    walk->region = REGION_DROP;
    dsn_evidence_begin(walk->evidence, DSN_EVIDENCE_ORIGINAL, MIME_ENCODING_IDENTITY);
}

/* The beginning of a line, up to LINE_HEAD_MAX of it. */
static void on_head(struct dsn_walk *walk, const char *line, size_t len)
{
    bool closing = false;
    struct level *level = match_delimiter(walk, line, len, &closing);

    if (line[len - 1] == '\n')
        walk->eol = len > 1 && line[len - 2] == '\r' ? "\r\n" : "\n";
    if (level) {
        on_delimiter(walk, level, closing, line, len);
        return;
    }
    if (walk->region == REGION_PART_HEADER && on_part_header(walk, line, len))
        return;
    dsn_evidence_feed(walk->evidence, line, len);
    switch (walk->region) {
    case REGION_PART_HEADER: /* on_part_header has left it */
    case REGION_KEEP:
        keep(walk, line, len);
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
    case REGION_HEADERS:
        keep(walk, line, len);
        if (mime_header_is_blank(line, len))
            walk->region = REGION_HEADERS_TAIL;
        return;
    case REGION_HEADERS_TAIL:
        on_headers_tail(walk, line, len);
        return;
    case REGION_DROP:
        break;
    }
    drop(walk);
}

/* More of a line that is longer than its head. */
static void on_rest(struct dsn_walk *walk, const char *data, size_t len)
{
    if (walk->fate == FATE_HOLD) {
        if (!hold(walk, data, len))
            give_up_header(walk, data, len);
        return;
    }
    dsn_evidence_feed(walk->evidence, data, len);
    if (walk->fate == FATE_EMIT)
        emit(walk, data, len);
}

/* --- bytes to lines --- */

static size_t feed_head(struct dsn_walk *walk, const char *data, size_t len)
{
    size_t room = LINE_HEAD_MAX - walk->head_len;
    size_t n = len < room ? len : room;
    const char *newline = memchr(data, '\n', n);

    if (newline)
        n = (size_t)(newline - data) + 1;
    if (walk->head_len == 0 && (newline || n == room)) {
        on_head(walk, data, n);
        walk->in_line = !newline;
        return n;
    }
    memcpy(walk->head + walk->head_len, data, n);
    walk->head_len += n;
    if (newline || n == room) {
        on_head(walk, walk->head, walk->head_len);
        walk->head_len = 0;
        walk->in_line = !newline;
    }
    return n;
}

static size_t feed_rest(struct dsn_walk *walk, const char *data, size_t len)
{
    const char *newline = memchr(data, '\n', len);

    if (newline)
        len = (size_t)(newline - data) + 1;
    on_rest(walk, data, len);
    walk->in_line = !newline;
    return len;
}

int dsn_walk_feed(struct dsn_walk *walk, const char *data, size_t len)
{
    while (len > 0 && walk->error == 0) {
        size_t n = walk->in_line ? feed_rest(walk, data, len) : feed_head(walk, data, len);

        data += n;
        len -= n;
    }
    return walk->error;
}

int dsn_walk_end(struct dsn_walk *walk)
{
    if (walk->head_len > 0)
        on_head(walk, walk->head, walk->head_len);
    walk->head_len = 0;
    dsn_evidence_end(walk->evidence);
    if (walk->region == REGION_PART_HEADER) {
        release_held(walk);
        top(walk)->n_kept++;
    }
    while (walk->depth > 0)
        close_level(walk);
    if (walk->output_len == 0 && walk->redacted)
        emit_text(walk, walk->eol); /* a body must not become empty: not all MTAs take that */
    flush(walk);
    return walk->error;
}

struct dsn_walk *dsn_walk_new(const struct mime_content_type *type, enum mime_encoding encoding,
                              dsn_sink_fn *sink, void *sink_arg, struct dsn_evidence *evidence)
{
    struct dsn_walk *walk = calloc(1, sizeof(*walk));
    bool opaque = !type || encoding != MIME_ENCODING_IDENTITY;

    if (!walk)
        return NULL;
    walk->sink = sink;
    walk->sink_arg = sink_arg;
    walk->evidence = evidence;
    walk->eol = "\r\n"; /* as SMTP has it */
    walk->last_out = '\n';
    if (!opaque)
        open_level(walk, type);
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
    if (!walk)
        return;
    free(walk->held);
    free(walk);
}

bool dsn_walk_redacted(const struct dsn_walk *walk)
{
    return walk->redacted;
}

uint64_t dsn_walk_output_len(const struct dsn_walk *walk)
{
    return walk->output_len;
}
