/*
 * The layout: 64 octets of head (a magic text, its end filled with NUL; the capacity in the last
 * four), then 64 octets for each position: the sequence number (8), the id (36, filled with NUL), a
 * check sum (8) over both and the position, and NUL. Numbers are little-endian. 64 octets of NUL
 * are an empty record, so a file that was only made longer is in order.
 */
#include "dsn/seen_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    RECORD = 64,
    ID_AT = 8,
    ID_SIZE = SEEN_IDS_LEN_MAX + 1,
    SUM_AT = ID_AT + ID_SIZE,
    CAPACITY_AT = RECORD - 4,
    AT_ONCE = 256, /* records that are read together */
    SET_ASIDE_MAX = 99,
};

static const char magic[] = "requiretls-milter queue ids 1\n";
static const unsigned char empty[RECORD];

static void put_number(unsigned char *out, uint64_t number, size_t octets)
{
    for (size_t i = 0; i < octets; i++)
        out[i] = (unsigned char)(number >> (8 * i));
}

static uint64_t get_number(const unsigned char *in, size_t octets)
{
    uint64_t number = 0;

    for (size_t i = 0; i < octets; i++)
        number |= (uint64_t)in[i] << (8 * i);
    return number;
}

/* FNV-1a: against chance, not against anyone. */
static uint64_t sum_of(const unsigned char *record, size_t position)
{
    uint64_t hash = 14695981039346656037u ^ position;

    for (size_t i = 0; i < SUM_AT; i++)
        hash = (hash ^ record[i]) * 1099511628211u;
    return hash;
}

static void encode_record(size_t position, const struct seen_record *record, unsigned char *out)
{
    memset(out, 0, RECORD);
    if (record->seq == 0)
        return;
    put_number(out, record->seq, 8);
    memcpy(out + ID_AT, record->id, strnlen(record->id, ID_SIZE - 1));
    put_number(out + SUM_AT, sum_of(out, position), 8);
}

static bool decode_record(size_t position, const unsigned char *in, struct seen_record *out)
{
    if (get_number(in + SUM_AT, 8) != sum_of(in, position) || in[SUM_AT - 1] != '\0')
        return false;
    out->seq = get_number(in, 8);
    memcpy(out->id, in + ID_AT, ID_SIZE);
    return out->seq != 0 && out->id[0] != '\0';
}

static void make_head(size_t capacity, unsigned char *out)
{
    memset(out, 0, RECORD);
    memcpy(out, magic, sizeof(magic) - 1);
    put_number(out + CAPACITY_AT, capacity, 4);
}

/* pread that does not stop half-way. Returns the octets read or a negative errno. */
static ssize_t read_at(int fd, void *buffer, size_t len, off_t offset)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = pread(fd, (char *)buffer + done, len - done, offset + (off_t)done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static int write_at(int fd, const void *buffer, size_t len, off_t offset)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = pwrite(fd, (const char *)buffer + done, len - done, offset + (off_t)done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        done += (size_t)n;
    }
    return 0;
}

/* Reads all records; those that are not there at the end of a file are empty. */
static enum seen_file_result read_records(int fd, size_t capacity, seen_file_each_fn *each,
                                          void *arg, char *err, size_t err_size)
{
    unsigned char buffer[AT_ONCE * RECORD];
    enum seen_file_result result = SEEN_FILE_OK;
    struct seen_record record;

    for (size_t i = 0; i < capacity; i += AT_ONCE) {
        ssize_t len = read_at(fd, buffer, sizeof(buffer), (off_t)(i + 1) * RECORD);

        if (len < 0) {
            snprintf(err, err_size, "cannot be read: %s", strerror((int)-len));
            return SEEN_FILE_FAILED;
        }
        if (len % RECORD != 0)
            result = SEEN_FILE_DAMAGED;
        for (size_t k = 0; k < (size_t)len / RECORD && i + k < capacity; k++) {
            const unsigned char *at = buffer + k * RECORD;

            if (memcmp(at, empty, RECORD) == 0)
                continue;
            if (decode_record(i + k, at, &record))
                each(arg, i + k, &record);
            else
                result = SEEN_FILE_DAMAGED;
        }
        if (len == 0)
            break;
    }
    if (result == SEEN_FILE_DAMAGED)
        snprintf(err, err_size, "is damaged in part");
    return result;
}

static enum seen_file_result read_all(int fd, size_t capacity, seen_file_each_fn *each, void *arg,
                                      char *err, size_t err_size)
{
    unsigned char head[RECORD], wanted[RECORD];
    ssize_t len = read_at(fd, head, RECORD, 0);
    int error;

    make_head(capacity, wanted);
    if (len < 0) {
        snprintf(err, err_size, "cannot be read: %s", strerror((int)-len));
        return SEEN_FILE_FAILED;
    }
    if (len == 0) { /* a new one */
        error = write_at(fd, wanted, RECORD, 0);
        if (error == 0)
            return SEEN_FILE_OK;
        snprintf(err, err_size, "cannot be written: %s", strerror(-error));
        return SEEN_FILE_FAILED;
    }
    if (len != RECORD || memcmp(head, wanted, RECORD) != 0) {
        snprintf(err, err_size, "is no file of this program's, or of another version");
        return SEEN_FILE_DAMAGED;
    }
    return read_records(fd, capacity, each, arg, err, err_size);
}

enum seen_file_result seen_file_open(const char *path, size_t capacity, seen_file_each_fn *each,
                                     void *arg, int *fd, char *err, size_t err_size)
{
    enum seen_file_result result = SEEN_FILE_FAILED;
    int file = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    struct stat st;

    *fd = -1;
    if (file < 0) {
        snprintf(err, err_size, "cannot be opened: %s", strerror(errno));
        return SEEN_FILE_FAILED;
    }
    if (fstat(file, &st) != 0 || !S_ISREG(st.st_mode))
        snprintf(err, err_size, "is no regular file");
    else if (flock(file, LOCK_EX | LOCK_NB) != 0)
        snprintf(err, err_size, "is in use by another process");
    else
        result = read_all(file, capacity, each, arg, err, err_size);
    if (result == SEEN_FILE_OK)
        *fd = file;
    else
        close(file);
    return result;
}

int seen_file_write(int fd, size_t position, const struct seen_record *record)
{
    unsigned char buffer[RECORD];

    encode_record(position, record, buffer);
    return write_at(fd, buffer, RECORD, (off_t)(position + 1) * RECORD);
}

int seen_file_set_aside(const char *path, char *to, size_t to_len)
{
    struct stat st;

    for (int n = 1; n <= SET_ASIDE_MAX; n++) {
        if ((size_t)snprintf(to, to_len, "%s.set-aside.%d", path, n) >= to_len)
            return -ENAMETOOLONG;
        if (lstat(to, &st) != 0 && errno == ENOENT)
            return rename(path, to) == 0 ? 0 : -errno;
    }
    return -EEXIST;
}
