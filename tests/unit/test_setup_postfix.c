/*
 * The checks of a Postfix: configurations as postconf prints them in, findings out. What the probes
 * and tables say is made up here; the lab has the real ones.
 */
#include "setup/postfix/postfix_checks.h"

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

#define MILTER "unix:requiretls-milter/milter.sock"
#define MAPS "socketmap:unix:requiretls-milter/policy.sock:"

/* What every configuration of the filter has; [milter] may go on with the lines of a case. */
static const char filter_conf[] =
    "[socketmap]\nlisten = unix:/var/spool/postfix/requiretls-milter/policy.sock\n%s"
    "[milter]\nsocket = unix:/var/spool/postfix/requiretls-milter/milter.sock\n%s%s";

/* What is the same in all versions. */
static const char parameters[] = "compatibility_level = 3.6\n"
                                 "mail_owner = postfix\n"
                                 "local_transport = local:mail.example.org\n"
                                 "virtual_transport = virtual\n"
                                 "relay_transport = relay\n"
                                 "default_transport = smtp\n"
                                 "cleanup_service_name = cleanup\n"
                                 "queue_directory = /var/spool/postfix\n"
                                 "smtpd_milters = " MILTER "\n"
                                 "non_smtpd_milters = " MILTER "\n"
                                 "internal_mail_filter_classes = bounce\n"
                                 "milter_default_action = tempfail\n"
                                 "milter_protocol = 6\n"
                                 "milter_command_timeout = 30s\n"
                                 "smtp_dns_support_level = dnssec\n"
                                 "smtp_tls_security_level = dane\n"
                                 "smtp_tls_CAfile = /etc/ssl/certs/ca-certificates.crt\n"
                                 "smtp_tls_policy_maps = " MAPS "QUERY\n"
                                 "smtpd_tls_security_level = may\n"
                                 "smtpd_tls_chain_files = /etc/ssl/mail.pem\n"
                                 "smtpd_command_filter =\n";

static const char parameters311[] = "requiretls_enable = yes\n"
                                    "requiretls_esmtp_header = no\n"
                                    "requiretls_redact_dsn = yes\n"
                                    "smtp_requiretls_policy = " MAPS "requiretls, enforce\n";

#define SERVICE(id, name, type, chroot, limit, command)                                            \
    id "/service = " name "\n" id "/type = " type "\n" id "/private = -\n" id                      \
       "/unprivileged = -\n" id "/chroot = " chroot "\n" id "/wakeup = -\n" id                     \
       "/process_limit = " limit "\n" id "/command = " command "\n"

static const char services[] = SERVICE("smtp/inet", "smtp", "inet", "y", "-", "smtpd")
    SERVICE("submission/inet", "submission", "inet", "y", "-",
            "smtpd -o x=y") SERVICE("pickup/unix", "pickup", "unix", "y", "1", "pickup")
        SERVICE("cleanup/unix", "cleanup", "unix", "y", "0",
                "cleanup") SERVICE("rewrite/unix", "rewrite", "unix", "y", "-", "trivial-rewrite")
            SERVICE("proxymap/unix", "proxymap", "unix", "-", "-", "proxymap")
                SERVICE("smtp/unix", "smtp", "unix", "y", "-", "smtp")
                    SERVICE("relay/unix", "relay", "unix", "y", "-", "smtp")
                        SERVICE("strict/unix", "strict", "unix", "y", "-", "smtp")
                            SERVICE("local/unix", "local", "unix", "n", "-", "local")
                                SERVICE("virtual/unix", "virtual", "unix", "n", "-", "virtual")
                                    SERVICE("lmtp/unix", "lmtp", "unix", "n", "-", "lmtp")
                                        SERVICE("store/unix", "store", "unix", "n", "-", "lmtp")
                                            SERVICE("lists/unix", "lists", "unix", "n", "-", "pipe")
                                                SERVICE("10025/inet", "127.0.0.1:10025", "inet",
                                                        "n", "-", "smtpd")
                                                    SERVICE("10027/inet", "127.0.0.1:10027", "inet",
                                                            "n", "-", "smtpd");

static const char postscreen[] = SERVICE("smtpd/pass", "smtpd", "pass", "y", "-", "smtpd");

static const char own[] = "strict/unix/smtp_tls_policy_maps = " MAPS "enforce\n"
                          "strict/unix/smtp_delivery_status_filter = regexp:/status\n"
                          "10025/inet/smtpd_milters =\n"
                          "10027/inet/smtpd_milters =\n";

/* Postfix before 3.11 takes REQUIRETLS by a table, and only where a filter follows. */
#define COMMAND "smtpd_command_filter = regexp:/etc/postfix/requiretls_command\n"
static const char own_older[] =
    "smtp/inet/" COMMAND "submission/inet/" COMMAND "smtpd/pass/" COMMAND;

#define SIMPLE "MAIL FROM:<sender@example.org>"
#define QUOTED "MAIL FROM:<\"a>b\"@example.org>"
#define MARKER " SIZE=00000000000000008689"

/* The delivery agent, behind the transport store. */
#define AGENT                                                                                      \
    "milter_header_checks = regexp:/routes\nsmtp_header_checks = regexp:/tickets\n"                \
    "myhostname = mail.example.org\nsmtp_helo_name = $myhostname\nsmtp_sasl_auth_enable = no\n"    \
    "smtp_destination_rate_delay = $default_destination_rate_delay\n"                              \
    "store_destination_recipient_limit = 1\n"                                                      \
    "store_destination_concurrency_failed_cohort_limit = 0\n"                                      \
    "store_destination_concurrency_negative_feedback = 0\n"
#define STORE "store/unix/lmtp_data_done_timeout = 3600s\n"
#define TO_AGENT "[route deliver]\nmethod = header\nagent = yes\n[default]\nroute = deliver\n"

/* Postfix 3.11 marks what is reinjected. */
#define MARKS "cleanup/unix/requiretls_esmtp_header = yes\n"

/* Tables: name, key, result. */
static const char *const tables[][3] = {
    {"regexp:/etc/postfix/requiretls_command", SIMPLE " REQUIRETLS", SIMPLE MARKER},
    {"regexp:/etc/postfix/requiretls_command", QUOTED " REQUIRETLS", QUOTED MARKER},
    {"regexp:/marker", SIMPLE " REQUIRETLS", SIMPLE " SIZE=1"},
    {"regexp:/marker", QUOTED " REQUIRETLS", QUOTED " SIZE=1"},
    {"regexp:/cuts", SIMPLE " REQUIRETLS", SIMPLE MARKER},
    {"regexp:/cuts", QUOTED " REQUIRETLS", "MAIL FROM:<\"a>" MARKER " b\"@example.org>"},
    {"regexp:/simple", SIMPLE " REQUIRETLS", SIMPLE MARKER},
    {"cidr:/milters", "127.0.0.1", "DISABLE"},
    {"regexp:/routes", "X-REQUIRETLS-Route: strict", "FILTER strict:"},
    {"regexp:/routes", "X-REQUIRETLS-Route: lost", "FILTER lost:"},
    {"regexp:/routes", "X-REQUIRETLS-Route: loop", "FILTER smtp:[127.0.0.1]:10025"},
    {"regexp:/routes", "X-REQUIRETLS-Route: away", "FILTER smtp:[192.0.2.1]:10025"},
    {"regexp:/routes", "X-REQUIRETLS-Route: nobody", "FILTER smtp:[127.0.0.1]:10026"},
    {"regexp:/routes", "X-REQUIRETLS-Route: unloaded", "FILTER smtp:[127.0.0.1]:10027"},
    {"regexp:/routes", "X-REQUIRETLS-Route: hold", "HOLD"},
    {"regexp:/routes", "X-REQUIRETLS-Route: deliver",
     "FILTER store:unix:requiretls-deliver/lmtp.sock"},
    {"regexp:/routes", "X-REQUIRETLS-Route: deliver-too",
     "FILTER store:unix:requiretls-deliver/lmtp.sock"},
    {"regexp:/routes", "X-REQUIRETLS-Route: nosocket", "FILTER store:"},
    {"regexp:/tickets", "X-REQUIRETLS-Ticket: x", "IGNORE"},
    {"regexp:/status", "4.7.5 Server certificate not verified", "5.7.10 No REQUIRETLS there"},
    {"regexp:/other-status", "4.7.5 Server certificate not verified", "4.7.5 Not now"},
    {"regexp:/transport", "user@example.org.requiretls.invalid", "strict:example.org"},
    {"regexp:/empty", "user@example.org.requiretls.invalid", "strict:"},
    {"hash:/transport", ".requiretls.invalid", "strict:[gateway.example.org]"},
    {"regexp:/generic", "user@example.org.requiretls.invalid", "user@example.org"},
};

static int lookup(void *arg, const char *table, const char *key, char *out, size_t size)
{
    (void)arg;
    if (strcmp(table, "regexp:/broken") == 0) {
        snprintf(out, size, "no such file");
        return -EIO;
    }
    if (strcmp(table, "regexp:/lost") == 0) {
        snprintf(out, size, "open /lost: No such file or directory");
        return -ENOENT;
    }
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        if (strcmp(tables[i][0], table) == 0 && strcmp(tables[i][1], key) == 0) {
            snprintf(out, size, "%s", tables[i][2]);
            return 1;
        }
    }
    return 0;
}

/* What tables hold that can be listed: name, a value. */
static const char *const contents[][2] = {
    {"cidr:/milters", MILTER},
    {"cidr:/milters", "DISABLE"},
    {"hash:/ours", MILTER},
    {"hash:/ours", "{ " MILTER ", connect_timeout=3s }, inet:localhost:8891"},
    {"hash:/others", "inet:localhost:8891"},
    {"hash:/transports", "smtp:[gateway.example.org]"},
    {"hash:/transports", ":[gateway.example.org]"},
    {"hash:/lists", "lists:"},
};

static int values(void *arg, const char *table, setup_value_fn take, void *take_arg)
{
    (void)arg;
    if (strstr(table, ":/lost") != NULL)
        return -ENOENT;
    if (strncmp(table, "ldap:", 5) == 0)
        return -ENOTSUP;
    for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
        if (strcmp(contents[i][0], table) == 0)
            take(take_arg, contents[i][1]);
    }
    return 0;
}

/* Nobody listens at port 10027, whatever master.cf has. */
static int connect_port(const char *host, const char *port)
{
    assert_string_equal(host, "127.0.0.1");
    return strcmp(port, "10027") == 0 ? -ECONNREFUSED : 0;
}

/* Proxies by their ports; what they hand on comes to the filter. */
static int proxy(const char *where, const char *parameter, const char *recipient, char *text,
                 size_t size)
{
    assert_string_equal(parameter, "SIZE=00000000000000008689");
    assert_string_equal(recipient, "setup-check@example.org.requiretls.invalid");
    if (strcmp(where, "127.0.0.1:10024") == 0)
        snprintf(text, size, "5.1.2 <x>: rejected: reserved domain, REQUIRETLS was asked for");
    else if (strcmp(where, "inet:127.0.0.1:10026") == 0)
        snprintf(text, size, "from MTA: 550 5.1.2 <x>: rejected: reserved domain");
    else if (strcmp(where, "unix:/var/spool/postfix/proxy") == 0)
        snprintf(text, size, "2.0.0 Ok");
    else
        return -ECONNREFUSED;
    return where[0] == 'u' ? 250 : 550;
}

static bool is_dead(const char *dead, const char *how)
{
    return strncmp(dead, how, strlen(how)) == 0;
}

/* As probe() below has it; the case names what the agent's socket is not. */
static void try_use(void *arg, struct setup_use *use)
{
    const char *const *dead = arg;

    assert_int_equal(use->address.kind, SETUP_LMTP);
    use->probed = true;
    use->probe = (struct setup_probe){.stage = SETUP_STAGE_DONE, .ours = true};
    snprintf(use->probe.where, sizeof(use->probe.where), "%s", use->address.path);
    if (*dead == NULL || !is_dead(*dead, "agent "))
        return;
    if (is_dead(*dead, "agent stopped")) {
        use->probe.stage = SETUP_STAGE_CONNECT;
        use->probe.error = ECONNREFUSED;
    } else if (is_dead(*dead, "agent absent")) {
        use->probe.stage = SETUP_STAGE_PATH;
        use->probe.error = ENOENT;
    } else if (is_dead(*dead, "agent directory")) {
        use->probe.stage = SETUP_STAGE_PATH;
        use->probe.error = EACCES;
        use->probe.mode = S_IFDIR | 0700;
        strcpy(use->probe.where, "requiretls-deliver");
    } else if (is_dead(*dead, "agent socket")) {
        use->probe.stage = SETUP_STAGE_CONNECT;
        use->probe.error = EACCES;
        use->probe.mode = S_IFSOCK | 0600;
    } else if (is_dead(*dead, "agent silent")) {
        use->probe.stage = SETUP_STAGE_ANSWER;
    } else {
        use->probe.ours = false;
        strcpy(use->probe.reply, "220 Dovecot ready.");
    }
}

static int certificates(void *arg, const char *path)
{
    (void)arg;
    if (strcmp(path, "/etc/ssl/certs/ca-certificates.crt") == 0 ||
        strcmp(path, "/var/spool/postfix/etc/ssl/certs") == 0)
        return 140;
    if (strcmp(path, "/etc/ssl/mail.pem") == 0)
        return 2;
    return strcmp(path, "/etc/ssl/key.pem") == 0 ? 0 : -ENOENT;
}

/* All sockets answer, but for those of the paths that the case names. */
static void probe(struct setup_postfix *postfix, const char *dead)
{
    for (size_t i = 0; i < postfix->mta.use_count; i++) {
        struct setup_use *use = &postfix->mta.uses[i];

        use->probed = true;
        use->probe.stage = SETUP_STAGE_DONE;
        use->probe.ours = strstr(use->address.path, "requiretls-milter") != NULL;
        snprintf(use->probe.where, sizeof(use->probe.where), "%s", use->address.path);
        strcpy(use->probe.reply, "NOTFOUND ");
        if (dead != NULL && strstr(use->address.path, dead) != NULL)
            use->probe = (struct setup_probe){.stage = SETUP_STAGE_PATH, .error = ENOENT};
    }
}

struct fixture {
    struct setup_postfix postfix;
    struct config *config;
    const char *dead; /* see try_use */
    struct setup_report report;
};

static struct config *load(const char *more)
{
    char text[4000];
    bool milter = more != NULL && strncmp(more, "[milter]\n", 9) == 0;
    bool socketmap = more != NULL && more[0] != '[';

    snprintf(text, sizeof(text), filter_conf, socketmap ? more : "", milter ? more + 9 : "",
             more == NULL || milter || socketmap ? "" : more);
    return config_from_text(text, "mail.example.org");
}

/* Lines of the case go first: the first value of a name counts. */
static void begin(struct fixture *f, const char *version, const char *changed,
                  const char *changed_own, const char *conf)
{
    char text[8000], own_text[4000];
    bool native = strncmp(version, "3.11", 4) == 0;

    *f = (struct fixture){.config = load(conf)};
    f->postfix = (struct setup_postfix){.config = f->config,
                                        .lookup = lookup,
                                        .values = values,
                                        .connect = connect_port,
                                        .try_use = try_use,
                                        .try_arg = &f->dead,
                                        .proxy = proxy,
                                        .certificates = certificates};
    snprintf(text, sizeof(text), "mail_version = %s\n%s%s%s", version,
             changed != NULL ? changed : "", native ? parameters311 : "", parameters);
    assert_int_equal(postconf_read_parameters(&f->postfix.conf, text), 0);
    assert_int_equal(postconf_read_fields(&f->postfix.conf, services), 0);
    if (changed_own != NULL && strstr(changed_own, "smtpd/pass/") != NULL)
        assert_int_equal(postconf_read_fields(&f->postfix.conf, postscreen), 0);
    snprintf(own_text, sizeof(own_text), "%s%s%s", changed_own != NULL ? changed_own : "", own,
             native ? "" : own_older);
    assert_int_equal(postconf_read_own(&f->postfix.conf, own_text), 0);
    assert_int_equal(setup_postfix_derive(&f->postfix), 0);
}

static void end(struct fixture *f)
{
    setup_report_fini(&f->report);
    setup_postfix_fini(&f->postfix);
    config_unref(f->config);
}

static const struct {
    const char *name;
    const char *version;
    const char *changed; /* lines of main.cf */
    const char *own;     /* lines of services; with one of smtpd/pass there is a postscreen */
    const char *conf;    /* of the filter */
    const char *dead;    /* a socket that is not there */
    const char *wanted;
} cases[] = {
#define OLD "3.7.11"
#define NEW "3.11.7"
#define BARE "smtpd_milters =\nnon_smtpd_milters =\ninternal_mail_filter_classes =\n"
#define BARE_OWN "smtp/inet/smtpd_command_filter =\nsubmission/inet/smtpd_command_filter =\n"
    {"in order, 3.7", OLD, NULL, NULL, NULL, NULL, ""},
    {"in order, 3.11", NEW, NULL, NULL, "[milter]\naccept_header = no\n", NULL, ""},
    {"older than this was made for", "3.4.0", NULL, NULL, NULL, NULL, "error mta;"},

    {"no filter", OLD, "smtpd_milters =\n", NULL, NULL, NULL, "error milter-service;"},
    {"nothing of the filter's, 3.7", OLD, BARE, BARE_OWN, NULL, NULL,
     "error milter-service;error marker;error bounces;"},
    {"nothing of the filter's, 3.11", NEW, BARE, NULL, "[milter]\naccept_header = no\n", NULL,
     "error milter-service;warning bounces;"},
    {"no filter, and what others want of it", OLD,
     "smtpd_milters =\nmilter_default_action = accept\nreceive_override_options = no_milters\n",
     "submission/inet/smtpd_milters =\nsubmission/inet/smtpd_command_filter =\n", NULL, NULL,
     "error milter-service;warning milter-service;error milter-default-action;"},
    {"somebody else's filter", OLD, "smtpd_milters = inet:localhost:11332\n", NULL, NULL, NULL,
     "error milter-service;"},
    {"among others, in braces", OLD,
     "smtpd_milters = inet:localhost:11332, { " MILTER ", connect_timeout=3s }\n", NULL, NULL, NULL,
     ""},
    {"in braces, accept", OLD, "smtpd_milters = {" MILTER ", default_action = accept}\n", NULL,
     NULL, NULL, "error milter-default-action;"},
    {"accept, but for us", OLD,
     "milter_default_action = accept\nnon_smtpd_milters = {" MILTER ",default_action=tempfail}\n"
     "smtpd_milters = { " MILTER ", default_action=tempfail }\n",
     NULL, NULL, NULL, ""},
    {"accept in one service", OLD, NULL, "submission/inet/milter_default_action = accept\n", NULL,
     NULL, "error milter-default-action;"},
    {"shutdown", NEW, "milter_default_action = shutdown\n", NULL, "[milter]\naccept_header = no\n",
     NULL, ""},
    {"reject", OLD, "milter_default_action = reject\n", NULL, NULL, NULL,
     "warning milter-default-action;"},
    {"one service without", OLD, NULL,
     "submission/inet/smtpd_milters =\nsubmission/inet/smtpd_command_filter =\n", NULL, NULL,
     "warning milter-service;"},
    {"no_milters", OLD, "receive_override_options = no_address_mappings, no_milters\n", NULL, NULL,
     NULL, "error milter-service;"},
    {"no_milters in one service", OLD, NULL, "smtp/inet/receive_override_options = no_milters\n",
     NULL, NULL, "error milter-service;"},
    {"no_milters before a proxy filter", OLD, NULL,
     "smtp/inet/receive_override_options = no_milters\n10025/inet/smtpd_milters = " MILTER "\n"
     "smtp/inet/smtpd_proxy_filter = 127.0.0.1:10024\n",
     NULL, NULL, ""},
    {"no_milters in one service that has no filter", OLD, NULL,
     "10025/inet/receive_override_options = no_milters\n", NULL, NULL, ""},
    {"one behind postscreen without", OLD, NULL, "smtpd/pass/smtpd_milters =\n", NULL, NULL,
     "error marker-swallowed;"},
    {"one behind postscreen without TLS", OLD, NULL, "smtpd/pass/smtpd_tls_security_level = none\n",
     NULL, NULL, "error smtpd-tls;"},
    {"outside of the chroot", OLD,
     "smtpd_milters = unix:/var/spool/postfix/requiretls-milter/milter.sock\n", NULL, NULL, NULL,
     "error milter-socket;"},
    {"a path that is one in the chroot", OLD,
     "smtpd_milters = unix:/requiretls-milter/milter.sock\n", NULL, NULL, NULL, ""},
    {"not there", OLD, NULL, NULL, NULL, "milter.sock", "error milter-socket;"},
    {"protocol 2", OLD, "milter_protocol = 2\n", NULL, NULL, NULL, "error milter-protocol;"},
    {"timeout as long as rcpt_wait", OLD, "milter_command_timeout = 5s\n", NULL, NULL, NULL,
     "error milter-timeout;"},
    {"timeout in minutes", OLD, "milter_command_timeout = 1m\n", NULL, NULL, NULL, ""},

    {"behind a proxy filter", OLD, NULL, "smtp/inet/smtpd_proxy_filter = 127.0.0.1:10024\n", NULL,
     NULL, "error proxy-filter;"},
    {"on the other side of a proxy filter", OLD, NULL,
     "smtp/inet/smtpd_proxy_filter = 127.0.0.1:10024\nsmtp/inet/smtpd_milters =\n"
     "submission/inet/smtpd_proxy_filter = 127.0.0.1:10024\nsubmission/inet/smtpd_milters =\n"
     "10025/inet/smtpd_milters = " MILTER "\n",
     NULL, NULL, ""},
    {"on the other side of a content filter", OLD, "content_filter = scan:[127.0.0.1]:10024\n",
     "smtp/inet/smtpd_milters =\nsubmission/inet/smtpd_milters =\n"
     "smtp/inet/smtpd_command_filter =\nsubmission/inet/smtpd_command_filter =\n"
     "10025/inet/smtpd_milters = " MILTER "\n10025/inet/content_filter =\n",
     NULL, NULL, ""},
    {"a content filter, no route", OLD, "content_filter = scan:[127.0.0.1]:10024\n", NULL, NULL,
     NULL, ""},
    {"a content filter and FILTER", OLD,
     "content_filter = scan:[127.0.0.1]:10024\nmilter_header_checks = regexp:/routes\n", NULL,
     "[default]\nroute = strict\n[route strict]\nmethod = header\n", NULL, "error content-filter;"},
    {"a content filter and FILTER by a rule", OLD,
     "content_filter = scan:[127.0.0.1]:10024\nmilter_header_checks = regexp:/routes\n", NULL,
     "[route strict]\nmethod = header\n[rule x]\nsender = a@b.example\nroute = strict\n", NULL,
     "error content-filter;"},
    {"a content filter and FILTER but for one smtpd", OLD,
     "content_filter = scan:[127.0.0.1]:10024\nmilter_header_checks = regexp:/routes\n", NULL,
     "[route strict]\nmethod = header\n[rule x]\ndaemon = !other\nroute = strict\n", NULL,
     "error content-filter;"},
    {"a content filter and FILTER behind it", OLD,
     "content_filter = scan:[127.0.0.1]:10024\nmilter_header_checks = regexp:/routes\n",
     "10025/inet/smtpd_milters = " MILTER "\n10025/inet/content_filter =\n"
     "10025/inet/milter_macro_daemon_name = scanned\n",
     "[milter]\nadd_header = yes\n"
     "[route strict]\nmethod = header\n[rule x]\ndaemon = scanned\nroute = strict\n",
     NULL, ""},
    {"a content filter, and a header that does not say it", OLD,
     "content_filter = scan:[127.0.0.1]:10024\nmilter_header_checks = regexp:/routes\n",
     "10025/inet/smtpd_milters = " MILTER "\n10025/inet/content_filter =\n"
     "10025/inet/milter_macro_daemon_name = scanned\n",
     "[route strict]\nmethod = header\n[rule x]\ndaemon = scanned\nroute = strict\n", NULL,
     "error scanner-header;"},
    {"a content filter, and a header that does not count", OLD,
     "content_filter = scan:[127.0.0.1]:10024\nmilter_header_checks = regexp:/routes\n",
     "10025/inet/smtpd_milters = " MILTER "\n10025/inet/content_filter =\n"
     "10025/inet/milter_macro_daemon_name = scanned\n",
     "[milter]\nadd_header = yes\naccept_header = no\n"
     "[route strict]\nmethod = header\n[rule x]\ndaemon = scanned\nroute = strict\n",
     NULL, "error scanner-header;"},
    {"a content filter and FILTER behind it alone, in more words", OLD,
     "content_filter = scan:[127.0.0.1]:10024\nmilter_header_checks = regexp:/routes\n",
     "10025/inet/smtpd_milters = " MILTER "\n10025/inet/content_filter =\n"
     "10025/inet/milter_macro_daemon_name = scanned\n",
     "[milter]\nadd_header = yes\n"
     "[route strict]\nmethod = header\n[rule x]\ndaemon = scanned, !other\nroute = strict\n",
     NULL, ""},
    {"a content filter and FILTER behind it, but not us", OLD,
     "content_filter = scan:[127.0.0.1]:10024\nmilter_header_checks = regexp:/routes\n",
     "10025/inet/content_filter =\n10025/inet/milter_macro_daemon_name = scanned\n",
     "[route strict]\nmethod = header\n[rule x]\ndaemon = scanned\nroute = strict\n", NULL,
     "error content-filter;"},
    {"a content filter and FILTER behind it, no_milters", OLD,
     "content_filter = scan:[127.0.0.1]:10024\nmilter_header_checks = regexp:/routes\n",
     "10025/inet/smtpd_milters = " MILTER "\n10025/inet/content_filter =\n"
     "10025/inet/receive_override_options = no_address_mappings, no_milters\n"
     "10025/inet/milter_macro_daemon_name = scanned\n",
     "[route strict]\nmethod = header\n[rule x]\ndaemon = scanned\nroute = strict\n", NULL,
     "error content-filter;"},
    {"a proxy filter between us and us", OLD, NULL,
     "smtp/inet/smtpd_proxy_filter = 127.0.0.1:10024\n10025/inet/smtpd_milters = " MILTER "\n",
     NULL, NULL, ""},
    {"a proxy filter, and a second smtpd for a route", OLD,
     "milter_header_checks = regexp:/routes\nsmtp_destination_recipient_limit = 1\n",
     "smtp/inet/smtpd_proxy_filter = 127.0.0.1:10024\n10025/inet/smtpd_milters = " MILTER
     "\n10025/inet/milter_macro_daemon_name = again\n",
     "[default]\nroute = loop\n[route loop]\nmethod = header\nlocal = reinject\n[route "
     "strict]\nmethod = header\n[rule x]\ndaemon = again\nroute = strict\n",
     NULL, "error proxy-filter;"},
    {"a scanner that brings back the header alone", NEW,
     "content_filter = scan:[127.0.0.1]:10024\n",
     "10025/inet/smtpd_milters = " MILTER "\n10025/inet/content_filter =\n",
     "[milter]\naccept_header = no\n", NULL, "error scanner-header;"},
    {"a scanner whose header counts", NEW, "content_filter = scan:[127.0.0.1]:10024\n",
     "10025/inet/smtpd_milters = " MILTER "\n10025/inet/content_filter =\n"
     "10025/inet/cleanup_service_name = cleanup\n"
     "cleanup/unix/requiretls_esmtp_header = yes\n",
     "[milter]\naccept_header = no\n", NULL, ""},
    {"a content filter in a service without us", OLD, "milter_header_checks = regexp:/routes\n",
     "10025/inet/content_filter = scan:[127.0.0.1]:10024\n", "[route strict]\nmethod = header\n",
     NULL, ""},

    {"another milter before us, where bounces are cut", OLD,
     "non_smtpd_milters = inet:localhost:8891, " MILTER "\n", NULL, NULL, NULL,
     "warning milter-order;"},
    {"another milter behind us, where bounces are cut", OLD,
     "non_smtpd_milters = { " MILTER ", connect_timeout=3s }, inet:localhost:8891\n", NULL, NULL,
     NULL, ""},
    {"another milter before us, where Postfix cuts bounces", NEW,
     "non_smtpd_milters = inet:localhost:8891, " MILTER "\n", NULL,
     "[milter]\naccept_header = no\n", NULL, ""},
    {"another milter before us, where nobody cuts bounces", OLD,
     "non_smtpd_milters = inet:localhost:8891, " MILTER "\n", NULL, "[milter]\nredact_dsn = no\n",
     NULL, ""},
    {"bounces unseen, 3.7", OLD, "internal_mail_filter_classes = notify\n", NULL, NULL, NULL,
     "error bounces;"},
    {"bounces unseen, 3.11", NEW, "internal_mail_filter_classes =\n", NULL,
     "[milter]\naccept_header = no\n", NULL, "warning bounces;"},
    {"bounces unseen, 3.11 without its own", NEW,
     "internal_mail_filter_classes =\nrequiretls_redact_dsn = no\n", NULL,
     "[milter]\naccept_header = no\n", NULL, "error bounces;"},
    {"bounces not wanted", OLD, "internal_mail_filter_classes =\n", NULL,
     "[milter]\nredact_dsn = no\n", NULL, ""},

    {"no command filter", OLD, NULL,
     "smtp/inet/smtpd_command_filter =\nsubmission/inet/smtpd_command_filter =\n", NULL, NULL,
     "error marker;"},
    {"no command filter in one service", OLD, NULL, "submission/inet/smtpd_command_filter =\n",
     NULL, NULL, "warning marker;"},
    {"no command filter before a proxy filter", OLD, NULL,
     "smtp/inet/smtpd_command_filter =\nsmtp/inet/smtpd_proxy_filter = 127.0.0.1:10024\n"
     "10025/inet/smtpd_milters = " MILTER "\n",
     NULL, NULL, ""},
    {"no command filter, none wanted", OLD, NULL,
     "smtp/inet/smtpd_command_filter =\nsubmission/inet/smtpd_command_filter =\n",
     "[milter]\nmarker =\n", NULL, ""},
    {"a command filter, and no marker to know it by", OLD, NULL, NULL, "[milter]\nmarker =\n", NULL,
     "error marker;"},
    {"another marker", OLD, NULL,
     "smtp/inet/smtpd_command_filter = regexp:/marker\n"
     "submission/inet/smtpd_command_filter = regexp:/marker\n",
     NULL, NULL, "error marker;"},
    {"a broken command filter", OLD, NULL, "smtp/inet/smtpd_command_filter = regexp:/broken\n",
     NULL, NULL, "unknown marker;"},
    {"a command filter that is not there", OLD, NULL,
     "smtp/inet/smtpd_command_filter = regexp:/lost\n", NULL, NULL, "error marker;"},
    {"a command filter of 3.7 on 3.11", NEW, COMMAND, NULL, "[milter]\naccept_header = no\n", NULL,
     "error marker;"},
    {"a command filter of 3.7 in one service on 3.11", NEW, NULL, "submission/inet/" COMMAND,
     "[milter]\naccept_header = no\n", NULL, "error marker;"},
    {"a command filter that cuts quoted local parts", OLD, NULL,
     "submission/inet/smtpd_command_filter = regexp:/cuts\n", NULL, NULL, "error marker;"},
    {"a command filter that leaves quoted local parts alone", OLD, NULL,
     "submission/inet/smtpd_command_filter = regexp:/simple\n", NULL, NULL, "warning marker;"},

    {"swallowed: by sendmail -bs, from main.cf", OLD, COMMAND, NULL, NULL, NULL,
     "error marker-swallowed;"},
    {"swallowed: another command filter in main.cf", OLD, "smtpd_command_filter = regexp:/status\n",
     NULL, NULL, NULL, ""},
    {"swallowed: by a service with no_milters", OLD, NULL,
     "submission/inet/receive_override_options = no_milters\n", NULL, NULL,
     "error milter-service;"},
    {"swallowed: by a service with others' milters", OLD, NULL,
     "submission/inet/smtpd_milters = inet:localhost:8891\n", NULL, NULL,
     "error marker-swallowed;"},
    {"swallowed: by a service of this host alone", OLD, NULL, "10025/inet/" COMMAND, NULL, NULL,
     "error marker-swallowed;"},
    {"swallowed: by a service that hands mail to a scanner", OLD, NULL,
     "submission/inet/smtpd_milters =\nsubmission/inet/content_filter = scan:[127.0.0.1]:10024\n",
     NULL, NULL, "error marker-swallowed;"},
    {"swallowed: smtpd_milter_maps DISABLE", OLD, "smtpd_milter_maps = cidr:/milters\n", NULL, NULL,
     NULL, "error marker-swallowed;"},
    {"swallowed: smtpd_milter_maps, others' milters", OLD,
     "smtpd_milter_maps = hash:/ours, hash:/others\n", NULL, NULL, NULL, "error marker-swallowed;"},
    {"swallowed: smtpd_milter_maps that names the filter", OLD, "smtpd_milter_maps = hash:/ours\n",
     NULL, NULL, NULL, ""},
    {"swallowed: smtpd_milter_maps that cannot be listed", OLD,
     "smtpd_milter_maps = ldap:/milters\n", NULL, NULL, NULL, "unknown marker-swallowed;"},
    {"swallowed: smtpd_milter_maps that is not there", OLD, "smtpd_milter_maps = hash:/lost\n",
     NULL, NULL, NULL, "error marker-swallowed;"},
    {"smtpd_milter_maps DISABLE, no command filter", OLD, "smtpd_milter_maps = cidr:/milters\n",
     "smtp/inet/smtpd_command_filter =\nsubmission/inet/smtpd_command_filter =\n",
     "[milter]\nmarker =\n", NULL, "warning milter-service;"},
    {"smtpd_milter_maps DISABLE, 3.11", NEW, "smtpd_milter_maps = cidr:/milters\n", NULL,
     "[milter]\naccept_header = no\n", NULL, "warning milter-service;"},

    {"header: Postfix alone", NEW, "requiretls_esmtp_header = yes\n", NULL, NULL, NULL,
     "error accept-header;"},
    {"header: both", NEW, "requiretls_esmtp_header = yes\n", NULL,
     "[milter]\naccept_header = any\n", NULL, ""},
    {"a rule that asks, and nobody is told", OLD, NULL, NULL,
     "[rule x]\nsender = a@b.example\nrequest = require\n", NULL, "error rule-request;"},
    {"a rule that asks, whose level may be lowered", OLD, NULL, NULL,
     "[rule x]\nsender = a@b.example\nrequest = require\n"
     "[rule y]\nmailer = smtp\nlevel = opportunistic\n",
     NULL, "warning rule-request;"},
    {"a rule that asks, whose level is lowered", OLD, NULL, NULL,
     "[rule x]\nnexthop = b.example\nrequest = require\n"
     "[rule y]\nnexthop = b.example\nlevel = opportunistic\n",
     NULL, ""},
    {"a rule that asks, and the route of another listener", OLD,
     "milter_header_checks = regexp:/routes\n", NULL,
     "[rule x]\nsender = a@b.example\nrequest = require\n"
     "[route strict]\nmethod = header\n[rule z]\ndaemon = l\nroute = strict\n",
     NULL, "error rule-request;"},
    {"a rule that asks, behind a scanner", OLD, "content_filter = scan:[127.0.0.1]:10024\n", NULL,
     "[rule x]\nsender = a@b.example\nrequest = require\n", NULL, ""},
    {"a rule that asks for nothing to be sure", OLD, NULL, NULL,
     "[rule x]\nsender = a@b.example\nrequest = optional\n", NULL, ""},
    {"a rule that asks, and a route", OLD, "milter_header_checks = regexp:/routes\n", NULL,
     "[route strict]\nmethod = header\n[rule x]\nsender = a@b.example\nrequest = require\nroute "
     "= strict\n",
     NULL, ""},
    {"header: the filter alone", NEW, NULL, NULL, NULL, NULL, "warning accept-header;"},
    {"REQUIRETLS off", NEW, "requiretls_enable = no\n", NULL, "[milter]\naccept_header = no\n",
     NULL, "error requiretls-enable;"},

    {"TLSRPT attributes, 3.7", OLD, "smtp_tls_policy_maps = " MAPS "QUERYwithTLSRPT\n", NULL, NULL,
     NULL, "error map-tlsrpt;"},
    {"TLSRPT attributes, 3.9", "3.9.1", "smtp_tls_policy_maps = " MAPS "querywithtlsrpt\n", NULL,
     NULL, NULL, "error map-tlsrpt;"},
    {"TLSRPT attributes, 3.10", "3.10.0", "smtp_tls_policy_maps = " MAPS "QUERYwithTLSRPT\n", NULL,
     NULL, NULL, ""},
    {"map postfix, 3.7", OLD, "smtp_tls_policy_maps = " MAPS "postfix\n", NULL, NULL, NULL, ""},
    {"map postfix with attributes, 3.7", OLD, "smtp_tls_policy_maps = " MAPS "postfix\n", NULL,
     "tlsrpt = yes\n", NULL, "error map-tlsrpt;"},
    {"no map", OLD, "smtp_tls_policy_maps =\n", NULL, NULL, NULL, "error map-policy;"},
    {"no map, no MTA-STS", OLD, "smtp_tls_policy_maps =\n", NULL, "[mta_sts]\nenable = no\n", NULL,
     ""},
    {"others' map", OLD, "smtp_tls_policy_maps = socketmap:inet:localhost:8461:postfix\n", NULL,
     NULL, NULL, "warning map-policy;"},
    {"a map that looks like ours", OLD,
     "smtp_tls_policy_maps = socketmap:unix:requiretls-milter/policy.sokc:QUERY\n", NULL, NULL,
     "policy.sokc", "error map-policy;"},
    {"a map without its name", OLD,
     "smtp_tls_policy_maps = socketmap:unix:requiretls-milter/policy.sock\n", NULL, NULL, NULL,
     "error map-policy;"},
    {"ours after others' map", OLD,
     "smtp_tls_policy_maps = texthash:/etc/postfix/tls, " MAPS "QUERY\n", NULL, NULL, NULL, ""},
    {"through proxymap", OLD, "smtp_tls_policy_maps = proxy:" MAPS "QUERY\n", NULL, NULL, NULL, ""},
    {"map enforce for all", OLD, "smtp_tls_policy_maps = " MAPS "enforce\n", NULL, NULL, NULL,
     "warning map-enforce;"},
    {"map of levels for policies", OLD, "smtp_tls_policy_maps = " MAPS "requiretls\n", NULL, NULL,
     NULL, "error map-name;warning map-policy;"},
    {"map not there", OLD, NULL, NULL, NULL, "policy.sock", "error map-socket;"},
    {"levels by next-hop, Postfix does not ask", NEW, "smtp_requiretls_policy = enforce\n", NULL,
     "[milter]\naccept_header = no\n[rule x]\nnexthop = example.org\nlevel = disable\n", NULL,
     "error requiretls-policy;"},
    {"levels by more than the next-hop", NEW, "smtp_requiretls_policy = enforce\n", NULL,
     "[milter]\naccept_header = no\n"
     "[rule x]\nnexthop = example.org\nsender = example.net\nlevel = disable\n",
     NULL, ""},
    {"TLS off", OLD, "smtp_tls_security_level = none\n", NULL, NULL, NULL,
     "error tls-security-level;"},
    {"TLS may", OLD, "smtp_tls_security_level = may\n", NULL, NULL, NULL, ""},
    {"no DNSSEC", OLD, "smtp_dns_support_level =\n", NULL, NULL, NULL, "error dns-support-level;"},
    {"no DNSSEC in a service of ours", OLD, NULL, "strict/unix/smtp_dns_support_level = enabled\n",
     NULL, NULL, "error dns-support-level;"},
    {"no CA", OLD, "smtp_tls_CAfile =\n", NULL, NULL, NULL, "error mta-ca;"},
    {"the system's CA", OLD, "smtp_tls_CAfile =\ntls_append_default_CA = yes\n", NULL, NULL, NULL,
     ""},
    {"CA in the chroot", OLD, "smtp_tls_CAfile =\nsmtp_tls_CApath = /etc/ssl/certs\n", NULL, NULL,
     NULL, ""},
    {"CA outside of the chroot", OLD, "smtp_tls_CAfile =\nsmtp_tls_CApath = /etc/ssl/other\n", NULL,
     NULL, NULL, "error mta-ca;"},
    {"smtpd without TLS", OLD, "smtpd_tls_security_level =\n", NULL, NULL, NULL,
     "error smtpd-tls;"},
    {"smtpd with TLS as it was", OLD, "smtpd_tls_security_level =\nsmtpd_use_tls = yes\n", NULL,
     NULL, NULL, ""},
    {"smtpd's key before its certificate", OLD,
     "smtpd_tls_chain_files = /etc/ssl/key.pem, /etc/ssl/mail.pem\n", NULL, NULL, NULL, ""},
    {"smtpd's certificate missing", OLD, "smtpd_tls_chain_files = /etc/ssl/lost.pem\n", NULL, NULL,
     NULL, "error smtpd-tls;"},
    {"smtpd without certificate", OLD, "smtpd_tls_chain_files =\nsmtpd_tls_cert_file = none\n",
     NULL, NULL, NULL, "error smtpd-tls;"},

    {"route: header", OLD, "milter_header_checks = regexp:/routes\n", NULL,
     "[route strict]\nmethod = header\n[default]\nroute = strict\n", NULL, ""},
    {"route: not in the table", OLD, NULL, NULL, "[route strict]\nmethod = header\n", NULL,
     "error route-header;"},
    {"route: something else in the table", OLD, "milter_header_checks = regexp:/routes\n", NULL,
     "[route hold]\nmethod = header\n", NULL, "error route-header;"},
    {"route: a broken table", OLD, "milter_header_checks = regexp:/broken\n", NULL,
     "[route strict]\nmethod = header\n", NULL, "unknown route-header;"},
    {"route: a table that is not there", OLD, "milter_header_checks = regexp:/lost\n", NULL,
     "[route strict]\nmethod = header\n", NULL, "error route-header;"},
    {"route: not for the second cleanup", OLD, "milter_header_checks = regexp:/routes\n",
     "cleanup/unix/milter_header_checks =\n", "[route strict]\nmethod = header\n", NULL,
     "error route-header;"},
    {"route: a transport that is not there", OLD, "milter_header_checks = regexp:/routes\n", NULL,
     "[route lost]\nmethod = header\n", NULL, "error route-transport;"},
    {"route: cannot the Web PKI", OLD, "milter_header_checks = regexp:/routes\n",
     "strict/unix/smtp_tls_policy_maps = " MAPS "QUERY\n",
     "[route strict]\nmethod = header\n[default]\nroute = strict\n", NULL, "error route-can;"},
    {"route: cannot DANE", OLD, "milter_header_checks = regexp:/routes\n",
     "strict/unix/smtp_tls_policy_maps =\nstrict/unix/smtp_tls_security_level = secure\n",
     "[route strict]\nmethod = header\ncan = dane, web_pki\n[default]\nroute = strict\n", NULL,
     "error route-can;"},
    {"route: cannot fall back", OLD, "milter_header_checks = regexp:/routes\n", NULL,
     "[route strict]\nmethod = header\ncan = dane, fallback\n[default]\nroute = strict\n", NULL,
     "error route-can;"},
    {"route: not used for what it cannot", OLD, "milter_header_checks = regexp:/routes\n",
     "strict/unix/smtp_tls_policy_maps =\n", "[route strict]\nmethod = header\n", NULL, ""},
    {"route: TLS-Required: No held to much", OLD, "milter_header_checks = regexp:/routes\n", NULL,
     "[route strict]\nmethod = header\n[default]\noptional_route = strict\n", NULL,
     "error route-can;"},
    {"route: native cannot the Web PKI", OLD, NULL, NULL,
     "[route plain]\nmethod = none\ncan = web_pki\n[default]\nroute = plain\n", NULL,
     "error route-can;"},
    {"route: an older Postfix cannot requiretls", OLD, "milter_header_checks = regexp:/routes\n",
     NULL, "[route strict]\nmethod = header\ncan = dane, requiretls\n[default]\nroute = strict\n",
     NULL, "error route-can;"},
    {"route: an older Postfix cannot requiretls for reinjected mail", OLD, NULL, NULL,
     "[route plain]\nmethod = none\ncan = dane, requiretls\n[rule x]\ndaemon = y\nroute = plain\n",
     NULL, "error route-can;"},
    {"route: this one can", NEW, "milter_header_checks = regexp:/routes\n", NULL,
     "[milter]\naccept_header = no\n[route strict]\nmethod = header\ncan = dane, requiretls\n"
     "[default]\nroute = strict\n",
     NULL, ""},
    {"route: its transport does not enforce REQUIRETLS", NEW,
     "milter_header_checks = regexp:/routes\n",
     "strict/unix/smtp_requiretls_policy = opportunistic\n",
     "[milter]\naccept_header = no\n[route strict]\nmethod = header\ncan = dane, requiretls\n"
     "[default]\nroute = strict\n",
     NULL, "error route-can;"},
    {"agent: as it should be", OLD, AGENT, STORE, TO_AGENT, NULL, ""},
    {"agent: not by LMTP", OLD, AGENT, STORE,
     "[route strict]\nmethod = header\nagent = yes\n[default]\nroute = strict\n", NULL,
     "error agent-transport;"},
    {"agent: no socket", OLD, AGENT, STORE,
     "[route nosocket]\nmethod = header\nagent = yes\n[default]\nroute = nosocket\n", NULL,
     "error agent-transport;"},
    {"agent: nobody listens", OLD, AGENT, STORE, TO_AGENT, "agent stopped", "error agent-socket;"},
    {"agent: no socket is there", OLD, AGENT, STORE, TO_AGENT, "agent absent",
     "error agent-socket;"},
    {"agent: its directory is closed", OLD, AGENT, STORE, TO_AGENT, "agent directory",
     "error agent-socket;"},
    {"agent: its socket is of another group", OLD, AGENT, STORE, TO_AGENT, "agent socket",
     "error agent-socket;"},
    {"agent: it does not greet", OLD, AGENT, STORE, TO_AGENT, "agent silent",
     "error agent-socket;"},
    {"agent: another LMTP server", OLD, AGENT, STORE, TO_AGENT, "agent other",
     "error agent-socket;"},
    {"agent: two routes, one socket", OLD, AGENT, STORE,
     TO_AGENT "[route deliver-too]\nmethod = header\nagent = yes\n", "agent stopped",
     "error agent-socket;"},
    {"agent: its route does not say so", OLD, AGENT, STORE,
     "[route deliver]\nmethod = header\n[default]\nroute = deliver\n", NULL,
     "error agent-transport;"},
    {"agent: Postfix waits too short", OLD, AGENT, "store/unix/lmtp_data_done_timeout = 600s\n",
     TO_AGENT, NULL, "warning agent-timeout;"},
    {"agent: as lmtp(8) comes", OLD, AGENT, NULL, TO_AGENT, NULL, "warning agent-timeout;"},
    {"agent: one destination for all", OLD,
     "store_destination_concurrency_failed_cohort_limit = 1\n" AGENT, STORE, TO_AGENT, NULL,
     "warning agent-limits;"},
    {"agent: addresses are changed", OLD, AGENT, STORE "store/unix/lmtp_generic_maps = hash:/g\n",
     TO_AGENT, NULL, "error agent-rewrite;"},
    {"agent: a ticket may leave", OLD, "smtp_header_checks =\n" AGENT, STORE, TO_AGENT, NULL,
     "warning agent-ticket;"},
    {"agent: settings that it does not keep", OLD,
     "smtp_generic_maps = hash:/g\nsmtp_sasl_auth_enable = yes\n" AGENT, STORE, TO_AGENT, NULL,
     "warning agent-settings;"},
    {"probe: an older Postfix", OLD, NULL, NULL, "[probe]\nenable = yes\n", NULL, "warning probe;"},
    {"probe: as it is", OLD, NULL, NULL, "[probe]\nenable = auto\n", NULL, ""},
    {"probe: this Postfix passes REQUIRETLS on", NEW, NULL, NULL,
     "[milter]\naccept_header = no\n[probe]\nenable = yes\n", NULL, ""},
    {"probe: Postfix sends from an address of its own", NEW,
     "smtp_bind_address = 192.0.2.9\nsmtp_bind_address6 = [2001:db8::9]\n", NULL,
     "[milter]\naccept_header = no\n", NULL, "warning probe;"},
    {"probe: from the same addresses", NEW,
     "smtp_bind_address = 192.0.2.9\nsmtp_bind_address6 = [2001:db8::9]\n", NULL,
     "[milter]\naccept_header = no\n[probe]\nsource = 192.0.2.9, 2001:db8:0::9\n", NULL, ""},
    {"probe: from one of the two", NEW,
     "smtp_bind_address = 192.0.2.9\nsmtp_bind_address6 = 2001:db8::9\n", NULL,
     "[milter]\naccept_header = no\n[probe]\nsource = 192.0.2.9\n", NULL, "warning probe;"},
    {"probe: off, from wherever Postfix sends", NEW, "smtp_bind_address = 192.0.2.9\n", NULL,
     "[milter]\naccept_header = no\n[probe]\nenable = no\n", NULL, ""},
    {"route: no table of status", OLD, "milter_header_checks = regexp:/routes\n",
     "strict/unix/smtp_delivery_status_filter =\n",
     "[route strict]\nmethod = header\n[default]\nroute = strict\n", NULL, "warning route-status;"},
    {"route: a table of status that does without", OLD, "milter_header_checks = regexp:/routes\n",
     "strict/unix/smtp_delivery_status_filter = regexp:/other-status\n",
     "[route strict]\nmethod = header\n[default]\nroute = strict\n", NULL, "warning route-status;"},
    {"route: no table of status, which 3.11 does not need", NEW,
     "milter_header_checks = regexp:/routes\n", "strict/unix/smtp_delivery_status_filter =\n",
     "[milter]\naccept_header = no\n[route strict]\nmethod = header\n[default]\nroute = strict\n",
     NULL, ""},
    {"route: a broken table of status", OLD, "milter_header_checks = regexp:/routes\n",
     "strict/unix/smtp_delivery_status_filter = regexp:/broken\n",
     "[route strict]\nmethod = header\n[default]\nroute = strict\n", NULL, "error route-status;"},
    {"loop: the second does not ask", OLD,
     "milter_header_checks = regexp:/routes\nsmtp_destination_recipient_limit = 1\n", NULL,
     "[route loop]\nmethod = header\nlocal = reinject\n", NULL, "error route-reinjection;"},
    {"loop: the second does not ask, 3.11", NEW,
     "milter_header_checks = regexp:/routes\nsmtp_destination_recipient_limit = 1\n", MARKS,
     "[route loop]\nmethod = header\nlocal = reinject\n[default]\nroute = loop\n", NULL, ""},
    {"loop: the second does not ask, and does not mark, 3.11", NEW,
     "milter_header_checks = regexp:/routes\nsmtp_destination_recipient_limit = 1\n", NULL,
     "[route loop]\nmethod = header\nlocal = reinject\n[default]\nroute = loop\n", NULL,
     "error route-reinjection;"},
    {"loop: no header to mark by, 3.11", NEW,
     "milter_header_checks = regexp:/routes\nsmtp_destination_recipient_limit = 1\n", MARKS,
     "[milter]\nadd_header = no\n[route loop]\nmethod = header\nlocal = reinject\n[default]\n"
     "route = loop\n",
     NULL, "error route-reinjection;"},
    {"loop: the second has no rule", OLD,
     "milter_header_checks = regexp:/routes\nsmtp_destination_recipient_limit = 1\n",
     "10025/inet/smtpd_milters = " MILTER "\n", "[route loop]\nmethod = header\nlocal = reinject\n",
     NULL, "error route-reinjection;"},
    {"loop: the second has a rule, but not the filter", OLD,
     "milter_header_checks = regexp:/routes\nsmtp_destination_recipient_limit = 1\n",
     "10025/inet/milter_macro_daemon_name = second\n",
     "[route loop]\nmethod = header\nlocal = reinject\n[route strict]\nmethod = header\n"
     "[rule second]\ndaemon = second\nroute = strict\n",
     NULL, "error route-reinjection;"},
    {"loop: the second has a rule", OLD,
     "milter_header_checks = regexp:/routes\nsmtp_destination_recipient_limit = 1\n",
     "10025/inet/smtpd_milters = " MILTER "\n10025/inet/milter_macro_daemon_name = second\n",
     "[route loop]\nmethod = header\nlocal = reinject\n[route strict]\nmethod = header\n"
     "[rule second]\ndaemon = second\nroute = strict\n",
     NULL, ""},
    {"loop: another rule comes first", OLD,
     "milter_header_checks = regexp:/routes\nsmtp_destination_recipient_limit = 1\n",
     "10025/inet/smtpd_milters = " MILTER "\n10025/inet/milter_macro_daemon_name = second\n",
     "[route loop]\nmethod = header\nlocal = reinject\n[route strict]\nmethod = header\n"
     "[rule first]\nsender = a@b.example\nroute = loop\n[rule second]\ndaemon = second\nroute = "
     "strict\n",
     NULL, "error route-reinjection;"},
    {"loop: one for it comes first, which leads back", OLD,
     "milter_header_checks = regexp:/routes\nsmtp_destination_recipient_limit = 1\n",
     "10025/inet/smtpd_milters = " MILTER "\n10025/inet/milter_macro_daemon_name = second\n",
     "[route loop]\nmethod = header\nlocal = reinject\n[route strict]\nmethod = header\n"
     "[rule first]\ndaemon = second\nroute = loop\n[rule second]\ndaemon = second\nroute = "
     "strict\n",
     NULL, "error route-reinjection;"},
    {"loop: one comes first that it does not match", OLD,
     "milter_header_checks = regexp:/routes\nsmtp_destination_recipient_limit = 1\n",
     "10025/inet/smtpd_milters = " MILTER "\n10025/inet/milter_macro_daemon_name = second\n",
     "[route loop]\nmethod = header\nlocal = reinject\n[route strict]\nmethod = header\n"
     "[rule first]\nclient = 192.0.2.0/24\nroute = loop\n[rule second]\ndaemon = second\n"
     "route = strict\n",
     NULL, ""},
#define LOOP(more, rule)                                                                           \
    more                                                                                           \
        "[route loop]\nmethod = header\nlocal = reinject\n[route strict]\nmethod = header\n[rule " \
        "second]\ndaemon = second\n" rule
#define SECOND                                                                                     \
    "10025/inet/smtpd_milters = " MILTER "\n10025/inet/milter_macro_daemon_name = second\n"
#define LOOPED "milter_header_checks = regexp:/routes\nsmtp_destination_recipient_limit = 1\n"
    {"loop: in order, for require", OLD, LOOPED, SECOND,
     LOOP("[milter]\nadd_header = no\n[default]\nroute = loop\n",
          "request = require\nroute = strict\n"),
     NULL, ""},
    {"loop: in order, the header says it", OLD, LOOPED, SECOND,
     LOOP("[default]\nroute = loop\n", "route = strict\n"), NULL, ""},
    {"loop: nothing says that it requires TLS", OLD, LOOPED, SECOND,
     LOOP("[milter]\nadd_header = no\n[default]\nroute = loop\n", "route = strict\n"), NULL,
     "error route-reinjection;"},
    {"loop: the header says it, but does not count", OLD, LOOPED, SECOND,
     LOOP("[milter]\naccept_header = no\n[default]\nroute = loop\n", "route = strict\n"), NULL,
     "error route-reinjection;"},
    {"loop: reinjected mail is native, which older Postfix does not enforce", OLD, LOOPED, SECOND,
     LOOP("[default]\nroute = loop\n", "request = require\nroute = native\n"), NULL,
     "error route-reinjection;"},
    {"loop: reinjected mail is native, 3.11", NEW, LOOPED, SECOND MARKS,
     LOOP("[milter]\naccept_header = any\n[default]\nroute = loop\n",
          "request = require\nroute = native\n"),
     NULL, ""},
    {"loop: reinjected mail has a route for TLS-Required: No alone", OLD, LOOPED, SECOND,
     LOOP("[default]\nroute = loop\n", "request = require\noptional_route = strict\n"), NULL,
     "error route-reinjection;error route-can;"},
    {"loop: reinjected mail has none for TLS-Required: No", OLD, LOOPED, SECOND,
     LOOP("[default]\noptional_route = loop\n", "route = strict\n"), NULL,
     "error route-reinjection;"},
    {"loop: from an address that is not loopback", OLD, LOOPED "smtp_bind_address = 192.0.2.7\n",
     SECOND, LOOP("[default]\nroute = loop\n", "request = require\nroute = strict\n"), NULL,
     "error route-reinjection;"},
    {"loop: from an address of its own that is loopback", OLD,
     LOOPED "smtp_bind_address = 192.0.2.7\n", SECOND "smtp/unix/smtp_bind_address = 127.0.0.1\n",
     LOOP("[default]\nroute = loop\n", "request = require\nroute = strict\n"), NULL, ""},
    {"loop: recipients together", NEW, "milter_header_checks = regexp:/routes\n", MARKS,
     "[route loop]\nmethod = header\nlocal = reinject\n[default]\nroute = loop\n", NULL,
     "warning route-reinjection;"},
    {"loop: elsewhere", OLD, "milter_header_checks = regexp:/routes\n", NULL,
     "[route away]\nmethod = header\nlocal = reinject\n", NULL, "error route-reinjection;"},
    {"loop: nobody there", OLD, "milter_header_checks = regexp:/routes\n", NULL,
     "[route nobody]\nmethod = header\nlocal = reinject\n", NULL, "error route-reinjection;"},
    {"loop: in master.cf, but not loaded", OLD,
     "milter_header_checks = regexp:/routes\nsmtp_destination_recipient_limit = 1\n",
     "10027/inet/smtpd_milters = " MILTER "\n10027/inet/milter_macro_daemon_name = unloaded\n",
     "[route unloaded]\nmethod = header\nlocal = reinject\n[route strict]\nmethod = header\n"
     "[rule second]\ndaemon = unloaded\nroute = strict\n",
     NULL, "error route-reinjection;"},
    {"transports: all local, or SMTP", OLD,
     "transport_maps = hash:/transports\nvirtual_transport = lmtp:unix:private/dovecot-lmtp\n",
     NULL, NULL, NULL, ""},
    {"transports: one that is not used", OLD, "transport_maps = hash:/transport\n", NULL, NULL,
     NULL, ""},
    {"transports: a pipe that is not in local_mailers", OLD, "transport_maps = hash:/lists\n", NULL,
     NULL, NULL, "error local-mailers;"},
    {"transports: a pipe that a pattern names", OLD, "transport_maps = hash:/lists\n", NULL,
     "[milter]\nlocal_mailers = local, virtual, li*\n", NULL, ""},
    {"transports: none of their names", OLD, NULL, NULL, "[milter]\nlocal_mailers = nothing\n",
     NULL, "error local-mailers;"},
    {"transports: LMTP to a socket that is not in local_mailers", OLD,
     "virtual_transport = store:unix:private/store\n", NULL, NULL, NULL, "error local-mailers;"},
    {"transports: LMTP to a socket of ours", OLD, "default_transport = store:unix:private/store\n",
     NULL, "[deliver all]\nlisten = unix:/var/spool/postfix/private/store\n", NULL, ""},
    {"transports: LMTP to another host", OLD,
     "virtual_transport = store:inet:store.example.org:24\n", NULL, NULL, NULL, ""},
    {"transports: LMTP to another host, in local_mailers", OLD,
     "virtual_transport = lmtp:[192.0.2.24]\n", NULL, NULL, NULL, "warning local-mailers;"},
    {"transports: smtp(8) in local_mailers", OLD, NULL, NULL,
     "[milter]\nlocal_mailers = local, virtual, relay\n", NULL, "error local-mailers;"},
    {"transports: smtp(8) in local_mailers, by a pattern", OLD, NULL, NULL,
     "[milter]\nlocal_mailers = local, virtual, str*\n", NULL, "error local-mailers;"},
    {"transports: smtp(8) in local_mailers, to this host alone", OLD,
     "virtual_transport = strict:[127.0.0.1]:10027\n", NULL,
     "[milter]\nlocal_mailers = local, strict\n", NULL, ""},
#define RECIPIENT "[route strict]\nmethod = recipient\ncan = dane, sts\n[default]\nroute = strict\n"
    {"tag: all there", OLD,
     "transport_maps = regexp:/transport\nsmtp_generic_maps = regexp:/generic\n", NULL, RECIPIENT,
     NULL, ""},
    {"tag: by domain, to a smart host", OLD,
     "transport_maps = hash:/transport\nsmtp_generic_maps = regexp:/generic\n", NULL, RECIPIENT,
     NULL, ""},
    {"tag: no transport", OLD, "smtp_generic_maps = regexp:/generic\n", NULL, RECIPIENT, NULL,
     "error route-tag;"},
    {"tag: the next-hop has it", OLD,
     "transport_maps = regexp:/empty\nsmtp_generic_maps = regexp:/generic\n", NULL, RECIPIENT, NULL,
     "error route-tag;"},
    {"tag: not taken off", OLD, "transport_maps = regexp:/transport\n", NULL, RECIPIENT, NULL,
     "error route-tag;"},
    {"tag: a broken table", OLD, "transport_maps = regexp:/broken\n", NULL, RECIPIENT, NULL,
     "unknown route-tag;"},
};

static void each_case(void **state)
{
    unsigned failed = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f;
        char seen[500];

        begin(&f, cases[i].version, cases[i].changed, cases[i].own, cases[i].conf);
        probe(&f.postfix, cases[i].dead);
        f.dead = cases[i].dead;
        assert_int_equal(setup_postfix_plan(&f.postfix), 0);
        setup_postfix_check(&f.postfix, &f.report);
        report_to_text(&f.report, seen, sizeof(seen));
        if (strcmp(seen, cases[i].wanted) != 0) {
            print_error("%s: wanted `%s`, saw `%s`\n", cases[i].name, cases[i].wanted, seen);
            failed++;
        }
        end(&f);
    }
    assert_int_equal(failed, 0);
}

static void native(void **state)
{
    static const struct {
        const char *version, *changed, *conf, *wanted;
    } natives[] = {
        {OLD, NULL, NULL, "warning route-native;"},
        {NEW, NULL, NULL, ""},
        {OLD, NULL, "[milter]\nmarker =\n", ""},
        {OLD, NULL, "[route strict]\nmethod = header\n[default]\nroute = strict\n", ""},
        {OLD, NULL, "[route strict]\nmethod = header\n[rule all]\nroute = strict\n", ""},
        {OLD, NULL, "[rule all]\nroute = native\n", "warning route-native;"},
        {OLD, NULL, "[route s]\nmethod = header\n[rule back]\ndaemon = back\nroute = s\n",
         "warning route-native;"},
        {OLD, "content_filter = scan:[127.0.0.1]:10024\n", NULL, "warning route-native;"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(natives) / sizeof(natives[0]); i++) {
        struct fixture f;
        char seen[500];

        begin(&f, natives[i].version, natives[i].changed, NULL, natives[i].conf);
        setup_postfix_native(&f.postfix, &f.report);
        report_to_text(&f.report, seen, sizeof(seen));
        assert_string_equal(seen, natives[i].wanted);
        end(&f);
    }
}

/* A before-queue proxy that writes its own MAIL loses the marker. */
static void proxies(void **state)
{
#define BACK "10025/inet/smtpd_milters = " MILTER "\n10025/inet/smtpd_proxy_filter =\n"
    static const struct {
        const char *version, *changed, *own, *wanted;
    } cases_of_proxies[] = {
        {OLD, NULL, NULL, ""},
        {OLD, "smtpd_proxy_filter = 127.0.0.1:10024\n", BACK, ""},
        {OLD, "smtpd_proxy_filter = inet:127.0.0.1:10026\n", BACK, "error proxy-marker;"},
        {OLD, NULL, BACK "submission/inet/smtpd_proxy_filter = inet:127.0.0.1:10026\n",
         "error proxy-marker;"},
        {OLD, NULL,
         BACK "submission/inet/smtpd_proxy_filter = inet:127.0.0.1:10026\n"
              "submission/inet/smtpd_command_filter =\n",
         ""},
        {OLD, "smtpd_proxy_filter = unix:proxy\n", BACK, "unknown proxy-marker;"},
        {OLD, "smtpd_proxy_filter = 127.0.0.1:10028\n", BACK, "unknown proxy-marker;"},
        {NEW, "smtpd_proxy_filter = inet:127.0.0.1:10026\n", BACK, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases_of_proxies) / sizeof(cases_of_proxies[0]); i++) {
        struct fixture f;
        char seen[500];

        begin(&f, cases_of_proxies[i].version, cases_of_proxies[i].changed, cases_of_proxies[i].own,
              NULL);
        setup_postfix_proxies(&f.postfix, &f.report);
        report_to_text(&f.report, seen, sizeof(seen));
        assert_string_equal(seen, cases_of_proxies[i].wanted);
        end(&f);
    }
}

#define ENABLE "systemctl enable --now requiretls-deliver.socket requiretls-deliver.service\n"

/* What is to be done, as it can be pasted; with `-c DIR` where another directory is looked at. */
static const struct {
    const char *name; /* see try_use */
    const char *version, *changed, *own, *conf;
    const char *finding; /* its commands */
    const char *wanted;
} remedies[] = {
    {"agent stopped", OLD, AGENT, STORE, TO_AGENT, "agent-socket", ENABLE},
    {"agent absent", OLD, AGENT, STORE, TO_AGENT, "agent-socket", ENABLE},
    {"agent stopped, within the filter", OLD, AGENT, STORE,
     TO_AGENT "[deliver x]\nlisten = unix:/var/spool/postfix/requiretls-deliver/lmtp.sock\n",
     "agent-socket", "systemctl restart requiretls-milter\n"},
    {"agent directory", OLD, AGENT, STORE, TO_AGENT, "agent-socket",
     "install -d -o requiretls-deliver -g postfix -m 2750 "
     "'/var/spool/postfix/requiretls-deliver'\n"},
    {"agent socket", OLD, AGENT, STORE, TO_AGENT, "agent-socket",
     "chgrp postfix '/var/spool/postfix/requiretls-deliver/lmtp.sock'\n"
     "chmod 0660 '/var/spool/postfix/requiretls-deliver/lmtp.sock'\n"},
    {"its route has no agent = yes", OLD, AGENT, STORE, "[route deliver]\nmethod = header\n",
     "agent-transport",
     "grep -qs '^\\[route deliver\\]' '" CONFIG_DEFAULT_PATH "' || printf "
     "'\\n[route deliver]\\n' >>'" CONFIG_DEFAULT_PATH "'\n"
     "sed -i -e '/^\\[route deliver\\]/,/^\\[/{/^agent[[:blank:]]*=/d}' -e '/^\\[route "
     "deliver\\]/a agent = yes' '" CONFIG_DEFAULT_PATH "'\nsystemctl reload requiretls-milter\n"},
    {"in main.cf", OLD, "milter_default_action = accept\n", NULL, NULL, "milter-default-action",
     "postconf -e 'milter_default_action = tempfail'\npostfix reload\n"},
    {"in a service", OLD, NULL, "submission/inet/milter_default_action = accept\n", NULL,
     "milter-default-action",
     "postconf -P 'submission/inet/milter_default_action=tempfail'\npostfix reload\n"},
    {"no map", OLD, "smtp_tls_policy_maps =\nsmtp_tls_security_level = may\n", NULL, NULL,
     "map-policy", "postconf -e 'smtp_tls_policy_maps = " MAPS "QUERY'\npostfix reload\n"},
    {"bounces, with another class", OLD, "internal_mail_filter_classes = notify\n", NULL, NULL,
     "bounces", "postconf -e 'internal_mail_filter_classes = notify, bounce'\npostfix reload\n"},
    {"no filter at all", OLD, "smtpd_milters = inet:a:1\nnon_smtpd_milters =\n", NULL, NULL,
     "milter-service",
     "postconf -e 'non_smtpd_milters = $smtpd_milters'\n"
     "postconf -e 'smtpd_milters = " MILTER ", inet:a:1'\npostfix reload\n"},
    {"no command filter", OLD, NULL,
     "smtp/inet/smtpd_command_filter =\nsubmission/inet/smtpd_command_filter =\n", NULL, "marker",
     "install -m 0644 " PROJECT_EXAMPLES_DIR "/postfix-older/requiretls_command '/etc/postfix'\n"
     "postconf -P 'smtp/inet/smtpd_command_filter=regexp:/etc/postfix/requiretls_command'\n"
     "postconf -P 'submission/inet/smtpd_command_filter=regexp:/etc/postfix/requiretls_command'\n"
     "postfix reload\n"},
    {"headers", NEW, "requiretls_esmtp_header = yes\n", NULL, NULL, "accept-header",
     "grep -qs '^\\[milter\\]' '" CONFIG_DEFAULT_PATH "' || printf "
     "'\\n[milter]\\n' >>'" CONFIG_DEFAULT_PATH "'\n"
     "sed -i -e '/^\\[milter\\]/,/^\\[/{/^accept_header[[:blank:]]*=/d}' -e '/^\\[milter\\]/a "
     "accept_header = any' "
     "'" CONFIG_DEFAULT_PATH "'\nsystemctl reload requiretls-milter\n"},
    {"probes from the addresses of smtp(8)", NEW,
     "smtp_bind_address = 192.0.2.9\nsmtp_bind_address6 = [2001:db8::9]\n", NULL,
     "[milter]\naccept_header = no\n", "probe",
     "grep -qs '^\\[probe\\]' '" CONFIG_DEFAULT_PATH "' || printf "
     "'\\n[probe]\\n' >>'" CONFIG_DEFAULT_PATH "'\n"
     "sed -i -e '/^\\[probe\\]/,/^\\[/{/^source[[:blank:]]*=/d}' -e '/^\\[probe\\]/a "
     "source = 192.0.2.9, 2001:db8::9' '" CONFIG_DEFAULT_PATH
     "'\nsystemctl reload requiretls-milter\n"},
    {"probes from one address of smtp(8), and from one that it leaves to the system", NEW,
     "smtp_bind_address = 192.0.2.9\n", NULL,
     "[milter]\naccept_header = no\n[probe]\nsource = 2001:db8::8, 192.0.2.8\n", "probe",
     "grep -qs '^\\[probe\\]' '" CONFIG_DEFAULT_PATH "' || printf "
     "'\\n[probe]\\n' >>'" CONFIG_DEFAULT_PATH "'\n"
     "sed -i -e '/^\\[probe\\]/,/^\\[/{/^source[[:blank:]]*=/d}' -e '/^\\[probe\\]/a "
     "source = 192.0.2.9, 2001:db8::8' '" CONFIG_DEFAULT_PATH
     "'\nsystemctl reload requiretls-milter\n"},
    {"no server is ever probed", OLD, NULL, NULL, "[probe]\nenable = yes\n", "probe",
     "grep -qs '^\\[probe\\]' '" CONFIG_DEFAULT_PATH "' || printf "
     "'\\n[probe]\\n' >>'" CONFIG_DEFAULT_PATH "'\n"
     "sed -i -e '/^\\[probe\\]/,/^\\[/{/^enable[[:blank:]]*=/d}' -e '/^\\[probe\\]/a "
     "enable = auto' '" CONFIG_DEFAULT_PATH "'\nsystemctl reload requiretls-milter\n"},
    {"a map of another kind", NEW,
     "smtp_tls_policy_maps = hash:/etc/postfix/own, " MAPS "requiretls\n", NULL, NULL, "map-name",
     "postconf -e 'smtp_tls_policy_maps = hash:/etc/postfix/own, " MAPS "QUERY'\npostfix reload\n"},
    {"blanks in a service's list", OLD, NULL,
     "submission/inet/smtpd_milters = inet:a:1, inet:b:2\n", NULL, "marker-swallowed",
     "postconf -P 'submission/inet/smtpd_milters=" MILTER ",inet:a:1,inet:b:2'\npostfix reload\n"},
    {"blanks that master.cf has in braces", OLD, NULL,
     "submission/inet/smtpd_milters = { inet:a:1, protocol=6 }\n", NULL, "marker-swallowed",
     "# in master.cf, the service submission/inet: -o { smtpd_milters = " MILTER
     ", { inet:a:1, protocol=6 } }\npostfix reload\n"},
};

static void commands_of(const struct setup_report *report, const char *name, char *out, size_t size)
{
    snprintf(out, size, "no %s", name);
    for (size_t i = 0; i < report->count; i++) {
        const struct setup_finding *item = &report->items[i];

        if (strcmp(item->name, name) == 0 && item->state != SETUP_OK && item->cause == 0) {
            snprintf(out, size, "%s%s", item->commands != NULL ? item->commands : "",
                     item->reloads != NULL ? item->reloads : "");
            return;
        }
    }
}

static void each_remedy(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(remedies) / sizeof(remedies[0]); i++) {
        struct fixture f;
        char seen[2000];

        begin(&f, remedies[i].version, remedies[i].changed, remedies[i].own, remedies[i].conf);
        f.report.config_text = "";
        f.dead = remedies[i].name;
        probe(&f.postfix, NULL);
        assert_int_equal(setup_postfix_plan(&f.postfix), 0);
        setup_postfix_check(&f.postfix, &f.report);
        commands_of(&f.report, remedies[i].finding, seen, sizeof(seen));
        assert_string_equal(seen, remedies[i].wanted);
        end(&f);
    }
}

static size_t followers(const struct setup_report *report, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < report->count; i++) {
        size_t cause = report->items[i].cause;

        count += cause != 0 && strcmp(report->items[cause - 1].name, name) == 0;
    }
    return count;
}

/* Where several places show the same fault, it is one finding. */
static void causes(void **state)
{
    struct fixture f;
    char seen[2000];

    (void)state;
    /* Nobody listens anywhere. */
    begin(&f, OLD, NULL, NULL, NULL);
    probe(&f.postfix, "requiretls-milter");
    for (size_t i = 0; i < f.postfix.mta.own_count; i++)
        f.postfix.mta.own[i].down = true;
    setup_postfix_check(&f.postfix, &f.report);
    report_to_text(&f.report, seen, sizeof(seen));
    assert_string_equal(seen, "error daemon;");
    assert_true(followers(&f.report, "daemon") >= 3);
    commands_of(&f.report, "daemon", seen, sizeof(seen));
    assert_string_equal(
        seen, "install -d -o requiretls-milter -g postfix -m 2750 "
              "'/var/spool/postfix/requiretls-milter'\nsystemctl restart requiretls-milter\n");
    end(&f);
    /* One of two sockets is gone: that is another fault. */
    begin(&f, OLD, NULL, NULL, NULL);
    probe(&f.postfix, "policy.sock");
    f.postfix.mta.own[1].down = true;
    setup_postfix_check(&f.postfix, &f.report);
    report_to_text(&f.report, seen, sizeof(seen));
    assert_string_equal(seen, "error map-socket;");
    end(&f);
    /* A directory that lets Postfix not in. */
    begin(&f, OLD, NULL, NULL, NULL);
    probe(&f.postfix, NULL);
    for (size_t i = 0; i < f.postfix.mta.use_count; i++)
        f.postfix.mta.uses[i].probe = (struct setup_probe){.stage = SETUP_STAGE_PATH,
                                                           .error = EACCES,
                                                           .where = "requiretls-milter",
                                                           .mode = S_IFDIR | 0750};
    setup_postfix_check(&f.postfix, &f.report);
    report_to_text(&f.report, seen, sizeof(seen));
    assert_string_equal(seen, "error milter-socket;");
    assert_true(followers(&f.report, "milter-socket") >= 2);
    commands_of(&f.report, "milter-socket", seen, sizeof(seen));
    assert_string_equal(
        seen, "install -d -o requiretls-milter -g postfix -m 2750 "
              "'/var/spool/postfix/requiretls-milter'\nsystemctl restart requiretls-milter\n");
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_case), cmocka_unit_test(each_remedy),
                                       cmocka_unit_test(causes), cmocka_unit_test(native),
                                       cmocka_unit_test(proxies)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
