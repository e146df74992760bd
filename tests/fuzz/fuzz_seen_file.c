/*
 * Any octets as the file of queue ids that a daemon finds at its start. Checked is that every
 * record that is taken has an id of its own and a place in the file, and that a file that was
 * changed by one write is in order there.
 */
#include "dsn/seen_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { CAPACITY = 16 };

static char path[64];
static int file = -1;

static void promise(bool kept)
{
    if (!kept)
        abort();
}

static void remove_file(void)
{
    unlink(path);
}

/* In memory, and made once. */
static void fill_file(const uint8_t *data, size_t len)
{
    if (file < 0) {
        snprintf(path, sizeof(path), "/dev/shm/fuzz-seen-file.%ld", (long)getpid());
        file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        atexit(remove_file);
    }
    promise(file >= 0 && ftruncate(file, 0) == 0);
    promise(pwrite(file, data, len, 0) == (ssize_t)len);
}

static void on_record(void *arg, size_t position, const struct seen_record *record)
{
    bool *wanted = arg;

    promise(position < CAPACITY);
    promise(record->seq != 0 && record->id[0] != '\0' &&
            strnlen(record->id, SEEN_IDS_LEN_MAX + 1) <= SEEN_IDS_LEN_MAX);
    wanted[position] = strcmp(record->id, "4bOurs") == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct seen_record ours = {.seq = 7, .id = "4bOurs"};
    bool seen[CAPACITY] = {false};
    char err[100] = "";
    int fd = -1;

    fill_file(data, len);
    if (seen_file_open(path, CAPACITY, on_record, seen, &fd, err, sizeof(err)) != SEEN_FILE_OK) {
        promise(fd == -1 && err[0] != '\0');
        return 0;
    }
    promise(seen_file_write(fd, 3, &ours) == 0);
    close(fd);
    promise(seen_file_open(path, CAPACITY, on_record, seen, &fd, err, sizeof(err)) == SEEN_FILE_OK);
    promise(seen[3]);
    close(fd);
    return 0;
}
