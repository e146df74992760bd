/*
 * The file with the keys of tickets. ticket_keys_read reads it; ticket_keys_read_or_make first
 * makes one where there is none: beside it, and then linked to its name, which fails if another
 * process was quicker. The results are 0 or a negative errno with a sentence that names the file.
 */
#include "ticket/ticket_key.h"

#include "config/key_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

enum { KEY_DIGITS = 2 * TICKET_KEY_LEN, FILE_MODE = 0640 };

void ticket_keys_forget(struct ticket_keys *keys)
{
    OPENSSL_cleanse(keys, sizeof(*keys));
}

/* --- reading --------------------------------------------------------------------------------- */

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_key(const char *line, size_t len, uint8_t out[TICKET_KEY_LEN])
{
    if (len != KEY_DIGITS)
        return false;
    for (size_t i = 0; i < TICKET_KEY_LEN; i++) {
        int high = digit_value(line[2 * i]), low = digit_value(line[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* key_file_take_fn */
static const char *take_key(const char *key, size_t len, void *arg)
{
    struct ticket_keys *keys = arg;

    if (keys->count == TICKET_KEYS_MAX)
        return "more than 8 keys";
    if (!read_key(key, len, keys->keys[keys->count]))
        return "a key is 64 hexadecimal digits";
    keys->count++;
    return NULL;
}

int ticket_keys_read(const char *path, struct ticket_keys *out, char *err, size_t err_size)
{
    int error;

    ticket_keys_forget(out);
    error = key_file_read(path, KEY_FILE_OTHERS_ERROR, take_key, out, err, err_size);
    if (error != 0)
        ticket_keys_forget(out);
    return error;
}

/* --- making ---------------------------------------------------------------------------------- */

static bool write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

static int failed(const char *path, const char *what, char *err, size_t err_size)
{
    int error = errno;

    snprintf(err, err_size, "%s: %s: %s", path, what, strerror(error));
    return -error;
}

/* A file with one new key. False: errno says why. */
static bool fill(int fd)
{
    static const char comment[] =
        "# Keys of tickets of requiretls-milter: the first signs, all are accepted.\n";
    unsigned char key[TICKET_KEY_LEN];
    char line[KEY_DIGITS + 2];
    bool done;

    if (RAND_priv_bytes(key, sizeof(key)) != 1) {
        errno = EIO;
        return false;
    }
    for (size_t i = 0; i < sizeof(key); i++)
        snprintf(line + 2 * i, 3, "%02x", key[i]);
    strcpy(line + KEY_DIGITS, "\n");
    done = write_all(fd, comment, sizeof(comment) - 1) && write_all(fd, line, sizeof(line) - 1) &&
           fchmod(fd, FILE_MODE) == 0 && fsync(fd) == 0;
    OPENSSL_cleanse(key, sizeof(key));
    OPENSSL_cleanse(line, sizeof(line));
    return done;
}

/* Best effort: a key that a crash takes back is made again, and tickets of the one before are
 * invalid then. */
static void sync_directory(const char *path)
{
    char copy[PATH_MAX];
    int fd;

    if (strlen(path) >= sizeof(copy))
        return;
    strcpy(copy, path);
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}

/* Returns 0 also if another has made it meanwhile. */
static int make(const char *path, char *err, size_t err_size)
{
    char beside[PATH_MAX];
    int fd, error = 0;

    if ((size_t)snprintf(beside, sizeof(beside), "%s.XXXXXX", path) >= sizeof(beside)) {
        errno = ENAMETOOLONG;
        return failed(path, "cannot be made", err, err_size);
    }
    fd = mkostemp(beside, O_CLOEXEC); /* mode 0600 */
    if (fd < 0)
        return failed(path, "cannot be made", err, err_size);
    if (!fill(fd) || (link(beside, path) != 0 && errno != EEXIST))
        error = failed(path, "cannot be made", err, err_size);
    unlink(beside);
    close(fd);
    if (error == 0)
        sync_directory(path);
    return error;
}

int ticket_keys_read_or_make(const char *path, struct ticket_keys *out, char *err, size_t err_size)
{
    int error = ticket_keys_read(path, out, err, err_size);

    if (error != -ENOENT)
        return error;
    error = make(path, err, err_size);
    return error != 0 ? error : ticket_keys_read(path, out, err, err_size);
}
