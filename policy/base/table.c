/*
 * A hash table of objects by a text key: table_add, table_find, table_remove. Chained, under a
 * random key (SipHash), since names come from strangers; doubled when there are more objects than
 * slots, and left as it is when there is no memory for that.
 */
#include "base/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { FIRST_SLOTS = 64 };

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static uint64_t little_endian(const unsigned char *p, size_t len)
{
    uint64_t word = 0;

    for (size_t i = 0; i < len; i++)
        word |= (uint64_t)p[i] << (8 * i);
    return word;
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

uint64_t table_siphash(const uint64_t seed[2], const void *data, size_t len)
{
    const unsigned char *p = data;
    uint64_t v[4] = {seed[0] ^ UINT64_C(0x736f6d6570736575), seed[1] ^ UINT64_C(0x646f72616e646f6d),
                     seed[0] ^ UINT64_C(0x6c7967656e657261),
                     seed[1] ^ UINT64_C(0x7465646279746573)};
    size_t left = len;

    for (; left >= 8; left -= 8, p += 8)
        sip_word(v, little_endian(p, 8));
    sip_word(v, little_endian(p, left) | (uint64_t)(len & 0xff) << 56);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

int table_init(struct table *table)
{
    memset(table, 0, sizeof *table);
    if (getrandom(table->seed, sizeof table->seed, 0) != sizeof table->seed)
        return -EIO;
    table->slots = calloc(FIRST_SLOTS, sizeof *table->slots);
    if (table->slots == NULL)
        return -ENOMEM;
    table->slot_count = FIRST_SLOTS;
    return 0;
}

void table_fini(struct table *table)
{
    free(table->slots);
    table->slots = NULL;
    table->slot_count = table->count = 0;
}

static uint32_t hash_of(const struct table *table, const char *key)
{
    return (uint32_t)table_siphash(table->seed, key, strlen(key));
}

static struct table_node **slot_of(const struct table *table, uint32_t hash)
{
    return &table->slots[hash & (table->slot_count - 1)];
}

struct table_node *table_find(const struct table *table, const char *key)
{
    uint32_t hash = hash_of(table, key);

    for (struct table_node *n = *slot_of(table, hash); n != NULL; n = n->next) {
        if (n->hash == hash && strcmp(n->key, key) == 0)
            return n;
    }
    return NULL;
}

static void link_node(struct table *table, struct table_node *node)
{
    struct table_node **slot = slot_of(table, node->hash);

    node->next = *slot;
    *slot = node;
}

static void grow_slots(struct table *table)
{
    struct table_node **old = table->slots;
    size_t old_count = table->slot_count;
    struct table_node **slots = calloc(old_count * 2, sizeof *slots);

    if (slots == NULL)
        return;
    table->slots = slots;
    table->slot_count = old_count * 2;
    for (size_t i = 0; i < old_count; i++) {
        for (struct table_node *n = old[i], *next; n != NULL; n = next) {
            next = n->next;
            link_node(table, n);
        }
    }
    free(old);
}

void table_add(struct table *table, struct table_node *node, const char *key)
{
    if (table->count >= table->slot_count)
        grow_slots(table);
    node->key = key;
    node->hash = hash_of(table, key);
    link_node(table, node);
    table->count++;
}

void table_remove(struct table *table, struct table_node *node)
{
    struct table_node **link = slot_of(table, node->hash);

    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    table->count--;
}
