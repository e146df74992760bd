/* See arena.h. */
#include "arena.h"

#include <stdlib.h>
#include <string.h>

struct arena_block {
    struct arena_block *next;
    max_align_t data[];
};

void *arena_alloc(struct arena *arena, size_t size)
{
    struct arena_block *block = calloc(1, sizeof(*block) + (size > 0 ? size : 1));

    if (block == NULL)
        return NULL;
    block->next = arena->blocks;
    arena->blocks = block;
    return block->data;
}

char *arena_strndup(struct arena *arena, const char *text, size_t len)
{
    char *copy = arena_alloc(arena, len + 1);

    if (copy != NULL)
        memcpy(copy, text, len);
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_strndup(arena, text, strlen(text));
}

void *arena_grow(struct arena *arena, void *array, size_t count, size_t element_size)
{
    void *moved;

    if (count != 0 && (count & (count - 1)) != 0)
        return array;
    moved = arena_alloc(arena, (count == 0 ? 1 : count * 2) * element_size);
    if (moved != NULL && array != NULL)
        memcpy(moved, array, count * element_size);
    return moved;
}

void arena_free(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *block = arena->blocks;

        arena->blocks = block->next;
        free(block);
    }
}
