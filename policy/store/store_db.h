/*
 * The SQLite file behind store.c: open and check, read, write in one transaction, set aside.
 * No thread and no queue here; one thread at a time.
 */
#ifndef POLICY_STORE_STORE_DB_H
#define POLICY_STORE_STORE_DB_H

#include "store/store.h"

struct store_db;

enum store_db_result {
    STORE_DB_OK,
    STORE_DB_TROUBLE, /* disk, permission, lock, memory: the file may be good, try later */
    STORE_DB_MOVED,   /* somebody renamed or removed the file: open again */
    STORE_DB_DAMAGED, /* no store of ours, or broken: set it aside */
};

struct store_row {
    struct store_policy policy;
    unsigned doubts; /* see store_life.h */
};

/* A change that waits to be written. */
struct store_op {
    enum store_op_kind {
        STORE_OP_PUT,
        STORE_OP_DELETE,
        STORE_OP_TOUCH,
        /* Next-hops with DANE (dane_seen.h): only times of the policy and dane_key count. */
        STORE_OP_DANE_SEEN,
        STORE_OP_DANE_FORGOTTEN,
        STORE_OP_DANE_OVER, /* all seen last at fetched_at_s or later, before used_at_s */
        STORE_OP_DANE_LIST, /* seen: policy.body is an array of struct store_dane */
        /* Results of probes: policy.domain is the key, body the record, used_at_s when it ends. */
        STORE_OP_PROBE_PUT,
        STORE_OP_PROBE_DELETE,
    } kind;
    struct store_row row;
    uint64_t dane_key;
    size_t octets; /* of memory */
    struct store_op *next;
};

/* Opens or makes the file and checks all of it. On failure *out is NULL and err says why. */
enum store_db_result store_db_open(const char *path, struct store_db **out, char *err,
                                   size_t err_size);
void store_db_close(struct store_db *db); /* NULL is allowed */

bool store_db_is_new(const struct store_db *db); /* there was none, or an empty one */
bool store_db_has_moved(struct store_db *db);    /* the path leads to another file, or to none */

/* What becomes of a row that was read. */
enum store_db_keep {
    STORE_DB_KEEP,
    STORE_DB_CHANGE, /* fetched_at_s and doubts were changed by the callback */
    STORE_DB_DROP,
};

/*
 * Reads all rows. A row that is not as it was written is dropped without a call, and counted in
 * *bad. Changes and drops are written at the end; if they cannot be, they come up again next time.
 */
typedef enum store_db_keep (*store_db_row_fn)(struct store_row *row, void *arg);
enum store_db_result store_db_load(struct store_db *db, store_db_row_fn each, void *arg,
                                   size_t *bad, char *err, size_t err_size);

/* Reads all next-hops with DANE. */
enum store_db_result store_db_load_dane(struct store_db *db, store_dane_fn each, void *arg,
                                        char *err, size_t err_size);

/* Reads the results of probes that end after now_s and not after last_s, and deletes what is wrong
 * and what `each` refuses. */
enum store_db_result store_db_load_probes(struct store_db *db, int64_t now_s, int64_t last_s,
                                          store_probe_fn each, void *arg, char *err,
                                          size_t err_size);

/* All of the list or nothing. */
enum store_db_result store_db_write(struct store_db *db, const struct store_op *ops, char *err,
                                    size_t err_size);

/*
 * Renames a file, its journal included, to the first free <path>.set-aside.1 to .9. Returns 0 and
 * the new name, -EEXIST when all are taken, or another negative errno.
 */
int store_db_set_aside(const char *path, char *to, size_t to_len);

#endif
