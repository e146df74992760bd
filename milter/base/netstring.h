/*
 * Netstrings, the framing of socketmaps: `<length>:<octets>,` with the length in decimal digits
 * without leading zeros. Pure.
 */
#ifndef MILTER_BASE_NETSTRING_H
#define MILTER_BASE_NETSTRING_H

#include <stddef.h>

enum netstring_result {
    NETSTRING_OK,   /* one whole netstring */
    NETSTRING_MORE, /* what is there is the beginning of one */
    NETSTRING_BAD,  /* no more input can make it one, or it is longer than max */
};

/*
 * Reads the netstring that begins at buf. With NETSTRING_OK `data` points into buf and `used` is
 * the length of the whole. A length above max is bad at once, so that nobody waits for it or makes
 * room for it.
 */
enum netstring_result netstring_read(const char *buf, size_t len, size_t max, const char **data,
                                     size_t *data_len, size_t *used);

/* Room for the longest length and its colon. */
enum { NETSTRING_HEAD_MAX = 22 };

/* Writes `<length>:` without a terminating zero; returns its length. The comma is the caller's. */
size_t netstring_head(size_t data_len, char out[NETSTRING_HEAD_MAX]);

#endif
