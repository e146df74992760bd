/*
 * Any values as a row of the policy store, as SQLite gives it from a damaged file: for each column
 * an octet that says of what type it is, and its octets. Checked is that a row counts only with its
 * check sum, and that one that counts is bound and read again as the same.
 */
#include "store/store_row.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static sqlite3_stmt *statement;

static void promise(bool kept)
{
    if (!kept)
        abort();
}

static void prepare(void)
{
    sqlite3 *db;

    promise(sqlite3_open(":memory:", &db) == SQLITE_OK);
    promise(sqlite3_prepare_v2(db, "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10", -1, &statement,
                               NULL) == SQLITE_OK);
}

/* One column: type and length in the first octet. Returns the octets used. */
static size_t bind(int column, const uint8_t *data, size_t len)
{
    size_t size = len > 0 ? data[0] >> 2 : 0;
    int64_t number = 0;

    if (len == 0)
        return 0;
    if (size > len - 1)
        size = len - 1;
    switch (data[0] & 3) {
    case 0:
        memcpy(&number, data + 1, size < sizeof(number) ? size : sizeof(number));
        sqlite3_bind_int64(statement, column, number);
        break;
    case 1:
        sqlite3_bind_text(statement, column, (const char *)data + 1, (int)size, SQLITE_TRANSIENT);
        break;
    case 2:
        sqlite3_bind_blob(statement, column, data + 1, (int)size, SQLITE_TRANSIENT);
        break;
    default:
        sqlite3_bind_double(statement, column, (double)size / 3);
        break;
    }
    return 1 + size;
}

/* What counts was written here: its sum is that of its values. */
static void check_row(struct store_row *row)
{
    uint8_t sum[STORE_ROW_SUM_LEN];
    const void *found = sqlite3_column_blob(statement, STORE_ROW_COLUMN_COUNT - 2);

    promise(store_row_sum(row, sum));
    promise(found != NULL && memcmp(found, sum, sizeof(sum)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct store_row row;
    size_t at = 0;

    if (statement == NULL)
        prepare();
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    for (int column = 1; column <= STORE_ROW_COLUMN_COUNT; column++)
        at += bind(column, data + at, len - at);
    promise(sqlite3_step(statement) == SQLITE_ROW);
    if (store_row_read(statement, &row))
        check_row(&row);
    return 0;
}
