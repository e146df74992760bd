/*
 * The keys under which the servers of the shared cache have its rows: "requiretls:1:policy:DOMAIN"
 * and "requiretls:1:probe:NAME". The number is that of the key's form; a version of this program
 * that writes other rows under the same keys says so in the row (shared_row.h). Pure.
 */
#ifndef POLICY_STORE_SHARED_KEY_H
#define POLICY_STORE_SHARED_KEY_H

#include <stdbool.h>
#include <stddef.h>

/* The values are octets of a row: never renumbered. */
enum shared_kind {
    SHARED_POLICY = 1, /* an MTA-STS policy; its name is the policy domain, A-labels, lower case */
    SHARED_PROBE = 2,  /* what a probe has shown; its name is probe_cache_key_text's */
};

enum {
    SHARED_NAME_MAX = 511,                 /* octets of a domain or of a probe's key */
    SHARED_KEY_MAX = SHARED_NAME_MAX + 32, /* octets of a row key */
};

/*
 * Writes the row key of what is called `name`, with a NUL, and returns its length. 0: there is no
 * such kind, or the name is empty, longer than SHARED_NAME_MAX, or has other octets than printable
 * ASCII and blanks. Any thread.
 */
size_t shared_key_text(enum shared_kind kind, const char *name, char out[SHARED_KEY_MAX + 1]);

#endif
