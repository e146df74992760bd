/*
 * Octets on their way to the server, in one block that is used again: what is left moves to its
 * front before it grows. smtp_out_add or smtp_out_reserve append, smtp_out_take removes what was
 * written, smtp_out_fini ends. An append without memory sets `error`, which stays set: the session
 * looks at it once after each step.
 */
#include "policy/smtp_out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_MIN = 1024 };

void smtp_out_fini(struct smtp_out *out)
{
    if (out->data != NULL)
        explicit_bzero(out->data, out->room);
    free(out->data);
    *out = (struct smtp_out){0};
}

void smtp_out_clear(struct smtp_out *out)
{
    if (out->len > 0)
        explicit_bzero(out->data + out->start, out->len);
    out->start = out->len = 0;
}

/* realloc would leave a copy of what was in the old block. */
static int grow(struct smtp_out *out, size_t room)
{
    char *data = malloc(room);

    if (data == NULL)
        return -ENOMEM;
    if (out->data != NULL) {
        memcpy(data, out->data + out->start, out->len);
        explicit_bzero(out->data, out->room);
        free(out->data);
    }
    out->data = data;
    out->room = room;
    out->start = 0;
    return 0;
}

char *smtp_out_reserve(struct smtp_out *out, size_t len)
{
    size_t room = out->room < ROOM_MIN ? ROOM_MIN : out->room;

    if (out->error != 0)
        return NULL;
    if (len > SIZE_MAX / 4 - out->len) {
        out->error = -ENOMEM;
        return NULL;
    }
    while (room < out->len + len)
        room *= 2;
    if (out->data == NULL || room > out->room) {
        out->error = grow(out, room);
        if (out->error != 0)
            return NULL;
    } else if (out->room - out->start - out->len < len) {
        memmove(out->data, out->data + out->start, out->len);
        out->start = 0;
    }
    return out->data + out->start + out->len;
}

void smtp_out_added(struct smtp_out *out, size_t len)
{
    out->len += len;
}

void smtp_out_add(struct smtp_out *out, const char *octets, size_t len)
{
    char *to = smtp_out_reserve(out, len);

    if (to == NULL)
        return;
    if (len > 0)
        memcpy(to, octets, len);
    smtp_out_added(out, len);
}

void smtp_out_text(struct smtp_out *out, const char *text)
{
    smtp_out_add(out, text, strlen(text));
}

void smtp_out_take(struct smtp_out *out, size_t len)
{
    if (len > out->len)
        len = out->len;
    out->start += len;
    out->len -= len;
    out->written += len;
    if (out->len == 0)
        out->start = 0;
}

uint64_t smtp_out_end(const struct smtp_out *out)
{
    return out->written + out->len;
}
