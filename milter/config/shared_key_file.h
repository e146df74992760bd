/*
 * The file of [cache] shared_key: the keys of the MACs of what hosts of one site share. A line
 * each, the line as it stands: printable ASCII, 32 octets at least, such as `openssl rand -hex 32`
 * writes; `#` begins a comment line. The first key signs, all verify.
 */
#ifndef MILTER_CONFIG_SHARED_KEY_FILE_H
#define MILTER_CONFIG_SHARED_KEY_FILE_H

#include "config/key_file.h"
#include "policy/shared_cache.h"

/*
 * Reads the file. Returns 0; KEY_FILE_READ_BY_OTHERS, with a warning in err: the keys were read;
 * or a negative errno as key_file_read does, with a message in err that never has a key. *out is
 * overwritten in any case: after a failure it has no keys. Any thread.
 */
int shared_key_file_read(const char *path, struct shared_mac_keys *out, char *err, size_t err_size);

void shared_key_file_forget(struct shared_mac_keys *keys); /* overwrites them */

#endif
