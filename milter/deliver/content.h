/*
 * The content of a message that the MTA has handed over, as often as it is sent: in memory up to
 * 1 MiB, beyond that in a file without a name. Written once, from beginning to end; then read at
 * any position, by several deliveries. Reference counted; one thread.
 */
#ifndef MILTER_DELIVER_CONTENT_H
#define MILTER_DELIVER_CONTENT_H

#include <stddef.h>
#include <stdint.h>

enum { CONTENT_MEMORY_MAX = 1024 * 1024 };

struct content;

/* A field of the header. */
struct content_part {
    uint64_t at, len;
};

enum { CONTENT_PARTS_MAX = 16 };

/* memory_max: CONTENT_MEMORY_MAX, or less. dir is for the file, should one
 * be needed; copied. NULL when memory is short. */
struct content *content_new(const char *dir, size_t memory_max);
struct content *content_ref(struct content *content);
void content_unref(struct content *content); /* NULL is allowed */

/* Less memory, from the next write on, as it has become scarce. */
void content_limit(struct content *content, size_t memory_max);

/* Appends. 0, -ENOMEM, or the negative errno of the file (-ENOSPC...). */
int content_write(struct content *content, const char *octets, size_t len);

uint64_t content_size(const struct content *content);

/* At most `size` octets from `offset`; *len is 0 at the end. 0 or a negative errno. */
int content_read(struct content *content, uint64_t offset, char *octets, size_t size, size_t *len);

/* Parts that some of those who read leave out, in the order in which they stand; CONTENT_PARTS_MAX
 * at most. */
void content_set_parts(struct content *content, const struct content_part *parts, size_t count);

/* The same as content_read, without these parts; *offset moves to what is to be read next. */
int content_read_without(struct content *content, uint64_t *offset, char *octets, size_t size,
                         size_t *len);

#endif
