/* mime_header.c and mime_decode.c: Content-Type and its parameters, encodings, fields. */
#include "dsn/mime_decode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ABSENT MIME_PARAM_ABSENT
#define OK MIME_PARAM_OK
#define BAD MIME_PARAM_BAD
#define FIFTY "0123456789012345678901234567890123456789abcdefghij"

static const struct type_case {
    const char *name;
    const char *value;
    int result;
    const char *type;
    const char *subtype;
    enum mime_param boundary_status;
    const char *boundary;
    enum mime_param report_type_status;
    const char *report_type;
} type_cases[] = {
    {"plain", "text/plain", 0, "text", "plain", ABSENT, "", ABSENT, ""},
    {"leading blank", " text/plain", 0, "text", "plain", ABSENT, "", ABSENT, ""},
    {"any case", "Message/RFC822", 0, "message", "rfc822", ABSENT, "", ABSENT, ""},
    {"Postfix's bounce",
     " multipart/report; report-type=delivery-status;\n\tboundary=\"9C2F.17/mx.example.org\"", 0,
     "multipart", "report", OK, "9C2F.17/mx.example.org", OK, "delivery-status"},
    {"folded with CRLF", "multipart/report;\r\n boundary=abc;\r\n report-type=\"Delivery-Status\"",
     0, "multipart", "report", OK, "abc", OK, "delivery-status"},
    {"boundary keeps its case", "multipart/mixed; BOUNDARY=aBc", 0, "multipart", "mixed", OK, "aBc",
     ABSENT, ""},
    {"comments everywhere",
     "(a) multipart (b) / (c (nested) \\) d) mixed (e) ; (f) boundary (g) = (h) x (i)", 0,
     "multipart", "mixed", OK, "x", ABSENT, ""},
    {"a semicolon in a comment", "multipart/mixed (; boundary=no); boundary=yes", 0, "multipart",
     "mixed", OK, "yes", ABSENT, ""},
    {"a semicolon in quotes", "multipart/mixed; x=\"; boundary=no\"; boundary=yes", 0, "multipart",
     "mixed", OK, "yes", ABSENT, ""},
    {"quoted pairs", "multipart/mixed; boundary=\"a\\\"b\\\\c\\d\"", 0, "multipart", "mixed", OK,
     "a\"b\\cd", ABSENT, ""},
    {"blanks inside the boundary", "multipart/mixed; boundary=\"a b\tc\"", 0, "multipart", "mixed",
     OK, "a b\tc", ABSENT, ""},
    {"blanks at its end do not count", "multipart/mixed; boundary=\"abc  \"", 0, "multipart",
     "mixed", OK, "abc", ABSENT, ""},
    {"folded inside quotes", "multipart/mixed; boundary=\"a\r\n b\"", 0, "multipart", "mixed", OK,
     "a b", ABSENT, ""},
    {"unquoted with specials", "multipart/mixed; boundary=----=_a/b:c?d@e; x=y", 0, "multipart",
     "mixed", OK, "----=_a/b:c?d@e", ABSENT, ""},
    {"a trailing semicolon", "multipart/mixed; boundary=abc;", 0, "multipart", "mixed", OK, "abc",
     ABSENT, ""},
    {"empty parameters", "multipart/mixed;; ;boundary=abc; ;", 0, "multipart", "mixed", OK, "abc",
     ABSENT, ""},
    {"an empty other parameter", "multipart/mixed; charset=; boundary=abc", 0, "multipart", "mixed",
     OK, "abc", ABSENT, ""},
    {"rubbish before the boundary", "multipart/mixed; =?; boundary=abc", 0, "multipart", "mixed",
     OK, "abc", BAD, ""},
    {"rubbish instead of it", "multipart/mixed; boundary abc", 0, "multipart", "mixed", BAD, "",
     BAD, ""},
    {"two words", "multipart/mixed; boundary=abc def", 0, "multipart", "mixed", BAD, "", BAD, ""},
    {"twice", "multipart/mixed; boundary=abc; boundary=abc", 0, "multipart", "mixed", BAD, "abc",
     ABSENT, ""},
    {"RFC 2231, continued", "multipart/mixed; boundary*0=ab; boundary*1=cd", 0, "multipart",
     "mixed", BAD, "", ABSENT, ""},
    {"RFC 2231, encoded", "multipart/mixed; boundary*=us-ascii''abc", 0, "multipart", "mixed", BAD,
     "", ABSENT, ""},
    {"RFC 2231 and plain", "multipart/mixed; boundary=abc; boundary*0*=''d", 0, "multipart",
     "mixed", BAD, "abc", ABSENT, ""},
    {"RFC 2231 elsewhere", "multipart/mixed; name*0=ab; name*1=cd; boundary=x", 0, "multipart",
     "mixed", OK, "x", ABSENT, ""},
    {"a name that only begins so", "multipart/mixed; boundaryx=abc", 0, "multipart", "mixed",
     ABSENT, "", ABSENT, ""},
    {"empty boundary", "multipart/mixed; boundary=", 0, "multipart", "mixed", BAD, "", ABSENT, ""},
    {"empty quoted boundary", "multipart/mixed; boundary=\"\"", 0, "multipart", "mixed", BAD, "",
     ABSENT, ""},
    {"a control in it", "multipart/mixed; boundary=\"a\001b\"", 0, "multipart", "mixed", BAD, "",
     BAD, ""},
    {"eight bits in it", "multipart/mixed; boundary=\"a\303\244\"", 0, "multipart", "mixed", BAD,
     "", BAD, ""},
    {"eight bits elsewhere", "multipart/mixed; name=\"a\303\244\"; boundary=x", 0, "multipart",
     "mixed", OK, "x", BAD, ""},
    {"quotes never closed", "multipart/mixed; boundary=\"abc", 0, "multipart", "mixed", BAD, "",
     BAD, ""},
    {"quotes never closed before it", "multipart/mixed; x=\"abc; boundary=a", 0, "multipart",
     "mixed", BAD, "", BAD, ""},
    {"a comment never closed", "multipart/mixed; (boundary=abc", 0, "multipart", "mixed", BAD, "",
     BAD, ""},
    {"500 characters",
     "multipart/mixed; boundary=" FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY, 0,
     "multipart", "mixed", OK, FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY, ABSENT,
     ""},
    {"501 characters",
     "multipart/mixed; boundary=x" FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY, 0,
     "multipart", "mixed", BAD, "", BAD, ""},
    {"report-type twice", "multipart/report; report-type=a; report-type=b; boundary=x", 0,
     "multipart", "report", OK, "x", BAD, "a"},
    {"nothing", "", -EBADMSG, "", "", BAD, "", BAD, ""},
    {"a type alone", "text", -EBADMSG, "text", "", BAD, "", BAD, ""},
    {"no subtype", "text/", -EBADMSG, "text", "", BAD, "", BAD, ""},
    {"no type", "/plain", -EBADMSG, "", "", BAD, "", BAD, ""},
    {"rubbish behind the type", "multipart/report rubbish; boundary=abc", -EBADMSG, "multipart",
     "report", BAD, "", BAD, ""},
    {"two slashes", "text/plain/x", -EBADMSG, "text", "plain", BAD, "", BAD, ""},
    {"a type too long", FIFTY FIFTY FIFTY "/plain", -EBADMSG, "", "", BAD, "", BAD, ""},
    {"a backslash at the end of a comment", "text/plain (\\", -EBADMSG, "text", "plain", BAD, "",
     BAD, ""},
};

static void check_type(void **state)
{
    const struct type_case *c = *state;
    struct mime_content_type type;
    size_t len = strlen(c->value);
    char *value = malloc(len + 1); /* exact, so that a sanitizer sees a read behind the end */

    assert_non_null(value);
    memcpy(value, c->value, len);
    value = realloc(value, len ? len : 1);
    assert_int_equal(mime_header_content_type(value, len, &type), c->result);
    assert_string_equal(type.type, c->type);
    assert_string_equal(type.subtype, c->subtype);
    assert_int_equal(type.boundary_status, c->boundary_status);
    assert_string_equal(type.boundary, c->boundary);
    assert_int_equal(type.boundary_len, strlen(c->boundary));
    assert_int_equal(type.report_type_status, c->report_type_status);
    assert_string_equal(type.report_type, c->report_type);
    free(value);
}

static void deep_comments(void **state)
{
    enum { DEPTH = 200000 };
    char *value = malloc(DEPTH + 32);
    struct mime_content_type type;

    (void)state;
    assert_non_null(value);
    strcpy(value, "text/plain ");
    memset(value + 11, '(', DEPTH);
    assert_int_equal(mime_header_content_type(value, 11 + DEPTH, &type), -EBADMSG);
    free(value);
}

static void encodings(void **state)
{
    static const struct {
        const char *value;
        enum mime_encoding expected;
    } cases[] = {
        {"7bit", MIME_ENCODING_IDENTITY},
        {" 8BIT ", MIME_ENCODING_IDENTITY},
        {"binary (really)", MIME_ENCODING_IDENTITY},
        {" Quoted-Printable\r\n", MIME_ENCODING_QUOTED_PRINTABLE},
        {"(x) base64", MIME_ENCODING_BASE64},
        {"base64;", MIME_ENCODING_UNKNOWN},
        {"7bit 8bit", MIME_ENCODING_UNKNOWN},
        {"x-uuencode", MIME_ENCODING_UNKNOWN},
        {"", MIME_ENCODING_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(mime_header_encoding(cases[i].value, strlen(cases[i].value)),
                         cases[i].expected);
}

static void fields(void **state)
{
    static const char header[] = "A: 1\r\nLong-Name : two\r\n three\r\n\tfour\r\nB:\n\nC: no\r\n";
    struct mime_field field;
    size_t offset = 0;

    (void)state;
    assert_true(mime_header_next(header, sizeof(header) - 1, &offset, &field));
    assert_true(mime_header_named(&field, "a"));
    assert_int_equal(field.raw_len, 6);
    assert_true(mime_header_next(header, sizeof(header) - 1, &offset, &field));
    assert_true(mime_header_named(&field, "LONG-NAME"));
    assert_false(mime_header_named(&field, "long-nam"));
    assert_memory_equal(field.value, " two\r\n three\r\n\tfour\r\n", field.value_len);
    assert_true(mime_header_next(header, sizeof(header) - 1, &offset, &field));
    assert_int_equal(field.value_len, 1);
    assert_false(mime_header_next(header, sizeof(header) - 1, &offset, &field));
    assert_int_equal(offset, strlen("A: 1\r\nLong-Name : two\r\n three\r\n\tfour\r\nB:\n"));
}

static void field_starts(void **state)
{
    (void)state;
    assert_true(mime_header_starts_field("A:", 2));
    assert_true(mime_header_starts_field("A \t:", 4));
    assert_false(mime_header_starts_field("A", 1));
    assert_false(mime_header_starts_field(":", 1));
    assert_false(mime_header_starts_field(" A:", 3));
    assert_false(mime_header_starts_field("A B:", 4));
    assert_false(mime_header_starts_field("\303\244:", 3));
    assert_false(mime_header_starts_field("", 0));
}

static const struct decode_case {
    const char *name;
    enum mime_encoding encoding;
    const char *in;
    const char *out;
} decode_cases[] = {
    {"base64", MIME_ENCODING_BASE64, "VExTLVJlcXVpcmVkOiBObw0K\r\nCg==\r\n",
     "TLS-Required: No\r\n\n"},
    {"base64, rubbish skipped", MIME_ENCODING_BASE64, "V E\n!x*TLQ", "TLS-"},
    {"base64, padding in the middle", MIME_ENCODING_BASE64, "VA==VA==", "TT"},
    {"base64, cut short", MIME_ENCODING_BASE64, "VEx", "TL"},
    {"quoted-printable", MIME_ENCODING_QUOTED_PRINTABLE, "a=3Db=0D=0A c=3d", "a=b\r\n c="},
    {"soft line breaks", MIME_ENCODING_QUOTED_PRINTABLE, "a=\r\nb= \t\r\nc=\nd", "abcd"},
    {"no escapes", MIME_ENCODING_QUOTED_PRINTABLE, "a=zz =4z", "a=zz =4z"},
    {"as it is", MIME_ENCODING_IDENTITY, "a=3D\r\n", "a=3D\r\n"},
    {"unknown", MIME_ENCODING_UNKNOWN, "VEx=", "VEx="},
};

static void check_decode(void **state)
{
    const struct decode_case *c = *state;
    size_t len = strlen(c->in);

    for (size_t piece = 1; piece <= len; piece++) {
        struct mime_decode decode;
        char out[256];
        size_t n = 0;

        mime_decode_init(&decode, c->encoding);
        for (size_t at = 0; at < len; at += piece)
            n +=
                mime_decode_feed(&decode, c->in + at, len - at < piece ? len - at : piece, out + n);
        assert_int_equal(n, strlen(c->out));
        assert_memory_equal(out, c->out, n);
    }
}

enum { N_TYPES = sizeof(type_cases) / sizeof(type_cases[0]) };
enum { N_DECODES = sizeof(decode_cases) / sizeof(decode_cases[0]) };

int main(void)
{
    static struct CMUnitTest tests[N_TYPES + N_DECODES + 4] = {
        cmocka_unit_test(deep_comments),
        cmocka_unit_test(encodings),
        cmocka_unit_test(fields),
        cmocka_unit_test(field_starts),
    };
    size_t n = 4;

    for (size_t i = 0; i < N_TYPES; i++)
        tests[n++] = (struct CMUnitTest){type_cases[i].name, check_type, NULL, NULL,
                                         (void *)(uintptr_t)&type_cases[i]};
    for (size_t i = 0; i < N_DECODES; i++)
        tests[n++] = (struct CMUnitTest){decode_cases[i].name, check_decode, NULL, NULL,
                                         (void *)(uintptr_t)&decode_cases[i]};
    return cmocka_run_group_tests_name("mime_header", tests, NULL, NULL);
}
