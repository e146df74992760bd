/*
 * Open multiparts and their delimiters (RFC 2046 section 5.1.1): `--`, the boundary, `--` again
 * when it is the last, blanks, line end. A boundary may be the beginning of another, so that only
 * whole lines count. An inner multipart that was never closed ends with a delimiter of an outer
 * one.
 */
#include "dsn/dsn_levels.h"

#include "base/text.h"

#include <string.h>

struct dsn_level *dsn_levels_top(struct dsn_levels *levels)
{
    return &levels->level[levels->depth - 1];
}

void dsn_levels_open(struct dsn_levels *levels, const struct mime_content_type *type)
{
    bool in_report = levels->depth > 0 && dsn_levels_top(levels)->in_report;
    struct dsn_level *level = &levels->level[levels->depth++];

    level->is_report = mime_header_is(type, "multipart", "report");
    level->in_report = in_report || level->is_report;
    level->is_digest = mime_header_is(type, "multipart", "digest");
    level->n_parts = 0;
    level->n_kept = 0;
    level->boundary_len = type->boundary_len;
    memcpy(level->boundary, type->boundary, type->boundary_len + 1);
}

struct dsn_level *dsn_levels_match(struct dsn_levels *levels, const char *line, size_t len,
                                   bool *closing)
{
    if (len < 3 || line[0] != '-' || line[1] != '-')
        return NULL;
    while (len > 2 && text_is_fws(line[len - 1]))
        len--;
    line += 2;
    len -= 2;
    for (size_t i = levels->depth; i-- > 0;) {
        struct dsn_level *level = &levels->level[i];
        const char *rest = line + level->boundary_len;

        if (len < level->boundary_len || memcmp(line, level->boundary, level->boundary_len) != 0)
            continue;
        *closing = len == level->boundary_len + 2 && rest[0] == '-' && rest[1] == '-';
        if (len == level->boundary_len || *closing)
            return level;
    }
    return NULL;
}

static void write_delimiter(const struct dsn_level *level, const char *end, struct dsn_out *out)
{
    dsn_out_text(out, "--");
    dsn_out_write(out, level->boundary, level->boundary_len);
    dsn_out_text(out, end);
    dsn_out_eol(out);
}

void dsn_levels_fill(const struct dsn_level *level, struct dsn_out *out)
{
    if (level->n_parts == 0 || level->n_kept > 0)
        return;
    write_delimiter(level, "", out);
    dsn_out_text(out, "Content-Type: text/plain"); /* in a digest the default would be a message */
    dsn_out_eol(out);
    dsn_out_eol(out);
}

void dsn_levels_abandon(struct dsn_levels *levels, struct dsn_out *out)
{
    const struct dsn_level *level = dsn_levels_top(levels);

    levels->depth--;
    if (level->n_parts == 0)
        return; /* not even begun */
    if (out->last != '\n')
        dsn_out_eol(out);
    dsn_levels_fill(level, out);
    write_delimiter(level, "--", out);
}
