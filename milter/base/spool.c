/*
 * Bytes in memory up to a limit, beyond it in an unlinked temporary file. What is in it is left to
 * the caller.
 */
#include "base/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct spool {
    size_t memory_max;
    char *dir; /* own */
    uint64_t len;
    char *memory; /* own; NULL once there is a file */
    size_t memory_size;
    int fd; /* -1: none */
};

struct spool *spool_new(size_t memory_max, const char *dir)
{
    struct spool *spool = calloc(1, sizeof(*spool));

    if (spool == NULL)
        return NULL;
    spool->memory_max = memory_max;
    spool->fd = -1;
    spool->dir = strdup(dir);
    if (spool->dir == NULL) {
        free(spool);
        return NULL;
    }
    return spool;
}

void spool_free(struct spool *spool)
{
    if (spool == NULL)
        return;
    if (spool->fd >= 0)
        close(spool->fd);
    free(spool->memory);
    free(spool->dir);
    free(spool);
}

void spool_limit(struct spool *spool, size_t memory_max)
{
    spool->memory_max = memory_max;
}

/* For systems and file systems that have no O_TMPFILE. */
static int open_named(const char *dir)
{
    char *path = NULL;
    int fd, error;

    if (asprintf(&path, "%s/requiretls-milter.XXXXXX", dir) < 0)
        return -ENOMEM;
    fd = mkostemp(path, O_CLOEXEC);
    error = errno;
    if (fd >= 0)
        unlink(path);
    free(path);
    return fd >= 0 ? fd : -error;
}

static int open_file(const char *dir)
{
#ifdef O_TMPFILE
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);

    if (fd >= 0)
        return fd;
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
        return -errno;
#endif
    return open_named(dir);
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Goes over to a file. */
static int move_to_file(struct spool *spool)
{
    int fd = open_file(spool->dir);
    int error;

    if (fd < 0)
        return fd;
    error = write_all(fd, spool->memory, (size_t)spool->len);
    if (error < 0) {
        close(fd);
        return error;
    }
    spool->fd = fd;
    free(spool->memory);
    spool->memory = NULL;
    return 0;
}

static int grow_memory(struct spool *spool, size_t wanted)
{
    size_t size = spool->memory_size ? spool->memory_size : 4096;
    char *memory;

    while (size < wanted)
        size *= 2;
    if (size == spool->memory_size)
        return 0;
    memory = realloc(spool->memory, size);
    if (memory == NULL)
        return -ENOMEM;
    spool->memory = memory;
    spool->memory_size = size;
    return 0;
}

int spool_write(void *arg, const char *data, size_t len)
{
    struct spool *spool = arg;
    int error = 0;

    if (len == 0)
        return 0;
    if (spool->fd < 0 && (spool->len > spool->memory_max || len > spool->memory_max - spool->len))
        error = move_to_file(spool);
    else if (spool->fd < 0)
        error = grow_memory(spool, (size_t)spool->len + len);
    if (error < 0)
        return error;
    if (spool->fd >= 0)
        error = write_all(spool->fd, data, len);
    else
        memcpy(spool->memory + spool->len, data, len);
    if (error == 0)
        spool->len += len;
    return error;
}

uint64_t spool_size(const struct spool *spool)
{
    return spool->len;
}

int spool_read(struct spool *spool, uint64_t offset, char *data, size_t size, size_t *len)
{
    uint64_t left = offset < spool->len ? spool->len - offset : 0;
    ssize_t n;

    *len = left < size ? (size_t)left : size;
    if (*len == 0)
        return 0;
    if (spool->fd < 0) {
        memcpy(data, spool->memory + offset, *len);
        return 0;
    }
    do
        n = pread(spool->fd, data, *len, (off_t)offset);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n < 0 ? -errno : -EIO; /* shorter than what was written */
    *len = (size_t)n;
    return 0;
}

static int each_in_file(struct spool *spool, int (*take)(void *arg, const char *data, size_t len),
                        void *take_arg)
{
    char *piece = malloc(SPOOL_PIECE);
    uint64_t at = 0;
    int error = piece != NULL ? 0 : -ENOMEM;

    while (error == 0 && at < spool->len) {
        size_t len;

        error = spool_read(spool, at, piece, SPOOL_PIECE, &len);
        if (error == 0)
            error = take(take_arg, piece, len);
        at += len;
    }
    free(piece);
    return error;
}

int spool_each(struct spool *spool, int (*take)(void *arg, const char *data, size_t len),
               void *take_arg)
{
    int error = 0;

    if (spool->fd >= 0)
        return each_in_file(spool, take, take_arg);
    for (size_t at = 0; error == 0 && at < spool->len; at += SPOOL_PIECE) {
        size_t rest = (size_t)spool->len - at;

        error = take(take_arg, spool->memory + at, rest < SPOOL_PIECE ? rest : SPOOL_PIECE);
    }
    return error;
}
