/* Bytes to lines, of any length, in bounded memory. What a line means is left to dsn_walk.c. */
#include "dsn/dsn_lines.h"

#include <string.h>

static size_t feed_head(struct dsn_lines *lines, const char *data, size_t len)
{
    size_t room = DSN_LINES_HEAD - lines->head_len;
    size_t n = len < room ? len : room;
    const char *newline = memchr(data, '\n', n);

    if (newline != NULL)
        n = (size_t)(newline - data) + 1;
    if (lines->head_len == 0 && (newline != NULL || n == room)) { /* all of it is here: no copy */
        lines->in_line = newline == NULL;
        lines->on_head(lines->arg, data, n);
        return n;
    }
    memcpy(lines->head + lines->head_len, data, n);
    lines->head_len += n;
    if (newline != NULL || n == room) {
        lines->in_line = newline == NULL;
        lines->on_head(lines->arg, lines->head, lines->head_len);
        lines->head_len = 0;
    }
    return n;
}

static size_t feed_rest(struct dsn_lines *lines, const char *data, size_t len)
{
    const char *newline = memchr(data, '\n', len);

    if (newline != NULL)
        len = (size_t)(newline - data) + 1;
    lines->in_line = newline == NULL;
    lines->on_rest(lines->arg, data, len);
    return len;
}

void dsn_lines_feed(struct dsn_lines *lines, const char *data, size_t len)
{
    while (len > 0) {
        size_t n = lines->in_line ? feed_rest(lines, data, len) : feed_head(lines, data, len);

        data += n;
        len -= n;
    }
}

void dsn_lines_end(struct dsn_lines *lines)
{
    if (lines->head_len > 0)
        lines->on_head(lines->arg, lines->head, lines->head_len);
    lines->head_len = 0;
}
