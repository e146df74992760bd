/*
 * Memory that is given back all at once: what one lookup gathers, a configuration. One thread at a
 * time. What returns a pointer returns NULL when out of memory.
 */
#ifndef POLICY_ARENA_H
#define POLICY_ARENA_H

#include <stddef.h>

struct arena_block;

/* What `len` octets come to at most. */
#define ARENA_OCTETS(len) ((size_t)(len) + 16)

/* All zeros: an empty one, as arena_init makes it. */
struct arena {
    struct arena_block *blocks;
    size_t left;   /* octets unused in the first block */
    size_t octets; /* that it has taken from the system */
};

void arena_init(struct arena *arena);
void arena_fini(struct arena *arena); /* leaves an empty one */

/* Zeroed memory, aligned for any type; `len` 0 gives a valid pointer. */
void *arena_zalloc(struct arena *arena, size_t len);

/* A copy of `len` octets; `len` 0 gives a valid pointer. */
void *arena_copy(struct arena *arena, const void *data, size_t len);
char *arena_string(struct arena *arena, const char *s);

/* The first `len` octets of a text, as a string. */
char *arena_string_part(struct arena *arena, const char *s, size_t len);

/*
 * Makes room for one more element of an array of `count`, which moves when it is full at a power of
 * two; NULL is an empty one. Returns the array; on NULL the old one stays as it is.
 */
void *arena_grow(struct arena *arena, void *array, size_t count, size_t element_size);

#endif
