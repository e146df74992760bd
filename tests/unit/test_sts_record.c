/* The MTA-STS TXT record: which records count, and the grammar of RFC 8461 section 3.1. */
#include "sts/sts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_TXT = 4 };

struct record_case {
    const char *name;
    const char *txt[MAX_TXT];
    enum sts_record_status status;
    const char *id;
};

#define ID32 "abcdefghijklmnopqrstuvwxyz012345"
#define NAME32 "a23456789-0123456789_0123456.890"

static const struct record_case cases[] = {
    {"plain", {"v=STSv1; id=20160831085700Z;"}, STS_RECORD_FOUND, "20160831085700Z"},
    {"no blank, no last semicolon", {"v=STSv1;id=a"}, STS_RECORD_FOUND, "a"},
    {"last semicolon and blanks", {"v=STSv1; id=a ; \t"}, STS_RECORD_FOUND, "a"},
    {"blanks around the semicolon", {"v=STSv1 \t;\t id=a"}, STS_RECORD_FOUND, "a"},
    {"id in both cases", {"v=STSv1; id=aZ09"}, STS_RECORD_FOUND, "aZ09"},
    {"id of 32", {"v=STSv1; id=" ID32}, STS_RECORD_FOUND, ID32},
    {"id of 33", {"v=STSv1; id=" ID32 "6"}, STS_RECORD_INVALID, ""},
    {"id empty", {"v=STSv1; id=;"}, STS_RECORD_INVALID, ""},
    {"id missing", {"v=STSv1; foo=bar"}, STS_RECORD_INVALID, ""},
    {"nothing after the version", {"v=STSv1;"}, STS_RECORD_INVALID, ""},
    {"only blanks after the version", {"v=STSv1; "}, STS_RECORD_INVALID, ""},
    {"id with a hyphen", {"v=STSv1; id=2016-08"}, STS_RECORD_INVALID, ""},
    {"id quoted", {"v=STSv1; id=\"a\""}, STS_RECORD_INVALID, ""},
    {"id with blank before value", {"v=STSv1; id= a"}, STS_RECORD_INVALID, ""},
    {"id with blank before equals", {"v=STSv1; id =a"}, STS_RECORD_INVALID, ""},
    {"key in another case is an extension", {"v=STSv1; ID=a"}, STS_RECORD_INVALID, ""},
    {"two semicolons", {"v=STSv1;; id=a"}, STS_RECORD_INVALID, ""},
    {"two semicolons in the middle", {"v=STSv1; a=b;; id=a"}, STS_RECORD_INVALID, ""},
    {"two semicolons at the end", {"v=STSv1; id=a;;"}, STS_RECORD_INVALID, ""},
    {"two semicolons with a blank", {"v=STSv1; id=a; ;"}, STS_RECORD_INVALID, ""},
    {"blank at the end without semicolon", {"v=STSv1; id=a "}, STS_RECORD_INVALID, ""},
    {"comma for semicolon", {"v=STSv1; id=a, b=c"}, STS_RECORD_INVALID, ""},
    {"extension before the id", {"v=STSv1; foo=bar; id=a"}, STS_RECORD_FOUND, "a"},
    {"extension after the id", {"v=STSv1; id=a; foo=b-a_r!~"}, STS_RECORD_FOUND, "a"},
    {"extension name of 32", {"v=STSv1; id=a; " NAME32 "=b"}, STS_RECORD_FOUND, "a"},
    {"extension name of 33", {"v=STSv1; id=a; " NAME32 "1=b"}, STS_RECORD_INVALID, ""},
    {"extension name begins with a digit", {"v=STSv1; id=a; 0.x=b"}, STS_RECORD_FOUND, "a"},
    {"extension name begins with a dash", {"v=STSv1; id=a; -x=b"}, STS_RECORD_INVALID, ""},
    {"extension without value", {"v=STSv1; id=a; x="}, STS_RECORD_INVALID, ""},
    {"extension without equals", {"v=STSv1; id=a; x"}, STS_RECORD_INVALID, ""},
    {"extension with two equals", {"v=STSv1; id=a; x=b=c"}, STS_RECORD_INVALID, ""},
    {"extension with a blank in the value", {"v=STSv1; id=a; x=b c"}, STS_RECORD_INVALID, ""},
    {"extension with braces", {"v=STSv1; id=a; x={b}"}, STS_RECORD_FOUND, "a"},
    {"extension with a control character", {"v=STSv1; id=a; x=b\x01"}, STS_RECORD_INVALID, ""},
    {"extension with DEL", {"v=STSv1; id=a; x=b\x7f"}, STS_RECORD_INVALID, ""},
    {"extension with UTF-8", {"v=STSv1; id=a; x=\xc3\xa4"}, STS_RECORD_INVALID, ""},
    {"line end inside", {"v=STSv1; id=a\r\n"}, STS_RECORD_INVALID, ""},
    {"id twice, the first counts", {"v=STSv1; id=a; id=b"}, STS_RECORD_FOUND, "a"},
    {"id twice, the first is broken", {"v=STSv1; id=a_; id=b"}, STS_RECORD_INVALID, ""},
    {"id twice, the second is ignored", {"v=STSv1; id=a; id=b_"}, STS_RECORD_FOUND, "a"},
    {"version twice", {"v=STSv1; v=STSv2; id=a"}, STS_RECORD_FOUND, "a"},

    {"STSv12 is another version", {"v=STSv12; id=a"}, STS_RECORD_NONE, ""},
    {"version in lower case", {"v=stsv1; id=a"}, STS_RECORD_NONE, ""},
    {"version key in upper case", {"V=STSv1; id=a"}, STS_RECORD_NONE, ""},
    {"version alone", {"v=STSv1"}, STS_RECORD_NONE, ""},
    {"version and blank", {"v=STSv1 id=a"}, STS_RECORD_NONE, ""},
    {"blank before the version", {" v=STSv1; id=a"}, STS_RECORD_NONE, ""},
    {"version not first", {"id=a; v=STSv1;"}, STS_RECORD_NONE, ""},
    {"quoted as a whole", {"\"v=STSv1; id=a\""}, STS_RECORD_NONE, ""},
    {"empty record", {""}, STS_RECORD_NONE, ""},
    {"cut short", {"v=STSv"}, STS_RECORD_NONE, ""},
    {"another protocol", {"v=spf1 -all"}, STS_RECORD_NONE, ""},

    {"others are discarded",
     {"v=spf1 -all", "v=STSv1; id=a", "", "v=STSv12; id=b"},
     STS_RECORD_FOUND,
     "a"},
    {"two records", {"v=STSv1; id=a", "v=STSv1; id=b"}, STS_RECORD_INVALID, ""},
    {"two equal records", {"v=STSv1; id=a", "v=STSv1; id=a"}, STS_RECORD_INVALID, ""},
    {"two records, one with a blank", {"v=STSv1; id=a", "v=STSv1 ; id=b"}, STS_RECORD_INVALID, ""},
    {"two records, one broken", {"v=STSv1; id=a", "v=STSv1;"}, STS_RECORD_INVALID, ""},
};

static void check(const char *name, const struct dns_answer *answer, enum sts_record_status status,
                  const char *id)
{
    char got[STS_ID_MAX + 1];
    enum sts_record_status got_status;

    memset(got, 'x', sizeof(got));
    got_status = sts_record_parse(answer, got);
    if (got_status != status || strcmp(got, id) != 0)
        fail_msg("%s: status %d id '%s', expected %d '%s'", name, (int)got_status, got, (int)status,
                 id);
}

static void grammar(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dns_record records[MAX_TXT];
        struct dns_answer answer = {.status = DNS_FOUND, .records = records};

        while (answer.count < MAX_TXT && cases[i].txt[answer.count] != NULL) {
            records[answer.count].txt.text = cases[i].txt[answer.count];
            records[answer.count].txt.len = (uint16_t)strlen(cases[i].txt[answer.count]);
            answer.count++;
        }
        check(cases[i].name, &answer, cases[i].status, cases[i].id);
    }
}

/* A record is no C string: what follows a NUL is not lost sight of. */
static void nul_bytes(void **state)
{
    static const char in_id[] = "v=STSv1; id=a\0b";
    static const char in_value[] = "v=STSv1; id=a; x=b\0c";
    static const char in_version[] = "v=STSv1\0; id=a";
    struct dns_record record = {.txt = {.len = sizeof(in_id) - 1, .text = in_id}};
    struct dns_answer answer = {.status = DNS_FOUND, .count = 1, .records = &record};

    (void)state;
    check("in the id", &answer, STS_RECORD_INVALID, "");
    record.txt.len = sizeof(in_value) - 1;
    record.txt.text = in_value;
    check("in a value", &answer, STS_RECORD_INVALID, "");
    record.txt.len = sizeof(in_version) - 1;
    record.txt.text = in_version;
    check("after the version", &answer, STS_RECORD_NONE, "");
}

/* The text ends where its length says, not where a terminator happens to be. */
static void length_is_respected(void **state)
{
    struct dns_record record = {.txt = {.len = 13, .text = "v=STSv1; id=ab; x=y"}};
    struct dns_answer answer = {.status = DNS_FOUND, .count = 1, .records = &record};

    (void)state;
    check("cut after id=a", &answer, STS_RECORD_FOUND, "a");
}

static void only_found_answers_count(void **state)
{
    struct dns_record record = {.txt = {.len = 13, .text = "v=STSv1; id=a"}};
    struct dns_answer answer = {.count = 1, .records = &record};

    (void)state;
    answer.status = DNS_NODATA;
    check("no data", &answer, STS_RECORD_NONE, "");
    answer.status = DNS_NXDOMAIN;
    check("no such name", &answer, STS_RECORD_NONE, "");
    answer.status = DNS_FAILED;
    check("failed", &answer, STS_RECORD_NONE, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grammar),
        cmocka_unit_test(nul_bytes),
        cmocka_unit_test(length_is_respected),
        cmocka_unit_test(only_found_answers_count),
    };

    return cmocka_run_group_tests_name("sts_record", tests, NULL, NULL);
}
