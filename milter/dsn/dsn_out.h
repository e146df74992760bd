/*
 * The output of the DSN rewriter on its way to the caller's sink: gathered into pieces of some
 * size, with the count and the few facts about it that the rewriting needs. Pure.
 */
#ifndef MILTER_DSN_DSN_OUT_H
#define MILTER_DSN_DSN_OUT_H

#include <stddef.h>
#include <stdint.h>

/* Takes output. Returns 0, or a negative errno, after which it is not called again. */
typedef int dsn_sink_fn(void *arg, const char *data, size_t len);

enum { DSN_OUT_PIECE = 8192 };

struct dsn_out {
    dsn_sink_fn *sink;
    void *sink_arg;
    int error;       /* the sink's; what comes after it is thrown away */
    uint64_t len;    /* written so far */
    char last;       /* the last byte written; a line end at first */
    const char *eol; /* the line end of lines that are added */
    size_t piece_len;
    char piece[DSN_OUT_PIECE];
};

void dsn_out_init(struct dsn_out *out, dsn_sink_fn *sink, void *sink_arg);
void dsn_out_write(struct dsn_out *out, const char *data, size_t len);
void dsn_out_text(struct dsn_out *out, const char *text);
void dsn_out_eol(struct dsn_out *out);

/* Hands over what is left. */
void dsn_out_flush(struct dsn_out *out);

#endif
