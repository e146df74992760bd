/*
 * In place of shared_reply.c where there is no hiredis: everything is -ENOSYS.
 */
#include "store/shared_reply.h"

#include <errno.h>

bool shared_reply_is_built_in(void)
{
    return false;
}

int shared_reader_new(size_t max_len, struct shared_reader **out)
{
    (void)max_len;
    (void)out;
    return -ENOSYS;
}

int shared_reader_feed(struct shared_reader *reader, const char *octets, size_t len)
{
    (void)reader;
    (void)octets;
    (void)len;
    return -ENOSYS;
}

int shared_reader_next(struct shared_reader *reader, struct shared_reply *out)
{
    (void)reader;
    (void)out;
    return -ENOSYS;
}

void shared_reader_free(struct shared_reader *reader)
{
    (void)reader;
}

int shared_command_new(const struct shared_word *words, size_t count, char **out, size_t *out_len)
{
    (void)words;
    (void)count;
    (void)out;
    (void)out_len;
    return -ENOSYS;
}

void shared_command_free(char *command)
{
    (void)command;
}
