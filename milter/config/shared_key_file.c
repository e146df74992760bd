/*
 * The keys of the shared cache's rows: shared_key_file_read takes the lines of the file as they
 * stand, and shared_key_file_forget overwrites what it has read. The results are key_file_read's.
 */
#include "config/shared_key_file.h"

#include <string.h>

#include <openssl/crypto.h>

void shared_key_file_forget(struct shared_mac_keys *keys)
{
    OPENSSL_cleanse(keys, sizeof(*keys));
}

/* key_file_take_fn */
static const char *take_key(const char *key, size_t len, void *arg)
{
    struct shared_mac_keys *keys = arg;

    if (keys->count == SHARED_MAC_KEYS_MAX)
        return "more than 8 keys";
    if (len < SHARED_MAC_KEY_MIN)
        return "a key has 32 octets at least";
    if (len > SHARED_MAC_KEY_MAX)
        return "a key has 256 octets at most";
    for (size_t i = 0; i < len; i++)
        if (key[i] < ' ' || key[i] > '~')
            return "a key is printable ASCII, such as `openssl rand -hex 32` writes";
    memcpy(keys->keys[keys->count], key, len);
    keys->lens[keys->count++] = len;
    return NULL;
}

int shared_key_file_read(const char *path, struct shared_mac_keys *out, char *err, size_t err_size)
{
    int result;

    shared_key_file_forget(out);
    result = key_file_read(path, KEY_FILE_OTHERS_WARNING, take_key, out, err, err_size);
    if (result < 0)
        shared_key_file_forget(out);
    return result;
}
