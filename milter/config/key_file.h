/*
 * Files with secret keys, one a line; a line that begins with `#` is a comment, an empty one is
 * nothing, blanks at the end of a line do not count. What a key looks like is its owner's to say:
 * ticket/ticket_key.h, config/shared_key_file.h.
 */
#ifndef MILTER_CONFIG_KEY_FILE_H
#define MILTER_CONFIG_KEY_FILE_H

#include <stddef.h>

/* What is said of a file that others than its owner and group can read. */
enum key_file_others { KEY_FILE_OTHERS_ERROR, KEY_FILE_OTHERS_WARNING };

/* A result of key_file_read: the keys were read, and others can read them too; err has a warning.
 */
enum { KEY_FILE_READ_BY_OTHERS = 1 };

/*
 * Takes one key, any octets, borrowed for the call, without the blanks at its end. Returns NULL, or
 * what is wrong with it, which does not quote it.
 */
typedef const char *(*key_file_take_fn)(const char *key, size_t len, void *arg);

/*
 * Reads the file, which has one key at least. Returns 0; KEY_FILE_READ_BY_OTHERS; -EINVAL: it is no
 * such file; -EPERM: others than its owner may write to it, or read it where that is an error, or
 * it belongs to another user in a directory where still others can put files; or another negative
 * errno (-ENOENT: there is none). With a message that names the file, and the line, in err. After a
 * failure the caller forgets the keys that `take` has been given. Any thread; waits for the disk.
 */
int key_file_read(const char *path, enum key_file_others others, key_file_take_fn take, void *arg,
                  char *err, size_t err_size);

#endif
