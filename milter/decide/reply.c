/*
 * Builds the text of replies from facts and from what a peer sent, which is shown but never
 * trusted: nothing but printable ASCII leaves this file, and never more than a reply line holds.
 */
#include "decide/reply.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static char printable(char c)
{
    return c >= ' ' && c <= '~' ? c : '?';
}

void reply_set_reserved(struct reply *reply, const char *address, bool asked)
{
    char shown[130];

    reply_set(reply, 550, "5.1.2", "<%s>: Recipient address rejected: " REPLY_RESERVED "%s",
              reply_clean(address, shown, sizeof(shown)), asked ? ", " REPLY_RESERVED_ASKED : "");
}

const char *reply_clean(const char *text, char *out, size_t out_len)
{
    size_t i;

    for (i = 0; text[i] != '\0' && i < out_len - 1; i++)
        out[i] = printable(text[i]);
    out[i] = '\0';
    if (text[i] != '\0')
        memcpy(out + i - 3, "...", 3);
    return out;
}

void reply_set(struct reply *reply, int code, const char *status, const char *format, ...)
{
    char text[2 * REPLY_TEXT_MAX];
    va_list args;

    va_start(args, format);
    if (vsnprintf(text, sizeof(text), format, args) < 0)
        text[0] = '\0';
    va_end(args);
    reply->code = code;
    reply->status = status;
    reply_clean(text, reply->text, sizeof(reply->text));
}

/* Better means a smaller number. */
static int standing(const struct reply *reply)
{
    const char *detail = strchr(reply->status, '.');
    bool tls = detail != NULL && (strcmp(detail, ".7.10") == 0 || strcmp(detail, ".7.30") == 0);

    return (reply->code < 500 ? 2 : 0) + (tls ? 0 : 1);
}

void reply_unite(struct reply *lines, size_t count)
{
    const struct reply *lead = lines;
    struct reply common;

    for (size_t i = 1; i < count; i++) {
        if (standing(&lines[i]) < standing(lead))
            lead = &lines[i];
    }
    common = *lead;
    for (size_t i = 0; i < count; i++) {
        struct reply own = lines[i];

        if (own.code != common.code || strcmp(own.status, common.status) != 0)
            reply_set(&lines[i], common.code, common.status, "%s (%d %s)", own.text, own.code,
                      own.status);
    }
}

const char *reply_escape(const char *text, char *out, size_t out_len)
{
    size_t used = 0;

    for (; *text != '\0' && used + 2 < out_len; text++) {
        if (*text == '%')
            out[used++] = '%';
        out[used++] = *text;
    }
    out[used] = '\0';
    return out;
}
