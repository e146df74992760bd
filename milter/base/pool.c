/* Memory that is freed together: pieces are allocated one by one and listed; pool_free frees all.
 * NULL: out of memory. */
#include "base/pool.h"

#include <stdlib.h>
#include <string.h>

struct pool_block {
    struct pool_block *next;
    max_align_t data[];
};

void *pool_alloc(struct pool *pool, size_t size)
{
    struct pool_block *block = calloc(1, sizeof(*block) + (size > 0 ? size : 1));

    if (block == NULL)
        return NULL;
    block->next = pool->blocks;
    pool->blocks = block;
    return block->data;
}

char *pool_strndup(struct pool *pool, const char *text, size_t len)
{
    char *copy = pool_alloc(pool, len + 1);

    if (copy != NULL)
        memcpy(copy, text, len);
    return copy;
}

char *pool_strdup(struct pool *pool, const char *text)
{
    return pool_strndup(pool, text, strlen(text));
}

void *pool_grow(struct pool *pool, void *array, size_t count, size_t element_size)
{
    void *moved;

    if (count != 0 && (count & (count - 1)) != 0)
        return array;
    moved = pool_alloc(pool, (count == 0 ? 1 : count * 2) * element_size);
    if (moved != NULL && array != NULL)
        memcpy(moved, array, count * element_size);
    return moved;
}

void pool_free(struct pool *pool)
{
    while (pool->blocks != NULL) {
        struct pool_block *block = pool->blocks;

        pool->blocks = block->next;
        free(block);
    }
}
