/*
 * A bounded reader for foreign bytes in network byte order. Reading past the end gives zeros (or
 * NULL) and sets `bad`, which stays set: a parser reads a whole structure and looks at `bad` once
 * before it believes any of it. Pure; nothing here allocates.
 */
#ifndef POLICY_BASE_BUF_H
#define POLICY_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    const uint8_t *data; /* borrowed */
    size_t len;
    size_t pos; /* never above len */
    bool bad;
};

static inline void buf_init(struct buf *b, const uint8_t *data, size_t len)
{
    *b = (struct buf){.data = data, .len = len};
}

static inline size_t buf_left(const struct buf *b)
{
    return b->len - b->pos;
}

/* The next `len` octets, borrowed from the reader's data; NULL when there are not as many. */
static inline const uint8_t *buf_bytes(struct buf *b, size_t len)
{
    if (b->bad || len > buf_left(b)) {
        b->bad = true;
        return NULL;
    }
    const uint8_t *at = b->data + b->pos;

    b->pos += len;
    return at;
}

static inline uint8_t buf_u8(struct buf *b)
{
    const uint8_t *at = buf_bytes(b, 1);

    return at != NULL ? at[0] : 0;
}

static inline uint16_t buf_u16(struct buf *b)
{
    const uint8_t *at = buf_bytes(b, 2);

    return at != NULL ? (uint16_t)(at[0] << 8 | at[1]) : 0;
}

static inline uint32_t buf_u32(struct buf *b)
{
    uint32_t high = buf_u16(b);

    return high << 16 | buf_u16(b);
}

#endif
