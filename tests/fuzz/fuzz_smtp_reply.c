/*
 * Any octets as the replies of an SMTP server. Checked are the bounds, that the text is printable,
 * that a line is held as it was sent, and that it does not matter in what pieces the octets come.
 */
#include "policy/smtp_reply.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void promise(bool kept)
{
    if (!kept)
        abort();
}

static void check_reply(const struct smtp_reply *reply)
{
    int class = smtp_reply_class(reply);

    promise(reply->code == 0 || (class >= 2 && class <= 5));
    promise(strlen(reply->text) <= SMTP_REPLY_TEXT_MAX);
    for (const char *c = reply->text; *c != '\0'; c++)
        promise(*c >= 0x20 && *c <= 0x7e);
    promise((reply->enhanced[0] == '\0') == (class == 0 || class == 3));
    promise(reply->enhanced[0] == '\0' || reply->enhanced[0] - '0' == class);
    promise(strlen(reply->enhanced) <= SMTP_ENHANCED_MAX);
    promise(strspn(reply->enhanced, "0123456789.") == strlen(reply->enhanced));
    promise(!reply->enhanced_given || strlen(reply->enhanced) >= 5);
}

/* The line is there in what was read, behind a code, with its line end behind it. */
static void check_line(const struct smtp_reply_parser *p, const char *end)
{
    const char *line_end = end - 1; /* LF */

    promise(p->line_len <= SMTP_REPLY_LINE_MAX && p->line[p->line_len] == '\0');
    promise(*line_end == '\n');
    promise(memchr(p->line, '\r', p->line_len) == NULL);
    while (line_end[-1] == '\r')
        line_end--;
    promise(memcmp(line_end - p->line_len, p->line, p->line_len) == 0);
}

/* One octet each. */
static enum smtp_reply_status octets(struct smtp_reply_parser *p, const char *data, size_t len)
{
    enum smtp_reply_status status = SMTP_REPLY_MORE;

    for (size_t i = 0; i < len; i++) {
        size_t used = 0;

        promise(status == SMTP_REPLY_MORE);
        status = smtp_reply_parse(p, data + i, 1, &used);
        promise(used == 1);
    }
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct smtp_reply_parser whole = {0}, pieces = {0};
    const char *at = (const char *)data, *end = at + len;
    size_t reply_len = 0;

    while (at < end) {
        size_t used = 0;
        enum smtp_reply_status status = smtp_reply_parse(&whole, at, (size_t)(end - at), &used);

        promise(used > 0 && used <= (size_t)(end - at));
        promise(octets(&pieces, at, used) == status);
        promise(memcmp(&whole.reply, &pieces.reply, sizeof(whole.reply)) == 0);
        promise(whole.line_len == pieces.line_len);
        promise(smtp_reply_begun(&whole) == (status != SMTP_REPLY_DONE));
        check_reply(&whole.reply);
        reply_len += used;
        promise(reply_len <= SMTP_REPLY_OCTETS_MAX + 2);
        promise(whole.lines <= SMTP_REPLY_LINES_MAX);
        at += used;
        if (status == SMTP_REPLY_LINE || status == SMTP_REPLY_DONE)
            check_line(&whole, at);
        if (status == SMTP_REPLY_DONE)
            reply_len = 0;
        if (status == SMTP_REPLY_BAD || status == SMTP_REPLY_TOO_LONG)
            return 0;
        promise(status != SMTP_REPLY_MORE || at == end);
    }
    return 0;
}
