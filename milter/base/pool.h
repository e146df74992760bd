/*
 * Memory that is given back all at once: for a configuration, which is built once and then only
 * read. Not thread-safe; the owner serialises.
 */
#ifndef MILTER_BASE_POOL_H
#define MILTER_BASE_POOL_H

#include <stddef.h>

struct pool {
    struct pool_block *blocks;
};

/* Zeroed memory, aligned for any type; NULL when there is none. */
void *pool_alloc(struct pool *pool, size_t size);
char *pool_strndup(struct pool *pool, const char *text, size_t len);
char *pool_strdup(struct pool *pool, const char *text);

/*
 * Makes room for one more element of an array of `count`, which moves when it is full at a power of
 * two; NULL is an empty one. Returns the array, or NULL and the old one stays as it is.
 */
void *pool_grow(struct pool *pool, void *array, size_t count, size_t element_size);

void pool_free(struct pool *pool);

#endif
