/* The header of a message: tickets go, all else stays, and its requests are read; in pieces of
 * every length. */
#include "deliver/content_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TICKET "X-REQUIRETLS-Ticket: "

/* `read`: each ticket in brackets, then R for Require-TLS-ESMTP: yes, O for TLS-Required: No, S if
 * that is signed. */
static const struct {
    const char *name;
    const char *content;
    const char *kept;
    const char *read;
} cases[] = {
    {"empty", "", "", ""},
    {"body alone", "\r\na\r\n", "\r\na\r\n", ""},
    {"header alone", "Subject: a\r\n", "Subject: a\r\n", ""},
    {"header and body", "Subject: a\r\n b\r\nTo: c\r\n\r\n" TICKET "x\r\n",
     "Subject: a\r\n b\r\nTo: c\r\n\r\n" TICKET "x\r\n", ""},
    {"a ticket", "Subject: a\r\n" TICKET "x\r\nTo: c\r\n\r\nb\r\n",
     "Subject: a\r\nTo: c\r\n\r\nb\r\n", "[x]"},
    {"the first and the last", TICKET "x y\r\nTo: c\r\n" TICKET "z\r\n\r\nb\r\n",
     "To: c\r\n\r\nb\r\n", "[x y][z]"},
    {"nothing but tickets", TICKET "x\r\n" TICKET "y\r\n", "", "[x][y]"},
    {"folded", "A: b\r\n" TICKET "x\r\n\ty\r\n  z\r\nC: d\r\n\r\n", "A: b\r\nC: d\r\n\r\n",
     "[x\ty  z]"},
    {"another spelling", "x-requiretls-TICKET \t:x \r\n\r\n", "\r\n", "[x]"},
    {"an empty one", "X-REQUIRETLS-Ticket:\r\n\r\n", "\r\n", "[]"},
    {"other names", "X-REQUIRETLS-Ticket2: x\r\nXX-REQUIRETLS-Ticket: x\r\n\r\n",
     "X-REQUIRETLS-Ticket2: x\r\nXX-REQUIRETLS-Ticket: x\r\n\r\n", ""},
    {"a line of a folded field", "A: b\r\n " TICKET "x\r\n\r\n", "A: b\r\n " TICKET "x\r\n\r\n",
     ""},
    {"behind a line that is no field", "A: b\r\nno field\r\n" TICKET "x\r\n\r\n",
     "A: b\r\nno field\r\n" TICKET "x\r\n\r\n", ""},
    {"behind a blank line that is not empty", " \r\n" TICKET "x\r\n", " \r\n" TICKET "x\r\n", ""},
    {"no colon", "X-REQUIRETLS-Ticket x\r\n\r\n", "X-REQUIRETLS-Ticket x\r\n\r\n", ""},
    {"From line", "From a@b Mon\r\n" TICKET "x\r\nA: b\r\n\r\n", "From a@b Mon\r\nA: b\r\n\r\n",
     "[x]"},
    {">From line", ">From a@b Mon\r\n" TICKET "x\r\n\r\n", ">From a@b Mon\r\n\r\n", "[x]"},
    {"a second From line", "From a\r\nFrom b\r\n" TICKET "x\r\n",
     "From a\r\nFrom b\r\n" TICKET "x\r\n", ""},
    {"From line further down", "A: b\r\nFrom b\r\n" TICKET "x\r\n",
     "A: b\r\nFrom b\r\n" TICKET "x\r\n", ""},
    {"Require-TLS-ESMTP", "require-tls-esmtp: yes\r\n\r\n", "require-tls-esmtp: yes\r\n\r\n", "R"},
    {"Require-TLS-ESMTP, folded", "Require-TLS-ESMTP:\r\n yes\r\n\r\n",
     "Require-TLS-ESMTP:\r\n yes\r\n\r\n", "R"},
    {"Require-TLS-ESMTP in the body", "\r\nRequire-TLS-ESMTP: yes\r\n",
     "\r\nRequire-TLS-ESMTP: yes\r\n", ""},
    {"TLS-Required", "TLS-Required: No\r\n\r\n", "TLS-Required: No\r\n\r\n", "O"},
    {"TLS-Required twice", "TLS-Required: No\r\nTLS-Required: No\r\n\r\n",
     "TLS-Required: No\r\nTLS-Required: No\r\n\r\n", ""},
    {"TLS-Required, covered by a signature",
     "DKIM-Signature: v=1; h=From:TLS-Required; b=x\r\nTLS-Required: No\r\n\r\n",
     "DKIM-Signature: v=1; h=From:TLS-Required; b=x\r\nTLS-Required: No\r\n\r\n", "OS"},
    {"TLS-Required with more behind it", "TLS-Required: No\r\n way\r\n\r\n",
     "TLS-Required: No\r\n way\r\n\r\n", ""},
};

static void show(const struct content_header *header, char *out)
{
    *out = '\0';
    for (size_t i = 0; i < header->ticket_count; i++)
        sprintf(out + strlen(out), "[%s]", header->tickets[i]);
    if (header->request.require_esmtp != 0)
        strcat(out, "R");
    if (request_header_optional(&header->request))
        strcat(out, "O");
    if (header->request.signed_tls_required)
        strcat(out, "S");
}

static void scan(const char *content, size_t len, size_t piece, struct content_header *header,
                 struct octets *kept)
{
    *header = (struct content_header){0};
    for (size_t at = 0; at < len; at += piece) {
        size_t given = piece < len - at ? piece : len - at;
        char *copy = malloc(given);

        memcpy(copy, content + at, given);
        assert_int_equal(content_header_piece(header, copy, given, kept), 0);
        free(copy);
    }
    assert_int_equal(content_header_end(header, kept), 0);
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = strlen(cases[i].content);

        for (size_t piece = 1; piece <= len + 1; piece++) {
            struct content_header header;
            struct octets kept = {0};
            char shown[200];

            scan(cases[i].content, len, piece, &header, &kept);
            show(&header, shown);
            if (kept.len != strlen(cases[i].kept) ||
                (kept.len > 0 && memcmp(kept.buf, cases[i].kept, kept.len) != 0) ||
                strcmp(shown, cases[i].read) != 0)
                fail_msg("%s, in pieces of %zu: `%.*s`, read %s", cases[i].name, piece,
                         (int)kept.len, kept.buf, shown);
            content_header_fini(&header);
            octets_fini(&kept);
        }
    }
}

/* Content, and what is left of it without the TLS-Required fields. */
static const struct {
    const char *content;
    const char *without;
} waivers[] = {
    {"TLS-Required: No\r\n\r\nbody\r\n", "\r\nbody\r\n"},
    {TICKET "x\r\nA: b\r\ntls-required : No\r\nC: d\r\n\r\nTLS-Required: No\r\n",
     "A: b\r\nC: d\r\n\r\nTLS-Required: No\r\n"},
    {"TLS-Required:\r\n No\r\nA: b\r\nTLS-Required: No\r\nTLS-Required: yes\r\n", "A: b\r\n"},
    {"TLS-Required: No\r\n", ""},
    {"A: b\r\n TLS-Required: No\r\nTLS-Required2: No\r\n\r\n",
     "A: b\r\n TLS-Required: No\r\nTLS-Required2: No\r\n\r\n"},
};

static void expect_without(const struct content_header *header, const struct octets *kept,
                           size_t size, const char *wanted)
{
    struct content *content = content_new("/tmp", CONTENT_MEMORY_MAX);
    char *got = calloc(1, kept->len + 1);
    uint64_t offset = 0;
    size_t len, total = 0;

    assert_int_equal(content_write(content, kept->buf, kept->len), 0);
    content_set_parts(content, header->waivers, header->waiver_count);
    do {
        size_t left = kept->len - total;

        assert_int_equal(
            content_read_without(content, &offset, got + total, size < left ? size : left, &len),
            0);
        total += len;
    } while (len > 0);
    assert_string_equal(got, wanted);
    free(got);
    content_unref(content);
}

static void test_waivers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(waivers) / sizeof(waivers[0]); i++) {
        size_t len = strlen(waivers[i].content);

        for (size_t piece = 1; piece <= len; piece++) {
            struct content_header header;
            struct octets kept = {0};

            scan(waivers[i].content, len, piece, &header, &kept);
            expect_without(&header, &kept, piece, waivers[i].without);
            content_header_fini(&header);
            octets_fini(&kept);
        }
    }
}

/* As many as are noted, and one more, which is in neither; long ones, with blanks alone, among
 * them. */
static void test_many_waivers(void **state)
{
    enum { LONG = CONTENT_HEADER_FIELD_MAX + 1000 };
    size_t room = LONG + 1000, at = 0;
    char *content = malloc(room);
    struct content_header header;
    struct octets kept = {0};

    (void)state;
    for (unsigned i = 0; i < CONTENT_HEADER_WAIVERS_MAX + 1; i++)
        at += (size_t)sprintf(content + at, "TLS-Required:%*s\r\nA: %u\r\n", i == 3 ? LONG : 3,
                              "No", i);
    scan(content, at, 999, &header, &kept);
    assert_int_equal(header.waiver_count, CONTENT_HEADER_WAIVERS_MAX);
    assert_int_equal(kept.len, at - strlen("TLS-Required: No\r\n"));
    free(content);
    content = calloc(1, room);
    at = 0;
    for (unsigned i = 0; i < CONTENT_HEADER_WAIVERS_MAX + 1; i++)
        at += (size_t)sprintf(content + at, "A: %u\r\n", i);
    expect_without(&header, &kept, 777, content);
    free(content);
    content_header_fini(&header);
    octets_fini(&kept);
}

/* `name: ` and a value of that many letters, then two fields and a body. */
static char *long_field(const char *name, const char *value, size_t len)
{
    char *content = malloc(strlen(name) + strlen(value) + len + 100);
    size_t at = (size_t)sprintf(content, "%s: %s", name, value);

    memset(content + at, 'x', len);
    strcpy(content + at + len, "\r\n folded\r\n" TICKET "t\r\nA: b\r\n\r\nbody\r\n");
    return content;
}

static void expect_long(const char *name, const char *value, size_t len, const char *read,
                        bool stays)
{
    char *content = long_field(name, value, len), shown[200];
    const char *rest = strstr(content, "A: b");
    struct content_header header;
    struct octets kept = {0};

    for (size_t piece = 1; piece < 20000; piece = piece * 7 + 1) {
        size_t front = stays ? (size_t)(strstr(content, TICKET "t") - content) : 0;

        kept.len = 0;
        scan(content, strlen(content), piece, &header, &kept);
        show(&header, shown);
        assert_string_equal(shown, read);
        assert_int_equal(kept.len, front + strlen(rest));
        assert_memory_equal(kept.buf, content, front);
        assert_memory_equal(kept.buf + front, rest, strlen(rest));
        content_header_fini(&header);
    }
    octets_fini(&kept);
    free(content);
}

static void test_long_fields(void **state)
{
    (void)state;
    for (size_t len = CONTENT_HEADER_FIELD_MAX - 60; len < 100000; len = len * 2 + 1) {
        expect_long("Subject", "", len, "[t]", true);
        expect_long("TLS-Required", "No        ", len, "[t]", true);
    }
    expect_long("X-REQUIRETLS-Ticket", "", 100000, "[t]", false); /* removed, and none */
}

/* A field that is cut where its value still reads as No is no TLS-Required: No. */
static void test_cut_value(void **state)
{
    char *content = malloc(20000);
    struct content_header header;
    struct octets kept = {0};

    (void)state;
    memset(content, ' ', 20000);
    memcpy(content, "TLS-Required: No", 16);
    memcpy(content + 19990, "way\r\n\r\n", 8);
    scan(content, strlen(content), 1000, &header, &kept);
    assert_int_equal(header.request.tls_required, 1);
    assert_false(request_header_optional(&header.request));
    assert_int_equal(kept.len, strlen(content));
    content_header_fini(&header);
    octets_fini(&kept);
    free(content);
}

static void test_many_tickets(void **state)
{
    static const char one[] = TICKET "x\r\n";
    struct content_header header = {0};
    struct octets kept = {0};

    (void)state;
    for (size_t i = 0; i < CONTENT_HEADER_TICKETS_MAX + 10; i++)
        assert_int_equal(content_header_piece(&header, one, strlen(one), &kept), 0);
    assert_int_equal(content_header_piece(&header, "\r\nb\r\n", 5, &kept), 0);
    assert_int_equal(header.ticket_count, CONTENT_HEADER_TICKETS_MAX);
    assert_int_equal(kept.len, 5);
    content_header_fini(&header);
    octets_fini(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),        cmocka_unit_test(test_waivers),
        cmocka_unit_test(test_many_waivers), cmocka_unit_test(test_long_fields),
        cmocka_unit_test(test_cut_value),    cmocka_unit_test(test_many_tickets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
