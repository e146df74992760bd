/*
 * Bounded text in memory of the caller: text_init, then text_add, text_add_n and text_addf, each of
 * which adds its piece whole or not at all and then sets `full`. Whether octets are fit to be shown
 * is the caller's care.
 */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void text_init(struct text *text, char *buf, size_t size)
{
    *text = (struct text){.buf = buf, .size = size};
    buf[0] = '\0';
}

void text_add_n(struct text *text, const char *piece, size_t len)
{
    if (text->full || len >= text->size - text->len) {
        text->full = true;
        return;
    }
    memcpy(text->buf + text->len, piece, len);
    text->len += len;
    text->buf[text->len] = '\0';
}

void text_add(struct text *text, const char *piece)
{
    text_add_n(text, piece, strlen(piece));
}

void text_addf(struct text *text, const char *format, ...)
{
    if (text->full)
        return;
    va_list args;
    va_start(args, format);
    size_t room = text->size - text->len;
    int len = vsnprintf(text->buf + text->len, room, format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= room) {
        text->full = true;
        text->buf[text->len] = '\0';
        return;
    }
    text->len += (size_t)len;
}

void text_cut(struct text *text, size_t len)
{
    text->len = len;
    text->buf[len] = '\0';
    text->full = false;
}
