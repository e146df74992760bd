/*
 * The cache of findings by itself: bounds, order of eviction, when entries hold, its timetable,
 * snapshots, and the room that a hundred thousand domains take. Time is a number here.
 */
#include "base/heap.h"
#include "base/table.h"
#include "engine/cache.h"
#include "findings/findings_make.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Sanitizers bring an allocator of their own, which says nothing about the real one. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif

/* One IPv4 and one IPv6 address, as struct findings_addresses has them. */
static const uint8_t two_octets[2 + 4 + 16] = {1, 1, 192, 0, 2, 1, 0x20, 1, 0xd, 0xb8};
static const struct findings_addresses *const two = (const void *)two_octets;

/* What most domains are like: two MX hosts of a provider, nothing signed. */
static const struct findings *plain_domain(const char *name, bool security_known)
{
    const struct findings_host hosts[] = {{.name = "mx1.mail-provider.example",
                                           .addresses = two,
                                           .preference = 10,
                                           .a = FINDINGS_ADDR_INSECURE,
                                           .aaaa = FINDINGS_ADDR_INSECURE},
                                          {.name = "mx2.mail-provider.example",
                                           .addresses = two,
                                           .preference = 20,
                                           .a = FINDINGS_ADDR_INSECURE,
                                           .aaaa = FINDINGS_ADDR_INSECURE}};
    const struct findings draft = {
        .nexthop = {.name = name, .text = name, .port = 25, .kind = NEXTHOP_DOMAIN},
        .mx = FINDINGS_MX_INSECURE,
        .security_known = security_known,
        .hosts = hosts,
        .host_count = 2,
        .sts = {.state = FINDINGS_STS_NONE, .failure = FINDINGS_STS_NO_RECORD},
    };
    const struct findings *f = findings_freeze(&draft);

    assert_non_null(f);
    return f;
}

static struct cache *cache_of(size_t max)
{
    struct cache *cache;

    assert_int_equal(cache_new(max, &cache), 0);
    return cache;
}

static void put(struct cache *cache, const char *name, int64_t dane_ends_ms, int64_t sts_ends_ms,
                int64_t due_ms)
{
    const struct findings *f = plain_domain(name, true);
    const struct findings_ends ends = {
        {[FINDINGS_PART_DANE] = dane_ends_ms, [FINDINGS_PART_STS] = sts_ends_ms}};

    assert_int_equal(cache_put(cache, f, &ends, due_ms), 0);
    findings_unref(f);
}

static bool has(struct cache *cache, const char *name, int64_t now_ms, bool security_known)
{
    const struct findings *f = cache_get(cache, name, now_ms, security_known);

    if (f != NULL)
        assert_string_equal(f->nexthop.text, name);
    findings_unref(f);
    return f != NULL;
}

static void all_parts_must_hold(void **state)
{
    struct cache *cache = cache_of(10);
    struct cache_view view;
    (void)state;

    put(cache, "a.example", 100, 200, 1000);
    assert_true(has(cache, "a.example", 99, true));
    assert_false(has(cache, "a.example", 100, true));
    assert_false(has(cache, "b.example", 0, true));
    cache_look(cache, "a.example", true, &view);
    assert_int_equal(view.ends.ms[FINDINGS_PART_DANE], 100);
    assert_int_equal(view.ends.ms[FINDINGS_PART_STS], 200);
    findings_unref(view.findings);
    put(cache, "a.example", 300, 50, 1000);
    assert_false(has(cache, "a.example", 60, true));
    assert_int_equal(cache_count(cache), 1);
    cache_look(cache, "b.example", true, &view);
    assert_null(view.findings);
    cache_free(cache);
}

static void unknown_security_is_no_use_once_it_is_known(void **state)
{
    struct cache *cache = cache_of(10);
    const struct findings *unknown = plain_domain("b.example", false);
    const struct findings_ends ends = findings_ends_all(100);
    struct cache_view view;
    (void)state;

    put(cache, "a.example", 100, 100, 1000);
    assert_int_equal(cache_put(cache, unknown, &ends, 1000), 0);
    findings_unref(unknown);
    assert_true(has(cache, "a.example", 0, true));
    assert_true(has(cache, "a.example", 0, false)); /* it was known when it was learnt */
    assert_true(has(cache, "b.example", 0, false));
    assert_false(has(cache, "b.example", 0, true));
    cache_look(cache, "b.example", true, &view); /* MTA-STS does not depend on DNSSEC */
    assert_int_equal(view.ends.ms[FINDINGS_PART_DANE], INT64_MIN);
    assert_int_equal(view.ends.ms[FINDINGS_PART_STS], 100);
    findings_unref(view.findings);
    cache_free(cache);
}

static void least_recently_used_goes_first(void **state)
{
    struct cache *cache = cache_of(3);
    (void)state;

    put(cache, "a.example", 100, 100, 1000);
    put(cache, "b.example", 100, 100, 1000);
    put(cache, "c.example", 100, 100, 1000);
    assert_true(has(cache, "a.example", 0, true));
    put(cache, "d.example", 100, 100, 1000);
    assert_false(has(cache, "b.example", 0, true));
    assert_true(has(cache, "a.example", 0, true));
    assert_true(has(cache, "c.example", 0, true));
    cache_set_max(cache, 1);
    assert_int_equal(cache_count(cache), 1);
    assert_true(has(cache, "c.example", 0, true));
    assert_true(cache_remove(cache, "c.example"));
    assert_false(cache_remove(cache, "c.example"));
    assert_int_equal(cache_next_due(cache), INT64_MAX);
    cache_free(cache);
}

/* Findings of a domain with so many octets of TLSA data. */
static const struct findings *large_domain(const char *name, size_t octets)
{
    static const uint8_t data[60000];
    const struct findings_tlsa tlsa = {.usage = 3, .data_len = (uint16_t)octets, .data = data};
    const struct findings_host host = {.name = "mx.example", .tlsa = &tlsa, .tlsa_count = 1};
    const struct findings draft = {
        .nexthop = {.name = name, .text = name, .port = 25, .kind = NEXTHOP_DOMAIN},
        .security_known = true,
        .hosts = &host,
        .host_count = 1,
    };
    const struct findings *f = findings_freeze(&draft);

    assert_true(octets <= sizeof(data));
    assert_non_null(f);
    return f;
}

static void put_large(struct cache *cache, const char *name, size_t octets)
{
    const struct findings *f = large_domain(name, octets);
    const struct findings_ends ends = findings_ends_all(100);

    assert_int_equal(cache_put(cache, f, &ends, 100), 0);
    findings_unref(f);
}

static void findings_are_counted_by_octets(void **state)
{
    enum { LIMIT = 1 << 20 };
    struct cache *cache = cache_of(10000);
    char name[40];
    (void)state;

    cache_set_max_octets(cache, LIMIT);
    put(cache, "first.example", 100, 100, 100);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "large%d.example", i);
        put_large(cache, name, 50000);
        assert_true(cache_octets(cache) <= LIMIT);
        assert_true(has(cache, name, 0, true));
        assert_true(has(cache, "first.example", 0, true)); /* used, so that it stays */
    }
    assert_int_equal(cache_count(cache), 1 + LIMIT / 50500);
    assert_false(has(cache, "large0.example", 0, true));
    /* One that would drive out too many others is not kept, nor what it replaces. */
    cache_set_max_octets(cache, LIMIT / 2);
    assert_true(cache_octets(cache) <= LIMIT / 2);
    put_large(cache, name, 100);
    assert_true(has(cache, name, 0, true));
    put_large(cache, name, 50000);
    assert_false(has(cache, name, 0, true));
    assert_true(has(cache, "first.example", 0, true));
    /* What goes is counted, too. */
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "large%d.example", i);
        cache_remove(cache, name);
    }
    put(cache, "first.example", 200, 200, 200);
    assert_int_equal(cache_count(cache), 1);
    assert_true(cache_octets(cache) < 1000);
    cache_clear(cache);
    assert_int_equal(cache_octets(cache), 0);
    cache_free(cache);
}

static void timetable(void **state)
{
    struct cache *cache = cache_of(10);
    char text[NEXTHOP_TEXT_MAX + 1];
    (void)state;

    put(cache, "used.example", 1000, 1000, 900);
    put(cache, "idle.example", 1000, 1200, 800);
    assert_true(has(cache, "used.example", 10, true));
    assert_int_equal(cache_next_due(cache), 800);
    assert_false(cache_take_due(cache, 799, text));
    assert_false(cache_take_due(cache, 800, text)); /* idle: kept until its last part ends */
    assert_int_equal(cache_next_due(cache), 900);
    assert_true(cache_take_due(cache, 950, text));
    assert_string_equal(text, "used.example");
    assert_false(cache_take_due(cache, 950, text));
    assert_int_equal(cache_next_due(cache), 1000);

    /* Once more by itself, then somebody must use it. */
    assert_true(cache_take_due(cache, 1000, text));
    assert_false(cache_take_due(cache, 1000, text));
    assert_false(cache_take_due(cache, 3000, text));
    assert_int_equal(cache_count(cache), 0);

    put(cache, "a.example", 1000, 1000, 500);
    put(cache, "a.example", 1000, 1000, 700);
    assert_int_equal(cache_next_due(cache), 700);

    /* Used after it was found idle: renewed when its first part ends. */
    put(cache, "late.example", 1000, 5000, 600);
    assert_false(cache_take_due(cache, 650, text));
    assert_true(has(cache, "late.example", 900, true));
    assert_true(cache_remove(cache, "a.example"));
    assert_false(cache_take_due(cache, 999, text));
    assert_true(cache_take_due(cache, 1000, text));
    assert_string_equal(text, "late.example");
    cache_free(cache);
}

static void snapshot_of_many(void **state)
{
    enum { COUNT = 5000 };
    struct cache *cache = cache_of(COUNT);
    const struct findings **all;
    static bool seen[COUNT];
    size_t count;
    (void)state;

    for (int i = 0; i < COUNT; i++) {
        char name[40];
        snprintf(name, sizeof(name), "%d.example", i);
        put(cache, name, i % 10 ? 100 : 1, 100, 1000);
    }
    assert_int_equal(cache_snapshot(cache, 50, true, &all, &count), 0);
    assert_int_equal(count, COUNT - COUNT / 10);
    for (size_t i = 0; i < count; i++) {
        int number = atoi(all[i]->nexthop.text);
        assert_false(seen[number]);
        seen[number] = true;
        findings_unref(all[i]);
    }
    free(all);
    assert_int_equal(cache_snapshot(cache, 50, false, &all, &count), 0);
    assert_int_equal(count, COUNT - COUNT / 10);
    while (count > 0)
        findings_unref(all[--count]);
    free(all);
    cache_free(cache);
}

static void heap_order(void **state)
{
    enum { COUNT = 500 };
    static struct heap_item items[COUNT];
    struct heap heap = {0};
    unsigned seed = 7;
    int64_t last = INT64_MIN;
    (void)state;

    for (int i = 0; i < COUNT; i++)
        assert_int_equal(heap_add(&heap, &items[i], rand_r(&seed) % 1000), 0);
    for (int i = 0; i < COUNT; i += 3)
        heap_move(&heap, &items[i], rand_r(&seed) % 1000);
    for (int i = 1; i < COUNT; i += 5)
        heap_remove(&heap, &items[i]);
    assert_int_equal(heap.count, COUNT - COUNT / 5);
    while (heap_first(&heap) != NULL) {
        struct heap_item *first = heap_first(&heap);
        assert_true(first->at_ms >= last);
        assert_int_equal(first->at_ms, heap_first_ms(&heap));
        last = first->at_ms;
        heap_remove(&heap, first);
    }
    assert_int_equal(heap_first_ms(&heap), INT64_MAX);
    heap_fini(&heap);
}

/* The reference vectors of SipHash-2-4: key 00..0f, input 00..0e and the empty input. */
static void siphash(void **state)
{
    const uint64_t seed[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    uint8_t input[15];
    (void)state;

    for (uint8_t i = 0; i < sizeof(input); i++)
        input[i] = i;
    assert_true(table_siphash(seed, input, 15) == UINT64_C(0xa129ca6149be45e5));
    assert_true(table_siphash(seed, input, 0) == UINT64_C(0x726fdb47dd0e0e31));
}

#ifndef SANITIZED
static void hundred_thousand_domains_in_60_mb(void **state)
{
    enum { COUNT = 100000, LIMIT = 60 * 1000 * 1000 };
    struct mallinfo2 before = mallinfo2(), after;
    struct cache *cache = cache_of(COUNT);
    size_t used;
    (void)state;

    for (int i = 0; i < COUNT; i++) {
        char name[60];
        snprintf(name, sizeof(name), "mail.customer-number-%d.example", i);
        put(cache, name, 100, 100, i);
    }
    after = mallinfo2();
    used = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
    assert_int_equal(cache_count(cache), COUNT);
    assert_true(used > COUNT * 100);
    /* What is counted is what is taken, within a tenth. */
    assert_true(cache_octets(cache) > used / 10 * 9 && cache_octets(cache) < used / 10 * 11);
    if (used >= LIMIT)
        fail_msg("%zu octets a domain", used / COUNT);
    cache_free(cache);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_parts_must_hold),
        cmocka_unit_test(unknown_security_is_no_use_once_it_is_known),
        cmocka_unit_test(least_recently_used_goes_first),
        cmocka_unit_test(findings_are_counted_by_octets),
        cmocka_unit_test(timetable),
        cmocka_unit_test(snapshot_of_many),
        cmocka_unit_test(heap_order),
        cmocka_unit_test(siphash),
#ifndef SANITIZED
        cmocka_unit_test(hundred_thousand_domains_in_60_mb),
#endif
    };

    return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
