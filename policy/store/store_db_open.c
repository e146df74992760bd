/*
 * The SQLite file of the store: opened or made, checked, closed, set aside.
 *
 * store_db_open looks at a file in this order: whose it is and of which format, before anything is
 * written to it; then all of its pages; then it prepares the statements. STORE_DB_DAMAGED means
 * that the file is to be set aside, STORE_DB_TROUBLE that it may be good and is to be tried later.
 */
#include "store/store_db_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* Files of earlier versions lack them; those versions do not look at them. */
static const char CREATE_LATER[] = "CREATE TABLE IF NOT EXISTS dane_seen("
                                   " key INTEGER NOT NULL PRIMARY KEY,"
                                   " seen_at INTEGER NOT NULL);"
                                   "CREATE TABLE IF NOT EXISTS probe("
                                   " key TEXT NOT NULL PRIMARY KEY,"
                                   " record BLOB NOT NULL,"
                                   " ends_at INTEGER NOT NULL,"
                                   " sum BLOB NOT NULL)";

static const char *const sql[STORE_SQL_COUNT] = {
    [STORE_SQL_SELECT_ALL] = "SELECT " STORE_ROW_COLUMNS ", rowid FROM policy",
    [STORE_SQL_PUT] = "INSERT OR REPLACE INTO policy (" STORE_ROW_COLUMNS ")"
                      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [STORE_SQL_DELETE] = "DELETE FROM policy WHERE domain = ?",
    [STORE_SQL_TOUCH] = "UPDATE policy SET used_at = ? WHERE domain = ?",
    [STORE_SQL_CHANGE] = "UPDATE policy SET fetched_at = ?, doubts = ?, sum = ? WHERE rowid = ?",
    [STORE_SQL_DELETE_ROWID] = "DELETE FROM policy WHERE rowid = ?",
    [STORE_SQL_DANE_ALL] = "SELECT key, seen_at FROM dane_seen",
    [STORE_SQL_DANE_SEEN] = "INSERT OR REPLACE INTO dane_seen (seen_at, key) VALUES (?, ?)",
    [STORE_SQL_DANE_FORGOTTEN] = "DELETE FROM dane_seen WHERE key = ?",
    [STORE_SQL_DANE_OVER] = "DELETE FROM dane_seen WHERE seen_at >= ? AND seen_at < ?",
    [STORE_SQL_PROBE_ALL] = "SELECT key, record, ends_at, sum, rowid FROM probe",
    [STORE_SQL_PROBE_OVER] = "DELETE FROM probe WHERE ends_at <= ? OR ends_at > ?",
    [STORE_SQL_PROBE_PUT] = "REPLACE INTO probe (key, record, ends_at, sum) VALUES (?, ?, ?, ?)",
    [STORE_SQL_PROBE_DELETE] = "DELETE FROM probe WHERE key = ?",
    [STORE_SQL_PROBE_DELETE_ROWID] = "DELETE FROM probe WHERE rowid = ?",
};

/* ---- errors ---- */

static enum store_db_result result_damaged(char *err, size_t err_size, const char *what)
{
    snprintf(err, err_size, "%s", what);
    return STORE_DB_DAMAGED;
}

enum store_db_result store_db_failure(const struct store_db *db, int code, char *err,
                                      size_t err_size)
{
    snprintf(err, err_size, "%s",
             db->sqlite != NULL ? sqlite3_errmsg(db->sqlite) : "out of memory");
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
    int code = sqlite3_prepare_v2(db->sqlite, text, -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *out = sqlite3_column_int64(statement, 0);
        code = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    return code;
}

/* Every page is read and must be well-formed. */
static enum store_db_result check_pages(struct store_db *db, char *err, size_t err_size)
{
    sqlite3_stmt *statement = NULL;
    enum store_db_result result = STORE_DB_OK;
    int code = sqlite3_prepare_v2(db->sqlite, "PRAGMA quick_check(1)", -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code != SQLITE_ROW) {
        result = store_db_failure(db, code, err, err_size);
    } else {
        const unsigned char *text = sqlite3_column_text(statement, 0);

        if (text == NULL || strcmp((const char *)text, "ok") != 0)
            result = result_damaged(err, err_size, "its pages are damaged");
    }
    sqlite3_finalize(statement);
    return result;
}

static enum store_db_result create_tables(struct store_db *db, char *err, size_t err_size)
{
    char text[sizeof(CREATE) + 32];
    int code;

    snprintf(text, sizeof(text), CREATE, APPLICATION_ID, STORE_ROW_FORMAT);
    code = sqlite3_exec(db->sqlite, text, NULL, NULL, NULL);
    if (code == SQLITE_OK) {
        db->is_new = true;
        return STORE_DB_OK;
    }
    store_db_failure(db, code, err, err_size);
    /* Another process may have been quicker; either way the file was empty and is no danger. */
    return STORE_DB_TROUBLE;
}

/* Whose file it is, and of which format. */
static enum store_db_result check_identity(struct store_db *db, char *err, size_t err_size)
{
    int64_t application_id = 0, format = 0, objects = 0;
    int code = query_number(db, "PRAGMA application_id", &application_id);

    if (code == SQLITE_OK)
        code = query_number(db, "PRAGMA user_version", &format);
    if (code == SQLITE_OK)
        code = query_number(db, "SELECT count(*) FROM sqlite_master", &objects);
    if (code != SQLITE_OK)
        return store_db_failure(db, code, err, err_size);
    if (application_id == 0 && format == 0 && objects == 0)
        return create_tables(db, err, err_size);
    if (application_id != APPLICATION_ID)
        return result_damaged(err, err_size, "it is the database of another application");
    if (format > STORE_ROW_FORMAT)
        return result_damaged(err, err_size, "it is of a newer format");
    if (format != STORE_ROW_FORMAT)
        return result_damaged(err, err_size, "it has no known format");
    return STORE_DB_OK;
}

static void harden_connection(sqlite3 *sqlite)
{
    sqlite3_busy_timeout(sqlite, BUSY_MS);
    sqlite3_limit(sqlite, SQLITE_LIMIT_LENGTH, VALUE_MAX);
    sqlite3_db_config(sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(sqlite, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(sqlite, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(sqlite, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
}

static enum store_db_result set_modes(struct store_db *db, const char *pragmas, char *err,
                                      size_t err_size)
{
    int code = sqlite3_exec(db->sqlite, pragmas, NULL, NULL, NULL);

    return code == SQLITE_OK ? STORE_DB_OK : store_db_failure(db, code, err, err_size);
}

static enum store_db_result open_and_check(struct store_db *db, const char *path, char *err,
                                           size_t err_size)
{
    enum store_db_result result;
    int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int code = sqlite3_open_v2(path, &db->sqlite, flags, NULL);

    if (code != SQLITE_OK) {
        store_db_failure(db, code, err, err_size);
        return STORE_DB_TROUBLE; /* nothing has been read yet */
    }
    harden_connection(db->sqlite);
    result = set_modes(db, "PRAGMA mmap_size=0; PRAGMA cell_size_check=ON", err, err_size);
    if (result == STORE_DB_OK)
        result = check_identity(db, err, err_size);
    if (result == STORE_DB_OK) /* not earlier: this can change a file that is not ours */
        result =
            set_modes(db, "PRAGMA journal_mode=TRUNCATE; PRAGMA synchronous=FULL", err, err_size);
    if (result == STORE_DB_OK)
        result = check_pages(db, err, err_size);
    if (result == STORE_DB_OK)
        result = set_modes(db, CREATE_LATER, err, err_size);
    for (int i = 0; result == STORE_DB_OK && i < STORE_SQL_COUNT; i++) {
        code = sqlite3_prepare_v3(db->sqlite, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                  &db->statements[i], NULL);
        if (code != SQLITE_OK)
            result = store_db_failure(db, code, err, err_size);
    }
    /* A file without our table, just opened, is no store. */
    return result == STORE_DB_MOVED ? STORE_DB_DAMAGED : result;
}

enum store_db_result store_db_open(const char *path, struct store_db **out, char *err,
                                   size_t err_size)
{
    struct store_db *db = calloc(1, sizeof(*db));
    enum store_db_result result;
    int fd;

    *out = NULL;
    if (db == NULL) {
        snprintf(err, err_size, "out of memory");
        return STORE_DB_TROUBLE;
    }
    /* Whom we send mail to is nobody's business: 0600, which SQLite's journal takes over. */
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd >= 0) {
        close(fd);
    } else if (errno != EACCES && errno != EROFS && errno != EPERM) {
        snprintf(err, err_size, "%s", strerror(errno));
        free(db);
        return STORE_DB_TROUBLE;
    }
    result = open_and_check(db, path, err, err_size);
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
    for (int i = 0; i < STORE_SQL_COUNT; i++)
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
