/*
 * Memory that is given back all at once: for a configuration, which is built once and then only
 * read. Not thread-safe; the owner serialises.
 */
#ifndef ARENA_H
#define ARENA_H

#include <stddef.h>

struct arena {
    struct arena_block *blocks;
};

/* Zeroed memory, aligned for any type; NULL when there is none. */
void *arena_alloc(struct arena *arena, size_t size);
char *arena_strndup(struct arena *arena, const char *text, size_t len);
char *arena_strdup(struct arena *arena, const char *text);

/*
 * Makes room for one more element of an array of `count`, which moves when it is full at a power of
 * two; NULL is an empty one. Returns the array, or NULL and the old one stays as it is.
 */
void *arena_grow(struct arena *arena, void *array, size_t count, size_t element_size);

void arena_free(struct arena *arena);

#endif
