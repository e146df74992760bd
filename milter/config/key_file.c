/*
 * The reader of files with keys. key_file_read opens the file, looks at what was opened (type,
 * owner, mode), and hands over its lines. The results are 0, a positive one with a warning, or a
 * negative errno with a sentence; both name the file. What was read is overwritten.
 */
#include "config/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

/* Keys and comments; what is longer is another file. */
enum { FILE_MAX = 16 * 1024 };

struct reader {
    const char *path;
    enum key_file_others others;
    key_file_take_fn take;
    void *arg;
    char *err;
    size_t err_size;
};

static int failed(const struct reader *r, const char *what, int error)
{
    snprintf(r->err, r->err_size, "%s: %s: %s", r->path, what, strerror(error));
    return -error;
}

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

static int check_file(const struct reader *r, const struct stat *st)
{
    mode_t writers = S_IWGRP | S_IWOTH, mode = st->st_mode;

    if (!S_ISREG(mode)) {
        snprintf(r->err, r->err_size, "%s: not a regular file", r->path);
        return -EINVAL;
    }
    if ((mode & (writers | (r->others == KEY_FILE_OTHERS_ERROR ? S_IRWXO : 0))) != 0) {
        snprintf(r->err, r->err_size,
                 "%s: mode %04o, but none but its owner may write to it, and none but owner and "
                 "group read it: chmod 0640",
                 r->path, (unsigned)(mode & 07777));
        return -EPERM;
    }
    if (st->st_uid != geteuid() && st->st_uid != 0 && !is_placed_by_owner(r->path, st->st_uid)) {
        snprintf(r->err, r->err_size,
                 "%s: belongs to user %lu, and lies where neither that user alone nor root alone "
                 "puts files",
                 r->path, (unsigned long)st->st_uid);
        return -EPERM;
    }
    return 0;
}

static size_t trimmed_len(const char *line, size_t len)
{
    while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t' || line[len - 1] == '\r'))
        len--;
    return len;
}

static int read_lines(const struct reader *r, const char *text, size_t text_len)
{
    const char *end = text + text_len;
    unsigned line_number = 0, count = 0;

    for (const char *line = text, *next; line < end; line = next + 1) {
        const char *wrong;
        size_t len;

        next = memchr(line, '\n', (size_t)(end - line));
        if (next == NULL)
            next = end;
        len = trimmed_len(line, (size_t)(next - line));
        line_number++;
        if (len == 0 || line[0] == '#')
            continue;
        wrong = r->take(line, len, r->arg);
        if (wrong != NULL) {
            snprintf(r->err, r->err_size, "%s:%u: %s", r->path, line_number, wrong);
            return -EINVAL;
        }
        count++;
    }
    if (count == 0) {
        snprintf(r->err, r->err_size,
                 "%s: there is no key or password in it, blank lines and those with # apart",
                 r->path);
        return -EINVAL;
    }
    return 0;
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

static int read_text(const struct reader *r, int fd)
{
    char text[FILE_MAX + 1];
    ssize_t len = read_all(fd, text, sizeof(text));
    int error;

    if (len < 0) {
        error = failed(r, "cannot be read", (int)-len);
    } else if (len > FILE_MAX) {
        snprintf(r->err, r->err_size, "%s: longer than %d octets", r->path, FILE_MAX);
        error = -EINVAL;
    } else {
        error = read_lines(r, text, (size_t)len);
    }
    OPENSSL_cleanse(text, sizeof(text));
    return error;
}

static int read_open(const struct reader *r, int fd)
{
    struct stat st;
    int error;

    if (fstat(fd, &st) != 0)
        return failed(r, "cannot be looked at", errno);
    error = check_file(r, &st);
    if (error == 0)
        error = read_text(r, fd);
    if (error == 0 && (st.st_mode & S_IROTH) != 0) {
        snprintf(r->err, r->err_size,
                 "%s: mode %04o: others than its owner and group can read it: chmod 0640", r->path,
                 (unsigned)(st.st_mode & 07777));
        return KEY_FILE_READ_BY_OTHERS;
    }
    return error;
}

int key_file_read(const char *path, enum key_file_others others, key_file_take_fn take, void *arg,
                  char *err, size_t err_size)
{
    const struct reader r = {path, others, take, arg, err, err_size};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), error;

    if (fd < 0)
        return failed(&r, "cannot be opened", errno);
    error = read_open(&r, fd);
    close(fd);
    return error;
}
