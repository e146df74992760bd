/*
 * Cuts a stream into lines without ever holding more than the beginning of one: a line comes as a
 * head, which is all of it up to its line end or else its first DSN_LINES_HEAD bytes, and as the
 * rest of it in pieces. Where the stream is cut changes the pieces of the rest and nothing else.
 * Pure.
 */
#ifndef MILTER_DSN_DSN_LINES_H
#define MILTER_DSN_DSN_LINES_H

#include <stdbool.h>
#include <stddef.h>

/* More than a delimiter with the longest boundary, and than a legal line (RFC 5322 2.1.1). */
enum { DSN_LINES_HEAD = 1024 };

struct dsn_lines {
    void (*on_head)(void *arg, const char *head, size_t len); /* len is never 0 */
    void (*on_rest)(void *arg, const char *data, size_t len);
    void *arg;
    bool in_line; /* the head is done, the line end has not come */
    size_t head_len;
    char head[DSN_LINES_HEAD];
};

void dsn_lines_feed(struct dsn_lines *lines, const char *data, size_t len);

/* At the end of the stream: the head of a last line without a line end. */
void dsn_lines_end(struct dsn_lines *lines);

#endif
