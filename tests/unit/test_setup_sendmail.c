/*
 * The checks of a sendmail: sendmail.cf in, findings out. What the probes and the address test mode
 * say is made up here; the lab has the real ones.
 */
#include "setup/sendmail/sendmail.h"

#include "config_text.h"
#include "report_text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char usual[] =
    "# a comment\n"
    "O QueueDirectory=/var/spool/mqueue\n"
    "O DaemonPortOptions=Name=MTA, Family=inet, Port=25\n"
    "O InputMailFilters=requiretls\n"
    "O ConnectionCacheSize=0\n"
    "O CACertFile=/etc/ssl/ca.crt\n"
    "O ServerCertFile=/etc/mail/tls/server.crt\n"
    "O ServerKeyFile=/etc/mail/tls/server.key\n"
    "Kmacro macro\n"
    "Ksts socket -d10 -T<TMPF> unix:/run/requiretls-milter/policy.sock\n"
    "Mesmtp,\t\tP=[IPC], F=mDFMuXa,\n\t\tA=TCP $h\n"
    "Xrequiretls, S=unix:/run/requiretls-milter/milter.sock, F=T, T=C:30s;S:10s;R:60s;E:5m\n";

#define ROUTES_AND(more)                                                                           \
    "O DaemonPortOptions=Name=second, Addr=127.0.0.1, Port=8695, InputMailFilters=\n"              \
    "Mstrict,\t\tP=[IPC], R=untag,\n\t\tA=TCP [127.0.0.1] 8695\n" more                             \
    "SLocal_tls_rcpt\nR$*\t$@ $>Require $1\n"

static const char routes[] = ROUTES_AND("");

struct answers {
    const char *parse; /* of 3,0 */
    const char *try;   /* of /try */
};

static int test_mode(void *arg, const char *lines, char **out, char *err, size_t err_size)
{
    const struct answers *answers = arg;
    const char *answer = lines[0] == '/' ? answers->
    try : answers
        ->parse;

    if (answer == NULL) {
        snprintf(err, err_size, "no such file");
        return -EIO;
    }
    *out = strdup(answer);
    return 0;
}

static int certificates(const char *path)
{
    return strncmp(path, "/etc/ssl/ca", 11) == 0 ||
                   strcmp(path, "/etc/ssl/certs/ca-certificates.crt") == 0 ||
                   strncmp(path, "/etc/mail/tls", 13) == 0
               ? 3
               : -ENOENT;
}

#define PARSED(mailer)                                                                             \
    "Parse0  returns: user < @ example . org >\n"                                                  \
    "parse   returns: $# " mailer                                                                  \
    " $@ host $: user < @ example . org . requiretls . invalid . >\n"
#define TRIED(address) "final returns: user @ example . org\nRcode = 0, addr = " address "\n> "
#define ROUTE "[route strict]\nmethod = recipient\n[default]\nroute = strict\n"

static const struct {
    const char *name;
    const char *remove; /* what a line of the usual begins with */
    const char *add;    /* lines */
    const char *conf;   /* of the filter */
    struct answers answers;
    const char *wanted;
} cases[] = {
    {"in order", NULL, "", "", {0}, ""},
    {"no filter", "Xrequiretls", "", "", {0}, "error milter-service;"},
    {"somebody else's filter",
     "Xrequiretls",
     "Xrequiretls, S=inet:8891@localhost, F=T\n",
     "",
     {0},
     "error milter-service;"},
    {"a filter that nobody asks",
     "O InputMailFilters",
     "O InputMailFilters=other, requiretls2\n",
     "",
     {0},
     "error milter-service;"},
    {"among others", "O InputMailFilters", "O InputMailFilters=other, requiretls\n", "", {0}, ""},
    {"a daemon without",
     NULL,
     "O DaemonPortOptions=Name=MSA, Port=587, InputMailFilters=other\n",
     "",
     {0},
     "warning milter-service;"},
    {"an inner daemon without",
     NULL,
     "O DaemonPortOptions=Name=in, Addr=127.0.0.1, Port=10025, InputMailFilters=\n",
     "",
     {0},
     ""},
    {"no F",
     "Xrequiretls",
     "Xrequiretls, S=/run/requiretls-milter/milter.sock, T=R:60s\n",
     "",
     {0},
     "error milter-default-action;"},
    {"F=R",
     "Xrequiretls",
     "Xrequiretls, S=local:/run/requiretls-milter/milter.sock, F=R\n",
     "",
     {0},
     "warning milter-default-action;"},
    {"a short R",
     "Xrequiretls",
     "Xrequiretls, S=local:/run/requiretls-milter/milter.sock, F=T, T=S:10s;R:4s;E:5m\n",
     "",
     {0},
     "error milter-timeout;"},
    {"a short E",
     "Xrequiretls",
     "Xrequiretls, S=local:/run/requiretls-milter/milter.sock, F=T, T=E:1m\n",
     "",
     {0},
     "error milter-timeout;"},
    {"long ones",
     "Xrequiretls",
     "Xrequiretls, S=local:/run/requiretls-milter/milter.sock, F=T, T=R:1d;E:99999999999999999h\n",
     "",
     {0},
     ""},
    {"the default R is longer than rcpt_wait",
     "Xrequiretls",
     "Xrequiretls, S=local:/run/requiretls-milter/milter.sock, F=T\n",
     "",
     {0},
     ""},
    {"the default R is not",
     "Xrequiretls",
     "Xrequiretls, S=local:/run/requiretls-milter/milter.sock, F=T\n",
     "[milter]\nrcpt_wait = 15s\n",
     {0},
     "error milter-timeout;"},
    {"no map", "Ksts", "", "", {0}, "error map-policy;"},
    {"no map, no MTA-STS", "Ksts", "", "[mta_sts]\nenable = no\n", {0}, ""},
    {"another map",
     "Ksts",
     "Ksts socket -d10 -T<TMPF> inet:8461@localhost\n",
     "",
     {0},
     "error map-policy;"},
    {"no certificate", "O ServerCertFile", "", "", {0}, "warning smtpd-tls;"},
    {"a certificate that is not there",
     "O ServerCertFile",
     "O ServerCertFile=/nowhere\n",
     "",
     {0},
     "warning smtpd-tls;"},
    {"no key", "O ServerKeyFile", "", "", {0}, "warning smtpd-tls;"},
    {"no CA", "O CACertFile", "", "", {0}, "error mta-ca;"},
    {"the last option holds", NULL, "O cacertfile=/nowhere\n", "", {0}, "error mta-ca;"},
    {"a route by header",
     NULL,
     "",
     "[route strict]\nmethod = header\n",
     {0},
     "error route-header;"},
    {"a route", NULL, routes, ROUTE, {PARSED("strict"), TRIED("user@example.org")}, ""},
    {"a tag that is not known",
     NULL,
     routes,
     ROUTE,
     {PARSED("esmtp"), TRIED("user@example.org")},
     "error route-tag;"},
    {"a tag that nobody takes",
     NULL,
     routes,
     ROUTE,
     {"nothing", TRIED("user@example.org")},
     "error route-tag;"},
    {"a mailer that is not there",
     NULL,
     routes,
     ROUTE,
     {PARSED("lost"), TRIED("user@example.org")},
     "error route-transport;"},
    {"a tag that is not taken off",
     NULL,
     routes,
     ROUTE,
     {PARSED("strict"), TRIED("user@example.org.requiretls.invalid")},
     "error route-tag;"},
    {"no address test", NULL, routes, ROUTE, {NULL, NULL}, "unknown route-tag;"},
    {"a daemon that is not there",
     NULL,
     "Mstrict, P=[IPC], R=untag, A=TCP [127.0.0.1] 8695\nSLocal_tls_rcpt\nR$* $@ x\n",
     ROUTE,
     {PARSED("strict"), TRIED("user@example.org")},
     "error route-reinjection;"},
    {"a daemon that sendmail does not run with",
     NULL,
     ROUTES_AND("O DaemonPortOptions=Name=third, Addr=127.0.0.1, Port=8696, InputMailFilters=\n"
                "Mother,\t\tP=[IPC], R=untag,\n\t\tA=TCP [127.0.0.1] 8696\n"),
     ROUTE,
     {PARSED("other"), TRIED("user@example.org")},
     "error route-reinjection;"},
    {"nothing is demanded",
     NULL,
     "Mstrict, P=[IPC], R=untag, A=TCP $h\nSLocal_tls_rcpt\nSother\n",
     ROUTE,
     {PARSED("strict"), TRIED("user@example.org")},
     "error route-can;"},
    {"routes: sendmail cannot requiretls",
     NULL,
     "",
     "[route native]\ncan = sts, requiretls\n",
     {0},
     "error route-can;"},
    {"routes: the delivery agent can",
     NULL,
     "Mrtlsdeliver, P=[IPC], A=FILE /run/requiretls-deliver/strict.sock\n",
     "[route native]\ncan = sts, requiretls\n",
     {0},
     ""},
    {"probe: sendmail passes no REQUIRETLS on",
     NULL,
     "",
     "[probe]\nenable = yes\n",
     {0},
     "warning probe;"},
    {"connections are used again, as sendmail does by itself",
     "O ConnectionCacheSize",
     routes,
     ROUTE,
     {PARSED("strict"), TRIED("user@example.org")},
     "error route-connections;"},
    {"connections are used again",
     NULL,
     ROUTES_AND("O ConnectionCacheSize=2\n"),
     ROUTE,
     {PARSED("strict"), TRIED("user@example.org")},
     "error route-connections;"},
    {"connections are not used again, with blanks",
     "O ConnectionCacheSize",
     ROUTES_AND("O ConnectionCacheSize = 0\n"),
     ROUTE,
     {PARSED("strict"), TRIED("user@example.org")},
     ""},
    {"no DSN",
     NULL,
     ROUTES_AND("O PrivacyOptions=authwarnings,noreceipts\n"),
     ROUTE,
     {PARSED("strict"), TRIED("user@example.org")},
     "error route-bounce;"},
};

/* Nobody listens at port 8696. */
static int connect_port(const char *host, const char *port)
{
    assert_string_equal(host, "127.0.0.1");
    return strcmp(port, "8696") == 0 ? -ECONNREFUSED : 0;
}

/* The usual lines but those that begin so, and more. */
static void compose(const char *remove, const char *add, char *out)
{
    bool found = remove == NULL;

    out[0] = '\0';
    for (const char *line = usual; *line != '\0';) {
        size_t len = strcspn(line, "\n") + 1;

        if (remove == NULL || strncmp(line, remove, strlen(remove)) != 0)
            strncat(out, line, len);
        else
            found = true;
        line += len;
    }
    assert_true(found);
    strcat(out, add);
}

static void each_case(void **state)
{
    unsigned failed = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[4000], seen[500];
        struct setup_report report = {0};
        struct answers answers = cases[i].answers;
        struct config *config = config_from_text(cases[i].conf, "mail.example.org");
        struct setup_sendmail s = {.config = config,
                                   .file = "sendmail.cf",
                                   .test = test_mode,
                                   .test_arg = &answers,
                                   .connect = connect_port,
                                   .certificates = certificates};

        compose(cases[i].remove, cases[i].add, text);
        assert_int_equal(cf_read(&s.cf, text), 0);
        assert_int_equal(setup_sendmail_derive(&s), 0);
        assert_string_equal(s.mta.user, "root");
        for (size_t k = 0; k < s.mta.use_count; k++) {
            s.mta.uses[k].probed = true;
            s.mta.uses[k].probe.stage = SETUP_STAGE_DONE;
            s.mta.uses[k].probe.ours =
                strstr(s.mta.uses[k].address.path, "requiretls-milter") != NULL;
        }
        setup_sendmail_check(&s, &report);
        report_to_text(&report, seen, sizeof(seen));
        if (strcmp(seen, cases[i].wanted) != 0) {
            print_error("%s: wanted `%s`, saw `%s`\n", cases[i].name, cases[i].wanted, seen);
            failed++;
        }
        setup_report_fini(&report);
        setup_sendmail_fini(&s);
        config_unref(config);
    }
    assert_int_equal(failed, 0);
}

static const char rules_file[] =
    "INPUT_MAIL_FILTER(`requiretls',\n\t`S=unix:/run/requiretls-milter/milter.sock')dnl\n"
    "FEATURE(`sts', `socket unix:/run/requiretls-milter/policy.sock')dnl\n"
    "Kenforce_pki socket unix:/run/requiretls-milter/policy.sock\n";

static const struct {
    const char *name;
    const char *remove, *add; /* as above */
    const char *mc;           /* NULL: there is none */
    const char *conf;
    const char *wanted;    /* a command has this */
    const char *forbidden; /* none has this; NULL */
} remedies[] = {
    {"no filter", "Xrequiretls", "",
     "dnl MAILER(`smtp')\nDAEMON_OPTIONS(`Name=MTA')dnl\nMAILER(`smtp')dnl\n", "",
     "sed -i -E '0,/^[[:blank:]]*MAILER(_DEFINITIONS|\\()/s##include(`/etc/mail/requiretls.m4'\\'')"
     "dnl\\n&#' '/etc/mail/sendmail.mc'",
     "DAEMON_OPTIONS"},
    {"the routes of the snippets", "Xrequiretls", "", "MAILER(`smtp')dnl\n", "",
     "install -D -m 0644 " PROJECT_EXAMPLES_DIR "/sendmail/requiretls-milter.conf", NULL},
    {"routes that are there", "Xrequiretls", "", "MAILER(`smtp')dnl\n", ROUTE,
     "make -C '/etc/mail' sendmail.cf", "requiretls-milter.conf"},
    {"sendmail's own listeners stay", "Xrequiretls",
     "O DaemonPortOptions=Name=MTA-v6, Family=inet6\nO DaemonPortOptions=Port=587, Name=MSA, M=E\n",
     "MAILER(`smtp')dnl\n", "", "s##DAEMON_OPTIONS(`Name=MTA-v6, Family=inet6'\\'')dnl\\ninclude(",
     "Name=MSA"},
    {"no MAILER to be seen", "Xrequiretls", "", "DAEMON_OPTIONS(`Name=MTA')dnl\n", "",
     "sed -i -E '$a include(`/etc/mail/requiretls.m4'\\'')dnl'", NULL},
    {"another socket", "Xrequiretls", "", "MAILER(`smtp')dnl\n",
     "[milter]\nsocket = inet:8890@127.0.0.1\n",
     "sed -i 's#unix:/run/requiretls-milter/milter.sock#inet:8890@127.0.0.1#g'", NULL},
    {"another socket, of IPv6", "Xrequiretls", "", "MAILER(`smtp')dnl\n",
     "[milter]\nsocket = inet6:8890@::1\n",
     "sed -i 's#unix:/run/requiretls-milter/milter.sock#inet6:8890@::1#g'", NULL},
    {"a socket that m4 would not take", "Xrequiretls", "", "MAILER(`smtp')dnl\n",
     "[milter]\nsocket = unix:/run/it's`$(id)`/milter.sock\n",
     "# in '/etc/mail/requiretls.m4': unix:/run/it's`$(id)`/milter.sock instead of",
     "s#unix:/run/requiretls-milter/milter"},
    {"a filter by hand with our socket", "Ksts", "",
     "INPUT_MAIL_FILTER(`mine', `S=x')dnl\nMAILER(`smtp')dnl\n", "", "install --backup=numbered",
     "(`mine'"},
    {"a map by hand", "Ksts", "", "FEATURE(`sts', `hash /etc/mail/sts')dnl\nMAILER(`smtp')dnl\n",
     "", "FEATURE\\(`sts'\\''[^)]*\\)#\\1#g' '/etc/mail/sendmail.mc'", NULL},
    {"no F", "Xrequiretls", "Xrequiretls, S=/run/requiretls-milter/milter.sock, T=R:60s\n",
     rules_file, "[milter]\nrcpt_wait = 70s\neom_wait = 400s\n",
     "`S=unix:/run/requiretls-milter/milter.sock, F=T, T=C:30s;S:10s;R:80s;E:410s'\\''#g' "
     "'/etc/mail/sendmail.mc'",
     "install"},
    {"no F, in a file that is not found", "Xrequiretls",
     "Xrequiretls, S=/run/requiretls-milter/milter.sock\n",
     "dnl INPUT_MAIL_FILTER(`requiretls', `'\n", "",
     "# in the file that /etc/mail/sendmail.cf is made from: INPUT_MAIL_FILTER(", "sed"},
    {"a filter with a strange name", "Xrequiretls",
     "Xx`$(id)', S=/run/requiretls-milter/milter.sock\nO InputMailFilters=x`$(id)'\n",
     "MAIL_FILTER(`x`$(id)'', `S=x')\n", "", "# in the file that", "sed"},
    {"among others", "O InputMailFilters", "O InputMailFilters=one, two\n", "", "",
     "'$a define(`confINPUT_MAIL_FILTERS'\\'', `requiretls, one, two'\\'')dnl' "
     "'/etc/mail/sendmail.mc'",
     NULL},
    {"a listener with others", NULL, "O DaemonPortOptions=Name=MSA, InputMailFilters=other\n",
     "DAEMON_OPTIONS(`Name=MSA, InputMailFilters=other')dnl\n", "",
     "s#InputMailFilters=([^,'\\'' \\t])#InputMailFilters=requiretls;\\1#", NULL},
    {"a map at another socket", "Ksts", "Ksts socket -d10 unix:/run/other.sock\n",
     "FEATURE(`sts', `socket unix:/run/other.sock')\n", "",
     "s#unix:/run/other\\.sock([^[:alnum:]_./-]|$)#unix:/run/requiretls-milter/policy.sock\\1#g",
     NULL},
    {"no sendmail.mc", "Xrequiretls", "", NULL, "", NULL, "sed"},
    {"no sendmail.mc, an option", "O CACertFile", "", NULL, "",
     "# in the file that /etc/mail/sendmail.cf is made from: define(`confCACERT', "
     "`/etc/ssl/certs/ca-certificates.crt')dnl",
     "sed"},
    {"noreceipts", NULL, ROUTES_AND("O PrivacyOptions=noreceipts, authwarnings,noreceipts\n"), "",
     ROUTE, "define(`confPRIVACY_FLAGS'\\'', `authwarnings'\\'')dnl", NULL},
    {"a route by header", NULL, "", "", "[route strict]\nmethod = header\n",
     "'/^\\[route strict\\]/a local = reinject'", NULL},
    {"no server is ever probed", NULL, "", "", "[probe]\nenable = yes\n", "enable = auto", NULL},
    {"a [default] that is there", "Xrequiretls", "", "MAILER(`smtp')dnl\n", "[default]\n",
     "grep -q '^\\[route strict\\]' '" CONFIG_DEFAULT_PATH
     "' || { echo; sed -n '/^\\[route /,$p' " PROJECT_EXAMPLES_DIR
     "/sendmail/requiretls-milter.conf; } >>'" CONFIG_DEFAULT_PATH "'",
     "/^\\[default\\]/,$p"},
    {"a sendmail.mc that does not include cf.m4", "O CACertFile", "", "define(`x', `y')dnl\n", "",
     "# make /etc/mail/sendmail.cf of /etc/mail/sendmail.mc, as it was made before", "m4 '"},
    {"a listener that asks the filter already, by an earlier paste", NULL,
     "O DaemonPortOptions=Name=MSA, InputMailFilters=other\n",
     "DAEMON_OPTIONS(`Name=MSA, InputMailFilters=other')dnl\n", "",
     "{\\#InputMailFilters=([^,'\\'']*;)?requiretls[;,'\\'' \\t]#b;", NULL},
};

/* All commands of what is wrong. */
static void commands_of(const struct setup_report *report, char *out, size_t size)
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < report->count && len < size; i++) {
        const struct setup_finding *finding = &report->items[i];

        len += (size_t)snprintf(out + len, size - len, "%s%s",
                                finding->commands != NULL ? finding->commands : "",
                                finding->reloads != NULL ? finding->reloads : "");
    }
    assert_true(len < size);
}

static void each_remedy(void **state)
{
    unsigned failed = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(remedies) / sizeof(remedies[0]); i++) {
        char text[4000], seen[20000];
        struct setup_report report = {.config_text =
                                          remedies[i].conf[0] != '\0' ? remedies[i].conf : NULL};
        struct answers answers = {PARSED("strict"), TRIED("user@example.org")};
        struct config *config = config_from_text(remedies[i].conf, "mail.example.org");
        struct setup_sendmail s = {.config = config,
                                   .file = "/etc/mail/sendmail.cf",
                                   .test = test_mode,
                                   .test_arg = &answers,
                                   .connect = connect_port,
                                   .certificates = certificates,
                                   .makefile = strstr(remedies[i].name, "cf.m4") == NULL};

        if (remedies[i].mc != NULL)
            s.sources[s.source_count++] =
                (struct setup_source){"/etc/mail/sendmail.mc", remedies[i].mc};
        compose(remedies[i].remove, remedies[i].add, text);
        assert_int_equal(cf_read(&s.cf, text), 0);
        assert_int_equal(setup_sendmail_derive(&s), 0);
        setup_sendmail_check(&s, &report);
        commands_of(&report, seen, sizeof(seen));
        if ((remedies[i].wanted != NULL && strstr(seen, remedies[i].wanted) == NULL) ||
            (remedies[i].forbidden != NULL && strstr(seen, remedies[i].forbidden) != NULL)) {
            print_error("%s: wanted `%s`, not `%s`, saw `%s`\n", remedies[i].name,
                        remedies[i].wanted, remedies[i].forbidden, seen);
            failed++;
        }
        setup_report_fini(&report);
        setup_sendmail_fini(&s);
        config_unref(config);
    }
    assert_int_equal(failed, 0);
}

/* What takes the sockets elsewhere: every remedy after it names the new places. */
static void test_directories(void **state)
{
    static const struct {
        const char *directory, *group;
        bool open;
        const char *wanted, *forbidden;
    } rows[] = {
        {NULL, NULL, false, "install --backup", "socket ="},
        {NULL, "postfix", false, "|socket = unix:/run/requiretls-milter/milter.sock|",
         "instead of unix"},
        {"/var/spool/postfix/x", NULL, false, "|socket_group = |", "s#unix:/run/requiretls"},
        {NULL, NULL, true, "|listen = unix:/run/requiretls-milter/policy.sock|", NULL},
        {"/srv/it's", NULL, false, "install -d -o 'nobody' -m 0755 '/srv/it'\\''s'", "|socket ="},
    };
    static const char conf[] = "[milter]\nuser = nobody\nsocket = unix:/srv/it/milter.sock\n"
                               "socket_group = postfix\n"
                               "[socketmap]\nlisten = unix:/srv/it/policy.sock\n";

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[4000], seen[20000];
        struct setup_report report = {.config_text = conf};
        struct config *config = config_from_text(conf, "mail.example.org");
        struct setup_sendmail s = {
            .config = config,
            .file = "/etc/mail/sendmail.cf",
            .certificates = certificates,
            .missing_directory = rows[i].directory,
            .missing_group = rows[i].group,
            .open_directory = rows[i].open,
            .sources = {{"/etc/mail/sendmail.mc",
                         "include(`/etc/mail/mailers.m4')\nMAILER(`local')dnl\n"},
                        {"/etc/mail/mailers.m4", "MAILER(`smtp')dnl\n"}},
            .source_count = 2};

        compose("Xrequiretls", "", text);
        assert_int_equal(cf_read(&s.cf, text), 0);
        assert_int_equal(setup_sendmail_derive(&s), 0);
        setup_sendmail_check(&s, &report);
        commands_of(&report, seen, sizeof(seen));
        if (strstr(seen, "\\n&#' '/etc/mail/mailers.m4'") == NULL)
            fail_msg("row %zu: not before the first MAILER: `%s`", i, seen);
        if (strstr(seen, rows[i].wanted) == NULL ||
            (rows[i].forbidden != NULL && strstr(seen, rows[i].forbidden) != NULL))
            fail_msg("row %zu: wanted `%s`, saw `%s`", i, rows[i].wanted, seen);
        setup_report_fini(&report);
        setup_sendmail_fini(&s);
        config_unref(config);
    }
}

static void test_fields(void **state)
{
    static const char text[] = "S=unix:/x, F = ignored, F=T ,T=C:30s;S:10s";
    char out[20];

    (void)state;
    assert_true(cf_field(text, "S", out, sizeof(out)));
    assert_string_equal(out, "unix:/x");
    assert_true(cf_field(text, "F", out, sizeof(out)));
    assert_string_equal(out, "T");
    assert_true(cf_field(text, "T", out, sizeof(out)));
    assert_string_equal(out, "C:30s;S:10s");
    assert_false(cf_field(text, "E", out, sizeof(out)));
    assert_string_equal(out, "");
    assert_true(cf_field("Name=MTA, Addr=127.0.0.1", "Addr", out, sizeof(out)));
    assert_string_equal(out, "127.0.0.1");
    assert_true(cf_field("N=MTA, P=25", "Port", out, sizeof(out)));
    assert_string_equal(out, "25");
    assert_true(cf_list_has("a, b;c", "b"));
    assert_true(cf_list_has("a, b;c", "c"));
    assert_false(cf_list_has("ab", "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_case), cmocka_unit_test(each_remedy),
                                       cmocka_unit_test(test_directories),
                                       cmocka_unit_test(test_fields)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
