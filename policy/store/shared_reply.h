/*
 * The protocol of Redis and Valkey, RESP2, as far as the shared cache speaks it: commands to octets
 * and octets to replies, by hiredis, whose reader and formatter these functions are around; its
 * connections are not used. What a server sends is bounded here: a reply that is longer than it can
 * be is an error before it has been kept, and so are arrays, which no command of ours asks for.
 * No I/O. Any thread, each object one at a time.
 */
#ifndef POLICY_STORE_SHARED_REPLY_H
#define POLICY_STORE_SHARED_REPLY_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the program was built with hiredis; without it the functions below give -ENOSYS. */
bool shared_reply_is_built_in(void);

enum shared_reply_type {
    SHARED_REPLY_STATUS, /* "+OK" */
    SHARED_REPLY_ERROR,  /* "-WRONGPASS ..." */
    SHARED_REPLY_STRING,
    SHARED_REPLY_INTEGER,
    SHARED_REPLY_NIL,
};

struct shared_reply {
    enum shared_reply_type type;
    const char *text; /* of the first three, any octets; with a NUL behind them */
    size_t len;
    long long integer; /* of SHARED_REPLY_INTEGER */
};

struct shared_reader;

/* max_len: octets of the longest reply. 0, -ENOMEM or -ENOSYS. */
int shared_reader_new(size_t max_len, struct shared_reader **out);

/*
 * Takes octets that the server sent. 0; or for good -EPROTO (what it sent is no reply), -EMSGSIZE
 * (a reply is too long) or -ENOMEM. Then shared_reader_next is to be called until it gives 0.
 */
int shared_reader_feed(struct shared_reader *reader, const char *octets, size_t len);

/* 1: *out is the next reply, which lives until the next call of these two; 0: it is not complete
 * yet; or as shared_reader_feed. */
int shared_reader_next(struct shared_reader *reader, struct shared_reply *out);

void shared_reader_free(struct shared_reader *reader); /* NULL is allowed */

/* An argument of a command: any octets. */
struct shared_word {
    const void *octets;
    size_t len;
};

enum { SHARED_WORDS_MAX = 8 };

/* The octets of a command of at most SHARED_WORDS_MAX words, to be freed by shared_command_free;
 * 0, -ENOMEM or -ENOSYS. */
int shared_command_new(const struct shared_word *words, size_t count, char **out, size_t *out_len);
void shared_command_free(char *command);

#endif
