/* Commands of an LMTP client: what they say, and which are refused. */
#include "deliver/lmtp_command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A500 A50 A50 A50 A50 A50 A50 A50 A50 A50 A50

/* `said`: what was understood, as shown by show(); or the code that refuses it. */
static const struct {
    const char *line;
    const char *said;
} cases[] = {
    {"LHLO mail.example.org", "LHLO"},
    {"lhlo [192.0.2.1]", "LHLO"},
    {"LHLO", "501 5.5.4"},
    {"LHLO ", "501 5.5.4"},
    {"EHLO mail.example.org", "500 5.5.1"},
    {"HELO mail.example.org", "500 5.5.1"},
    {"DATA", "DATA"},
    {"data ", "DATA"},
    {"DATA now", "501 5.5.4"},
    {"RSET", "RSET"},
    {"RSET x", "501 5.5.4"},
    {"QUIT", "QUIT"},
    {"QUIT x", "501 5.5.4"},
    {"NOOP", "NOOP"},
    {"NOOP whatever", "NOOP"},
    {"VRFY bob", "VRFY"},
    {"", "500 5.5.1"},
    {" MAIL FROM:<a@b.c>", "500 5.5.1"},
    {"MAILFROM:<a@b.c>", "500 5.5.1"},
    {"BDAT 10 LAST", "500 5.5.1"},
    {"STARTTLS", "500 5.5.1"},
    {"NOOP \r", "500 5.5.2"},
    {"MAIL FROM:<a@b.c>\tSIZE=1", "500 5.5.2"},

    {"MAIL FROM:<>", "MAIL <>"},
    {"MAIL FROM:<a@b.c>", "MAIL <a@b.c>"},
    {"mail from: <a@b.c>", "MAIL <a@b.c>"},
    {"MAIL FROM:<a@b.c> SIZE=0", "MAIL <a@b.c>"},
    {"MAIL FROM:<a@b.c> SIZE=18446744073709551610", "501 5.5.4"},
    {"MAIL FROM:<a@b.c> SIZE=1844674407370955160", "MAIL <a@b.c> size=1844674407370955160"},
    {"MAIL FROM:<a@b.c> SIZE=99999999999999999999", "501 5.5.4"},
    {"MAIL FROM:<a@b.c> SIZE=1x", "501 5.5.4"},
    {"MAIL FROM:<a@b.c> SIZE=-1", "501 5.5.4"},
    {"MAIL FROM:<a@b.c> SIZE=", "501 5.5.4"},
    {"MAIL FROM:<a@b.c> SIZE", "501 5.5.4"},
    {"MAIL FROM:<a@b.c> BODY=8bitmime", "MAIL <a@b.c> 8BITMIME"},
    {"MAIL FROM:<a@b.c> BODY=7BIT", "MAIL <a@b.c> 7BIT"},
    {"MAIL FROM:<a@b.c> BODY=BINARYMIME", "501 5.5.4"},
    {"MAIL FROM:<a@b.c> SMTPUTF8", "MAIL <a@b.c> SMTPUTF8"},
    {"MAIL FROM:<a@b.c> SMTPUTF8=x", "501 5.5.4"},
    {"MAIL FROM:<a@b.c> REQUIRETLS", "MAIL <a@b.c> REQUIRETLS"},
    {"MAIL FROM:<a@b.c> REQUIRETLS=", "501 5.5.4"},
    {"MAIL FROM:<a@b.c> REQUIRETLS=yes", "501 5.5.4"},
    {"MAIL FROM:<a@b.c> RET=full ENVID=QQ+2B1", "MAIL <a@b.c> RET=FULL ENVID=QQ+2B1"},
    {"MAIL FROM:<a@b.c> RET=HDRS", "MAIL <a@b.c> RET=HDRS"},
    {"MAIL FROM:<a@b.c> RET=ALL", "501 5.5.4"},
    {"MAIL FROM:<a@b.c> ENVID=", "501 5.5.4"},
    {"MAIL FROM:<a@b.c> ENVID=a+zz", "501 5.5.4"},
    {"MAIL FROM:<a@b.c> ENVID=a=b", "501 5.5.4"},
    {"MAIL FROM:<a@b.c> AUTH=<>", "MAIL <a@b.c>"},
    {"MAIL FROM:<a@b.c> AUTH=a+40b", "MAIL <a@b.c>"},
    {"MAIL FROM:<a@b.c> AUTH", "501 5.5.4"},
    {"MAIL FROM:<a@b.c>  SIZE=5  BODY=7BIT ", "MAIL <a@b.c> size=5 7BIT"},
    {"MAIL FROM:<a@b.c> SIZE=5 size=6", "501 5.5.4"},
    {"MAIL FROM:<a@b.c> BY=120;R", "555 5.5.4"},
    {"MAIL FROM:<a@b.c> XFORWARD=x", "555 5.5.4"},
    {"MAIL FROM:<a@b.c>SIZE=5", "501 5.5.4"},
    {"MAIL FROM:a@b.c", "501 5.5.4"},
    {"MAIL FROM:<a@b.c", "501 5.5.4"},
    {"MAIL FROM:", "501 5.5.4"},
    {"MAIL", "501 5.5.4"},
    {"MAIL TO:<a@b.c>", "501 5.5.4"},
    {"MAIL FROM:<@x,@y:a@b.c>", "501 5.1.7"},
    {"MAIL FROM:<a b@c.d>", "501 5.1.7"},
    {"MAIL FROM:<\"a b\"@c.d>", "MAIL <\"a b\"@c.d>"},
    {"MAIL FROM:<\"a> \"@c.d> SIZE=7", "MAIL <\"a> \"@c.d> size=7"},
    {"MAIL FROM:<\"a\\\"> \"@c.d> SIZE=7", "MAIL <\"a\\\"> \"@c.d> size=7"},
    {"MAIL FROM:<\"a@c.d> SIZE=7", "501 5.5.4"},
    {"MAIL FROM:<a<b@c.d>", "501 5.1.7"},
    {"MAIL FROM:<j\xc3\xbcrg@b.c>", "553 5.6.7"},
    {"MAIL FROM:<j\xc3\xbcrg@b.c> SMTPUTF8", "MAIL <j\xc3\xbcrg@b.c> SMTPUTF8"},
    {"MAIL FROM:<" A500 "@b.c>", "MAIL <" A500 "@b.c>"},
    {"MAIL FROM:<" A500 A500 "@b.c>", "501 5.1.7"},

    {"RCPT TO:<bob@example.org>", "RCPT <bob@example.org>"},
    {"RCPT TO:<postmaster>", "RCPT <postmaster>"},
    {"RCPT TO:<>", "501 5.1.3"},
    {"RCPT TO:<@x:bob@example.org>", "501 5.1.3"},
    {"RCPT TO:<b> NOTIFY=never", "RCPT <b> notify=1"},
    {"RCPT TO:<b> NOTIFY=SUCCESS,FAILURE,DELAY", "RCPT <b> notify=14"},
    {"RCPT TO:<b> NOTIFY=FAILURE,FAILURE", "RCPT <b> notify=4"},
    {"RCPT TO:<b> NOTIFY=NEVER,DELAY", "501 5.5.4"},
    {"RCPT TO:<b> NOTIFY=", "501 5.5.4"},
    {"RCPT TO:<b> NOTIFY=SUCCESS,", "501 5.5.4"},
    {"RCPT TO:<b> NOTIFY", "501 5.5.4"},
    {"RCPT TO:<b> ORCPT=rfc822;bob+40x", "RCPT <b> orcpt=rfc822;bob+40x"},
    {"RCPT TO:<b> ORCPT=bob", "501 5.5.4"},
    {"RCPT TO:<b> ORCPT=", "501 5.5.4"},
    {"RCPT TO:<b> ORCPT=rfc822;a=b", "501 5.5.4"},
    {"RCPT TO:<b> ORCPT=utf-8;j\xc3\xbcrg", "553 5.6.7"},
    {"RCPT TO:<j\xc3\xbcrg@b.c>", "553 5.6.7"},
    {"RCPT TO:<b> SIZE=5", "555 5.5.4"},
    {"RCPT FROM:<b>", "501 5.5.4"},
};

static void show(const struct lmtp_command *c, char *out, size_t size)
{
    static const char *const names[] = {"LHLO", "MAIL", "RCPT", "DATA", "RSET",
                                        "NOOP", "VRFY", "QUIT", "?"};
    static const char *const bodies[] = {"", " 7BIT", " 8BITMIME"};
    static const char *const rets[] = {"", " RET=FULL", " RET=HDRS"};
    const struct smtp_mail *m = &c->mail;
    char number[40] = "";

    if (c->refused.code != 0) {
        snprintf(out, size, "%d %s", c->refused.code, c->refused.enhanced);
        return;
    }
    if (m->size != 0)
        snprintf(number, sizeof(number), " size=%llu", (unsigned long long)m->size);
    if (c->rcpt.notify != 0)
        snprintf(number, sizeof(number), " notify=%u", c->rcpt.notify);
    if (c->verb == LMTP_VERB_MAIL)
        snprintf(out, size, "MAIL <%s>%s%s%s%s%s%s%s", m->sender, number, bodies[m->body],
                 m->smtputf8 ? " SMTPUTF8" : "", m->requiretls ? " REQUIRETLS" : "", rets[m->ret],
                 m->envid != NULL ? " ENVID=" : "", m->envid != NULL ? m->envid : "");
    else if (c->verb == LMTP_VERB_RCPT)
        snprintf(out, size, "RCPT <%s>%s%s%s", c->rcpt.address, number,
                 c->rcpt.orcpt != NULL ? " orcpt=" : "",
                 c->rcpt.orcpt != NULL ? c->rcpt.orcpt : "");
    else
        snprintf(out, size, "%s", names[c->verb]);
}

static void expect(const char *line, size_t len, bool smtputf8, const char *said)
{
    char *copy = malloc(len + 1), shown[2100];
    struct lmtp_command command;

    memcpy(copy, line, len);
    copy[len] = '\0';
    lmtp_command_parse(copy, len, smtputf8, &command);
    show(&command, shown, sizeof(shown));
    if (strcmp(shown, said) != 0)
        fail_msg("%s: %s, wanted %s", line, shown, said);
    free(copy);
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect(cases[i].line, strlen(cases[i].line), false, cases[i].said);
}

static void test_smtputf8(void **state)
{
    static const char address[] = "RCPT TO:<j\xc3\xbcrg@b.c>";
    static const char orcpt[] = "RCPT TO:<b> ORCPT=utf-8;j\xc3\xbcrg";

    (void)state;
    expect(address, strlen(address), true, "RCPT <j\xc3\xbcrg@b.c>");
    expect(orcpt, strlen(orcpt), true, "RCPT <b> orcpt=utf-8;j\xc3\xbcrg");
}

static void test_null_octet(void **state)
{
    (void)state;
    expect("RCPT TO:<b>\0@x>", 15, false, "500 5.5.2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_smtputf8),
        cmocka_unit_test(test_null_octet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
