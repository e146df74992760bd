/*
 * Results of probes: copies, records for the store, and the cache that keeps them.
 */
#include "probe/probe_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = {"mx.example.org", "*.example.org"};

static const struct findings_probe full = {
    .not_after_s = 1800000000,
    .failure = "no REQUIRETLS",
    .protocol = "TLSv1.3",
    .cipher = "TLS_AES_256_GCM_SHA384",
    .dane_why = "no record matches",
    .web_pki_why = "self-signed certificate",
    .names = names,
    .name_count = 2,
    .result = FINDINGS_PROBE_NO_REQUIRETLS,
    .family = 6,
    .dane = FINDINGS_PROBE_CHECK_FAILED,
    .web_pki = FINDINGS_PROBE_CHECK_OK,
    .starttls = true,
    .pipelining = true,
    .has_spki = true,
    .port = 2525,
    .address = {0x20, 1, [15] = 9},
    .spki_sha256 = {1, 2, 3, [31] = 255},
};

static void check_full(const struct findings_probe *p)
{
    assert_int_equal(p->checked_at_s, 1700000000);
    assert_int_equal(p->not_after_s, 1800000000);
    assert_string_equal(p->failure, "no REQUIRETLS");
    assert_string_equal(p->protocol, "TLSv1.3");
    assert_string_equal(p->cipher, "TLS_AES_256_GCM_SHA384");
    assert_string_equal(p->dane_why, "no record matches");
    assert_string_equal(p->web_pki_why, "self-signed certificate");
    assert_int_equal(p->name_count, 2);
    assert_string_equal(p->names[0], "mx.example.org");
    assert_string_equal(p->names[1], "*.example.org");
    assert_int_equal(p->result, FINDINGS_PROBE_NO_REQUIRETLS);
    assert_int_equal(p->family, 6);
    assert_int_equal(p->dane, FINDINGS_PROBE_CHECK_FAILED);
    assert_int_equal(p->web_pki, FINDINGS_PROBE_CHECK_OK);
    assert_true(p->starttls && p->pipelining && p->has_spki && !p->requiretls);
    assert_int_equal(p->port, 2525);
    assert_memory_equal(p->address, full.address, 16);
    assert_memory_equal(p->spki_sha256, full.spki_sha256, 32);
}

static void a_copy_and_a_record(void **state)
{
    struct probe_result *copy = probe_result_new(&full, 1700000000), *read;
    uint8_t record[PROBE_RESULT_RECORD_MAX];
    size_t len = probe_result_encode(copy, record);
    (void)state;

    check_full(probe_result_probe(copy));
    read = probe_result_decode(record, len);
    assert_non_null(read);
    check_full(probe_result_probe(read));
    probe_result_unref(probe_result_ref(read));
    check_full(probe_result_probe(read));
    probe_result_unref(read);
    probe_result_unref(copy);
    probe_result_unref(NULL);
}

static void long_strings_are_cut(void **state)
{
    static char text[1000];
    const char *many[FINDINGS_MAX_PROBE_NAMES + 9];
    struct findings_probe probe = {.family = 4, .failure = text, .protocol = text, .cipher = text};
    uint8_t record[PROBE_RESULT_RECORD_MAX];
    struct probe_result *result, *read;
    size_t len;
    (void)state;

    memset(text, 'x', sizeof text - 1);
    for (size_t i = 0; i < sizeof many / sizeof many[0]; i++)
        many[i] = text;
    probe.dane_why = probe.web_pki_why = text;
    probe.names = many;
    probe.name_count = sizeof many / sizeof many[0];
    result = probe_result_new(&probe, 1);
    assert_int_equal(probe_result_probe(result)->name_count, FINDINGS_MAX_PROBE_NAMES);
    assert_int_equal(strlen(probe_result_probe(result)->failure), PROBE_RESULT_STRING_MAX);
    assert_true(probe_result_octets(result) < 8000);
    len = probe_result_encode(result, record);
    assert_true(len <= PROBE_RESULT_RECORD_MAX);
    read = probe_result_decode(record, len);
    assert_non_null(read);
    assert_string_equal(probe_result_probe(read)->names[FINDINGS_MAX_PROBE_NAMES - 1],
                        probe_result_probe(result)->failure);
    probe_result_unref(read);
    probe_result_unref(result);
}

static struct probe_result *decode_copy(const uint8_t *record, size_t len)
{
    uint8_t *exact = malloc(len > 0 ? len : 1); /* so that a sanitizer sees what is read beyond */
    struct probe_result *result;

    memcpy(exact, record, len);
    result = probe_result_decode(exact, len);
    free(exact);
    return result;
}

/* What is not a record, octet by octet, gives nothing, or a result that is within bounds. */
static void damaged_records(void **state)
{
    struct probe_result *result = probe_result_new(&full, 1700000000);
    uint8_t record[PROBE_RESULT_RECORD_MAX], damaged[PROBE_RESULT_RECORD_MAX + 1];
    size_t len = probe_result_encode(result, record);
    (void)state;

    for (size_t cut = 0; cut < len; cut++)
        assert_null(decode_copy(record, cut));
    memcpy(damaged, record, len);
    damaged[len] = 0;
    assert_null(decode_copy(damaged, len + 1));
    for (size_t at = 0; at < len; at++) {
        for (unsigned octet = 0; octet < 256; octet++) {
            struct probe_result *read;

            memcpy(damaged, record, len);
            damaged[at] = (uint8_t)octet;
            read = decode_copy(damaged, len);
            if (read == NULL)
                continue;
            assert_true(probe_result_probe(read)->result <= FINDINGS_PROBE_FAILED);
            assert_true(probe_result_probe(read)->family == 4 ||
                        probe_result_probe(read)->family == 6);
            probe_result_unref(read);
        }
    }
    damaged[0] = record[0] + 1;
    memcpy(damaged + 1, record + 1, len - 1);
    assert_null(decode_copy(damaged, len)); /* another version */
    probe_result_unref(result);
}

/* ---- The cache ---- */

static struct probe_cache_key key_of(const char *host, const char *demand)
{
    return (struct probe_cache_key){.host = host, .endpoint = "192.0.2.1:25", .demand = demand};
}

static void put(struct probe_cache *cache, const char *host, const char *demand, unsigned outcome,
                int64_t ends_ms)
{
    const struct findings_probe probe = {.family = 4, .result = (uint8_t)outcome};
    struct probe_cache_key key = key_of(host, demand);
    struct probe_result *result = probe_result_new(&probe, 0);

    probe_cache_put(cache, &key, result, ends_ms);
    probe_result_unref(result);
}

enum { NOTHING = 99 };

static unsigned get(struct probe_cache *cache, const char *host, const char *demand, int64_t now_ms)
{
    struct probe_cache_key key = key_of(host, demand);
    struct probe_result *result = probe_cache_get(cache, &key, now_ms);
    unsigned outcome = result != NULL ? probe_result_probe(result)->result : NOTHING;

    probe_result_unref(result);
    return outcome;
}

static struct probe_cache *cache_new(size_t octets)
{
    struct probe_cache *cache;

    assert_int_equal(probe_cache_new(octets, &cache), 0);
    return cache;
}

static void by_host_and_demand(void **state)
{
    struct probe_cache *cache = cache_new(1 << 20);
    (void)state;

    put(cache, "a.example", "one", FINDINGS_PROBE_OK, 100);
    assert_int_equal(get(cache, "a.example", "one", 99), FINDINGS_PROBE_OK);
    assert_int_equal(get(cache, "a.example", "one", 100), NOTHING);
    assert_int_equal(get(cache, "a.example", "two", 99), NOTHING);
    assert_int_equal(get(cache, "a.example", "", 99), NOTHING);
    assert_int_equal(get(cache, "b.example", "one", 99), NOTHING);
    put(cache, "a.example", "one", FINDINGS_PROBE_NO_REQUIRETLS, 200);
    assert_int_equal(get(cache, "a.example", "one", 99), FINDINGS_PROBE_NO_REQUIRETLS);
    assert_int_equal(probe_cache_count(cache), 1);
    probe_cache_free(cache);
    probe_cache_free(NULL);
}

static void what_holds_for_all_demands(void **state)
{
    struct probe_cache *cache = cache_new(1 << 20);
    (void)state;

    put(cache, "a.example", "one", FINDINGS_PROBE_OK, 1000);
    put(cache, "a.example", "two", FINDINGS_PROBE_NO_STARTTLS, 100);
    assert_int_equal(get(cache, "a.example", "one", 50), FINDINGS_PROBE_NO_STARTTLS);
    assert_int_equal(get(cache, "a.example", "three", 50), FINDINGS_PROBE_NO_STARTTLS);
    assert_int_equal(get(cache, "a.example", "", 50), FINDINGS_PROBE_NO_STARTTLS);
    /* When that ends the older one still counts. */
    assert_int_equal(get(cache, "a.example", "one", 150), FINDINGS_PROBE_OK);
    put(cache, "a.example", "two", FINDINGS_PROBE_UNREACHABLE, 400);
    assert_int_equal(get(cache, "a.example", "three", 200), FINDINGS_PROBE_UNREACHABLE);
    /* A newer one for any demand disproves it for all. */
    put(cache, "a.example", "two", FINDINGS_PROBE_FAILED, 500);
    assert_int_equal(get(cache, "a.example", "one", 200), FINDINGS_PROBE_OK);
    assert_int_equal(get(cache, "a.example", "two", 200), FINDINGS_PROBE_FAILED);
    assert_int_equal(get(cache, "a.example", "three", 200), NOTHING);
    probe_cache_free(cache);
}

struct sink {
    char saved[2000], removed[2000];
};

static void on_saved(const char *key, const struct probe_result *result, int64_t ends_ms, void *arg)
{
    struct sink *sink = arg;
    size_t used = strlen(sink->saved);

    snprintf(sink->saved + used, sizeof sink->saved - used, "%s %s %d\n", key,
             findings_probe_result_name(probe_result_probe(result)->result), (int)ends_ms);
}

static void on_removed(const char *key, void *arg)
{
    struct sink *sink = arg;
    size_t used = strlen(sink->removed);

    snprintf(sink->removed + used, sizeof sink->removed - used, "%s\n", key);
}

static void the_store_is_told(void **state)
{
    struct probe_cache *cache = cache_new(1 << 20);
    struct sink sink = {"", ""};
    (void)state;

    probe_cache_set_sink(cache, &(struct probe_cache_sink){on_saved, on_removed, &sink});
    put(cache, "a.example", "one", FINDINGS_PROBE_NO_STARTTLS, 5);
    put(cache, "a.example", "one", FINDINGS_PROBE_OK, 7);
    put(cache, "a.example", "two", FINDINGS_PROBE_NOT_AUTHENTICATED, 8);
    put(cache, "a.example.org", "two", FINDINGS_PROBE_OK, 8);
    assert_string_equal(sink.saved, "a.example 192.0.2.1:25 * no-starttls 5\n"
                                    "a.example 192.0.2.1:25 one ok 7\n"
                                    "a.example 192.0.2.1:25 two not-authenticated 8\n"
                                    "a.example.org 192.0.2.1:25 two ok 8\n");
    assert_string_equal(sink.removed, "a.example 192.0.2.1:25 *\n");
    probe_cache_forget_certificates(cache);
    assert_string_equal(sink.removed, "a.example 192.0.2.1:25 *\na.example 192.0.2.1:25 two\n");
    assert_int_equal(probe_cache_forget(cache, "a.example", NULL, NULL), 1);
    assert_int_equal(probe_cache_forget(cache, "a.example", NULL, NULL), 0);
    assert_int_equal(probe_cache_forget(cache, "a.exampl", NULL, NULL), 0);
    assert_int_equal(get(cache, "a.example.org", "two", 1), FINDINGS_PROBE_OK);
    probe_cache_free(cache);
}

static void keys_from_the_store(void **state)
{
    static const struct {
        const char *key;
        bool ok;
    } cases[] = {
        {"a.example 192.0.2.1:25 *", true},
        {"a.example 192.0.2.1:25 abc", true},
        {"", false},
        {"a.example", false},
        {"a.example 192.0.2.1:25", false},
        {"a.example 192.0.2.1:25 ", false},
        {" 192.0.2.1:25 abc", false},
        {"a.example  abc", false},
        {"a.example 192.0.2.1:25 abc d", false},
        {"a.example 192.0.2.1:25 "
         "01234567890123456789012345678901234567890123456789012345678901234",
         false},
    };
    struct probe_cache *cache = cache_new(1 << 20);
    struct probe_result *result = probe_result_new(&full, 1);
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (probe_cache_restore(cache, cases[i].key, result, 9) != cases[i].ok)
            fail_msg("%s", cases[i].key);
    }
    assert_int_equal(probe_cache_count(cache), 2);
    assert_int_equal(get(cache, "a.example", "abc", 1), FINDINGS_PROBE_NO_REQUIRETLS);
    probe_result_unref(result);
    probe_cache_free(cache);
}

/* The least recently used go first, and the store is told. */
static void bounded(void **state)
{
    enum { OCTETS = 100000 };
    struct probe_cache *cache = cache_new(OCTETS);
    struct sink sink = {"", ""};
    char host[40];
    (void)state;

    probe_cache_set_sink(cache, &(struct probe_cache_sink){NULL, on_removed, &sink});
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(host, sizeof host, "mx%u.example", i);
        put(cache, host, "one", FINDINGS_PROBE_OK, 1000);
        assert_true(probe_cache_octets(cache) <= OCTETS);
        assert_int_equal(get(cache, "mx0.example", "one", 1), FINDINGS_PROBE_OK);
    }
    assert_int_equal(get(cache, "mx1.example", "one", 1), NOTHING);
    assert_int_equal(get(cache, host, "one", 1), FINDINGS_PROBE_OK);
    assert_true(probe_cache_count(cache) > 100);
    assert_memory_equal(sink.removed, "mx1.example 192.0.2.1:25 one\n", 28);
    probe_cache_clear(cache);
    assert_int_equal(probe_cache_count(cache), 0);
    assert_int_equal(probe_cache_octets(cache), 0);
    probe_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_and_a_record),
        cmocka_unit_test(long_strings_are_cut),
        cmocka_unit_test(damaged_records),
        cmocka_unit_test(by_host_and_demand),
        cmocka_unit_test(what_holds_for_all_demands),
        cmocka_unit_test(the_store_is_told),
        cmocka_unit_test(keys_from_the_store),
        cmocka_unit_test(bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
