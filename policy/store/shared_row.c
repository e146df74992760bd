/*
 * A row of the shared cache, in network byte order:
 *
 *     4  "RTLS"
 *     1  version
 *     1  kind
 *     8  when it was written, seconds since 1970
 *     8  when it ends
 *     4  length of the payload
 *        payload
 *    32  HMAC-SHA-256 (RFC 2104) over all of the above and then the row key
 *
 * shared_row_write makes one; shared_row_read checks length, version and MAC, and only then
 * believes what is in it. The payload's length is among what the MAC covers, so where the row ends
 * and its key begins cannot be shifted.
 */
#include "store/shared_row.h"

#include "base/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

enum { MAGIC_LEN = 4, HEAD_LEN = SHARED_ROW_OVERHEAD - SHARED_ROW_MAC_LEN };

static const char magic[MAGIC_LEN + 1] = "RTLS";

/* ---- MAC ---- */

static EVP_MAC_CTX *mac_new(void)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;

    EVP_MAC_free(mac); /* the context has a reference */
    return context;
}

/* The MAC of a row without its MAC under a row key. False: no memory. */
static bool row_mac(EVP_MAC_CTX *context, const struct shared_mac_keys *keys, size_t i,
                    const uint8_t *row, size_t len, const char *key,
                    uint8_t mac[SHARED_ROW_MAC_LEN])
{
    char digest[] = "SHA2-256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    size_t mac_len;

    return EVP_MAC_init(context, keys->keys[i], keys->lens[i], params) == 1 &&
           EVP_MAC_update(context, row, len) == 1 &&
           EVP_MAC_update(context, (const unsigned char *)key, strlen(key)) == 1 &&
           EVP_MAC_final(context, mac, &mac_len, SHARED_ROW_MAC_LEN) == 1 &&
           mac_len == SHARED_ROW_MAC_LEN;
}

static bool sign(const struct shared_mac_keys *keys, uint8_t *row, size_t len, const char *key)
{
    EVP_MAC_CTX *context = mac_new();
    bool done = context != NULL && row_mac(context, keys, 0, row, len, key, row + len);

    EVP_MAC_CTX_free(context);
    return done;
}

/* Whether one of the keys gives the MAC that follows the row. */
static enum shared_reject verify(const struct shared_mac_keys *keys, const uint8_t *row, size_t len,
                                 const char *key)
{
    enum shared_reject result = SHARED_REJECT_MAC;
    EVP_MAC_CTX *context = mac_new();
    uint8_t mac[SHARED_ROW_MAC_LEN];

    if (context == NULL)
        return SHARED_REJECT_MEMORY;
    for (size_t i = 0; i < keys->count && result == SHARED_REJECT_MAC; i++) {
        if (!row_mac(context, keys, i, row, len, key, mac))
            result = SHARED_REJECT_MEMORY;
        else if (CRYPTO_memcmp(mac, row + len, SHARED_ROW_MAC_LEN) == 0)
            result = SHARED_OK;
    }
    EVP_MAC_CTX_free(context);
    return result;
}

/* ---- Writing ---- */

static void put_number(uint8_t **to, uint64_t number, unsigned octets)
{
    while (octets-- > 0)
        *(*to)++ = (uint8_t)(number >> 8 * octets);
}

static void put_row(uint8_t *to, const struct shared_row *row)
{
    memcpy(to, magic, MAGIC_LEN);
    to += MAGIC_LEN;
    put_number(&to, SHARED_ROW_VERSION, 1);
    put_number(&to, row->kind, 1);
    put_number(&to, (uint64_t)row->written_at_s, 8);
    put_number(&to, (uint64_t)row->ends_at_s, 8);
    put_number(&to, row->payload_len, 4);
    if (row->payload_len > 0)
        memcpy(to, row->payload, row->payload_len);
}

int shared_row_write(const struct shared_mac_keys *keys, const char *name,
                     const struct shared_row *row, uint8_t **out, size_t *out_len)
{
    char key[SHARED_KEY_MAX + 1];
    size_t len = HEAD_LEN + row->payload_len;
    uint8_t *octets;

    *out = NULL;
    *out_len = 0;
    if (keys->count == 0 || shared_key_text(row->kind, name, key) == 0 || row->written_at_s < 0 ||
        row->ends_at_s <= row->written_at_s)
        return -EINVAL;
    if (row->payload_len > SHARED_ROW_PAYLOAD_MAX)
        return -EMSGSIZE;
    octets = malloc(len + SHARED_ROW_MAC_LEN);
    if (octets == NULL)
        return -ENOMEM;
    put_row(octets, row);
    if (!sign(keys, octets, len, key)) {
        free(octets);
        return -ENOMEM;
    }
    *out = octets;
    *out_len = len + SHARED_ROW_MAC_LEN;
    return 0;
}

/* ---- Reading ---- */

/* The numbers before the payload, which may be anything. */
struct head {
    uint8_t version, kind;
    uint64_t written_at_s, ends_at_s;
    uint32_t payload_len;
};

static uint64_t get_time(struct buf *b)
{
    uint64_t high = buf_u32(b);

    return high << 32 | buf_u32(b);
}

/* What can be seen without a key: that it is a row of ours in form, all of it. */
static enum shared_reject read_head(const uint8_t *octets, size_t len, size_t max_payload,
                                    struct head *head)
{
    struct buf b;
    const uint8_t *at;

    if (len > SHARED_ROW_OVERHEAD && len - SHARED_ROW_OVERHEAD > max_payload)
        return SHARED_REJECT_TOO_LARGE;
    buf_init(&b, octets, len);
    at = buf_bytes(&b, MAGIC_LEN);
    head->version = buf_u8(&b);
    if (b.bad)
        return SHARED_REJECT_TRUNCATED;
    if (memcmp(at, magic, MAGIC_LEN) != 0 || head->version != SHARED_ROW_VERSION)
        return SHARED_REJECT_VERSION;
    head->kind = buf_u8(&b);
    head->written_at_s = get_time(&b);
    head->ends_at_s = get_time(&b);
    head->payload_len = buf_u32(&b);
    if (b.bad || buf_left(&b) < SHARED_ROW_MAC_LEN ||
        buf_left(&b) - SHARED_ROW_MAC_LEN != head->payload_len)
        return SHARED_REJECT_TRUNCATED;
    return SHARED_OK;
}

/* What a host that has a key has written. */
static enum shared_reject check_head(const struct head *head, enum shared_kind kind, int64_t now_s)
{
    if (head->kind != kind)
        return SHARED_REJECT_KIND;
    if (head->ends_at_s > INT64_MAX || head->ends_at_s <= head->written_at_s)
        return SHARED_REJECT_CONTENT;
    if ((int64_t)head->ends_at_s <= now_s)
        return SHARED_REJECT_EXPIRED;
    if ((int64_t)head->written_at_s - SHARED_ROW_EARLY_S > now_s)
        return SHARED_REJECT_FUTURE;
    return SHARED_OK;
}

enum shared_reject shared_row_read(const struct shared_mac_keys *keys, enum shared_kind kind,
                                   const char *name, const void *octets, size_t len,
                                   size_t max_payload, int64_t now_s, struct shared_row *out)
{
    char key[SHARED_KEY_MAX + 1];
    struct head head;
    enum shared_reject result = read_head(octets, len, max_payload, &head);

    memset(out, 0, sizeof(*out));
    if (result == SHARED_OK && shared_key_text(kind, name, key) == 0)
        result = SHARED_REJECT_KIND;
    if (result == SHARED_OK)
        result = verify(keys, octets, len - SHARED_ROW_MAC_LEN, key);
    if (result == SHARED_OK)
        result = check_head(&head, kind, now_s);
    if (result != SHARED_OK)
        return result;
    out->kind = kind;
    out->written_at_s = (int64_t)head.written_at_s;
    out->ends_at_s = (int64_t)head.ends_at_s;
    out->payload = (const uint8_t *)octets + HEAD_LEN;
    out->payload_len = head.payload_len;
    return SHARED_OK;
}

const char *shared_reject_name(enum shared_reject reject)
{
    switch (reject) {
    case SHARED_OK:
        return "ok";
    case SHARED_REJECT_TOO_LARGE:
        return "too_large";
    case SHARED_REJECT_TRUNCATED:
        return "truncated";
    case SHARED_REJECT_VERSION:
        return "version";
    case SHARED_REJECT_MAC:
        return "mac";
    case SHARED_REJECT_KIND:
        return "kind";
    case SHARED_REJECT_EXPIRED:
        return "expired";
    case SHARED_REJECT_FUTURE:
        return "future";
    case SHARED_REJECT_CONTENT:
        return "content";
    case SHARED_REJECT_MEMORY:
        return "memory";
    case SHARED_REJECTS:
        break;
    }
    return "unknown";
}
