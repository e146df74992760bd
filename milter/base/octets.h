/* A growing array of octets. Pure. Begin with all zero. */
#ifndef MILTER_BASE_OCTETS_H
#define MILTER_BASE_OCTETS_H

#include <stdbool.h>
#include <stddef.h>

struct octets {
    char *buf;
    size_t len;
    size_t cap;
};

bool octets_add(struct octets *octets, const char *data, size_t len); /* false: out of memory */

/* Makes room for len more octets; returns where they go, or NULL. The caller adds to len. */
char *octets_reserve(struct octets *octets, size_t len);
void octets_fini(struct octets *octets); /* all zero again */

#endif
