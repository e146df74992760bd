/*
 * A policy as the payload of a row of the shared cache, in network byte order: the id and the
 * domain, each after an octet with its length; when the file was fetched, 8 octets; the file after
 * 4 octets with its length. Nothing follows. shared_policy_write makes it, shared_policy_read takes
 * it apart.
 */
#include "store/shared_policy.h"

#include "base/ascii.h"
#include "base/buf.h"
#include "store/shared_row.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* 1*32(ALPHA / DIGIT), RFC 8461 section 3.1. */
static bool is_id(const char *id, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!ascii_is_alnum(id[i]))
            return false;
    return len > 0 && len <= SHARED_POLICY_ID_MAX;
}

/* ---- Writing ---- */

static void put_number(uint8_t **to, uint64_t number, unsigned octets)
{
    while (octets-- > 0)
        *(*to)++ = (uint8_t)(number >> 8 * octets);
}

static void put_octets(uint8_t **to, const void *data, size_t len)
{
    memcpy(*to, data, len);
    *to += len;
}

int shared_policy_write(const struct shared_policy *policy, uint8_t **out, size_t *out_len)
{
    size_t id_len = strnlen(policy->id, sizeof(policy->id));
    size_t domain_len = strnlen(policy->domain, sizeof(policy->domain));
    size_t size = SHARED_POLICY_OVERHEAD + policy->body_len;
    uint8_t *to;

    *out = NULL;
    *out_len = 0;
    if (!is_id(policy->id, id_len) || domain_len == 0 || domain_len > SHARED_POLICY_DOMAIN_MAX ||
        policy->body_len == 0 || policy->fetched_at_s < 0)
        return -EINVAL;
    if (policy->body_len > SHARED_ROW_PAYLOAD_MAX - SHARED_POLICY_OVERHEAD)
        return -EMSGSIZE;
    to = *out = malloc(size);
    if (to == NULL)
        return -ENOMEM;
    put_number(&to, id_len, 1);
    put_octets(&to, policy->id, id_len);
    put_number(&to, domain_len, 1);
    put_octets(&to, policy->domain, domain_len);
    put_number(&to, (uint64_t)policy->fetched_at_s, 8);
    put_number(&to, policy->body_len, 4);
    put_octets(&to, policy->body, policy->body_len);
    *out_len = (size_t)(to - *out);
    return 0;
}

/* ---- Reading ---- */

/* A text after its length; `out` has room for `max` octets and a NUL. Returns its length. */
static size_t get_text(struct buf *b, char *out, size_t max)
{
    size_t len = buf_u8(b);
    const uint8_t *at = buf_bytes(b, len);

    if (at == NULL || len > max) {
        b->bad = true;
        return 0;
    }
    memcpy(out, at, len);
    out[len] = '\0';
    return len;
}

static bool read_all(struct buf *b, const char *domain, struct shared_policy *out)
{
    size_t id_len = get_text(b, out->id, SHARED_POLICY_ID_MAX), domain_len;
    uint64_t fetched_at_s;

    domain_len = get_text(b, out->domain, SHARED_POLICY_DOMAIN_MAX);
    fetched_at_s = (uint64_t)buf_u32(b) << 32;
    fetched_at_s |= buf_u32(b);
    out->fetched_at_s = (int64_t)fetched_at_s;
    out->body_len = buf_u32(b);
    out->body = (const char *)buf_bytes(b, out->body_len);
    return !b->bad && buf_left(b) == 0 && is_id(out->id, id_len) && domain_len == strlen(domain) &&
           memcmp(out->domain, domain, domain_len) == 0 && fetched_at_s <= INT64_MAX &&
           out->body_len > 0;
}

enum shared_reject shared_policy_read(const void *payload, size_t len, const char *domain,
                                      size_t max_body, int64_t now_s, struct shared_policy *out)
{
    enum shared_reject result = SHARED_OK;
    struct buf b;

    memset(out, 0, sizeof(*out));
    buf_init(&b, payload, len);
    if (!read_all(&b, domain, out))
        result = SHARED_REJECT_CONTENT;
    else if (out->body_len > max_body)
        result = SHARED_REJECT_TOO_LARGE;
    else if (out->fetched_at_s - SHARED_ROW_EARLY_S > now_s)
        result = SHARED_REJECT_FUTURE;
    if (result != SHARED_OK)
        memset(out, 0, sizeof(*out));
    return result;
}
