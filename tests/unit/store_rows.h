/*
 * Policies for the tests of the store, each made from its domain and a number, so that a row read
 * back shows whether it is, octet by octet, one that was written.
 */
#ifndef TESTS_UNIT_STORE_ROWS_H
#define TESTS_UNIT_STORE_ROWS_H

#include "store/store.h"

enum { STORE_ROWS_MAX_AGE_S = 30 * 86400, STORE_ROWS_BODY_MAX = 6000 };
#define STORE_ROWS_FETCHED_AT INT64_C(1800000000)

struct store_rows {
    char dir[64]; /* made anew, below /tmp */
    char path[100];
    struct store *store;
    size_t max_queued_octets; /* 0: the default */
    /* what the store said */
    unsigned warnings, notices;
    char said[2000];
    /* what it loaded */
    size_t loaded;
    unsigned last_number; /* the highest */
};

void store_rows_init(struct store_rows *rows); /* makes the directory */
void store_rows_fini(struct store_rows *rows); /* closes the store and removes the directory */

/* Opens the store and loads it; each policy is checked to be whole. Returns how many there were. */
size_t store_rows_open(struct store_rows *rows);
size_t store_rows_open_at(struct store_rows *rows, int64_t now_s);
void store_rows_close(struct store_rows *rows);

/* Queues the policy with this number for dN.example. */
bool store_rows_put(struct store_rows *rows, unsigned domain, unsigned number);

/* Fails the test unless the policy is exactly what store_rows_put made. Returns its number. */
unsigned store_rows_check(const struct store_policy *policy);

/* How many files were set aside; the name of the nth (from 1). */
unsigned store_rows_set_aside(const struct store_rows *rows);
const char *store_rows_aside_name(const struct store_rows *rows, unsigned n);

/* For the file's octets. */
size_t store_rows_read_file(const char *path, uint8_t *out, size_t len);
void store_rows_write_file(const char *path, const void *data, size_t len);

#endif
