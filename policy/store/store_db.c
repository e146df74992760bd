/*
 * The SQLite file behind store.c.
 *
 * What makes it survive: one transaction per batch, a rollback journal synced to disk (so a kill or
 * a power cut leaves the old state or the new one), no memory mapping (a truncated file is an error
 * code and never a signal), a check of all pages when it is opened, and a checksum in each row over
 * all that matters in it, because a page can be damaged and still be a well-formed page.
 */
#include "store/store_db.h"

#include "store/store_row.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

enum {
    APPLICATION_ID = 0x5254534d, /* "RTSM" */
    BUSY_MS = 2000,
    /* A policy file has 64 kilobytes by default. Protects against a forged file's giant values. */
    VALUE_MAX = 16 * 1024 * 1024,
    SET_ASIDE_MAX = 9, /* protects the disk if files get damaged again and again */
};

static const char CREATE[] = "BEGIN IMMEDIATE;"
                             "CREATE TABLE policy("
                             " domain TEXT NOT NULL PRIMARY KEY,"
                             " id TEXT NOT NULL,"
                             " mode TEXT NOT NULL,"
                             " max_age INTEGER NOT NULL,"
                             " mx TEXT NOT NULL,"
                             " body BLOB NOT NULL,"
                             " fetched_at INTEGER NOT NULL,"
                             " doubts INTEGER NOT NULL,"
                             " used_at INTEGER NOT NULL,"
                             " sum BLOB NOT NULL);"
                             "PRAGMA application_id=%d;"
                             "PRAGMA user_version=%d;"
                             "COMMIT";

/* Files of earlier versions lack it; those versions do not look at it. */
static const char CREATE_DANE[] = "CREATE TABLE IF NOT EXISTS dane_seen("
                                  " key INTEGER NOT NULL PRIMARY KEY,"
                                  " seen_at INTEGER NOT NULL)";

enum statement {
    SELECT_ALL,
    PUT,
    DELETE,
    TOUCH,
    CHANGE,
    DELETE_ROWID,
    DANE_ALL,
    DANE_SEEN,
    DANE_FORGOTTEN,
    DANE_OVER,
    STATEMENTS
};

static const char *const sql[STATEMENTS] = {
    [SELECT_ALL] = "SELECT " STORE_ROW_COLUMNS ", rowid FROM policy",
    [PUT] = "INSERT OR REPLACE INTO policy (" STORE_ROW_COLUMNS ")"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [DELETE] = "DELETE FROM policy WHERE domain = ?",
    [TOUCH] = "UPDATE policy SET used_at = ? WHERE domain = ?",
    [CHANGE] = "UPDATE policy SET fetched_at = ?, doubts = ?, sum = ? WHERE rowid = ?",
    [DELETE_ROWID] = "DELETE FROM policy WHERE rowid = ?",
    [DANE_ALL] = "SELECT key, seen_at FROM dane_seen",
    [DANE_SEEN] = "INSERT OR REPLACE INTO dane_seen (seen_at, key) VALUES (?, ?)",
    [DANE_FORGOTTEN] = "DELETE FROM dane_seen WHERE key = ?",
    [DANE_OVER] = "DELETE FROM dane_seen WHERE seen_at >= ? AND seen_at < ?",
};

struct store_db {
    sqlite3 *sqlite;
    sqlite3_stmt *statements[STATEMENTS];
    bool is_new; /* made when it was opened */
};

/* ---- errors ---- */

static enum store_db_result damaged(char *err, size_t err_len, const char *what)
{
    snprintf(err, err_len, "%s", what);
    return STORE_DB_DAMAGED;
}

static enum store_db_result failure_result(const struct store_db *db, int code, char *err,
                                           size_t err_len)
{
    snprintf(err, err_len, "%s", db->sqlite != NULL ? sqlite3_errmsg(db->sqlite) : "out of memory");
    switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_TOOBIG:
        return STORE_DB_DAMAGED;
    case SQLITE_ERROR: /* no such table: somebody changed the file under us */
    case SQLITE_SCHEMA:
        return STORE_DB_MOVED;
    default:
        return STORE_DB_TROUBLE;
    }
}

/* ---- open ---- */

/* Runs a statement that gives one number. */
static int query_number(struct store_db *db, const char *text, int64_t *out)
{
    sqlite3_stmt *statement = NULL;
    int r = sqlite3_prepare_v2(db->sqlite, text, -1, &statement, NULL);

    if (r == SQLITE_OK)
        r = sqlite3_step(statement);
    if (r == SQLITE_ROW) {
        *out = sqlite3_column_int64(statement, 0);
        r = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    return r;
}

/* Every page is read and must be well-formed. */
static enum store_db_result check_pages(struct store_db *db, char *err, size_t err_len)
{
    sqlite3_stmt *statement = NULL;
    enum store_db_result result = STORE_DB_OK;
    int r = sqlite3_prepare_v2(db->sqlite, "PRAGMA quick_check(1)", -1, &statement, NULL);

    if (r == SQLITE_OK)
        r = sqlite3_step(statement);
    if (r != SQLITE_ROW) {
        result = failure_result(db, r, err, err_len);
    } else {
        const unsigned char *text = sqlite3_column_text(statement, 0);

        if (text == NULL || strcmp((const char *)text, "ok") != 0)
            result = damaged(err, err_len, "its pages are damaged");
    }
    sqlite3_finalize(statement);
    return result;
}

static enum store_db_result create(struct store_db *db, char *err, size_t err_len)
{
    char text[sizeof(CREATE) + 32];
    int r;

    snprintf(text, sizeof(text), CREATE, APPLICATION_ID, STORE_ROW_FORMAT);
    r = sqlite3_exec(db->sqlite, text, NULL, NULL, NULL);
    if (r == SQLITE_OK) {
        db->is_new = true;
        return STORE_DB_OK;
    }
    failure_result(db, r, err, err_len);
    /* Another process may have been quicker; either way the file was empty and is no danger. */
    return STORE_DB_TROUBLE;
}

/* Whose file it is, and of which format. */
static enum store_db_result check_identity(struct store_db *db, char *err, size_t err_len)
{
    int64_t application_id = 0, format = 0, objects = 0;
    int r = query_number(db, "PRAGMA application_id", &application_id);

    if (r == SQLITE_OK)
        r = query_number(db, "PRAGMA user_version", &format);
    if (r == SQLITE_OK)
        r = query_number(db, "SELECT count(*) FROM sqlite_master", &objects);
    if (r != SQLITE_OK)
        return failure_result(db, r, err, err_len);
    if (application_id == 0 && format == 0 && objects == 0)
        return create(db, err, err_len);
    if (application_id != APPLICATION_ID)
        return damaged(err, err_len, "it is the database of another application");
    if (format > STORE_ROW_FORMAT)
        return damaged(err, err_len, "it is of a newer format");
    if (format != STORE_ROW_FORMAT)
        return damaged(err, err_len, "it has no known format");
    return STORE_DB_OK;
}

static void harden(sqlite3 *sqlite)
{
    sqlite3_busy_timeout(sqlite, BUSY_MS);
    sqlite3_limit(sqlite, SQLITE_LIMIT_LENGTH, VALUE_MAX);
    sqlite3_db_config(sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(sqlite, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(sqlite, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(sqlite, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
}

static enum store_db_result set_modes(struct store_db *db, const char *pragmas, char *err,
                                      size_t err_len)
{
    int r = sqlite3_exec(db->sqlite, pragmas, NULL, NULL, NULL);

    return r == SQLITE_OK ? STORE_DB_OK : failure_result(db, r, err, err_len);
}

static enum store_db_result open_and_check(struct store_db *db, const char *path, char *err,
                                           size_t err_len)
{
    enum store_db_result result;
    int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int r = sqlite3_open_v2(path, &db->sqlite, flags, NULL);

    if (r != SQLITE_OK) {
        failure_result(db, r, err, err_len);
        return STORE_DB_TROUBLE; /* nothing has been read yet */
    }
    harden(db->sqlite);
    result = set_modes(db, "PRAGMA mmap_size=0; PRAGMA cell_size_check=ON", err, err_len);
    if (result == STORE_DB_OK)
        result = check_identity(db, err, err_len);
    if (result == STORE_DB_OK) /* not earlier: this can change a file that is not ours */
        result =
            set_modes(db, "PRAGMA journal_mode=TRUNCATE; PRAGMA synchronous=FULL", err, err_len);
    if (result == STORE_DB_OK)
        result = check_pages(db, err, err_len);
    if (result == STORE_DB_OK)
        result = set_modes(db, CREATE_DANE, err, err_len);
    for (int i = 0; result == STORE_DB_OK && i < STATEMENTS; i++) {
        r = sqlite3_prepare_v3(db->sqlite, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &db->statements[i], NULL);
        if (r != SQLITE_OK)
            result = failure_result(db, r, err, err_len);
    }
    /* A file without our table, just opened, is no store. */
    return result == STORE_DB_MOVED ? STORE_DB_DAMAGED : result;
}

enum store_db_result store_db_open(const char *path, struct store_db **out, char *err,
                                   size_t err_len)
{
    struct store_db *db = calloc(1, sizeof(*db));
    enum store_db_result result;
    int fd;

    *out = NULL;
    if (db == NULL) {
        snprintf(err, err_len, "out of memory");
        return STORE_DB_TROUBLE;
    }
    /* Whom we send mail to is nobody's business: 0600, which SQLite's journal takes over. */
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd >= 0) {
        close(fd);
    } else if (errno != EACCES && errno != EROFS && errno != EPERM) {
        snprintf(err, err_len, "%s", strerror(errno));
        free(db);
        return STORE_DB_TROUBLE;
    }
    result = open_and_check(db, path, err, err_len);
    if (result != STORE_DB_OK) {
        store_db_close(db);
        return result;
    }
    *out = db;
    return STORE_DB_OK;
}

void store_db_close(struct store_db *db)
{
    if (db == NULL)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(db->statements[i]);
    sqlite3_close(db->sqlite);
    free(db);
}

bool store_db_is_new(const struct store_db *db)
{
    return db->is_new;
}

bool store_db_has_moved(struct store_db *db)
{
    int moved = 0;

    return sqlite3_file_control(db->sqlite, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
           moved;
}

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
    sqlite3_stmt *s = db->statements[fix->drop ? DELETE_ROWID : CHANGE];
    int r;

    if (fix->drop) {
        sqlite3_bind_int64(s, 1, fix->rowid);
    } else {
        sqlite3_bind_int64(s, 1, fix->fetched_at_s);
        sqlite3_bind_int64(s, 2, fix->doubts);
        sqlite3_bind_blob(s, 3, fix->sum, STORE_ROW_SUM_LEN, SQLITE_STATIC);
        sqlite3_bind_int64(s, 4, fix->rowid);
    }
    r = sqlite3_step(s);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return r;
}

static void apply_fixes(struct store_db *db, const struct fixes *fixes)
{
    int r = SQLITE_DONE;

    if (fixes->count == 0 ||
        sqlite3_exec(db->sqlite, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return;
    for (size_t i = 0; i < fixes->count && r == SQLITE_DONE; i++)
        r = apply_fix(db, &fixes->list[i]);
    if (r != SQLITE_DONE || sqlite3_exec(db->sqlite, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
}

enum store_db_result store_db_load(struct store_db *db, store_db_row_fn each, void *arg,
                                   size_t *bad, char *err, size_t err_len)
{
    sqlite3_stmt *s = db->statements[SELECT_ALL];
    enum store_db_result result = STORE_DB_OK;
    struct fixes fixes = {0};
    struct store_row row;
    int r;

    *bad = 0;
    while ((r = sqlite3_step(s)) == SQLITE_ROW) {
        int64_t rowid = sqlite3_column_int64(s, STORE_ROW_COLUMN_COUNT);
        enum store_db_keep keep = STORE_DB_DROP;

        if (store_row_read(s, &row))
            keep = each(&row, arg);
        else
            ++*bad;
        if (keep != STORE_DB_KEEP)
            note_fix(&fixes, rowid, &row, keep == STORE_DB_DROP);
    }
    if (r != SQLITE_DONE)
        result = failure_result(db, r, err, err_len);
    sqlite3_reset(s);
    if (result == STORE_DB_OK)
        apply_fixes(db, &fixes);
    free(fixes.list);
    return result;
}

enum store_db_result store_db_load_dane(struct store_db *db, store_dane_fn each, void *arg,
                                        char *err, size_t err_len)
{
    sqlite3_stmt *s = db->statements[DANE_ALL];
    enum store_db_result result = STORE_DB_OK;
    int r;

    while ((r = sqlite3_step(s)) == SQLITE_ROW)
        each((uint64_t)sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1), arg);
    if (r != SQLITE_DONE)
        result = failure_result(db, r, err, err_len);
    sqlite3_reset(s);
    return result;
}

/* ---- write ---- */

static int write_dane(struct store_db *db, uint64_t key, int64_t seen_at_s)
{
    sqlite3_stmt *s = db->statements[DANE_SEEN];
    int r;

    sqlite3_bind_int64(s, 1, seen_at_s);
    sqlite3_bind_int64(s, 2, (int64_t)key);
    r = sqlite3_step(s);
    sqlite3_reset(s);
    return r;
}

static int write_dane_list(struct store_db *db, const char *list, size_t len)
{
    struct store_dane dane;
    int r = SQLITE_DONE;

    for (size_t at = 0; r == SQLITE_DONE && at < len; at += sizeof(dane)) {
        memcpy(&dane, list + at, sizeof(dane));
        r = write_dane(db, dane.key, dane.seen_at_s);
    }
    return r;
}

static int write_op(struct store_db *db, const struct store_op *op)
{
    sqlite3_stmt *s;
    int r;

    switch (op->kind) {
    case STORE_OP_PUT:
        s = db->statements[PUT];
        r = store_row_bind(s, &op->row) ? sqlite3_step(s) : SQLITE_NOMEM;
        break;
    case STORE_OP_DELETE:
        s = db->statements[DELETE];
        sqlite3_bind_text(s, 1, op->row.policy.domain, -1, SQLITE_STATIC);
        r = sqlite3_step(s);
        break;
    case STORE_OP_TOUCH:
        s = db->statements[TOUCH];
        sqlite3_bind_int64(s, 1, op->row.policy.used_at_s);
        sqlite3_bind_text(s, 2, op->row.policy.domain, -1, SQLITE_STATIC);
        r = sqlite3_step(s);
        break;
    case STORE_OP_DANE_SEEN:
        return write_dane(db, op->dane_key, op->row.policy.used_at_s);
    case STORE_OP_DANE_LIST:
        return write_dane_list(db, op->row.policy.body, op->row.policy.body_len);
    case STORE_OP_DANE_FORGOTTEN:
        s = db->statements[DANE_FORGOTTEN];
        sqlite3_bind_int64(s, 1, (int64_t)op->dane_key);
        r = sqlite3_step(s);
        break;
    case STORE_OP_DANE_OVER:
        s = db->statements[DANE_OVER];
        sqlite3_bind_int64(s, 1, op->row.policy.fetched_at_s);
        sqlite3_bind_int64(s, 2, op->row.policy.used_at_s);
        r = sqlite3_step(s);
        break;
    default:
        return SQLITE_DONE;
    }
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return r;
}

enum store_db_result store_db_write(struct store_db *db, const struct store_op *ops, char *err,
                                    size_t err_len)
{
    enum store_db_result result;
    int r;

    /* Writing to a file that has lost its name would look like success. */
    if (store_db_has_moved(db)) {
        snprintf(err, err_len, "the file was renamed or removed");
        return STORE_DB_MOVED;
    }
    r = sqlite3_exec(db->sqlite, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (r != SQLITE_OK)
        return failure_result(db, r, err, err_len);
    for (r = SQLITE_DONE; ops != NULL && r == SQLITE_DONE; ops = ops->next)
        r = write_op(db, ops);
    if (r == SQLITE_DONE)
        r = sqlite3_exec(db->sqlite, "COMMIT", NULL, NULL, NULL);
    if (r == SQLITE_OK)
        return STORE_DB_OK;
    result = failure_result(db, r, err, err_len);
    sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
    return result;
}

/* ---- set aside ---- */

int store_db_set_aside(const char *path, char *to, size_t to_len)
{
    static const char *const companions[] = {"-journal", "-wal", "-shm"};
    char from_name[4096 + 16], to_name[4096 + 32];
    struct stat st;
    int n = 1;

    if (lstat(path, &st) != 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    for (; n <= SET_ASIDE_MAX; n++) {
        if ((size_t)snprintf(to, to_len, "%s.set-aside.%d", path, n) >= to_len)
            return -ENAMETOOLONG;
        if (lstat(to, &st) != 0 && errno == ENOENT)
            break;
    }
    if (n > SET_ASIDE_MAX)
        return -EEXIST;
    /* The file first: SQLite drops a journal that belongs to an empty file, but would play one that
     * is left beside a new file back into it. */
    if (rename(path, to) != 0)
        return -errno;
    for (size_t i = 0; i < sizeof(companions) / sizeof(companions[0]); i++) {
        snprintf(from_name, sizeof(from_name), "%s%s", path, companions[i]);
        snprintf(to_name, sizeof(to_name), "%s%s", to, companions[i]);
        if (rename(from_name, to_name) != 0 && errno != ENOENT)
            unlink(from_name);
    }
    return 0;
}
