/*
 * Memory that is given back all at once: pieces by arena_zalloc and its kin, all of it by
 * arena_fini. A list of blocks; the first one is filled from its end towards its start.
 */
#include "policy/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct arena_block {
    struct arena_block *next;
    alignas(max_align_t) char room[];
};

enum { BLOCK_LEN = 2000 };

void arena_init(struct arena *arena)
{
    arena->blocks = NULL;
    arena->left = 0;
    arena->octets = 0;
}

void arena_fini(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
    arena->left = 0;
    arena->octets = 0;
}

static bool add_block(struct arena *arena, size_t len)
{
    struct arena_block *block = malloc(sizeof *block + len);

    if (block == NULL)
        return false;
    block->next = arena->blocks;
    arena->blocks = block;
    arena->left = len;
    arena->octets += sizeof *block + len;
    return true;
}

void *arena_zalloc(struct arena *arena, size_t len)
{
    const size_t align = alignof(max_align_t);

    if (len > SIZE_MAX / 2)
        return NULL;
    if (len == 0)
        len = 1;
    len = (len + align - 1) / align * align;
    if (len > arena->left && !add_block(arena, len > BLOCK_LEN ? len : BLOCK_LEN / align * align))
        return NULL;
    arena->left -= len;
    return memset(arena->blocks->room + arena->left, 0, len);
}

void *arena_copy(struct arena *arena, const void *data, size_t len)
{
    void *copy = arena_zalloc(arena, len);

    if (copy != NULL && len > 0)
        memcpy(copy, data, len);
    return copy;
}

char *arena_string(struct arena *arena, const char *s)
{
    return arena_copy(arena, s, strlen(s) + 1);
}

char *arena_string_part(struct arena *arena, const char *s, size_t len)
{
    char *part = arena_zalloc(arena, len + 1);

    if (part != NULL)
        memcpy(part, s, len);
    return part;
}

void *arena_grow(struct arena *arena, void *array, size_t count, size_t element_size)
{
    void *moved;

    if (count != 0 && (count & (count - 1)) != 0)
        return array;
    moved = arena_zalloc(arena, (count == 0 ? 1 : count * 2) * element_size);
    if (moved != NULL && array != NULL)
        memcpy(moved, array, count * element_size);
    return moved;
}
