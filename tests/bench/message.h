/*
 * The message that all send: ten header fields and text, 4 kB together, as it follows DATA, the
 * final dot included.
 */
#ifndef TESTS_BENCH_MESSAGE_H
#define TESTS_BENCH_MESSAGE_H

#include <stddef.h>

/* The message; *len gets its length. */
const char *message_text(size_t *len);

#endif
