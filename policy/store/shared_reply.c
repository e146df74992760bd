/*
 * Replies by hiredis's reader. It calls back for each object that it has read (object functions);
 * one reply at a time is kept, in the reader's own memory: an array is refused when its header
 * comes, before hiredis has asked for memory for as many elements as a server claims.
 */
#include "store/shared_reply.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE_MAX_LEN = 1024, /* octets of a status or an error, and of the header of a string */
};

struct shared_reader {
    redisReader *reader;
    redisReplyObjectFunctions functions;
    size_t max_len;
    bool refused; /* an object that is no reply of ours */
    struct shared_reply reply;
    char *text; /* of the reply */
    size_t text_size;
};

bool shared_reply_is_built_in(void)
{
    return true;
}

static bool keep_text(struct shared_reader *r, const char *text, size_t len)
{
    if (len >= r->text_size) {
        char *larger = realloc(r->text, len + 1);

        if (larger == NULL)
            return false;
        r->text = larger;
        r->text_size = len + 1;
    }
    memcpy(r->text, text, len);
    r->text[len] = '\0';
    return true;
}

/* Object functions. What they return stands for the reply; NULL is an error for the reader. */

static void *refuse(struct shared_reader *r)
{
    r->refused = true;
    return NULL;
}

static void *on_string(const redisReadTask *task, char *text, size_t len)
{
    struct shared_reader *r = task->privdata;
    enum shared_reply_type type;

    if (task->type == REDIS_REPLY_STATUS)
        type = SHARED_REPLY_STATUS;
    else if (task->type == REDIS_REPLY_STRING)
        type = SHARED_REPLY_STRING;
    else if (task->type == REDIS_REPLY_ERROR)
        type = SHARED_REPLY_ERROR;
    else
        return refuse(r); /* a type of RESP3 */
    if (!keep_text(r, text, len))
        return NULL;
    r->reply = (struct shared_reply){.type = type, .text = r->text, .len = len};
    return r;
}

#if HIREDIS_MAJOR < 1
static void *on_array(const redisReadTask *task, int elements)
#else
static void *on_array(const redisReadTask *task, size_t elements)
#endif
{
    (void)elements;
    return refuse(task->privdata);
}

static void *on_integer(const redisReadTask *task, long long value)
{
    struct shared_reader *r = task->privdata;

    r->reply = (struct shared_reply){.type = SHARED_REPLY_INTEGER, .integer = value};
    return r;
}

static void *on_nil(const redisReadTask *task)
{
    struct shared_reader *r = task->privdata;

    r->reply = (struct shared_reply){.type = SHARED_REPLY_NIL};
    return r;
}

static void on_free(void *object)
{
    (void)object; /* the reader's own memory */
}

int shared_reader_new(size_t max_len, struct shared_reader **out)
{
    struct shared_reader *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return -ENOMEM;
    r->max_len = max_len;
    r->functions = (redisReplyObjectFunctions){
        .createString = on_string,
        .createArray = on_array,
        .createInteger = on_integer,
        .createNil = on_nil,
        .freeObject = on_free,
    };
    r->reader = redisReaderCreateWithFunctions(&r->functions);
    if (r->reader == NULL) {
        free(r);
        return -ENOMEM;
    }
    r->reader->privdata = r;
    *out = r;
    return 0;
}

/* hiredis takes any NULL of an object function for want of memory. */
static int error_of(const struct shared_reader *r)
{
    return r->reader->err == REDIS_ERR_OOM && !r->refused ? -ENOMEM : -EPROTO;
}

int shared_reader_feed(struct shared_reader *r, const char *octets, size_t len)
{
    if (r->reader->err != 0)
        return error_of(r);
    if (redisReaderFeed(r->reader, octets, len) != REDIS_OK)
        return -ENOMEM;
    return 0;
}

int shared_reader_next(struct shared_reader *r, struct shared_reply *out)
{
    void *object = NULL;

    if (redisReaderGetReply(r->reader, &object) != REDIS_OK)
        return error_of(r);
    if (object == NULL)
        return r->reader->len - r->reader->pos > r->max_len + LINE_MAX_LEN ? -EMSGSIZE : 0;
    if (object != r)
        return -EPROTO; /* a type of RESP3 */
    *out = r->reply;
    return 1;
}

void shared_reader_free(struct shared_reader *r)
{
    if (r == NULL)
        return;
    redisReaderFree(r->reader);
    free(r->text);
    free(r);
}

int shared_command_new(const struct shared_word *words, size_t count, char **out, size_t *out_len)
{
    const char *argv[SHARED_WORDS_MAX];
    size_t lens[SHARED_WORDS_MAX];
    long long len;

    for (size_t i = 0; i < count; i++) {
        argv[i] = words[i].octets;
        lens[i] = words[i].len;
    }
    len = redisFormatCommandArgv(out, (int)count, argv, lens);
    if (len < 0)
        return -ENOMEM;
    *out_len = (size_t)len;
    return 0;
}

void shared_command_free(char *command)
{
    redisFreeCommand(command);
}
