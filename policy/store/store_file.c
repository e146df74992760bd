/*
 * The store's file while it is in use. A write goes store_file_open, store_db_write; what that says
 * decides: a damaged file is set aside and a new one begun at once, a file that was moved or
 * removed is opened again at once, after other trouble (disk full, read-only, locked) it is closed
 * and tried later. Whenever a file is not the one that was written to before, `lost` is set.
 */
#include "store/store_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

int store_file_init(struct store_file *file, const struct store_config *config)
{
    *file = (struct store_file){
        .path = strdup(config->path), .log = config->log, .log_arg = config->log_arg};
    if (file->path == NULL)
        return -ENOMEM;
    pthread_mutex_init(&file->lock, NULL);
    return 0;
}

static void close_db(struct store_file *file)
{
    store_db_close(file->db);
    file->db = NULL;
}

void store_file_fini(struct store_file *file)
{
    close_db(file);
    free(file->path);
    file->path = NULL;
    pthread_mutex_destroy(&file->lock);
}

void store_file_say(const struct store_file *file, int priority, const char *format, ...)
{
    char text[1024];
    int len;
    va_list args;

    if (file->log == NULL)
        return;
    len = snprintf(text, sizeof(text), "store %s: ", file->path);
    if (len < 0 || (size_t)len >= sizeof(text))
        len = 0;
    va_start(args, format);
    vsnprintf(text + len, sizeof(text) - (size_t)len, format, args);
    va_end(args);
    file->log(file->log_arg, priority, text);
}

void store_file_trouble(struct store_file *file, const char *err)
{
    bool told;

    pthread_mutex_lock(&file->lock);
    told = file->warned;
    file->warned = true;
    snprintf(file->trouble, sizeof(file->trouble), "%s", err);
    pthread_mutex_unlock(&file->lock);
    if (!told)
        store_file_say(file, LOG_WARNING,
                       "%s; MTA-STS policies are kept in memory, and this is tried again", err);
}

void store_file_well(struct store_file *file)
{
    bool told;

    pthread_mutex_lock(&file->lock);
    told = file->warned;
    file->warned = false;
    pthread_mutex_unlock(&file->lock);
    if (told)
        store_file_say(file, LOG_NOTICE, "in order again");
}

bool store_file_is_well(struct store_file *file, char *why, size_t why_size)
{
    bool well;

    pthread_mutex_lock(&file->lock);
    well = !file->warned;
    if (!well)
        snprintf(why, why_size, "%s", file->trouble);
    pthread_mutex_unlock(&file->lock);
    return well;
}

bool store_file_set_aside(struct store_file *file, const char *why)
{
    char to[4096 + 16];
    int error;

    close_db(file);
    error = store_db_set_aside(file->path, to, sizeof(to));
    if (error == 0) {
        atomic_store(&file->lost, true);
        store_file_say(file, LOG_WARNING, "%s: set aside as %s, beginning again", why, to);
        return true;
    }
    if (error == -EEXIST)
        store_file_trouble(file, "damaged again, and too many files are set aside already");
    else
        store_file_trouble(file, strerror(-error));
    return false;
}

bool store_file_open(struct store_file *file)
{
    char err[256] = "";
    enum store_db_result result;

    if (file->db != NULL)
        return true;
    result = store_db_open(file->path, &file->db, err, sizeof(err));
    if (result == STORE_DB_DAMAGED && store_file_set_aside(file, err))
        result = store_db_open(file->path, &file->db, err, sizeof(err));
    if (result != STORE_DB_OK) {
        store_file_trouble(file, err);
        return false;
    }
    if (store_db_is_new(file->db))
        atomic_store(&file->lost, true);
    return true;
}

bool store_file_write(struct store_file *file, const struct store_op *batch)
{
    char err[256] = "";

    for (int tries = 0; tries < 2; tries++) {
        enum store_db_result result;

        if (!store_file_open(file))
            return false;
        result = store_db_write(file->db, batch, err, sizeof(err));
        if (result == STORE_DB_OK)
            return true;
        if (result == STORE_DB_DAMAGED && !store_file_set_aside(file, err))
            return false;
        if (result == STORE_DB_MOVED)
            atomic_store(&file->lost, true);
        /* Also after other trouble: SQLite would keep a file read-only that once was. */
        close_db(file);
        if (result == STORE_DB_TROUBLE)
            break;
    }
    store_file_trouble(file, err);
    return false;
}

void store_file_look(struct store_file *file)
{
    if (file->db == NULL && store_file_open(file))
        store_file_well(file);
    if (file->db == NULL || !store_db_has_moved(file->db))
        return;
    close_db(file);
    atomic_store(&file->lost, true);
    store_file_open(file);
}
