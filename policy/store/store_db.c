/*
 * The rows of the SQLite file: read when the program starts, written in batches. store_db_open.c
 * opens the file; rows of probes are store_db_probe.c's.
 *
 * What makes it survive: one transaction per batch, a rollback journal synced to disk (so a kill or
 * a power cut leaves the old state or the new one), no memory mapping (a truncated file is an error
 * code and never a signal), a check of all pages when it is opened, and a checksum in each row over
 * all that matters in it, because a page can be damaged and still be a well-formed page.
 */
#include "store/store_db_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- load ---- */

struct fix {
    int64_t rowid;
    bool drop;
    int64_t fetched_at_s;
    unsigned doubts;
    uint8_t sum[STORE_ROW_SUM_LEN];
};

struct fixes {
    struct fix *list;
    size_t count, room;
};

/* Out of memory is no reason to stop: the row comes up again at the next start. */
static void note_fix(struct fixes *fixes, int64_t rowid, const struct store_row *row, bool drop)
{
    struct fix *fix;

    if (fixes->count == fixes->room) {
        size_t room = fixes->room > 0 ? fixes->room * 2 : 64;
        struct fix *grown = realloc(fixes->list, room * sizeof(*grown));

        if (grown == NULL)
            return;
        fixes->list = grown;
        fixes->room = room;
    }
    fix = &fixes->list[fixes->count];
    *fix = (struct fix){.rowid = rowid, .drop = drop};
    if (!drop) {
        fix->fetched_at_s = row->policy.fetched_at_s;
        fix->doubts = row->doubts;
        if (!store_row_sum(row, fix->sum))
            return;
    }
    fixes->count++;
}

static int apply_fix(struct store_db *db, const struct fix *fix)
{
    sqlite3_stmt *s = db->statements[fix->drop ? STORE_SQL_DELETE_ROWID : STORE_SQL_CHANGE];
    int code;

    if (fix->drop) {
        sqlite3_bind_int64(s, 1, fix->rowid);
    } else {
        sqlite3_bind_int64(s, 1, fix->fetched_at_s);
        sqlite3_bind_int64(s, 2, fix->doubts);
        sqlite3_bind_blob(s, 3, fix->sum, STORE_ROW_SUM_LEN, SQLITE_STATIC);
        sqlite3_bind_int64(s, 4, fix->rowid);
    }
    code = sqlite3_step(s);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return code;
}

/* SQLite's code; SQLITE_DONE also where it could not begin, for they come up again. */
static int apply_fixes(struct store_db *db, const struct fixes *fixes)
{
    int code = SQLITE_DONE;

    if (fixes->count == 0 ||
        sqlite3_exec(db->sqlite, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return SQLITE_DONE;
    for (size_t i = 0; i < fixes->count && code == SQLITE_DONE; i++)
        code = apply_fix(db, &fixes->list[i]);
    if (code != SQLITE_DONE || sqlite3_exec(db->sqlite, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
    return code;
}

enum store_db_result store_db_load(struct store_db *db, store_db_row_fn each, void *arg,
                                   size_t *bad, char *err, size_t err_size)
{
    sqlite3_stmt *s = db->statements[STORE_SQL_SELECT_ALL];
    enum store_db_result result = STORE_DB_OK;
    struct fixes fixes = {0};
    struct store_row row;
    int code;

    *bad = 0;
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t rowid = sqlite3_column_int64(s, STORE_ROW_COLUMN_COUNT);
        enum store_db_keep keep = STORE_DB_DROP;

        if (store_row_read(s, &row))
            keep = each(&row, arg);
        else
            ++*bad;
        if (keep != STORE_DB_KEEP)
            note_fix(&fixes, rowid, &row, keep == STORE_DB_DROP);
    }
    if (code != SQLITE_DONE)
        result = store_db_failure(db, code, err, err_size);
    sqlite3_reset(s);
    if (result == STORE_DB_OK)
        code = apply_fixes(db, &fixes);
    /* An index that does not fit its table: its pages are well-formed, but nothing can be written.
     */
    if (result == STORE_DB_OK && (code & 0xff) == SQLITE_CORRUPT)
        result = store_db_failure(db, code, err, err_size);
    free(fixes.list);
    return result;
}

enum store_db_result store_db_load_dane(struct store_db *db, store_dane_fn each, void *arg,
                                        char *err, size_t err_size)
{
    sqlite3_stmt *s = db->statements[STORE_SQL_DANE_ALL];
    enum store_db_result result = STORE_DB_OK;
    int code;

    while ((code = sqlite3_step(s)) == SQLITE_ROW)
        each((uint64_t)sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1), arg);
    if (code != SQLITE_DONE)
        result = store_db_failure(db, code, err, err_size);
    sqlite3_reset(s);
    return result;
}

/* ---- write ---- */

static int write_dane(struct store_db *db, uint64_t key, int64_t seen_at_s)
{
    sqlite3_stmt *s = db->statements[STORE_SQL_DANE_SEEN];
    int code;

    sqlite3_bind_int64(s, 1, seen_at_s);
    sqlite3_bind_int64(s, 2, (int64_t)key);
    code = sqlite3_step(s);
    sqlite3_reset(s);
    return code;
}

static int write_dane_list(struct store_db *db, const char *list, size_t len)
{
    struct store_dane dane;
    int code = SQLITE_DONE;

    for (size_t at = 0; code == SQLITE_DONE && at < len; at += sizeof(dane)) {
        memcpy(&dane, list + at, sizeof(dane));
        code = write_dane(db, dane.key, dane.seen_at_s);
    }
    return code;
}

static int write_op(struct store_db *db, const struct store_op *op)
{
    sqlite3_stmt *s;
    int code;

    switch (op->kind) {
    case STORE_OP_PUT:
        s = db->statements[STORE_SQL_PUT];
        code = store_row_bind(s, &op->row) ? sqlite3_step(s) : SQLITE_NOMEM;
        break;
    case STORE_OP_DELETE:
        s = db->statements[STORE_SQL_DELETE];
        sqlite3_bind_text(s, 1, op->row.policy.domain, -1, SQLITE_STATIC);
        code = sqlite3_step(s);
        break;
    case STORE_OP_TOUCH:
        s = db->statements[STORE_SQL_TOUCH];
        sqlite3_bind_int64(s, 1, op->row.policy.used_at_s);
        sqlite3_bind_text(s, 2, op->row.policy.domain, -1, SQLITE_STATIC);
        code = sqlite3_step(s);
        break;
    case STORE_OP_DANE_SEEN:
        return write_dane(db, op->dane_key, op->row.policy.used_at_s);
    case STORE_OP_DANE_LIST:
        return write_dane_list(db, op->row.policy.body, op->row.policy.body_len);
    case STORE_OP_DANE_FORGOTTEN:
        s = db->statements[STORE_SQL_DANE_FORGOTTEN];
        sqlite3_bind_int64(s, 1, (int64_t)op->dane_key);
        code = sqlite3_step(s);
        break;
    case STORE_OP_DANE_OVER:
        s = db->statements[STORE_SQL_DANE_OVER];
        sqlite3_bind_int64(s, 1, op->row.policy.fetched_at_s);
        sqlite3_bind_int64(s, 2, op->row.policy.used_at_s);
        code = sqlite3_step(s);
        break;
    case STORE_OP_PROBE_PUT:
        return store_db_put_probe(
            db, &(struct store_probe){.key = op->row.policy.domain,
                                      .record = (const uint8_t *)op->row.policy.body,
                                      .record_len = op->row.policy.body_len,
                                      .ends_at_s = op->row.policy.used_at_s});
    case STORE_OP_PROBE_DELETE:
        return store_db_delete_probe(db, op->row.policy.domain);
    default:
        return SQLITE_DONE;
    }
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return code;
}

enum store_db_result store_db_write(struct store_db *db, const struct store_op *ops, char *err,
                                    size_t err_size)
{
    enum store_db_result result;
    int code;

    /* Writing to a file that has lost its name would look like success. */
    if (store_db_has_moved(db)) {
        snprintf(err, err_size, "the file was renamed or removed");
        return STORE_DB_MOVED;
    }
    code = sqlite3_exec(db->sqlite, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return store_db_failure(db, code, err, err_size);
    for (code = SQLITE_DONE; ops != NULL && code == SQLITE_DONE; ops = ops->next)
        code = write_op(db, ops);
    if (code == SQLITE_DONE)
        code = sqlite3_exec(db->sqlite, "COMMIT", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        return STORE_DB_OK;
    result = store_db_failure(db, code, err, err_size);
    sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
    return result;
}
