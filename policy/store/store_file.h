/*
 * The file behind store.c while it is in use: opened when it is needed, set aside when it is
 * damaged, opened again when somebody moved it, with one warning when trouble begins and one line
 * when it is over. Whether what was in it is lost is remembered, so that it can be written again.
 * One thread at a time, but where it says otherwise.
 */
#ifndef POLICY_STORE_STORE_FILE_H
#define POLICY_STORE_STORE_FILE_H

#include "store/store_db.h"

#include <pthread.h>
#include <stdatomic.h>

struct store_file {
    char *path;           /* freed by store_file_fini */
    struct store_db *db;  /* NULL: not open */
    pthread_mutex_t lock; /* for the next two, which any thread may ask for */
    bool warned;          /* the present trouble has been reported */
    char trouble[200];    /* what it is */
    atomic_bool lost;     /* the file may lack what was written before */
    void (*log)(void *log_arg, int priority, const char *message);
    void *log_arg;
};

int store_file_init(struct store_file *file, const struct store_config *config); /* 0 or -ENOMEM */
void store_file_fini(struct store_file *file);

/* Opens the file unless it is open. False: it cannot be, which has been reported. */
bool store_file_open(struct store_file *file);

/* One batch, all or nothing. */
bool store_file_write(struct store_file *file, const struct store_op *batch);

/* While there is nothing to write: opens a file anew that was moved or removed, or that could not
 * be opened before. */
void store_file_look(struct store_file *file);

/* Makes room for a new file. False: that is not possible, which has been reported. */
bool store_file_set_aside(struct store_file *file, const char *why);

void store_file_trouble(struct store_file *file, const char *err);
void store_file_well(struct store_file *file); /* a write has succeeded */
/* Whether there is no trouble now; else why has the reason. Any thread. */
bool store_file_is_well(struct store_file *file, char *why, size_t why_size);
__attribute__((format(printf, 3, 4))) void store_file_say(const struct store_file *file,
                                                          int priority, const char *format, ...);

#endif
