/*
 * One row of the policy store: to and from SQLite's columns, with a checksum. A damaged page can
 * still be a well-formed page, so a row counts only if it is, octet by octet, what was written.
 */
#ifndef POLICY_STORE_STORE_ROW_H
#define POLICY_STORE_STORE_ROW_H

#include "store/store_db.h"

#include <sqlite3.h>

#define STORE_ROW_COLUMNS "domain, id, mode, max_age, mx, body, fetched_at, doubts, sum, used_at"

enum {
    STORE_ROW_COLUMN_COUNT = 10,
    STORE_ROW_SUM_LEN = 32,
    STORE_ROW_FORMAT = 1, /* of columns and checksum; raised when they change */
};

/* SHA-256 over everything but the last use, whose damage would do no harm. False: no memory. */
bool store_row_sum(const struct store_row *row, uint8_t sum[STORE_ROW_SUM_LEN]);

/* The same over a key, a record and a time, in rows of another kind and format. */
bool store_row_sum_of(int64_t format, const char *key, const void *record, size_t record_len,
                      int64_t at_s, uint8_t sum[STORE_ROW_SUM_LEN]);

/* Fills a row from a result of STORE_ROW_COLUMNS; it points into the result. False when it is not
 * one that was written here. */
bool store_row_read(sqlite3_stmt *s, struct store_row *row);

/* Binds a row to the parameters of an insertion, in that order. False: no memory. */
bool store_row_bind(sqlite3_stmt *s, const struct store_row *row);

#endif
