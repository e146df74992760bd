/*
 * The rows of probes: store_db_load_probes reads them when the program starts, store_db_put_probe
 * and store_db_delete_probe write one change. A row has a checksum over all of it, since a page can
 * be damaged and still be a well-formed page; one that is not as it was written is deleted. Nothing
 * is lost by that but a connection to see anew.
 */
#include "store/store_db_internal.h"

#include <string.h>

enum {
    FORMAT = 1, /* of the row and its checksum */
    /* What is deleted when the file is read; more comes up again the next time. */
    DELETE_MAX = 256,
};

/* As in STORE_SQL_PROBE_ALL and, but for the last, STORE_SQL_PROBE_PUT. */
enum column { KEY, RECORD, ENDS_AT, SUM, ROWID };

static bool probe_sum(const struct store_probe *probe, uint8_t sum[STORE_ROW_SUM_LEN])
{
    return store_row_sum_of(FORMAT, probe->key, probe->record, probe->record_len, probe->ends_at_s,
                            sum);
}

/* Points into the statement's row. False: it is not one that was written here. */
static bool read_probe(sqlite3_stmt *s, struct store_probe *probe)
{
    uint8_t sum[STORE_ROW_SUM_LEN];

    if (sqlite3_column_type(s, KEY) != SQLITE_TEXT ||
        sqlite3_column_type(s, RECORD) != SQLITE_BLOB || sqlite3_column_type(s, SUM) != SQLITE_BLOB)
        return false;
    probe->key = (const char *)sqlite3_column_text(s, KEY);
    if (probe->key == NULL || strlen(probe->key) != (size_t)sqlite3_column_bytes(s, KEY))
        return false;
    probe->record = sqlite3_column_blob(s, RECORD);
    probe->record_len = (size_t)sqlite3_column_bytes(s, RECORD);
    probe->ends_at_s = sqlite3_column_int64(s, ENDS_AT);
    return probe->record != NULL && sqlite3_column_bytes(s, SUM) == STORE_ROW_SUM_LEN &&
           probe_sum(probe, sum) &&
           memcmp(sum, sqlite3_column_blob(s, SUM), STORE_ROW_SUM_LEN) == 0;
}

static int run(sqlite3_stmt *s)
{
    int code = sqlite3_step(s);

    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return code;
}

/* An index that does not fit the table bars single rows from being deleted, but not all of them.
 * The policies in the same file are not to be lost by that. */
static void delete_rows(struct store_db *db, sqlite3_stmt *s)
{
    if ((run(s) & 0xff) == SQLITE_CORRUPT)
        sqlite3_exec(db->sqlite, "DELETE FROM probe", NULL, NULL, NULL);
}

static void delete_over(struct store_db *db, int64_t now_s, int64_t last_s)
{
    sqlite3_stmt *s = db->statements[STORE_SQL_PROBE_OVER];

    sqlite3_bind_int64(s, 1, now_s);
    sqlite3_bind_int64(s, 2, last_s);
    delete_rows(db, s);
}

enum store_db_result store_db_load_probes(struct store_db *db, int64_t now_s, int64_t last_s,
                                          store_probe_fn each, void *arg, char *err,
                                          size_t err_size)
{
    sqlite3_stmt *s = db->statements[STORE_SQL_PROBE_ALL];
    int64_t wrong[DELETE_MAX];
    struct store_probe probe;
    size_t wrong_count = 0;
    int code;

    delete_over(db, now_s, last_s);
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        if ((!read_probe(s, &probe) || !each(&probe, arg)) && wrong_count < DELETE_MAX)
            wrong[wrong_count++] = sqlite3_column_int64(s, ROWID);
    }
    sqlite3_reset(s);
    for (size_t i = 0; i < wrong_count; i++) {
        sqlite3_bind_int64(db->statements[STORE_SQL_PROBE_DELETE_ROWID], 1, wrong[i]);
        delete_rows(db, db->statements[STORE_SQL_PROBE_DELETE_ROWID]);
    }
    return code == SQLITE_DONE ? STORE_DB_OK : store_db_failure(db, code, err, err_size);
}

int store_db_put_probe(struct store_db *db, const struct store_probe *probe)
{
    sqlite3_stmt *s = db->statements[STORE_SQL_PROBE_PUT];
    uint8_t sum[STORE_ROW_SUM_LEN];

    if (!probe_sum(probe, sum))
        return SQLITE_NOMEM;
    sqlite3_bind_text(s, KEY + 1, probe->key, -1, SQLITE_STATIC);
    sqlite3_bind_blob64(s, RECORD + 1, probe->record, probe->record_len, SQLITE_STATIC);
    sqlite3_bind_int64(s, ENDS_AT + 1, probe->ends_at_s);
    sqlite3_bind_blob(s, SUM + 1, sum, STORE_ROW_SUM_LEN, SQLITE_STATIC);
    return run(s);
}

int store_db_delete_probe(struct store_db *db, const char *key)
{
    sqlite3_stmt *s = db->statements[STORE_SQL_PROBE_DELETE];

    sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    return run(s);
}
