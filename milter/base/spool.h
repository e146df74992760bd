/*
 * Keeps a stream of bytes whose length nobody knows in advance: in memory while it is short, then
 * in a temporary file that has no name and so vanishes with the process. For the redacted bodies of
 * bounces (dsn_rewrite.h) and for messages that are delivered (content.h), nearly all of which fit
 * in memory.
 *
 * One thread at a time. The file holds mail: mode 0600, and never visible in the directory.
 */
#ifndef MILTER_BASE_SPOOL_H
#define MILTER_BASE_SPOOL_H

#include <stddef.h>
#include <stdint.h>

enum { SPOOL_PIECE = 65535 }; /* what smfi_replacebody takes at once */

struct spool;

/* dir is for the file, should one be needed. NULL when memory is short. */
struct spool *spool_new(size_t memory_max, const char *dir);
void spool_free(struct spool *spool); /* NULL is allowed */

/* From the next write on memory holds no more than that, also of what was written. */
void spool_limit(struct spool *spool, size_t memory_max);

/* Appends. Returns 0, -ENOMEM, or the negative errno of the file (-ENOSPC...). arg: the spool; the
 * type is that of a dsn_sink_fn. */
int spool_write(void *arg, const char *data, size_t len);

uint64_t spool_size(const struct spool *spool);

/* At most `size` octets from `offset`; *len is 0 at the end alone. 0 or a negative errno, -EIO if
 * the file is shorter than what was written. */
int spool_read(struct spool *spool, uint64_t offset, char *data, size_t size, size_t *len);

/*
 * Reads all of it from the beginning, in pieces of at most SPOOL_PIECE bytes, until take returns
 * other than 0. Returns what take did, 0 at the end, or a negative errno.
 */
int spool_each(struct spool *spool, int (*take)(void *arg, const char *data, size_t len),
               void *take_arg);

#endif
