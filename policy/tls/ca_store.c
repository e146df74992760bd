/*
 * Loads CA certificates: ca_store_new() once, ca_store_reconfigure() when the configuration has
 * changed, ca_store_refresh() before each use. A set is read whole and then replaces the one
 * before, which those who hold a reference keep. Each gives 0 or a negative errno and a message;
 * refresh never fails.
 */
#include "policy/ca_store.h"

#include "policy/clock.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

enum {
    LIFE_MS = 3600 * 1000, /* CA certificates that the system withdrew are forgotten within it */
    HASH_LEN = 8,          /* of a file in a hashed directory: 8 hex digits, `.`, a number */
};

struct ca_store {
    char *ca_file; /* or NULL */
    char *ca_path; /* or NULL */
    X509_STORE *certificates;
    int64_t loaded_ms; /* monotonic */
    unsigned generation;
    bool empty;
};

static int load_file(X509_STORE *store, const char *ca_file, char *err, size_t err_size)
{
    const char *why = "there are none in it";
    FILE *file = fopen(ca_file, "re");

    if (file != NULL)
        fclose(file);
    else
        why = strerror(errno);
    if (file != NULL && X509_STORE_load_file(store, ca_file) == 1)
        return 0;
    snprintf(err, err_size, "%s: cannot load CA certificates: %s", ca_file, why);
    return -EINVAL;
}

/* OpenSSL reads the directory when it needs to, and says nothing if it is not there. */
static int load_path(X509_STORE *store, const char *ca_path, char *err, size_t err_size)
{
    const char *why = "out of memory";
    DIR *dir = opendir(ca_path);

    if (dir != NULL)
        closedir(dir);
    else
        why = strerror(errno);
    if (dir != NULL && X509_STORE_load_path(store, ca_path) == 1)
        return 0;
    snprintf(err, err_size, "%s: not a directory of CA certificates: %s", ca_path, why);
    return -EINVAL;
}

static int load_authorities(X509_STORE *store, const char *ca_file, const char *ca_path, char *err,
                            size_t err_size)
{
    int error = 0;

    if (ca_file == NULL && ca_path == NULL && X509_STORE_set_default_paths(store) != 1) {
        snprintf(err, err_size, "cannot load the system's CA certificates");
        return -EINVAL;
    }
    if (ca_file != NULL)
        error = load_file(store, ca_file, err, err_size);
    if (error == 0 && ca_path != NULL)
        error = load_path(store, ca_path, err, err_size);
    return error;
}

static int load(const char *ca_file, const char *ca_path, X509_STORE **out, char *err,
                size_t err_size)
{
    X509_STORE *store;
    int error;

    ERR_set_mark();
    store = X509_STORE_new();
    if (store == NULL) {
        snprintf(err, err_size, "out of memory");
        error = -ENOMEM;
    } else {
        error = load_authorities(store, ca_file, ca_path, err, err_size);
    }
    ERR_pop_to_mark();
    if (error != 0) {
        X509_STORE_free(store);
        return error;
    }
    *out = store;
    return 0;
}

static bool directory_has_hashes(const char *path)
{
    const struct dirent *entry;
    bool found = false;
    DIR *dir = opendir(path);

    if (dir == NULL)
        return false;
    while (!found && (entry = readdir(dir)) != NULL)
        found = strspn(entry->d_name, "0123456789abcdefABCDEF") == HASH_LEN &&
                entry->d_name[HASH_LEN] == '.';
    closedir(dir);
    return found;
}

/* A list of directories, as OpenSSL takes it. */
static bool path_has_hashes(const char *path)
{
    char *copy = strdup(path), *save = NULL;
    bool found = false;

    if (copy == NULL)
        return true; /* nothing is known against it */
    for (char *dir = strtok_r(copy, ":", &save); dir != NULL && !found;
         dir = strtok_r(NULL, ":", &save))
        found = directory_has_hashes(dir);
    free(copy);
    return found;
}

static bool has_certificates(X509_STORE *certificates, const char *ca_file, const char *ca_path)
{
    const char *system_path = secure_getenv(X509_get_default_cert_dir_env());

    if (sk_X509_OBJECT_num(X509_STORE_get0_objects(certificates)) > 0)
        return true;
    if (ca_path != NULL)
        return path_has_hashes(ca_path);
    return ca_file == NULL &&
           path_has_hashes(system_path != NULL ? system_path : X509_get_default_cert_dir());
}

static void take(struct ca_store *store, X509_STORE *certificates)
{
    X509_STORE_free(store->certificates);
    store->certificates = certificates;
    store->loaded_ms = clock_mono_ms();
    store->generation++;
    store->empty = !has_certificates(certificates, store->ca_file, store->ca_path);
}

void ca_store_refresh(struct ca_store *store)
{
    X509_STORE *certificates;
    char err[256];

    if (clock_mono_ms() - store->loaded_ms < LIFE_MS)
        return;
    store->loaded_ms = clock_mono_ms();
    if (load(store->ca_file, store->ca_path, &certificates, err, sizeof(err)) == 0)
        take(store, certificates);
}

/* Copies the names and loads what they name. */
static int fill(struct ca_store *store, const char *ca_file, const char *ca_path, char *err,
                size_t err_size)
{
    X509_STORE *certificates;
    int error;

    store->ca_file = ca_file != NULL ? strdup(ca_file) : NULL;
    store->ca_path = ca_path != NULL ? strdup(ca_path) : NULL;
    if ((ca_file != NULL && store->ca_file == NULL) ||
        (ca_path != NULL && store->ca_path == NULL)) {
        snprintf(err, err_size, "out of memory");
        return -ENOMEM;
    }
    error = load(ca_file, ca_path, &certificates, err, err_size);
    if (error == 0)
        take(store, certificates);
    return error;
}

int ca_store_new(const char *ca_file, const char *ca_path, struct ca_store **out, char *err,
                 size_t err_size)
{
    struct ca_store *store = calloc(1, sizeof(*store));
    int error;

    if (store == NULL) {
        snprintf(err, err_size, "out of memory");
        return -ENOMEM;
    }
    error = fill(store, ca_file, ca_path, err, err_size);
    if (error != 0) {
        ca_store_free(store);
        return error;
    }
    *out = store;
    return 0;
}

void ca_store_replace(struct ca_store *store, struct ca_store *by)
{
    struct ca_store before = *store;

    *store = *by;
    store->generation = before.generation + 1;
    by->ca_file = before.ca_file;
    by->ca_path = before.ca_path;
    by->certificates = before.certificates;
    ca_store_free(by);
}

int ca_store_reconfigure(struct ca_store *store, const char *ca_file, const char *ca_path,
                         char *err, size_t err_size)
{
    struct ca_store *fresh;
    int error = ca_store_new(ca_file, ca_path, &fresh, err, err_size);

    if (error == 0)
        ca_store_replace(store, fresh);
    return error;
}

void ca_store_free(struct ca_store *store)
{
    if (store == NULL)
        return;
    X509_STORE_free(store->certificates);
    free(store->ca_file);
    free(store->ca_path);
    free(store);
}

X509_STORE *ca_store_certificates(const struct ca_store *store)
{
    return store->certificates;
}

unsigned ca_store_generation(const struct ca_store *store)
{
    return store->generation;
}

bool ca_store_empty(const struct ca_store *store)
{
    return store->empty;
}

int ca_store_check(const char *ca_file, const char *ca_path, char *err, size_t err_size)
{
    X509_STORE *certificates;
    int error = load(ca_file, ca_path, &certificates, err, err_size);

    if (error == 0)
        X509_STORE_free(certificates);
    return error;
}
