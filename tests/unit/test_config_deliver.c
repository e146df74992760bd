/*
 * The delivery agent in the configuration file: each key's default and a value that differs from
 * it, errors and warnings with their exact messages, what a reload cannot change.
 */
#include "config/config.h"
#include "config/config_host.h"
#include "config/config_keys.h"
#include "config/config_rule.h"
#include "decide/rules_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct reports {
    char errors[4096];
    char warnings[4096];
    const char *path;
};

static void append(char *to, const struct reports *r, const char *message)
{
    size_t len = strlen(to), path_len = strlen(r->path);
    bool named = strncmp(message, r->path, path_len) == 0;

    snprintf(to + len, sizeof(r->errors) - len, "%s%s\n", named ? "FILE" : "",
             message + (named ? path_len : 0));
}

static void on_error(void *arg, const char *message)
{
    struct reports *r = arg;

    append(r->errors, r, message);
}

static void on_warning(void *arg, const char *message)
{
    struct reports *r = arg;

    append(r->warnings, r, message);
}

/* NULL after errors. */
static struct config *load(const char *text, struct reports *r)
{
    char path[] = "/tmp/test_config_deliver.XXXXXX";
    struct config *config = NULL;
    int fd = mkstemp(path), error;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    *r = (struct reports){.path = path};
    error = config_load(path, "mail.example.org", on_error, on_warning, r, &config);
    unlink(path);
    assert_int_equal(error == 0, config != NULL);
    assert_int_equal(error == 0, r->errors[0] == '\0');
    return config;
}

static struct config *must_load(const char *text)
{
    static struct reports r;
    struct config *config = load(text, &r);

    if (config == NULL)
        print_error("%s", r.errors);
    assert_non_null(config);
    assert_string_equal(r.warnings, "");
    return config;
}

/* --- values ----------------------------------------------------------------------------------- */

static void test_defaults(void **state)
{
    struct config *c = must_load("[deliver out]\nlisten = unix:/run/out.sock\n");
    const struct config_deliver *d = &c->deliver;

    (void)state;
    assert_int_equal(d->socket_count, 1);
    assert_string_equal(d->sockets[0].name, "out");
    assert_int_equal(d->sockets[0].line, 1);
    assert_string_equal(d->sockets[0].listen.path, "/run/out.sock");
    assert_int_equal(d->sockets[0].socket_mode, 0660);
    assert_null(d->sockets[0].socket_group);
    assert_false(d->sockets[0].tickets);
    assert_int_equal(d->sockets[0].request, CONFIG_DELIVER_REQUIRE);
    assert_int_equal(d->sockets[0].level, -1);
    assert_null(d->sockets[0].nexthop);
    assert_string_equal(d->ticket_key, "/var/lib/requiretls-milter/ticket.key");
    assert_int_equal(d->ticket_life_s, 2592000);
    assert_int_equal(d->max_message, 0);
    assert_string_equal(d->helo_name, "mail.example.org");
    assert_int_equal(d->source.count, 0);
    assert_int_equal(d->port, 25);
    assert_int_equal(d->max_sessions, 500);
    assert_int_equal(d->per_host, 20);
    assert_int_equal(d->max_addresses, 5);
    assert_int_equal(d->idle_ms, 5000);
    assert_int_equal(d->reuse, 100);
    assert_int_equal(d->connect_timeout_ms, 30000);
    assert_int_equal(d->command_timeout_ms, 300000);
    assert_int_equal(d->setup_timeout_ms, 300000);
    assert_int_equal(d->data_timeout_ms, 600000);
    assert_null(d->ca_file);
    assert_null(d->ca_path);
    assert_null(d->credentials);
    assert_null(d->audit_template);
    assert_null(d->tlsrpt_socket);
    assert_string_equal(d->content_dir, "/var/tmp");
    assert_false(c->routes[0].agent);
    config_unref(c);

    c = must_load("");
    assert_int_equal(c->deliver.socket_count, 0);
    config_unref(c);
}

static const char every_key[] =
    "[deliver]\nticket_key = /etc/ticket.key\nticket_life = 2h\nmax_message = 3g\n"
    "helo_name = b\xc3\xbc"
    "cher.example\nsource = 192.0.2.9, 2001:db8::9\nport = 2525\nmax_sessions = 40\n"
    "per_host = 3\nmax_addresses = 2\nidle = 1s\nreuse = 1\nconnect_timeout = 1s\n"
    "command_timeout = 2m\nsetup_timeout = 3m\ndata_timeout = 1h\nca_file = /etc/ca.pem\n"
    "ca_path = /etc/ca\ncredentials = /etc/passwords\n"
    "audit_template = relay=${relay}${auth?, auth=${auth}}\n"
    "[tlsrpt]\nsocket = unix:/run/tlsrpt.sock\n"
    "[deliver tickets]\nlisten = inet:127.0.0.2:2424\ntickets = yes\n"
    "[deliver all]\nlisten = inet:[::1]:24\nsocket_mode = 0600\nsocket_group = mail\n"
    "tickets = no\nrequest = header\nlevel = opportunistic+starttls\n"
    "nexthop = [Relay.Example.org]:587\n"
    "[deliver waived]\nlisten = unix:/run/waived.sock\nrequest = optional\n"
    "[default]\nhelo_name = default.example\n"
    "[rule a]\nsender = a.example\nhelo_name = A.Example\nsource = 192.0.2.7, 2001:db8::7\n"
    "[rule b]\nnexthop = b.example\nsource =\n"
    "[route agent]\nmethod = header\nagent = yes\n"
    "[route tagged]\nmethod = recipient\nagent = yes\ncan = dane\n";

static void test_every_key(void **state)
{
    struct config *c = must_load(every_key);
    const struct config_deliver *d = &c->deliver;
    const struct config_deliver_socket *s = d->sockets;

    (void)state;
    assert_string_equal(d->ticket_key, "/etc/ticket.key");
    assert_int_equal(d->ticket_life_s, 7200);
    assert_int_equal(d->max_message, 3221225472);
    assert_string_equal(d->helo_name, "xn--bcher-kva.example");
    assert_int_equal(d->source.count, 2);
    assert_string_equal(d->source.items[1], "2001:db8::9");
    assert_null(d->source.items[2]);
    assert_int_equal(d->port, 2525);
    assert_int_equal(d->max_sessions, 40);
    assert_int_equal(d->per_host, 3);
    assert_int_equal(d->max_addresses, 2);
    assert_int_equal(d->idle_ms, 1000);
    assert_int_equal(d->reuse, 1);
    assert_int_equal(d->connect_timeout_ms, 1000);
    assert_int_equal(d->command_timeout_ms, 120000);
    assert_int_equal(d->setup_timeout_ms, 180000);
    assert_int_equal(d->data_timeout_ms, 3600000);
    assert_string_equal(d->ca_file, "/etc/ca.pem");
    assert_string_equal(d->ca_path, "/etc/ca");
    assert_string_equal(d->credentials, "/etc/passwords");
    assert_string_equal(d->audit_template, "relay=${relay}${auth?, auth=${auth}}");
    assert_string_equal(d->tlsrpt_socket, "/run/tlsrpt.sock");

    assert_int_equal(d->socket_count, 3);
    assert_string_equal(s[0].listen.host, "127.0.0.2");
    assert_true(s[0].tickets);
    assert_string_equal(s[1].name, "all");
    assert_string_equal(s[1].listen.host, "::1");
    assert_string_equal(s[1].listen.port, "24");
    assert_int_equal(s[1].socket_mode, 0600);
    assert_string_equal(s[1].socket_group, "mail");
    assert_int_equal(s[1].request, CONFIG_DELIVER_HEADER);
    assert_int_equal(s[1].level, VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS);
    assert_string_equal(s[1].nexthop, "[relay.example.org]:587");
    assert_int_equal(s[2].request, CONFIG_DELIVER_OPTIONAL);

    assert_string_equal(c->defaults->helo_name, "default.example");
    assert_int_equal(c->defaults->sets, 1u << CONFIG_SETTING_HELO_NAME);
    assert_string_equal(c->rules[0].helo_name, "a.example");
    assert_int_equal(c->rules[0].source.count, 2);
    assert_string_equal(c->rules[0].source.items[1], "2001:db8::7");
    assert_int_equal(c->rules[0].sets,
                     1u << CONFIG_SETTING_HELO_NAME | 1u << CONFIG_SETTING_SOURCE);
    assert_int_equal(c->rules[1].sets, 1u << CONFIG_SETTING_SOURCE);
    assert_int_equal(c->rules[1].source.count, 0);

    /* An agent can do all, unless the file says otherwise. */
    assert_true(c->routes[1].agent);
    assert_int_equal(c->routes[1].can, VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_WEB_PKI |
                                           VERDICT_CAN_FALLBACK | VERDICT_CAN_REQUIRETLS);
    assert_false(c->routes[1].can_follows_mta);
    assert_true(c->routes[2].agent);
    assert_int_equal(c->routes[2].can, VERDICT_CAN_DANE);
    config_unref(c);
}

/* The CA certificates of [deliver], where it names any, else those of [mta_sts]. */
static void test_ca(void **state)
{
    static const struct {
        const char *text, *file, *path;
    } cases[] = {
        {"", NULL, NULL},
        {"[mta_sts]\nca_file = /a\nca_path = /b\n", "/a", "/b"},
        {"[mta_sts]\nca_file = /a\nca_path = /b\n[deliver]\nca_file = /c\n", "/c", NULL},
        {"[mta_sts]\nca_file = /a\n[deliver]\nca_path = /d\n", NULL, "/d"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config *c = must_load(cases[i].text);
        const char *file, *path;

        config_deliver_ca(c, &file, &path);
        assert_true((file == NULL) == (cases[i].file == NULL));
        assert_true((path == NULL) == (cases[i].path == NULL));
        if (file != NULL)
            assert_string_equal(file, cases[i].file);
        if (path != NULL)
            assert_string_equal(path, cases[i].path);
        config_unref(c);
    }
}

/* --- errors and warnings ---------------------------------------------------------------------- */

#define SOCKET "[deliver a]\nlisten = unix:/a\n"

static const struct {
    const char *name, *text, *errors, *warnings;
} message_cases[] = {
    {"a socket without a name", "[deliver ]\n",
     "FILE:1: section [deliver ]: a route, a rule or a socket of the agent needs a name of "
     "letters, "
     "digits, '_', '.' and '-', as in [rule partners]\n",
     ""},
    {"a tls_policy that the agent cannot honour",
     SOCKET "[rule r]\nnexthop = r.example\ntls_policy = secure tafile=/etc/ca.pem\n"
            "[rule s]\nnexthop = s.example\ntls_policy = secure match=s.example\n",
     "",
     "FILE:3: the delivery agent defers what falls under the tls_policy of [rule r]: the delivery "
     "agent does not know tafile=: see ca_file of [deliver]\n"},
    {"the same without the agent",
     "[rule r]\nnexthop = r.example\ntls_policy = secure tafile=/etc/ca.pem\n", "", ""},
    {"a socket without listen", "[dns]\n[deliver a]\ntickets = yes\n",
     "FILE:2: [deliver a] needs listen\n", ""},
    {"listen is empty", "[deliver a]\nlisten =\n",
     "FILE:2: listen = : expected unix:/path, inet:127.0.0.1:port or inet:[::1]:port\n"
     "FILE:1: [deliver a] needs listen\n",
     ""},
    {"an address that other hosts reach", "[deliver a]\nlisten = inet:192.0.2.1:24\n",
     "FILE:2: listen = inet:192.0.2.1:24: expected unix:/path, inet:127.0.0.1:port or "
     "inet:[::1]:port\n",
     ""},
    {"an address that stands for all", "[deliver a]\nlisten = inet:0.0.0.0:24\n",
     "FILE:2: listen = inet:0.0.0.0:24: expected unix:/path, inet:127.0.0.1:port or "
     "inet:[::1]:port\n",
     ""},
    {"an IPv6 address that other hosts reach", "[deliver a]\nlisten = inet:[2001:db8::1]:24\n",
     "FILE:2: listen = inet:[2001:db8::1]:24: expected unix:/path, inet:127.0.0.1:port or "
     "inet:[::1]:port\n",
     ""},
    {"a name instead of a loopback address", "[deliver a]\nlisten = inet:localhost:24\n",
     "FILE:2: listen = inet:localhost:24: expected unix:/path, inet:127.0.0.1:port or "
     "inet:[::1]:port\n",
     ""},
    {"two sockets of one name", SOCKET "[deliver a]\nlisten = unix:/b\n",
     "FILE:3: section [deliver a] is given twice\n", ""},
    {"two sockets at one address", SOCKET "[deliver b]\nlisten = unix:/a\n",
     "FILE:3: [deliver b]: unix:/a is given for two listeners\n", ""},
    {"a socket where the milter is", "[milter]\nsocket = unix:/a\n" SOCKET,
     "FILE:3: [deliver a]: unix:/a is given for two listeners\n", ""},
    {"a socket where the maps are", "[socketmap]\nlisten = unix:/a\n" SOCKET,
     "FILE:3: [deliver a]: unix:/a is given for two listeners\n", ""},
    {"a socket where the metrics are", "[metrics]\nlisten = unix:/a\n" SOCKET,
     "FILE:3: [deliver a]: unix:/a is given for two listeners\n", ""},
    {"a socket where the collector listens", "[tlsrpt]\nsocket = unix:/a\n" SOCKET,
     "FILE:3: [deliver a]: unix:/a is given for two listeners\n", ""},
    {"words of the sockets",
     SOCKET "request = none\nlevel = strict\ntickets = maybe\nnexthop = [a\n",
     "FILE:3: request = none: expected require, optional or header\n"
     "FILE:4: level = strict: expected enforce, opportunistic+starttls, opportunistic or disable\n"
     "FILE:5: tickets = maybe: expected yes or no\n"
     "FILE:6: nexthop = [a: expected a next-hop: a domain, [host] or [host]:port\n",
     ""},
    {"tickets and what they say",
     SOCKET
     "tickets = yes\nrequest = header\n[deliver b]\nlisten = unix:/b\ntickets = yes\n"
     "nexthop = example.org\n[deliver c]\nlisten = unix:/c\ntickets = yes\nlevel = enforce\n",
     "",
     "FILE:1: [deliver a]: request, level and nexthop have no effect where tickets = yes: the "
     "ticket says them\n"
     "FILE:5: [deliver b]: request, level and nexthop have no effect where tickets = yes: the "
     "ticket says them\n"
     "FILE:9: [deliver c]: request, level and nexthop have no effect where tickets = yes: the "
     "ticket says them\n"},
    {"rules beside tickets",
     "[milter]\nsocket =\n[default]\nrequire_offer = no\n" SOCKET
     "tickets = yes\n[rule a]\nnexthop = a.example\nlevel = enforce\n"
     "tls_policy = secure\nfallback = may\n",
     "",
     "FILE: require_offer of [default] has no effect on sockets with tickets = yes, and there are "
     "no others: the ticket decides, as the filter's configuration says\n"
     "FILE:8: level of [rule a] has no effect on sockets with tickets = yes, and there are no "
     "others: the ticket decides, as the filter's configuration says\n"
     "FILE:8: fallback of [rule a] has no effect on sockets with tickets = yes, and there are no "
     "others: the ticket decides, as the filter's configuration says\n"},
    {"rules beside tickets and a socket without",
     "[milter]\nsocket =\n[default]\nrequire_offer = no\n" SOCKET
     "tickets = yes\n[deliver b]\nlisten = unix:/b\n",
     "", ""},
    {"a socket for everybody", SOCKET "socket_mode = 0666\n", "",
     "FILE:1: [deliver a]: with socket_mode = 0666 every local user can send mail as this host "
     "does\n"},
    {"a level for what demands nothing", SOCKET "request = optional\nlevel = enforce\n", "",
     "FILE:1: [deliver a]: level has no effect where request = optional\n"},
    {"numbers out of range",
     "[deliver]\nmax_sessions = 3\nmax_addresses = 21\nport = 65536\nper_host = 0\nreuse = 0\n",
     "FILE:2: max_sessions = 3: expected a number from 4 to 10000\n"
     "FILE:3: max_addresses = 21: expected a number from 1 to 20\n"
     "FILE:4: port = 65536: expected a port from 1 to 65535\n"
     "FILE:5: per_host = 0: expected a number from 1 to 1000000000\n"
     "FILE:6: reuse = 0: expected a number from 1 to 1000000000\n",
     ""},
    {"time-outs out of range",
     "[deliver]\nconnect_timeout = 999ms\ncommand_timeout = 2h\nsetup_timeout = 0s\n"
     "data_timeout = 61m\nticket_life = 59s\nidle = 0s\n",
     "FILE:2: connect_timeout = 999ms: expected a duration from 1s to 1h\n"
     "FILE:3: command_timeout = 2h: expected a duration from 1s to 1h\n"
     "FILE:4: setup_timeout = 0s: expected a duration from 1s to 1h\n"
     "FILE:5: data_timeout = 61m: expected a duration from 1s to 1h\n"
     "FILE:6: ticket_life = 59s: expected a duration from 1m to 365d\n"
     "FILE:7: idle = 0s: expected a duration such as 500ms, 5s, 10m, 2h or 1d, at most 24d\n",
     ""},
    {"the life of a ticket", "[deliver]\nticket_life = 366d\n",
     "FILE:2: ticket_life = 366d: expected a duration from 1m to 365d\n", ""},
    {"the longest message", "[deliver]\nmax_message = lots\n",
     "FILE:2: max_message = lots: expected 0 (no limit), or a size such as 64k, 50m or 2g\n", ""},
    {"paths", "[deliver]\nticket_key =\ncredentials = passwords\n[tlsrpt]\nsocket = /run/x\n",
     "FILE:2: ticket_key = : expected an absolute path\n"
     "FILE:3: credentials = passwords: expected an absolute path\n"
     "FILE:5: socket = /run/x: expected unix:/path or inet:host:port\n",
     ""},
    {"a collector elsewhere", "[tlsrpt]\nsocket = inet:127.0.0.1:99\n",
     "FILE:2: socket = inet:127.0.0.1:99: expected unix:/path\n", ""},
    {"two addresses of one family to send from", "[deliver]\nsource = 192.0.2.1, 192.0.2.2\n",
     "FILE:2: [deliver] source takes one IPv4 and one IPv6 address at most\n", ""},
    {"a time-out that another comes before",
     "[deliver]\nsetup_timeout = 10s\nconnect_timeout = 11s\n", "",
     "FILE: [deliver] connect_timeout is longer than setup_timeout, which ends before it\n"},
    {"a route to the agent that leads nowhere", "[route native]\nagent = yes\n",
     "FILE: [route native]: agent = yes needs method = header or recipient, which bring the "
     "message there\n",
     ""},
    {"a route to the agent and to another smtpd",
     "[route a]\nmethod = header\nlocal = reinject\nagent = yes\n",
     "FILE: [route a]: agent = yes and local = reinject: a message goes to the agent or to another "
     "smtpd of this host, not to both\n",
     ""},
    {"two addresses of one family, of a rule", "[rule a]\nsource = ::1 ::2\nsender = a.example\n",
     "FILE:1: [rule a] source takes one IPv4 and one IPv6 address at most\n", ""},
    {"sent by what the agent does not know",
     "[rule a]\nclient = 192.0.2.1\nhelo_name = a.example\n"
     "[rule b]\nheader = A: b\nsender = b.example\nsource = ::1\n"
     "[rule c]\nmailer = smtp\nsource = ::1\n"
     "[rule d]\nsender = !d.example\nrecipient = x@d.example\nnexthop = d.example\nsource = ::1\n",
     "FILE:1: [rule a]: with helo_name and source only sender, recipient and nexthop can be "
     "matched: the delivery agent knows nothing else\n"
     "FILE:4: [rule b]: with helo_name and source only sender, recipient and nexthop can be "
     "matched: the delivery agent knows nothing else\n"
     "FILE:8: [rule c]: with helo_name and source only sender, recipient and nexthop can be "
     "matched: the delivery agent knows nothing else\n",
     ""},
    {"a template", "[deliver]\naudit_template = relay=${relay\n",
     "FILE:2: audit_template = relay=${relay: a ${ or $( is not closed\n", ""},
    {"a template's name", "[deliver]\naudit_template = $relay $rely\n",
     "FILE:2: audit_template = $relay $rely: it has a name that is none of relay, level, policy, "
     "auth, protocol, cipher, cert_digest and spki_digest\n",
     ""},
    {"nothing to be done", "[milter]\nsocket =\n[socketmap]\nlisten =\n",
     "FILE: [milter] socket and [socketmap] listen are empty, and there is no [deliver NAME]: the "
     "daemon would do nothing\n",
     ""},
    {"the agent alone", "[milter]\nsocket =\n[socketmap]\nlisten =\n" SOCKET, "", ""},
    {"the maps alone", "[milter]\nsocket =\n", "", ""},
    {"the milter alone", "[socketmap]\nlisten =\n", "", ""},
};

static void test_messages(void **state)
{
    static struct reports r;

    (void)state;
    for (size_t i = 0; i < sizeof(message_cases) / sizeof(message_cases[0]); i++) {
        print_message("# %s\n", message_cases[i].name);
        config_unref(load(message_cases[i].text, &r));
        assert_string_equal(r.errors, message_cases[i].errors);
        assert_string_equal(r.warnings, message_cases[i].warnings);
    }
}

/* Rules that only the agent goes by: what they may look at, and that they take no route. */
static void test_agent_alone(void **state)
{
#define ALONE "[milter]\nsocket =\n[socketmap]\nlisten =\n" SOCKET
#define NEVER                                                                                      \
    "never matches: there is no milter, and the delivery agent knows sender, recipient and "       \
    "next-hop, nothing else\n"
#define NOT_OF_A                                                                                   \
    "does not hold for mail of [deliver a], which has no tickets: the delivery agent knows "       \
    "sender, recipient and next-hop, nothing else\n"
    static const char rules[] = "[rule a]\nclient = local\nlevel = disable\n"
                                "[rule b]\nsender = b.example\nrecipient = c.example\n"
                                "nexthop = d.example\nlevel = disable\n"
                                "[rule c]\nmailer = smtp\nlevel = disable\n"
                                "[rule d]\nsender = d.example\nrequest = require\n"
                                "[rule e]\nsender = e.example\nfallback = may\n"
                                "tls_policy = secure match=mx.example\nrequire_offer = yes\n";
    static const struct {
        const char *text, *warnings, *errors;
    } cases[] = {
        {ALONE, "FILE:7: [rule a] " NEVER "FILE:15: [rule c] " NEVER, ""},
        {SOCKET, "FILE:3: [rule a] " NOT_OF_A "FILE:11: [rule c] " NOT_OF_A,
         "FILE:14: request = require of [rule d]: [route native] does not enforce it when the "
         "message leaves, where no other rule lowers the level; give the rule a `route` with a "
         "method, as in the MTA's sample configuration, or a `level` below enforce\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[1000];

        snprintf(text, sizeof(text), "%s%s", cases[i].text, rules);
        struct config *config = must_load(text);
        struct reports r = {.path = config->path};

        rules_check(config, on_warning, &r);
        (void)rules_check_enforced(config, on_error, on_error, &r);
        assert_string_equal(r.warnings, cases[i].warnings);
        assert_string_equal(r.errors, cases[i].errors);
        config_unref(config);
    }
}

/* --- this host -------------------------------------------------------------------------------- */

/* What the agent reads is looked at where there is an agent, each with its line. */
static void test_files(void **state)
{
    static char open_file[] = "/tmp/test_config_deliver.XXXXXX";
    char text[400], wanted[400];
    static const struct {
        const char *text, *errors;
    } cases[] = {
        {"[deliver]\ncredentials = /nowhere/x\nca_file = /nowhere/y\n", ""},
        {SOCKET, ""},
        {SOCKET "[deliver]\ncredentials = /nowhere/x\n",
         "FILE:4: credentials: /nowhere/x: No such file or directory\n"},
        {SOCKET "[deliver]\nport = 26\nca_file = /nowhere/y\nca_path = /nowhere/z\n",
         "FILE:5: ca_file: /nowhere/y: cannot load CA certificates: No such file or directory\n"
         "FILE:6: ca_path: /nowhere/z: not a directory of CA certificates: No such file or "
         "directory\n"},
    };
    int fd = mkstemp(open_file);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, 0644), 0);
    close(fd);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config *config = must_load(cases[i].text);
        struct reports r = {.path = config->path};

        assert_int_equal(config_host_check_files(config, on_error, &r) == 0,
                         cases[i].errors[0] == '\0');
        assert_string_equal(r.errors, cases[i].errors);
        config_unref(config);
    }
    snprintf(text, sizeof(text), SOCKET "[deliver]\ncredentials = %s\n", open_file);
    struct config *config = must_load(text);
    struct reports r = {.path = config->path};

    assert_int_not_equal(config_host_check_files(config, on_error, &r), 0);
    snprintf(wanted, sizeof(wanted),
             "FILE:4: credentials: %s: others can read it or write to it: chmod 0640\n", open_file);
    assert_string_equal(r.errors, wanted);
    assert_int_equal(chmod(open_file, 0600), 0);
    assert_int_equal(config_host_check_files(config, on_error, &r), 0);
    config->deliver.content_dir = "/nowhere";
    memset(r.errors, 0, sizeof(r.errors));
    assert_int_not_equal(config_host_check_files(config, on_error, &r), 0);
    assert_string_equal(r.errors, "FILE: [deliver]: /nowhere, where messages are kept that are "
                                  "longer than 1 MiB: No such file or directory\n");
    config_unref(config);
    unlink(open_file);
}

static void test_directories(void **state)
{
    struct config *config = must_load(
        "[milter]\nsocket =\n[socketmap]\nlisten =\n"
        "[deliver a]\nlisten = unix:/nowhere/a.sock\nsocket_group = mail\n"
        "[deliver b]\nlisten = inet:127.0.0.1:24\n[deliver c]\nlisten = unix:/tmp/c.sock\n");
    struct reports r = {.path = config->path};

    (void)state;
    assert_int_not_equal(config_host_check_sockets(config, on_error, &r), 0);
    assert_string_equal(r.errors,
                        "FILE: [deliver] listen: /nowhere/a.sock: there is no directory /nowhere: "
                        "install -d -o requiretls-milter -g mail -m 2750 /nowhere\n");
    config_unref(config);
}

static void test_uses_tickets(void **state)
{
    static const struct {
        const char *text;
        bool uses;
    } cases[] = {
        {"", false},
        {SOCKET, false},
        {SOCKET "tickets = yes\n", true},
        {"[route a]\nmethod = header\n", false},
        {"[route a]\nmethod = header\nagent = yes\n", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config *config = must_load(cases[i].text);

        assert_int_equal(config_uses_tickets(config), cases[i].uses);
        config_unref(config);
    }
}

/* --- a reload --------------------------------------------------------------------------------- */

static void test_fixed(void **state)
{
    static const struct {
        const char *text, *reports;
    } cases[] = {
        {SOCKET, ""},
        {SOCKET "tickets = yes\n", ""},
        {SOCKET "request = header\nlevel = disable\nnexthop = example.org\n"
                "[deliver]\nmax_sessions = 7\n[tlsrpt]\nsocket = unix:/t\n",
         ""},
        {"[deliver a]\nlisten = unix:/b\n",
         "FILE: [deliver a] listen has changed; that takes a restart\n"},
        {SOCKET "socket_mode = 0600\nsocket_group = mail\n",
         "FILE: [deliver a] socket_mode has changed; that takes a restart\n"
         "FILE: [deliver a] socket_group has changed; that takes a restart\n"},
        {"", "FILE: [deliver a] has been removed; that takes a restart\n"},
        {SOCKET "[deliver b]\nlisten = unix:/b\n",
         "FILE: [deliver b] has been added; that takes a restart\n"},
    };
    struct config *running = must_load(SOCKET);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config *loaded = must_load(cases[i].text);
        struct reports r = {.path = loaded->path};

        config_report_fixed(running, loaded, on_warning, &r);
        assert_string_equal(r.warnings, cases[i].reports);
        config_unref(loaded);
    }
    config_unref(running);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),    cmocka_unit_test(test_every_key),
        cmocka_unit_test(test_ca),          cmocka_unit_test(test_messages),
        cmocka_unit_test(test_agent_alone), cmocka_unit_test(test_files),
        cmocka_unit_test(test_directories), cmocka_unit_test(test_uses_tickets),
        cmocka_unit_test(test_fixed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
