/*
 * Counts certificates: those that OpenSSL reads from a PEM file, or the entries of a directory of
 * hashed names.
 */
#include "setup/setup_ca.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/pem.h>

static int count_in_file(FILE *file)
{
    int count = 0;

    ERR_set_mark();
    for (X509 *cert; (cert = PEM_read_X509(file, NULL, NULL, NULL)) != NULL; count++)
        X509_free(cert);
    ERR_pop_to_mark();
    return count;
}

/* 4f316efb.0, as openssl rehash(1) makes them. */
static bool is_hashed(const char *name)
{
    return strlen(name) >= 10 && strspn(name, "0123456789abcdef") == 8 && name[8] == '.' &&
           isdigit((unsigned char)name[9]);
}

static int count_in_directory(const char *path)
{
    int count = 0;
    DIR *dir = opendir(path);

    if (dir == NULL)
        return -errno;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += is_hashed(entry->d_name);
    closedir(dir);
    return count;
}

int setup_ca_count(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return count_in_directory(path);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return -errno;
    int count = count_in_file(file);
    fclose(file);
    return count;
}
