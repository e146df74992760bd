/*
 * Rows of the shared cache, and their row keys: what is written is read again, and everything else
 * is rejected for its reason. No octet of a row can be changed, left out or added, and no row
 * counts under another row key.
 */
#include "store/shared_row.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

enum { NOW_S = 1764407000, LIFE_S = 86400, MAX_PAYLOAD = 4096 };

/* Where the fields of a row are. */
enum { AT_VERSION = 4, AT_KIND = 5, AT_WRITTEN = 6, AT_ENDS = 14, AT_LEN = 22, AT_PAYLOAD = 26 };

static const struct shared_mac_keys ours = {
    .keys = {"0123456789abcdef0123456789abcdef"}, .lens = {32}, .count = 1};
static const struct shared_mac_keys others = {
    .keys = {"0123456789abcdef0123456789abcdeF"}, .lens = {32}, .count = 1};
/* A new key that signs, and the one before. */
static const struct shared_mac_keys changed = {
    .keys = {"a key that is forty octets long, exactly", "0123456789abcdef0123456789abcdef"},
    .lens = {40, 32},
    .count = 2};
static const struct shared_mac_keys no_key = {.count = 0};

struct octets {
    uint8_t *data;
    size_t len;
};

static struct octets written(const struct shared_mac_keys *keys, const char *name,
                             const struct shared_row *row)
{
    struct octets out;

    assert_int_equal(shared_row_write(keys, name, row, &out.data, &out.len), 0);
    assert_int_equal(out.len, row->payload_len + SHARED_ROW_OVERHEAD);
    return out;
}

static struct shared_row policy_row(const char *payload)
{
    return (struct shared_row){.kind = SHARED_POLICY,
                               .written_at_s = NOW_S,
                               .ends_at_s = NOW_S + LIFE_S,
                               .payload = (const uint8_t *)payload,
                               .payload_len = strlen(payload)};
}

static void assert_nothing(const struct shared_row *row)
{
    static const struct shared_row nothing;

    assert_memory_equal(row, &nothing, sizeof(nothing));
}

/* Reads a copy in a block of its own, so that nothing beside it is looked at unseen. */
static enum shared_reject read_as(const struct shared_mac_keys *keys, enum shared_kind kind,
                                  const char *name, const uint8_t *data, size_t len, int64_t now_s)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    struct shared_row row;
    enum shared_reject result;

    assert_non_null(copy);
    memcpy(copy, data, len);
    memset(&row, 0x55, sizeof(row));
    result = shared_row_read(keys, kind, name, copy, len, MAX_PAYLOAD, now_s, &row);
    if (result != SHARED_OK)
        assert_nothing(&row);
    free(copy);
    return result;
}

static enum shared_reject read_ours(const uint8_t *data, size_t len)
{
    return read_as(&ours, SHARED_POLICY, "example.org", data, len, NOW_S);
}

/* The octets that another implementation of RFC 2104 made: the format may not change unnoticed. */
static void octets_of_a_row(void **state)
{
    static const uint8_t expected[] = {
        0x52, 0x54, 0x4c, 0x53, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x69, 0x2a, 0xb6, 0xd8,
        0x00, 0x00, 0x00, 0x00, 0x69, 0x2c, 0x08, 0x58, 0x00, 0x00, 0x00, 0x09, 0x61, 0x20,
        0x70, 0x61, 0x79, 0x6c, 0x6f, 0x61, 0x64, 0x61, 0x65, 0x95, 0x1a, 0x94, 0xb8, 0x08,
        0x63, 0x89, 0xeb, 0x08, 0xdc, 0x11, 0x24, 0xee, 0x6d, 0xaf, 0x67, 0x82, 0x1a, 0x44,
        0x81, 0x8f, 0xb1, 0x04, 0x77, 0xc1, 0x38, 0x35, 0x04, 0xcd, 0xc9,
    };
    struct shared_row row = policy_row("a payload");
    struct octets got = written(&ours, "example.org", &row);

    (void)state;
    assert_int_equal(got.len, sizeof(expected));
    assert_memory_equal(got.data, expected, sizeof(expected));
    free(got.data);
}

static void reads_what_was_written(void **state)
{
    static const uint8_t any[] = {0, 1, 2, 0xff, 0, '\n'};
    const struct shared_row rows[] = {
        {SHARED_POLICY, NOW_S, NOW_S + 1, any, sizeof(any)},
        {SHARED_PROBE, 0, INT64_MAX, any, 1},
        {SHARED_PROBE, NOW_S + SHARED_ROW_EARLY_S, NOW_S + LIFE_S, NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct octets o = written(&ours, "mx.example.org 192.0.2.1:25 ", &rows[i]);
        struct shared_row got;

        assert_int_equal(shared_row_read(&ours, rows[i].kind, "mx.example.org 192.0.2.1:25 ",
                                         o.data, o.len, sizeof(any), NOW_S, &got),
                         SHARED_OK);
        assert_int_equal(got.kind, rows[i].kind);
        assert_int_equal(got.written_at_s, rows[i].written_at_s);
        assert_int_equal(got.ends_at_s, rows[i].ends_at_s);
        assert_int_equal(got.payload_len, rows[i].payload_len);
        assert_ptr_equal(got.payload, o.data + AT_PAYLOAD);
        if (got.payload_len > 0)
            assert_memory_equal(got.payload, rows[i].payload, got.payload_len);
        free(o.data);
    }
}

static void writes_no_row_that_is_none(void **state)
{
    static uint8_t large[SHARED_ROW_PAYLOAD_MAX + 1];
    struct shared_row good = policy_row("x"), row;
    uint8_t *out;
    size_t len;

    (void)state;
#define REFUSED(keys, name, error)                                                                 \
    out = large, len = 1;                                                                          \
    assert_int_equal(shared_row_write(keys, name, &row, &out, &len), error);                       \
    assert_null(out);                                                                              \
    assert_int_equal(len, 0)
    row = good;
    REFUSED(&no_key, "example.org", -EINVAL);
    REFUSED(&ours, "", -EINVAL);
    row.kind = (enum shared_kind)3;
    REFUSED(&ours, "example.org", -EINVAL);
    row = good;
    row.written_at_s = -1;
    REFUSED(&ours, "example.org", -EINVAL);
    row = good;
    row.ends_at_s = row.written_at_s;
    REFUSED(&ours, "example.org", -EINVAL);
    row = good;
    row.payload = large;
    row.payload_len = sizeof(large);
    REFUSED(&ours, "example.org", -EMSGSIZE);
    row.payload_len = SIZE_MAX;
    REFUSED(&ours, "example.org", -EMSGSIZE);
#undef REFUSED
}

static void the_first_key_signs_and_all_verify(void **state)
{
    struct shared_row row = policy_row("x");
    struct octets old = written(&ours, "example.org", &row);
    struct octets new = written(&changed, "example.org", &row);

    (void)state;
    assert_memory_not_equal(old.data, new.data, old.len);
#define READ(keys, o) read_as(keys, SHARED_POLICY, "example.org", (o).data, (o).len, NOW_S)
    assert_int_equal(READ(&changed, old), SHARED_OK);
    assert_int_equal(READ(&changed, new), SHARED_OK);
    assert_int_equal(READ(&ours, new), SHARED_REJECT_MAC);
    assert_int_equal(READ(&others, old), SHARED_REJECT_MAC);
    assert_int_equal(READ(&no_key, old), SHARED_REJECT_MAC);
#undef READ
    free(old.data);
    free(new.data);
}

static void no_row_counts_under_another_key(void **state)
{
    struct shared_row row = policy_row("x");
    struct octets o = written(&ours, "example.org", &row);
    static const char *const names[] = {"example.com", "example.or", "example.org.",
                                        "Example.org", "",           "a.example.org"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_int_not_equal(read_as(&ours, SHARED_POLICY, names[i], o.data, o.len, NOW_S),
                             SHARED_OK);
    assert_int_equal(read_as(&ours, SHARED_POLICY, "example.com", o.data, o.len, NOW_S),
                     SHARED_REJECT_MAC);
    assert_int_equal(read_as(&ours, SHARED_PROBE, "example.org", o.data, o.len, NOW_S),
                     SHARED_REJECT_MAC);
    free(o.data);
}

/* The end of a payload cannot become the beginning of the row key. */
static void the_border_of_row_and_key_is_fixed(void **state)
{
    struct shared_row row = policy_row("x");
    struct octets o = written(&ours, "example.org", &row);
    uint8_t moved[200];

    (void)state;
    /* The payload left out, its length set right: nothing stands for it in the row key. */
    memcpy(moved, o.data, AT_PAYLOAD);
    moved[AT_LEN + 3] = 0;
    memcpy(moved + AT_PAYLOAD, o.data + o.len - SHARED_ROW_MAC_LEN, SHARED_ROW_MAC_LEN);
    assert_int_equal(read_ours(moved, AT_PAYLOAD + SHARED_ROW_MAC_LEN), SHARED_REJECT_MAC);
    free(o.data);
}

static enum shared_reject expected_for(size_t at)
{
    if (at <= AT_VERSION)
        return SHARED_REJECT_VERSION;
    if (at >= AT_LEN && at < AT_PAYLOAD)
        return SHARED_REJECT_TRUNCATED;
    return SHARED_REJECT_MAC;
}

static void no_bit_can_be_changed(void **state)
{
    struct shared_row row = policy_row("a payload");
    struct octets o = written(&ours, "example.org", &row);

    (void)state;
    assert_int_equal(read_ours(o.data, o.len), SHARED_OK);
    for (size_t bit = 0; bit < o.len * 8; bit++) {
        enum shared_reject got;

        o.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        got = read_ours(o.data, o.len);
        if (got != expected_for(bit / 8))
            fail_msg("bit %zu of octet %zu: %s", bit % 8, bit / 8, shared_reject_name(got));
        o.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(read_ours(o.data, o.len), SHARED_OK);
    free(o.data);
}

static void no_octet_can_be_left_out_or_added(void **state)
{
    struct shared_row row = policy_row("a payload");
    struct octets o = written(&ours, "example.org", &row);
    uint8_t longer[200] = {0};

    (void)state;
    for (size_t len = 0; len < o.len; len++)
        assert_int_equal(read_ours(o.data, len), SHARED_REJECT_TRUNCATED);
    memcpy(longer, o.data, o.len);
    for (size_t len = o.len + 1; len < sizeof(longer); len++)
        assert_int_equal(read_ours(longer, len), SHARED_REJECT_TRUNCATED);
    assert_int_equal(read_ours((const uint8_t *)"what another program wrote", 26),
                     SHARED_REJECT_VERSION);
    free(o.data);
}

static void what_is_too_large_is_not_looked_at(void **state)
{
    static char payload[MAX_PAYLOAD + 2];
    struct shared_row row;
    struct octets o;

    (void)state;
    memset(payload, 'x', MAX_PAYLOAD);
    row = policy_row(payload);
    o = written(&ours, "example.org", &row);
    assert_int_equal(read_ours(o.data, o.len), SHARED_OK);
    free(o.data);
    payload[MAX_PAYLOAD] = 'x';
    row = policy_row(payload);
    o = written(&ours, "example.org", &row);
    assert_int_equal(read_ours(o.data, o.len), SHARED_REJECT_TOO_LARGE);
    memset(o.data, 0, o.len);
    assert_int_equal(read_ours(o.data, o.len), SHARED_REJECT_TOO_LARGE);
    free(o.data);
}

/* ---- What only a host with a key can have written ---- */

static void put_time(uint8_t *at, uint64_t time)
{
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t)(time >> 8 * (7 - i));
}

/* A row that shared_row_write would not write, of the policy domain example.org. */
static struct octets resigned(enum shared_kind kind, uint64_t written_at, uint64_t ends_at)
{
    static const char key[] = "requiretls:1:policy:example.org";
    struct shared_row row = policy_row("x");
    struct octets o = written(&ours, "example.org", &row);
    size_t len = o.len - SHARED_ROW_MAC_LEN;
    uint8_t covered[100];

    o.data[AT_KIND] = (uint8_t)kind;
    put_time(o.data + AT_WRITTEN, written_at);
    put_time(o.data + AT_ENDS, ends_at);
    memcpy(covered, o.data, len);
    memcpy(covered + len, key, sizeof(key) - 1);
    assert_non_null(HMAC(EVP_sha256(), ours.keys[0], (int)ours.lens[0], covered,
                         len + sizeof(key) - 1, o.data + len, NULL));
    return o;
}

static void times_of_a_row(void **state)
{
    static const struct {
        const char *name;
        uint64_t written_at, ends_at;
        enum shared_reject expected;
    } cases[] = {
        {"now", NOW_S, NOW_S + 1, SHARED_OK},
        {"its last second", NOW_S - 100, NOW_S + 1, SHARED_OK},
        {"ends now", NOW_S - 100, NOW_S, SHARED_REJECT_EXPIRED},
        {"ended", 0, 1, SHARED_REJECT_EXPIRED},
        {"300 s ahead", NOW_S + 300, NOW_S + 400, SHARED_OK},
        {"301 s ahead", NOW_S + 301, NOW_S + 400, SHARED_REJECT_FUTURE},
        {"the end of time", INT64_MAX - 1, INT64_MAX, SHARED_REJECT_FUTURE},
        {"ends as it is written", NOW_S, NOW_S, SHARED_REJECT_CONTENT},
        {"ends before it is written", NOW_S + 2, NOW_S + 1, SHARED_REJECT_CONTENT},
        {"negative", (uint64_t)INT64_MAX + 1, UINT64_MAX, SHARED_REJECT_CONTENT},
        {"a negative end", NOW_S, UINT64_MAX, SHARED_REJECT_CONTENT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct octets o = resigned(SHARED_POLICY, cases[i].written_at, cases[i].ends_at);
        enum shared_reject got = read_ours(o.data, o.len);

        if (got != cases[i].expected)
            fail_msg("%s: %s", cases[i].name, shared_reject_name(got));
        free(o.data);
    }
}

static void a_kind_is_no_other_though_it_is_signed(void **state)
{
    struct octets o = resigned(SHARED_PROBE, NOW_S, NOW_S + 1);

    (void)state;
    assert_int_equal(read_ours(o.data, o.len), SHARED_REJECT_KIND);
    free(o.data);
    o = resigned((enum shared_kind)77, NOW_S, NOW_S + 1);
    assert_int_equal(read_ours(o.data, o.len), SHARED_REJECT_KIND);
    free(o.data);
}

static void reasons_have_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SHARED_REJECTS; i++) {
        const char *name = shared_reject_name((enum shared_reject)i);

        assert_string_not_equal(name, "unknown");
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(name, shared_reject_name((enum shared_reject)j));
    }
    assert_string_equal(shared_reject_name(SHARED_REJECTS), "unknown");
    assert_string_equal(shared_reject_name((enum shared_reject)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(octets_of_a_row),
        cmocka_unit_test(reads_what_was_written),
        cmocka_unit_test(writes_no_row_that_is_none),
        cmocka_unit_test(the_first_key_signs_and_all_verify),
        cmocka_unit_test(no_row_counts_under_another_key),
        cmocka_unit_test(the_border_of_row_and_key_is_fixed),
        cmocka_unit_test(no_bit_can_be_changed),
        cmocka_unit_test(no_octet_can_be_left_out_or_added),
        cmocka_unit_test(what_is_too_large_is_not_looked_at),
        cmocka_unit_test(times_of_a_row),
        cmocka_unit_test(a_kind_is_no_other_though_it_is_signed),
        cmocka_unit_test(reasons_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
