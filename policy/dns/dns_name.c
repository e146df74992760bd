/*
 * Domain names on the wire and as text: RFC 1035 sections 3.1 (labels), 4.1.4 (compression).
 * Decides only what a name is; which names may be MX hosts is left to dns_answer.c.
 */
#include "dns/dns_name.h"

#include <errno.h>
#include <string.h>

enum {
    LABEL_MAX = 63,
    POINTER_BITS = 0xc0,
    /* Each jump must go back, so reading ends anyhow; this stops a message from making every one
     * of its records walk a long chain of pointers. A name has at most 127 labels. */
    JUMPS_MAX = 127,
};

/* Independent of the locale, as ctype.h is not. */
static bool is_name_octet(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

static char to_lower(uint8_t c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* The text under construction. */
struct text {
    char *out;
    size_t len;
    size_t wire_len;
    bool unusable;
};

static bool append_label(struct text *t, const uint8_t *label, size_t len)
{
    t->wire_len += len + 1;
    if (t->wire_len + 1 > DNS_NAME_WIRE_MAX)
        return false;
    if (t->len > 0)
        t->out[t->len++] = '.';
    for (size_t i = 0; i < len; i++) {
        if (!is_name_octet(label[i]))
            t->unusable = true;
        t->out[t->len++] = to_lower(label[i]);
    }
    return true;
}

enum dns_name_status dns_name_read(struct buf *b, char out[DNS_NAME_MAX + 1])
{
    struct text t = {.out = out};
    struct buf at = *b; /* where labels come from; follows the pointers */
    size_t end = 0;     /* in b, behind the name; set by the first pointer */
    size_t start = b->pos;
    int jumps = 0;

    for (;;) {
        uint8_t head = buf_u8(&at);

        if (at.bad)
            goto bad;
        if (head == 0)
            break;
        if ((head & POINTER_BITS) == POINTER_BITS) {
            size_t target = (size_t)(head & ~POINTER_BITS) << 8 | buf_u8(&at);

            /* Strictly before the labels read last: no loop is possible. */
            if (at.bad || target >= start || ++jumps > JUMPS_MAX)
                goto bad;
            if (end == 0)
                end = at.pos;
            at.pos = start = target;
            continue;
        }
        if ((head & POINTER_BITS) != 0)
            goto bad;
        const uint8_t *label = buf_bytes(&at, head);

        if (label == NULL || !append_label(&t, label, head))
            goto bad;
    }
    b->pos = end != 0 ? end : at.pos;
    out[t.unusable ? 0 : t.len] = '\0';
    return t.unusable ? DNS_NAME_UNUSABLE : DNS_NAME_OK;

bad:
    b->bad = true;
    out[0] = '\0';
    return DNS_NAME_BAD;
}

int dns_name_normalise(const char *name, char out[DNS_NAME_MAX + 1])
{
    size_t len = strlen(name);
    size_t label_len = 0;

    if (len > 0 && name[len - 1] == '.')
        len--;
    if (len > DNS_NAME_MAX)
        return -EINVAL;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)name[i];

        if (c == '.') {
            if (label_len == 0)
                return -EINVAL;
            label_len = 0;
        } else if (!is_name_octet(c) || ++label_len > LABEL_MAX) {
            return -EINVAL;
        }
        out[i] = to_lower(c);
    }
    if (len > 0 && label_len == 0)
        return -EINVAL;
    out[len] = '\0';
    return (int)len;
}

int dns_name_write(const char *text, uint8_t *out, size_t out_len)
{
    size_t len = strlen(text);
    size_t need = len > 0 ? len + 2 : 1; /* the first length octet and the root; dots are lengths */
    size_t pos = 0;

    if (len > DNS_NAME_MAX)
        return -EINVAL;
    if (need > out_len)
        return -ENOSPC;
    while (*text != '\0') {
        size_t label_len = strcspn(text, ".");

        if (label_len == 0 || label_len > LABEL_MAX)
            return -EINVAL;
        out[pos++] = (uint8_t)label_len;
        memcpy(out + pos, text, label_len);
        pos += label_len;
        text += label_len;
        if (*text == '.' && *++text == '\0')
            return -EINVAL;
    }
    out[pos++] = 0;
    return (int)pos;
}
