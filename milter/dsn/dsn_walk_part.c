/*
 * The parts of a report: dsn_walk.c holds a part's own header until its end; dsn_walk_begin_part
 * then decides over the part by what the header says (RFC 6522, RFC 8689 section 5):
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
#include "dsn/dsn_evidence.h"
#include "dsn/dsn_part.h"
#include "dsn/dsn_walk_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void dsn_walk_emit(void *arg, const char *data, size_t len)
{
    struct dsn_walk *walk = arg;

    dsn_out_write(&walk->out, data, len);
}

bool dsn_walk_hold(struct dsn_walk *walk, const char *data, size_t len)
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

void dsn_walk_release(struct dsn_walk *walk)
{
    dsn_walk_emit(walk, walk->held, walk->held_len);
    walk->held_len = 0;
}

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
    dsn_walk_release(walk);
    dsn_walk_top(walk)->n_kept++;
    walk->region = region;
    walk->in_ticket = false;
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

    dsn_walk_emit(walk, walk->held, walk->header_at);
    dsn_part_write_as_headers(part, walk->held + walk->header_at, header_len, NULL, walk->out.eol,
                              dsn_walk_emit, walk);
    if (blank_at < walk->held_len)
        dsn_walk_emit(walk, walk->held + blank_at, walk->held_len - blank_at);
    else
        dsn_out_eol(&walk->out);
    walk->held_len = 0;
    walk->redacted = true;
    walk->first_line = true;
    walk->in_ticket = false;
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
    bool later = dsn_walk_top(walk)->is_report && dsn_walk_top(walk)->n_parts > 1;

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

void dsn_walk_begin_part(struct dsn_walk *walk, size_t blank_len)
{
    size_t header_len = walk->held_len - walk->header_at - blank_len;
    struct dsn_part part;

    dsn_part_read(walk->held + walk->header_at, header_len, dsn_walk_top(walk)->is_digest, &part);
    if (dsn_walk_top(walk)->in_report)
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
