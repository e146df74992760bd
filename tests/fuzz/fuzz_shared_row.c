/*
 * Any octets as a row of the shared cache: first as they are, then with a right MAC behind them, so
 * that what only a host with a key could write is read too. Checked is that a row which counts is
 * the one that is written with what was read of it, counts under no other row key and by no other
 * key, and that the same is so of the policy in it.
 */
#include "probe/probe_result.h"
#include "store/shared_policy.h"
#include "store/shared_row.h"
#include "sts/sts.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { NOW_S = 1764407000, MAX_PAYLOAD = 8192, MAX_BODY = 4096 };

static const struct shared_mac_keys right = {
    .keys = {"0123456789abcdef0123456789abcdef"}, .lens = {32}, .count = 1};
static const struct shared_mac_keys wrong = {
    .keys = {"0123456789abcdef0123456789abcdeF"}, .lens = {32}, .count = 1};

static void promise(bool kept)
{
    if (!kept)
        abort();
}

static void check_policy(const struct shared_row *row)
{
    struct shared_policy policy, other;
    struct sts_policy *parsed;
    uint8_t *again;
    size_t len;
    char err[100];

    if (shared_policy_read(row->payload, row->payload_len, "example.org", MAX_BODY, NOW_S,
                           &policy) != SHARED_OK)
        return;
    promise(policy.body_len <= MAX_BODY && policy.fetched_at_s <= NOW_S + SHARED_ROW_EARLY_S);
    promise(shared_policy_write(&policy, &again, &len) == 0);
    promise(len == row->payload_len && memcmp(again, row->payload, len) == 0);
    free(again);
    promise(shared_policy_read(row->payload, row->payload_len, "example.com", MAX_BODY, NOW_S,
                               &other) == SHARED_REJECT_CONTENT);
    if (sts_policy_parse(policy.body, policy.body_len, &parsed, err, sizeof(err)) == 0)
        sts_policy_free(parsed);
}

static void check_probe(const struct shared_row *row)
{
    uint8_t record[PROBE_RESULT_RECORD_MAX];
    struct probe_result *result = probe_result_decode(row->payload, row->payload_len);

    if (result != NULL)
        promise(probe_result_encode(result, record) <= sizeof(record));
    probe_result_unref(result);
}

static enum shared_reject read_as(const struct shared_mac_keys *keys, enum shared_kind kind,
                                  const char *name, const uint8_t *data, size_t len,
                                  struct shared_row *out)
{
    return shared_row_read(keys, kind, name, data, len, MAX_PAYLOAD, NOW_S, out);
}

/* Returns whether it counts. */
static bool check_row(enum shared_kind kind, const uint8_t *data, size_t len)
{
    static const struct shared_row nothing;
    struct shared_row row, other;
    uint8_t *again;
    size_t again_len;

    if (read_as(&right, kind, "example.org", data, len, &row) != SHARED_OK) {
        promise(memcmp(&row, &nothing, sizeof(row)) == 0);
        return false;
    }
    promise(row.kind == kind && row.ends_at_s > NOW_S && row.payload_len <= MAX_PAYLOAD);
    promise(row.written_at_s <= NOW_S + SHARED_ROW_EARLY_S);
    promise(shared_row_write(&right, "example.org", &row, &again, &again_len) == 0);
    promise(again_len == len && memcmp(again, data, len) == 0);
    free(again);
    promise(read_as(&wrong, kind, "example.org", data, len, &other) == SHARED_REJECT_MAC);
    promise(read_as(&right, kind, "example.com", data, len, &other) == SHARED_REJECT_MAC);
    promise(read_as(&right, kind == SHARED_POLICY ? SHARED_PROBE : SHARED_POLICY, "example.org",
                    data, len, &other) == SHARED_REJECT_MAC);
    if (kind == SHARED_POLICY)
        check_policy(&row);
    else
        check_probe(&row);
    return true;
}

static void sign(enum shared_kind kind, uint8_t *data, size_t len)
{
    char key[SHARED_KEY_MAX + 1];
    size_t key_len = shared_key_text(kind, "example.org", key);
    uint8_t *covered = malloc(len + key_len);

    promise(covered != NULL);
    memcpy(covered, data, len);
    memcpy(covered + len, key, key_len);
    promise(HMAC(EVP_sha256(), right.keys[0], (int)right.lens[0], covered, len + key_len,
                 data + len, NULL) != NULL);
    free(covered);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const enum shared_kind kinds[] = {SHARED_POLICY, SHARED_PROBE};
    uint8_t *row = malloc(len + SHARED_ROW_MAC_LEN);

    promise(row != NULL);
    if (len > 0)
        memcpy(row, data, len);
    for (size_t i = 0; i < 2; i++) {
        check_row(kinds[i], data, len);
        sign(kinds[i], row, len);
        check_row(kinds[i], row, len + SHARED_ROW_MAC_LEN);
        row[len] ^= 1;
        promise(!check_row(kinds[i], row, len + SHARED_ROW_MAC_LEN));
    }
    free(row);
    return 0;
}
