/*
 * dsn_rewrite.c with all below it: what becomes of a bounce. Every message of the table is tried
 * with CRLF and with bare LF, whole, cut in two at every point, and byte by byte.
 */
#include "dsn/dsn_levels.h"
#include "dsn/dsn_rewrite.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define REPORT "multipart/report; report-type=delivery-status; boundary=\"B\""
#define NOTE "--B\nContent-Type: text/plain\n\nIt could not be delivered.\n\n"
#define STATUS_ID(id)                                                                              \
    "--B\nContent-Description: Delivery report\nContent-Type: message/delivery-status\n\n"         \
    "Reporting-MTA: dns; mx.example.org\nX-Postfix-Queue-ID: " id "\n\n"                           \
    "Final-Recipient: rfc822; bob@example.net\nAction: failed\n\n"
#define STATUS STATUS_ID("4bOTHER")
#define KNOWN STATUS_ID("4bKNOWN")
#define RETURNED "--B\nContent-Description: Undelivered Message\nContent-Type: message/rfc822\n"
#define SHRUNK "--B\nContent-Description: Undelivered Message\nContent-Type: text/rfc822-headers\n"
#define FIELDS "From: alice@example.org\nSubject: hello\n"
#define ASKED "Require-TLS-ESMTP: yes\n"
#define NO_TLS "TLS-Required: No\n"
#define TICKET "X-REQUIRETLS-Ticket: v=1;q=4bXYZ;m=00\n"
#define SECRET "\nsecret line one\nsecret: two\n\n-- \nsecret three\n\n"

enum { HEADER_MAX_FIELDS = 6 };

static const struct rewrite_case {
    const char *name;
    const char *header[2 * HEADER_MAX_FIELDS]; /* names and values; a lone value: Content-Type */
    const char *body;
    enum dsn_rewrite_request request;
    const char *expected; /* NULL: the body stays */
} rewrite_cases[] = {
    {"no request",
     {REPORT},
     NOTE STATUS RETURNED "\n" FIELDS SECRET "--B--\n",
     DSN_REWRITE_NONE,
     NULL},
    {"asked in the header",
     {REPORT},
     NOTE STATUS RETURNED "\n" FIELDS ASKED SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE STATUS SHRUNK "\n" FIELDS ASKED "\n--B--\n"},
    {"field in any case, folded, with a comment",
     {REPORT},
     NOTE STATUS RETURNED "\n" FIELDS "REQUIRE-tls-Esmtp :\n (what?)\n\tYES\n" SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE STATUS SHRUNK "\n" FIELDS "REQUIRE-tls-Esmtp :\n (what?)\n\tYES\n\n--B--\n"},
    {"another value",
     {REPORT},
     NOTE STATUS RETURNED "\n" FIELDS "Require-TLS-ESMTP: no\n" SECRET "--B--\n",
     DSN_REWRITE_NONE,
     NULL},
    {"only in the returned body",
     {REPORT},
     NOTE STATUS RETURNED "\n" FIELDS "\n" ASKED "\n--B--\n",
     DSN_REWRITE_NONE,
     NULL},
    {"only in the notification",
     {REPORT},
     "--B\n\n" ASKED "\n" STATUS RETURNED "\n" FIELDS SECRET "--B--\n",
     DSN_REWRITE_NONE,
     NULL},
    {"in the delivery status it means nothing",
     {REPORT},
     NOTE "--B\nContent-Type: message/delivery-status\n\n" ASKED "\n" RETURNED "\n" FIELDS SECRET
          "--B--\n",
     DSN_REWRITE_NONE,
     NULL},
    {"known by the delivery status's queue id",
     {REPORT},
     NOTE KNOWN RETURNED "\n" FIELDS SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN SHRUNK "\n" FIELDS "\n--B--\n"},
    {"known by the queue id in the original",
     {REPORT},
     NOTE STATUS RETURNED "\n" FIELDS "X-Postfix-Queue-ID:\n 4bKNOWN \n" SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE STATUS SHRUNK "\n" FIELDS "X-Postfix-Queue-ID:\n 4bKNOWN \n\n--B--\n"},
    {"delivery status behind the original",
     {REPORT},
     NOTE RETURNED "\n" FIELDS SECRET KNOWN "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE SHRUNK "\n" FIELDS "\n" KNOWN "--B--\n"},
    {"header-only already",
     {REPORT},
     NOTE KNOWN SHRUNK "\n" FIELDS ASKED "\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NULL},
    {"header-only with blank lines behind",
     {REPORT},
     NOTE KNOWN SHRUNK "\n" FIELDS "\n\n\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NULL},
    {"called header-only, but it is not",
     {REPORT},
     NOTE KNOWN SHRUNK "\n" FIELDS "\n" SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN SHRUNK "\n" FIELDS "\n\n--B--\n"},
    {"a ticket is not returned",
     {REPORT},
     NOTE STATUS RETURNED "\n" FIELDS TICKET ASKED SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE STATUS SHRUNK "\n" FIELDS ASKED "\n--B--\n"},
    {"several, in any case, folded, first and last",
     {REPORT},
     NOTE KNOWN RETURNED "\n" TICKET FIELDS
                         "x-requiretls-TICKET :\n v=1\n\t;m=0\n" ASKED TICKET SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN SHRUNK "\n" FIELDS ASKED "\n--B--\n"},
    {"no ticket, though it looks like one",
     {REPORT},
     NOTE KNOWN RETURNED "\n" FIELDS "X-REQUIRETLS-Tickets: a\nX-REQUIRETLS-Ticke: b\n"
                         "Subject:\n X-REQUIRETLS-Ticket: c\n" SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN SHRUNK "\n" FIELDS "X-REQUIRETLS-Tickets: a\nX-REQUIRETLS-Ticke: b\n"
                       "Subject:\n X-REQUIRETLS-Ticket: c\n"
                       "\n--B--\n"},
    {"a ticket in a header alone",
     {REPORT},
     NOTE KNOWN SHRUNK "\n" FIELDS TICKET ASKED "\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN SHRUNK "\n" FIELDS ASKED "\n--B--\n"},
    {"a ticket in a header alone, TLS-Required: No",
     {REPORT},
     NOTE STATUS SHRUNK "\n" FIELDS NO_TLS TICKET "\n--B--\n",
     DSN_REWRITE_OPTIONAL,
     NOTE STATUS SHRUNK "\n" FIELDS NO_TLS "\n--B--\n"},
    {"a ticket in a header alone, no request",
     {REPORT},
     NOTE STATUS SHRUNK "\n" TICKET FIELDS "\n--B--\n",
     DSN_REWRITE_NONE,
     NOTE STATUS SHRUNK "\n" FIELDS "\n--B--\n"},
    {"no content is lost for a ticket",
     {REPORT},
     NOTE STATUS RETURNED "\n" FIELDS NO_TLS TICKET SECRET "--B--\n",
     DSN_REWRITE_OPTIONAL,
     NOTE STATUS RETURNED "\n" FIELDS NO_TLS SECRET "--B--\n"},
    {"no content is lost for tickets, without a request",
     {REPORT},
     NOTE STATUS RETURNED "\n" TICKET FIELDS "x-requiretls-TICKET :\n v=1\n\t;m=0\n" SECRET
                          "--B\nContent-Type: text/plain\n\nmore\n--B--\nepilogue\n",
     DSN_REWRITE_NONE,
     NOTE STATUS RETURNED "\n" FIELDS SECRET
                          "--B\nContent-Type: text/plain\n\nmore\n--B--\nepilogue\n"},
    {"a ticket in the content of what is returned in full",
     {REPORT},
     NOTE STATUS RETURNED "\n" FIELDS "\n" TICKET SECRET "--B--\n",
     DSN_REWRITE_NONE,
     NULL},
    {"a ticket in the returned content",
     {REPORT},
     NOTE STATUS SHRUNK "\n" FIELDS "\n" TICKET "\n--B--\n",
     DSN_REWRITE_NONE,
     NULL},
    {"a ticket in a report whose parts cannot be told apart",
     {"multipart/report"},
     NOTE TICKET " continued\n" FIELDS "--B--\n",
     DSN_REWRITE_NONE,
     NOTE FIELDS "--B--\n"},
    {"a ticket in what was encoded",
     {REPORT},
     NOTE STATUS "--B\nContent-Type: text/rfc822-headers\nContent-Transfer-Encoding: base64\n\n"
                 "RnJvbTogYWxpY2VAZXhhbXBsZS5vcmcNClgtUkVRVUlSRVRMUy1UaWNrZXQ6IHY9MTtxPTRiWFlaO209M"
                 "DANClN1YmplY3Q6IGhlbGxvDQoNCg==\n--B--\n",
     DSN_REWRITE_NONE,
     NOTE STATUS "--B\nContent-Type: text/rfc822-headers\n\n" FIELDS "\n--B--\n"},
    {"TLS-Required: No",
     {REPORT},
     NOTE STATUS RETURNED "\n" FIELDS NO_TLS SECRET "--B--\n",
     DSN_REWRITE_OPTIONAL,
     NULL},
    {"TLS-Required: No, header-only",
     {REPORT},
     NOTE STATUS SHRUNK "\n" FIELDS "tls-required:  nO \n\n--B--\n",
     DSN_REWRITE_OPTIONAL,
     NULL},
    {"TLS-Required twice",
     {REPORT},
     NOTE STATUS RETURNED "\n" NO_TLS NO_TLS SECRET "--B--\n",
     DSN_REWRITE_NONE,
     NULL},
    {"TLS-Required twice, once No",
     {REPORT},
     NOTE STATUS RETURNED "\n" NO_TLS "TLS-Required: Yes\n" SECRET "--B--\n",
     DSN_REWRITE_NONE,
     NULL},
    {"TLS-Required with a comment",
     {REPORT},
     NOTE STATUS RETURNED "\nTLS-Required: No (please)\n" SECRET "--B--\n",
     DSN_REWRITE_NONE,
     NULL},
    {"REQUIRETLS beats TLS-Required",
     {REPORT},
     NOTE STATUS RETURNED "\n" NO_TLS ASKED SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE STATUS SHRUNK "\n" NO_TLS ASKED "\n--B--\n"},
    {"so does a known queue id",
     {REPORT},
     NOTE KNOWN RETURNED "\n" NO_TLS SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN SHRUNK "\n" NO_TLS "\n--B--\n"},
    {"message/global",
     {REPORT},
     NOTE KNOWN "--B\ncontent-type: Message/Global; x=y\n\n" FIELDS SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN "--B\nContent-Type: message/global-headers\n\n" FIELDS "\n--B--\n"},
    {"the part's own header: folded type, encoding, measures",
     {REPORT},
     NOTE KNOWN
     "--B\nContent-Length: 99\nContent-Type: message/rfc822;\n name=\"x;y\"\n"
     "Content-MD5: AAAA\nContent-Transfer-Encoding: 8bit\nContent-ID: <a>\n\n" FIELDS SECRET
     "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN "--B\nContent-Type: text/rfc822-headers\nContent-Transfer-Encoding: 8bit\n"
                "Content-ID: <a>\n\n" FIELDS "\n--B--\n"},
    {"a returned message with parts and delimiters of its own",
     {REPORT},
     NOTE KNOWN RETURNED
     "\nContent-Type: multipart/report; boundary=BB\n\n--BB\n\nsecret\n--BB--\n--Bx\n"
     "--B-\n --B\n-B\n--B--x\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN SHRUNK "\nContent-Type: multipart/report; boundary=BB\n\n--B--\n"},
    {"no body",
     {REPORT},
     NOTE KNOWN RETURNED "\n" FIELDS "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN SHRUNK "\n" FIELDS "--B--\n"},
    {"nothing in it",
     {REPORT},
     NOTE KNOWN RETURNED "\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN SHRUNK "\n--B--\n"},
    {"not even a blank line", {REPORT}, NOTE KNOWN RETURNED "--B--\n", DSN_REWRITE_REQUIRE, NULL},
    {"a header that stops without a blank line",
     {REPORT},
     NOTE KNOWN RETURNED "\n" FIELDS "secret without a blank line\nX: y\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN SHRUNK "\n" FIELDS "\n--B--\n"},
    {"a mailbox's From line first",
     {REPORT},
     NOTE STATUS RETURNED "\nFrom alice Mon\n" FIELDS ASKED SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE STATUS SHRUNK "\nFrom alice Mon\n" FIELDS ASKED "\n--B--\n"},
    {"preamble and epilogue",
     {REPORT},
     "This is MIME.\n\n" NOTE KNOWN RETURNED "\n" FIELDS SECRET "--B--\nepilogue\n\n--B\nmore\n",
     DSN_REWRITE_REQUIRE,
     "This is MIME.\n\n" NOTE KNOWN SHRUNK "\n" FIELDS "\n--B--\nepilogue\n\n--B\nmore\n"},
    {"blanks behind the boundary",
     {REPORT},
     "--B \t\nContent-Type: text/plain\n\nNote\n--B  \nContent-Type: message/rfc822\n\n" ASKED
         SECRET "--B-- \t \n",
     DSN_REWRITE_REQUIRE,
     "--B \t\nContent-Type: text/plain\n\nNote\n--B  \nContent-Type: text/rfc822-headers\n\n" ASKED
     "\n--B-- \t \n"},
    {"no closing delimiter",
     {REPORT},
     NOTE KNOWN RETURNED "\n" FIELDS SECRET,
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN SHRUNK "\n" FIELDS "\n--B--\n"},
    {"no closing delimiter, nothing else to do",
     {REPORT},
     NOTE KNOWN SHRUNK "\n" FIELDS,
     DSN_REWRITE_REQUIRE,
     NULL},
    {"ends within the header, without a line end",
     {REPORT},
     NOTE KNOWN RETURNED "\n" FIELDS "X: y",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN SHRUNK "\n" FIELDS "X: y\n--B--\n"},
    {"ends within the body, without a line end",
     {REPORT},
     NOTE KNOWN RETURNED "\n" FIELDS SECRET "secret",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN SHRUNK "\n" FIELDS "\n--B--\n"},
    {"closing delimiter without a line end",
     {REPORT},
     NOTE KNOWN RETURNED "\n" FIELDS SECRET "--B--",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN SHRUNK "\n" FIELDS "\n--B--"},
    {"base64 without a header in it: the part is lost",
     {REPORT},
     NOTE KNOWN
     "--B\nContent-Transfer-Encoding: base64\nContent-Type: message/rfc822\n\nU2VjcmV0\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN "--B--\n"},
    {"base64: the request is seen in it",
     {REPORT},
     NOTE STATUS "--B\nContent-Transfer-Encoding: base64\nContent-Type: message/rfc822\n\n"
                 "UmVxdWlyZS1UTFMtRVNNVFA6\nIHllcw0KDQpTZWNyZXQNCg==\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE STATUS "--B\nContent-Type: text/rfc822-headers\n\n" ASKED "\n--B--\n"},
    {"base64: the header is kept, decoded",
     {REPORT},
     NOTE STATUS
     "--B\nContent-Length: 10\nContent-Type: message/rfc822\nContent-Transfer-Encoding: "
     "base64\n\nRnJvbTogYWxpY2VAZXhhbXBsZS5vcmcNClN1YmplY3Q6IGhlbGxvDQpSZXF1aXJlLVRMUy1FU01U\nUDoge"
     "WVzDQoNCnNlY3JldA0K\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE STATUS "--B\nContent-Type: text/rfc822-headers\n\nFrom: alice@example.org\nSubject: "
                 "hello\nRequire-TLS-ESMTP: yes\n\n--B--\n"},
    {"base64: LF for line ends, and no line end at the last",
     {REPORT},
     NOTE KNOWN "--B\nContent-Type: message/rfc822\nContent-Transfer-Encoding: "
                "base64\n\nU3ViamVjdDogYQogYg==\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN "--B\nContent-Type: text/rfc822-headers\n\nSubject: a\n b\n--B--\n"},
    {"base64: octets that are not ASCII",
     {REPORT},
     NOTE KNOWN "--B\nContent-Type: message/rfc822\nContent-Transfer-Encoding: "
                "base64\n\nU3ViamVjdDog6QoKc2VjcmV0Cg==\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN "--B\nContent-Type: text/rfc822-headers\nContent-Transfer-Encoding: "
                "8bit\n\nSubject: \xe9\n\n--B--\n"},
    {"base64, message/global",
     {REPORT},
     NOTE KNOWN "--B\nContent-Type: message/global\nContent-Transfer-Encoding: "
                "BASE64\n\nU3ViamVjdDogw6kKCnNlY3JldAo=\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN "--B\nContent-Type: message/global-headers\nContent-Transfer-Encoding: "
                "8bit\n\nSubject: \xc3\xa9\n\n--B--\n"},
    {"base64: control characters and stray CR are none of a header",
     {REPORT},
     NOTE KNOWN "--B\nContent-Type: message/rfc822\nContent-Transfer-Encoding: "
                "base64\n\nU3ViamVjdDogYQBiDWN/CWQNCg0Kc2VjcmV0\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN "--B\nContent-Type: text/rfc822-headers\n\nSubject: a?bc?\td\n\n--B--\n"},
    {"base64: what looks like a delimiter ends the header",
     {REPORT},
     NOTE KNOWN "--B\nContent-Type: message/rfc822\nContent-Transfer-Encoding: "
                "base64\n\nU3ViamVjdDogYQotLUI6IHgKLS1CCgpzZWNyZXQ=\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN "--B\nContent-Type: text/rfc822-headers\n\nSubject: a\n--B--\n"},
    {"base64: content without a blank line before it",
     {REPORT},
     NOTE KNOWN "--B\nContent-Type: message/rfc822\nContent-Transfer-Encoding: "
                "base64\n\nU3ViamVjdDogYQpzZWNyZXQgb25lClg6IHkK\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN "--B\nContent-Type: text/rfc822-headers\n\nSubject: a\n--B--\n"},
    {"base64: the envelope line of a mailbox",
     {REPORT},
     NOTE KNOWN "--B\nContent-Type: message/rfc822\nContent-Transfer-Encoding: "
                "base64\n\nRnJvbSBhbGljZSBNb24KU3ViamVjdDogYQoKc2VjcmV0\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN "--B\nContent-Type: text/rfc822-headers\n\nFrom alice Mon\nSubject: a\n\n--B--\n"},
    {"base64: no header in it",
     {REPORT},
     NOTE KNOWN "--B\nContent-Type: message/rfc822\nContent-Transfer-Encoding: "
                "base64\n\nClN1YmplY3Q6IHNlY3JldAo=\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN "--B--\n"},
    {"base64 that is none",
     {REPORT},
     NOTE KNOWN
     "--B\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n!!! --\n\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN "--B--\n"},
    {"base64: a header behind blank lines and rubbish",
     {REPORT},
     NOTE KNOWN "--B\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n\n "
                "U3Vi\n*amVj\n\ndDogYQo=\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN "--B\nContent-Type: text/rfc822-headers\n\nSubject: a\n--B--\n"},
    {"base64: a header with a body behind it",
     {REPORT},
     NOTE KNOWN "--B\nContent-Type: text/rfc822-headers\nContent-Transfer-Encoding: "
                "base64\n\nU3ViamVjdDogYQoKc2VjcmV0Cg==\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN "--B\nContent-Type: text/rfc822-headers\n\nSubject: a\n\n--B--\n"},
    {"base64: a header alone is left as it is",
     {REPORT},
     NOTE KNOWN "--B\nContent-Type: text/rfc822-headers\nContent-Transfer-Encoding: "
                "base64\n\nU3ViamVjdDogYQoK\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NULL},
    {"a header in an unknown encoding is lost",
     {REPORT},
     NOTE KNOWN
     "--B\nContent-Type: text/rfc822-headers\nContent-Transfer-Encoding: x-uue\n\nM4V]\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN "--B--\n"},
    {"quoted-printable: soft line breaks within the header",
     {REPORT},
     NOTE KNOWN "--B\nContent-Type: message/rfc822\nContent-Transfer-Encoding: "
                "quoted-printable\n\nSubject: =\na=3D\n b=20\n\nsecret=\n\nsecret\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN "--B\nContent-Type: text/rfc822-headers\n\nSubject: a=\n b \n\n--B--\n"},
    {"base64: no request, no change",
     {REPORT},
     NOTE STATUS
     "--B\nContent-Transfer-Encoding: base64\nContent-Type: message/rfc822\n\nU2VjcmV0\n--B--\n",
     DSN_REWRITE_NONE,
     NULL},
    {"quoted-printable: the header is kept, decoded",
     {REPORT},
     NOTE STATUS
     "--B\nContent-Type: message/global\nContent-Transfer-Encoding: quoted-printable\n\n"
     "Require-TLS-=\nESMTP: y=65s=0D=0A=0D=0Asecret\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE STATUS "--B\nContent-Type: message/global-headers\n\n" ASKED "\n--B--\n"},
    {"unknown encoding: the part is lost",
     {REPORT},
     NOTE KNOWN
     "--B\nContent-Type: message/rfc822\nContent-Transfer-Encoding: x-uue\n\nM4V]\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN "--B--\n"},
    {"two encodings: the part is lost",
     {REPORT},
     NOTE KNOWN "--B\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 7bit\n"
                "Content-Transfer-Encoding: base64\n\nU2VjcmV0\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN "--B--\n"},
    {"a delivery status in base64",
     {REPORT},
     NOTE "--B\nContent-Type: message/global-delivery-status\nContent-Transfer-Encoding: base64\n\n"
          "WC1Qb3N0Zml4LVF1ZXVlLUlEOiA0YktOT1dO\nDQo=\n" RETURNED "\n" FIELDS SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE "--B\nContent-Type: message/global-delivery-status\nContent-Transfer-Encoding: base64\n\n"
          "WC1Qb3N0Zml4LVF1ZXVlLUlEOiA0YktOT1dO\nDQo=\n" SHRUNK "\n" FIELDS "\n--B--\n"},
    {"two types: the part is lost",
     {REPORT},
     NOTE KNOWN "--B\nContent-Type: text/plain\nContent-Type: message/rfc822\n\n" FIELDS SECRET
                "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN "--B--\n"},
    {"an unreadable type: the part is lost, its request seen",
     {REPORT},
     NOTE STATUS "--B\nContent-Type: message//rfc822\n\n" ASKED SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE STATUS "--B--\n"},
    {"an unreadable bounce of other mail",
     {REPORT},
     NOTE STATUS "--B\nContent-Type: message//rfc822\n\n" FIELDS SECRET "--B--\n",
     DSN_REWRITE_NONE,
     NULL},
    {"the original as plain text: the part is lost",
     {REPORT},
     NOTE KNOWN "--B\nContent-Type: text/plain\n\n" FIELDS SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN "--B--\n"},
    {"the original as plain text, and no delivery status",
     {REPORT},
     NOTE "--B\nContent-Type: text/plain\n\n" ASKED SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE "--B--\n"},
    {"message/partial: the part is lost",
     {REPORT},
     NOTE KNOWN "--B\nContent-Type: message/partial; id=a; number=1\n\n" FIELDS SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN "--B--\n"},
    {"a multipart in the original's place: the part is lost",
     {REPORT},
     NOTE KNOWN
     "--B\nContent-Type: multipart/mixed; boundary=C\n\n--C\n\nsecret\n--C--\n--B--\nend\n",
     DSN_REWRITE_REQUIRE,
     NOTE KNOWN "--B--\nend\n"},
    {"the request within a part that is lost",
     {REPORT},
     NOTE STATUS
     "--B\nContent-Type: multipart/mixed; boundary=C\n\n--C\nContent-Type: message/rfc822\n\n" ASKED
         SECRET "--C--\n--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE STATUS "--B--\n"},
    {"TLS-Required: No beside a part that is not understood",
     {REPORT},
     NOTE STATUS RETURNED "\n" NO_TLS SECRET "--B\nContent-Type: text\n\nX: y\n--B--\n",
     DSN_REWRITE_NONE,
     NULL},
    {"no parts but broken ones",
     {REPORT},
     "--B\nContent-Type: text/plain\nContent-Type: text/plain\n\nX-Postfix-Queue-ID: "
     "4bKNOWN\n--B--\n",
     DSN_REWRITE_REQUIRE,
     "--B\nContent-Type: text/plain\n\n--B--\n"},
    {"nested first part",
     {REPORT},
     "--B\nContent-Type: multipart/alternative; boundary=\"B-\"\n\npre\n--B-\n\nplain\n--B-\n"
     "Content-Type: text/html\n\n<p>\n--B---\nend\n" KNOWN RETURNED "\n" FIELDS SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     "--B\nContent-Type: multipart/alternative; boundary=\"B-\"\n\npre\n--B-\n\nplain\n--B-\n"
     "Content-Type: text/html\n\n<p>\n--B---\nend\n" KNOWN SHRUNK "\n" FIELDS "\n--B--\n"},
    {"a message within the first part",
     {REPORT},
     "--B\nContent-Type: multipart/digest; boundary=C\n\n--C\n\n" ASKED SECRET "--C--\n" STATUS
     "--B--\n",
     DSN_REWRITE_REQUIRE,
     "--B\nContent-Type: multipart/digest; boundary=C\n\n--C\nContent-Type: "
     "text/rfc822-headers\n\n" ASKED "\n--C--\n" STATUS "--B--\n"},
    {"inner multipart never closed",
     {REPORT},
     "--B\nContent-Type: multipart/mixed; boundary=C\n\n--C\n\nplain\n" KNOWN RETURNED
     "\n" FIELDS SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     "--B\nContent-Type: multipart/mixed; boundary=C\n\n--C\n\nplain\n--C--\n" KNOWN SHRUNK
     "\n" FIELDS "\n--B--\n"},
    {"report within multipart/mixed",
     {"multipart/mixed; boundary=A"},
     "--A\nContent-Type: " REPORT "\n\n" NOTE STATUS RETURNED "\n" FIELDS ASKED SECRET
     "--B--\n\n--A\nContent-Type: text/plain\n\nfooter\n--A\nContent-Type: message/rfc822\n\nX: "
     "y\n\nkept\n"
     "--A--\n",
     DSN_REWRITE_REQUIRE,
     "--A\nContent-Type: " REPORT "\n\n" NOTE STATUS SHRUNK "\n" FIELDS ASKED
     "\n--B--\n\n--A\nContent-Type: text/plain\n\nfooter\n--A\nContent-Type: message/rfc822\n\nX: "
     "y\n\nkept\n"
     "--A--\n"},
    {"report within multipart/mixed, neither closed",
     {"multipart/mixed; boundary=A"},
     "--A\nContent-Type: " REPORT "\n\n" NOTE KNOWN RETURNED "\n" FIELDS SECRET,
     DSN_REWRITE_REQUIRE,
     "--A\nContent-Type: " REPORT "\n\n" NOTE KNOWN SHRUNK "\n" FIELDS "\n--B--\n--A--\n"},
    {"a message forwarded within multipart/mixed is none of ours",
     {"multipart/mixed; boundary=B"},
     NOTE RETURNED "\n" FIELDS ASKED "X-Postfix-Queue-ID: 4bKNOWN\n" SECRET "--B--\n",
     DSN_REWRITE_NONE,
     NULL},
    {"a forwarded bounce is none of ours",
     {"multipart/mixed; boundary=A"},
     "--A\nContent-Type: message/rfc822\n\nContent-Type: " REPORT "\n\n" NOTE KNOWN RETURNED
     "\n" ASKED SECRET "--B--\n--A--\n",
     DSN_REWRITE_NONE,
     NULL},
    {"two reports in one",
     {"multipart/mixed; boundary=A"},
     "--A\nContent-Type: " REPORT "\n\n" NOTE STATUS RETURNED "\n" NO_TLS SECRET "--B--\n"
     "--A\nContent-Type: " REPORT "\n\n" NOTE STATUS RETURNED "\n" ASKED SECRET "--B--\n--A--\n",
     DSN_REWRITE_REQUIRE,
     "--A\nContent-Type: " REPORT "\n\n" NOTE STATUS SHRUNK "\n" NO_TLS "\n--B--\n"
     "--A\nContent-Type: " REPORT "\n\n" NOTE STATUS SHRUNK "\n" ASKED "\n--B--\n--A--\n"},
    {"two reports, one optional",
     {"multipart/mixed; boundary=A"},
     "--A\nContent-Type: " REPORT "\n\n" NOTE STATUS RETURNED "\n" NO_TLS SECRET "--B--\n"
     "--A\nContent-Type: " REPORT "\n\n" NOTE STATUS RETURNED "\n" FIELDS SECRET "--B--\n--A--\n",
     DSN_REWRITE_NONE,
     NULL},
    {"disposition notification",
     {"multipart/report; report-type=disposition-notification; boundary=B"},
     NOTE "--B\nContent-Type: message/disposition-notification\n\nDisposition: x\n\n" RETURNED
          "\n" ASKED SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE "--B\nContent-Type: message/disposition-notification\n\nDisposition: x\n\n" SHRUNK
          "\n" ASKED "\n--B--\n"},
    {"feedback report, unnamed",
     {"multipart/report; boundary=B"},
     NOTE "--B\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n\n" RETURNED
          "\n" ASKED SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE "--B\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n\n" SHRUNK "\n" ASKED
          "\n--B--\n"},
    {"boundary by RFC 2231: cut behind the request",
     {"multipart/report; boundary*0=B"},
     NOTE STATUS RETURNED "\n" FIELDS ASKED FIELDS SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE STATUS RETURNED "\n" FIELDS ASKED FIELDS "\n"},
    {"no boundary: cut behind the known queue id",
     {"multipart/report"},
     NOTE KNOWN RETURNED "\n" FIELDS SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE "--B\nContent-Description: Delivery report\nContent-Type: message/delivery-status\n\n"
          "Reporting-MTA: dns; mx.example.org\nX-Postfix-Queue-ID: 4bKNOWN\n\n"},
    {"no boundary, no request",
     {"multipart/report"},
     NOTE STATUS RETURNED "\n" FIELDS SECRET,
     DSN_REWRITE_NONE,
     NULL},
    {"another boundary than in the body",
     {"multipart/report; boundary=X"},
     NOTE STATUS RETURNED "\n" ASKED SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE STATUS RETURNED "\n" ASKED "\n"},
    {"two types in the header, one a report",
     {"Content-Type", "text/plain", "Content-Type", REPORT},
     NOTE STATUS RETURNED "\n" ASKED SECRET "--B--\n",
     DSN_REWRITE_REQUIRE,
     NOTE STATUS RETURNED "\n" ASKED "\n"},
    {"a whole report in base64: nothing of it stays",
     {"Content-Type", REPORT, "Content-Transfer-Encoding", "base64"},
     "LS1CDQpDb250ZW50LVR5cGU6IG1lc3NhZ2UvcmZjODIyDQoNClJlcXVpcmUtVExTLUVTTVRQOiB5\nZXMNCg0Kc2VjcmV"
     "0DQo=\n",
     DSN_REWRITE_REQUIRE,
     "\n"},
    {"a broken report within multipart/mixed",
     {"multipart/mixed; boundary=A"},
     "--A\nContent-Type: multipart/report\n\n" NOTE STATUS RETURNED "\n" ASKED SECRET
     "--B--\n--A--\n",
     DSN_REWRITE_REQUIRE,
     "--A\nContent-Type: multipart/report\n\n" NOTE STATUS RETURNED "\n" ASKED "\n--A--\n"},
    {"empty body", {REPORT}, "", DSN_REWRITE_NONE, NULL},
    {"empty lines", {REPORT}, "\n\n\n", DSN_REWRITE_NONE, NULL},
    {"nothing but a delimiter", {REPORT}, "--B", DSN_REWRITE_NONE, NULL},
};

struct sink {
    char *data;
    size_t len;
    size_t size;
    int fail_after; /* calls; -1: never */
};

static struct sink whole; /* of the form that loses tickets alone */

static int take(void *arg, const char *data, size_t len)
{
    struct sink *sink = arg;

    assert_int_not_equal(len, 0);
    if (sink->fail_after == 0)
        return -ENOSPC;
    if (sink->fail_after > 0)
        sink->fail_after--;
    if (sink->len + len > sink->size) {
        sink->size = 2 * (sink->len + len);
        sink->data = realloc(sink->data, sink->size);
        assert_non_null(sink->data);
    }
    memcpy(sink->data + sink->len, data, len);
    sink->len += len;
    return 0;
}

static bool is_known(void *arg, const char *id)
{
    assert_string_equal(arg, "ids");
    return strcmp(id, "4bKNOWN") == 0;
}

static struct dsn_rewrite *begin(struct sink *sink, const char *const *header)
{
    static char ids[] = "ids";
    struct dsn_rewrite_hooks hooks = {.sink = take,
                                      .sink_arg = sink,
                                      .known_id = is_known,
                                      .known_id_arg = ids,
                                      .whole_sink = take,
                                      .whole_sink_arg = &whole};
    struct dsn_rewrite *rewrite = dsn_rewrite_new(&hooks);

    whole.len = 0;
    whole.fail_after = -1;
    sink->len = 0;
    sink->fail_after = -1;
    assert_non_null(rewrite);
    if (header[1] == NULL) {
        dsn_rewrite_header(rewrite, "MIME-Version", " 1.0");
        dsn_rewrite_header(rewrite, "Content-Type", header[0]);
    }
    for (size_t i = 0; header[i] != NULL && header[i + 1] != NULL; i += 2)
        dsn_rewrite_header(rewrite, header[i], header[i + 1]);
    return rewrite;
}

/* Feeds a copy that ends where the piece ends, so that a sanitizer sees every read behind it. */
static void feed(struct dsn_rewrite *rewrite, const char *data, size_t len)
{
    char *copy = malloc(len ? len : 1);

    assert_non_null(copy);
    memcpy(copy, data, len);
    assert_int_equal(dsn_rewrite_body(rewrite, copy, len), 0);
    free(copy);
}

static void expect(struct dsn_rewrite *rewrite, const struct rewrite_case *c,
                   const struct sink *sink, const char *expected)
{
    struct dsn_rewrite_result result;

    assert_int_equal(dsn_rewrite_end(rewrite, &result), 0);
    assert_int_equal(result.request, c->request);
    assert_int_equal(result.replace_body, expected != NULL);
    if (result.whole)
        sink = &whole;
    assert_int_equal(result.body_len, sink->len);
    if (expected != NULL) {
        if (sink->len != strlen(expected) || memcmp(sink->data, expected, sink->len) != 0)
            fail_msg("got:\n%.*s\nexpected:\n%s\n", (int)sink->len, sink->data, expected);
    }
    dsn_rewrite_free(rewrite);
}

static void check_body(const struct rewrite_case *c, const char *body, const char *expected)
{
    struct sink sink = {0};
    struct dsn_rewrite *rewrite;
    size_t len = strlen(body);

    for (size_t cut = 0; cut <= len; cut++) {
        rewrite = begin(&sink, c->header);
        assert_true(dsn_rewrite_wanted(rewrite));
        feed(rewrite, body, cut);
        feed(rewrite, body + cut, len - cut);
        expect(rewrite, c, &sink, expected);
    }
    rewrite = begin(&sink, c->header);
    for (size_t i = 0; i < len; i++)
        feed(rewrite, body + i, 1);
    expect(rewrite, c, &sink, expected);
    free(sink.data);
}

static char *with_crlf(const char *text)
{
    char *out = text != NULL ? malloc(2 * strlen(text) + 1) : NULL;
    char *to = out;

    if (text == NULL)
        return NULL;
    assert_non_null(out);
    for (; *text; text++) {
        if (*text == '\n')
            *to++ = '\r';
        *to++ = *text;
    }
    *to = '\0';
    return out;
}

static void check_case(void **state)
{
    const struct rewrite_case *c = *state;
    char *body = with_crlf(c->body);
    char *expected = with_crlf(c->expected);

    check_body(c, body, expected);
    /* Lines that are added have the line end of those before, CRLF when there was none. */
    if (strchr(c->body, '\n') != NULL)
        check_body(c, c->body, c->expected);
    free(body);
    free(expected);
}

static void wanted(void **state)
{
    static const struct {
        const char *header[4];
        bool expected;
    } cases[] = {
        {{REPORT}, true},
        {{"multipart/mixed; boundary=x"}, true},
        {{"Multipart/Report"}, true},
        {{"multipart/report rubbish"}, true},
        {{"multipart/mixed"}, false},
        {{"text/plain"}, false},
        {{"message/rfc822"}, false},
        {{"text/plain; x=\"multipart/report\""}, false},
        {{""}, false},
        {{"Content-Type", "multipart/mixed; boundary=x", "Content-Type",
          "multipart/mixed; boundary=y"},
         false},
        {{"Content-Type", "multipart/mixed; boundary=x", "Content-Transfer-Encoding", "base64"},
         false},
        {{"Subject", "multipart/report"}, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *header[6] = {cases[i].header[0], cases[i].header[1], cases[i].header[2],
                                 cases[i].header[3]};
        struct sink sink = {0};
        struct dsn_rewrite *rewrite = begin(&sink, header);

        assert_int_equal(dsn_rewrite_wanted(rewrite), cases[i].expected);
        dsn_rewrite_free(rewrite);
    }
}

static void expect_change(struct dsn_rewrite *rewrite, const char *name, const char *value,
                          int index)
{
    struct dsn_rewrite_change change;

    assert_true(dsn_rewrite_next_change(rewrite, &change));
    assert_string_equal(change.name, name);
    assert_int_equal(change.index, index);
    if (value != NULL)
        assert_string_equal(change.value, value);
    else
        assert_null(change.value);
}

static struct dsn_rewrite *run(struct sink *sink, const char *const *header, const char *body)
{
    struct dsn_rewrite *rewrite = begin(sink, header);
    struct dsn_rewrite_result result;

    feed(rewrite, body, strlen(body));
    assert_int_equal(dsn_rewrite_end(rewrite, &result), 0);
    return rewrite;
}

static void changes_when_redacted(void **state)
{
    static const char *const header[] = {
        "content-length", "100", "Content-Type", REPORT, "Lines", "3",
        "Content-Length", "7",   NULL,           NULL};
    struct dsn_rewrite_change change;
    struct sink sink = {0};
    struct dsn_rewrite *rewrite =
        run(&sink, header, NOTE KNOWN RETURNED "\n" NO_TLS FIELDS SECRET "--B--\n");

    (void)state;
    expect_change(rewrite, "Content-Length", NULL, 2);
    expect_change(rewrite, "Content-Length", NULL, 1);
    expect_change(rewrite, "Lines", NULL, 1);
    expect_change(rewrite, "MIME-Version", "1.0", 0);
    assert_false(dsn_rewrite_next_change(rewrite, &change));
    dsn_rewrite_free(rewrite);
    free(sink.data);
}

static void changes_when_optional(void **state)
{
    static const char *const header[] = {"Content-Length", "100", "Content-Type",
                                         REPORT,           NULL,  NULL};
    static const char *const has_it[] = {"Content-Type", REPORT, "tls-required", "no", NULL, NULL};
    struct dsn_rewrite_change change;
    struct sink sink = {0};
    struct dsn_rewrite *rewrite =
        run(&sink, header, NOTE STATUS RETURNED "\n" NO_TLS SECRET "--B--\n");

    (void)state;
    expect_change(rewrite, "TLS-Required", "No", 0);
    assert_false(dsn_rewrite_next_change(rewrite, &change));
    dsn_rewrite_free(rewrite);
    rewrite = run(&sink, has_it, NOTE STATUS RETURNED "\n" NO_TLS SECRET "--B--\n");
    assert_false(dsn_rewrite_next_change(rewrite, &change));
    dsn_rewrite_free(rewrite);
    free(sink.data);
}

static void no_changes(void **state)
{
    static const char *const header[] = {"Content-Length", "100", "Content-Type",
                                         REPORT,           NULL,  NULL};
    struct dsn_rewrite_change change;
    struct sink sink = {0};
    struct dsn_rewrite *rewrite = run(&sink, header, NOTE KNOWN SHRUNK "\n" FIELDS "\n--B--\n");

    (void)state;
    assert_false(dsn_rewrite_next_change(rewrite, &change));
    dsn_rewrite_free(rewrite);
    free(sink.data);
}

/* Builds a text out of three pieces, the middle one repeated. */
static char *repeat(const char *before, const char *middle, size_t n, const char *after)
{
    size_t len = strlen(middle);
    char *out = malloc(strlen(before) + n * len + strlen(after) + 1);
    char *at;

    assert_non_null(out);
    at = stpcpy(out, before);
    for (size_t i = 0; i < n; i++)
        at = stpcpy(at, middle);
    strcpy(at, after);
    return out;
}

/* Runs a body in pieces of many sizes; all must give expected (NULL: unchanged). */
static void check_pieces(const char *body, enum dsn_rewrite_request request, const char *expected)
{
    static const struct rewrite_case base = {.header = {REPORT}};
    static const size_t sizes[] = {1, 7, 1023, 1024, 1025, 4096, 65535, 1 << 20};
    struct rewrite_case c = base;
    struct sink sink = {0};
    size_t len = strlen(body);

    c.request = request;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct dsn_rewrite *rewrite = begin(&sink, c.header);

        for (size_t at = 0; at < len; at += sizes[i])
            feed(rewrite, body + at, len - at < sizes[i] ? len - at : sizes[i]);
        expect(rewrite, &c, &sink, expected);
    }
    free(sink.data);
}

static void check_long(const char *before, const char *middle, size_t n, const char *after,
                       const char *expected_before, size_t expected_n, const char *expected_after)
{
    char *body = repeat(before, middle, n, after);
    char *expected = repeat(expected_before, middle, expected_n, expected_after);

    check_pieces(body, DSN_REWRITE_REQUIRE, expected);
    free(body);
    free(expected);
}

#define END SECRET "--B--\n"

static void long_line_in_the_note(void **state)
{
    (void)state;
    check_long("--B\n\n", "--B ", 50000, "\n" KNOWN RETURNED "\n" FIELDS END, "--B\n\n", 50000,
               "\n" KNOWN SHRUNK "\n" FIELDS "\n--B--\n");
}

static void long_line_in_the_original(void **state)
{
    (void)state;
    check_long(NOTE KNOWN RETURNED "\n" FIELDS "\n", "secret--B", 50000, END,
               NOTE KNOWN SHRUNK "\n" FIELDS, 0, "\n--B--\n");
}

static void long_field_in_the_original(void **state)
{
    (void)state;
    check_long(NOTE KNOWN RETURNED "\nTo: ", "bob@example.org,\n ", 20000, "a@example.org" END,
               NOTE KNOWN SHRUNK "\nTo: ", 20000, "a@example.org\n\n--B--\n");
}

static void long_first_line_of_the_header(void **state)
{
    (void)state;
    check_long(NOTE KNOWN RETURNED "\nX: ", "0123456789", 20000, END,
               NOTE KNOWN SHRUNK "\nX: ", 20000, "\n\n--B--\n");
}

static void request_too_long_to_read(void **state)
{
    (void)state;
    check_long(NOTE STATUS RETURNED "\nRequire-TLS-ESMTP:", " ", 5000, "yes\n" END,
               NOTE STATUS SHRUNK "\nRequire-TLS-ESMTP:", 5000, "yes\n\n--B--\n");
}

static void huge_header_of_the_part(void **state)
{
    (void)state;
    check_long(NOTE KNOWN RETURNED, "X: 0123456789\n", 10000, "\n" FIELDS END, NOTE KNOWN, 0,
               "--B--\n");
    check_long(NOTE STATUS RETURNED, "X: 0123456789\n", 10000, "\n" ASKED END, NOTE STATUS, 0,
               "--B--\n");
    check_long(NOTE KNOWN RETURNED "X:", "0123456789", 10000, "\n\n" FIELDS END, NOTE KNOWN, 0,
               "--B--\n");
}

static void long_header_of_the_part(void **state)
{
    (void)state;
    check_long(NOTE KNOWN RETURNED, "X: 0123456789\n", 4000, "\n" FIELDS END, NOTE KNOWN SHRUNK,
               4000, "\n" FIELDS "\n--B--\n");
}

static void long_blanks_behind_a_boundary(void **state)
{
    (void)state;
    check_long(NOTE KNOWN RETURNED "\n" FIELDS SECRET "--B--", " ", 5000, "\nend\n",
               NOTE KNOWN SHRUNK "\n" FIELDS "\n--B--", 5000, "\nend\n");
    check_long(NOTE KNOWN "--B", " ", 5000, "\nContent-Type: message/rfc822\n\n" FIELDS END,
               NOTE KNOWN "--B", 5000,
               "\nContent-Type: text/rfc822-headers\n\n" FIELDS "\n--B--\n");
}

static void many_parts(void **state)
{
    static const char part[] = "--B\nContent-Type: text/rfc822-headers\n\nX: y\n\n";

    (void)state;
    check_long(NOTE KNOWN, part, 5000, RETURNED "\n" FIELDS END, NOTE KNOWN, 5000,
               SHRUNK "\n" FIELDS "\n--B--\n");
}

/* Nested deeper than is looked into: what is deeper is left out. */
static void nested_deeply(void **state)
{
    char body[16384], expected[16384];
    char *at = body;

    (void)state;
    at += sprintf(at, "--B\n");
    for (int i = 1; i < DSN_LEVELS_MAX; i++)
        at += sprintf(at, "Content-Type: multipart/mixed; boundary=B%d\n\n--B%d\n", i, i);
    strcpy(expected, body);
    at += sprintf(at, "Content-Type: multipart/mixed; boundary=C\n\n--C\n"
                      "Content-Type: message/rfc822\n\n" FIELDS END);
    /* The deepest multipart had this part only. */
    at = expected + strlen(expected);
    at += sprintf(at, "Content-Type: text/plain\n\n");
    for (int i = DSN_LEVELS_MAX - 1; i > 0; i--)
        at += sprintf(at, "--B%d--\n", i);
    at += sprintf(
        at, "--B\nContent-Type: message/delivery-status\n\nX-Postfix-Queue-ID: 4bKNOWN\n--B--\n");
    strcpy(strstr(body, SECRET) + strlen(SECRET),
           strstr(expected, "--B\nContent-Type: message/del"));
    check_pieces(body, DSN_REWRITE_REQUIRE, expected);
}

static void line_ends_mixed(void **state)
{
    (void)state;
    check_pieces("--B\r\n\nnote\r\n--B\nContent-Type: message/rfc822\r\n\n" ASKED
                 "X: y\r\n\r\nsecret\n\r\n--B--\n",
                 DSN_REWRITE_REQUIRE,
                 "--B\r\n\nnote\r\n--B\nContent-Type: text/rfc822-headers\n\n" ASKED
                 "X: y\r\n\r\n--B--\n");
}

static void sink_errors_are_passed_on(void **state)
{
    static const char *const header[] = {REPORT, NULL};
    char *body = repeat(NOTE, "more of it\n", 5000, "");

    (void)state;
    for (int calls = 0; calls < 3; calls++) {
        struct sink sink = {0};
        struct dsn_rewrite *rewrite = begin(&sink, header);
        struct dsn_rewrite_result result;

        sink.fail_after = calls;
        assert_int_equal(dsn_rewrite_body(rewrite, body, 6000), 0);
        assert_int_equal(dsn_rewrite_body(rewrite, body, strlen(body)), -ENOSPC);
        assert_int_equal(dsn_rewrite_body(rewrite, body, 10), -ENOSPC);
        assert_int_equal(dsn_rewrite_end(rewrite, &result), -ENOSPC);
        dsn_rewrite_free(rewrite);
        free(sink.data);
    }
    free(body);
}

enum { N_CASES = sizeof(rewrite_cases) / sizeof(rewrite_cases[0]) };

int main(void)
{
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(wanted),
        cmocka_unit_test(changes_when_redacted),
        cmocka_unit_test(changes_when_optional),
        cmocka_unit_test(no_changes),
        cmocka_unit_test(long_line_in_the_note),
        cmocka_unit_test(long_line_in_the_original),
        cmocka_unit_test(long_field_in_the_original),
        cmocka_unit_test(long_first_line_of_the_header),
        cmocka_unit_test(request_too_long_to_read),
        cmocka_unit_test(huge_header_of_the_part),
        cmocka_unit_test(long_header_of_the_part),
        cmocka_unit_test(long_blanks_behind_a_boundary),
        cmocka_unit_test(many_parts),
        cmocka_unit_test(nested_deeply),
        cmocka_unit_test(line_ends_mixed),
        cmocka_unit_test(sink_errors_are_passed_on),
    };
    enum { N_OTHERS = sizeof(others) / sizeof(others[0]) };
    static struct CMUnitTest tests[N_CASES + N_OTHERS];

    for (size_t i = 0; i < N_CASES; i++)
        tests[i] = (struct CMUnitTest){rewrite_cases[i].name, check_case, NULL, NULL,
                                       (void *)(uintptr_t)&rewrite_cases[i]};
    memcpy(tests + N_CASES, others, sizeof(others));
    return cmocka_run_group_tests_name("dsn_rewrite", tests, NULL, NULL);
}
