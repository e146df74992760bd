/*
 * The file that keeps queue ids (seen_ids.h): a head and one record of fixed size for each
 * position, so that it never grows beyond 64 octets an id, and a change is one small write over the
 * old record. Every record has a check sum of its own: what a crash cut short is one id, not the
 * file.
 *
 * One thread at a time. The file is this program's alone (mode 0600, locked while it is open).
 */
#ifndef MILTER_DSN_SEEN_FILE_H
#define MILTER_DSN_SEEN_FILE_H

#include "dsn/seen_ids.h"

enum seen_file_result {
    SEEN_FILE_OK,
    SEEN_FILE_DAMAGED, /* not, or not in all its parts, what this program writes */
    SEEN_FILE_FAILED,  /* could not be opened or read: err says why */
};

/*
 * Opens or makes the file for `capacity` positions, without following a symbolic link. Calls `each`
 * for every record that is in order, of a damaged file too. *fd is -1 but with SEEN_FILE_OK.
 * err is a text for people, without the path.
 */
typedef void seen_file_each_fn(void *arg, size_t position, const struct seen_record *record);
enum seen_file_result seen_file_open(const char *path, size_t capacity, seen_file_each_fn *each,
                                     void *arg, int *fd, char *err, size_t err_size);

/* Writes what is at a position; an empty record where nothing is. 0 or a negative errno. */
int seen_file_write(int fd, size_t position, const struct seen_record *record);

/* Renames the file to <path>.set-aside.N, with N from 1; `to` is the new name. 0 or a negative
 * errno. */
int seen_file_set_aside(const char *path, char *to, size_t to_len);

#endif
