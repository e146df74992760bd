/* Gathers the rewriter's output, which comes line by line, into pieces large enough for the sink.
 */
#include "dsn/dsn_out.h"

#include <string.h>

void dsn_out_init(struct dsn_out *out, dsn_sink_fn *sink, void *sink_arg)
{
    out->sink = sink;
    out->sink_arg = sink_arg;
    out->error = 0;
    out->len = 0;
    out->last = '\n';
    out->eol = "\r\n"; /* as SMTP has it, until the message shows another */
    out->piece_len = 0;
}

void dsn_out_flush(struct dsn_out *out)
{
    if (out->piece_len > 0 && out->error == 0)
        out->error = out->sink(out->sink_arg, out->piece, out->piece_len);
    out->piece_len = 0;
}

void dsn_out_write(struct dsn_out *out, const char *data, size_t len)
{
    if (len == 0)
        return;
    out->len += len;
    out->last = data[len - 1];
    while (len > 0) {
        size_t room = DSN_OUT_PIECE - out->piece_len;
        size_t n = len < room ? len : room;

        memcpy(out->piece + out->piece_len, data, n);
        out->piece_len += n;
        data += n;
        len -= n;
        if (out->piece_len == DSN_OUT_PIECE)
            dsn_out_flush(out);
    }
}

void dsn_out_text(struct dsn_out *out, const char *text)
{
    dsn_out_write(out, text, strlen(text));
}

void dsn_out_eol(struct dsn_out *out)
{
    dsn_out_text(out, out->eol);
}
