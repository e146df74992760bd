/* MAIL and RCPT with their parameters; what cannot be said in them; what a server lacks. */
#include "policy/smtp_mail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct smtp_extensions all = {.starttls = true,
                                           .pipelining = true,
                                           .eightbitmime = true,
                                           .smtputf8 = true,
                                           .size = true,
                                           .dsn = true,
                                           .enhanced_codes = true,
                                           .requiretls = true,
                                           .size_limit = 1000};
static const struct smtp_extensions nothing;

static const struct {
    const char *name;
    struct smtp_mail mail;
    const char *to_all, *to_nothing; /* the command; NULL: the server lacks something */
} mails[] = {
    {"address alone",
     {.sender = "a@b.example"},
     "MAIL FROM:<a@b.example>\r\n",
     "MAIL FROM:<a@b.example>\r\n"},
    {"null reverse-path", {.sender = ""}, "MAIL FROM:<>\r\n", "MAIL FROM:<>\r\n"},
    {"quoted local part",
     {.sender = "\"a> <\\\"b\"@c.example"},
     "MAIL FROM:<\"a> <\\\"b\"@c.example>\r\n",
     "MAIL FROM:<\"a> <\\\"b\"@c.example>\r\n"},
    {"size", {.sender = "a@b", .size = 999}, "MAIL FROM:<a@b> SIZE=999\r\n", "MAIL FROM:<a@b>\r\n"},
    {"size at the limit",
     {.sender = "a@b", .size = 1000},
     "MAIL FROM:<a@b> SIZE=1000\r\n",
     "MAIL FROM:<a@b>\r\n"},
    {"size beyond the limit", {.sender = "a@b", .size = 1001}, NULL, "MAIL FROM:<a@b>\r\n"},
    {"7bit",
     {.sender = "a@b", .body = SMTP_BODY_7BIT},
     "MAIL FROM:<a@b> BODY=7BIT\r\n",
     "MAIL FROM:<a@b>\r\n"},
    {"8bitmime",
     {.sender = "a@b", .body = SMTP_BODY_8BITMIME},
     "MAIL FROM:<a@b> BODY=8BITMIME\r\n",
     NULL},
    {"smtputf8",
     {.sender = "\xc3\xa4@b", .smtputf8 = true},
     "MAIL FROM:<\xc3\xa4@b> SMTPUTF8\r\n",
     NULL},
    {"ret and envid",
     {.sender = "a@b", .ret = SMTP_RET_FULL, .envid = "x+3Dy"},
     "MAIL FROM:<a@b> RET=FULL ENVID=x+3Dy\r\n",
     "MAIL FROM:<a@b>\r\n"},
    {"ret=hdrs",
     {.sender = "a@b", .ret = SMTP_RET_HDRS},
     "MAIL FROM:<a@b> RET=HDRS\r\n",
     "MAIL FROM:<a@b>\r\n"},
    {"requiretls",
     {.sender = "a@b", .requiretls = true},
     "MAIL FROM:<a@b> RET=HDRS REQUIRETLS\r\n",
     NULL},
    {"requiretls is never returned in full",
     {.sender = "a@b", .requiretls = true, .ret = SMTP_RET_FULL},
     "MAIL FROM:<a@b> RET=HDRS REQUIRETLS\r\n",
     NULL},
    {"all parameters",
     {.sender = "\xc3\xa4@b",
      .size = 1,
      .body = SMTP_BODY_8BITMIME,
      .smtputf8 = true,
      .requiretls = true,
      .envid = "e"},
     "MAIL FROM:<\xc3\xa4@b> SIZE=1 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=e REQUIRETLS\r\n",
     NULL},
};

static const struct {
    const char *name;
    struct smtp_rcpt rcpt;
    const char *to_all, *to_nothing;
} rcpts[] = {
    {"address alone", {.address = "a@b"}, "RCPT TO:<a@b>\r\n", "RCPT TO:<a@b>\r\n"},
    {"no domain",
     {.address = "postmaster"},
     "RCPT TO:<postmaster>\r\n",
     "RCPT TO:<postmaster>\r\n"},
    {"never",
     {.address = "a@b", .notify = SMTP_NOTIFY_NEVER},
     "RCPT TO:<a@b> NOTIFY=NEVER\r\n",
     "RCPT TO:<a@b>\r\n"},
    {"notify and orcpt",
     {.address = "a@b",
      .notify = SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY,
      .orcpt = "rfc822;A+2B@b"},
     "RCPT TO:<a@b> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;A+2B@b\r\n",
     "RCPT TO:<a@b>\r\n"},
    {"two of notify",
     {.address = "a@b", .notify = SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY},
     "RCPT TO:<a@b> NOTIFY=FAILURE,DELAY\r\n",
     "RCPT TO:<a@b>\r\n"},
};

static void expect(const char *name, struct smtp_out *out, const char *want)
{
    if (out->len != strlen(want) || memcmp(out->data + out->start, want, out->len) != 0)
        fail_msg("%s: %.*s", name, (int)out->len, out->data + out->start);
    smtp_out_fini(out);
}

static void test_mail(void **state)
{
    static const struct smtp_rcpt rcpt = {.address = "x@y"};

    (void)state;
    for (size_t i = 0; i < sizeof(mails) / sizeof(mails[0]); i++) {
        for (int offers = 0; offers < 2; offers++) {
            const char *want = offers ? mails[i].to_all : mails[i].to_nothing;
            const struct smtp_extensions *extensions = offers ? &all : &nothing;
            struct smtp_mail mail = mails[i].mail;
            struct smtp_out out = {0};

            mail.rcpts = &rcpt;
            mail.rcpt_count = 1;
            assert_int_equal(smtp_mail_check(&mail), 0);
            if ((smtp_mail_lack(&mail, extensions) == SMTP_LACK_NONE) != (want != NULL))
                fail_msg("%s: lack %d", mails[i].name, smtp_mail_lack(&mail, extensions));
            if (want == NULL)
                continue;
            smtp_mail_command(&mail, extensions, &out);
            expect(mails[i].name, &out, want);
        }
    }
}

static void test_rcpt(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rcpts) / sizeof(rcpts[0]); i++) {
        const struct smtp_mail mail = {.sender = "", .rcpts = &rcpts[i].rcpt, .rcpt_count = 1};
        struct smtp_out out = {0};

        assert_int_equal(smtp_mail_check(&mail), 0);
        smtp_rcpt_command(&rcpts[i].rcpt, &all, &out);
        expect(rcpts[i].name, &out, rcpts[i].to_all);
        smtp_rcpt_command(&rcpts[i].rcpt, &nothing, &out);
        expect(rcpts[i].name, &out, rcpts[i].to_nothing);
    }
}

static void test_lack(void **state)
{
    struct smtp_mail mail = {
        .size = 2000, .body = SMTP_BODY_8BITMIME, .smtputf8 = true, .requiretls = true};
    struct smtp_extensions extensions = {.size = true, .size_limit = 1000};

    (void)state;
    assert_int_equal(smtp_mail_lack(&mail, &extensions), SMTP_LACK_REQUIRETLS);
    extensions.requiretls = true;
    assert_int_equal(smtp_mail_lack(&mail, &extensions), SMTP_LACK_SMTPUTF8);
    extensions.smtputf8 = true;
    assert_int_equal(smtp_mail_lack(&mail, &extensions), SMTP_LACK_8BITMIME);
    extensions.eightbitmime = true;
    assert_int_equal(smtp_mail_lack(&mail, &extensions), SMTP_LACK_SIZE);
    extensions.size_limit = 0;
    assert_int_equal(smtp_mail_lack(&mail, &extensions), SMTP_LACK_NONE);
}

static const struct {
    const char *name;
    const char *address;
    const char *envid, *orcpt;
    unsigned notify;
    bool smtputf8, fits;
} checks[] = {
    {"good", "a@b", "e", "rfc822;a@b", SMTP_NOTIFY_NEVER, false, true},
    {"CR LF in an address", "a\r\nDATA\r\n@b", NULL, NULL, 0, false, false},
    {"LF in quotes", "\"a\n\"@b", NULL, NULL, 0, false, false},
    {"CR after a backslash", "\"a\\\r\"@b", NULL, NULL, 0, false, false},
    {"path ends early", "a@b> SIZE=1", NULL, NULL, 0, false, false},
    {"parameter without an end of the path", "a@b SIZE=1", NULL, NULL, 0, false, false},
    {"second begin of a path", "<a@b", NULL, NULL, 0, false, false},
    {"quotes that do not end", "\"a@b", NULL, NULL, 0, false, false},
    {"quotes that a backslash keeps open", "\"a\\\"@b", NULL, NULL, 0, false, false},
    {"quotes that are over", "\"a\"> X@b", NULL, NULL, 0, false, false},
    {"DEL", "a\x7f@b", NULL, NULL, 0, false, false},
    {"UTF-8", "\xc3\xa4@b", NULL, NULL, 0, false, false},
    {"UTF-8 with smtputf8", "\xc3\xa4@b", NULL, NULL, 0, true, true},
    {"source route", "@c,@d:a@b", NULL, NULL, 0, false, true},
    {"envid with a blank", "a@b", "a b", NULL, 0, false, false},
    {"envid with an equals sign", "a@b", "a=b", NULL, 0, false, false},
    {"envid with a bad escape", "a@b", "a+4", NULL, 0, false, false},
    {"envid with a small escape", "a@b", "a+2b", NULL, 0, false, false},
    {"envid with an escape", "a@b", "a+2B", NULL, 0, false, true},
    {"envid with UTF-8", "a@b", "\xc3\xa4", NULL, 0, true, false},
    {"orcpt without a type", "a@b", NULL, "a@b", 0, false, false},
    {"orcpt with an empty type", "a@b", NULL, ";a@b", 0, false, false},
    {"orcpt with CR LF", "a@b", NULL, "rfc822;a\r\nb", 0, false, false},
    {"orcpt with a blank", "a@b", NULL, "rfc822;a b", 0, false, false},
    {"orcpt of another type", "a@b", NULL, "x400;a", 0, false, true},
    {"orcpt utf-8", "a@b", NULL, "utf-8;\xc3\xa4@b", 0, true, true},
    {"orcpt utf-8 in ASCII", "a@b", NULL, "utf-8;\\x{E4}@b", 0, false, true},
    {"orcpt utf-8 without smtputf8", "a@b", NULL, "utf-8;\xc3\xa4@b", 0, false, false},
    {"orcpt rfc822 beyond ASCII", "a@b", NULL, "rfc822;\xc3\xa4@b", 0, true, false},
    {"never and another", "a@b", NULL, NULL, SMTP_NOTIFY_NEVER | SMTP_NOTIFY_DELAY, false, false},
    {"unknown bit", "a@b", NULL, NULL, 1 << 4, false, false},
};

static void test_check(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        const struct smtp_rcpt rcpt = {checks[i].address, checks[i].orcpt, checks[i].notify};
        struct smtp_mail mail = {.sender = "",
                                 .smtputf8 = checks[i].smtputf8,
                                 .envid = checks[i].envid,
                                 .rcpts = &rcpt,
                                 .rcpt_count = 1};

        if (smtp_mail_check(&mail) != (checks[i].fits ? 0 : -EINVAL))
            fail_msg("%s", checks[i].name);
        if (checks[i].envid == NULL && checks[i].orcpt == NULL && checks[i].notify == 0) {
            const struct smtp_rcpt good = {.address = "a@b"};

            mail.sender = checks[i].address;
            mail.rcpts = &good;
            if (smtp_mail_check(&mail) != (checks[i].fits ? 0 : -EINVAL))
                fail_msg("%s, as sender", checks[i].name);
        }
    }
}

/* Strings of the greatest length, and of one octet more. */
static void test_lengths(void **state)
{
    char address[SMTP_ADDRESS_MAX + 2], envid[SMTP_ENVID_MAX + 2], orcpt[SMTP_ORCPT_MAX + 2];
    const struct smtp_rcpt rcpt = {.address = address, .orcpt = orcpt};
    const struct smtp_mail mail = {.sender = "", .envid = envid, .rcpts = &rcpt, .rcpt_count = 1};
    struct {
        char *text;
        size_t max;
    } texts[] = {{address, SMTP_ADDRESS_MAX}, {envid, SMTP_ENVID_MAX}, {orcpt, SMTP_ORCPT_MAX}};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        memset(texts[i].text, 'a', texts[i].max + 1);
        texts[i].text[texts[i].max] = texts[i].text[texts[i].max + 1] = '\0';
    }
    orcpt[1] = ';';
    assert_int_equal(smtp_mail_check(&mail), 0);
    for (size_t i = 0; i < 3; i++) {
        texts[i].text[texts[i].max] = 'a';
        assert_int_equal(smtp_mail_check(&mail), -EINVAL);
        texts[i].text[texts[i].max] = '\0';
    }
}

static void test_no_recipient(void **state)
{
    const struct smtp_rcpt nobody = {.address = ""};
    struct smtp_mail mail = {.sender = ""};

    (void)state;
    assert_int_equal(smtp_mail_check(&mail), -EINVAL);
    mail.rcpts = &nobody;
    mail.rcpt_count = 1;
    assert_int_equal(smtp_mail_check(&mail), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mail),    cmocka_unit_test(test_rcpt),
        cmocka_unit_test(test_lack),    cmocka_unit_test(test_check),
        cmocka_unit_test(test_lengths), cmocka_unit_test(test_no_recipient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
