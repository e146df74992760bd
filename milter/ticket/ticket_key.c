/*
 * The file with the keys of tickets. ticket_keys_read opens it, looks at what was opened (type,
 * owner, mode), and reads it line by line; ticket_keys_read_or_make first makes one where there is
 * none: beside it, and then linked to its name, which fails if another process was quicker. The
 * results are 0 or a negative errno with a sentence that names the file.
 */
#include "ticket/ticket_key.h"

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

/* Keys and comments; what is longer is another file. */
enum { FILE_MAX = 16 * 1024, KEY_DIGITS = 2 * TICKET_KEY_LEN, FILE_MODE = 0640 };

void ticket_keys_forget(struct ticket_keys *keys)
{
    OPENSSL_cleanse(keys, sizeof(*keys));
}

/* --- reading --------------------------------------------------------------------------------- */

/* Whether another user's file may be believed for where it lies: that user owns the directory and
 * can put any file there anyhow, or only root or this user can. */
static bool is_placed_by_owner(const char *path, uid_t owner)
{
    char copy[PATH_MAX];
    struct stat st;

    if (strlen(path) >= sizeof(copy))
        return false;
    strcpy(copy, path);
    if (stat(dirname(copy), &st) != 0)
        return false;
    return st.st_uid == owner ||
           ((st.st_uid == 0 || st.st_uid == geteuid()) && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0);
}

static int check_file(const char *path, const struct stat *st, char *err, size_t err_size)
{
    if (!S_ISREG(st->st_mode)) {
        snprintf(err, err_size, "%s: not a regular file", path);
        return -EINVAL;
    }
    if ((st->st_mode & (S_IWGRP | S_IRWXO)) != 0) {
        snprintf(err, err_size,
                 "%s: mode %04o, but none but its owner may write to it, and none but owner and "
                 "group read it: chmod 0640",
                 path, (unsigned)(st->st_mode & 07777));
        return -EPERM;
    }
    if (st->st_uid != geteuid() && st->st_uid != 0 && !is_placed_by_owner(path, st->st_uid)) {
        snprintf(err, err_size,
                 "%s: belongs to user %lu, and lies where neither that user alone nor root alone "
                 "puts files",
                 path, (unsigned long)st->st_uid);
        return -EPERM;
    }
    return 0;
}

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

static size_t trimmed_len(const char *line, size_t len)
{
    while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t' || line[len - 1] == '\r'))
        len--;
    return len;
}

static int read_lines(const char *path, const char *text, size_t text_len, struct ticket_keys *out,
                      char *err, size_t err_size)
{
    const char *end = text + text_len;
    unsigned line_number = 0;

    for (const char *line = text, *next; line < end; line = next + 1) {
        size_t len;

        next = memchr(line, '\n', (size_t)(end - line));
        if (next == NULL)
            next = end;
        len = trimmed_len(line, (size_t)(next - line));
        line_number++;
        if (len == 0 || line[0] == '#')
            continue;
        if (out->count == TICKET_KEYS_MAX) {
            snprintf(err, err_size, "%s:%u: more than %d keys", path, line_number, TICKET_KEYS_MAX);
            return -EINVAL;
        }
        if (!read_key(line, len, out->keys[out->count])) {
            snprintf(err, err_size, "%s:%u: a key is %d hexadecimal digits", path, line_number,
                     KEY_DIGITS);
            return -EINVAL;
        }
        out->count++;
    }
    if (out->count == 0) {
        snprintf(err, err_size, "%s: there is no key in it", path);
        return -EINVAL;
    }
    return 0;
}

static int failed(const char *path, const char *what, char *err, size_t err_size)
{
    int error = errno;

    snprintf(err, err_size, "%s: %s: %s", path, what, strerror(error));
    return -error;
}

/* Returns how much was read, at most `size`, or a negative errno. */
static ssize_t read_all(int fd, char *out, size_t size)
{
    size_t len = 0;

    while (len < size) {
        ssize_t n = read(fd, out + len, size - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

static int read_open(int fd, const char *path, struct ticket_keys *out, char *err, size_t err_size)
{
    char text[FILE_MAX + 1];
    struct stat st;
    ssize_t len;
    int error;

    if (fstat(fd, &st) != 0)
        return failed(path, "cannot be looked at", err, err_size);
    error = check_file(path, &st, err, err_size);
    if (error != 0)
        return error;
    len = read_all(fd, text, sizeof(text));
    if (len < 0) {
        errno = (int)-len;
        return failed(path, "cannot be read", err, err_size);
    }
    if (len > FILE_MAX) {
        snprintf(err, err_size, "%s: longer than %d octets", path, FILE_MAX);
        error = -EINVAL;
    } else {
        error = read_lines(path, text, (size_t)len, out, err, err_size);
    }
    OPENSSL_cleanse(text, sizeof(text));
    return error;
}

int ticket_keys_read(const char *path, struct ticket_keys *out, char *err, size_t err_size)
{
    int fd, error;

    ticket_keys_forget(out);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return failed(path, "cannot be opened", err, err_size);
    error = read_open(fd, path, out, err, err_size);
    close(fd);
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
