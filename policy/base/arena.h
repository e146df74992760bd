/*
 * Memory that is given back all at once: what one lookup gathers. One thread.
 */
#ifndef POLICY_BASE_ARENA_H
#define POLICY_BASE_ARENA_H

#include <stddef.h>

struct arena_block;

/* What `len` octets come to at most. */
#define ARENA_OCTETS(len) ((size_t)(len) + 16)

struct arena {
    struct arena_block *blocks;
    size_t left;   /* octets unused in the first block */
    size_t octets; /* that it has taken from the system */
};

void arena_init(struct arena *arena);
void arena_fini(struct arena *arena);

/* Zeroed memory, aligned for any type; NULL when out of memory. */
void *arena_zalloc(struct arena *arena, size_t len);

/* A copy of `len` octets; `len` 0 gives a valid pointer. */
void *arena_copy(struct arena *arena, const void *data, size_t len);
char *arena_string(struct arena *arena, const char *s);

#endif
