/* ticket.c: what is written is read again, for that envelope, with that key, in its time; and
 * nothing else is. */
#include "ticket/ticket.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { NOW_S = 1764407000, LIFE_S = 86400 };

static const struct ticket_keys one_key = {.keys = {"0123456789abcdef0123456789abcde"}, .count = 1};

static const struct ticket_envelope envelope = {.sender = "alice@sender.example",
                                                .recipient = "bob@example.org"};

static struct ticket sample(void)
{
    return (struct ticket){
        .queue_id = "4bXYZ",
        .request = TICKET_REQUIRE,
        .level = VERDICT_LEVEL_ENFORCE,
        .require_offer = true,
        .fallback = CONFIG_FALLBACK_ENCRYPT,
        .nexthop = "[relay.example]:587",
        .made_at_s = NOW_S,
    };
}

static void write_sample(char out[TICKET_TEXT_MAX + 1])
{
    struct ticket ticket = sample();

    assert_int_equal(ticket_write(&ticket, &envelope, &one_key, out), 0);
}

static enum ticket_status read_for(const char *text, const char *sender, const char *recipient,
                                   const struct ticket_keys *keys, int64_t now_s)
{
    struct ticket_envelope for_whom = {.sender = sender, .recipient = recipient};
    struct ticket out;
    enum ticket_status status =
        ticket_read(text, strlen(text), &for_whom, keys, now_s, LIFE_S, &out);

    if (status != TICKET_VALID) {
        const struct ticket nothing = {.queue_id = ""};

        assert_memory_equal(&out, &nothing, sizeof(out));
    }
    return status;
}

static enum ticket_status read_at(const char *text, int64_t now_s)
{
    return read_for(text, envelope.sender, envelope.recipient, &one_key, now_s);
}

/* --- what is written ------------------------------------------------------------------------- */

/* A MAC that another program has made: python3, hmac and hashlib. */
static void the_text(void **state)
{
    char text[TICKET_TEXT_MAX + 1];

    (void)state;
    write_sample(text);
    assert_string_equal(text,
                        "v=1;q=4bXYZ;r=require;l=enforce;o=yes;f=encrypt;n=[relay.example]:587;"
                        "t=1764407000;m="
                        "c69d8eee32c323d574e172c52200ffcc61b834436d08937480573b820601d54c");
}

static void assert_same(const struct ticket *a, const struct ticket *b)
{
    assert_string_equal(a->queue_id, b->queue_id);
    assert_int_equal(a->request, b->request);
    assert_int_equal(a->level, b->level);
    assert_int_equal(a->require_offer, b->require_offer);
    assert_int_equal(a->fallback, b->fallback);
    assert_string_equal(a->nexthop, b->nexthop);
    assert_int_equal(a->made_at_s, b->made_at_s);
}

static void each_value_is_read_again(void **state)
{
    static const char *const nexthops[] = {"",
                                           "example.org",
                                           "example.org:2525",
                                           "[relay.example]",
                                           "[192.0.2.1]:26",
                                           "[IPv6:2001:db8::1]",
                                           "xn--bcher-kva.example"};
    char text[TICKET_TEXT_MAX + 1];
    struct ticket out;

    (void)state;
    for (int i = 0; i < 3 * 4 * 2 * 3 * 7; i++) {
        struct ticket t = {.queue_id = "", .made_at_s = NOW_S - i};
        struct nexthop canonical;

        t.request = (enum ticket_request)(i % 3);
        t.level = (enum verdict_level)(i / 3 % 4);
        t.require_offer = i / 12 % 2 != 0;
        t.fallback = (enum config_fallback)(i / 24 % 3);
        if (nexthops[i / 72][0] != '\0') {
            assert_int_equal(nexthop_parse(nexthops[i / 72], &canonical), 0);
            strcpy(t.nexthop, canonical.text);
        }
        ticket_set_queue_id(&t, i % 2 != 0 ? "A.b-C_9" : NULL);
        assert_int_equal(ticket_write(&t, &envelope, &one_key, text), 0);
        assert_int_equal(ticket_read(text, strlen(text), &envelope, &one_key, NOW_S, LIFE_S, &out),
                         TICKET_VALID);
        assert_same(&out, &t);
    }
}

static void what_cannot_be_said(void **state)
{
    static const struct ticket_keys no_key = {.count = 0};
    char text[TICKET_TEXT_MAX + 1], local[TICKET_ADDRESS_MAX + 2];
    struct ticket_envelope long_one = {.sender = local, .recipient = ""};
    struct ticket t = sample();

    (void)state;
    assert_int_equal(ticket_write(&t, &envelope, &no_key, text), -EINVAL);
    assert_string_equal(text, "");
    memset(local, 'a', sizeof(local) - 1);
    local[sizeof(local) - 1] = '\0';
    assert_int_equal(ticket_write(&t, &long_one, &one_key, text), -EINVAL);
    long_one = (struct ticket_envelope){.sender = "", .recipient = local};
    assert_int_equal(ticket_write(&t, &long_one, &one_key, text), -EINVAL);
    local[TICKET_ADDRESS_MAX] = '\0';
    assert_int_equal(ticket_write(&t, &long_one, &one_key, text), 0);
    assert_int_equal(read_for(text, "", local, &one_key, NOW_S), TICKET_VALID);

    strcpy(t.nexthop, "Example.ORG"); /* not in its canonical form */
    assert_int_equal(ticket_write(&t, &envelope, &one_key, text), -EINVAL);
    strcpy(t.nexthop, "a;b");
    assert_int_equal(ticket_write(&t, &envelope, &one_key, text), -EINVAL);
    t = sample();
    strcpy(t.queue_id, "a;r=none");
    assert_int_equal(ticket_write(&t, &envelope, &one_key, text), -EINVAL);
    t = sample();
    t.request = (enum ticket_request)3;
    assert_int_equal(ticket_write(&t, &envelope, &one_key, text), -EINVAL);
    t = sample();
    t.made_at_s = -1;
    assert_int_equal(ticket_write(&t, &envelope, &one_key, text), -EINVAL);
}

static void queue_ids(void **state)
{
    static const char longest[] =
        "0123456789012345678901234567890123456789012345678901234567890123";
    struct ticket t = sample();

    (void)state;
    assert_int_equal(strlen(longest), TICKET_QUEUE_ID_MAX);
    ticket_set_queue_id(&t, longest);
    assert_string_equal(t.queue_id, longest);
    ticket_set_queue_id(&t, "01234567890123456789012345678901234567890123456789012345678901234");
    assert_string_equal(t.queue_id, "");
    ticket_set_queue_id(&t, "4bX YZ");
    assert_string_equal(t.queue_id, "");
    ticket_set_queue_id(&t, "4bX;r=none");
    assert_string_equal(t.queue_id, "");
    ticket_set_queue_id(&t, NULL);
    assert_string_equal(t.queue_id, "");
}

static void the_longest_fits(void **state)
{
    char text[TICKET_TEXT_MAX + 1];
    struct ticket t = sample();

    (void)state;
    memset(t.queue_id, 'Q', TICKET_QUEUE_ID_MAX);
    t.level = VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS;
    t.made_at_s = 999999999999999;
    strcpy(t.nexthop, "[");
    for (int i = 0; i < 4; i++) {
        size_t len = strlen(t.nexthop);

        memset(t.nexthop + len, 'a' + i, i < 3 ? 63 : 61);
        strcpy(t.nexthop + len + (i < 3 ? 63 : 61), i < 3 ? "." : "]:65535");
    }
    assert_int_equal(strlen(t.nexthop), NEXTHOP_TEXT_MAX);
    assert_int_equal(ticket_write(&t, &envelope, &one_key, text), 0);
    assert_int_equal(read_at(text, 999999999999999), TICKET_VALID);
}

/* --- what is not read ------------------------------------------------------------------------ */

static void every_changed_octet_is_refused(void **state)
{
    char text[TICKET_TEXT_MAX + 1];
    size_t len;

    (void)state;
    write_sample(text);
    len = strlen(text);
    assert_int_equal(read_at(text, NOW_S), TICKET_VALID);
    for (size_t i = 0; i < len; i++) {
        for (int c = 0; c < 256; c++) {
            char changed[TICKET_TEXT_MAX + 1];
            struct ticket out;

            if ((char)c == text[i])
                continue;
            memcpy(changed, text, len);
            changed[i] = (char)c;
            assert_int_not_equal(
                ticket_read(changed, len, &envelope, &one_key, NOW_S, LIFE_S, &out), TICKET_VALID);
        }
    }
}

static void every_octet_left_out_or_doubled_is_refused(void **state)
{
    char text[TICKET_TEXT_MAX + 1];
    size_t len;

    (void)state;
    write_sample(text);
    len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        char changed[2 * TICKET_TEXT_MAX + 8];

        snprintf(changed, sizeof(changed), "%.*s%s", (int)i, text, text + i + 1);
        assert_int_not_equal(read_at(changed, NOW_S), TICKET_VALID);
        snprintf(changed, sizeof(changed), "%.*s%c%s", (int)i, text, text[i], text + i);
        assert_int_not_equal(read_at(changed, NOW_S), TICKET_VALID);
        snprintf(changed, sizeof(changed), "%.*s", (int)i, text);
        assert_int_not_equal(read_at(changed, NOW_S), TICKET_VALID);
        snprintf(changed, sizeof(changed), "%.*s\r\n %s", (int)(i + 1), text, text + i + 1);
        if (i + 1 < len) /* folded within, where there was no blank */
            assert_int_not_equal(read_at(changed, NOW_S), TICKET_VALID);
    }
}

static void only_for_its_envelope(void **state)
{
    static const struct {
        const char *name, *sender, *recipient;
        enum ticket_status expected;
    } cases[] = {
        {"its own", "alice@sender.example", "bob@example.org", TICKET_VALID},
        {"domains in another case", "alice@SENDER.example", "bob@Example.ORG", TICKET_VALID},
        {"a dot at the end", "alice@sender.example.", "bob@example.org.", TICKET_VALID},
        {"quotes that need not be", "\"alice\"@sender.example", "\"b\\ob\"@example.org",
         TICKET_VALID},
        {"another recipient", "alice@sender.example", "carol@example.org", TICKET_FORGED},
        {"another sender", "mallory@sender.example", "bob@example.org", TICKET_FORGED},
        {"another domain", "alice@sender.example", "bob@example.net", TICKET_FORGED},
        {"a local part in another case", "alice@sender.example", "Bob@example.org", TICKET_FORGED},
        {"the null sender", "", "bob@example.org", TICKET_FORGED},
        {"no recipient", "alice@sender.example", "", TICKET_FORGED},
        {"the two exchanged", "bob@example.org", "alice@sender.example", TICKET_FORGED},
        {"a part moved from one to the other", "alice@sender.exampleb", "ob@example.org",
         TICKET_FORGED},
        {"a subdomain", "alice@sender.example", "bob@a.example.org", TICKET_FORGED},
        {"two dots at the end", "alice@sender.example", "bob@example.org..", TICKET_FORGED},
        {"a quote without its end", "alice@sender.example", "\"bob@example.org", TICKET_FORGED},
        {"a backslash at the end", "alice@sender.example", "\"bob\\", TICKET_FORGED},
    };
    char text[TICKET_TEXT_MAX + 1];

    (void)state;
    write_sample(text);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum ticket_status got =
            read_for(text, cases[i].sender, cases[i].recipient, &one_key, NOW_S);

        if (got != cases[i].expected)
            fail_msg("%s: %s", cases[i].name, ticket_status_text(got));
    }
}

static void addresses_with_quotes(void **state)
{
    static const struct {
        const char *written, *read;
        bool same;
    } cases[] = {
        {"\"a b\"@example.org", "\"a b\"@EXAMPLE.org", true},
        {"\"a b\"@example.org", "\"a\\ b\"@example.org", true},
        {"\"a b\"@example.org", "\"a  b\"@example.org", false},
        {"\"a@b\"@example.org", "\"a@b\"@Example.org", true},
        {"\"a@b\"@example.org", "\"a@B\"@example.org", false},
        {"postmaster", "postmaster", true},
        {"postmaster", "postmaster@example.org", false},
        {"\"x.\"", "\"x\"", false},
        {"bob", "bob.", false},
        {"b\\ob@example.org", "bob@example.org", false},
        {"bob@[192.0.2.1]", "bob@[192.0.2.1]", true},
        {"b\xc3\xbc@xn--bcher-kva.example", "b\xc3\xbc@XN--bcher-kva.example", true},
    };
    char text[TICKET_TEXT_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ticket_envelope for_whom = {.sender = "", .recipient = cases[i].written};
        struct ticket t = sample();
        enum ticket_status got;

        assert_int_equal(ticket_write(&t, &for_whom, &one_key, text), 0);
        got = read_for(text, "", cases[i].read, &one_key, NOW_S);
        if ((got == TICKET_VALID) != cases[i].same)
            fail_msg("%s read as %s: %s", cases[i].written, cases[i].read, ticket_status_text(got));
    }
}

static void in_its_time(void **state)
{
    char text[TICKET_TEXT_MAX + 1];

    (void)state;
    write_sample(text);
    assert_int_equal(read_at(text, NOW_S + LIFE_S), TICKET_VALID);
    assert_int_equal(read_at(text, NOW_S + LIFE_S + 1), TICKET_EXPIRED);
    assert_int_equal(read_at(text, NOW_S - TICKET_EARLY_S), TICKET_VALID);
    assert_int_equal(read_at(text, NOW_S - TICKET_EARLY_S - 1), TICKET_PREMATURE);
    assert_int_equal(read_at(text, INT64_MAX), TICKET_EXPIRED);
    assert_int_equal(read_at(text, INT64_MIN), TICKET_PREMATURE);
}

static void with_its_keys(void **state)
{
    struct ticket_keys two = {.count = 2}, other = {.count = 1}, none = {.count = 0};
    char text[TICKET_TEXT_MAX + 1], by_first[TICKET_TEXT_MAX + 1];
    struct ticket t = sample();

    (void)state;
    memset(two.keys[0], 7, TICKET_KEY_LEN);
    memcpy(two.keys[1], one_key.keys[0], TICKET_KEY_LEN);
    memset(other.keys[0], 7, TICKET_KEY_LEN);
    write_sample(text);
    /* the second key verifies, the first signs */
    assert_int_equal(read_for(text, envelope.sender, envelope.recipient, &two, NOW_S),
                     TICKET_VALID);
    assert_int_equal(ticket_write(&t, &envelope, &two, by_first), 0);
    assert_string_not_equal(by_first, text);
    assert_int_equal(read_for(by_first, envelope.sender, envelope.recipient, &other, NOW_S),
                     TICKET_VALID);
    assert_int_equal(read_for(text, envelope.sender, envelope.recipient, &other, NOW_S),
                     TICKET_FORGED);
    assert_int_equal(read_for(text, envelope.sender, envelope.recipient, &none, NOW_S),
                     TICKET_FORGED);
}

static void white_space_around_it(void **state)
{
    char text[TICKET_TEXT_MAX + 1], folded[TICKET_TEXT_MAX + 20];

    (void)state;
    write_sample(text);
    snprintf(folded, sizeof(folded), "\r\n\t %s \r\n ", text);
    assert_int_equal(read_at(folded, NOW_S), TICKET_VALID);
    snprintf(folded, sizeof(folded), "%s x", text);
    assert_int_equal(read_at(folded, NOW_S), TICKET_MALFORMED);
}

/* Whatever its MAC: one ticket has one text. */
static void malformed(void **state)
{
    static const char mac[] = "0000000000000000000000000000000000000000000000000000000000000000";
    static const char *const terms[] = {
        "",
        "v=1",
        "v=2;q=A;r=none;l=enforce;o=no;f=none;n=;t=1",
        "v=1;q=A;r=never;l=enforce;o=no;f=none;n=;t=1",
        "v=1;q=A;r=none;l=high;o=no;f=none;n=;t=1",
        "v=1;q=A;r=none;l=enforce;o=maybe;f=none;n=;t=1",
        "v=1;q=A;r=none;l=enforce;o=no;f=no;n=;t=1",
        "v=1;q=A;r=none;l=enforce;o=no;f=none;n=a b;t=1",
        "v=1;q=A;r=none;l=enforce;o=no;f=none;n=A.example;t=1",
        "v=1;q=A;r=none;l=enforce;o=no;f=none;n=;t=",
        "v=1;q=A;r=none;l=enforce;o=no;f=none;n=;t=01",
        "v=1;q=A;r=none;l=enforce;o=no;f=none;n=;t=-1",
        "v=1;q=A;r=none;l=enforce;o=no;f=none;n=;t=1x",
        "v=1;q=A;r=none;l=enforce;o=no;f=none;n=;t=1;x=1",
        "v=1;q=A;r=none;l=enforce;o=no;f=none;n=;t=1;",
        "v=1;q=A;r=none;l=enforce;o=no;f=none;t=1;n=",
        "v=1;q=A;r=none;r=none;l=enforce;o=no;f=none;n=;t=1",
        "v=1; q=A;r=none;l=enforce;o=no;f=none;n=;t=1",
        "v=1;q=A!;r=none;l=enforce;o=no;f=none;n=;t=1",
        "v=1;q=A;r=none;l=enforce;o=no;f=none;n=;t=1000000000000000",
    };
    char text[TICKET_TEXT_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(terms) / sizeof(terms[0]); i++) {
        snprintf(text, sizeof(text), "%s;m=%s", terms[i], mac);
        if (read_at(text, NOW_S) != TICKET_MALFORMED)
            fail_msg("%s: %s", terms[i], ticket_status_text(read_at(text, NOW_S)));
    }
    /* This one is in order, but for its MAC. */
    snprintf(text, sizeof(text), "v=1;q=A;r=none;l=enforce;o=no;f=none;n=;t=1;m=%s", mac);
    assert_int_equal(read_at(text, NOW_S), TICKET_FORGED);
    text[strlen(text) - 1] = 'A';
    assert_int_equal(read_at(text, NOW_S), TICKET_MALFORMED);
    assert_int_equal(read_at("", NOW_S), TICKET_MALFORMED);
    assert_int_equal(read_at(" \r\n ", NOW_S), TICKET_MALFORMED);
}

static void names_of_statuses(void **state)
{
    (void)state;
    assert_string_equal(ticket_status_text(TICKET_VALID), "valid");
    assert_string_equal(ticket_status_text(TICKET_MALFORMED), "malformed");
    assert_string_equal(ticket_status_text(TICKET_FORGED), "forged");
    assert_string_equal(ticket_status_text(TICKET_EXPIRED), "expired");
    assert_string_equal(ticket_status_text(TICKET_PREMATURE), "premature");
    assert_string_equal(ticket_status_text((enum ticket_status)99), "malformed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text),
        cmocka_unit_test(each_value_is_read_again),
        cmocka_unit_test(what_cannot_be_said),
        cmocka_unit_test(queue_ids),
        cmocka_unit_test(the_longest_fits),
        cmocka_unit_test(every_changed_octet_is_refused),
        cmocka_unit_test(every_octet_left_out_or_doubled_is_refused),
        cmocka_unit_test(only_for_its_envelope),
        cmocka_unit_test(addresses_with_quotes),
        cmocka_unit_test(in_its_time),
        cmocka_unit_test(with_its_keys),
        cmocka_unit_test(white_space_around_it),
        cmocka_unit_test(malformed),
        cmocka_unit_test(names_of_statuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
