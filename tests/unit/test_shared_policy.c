/* A policy as the payload of a row of the shared cache, and payloads that are none. */
#include "store/shared_policy.h"

#include "store/shared_row.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NOW_S = 1764407000 };

#define BODY "version: STSv1\r\nmode: enforce\r\nmx: mx.example.org\r\nmax_age: 86400\r\n"

static const struct shared_policy a_policy = {.domain = "example.org",
                                              .id = "20261129T",
                                              .fetched_at_s = NOW_S - 60,
                                              .body = BODY,
                                              .body_len = sizeof(BODY) - 1};

static enum shared_reject policy_as(const uint8_t *data, size_t len, const char *domain,
                                    size_t max_body, struct shared_policy *out)
{
    static const struct shared_policy nothing;
    enum shared_reject result;

    memset(out, 0x55, sizeof(*out));
    result = shared_policy_read(data, len, domain, max_body, NOW_S, out);
    if (result != SHARED_OK)
        assert_memory_equal(out, &nothing, sizeof(nothing));
    return result;
}

static void reads_the_policy_that_was_written(void **state)
{
    struct shared_policy got;
    uint8_t *payload;
    size_t len;

    (void)state;
    assert_int_equal(shared_policy_write(&a_policy, &payload, &len), 0);
    assert_int_equal(policy_as(payload, len, "example.org", a_policy.body_len, &got), SHARED_OK);
    assert_string_equal(got.domain, a_policy.domain);
    assert_string_equal(got.id, a_policy.id);
    assert_int_equal(got.fetched_at_s, a_policy.fetched_at_s);
    assert_int_equal(got.body_len, a_policy.body_len);
    assert_memory_equal(got.body, BODY, got.body_len);
    assert_true((const uint8_t *)got.body + got.body_len == payload + len);
    assert_int_equal(policy_as(payload, len, "example.org", a_policy.body_len - 1, &got),
                     SHARED_REJECT_TOO_LARGE);
    assert_int_equal(policy_as(payload, len, "example.com", 9999, &got), SHARED_REJECT_CONTENT);
    assert_int_equal(policy_as(payload, len, "example.or", 9999, &got), SHARED_REJECT_CONTENT);
    assert_int_equal(policy_as(payload, len, "example.org.test", 9999, &got),
                     SHARED_REJECT_CONTENT);
    assert_int_equal(policy_as(payload, len, "", 9999, &got), SHARED_REJECT_CONTENT);
    for (size_t shorter = 0; shorter < len; shorter++)
        assert_int_equal(policy_as(payload, shorter, "example.org", 9999, &got),
                         SHARED_REJECT_CONTENT);
    payload = realloc(payload, len + 1);
    payload[len] = 0;
    assert_int_equal(policy_as(payload, len + 1, "example.org", 9999, &got), SHARED_REJECT_CONTENT);
    free(payload);
}

static void a_policy_fetched_later_than_now(void **state)
{
    static const struct {
        int64_t ahead_s;
        enum shared_reject expected;
    } cases[] = {{-NOW_S, SHARED_OK},
                 {0, SHARED_OK},
                 {300, SHARED_OK},
                 {301, SHARED_REJECT_FUTURE},
                 {INT64_MAX - NOW_S, SHARED_REJECT_FUTURE}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct shared_policy policy = a_policy, got;
        uint8_t *payload;
        size_t len;

        policy.fetched_at_s = NOW_S + cases[i].ahead_s;
        assert_int_equal(shared_policy_write(&policy, &payload, &len), 0);
        assert_int_equal(policy_as(payload, len, "example.org", 9999, &got), cases[i].expected);
        /* A time that is none. */
        payload[1 + strlen(policy.id) + 1 + strlen(policy.domain)] |= 0x80;
        assert_int_equal(policy_as(payload, len, "example.org", 9999, &got), SHARED_REJECT_CONTENT);
        free(payload);
    }
}

static void longest_policy(void **state)
{
    struct shared_policy policy = a_policy, got;
    uint8_t *payload;
    size_t len;

    (void)state;
    memset(policy.domain, 'd', SHARED_POLICY_DOMAIN_MAX);
    memset(policy.id, 'Z', SHARED_POLICY_ID_MAX);
    assert_int_equal(shared_policy_write(&policy, &payload, &len), 0);
    assert_int_equal(len, SHARED_POLICY_OVERHEAD + policy.body_len);
    assert_int_equal(policy_as(payload, len, policy.domain, 9999, &got), SHARED_OK);
    assert_string_equal(got.domain, policy.domain);
    assert_string_equal(got.id, policy.id);
    payload[0]++; /* an id longer than any */
    assert_int_equal(policy_as(payload, len, policy.domain, 9999, &got), SHARED_REJECT_CONTENT);
    free(payload);
}

static void ids_that_are_none_are_not_read(void **state)
{
    static const char wrong[] = "-_. \n\xe4:/@[`{";
    struct shared_policy got;
    uint8_t *payload;
    size_t len;

    (void)state;
    assert_int_equal(shared_policy_write(&a_policy, &payload, &len), 0);
    for (size_t i = 0; i < sizeof(wrong); i++) { /* with its NUL */
        payload[3] = (uint8_t)wrong[i];
        assert_int_equal(policy_as(payload, len, "example.org", 9999, &got), SHARED_REJECT_CONTENT);
    }
    free(payload);
}

static void writes_no_policy_that_is_none(void **state)
{
    struct shared_policy policy;
    uint8_t *out;
    size_t len;

    (void)state;
#define REFUSED(error)                                                                             \
    out = (uint8_t *)&policy, len = 1;                                                             \
    assert_int_equal(shared_policy_write(&policy, &out, &len), error);                             \
    assert_null(out);                                                                              \
    assert_int_equal(len, 0)
    policy = a_policy;
    policy.domain[0] = '\0';
    REFUSED(-EINVAL);
    policy = a_policy;
    memset(policy.domain, 'd', sizeof(policy.domain));
    REFUSED(-EINVAL);
    policy = a_policy;
    policy.id[0] = '\0';
    REFUSED(-EINVAL);
    policy = a_policy;
    policy.id[2] = '-';
    REFUSED(-EINVAL);
    policy = a_policy;
    memset(policy.id, '1', sizeof(policy.id));
    REFUSED(-EINVAL);
    policy = a_policy;
    policy.body_len = 0;
    REFUSED(-EINVAL);
    policy = a_policy;
    policy.fetched_at_s = -1;
    REFUSED(-EINVAL);
    policy = a_policy;
    policy.body_len = SHARED_ROW_PAYLOAD_MAX - SHARED_POLICY_OVERHEAD + 1;
    REFUSED(-EMSGSIZE);
    policy.body_len = SIZE_MAX;
    REFUSED(-EMSGSIZE);
#undef REFUSED
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_policy_that_was_written),
        cmocka_unit_test(a_policy_fetched_later_than_now),
        cmocka_unit_test(longest_policy),
        cmocka_unit_test(ids_that_are_none_are_not_read),
        cmocka_unit_test(writes_no_policy_that_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
