/*
 * What store_db_open.c and store_db.c share of an open file; nobody else includes this.
 */
#ifndef POLICY_STORE_STORE_DB_INTERNAL_H
#define POLICY_STORE_STORE_DB_INTERNAL_H

#include "store/store_db.h"
#include "store/store_row.h"

#include <sqlite3.h>

enum store_sql {
    STORE_SQL_SELECT_ALL,
    STORE_SQL_PUT,
    STORE_SQL_DELETE,
    STORE_SQL_TOUCH,
    STORE_SQL_CHANGE,
    STORE_SQL_DELETE_ROWID,
    STORE_SQL_DANE_ALL,
    STORE_SQL_DANE_SEEN,
    STORE_SQL_DANE_FORGOTTEN,
    STORE_SQL_DANE_OVER,
    STORE_SQL_PROBE_ALL,
    STORE_SQL_PROBE_OVER,
    STORE_SQL_PROBE_PUT,
    STORE_SQL_PROBE_DELETE,
    STORE_SQL_PROBE_DELETE_ROWID,
    STORE_SQL_COUNT
};

struct store_db {
    sqlite3 *sqlite;
    sqlite3_stmt *statements[STORE_SQL_COUNT];
    bool is_new; /* made when it was opened */
};

/* store_db_probe.c: one change is written. SQLite's code, SQLITE_DONE for success. */
int store_db_put_probe(struct store_db *db, const struct store_probe *probe);
int store_db_delete_probe(struct store_db *db, const char *key);

/* What an SQLite error means for the file; err says it in SQLite's words. */
enum store_db_result store_db_failure(const struct store_db *db, int code, char *err,
                                      size_t err_size);

#endif
