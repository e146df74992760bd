/*
 * The content of a message: content_new, content_write from beginning to end, then content_read at
 * any position. A spool with a count of those who use it; the last content_unref closes its file,
 * which has no name.
 */
#include "deliver/content.h"

#include "base/spool.h"

#include <stdlib.h>
#include <string.h>

struct content {
    unsigned references;
    struct spool *spool;
    struct content_part parts[CONTENT_PARTS_MAX];
    size_t part_count;
};

struct content *content_new(const char *dir, size_t memory_max)
{
    struct content *content = calloc(1, sizeof(*content));

    if (content == NULL)
        return NULL;
    content->references = 1;
    content->spool = spool_new(memory_max, dir);
    if (content->spool == NULL) {
        free(content);
        return NULL;
    }
    return content;
}

struct content *content_ref(struct content *content)
{
    content->references++;
    return content;
}

void content_unref(struct content *content)
{
    if (content == NULL || --content->references > 0)
        return;
    spool_free(content->spool);
    free(content);
}

void content_limit(struct content *content, size_t memory_max)
{
    spool_limit(content->spool, memory_max);
}

int content_write(struct content *content, const char *octets, size_t len)
{
    return spool_write(content->spool, octets, len);
}

uint64_t content_size(const struct content *content)
{
    return spool_size(content->spool);
}

int content_read(struct content *content, uint64_t offset, char *octets, size_t size, size_t *len)
{
    return spool_read(content->spool, offset, octets, size, len);
}

void content_set_parts(struct content *content, const struct content_part *parts, size_t count)
{
    memcpy(content->parts, parts, count * sizeof(*parts));
    content->part_count = count;
}

int content_read_without(struct content *content, uint64_t *offset, char *octets, size_t size,
                         size_t *len)
{
    int error;

    for (size_t i = 0; i < content->part_count; i++) {
        const struct content_part *part = &content->parts[i];

        if (*offset >= part->at && *offset - part->at < part->len)
            *offset = part->at + part->len;
        else if (part->at > *offset && part->at - *offset < size)
            size = (size_t)(part->at - *offset);
    }
    error = content_read(content, *offset, octets, size, len);
    *offset += error == 0 ? *len : 0;
    return error;
}
