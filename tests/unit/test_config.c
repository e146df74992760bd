/*
 * The configuration file: every class of error with its exact message, the traps of libinih
 * included, every key's default and a value that differs from it.
 */
#include "config/config.h"
#include "config/config_keys.h"
#include "config/config_rule.h"
#include "decide/rules_check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <cmocka.h>

enum { REPORTS_MAX = 16384 };

struct reports {
    char errors[REPORTS_MAX];
    char warnings[REPORTS_MAX];
    const char *path;
};

static void append(char *to, const struct reports *r, const char *message)
{
    size_t len = strlen(to), path_len = strlen(r->path);

    if (strncmp(message, r->path, path_len) == 0)
        snprintf(to + len, REPORTS_MAX - len, "%s%s", "FILE", message + path_len);
    else
        snprintf(to + len, REPORTS_MAX - len, "%s", message);
    len = strlen(to);
    snprintf(to + len, REPORTS_MAX - len, "\n");
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

static int load_octets(const char *text, size_t len, struct reports *r, struct config **out)
{
    static char path[] = "/tmp/test_config.XXXXXX";
    int fd, status;

    strcpy(path, "/tmp/test_config.XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    close(fd);
    memset(r, 0, sizeof(*r));
    r->path = path;
    status = config_load(path, "mail.example.org", on_error, on_warning, r, out);
    if (status == 0)
        rules_check(*out, on_warning, r);
    unlink(path);
    return status;
}

static int load(const char *text, struct reports *r, struct config **out)
{
    return load_octets(text, strlen(text), r, out);
}

static struct config *must_load(const char *text)
{
    static struct reports r;
    struct config *config;
    int status = load(text, &r, &config);

    if (status != 0)
        print_error("%s", r.errors);
    assert_int_equal(status, 0);
    assert_string_equal(r.errors, "");
    return config;
}

/* --- errors ----------------------------------------------------------------------------------- */

#define LABEL_63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LONG_TAG                                                                                   \
    LABEL_63 "." LABEL_63 "." LABEL_63                                                             \
             ".bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.invalid"

static const struct {
    const char *name;
    const char *text;
    const char *errors;
} error_cases[] = {
    {"unknown section", "[milte]\n",
     "FILE:1: unknown section [milte]; there are milter, dns, mta_sts, dane, probe, cache, "
     "socketmap, metrics, log, default, deliver, tlsrpt, route NAME, rule NAME and deliver NAME\n"},
    {"unknown section, empty, last", "[dns]\n[nonsense]",
     "FILE:2: unknown section [nonsense]; there are milter, dns, mta_sts, dane, probe, cache, "
     "socketmap, metrics, log, default, deliver, tlsrpt, route NAME, rule NAME and deliver NAME\n"},
    {"keys of an unknown section are not read", "[x]\nfoo = bar\n  baz\n",
     "FILE:1: unknown section [x]; there are milter, dns, mta_sts, dane, probe, cache, "
     "socketmap, metrics, log, default, deliver, tlsrpt, route NAME, rule NAME and deliver NAME\n"},
    {"section twice", "[dns]\ntries = 2\n[log]\n[dns]\ntimeout = 1s\n",
     "FILE:4: section [dns] is given twice\n"},
    {"rule twice", "[rule a]\nlevel = disable\n[rule a]\nlevel = enforce\n",
     "FILE:3: section [rule a] is given twice\n"},
    {"rule without a name", "[rule ]\n",
     "FILE:1: section [rule ]: a route, a rule or a socket of the agent needs a name of letters, "
     "digits, "
     "'_', '.' and '-', "
     "as in [rule partners]\n"},
    {"two blanks would hide a section given twice", "[rule  a]\n",
     "FILE:1: section [rule  a]: a route, a rule or a socket of the agent needs a name of letters, "
     "digits, '_', '.' and "
     "'-', "
     "as in [rule partners]\n"},
    {"section twice but for case", "[rule a]\nlevel = disable\n[rule A]\nlevel = enforce\n",
     "FILE:3: section [rule A] is given twice\n"},
    {"section never closed", "[dns\n", "FILE:1: a section is [name] on a line of its own\n"},
    {"text after a section", "[dns] tries = 3\n",
     "FILE:1: a section is [name] on a line of its own\n"},
    {"section name of 50 octets", "[rule aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeee]\n",
     "FILE:1: section name of 50 octets; at most 49 are allowed\n"},
    {"unknown key", "[dns]\nresolver = 127.0.0.1\n",
     "FILE:2: unknown key resolver; [dns] takes resolvers, trust_ad, timeout, tries, check_name, "
     "check_interval\n"},
    {"key of another section", "[rule a]\nsocket = unix:/x\n",
     "FILE:2: unknown key socket; [rule a] takes client, authenticated, tls, sender, recipient, "
     "nexthop, mailer, header, daemon, request, level, fallback, on_unsatisfied, on_undecided, "
     "mixed, require_offer, route, optional_route, helo_name, source, tls_policy\n"},
    {"key in capitals", "[dane]\nEnable = no\n",
     "FILE:2: unknown key Enable; [dane] takes enable, web_pki\n"},
    {"key before a section", "tries = 3\n", "FILE:1: a key before the first [section]\n"},
    {"key twice", "[dns]\ntries = 3\n# a comment\ntries = 4\n",
     "FILE:4: tries is given twice, first in line 2\n"},
    {"no equals sign", "[dns]\ntries\n", "FILE:2: neither [section] nor key = value\n"},
    {"colon for equals", "[dns]\ntries: 3\n", "FILE:2: neither [section] nor key = value\n"},
    {"no user", "[milter]\nuser =\n", "FILE:2: user = : expected a user's name\n"},
    {"no key", "[dns]\n= 3\n", "FILE:2: no key before '='\n"},
    {"inline comment that inih would cut", "[milter]\nmydomain = example.org ; ours\n",
     "FILE:2: ';' after a blank would cut the value off; comments start a line\n"},
    {"inline comment that inih would keep", "[milter]\nmydomain = example.org # ours\n",
     "FILE:2: mydomain = example.org # ours: expected a domain name\n"},
    {"indented key vanishes into the one above",
     "[rule a]\nsender = example.org\n  level = disable\n",
     "FILE:3: an indented line continues sender above it; a key begins in the first column\n"},
    {"indented line below a single value", "[dns]\ntries = 3\n  4\n",
     "FILE:3: an indented line continues tries above it, which takes one value only\n"},
    {"indented first key", "[dns]\n  tries = 3\n",
     "FILE:2: an indented line continues a key, and there is none above it\n"},
    {"carriage return inside a line", "[dns]\ntries = 3\rtimeout = 1s\n",
     "FILE:2: control character 0x0d in column 10\n"},
    {"control character", "[dns]\ntries = 3\x01\n",
     "FILE:2: control character 0x01 in column 10\n"},
    {"byte order mark", "\xef\xbb\xbf[dns]\n",
     "FILE:1: the file begins with a byte order mark; save it as plain UTF-8\n"},
    {"bad yes/no", "[mta_sts]\nenable = true\n", "FILE:2: enable = true: expected yes or no\n"},
    {"bad duration", "[dns]\ntimeout = 5\n",
     "FILE:2: timeout = 5: expected a duration such as 500ms, 5s, 10m, 2h or 1d, at most 24d\n"},
    {"zero duration", "[dns]\ntimeout = 0s\n",
     "FILE:2: timeout = 0s: expected a duration such as 500ms, 5s, 10m, 2h or 1d, at most 24d\n"},
    {"duration that overflows", "[dns]\ntimeout = 99999999999999999999d\n",
     "FILE:2: timeout = 99999999999999999999d: expected a duration such as 500ms, 5s, 10m, 2h or "
     "1d, at most 24d\n"},
    {"bad size", "[mta_sts]\nmax_policy = 64kb\n",
     "FILE:2: max_policy = 64kb: expected a size such as 4096, 64k or 1m\n"},
    {"bad number", "[milter]\nmax_waiting = many\n",
     "FILE:2: max_waiting = many: expected a number from 1 to 1000000000\n"},
    {"bad mode", "[milter]\nsocket_mode = 0888\n",
     "FILE:2: socket_mode = 0888: expected an octal mode such as 0660\n"},
    {"bad socket", "[milter]\nsocket = /run/milter.sock\n",
     "FILE:2: socket = /run/milter.sock: expected unix:/path, inet:port@address or "
     "inet6:port@address\n"},
    {"socket without a port", "[milter]\nsocket = inet:x@127.0.0.1\n",
     "FILE:2: socket = inet:x@127.0.0.1: expected unix:/path, inet:port@address or "
     "inet6:port@address\n"},
    {"socket with too large a port", "[milter]\nsocket = inet6:65536@::1\n",
     "FILE:2: socket = inet6:65536@::1: expected unix:/path, inet:port@address or "
     "inet6:port@address\n"},
    {"a path too long for a socket",
     "[milter]\nsocket = "
     "unix:/aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggg"
     "hhhhhhhhhhiiiiiiiiiijjjjjjjjjjkkkkkkk\n",
     "FILE:2: socket = unix:/aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggg"
     "hhhhhhhhhhiiiiiiiiiijjjjjjjjjjkkkkkkk: expected a path of at most 107 octets\n"},
    {"listener with port 0", "[socketmap]\nlisten = inet:127.0.0.1:0\n",
     "FILE:2: listen = inet:127.0.0.1:0: expected unix:/path or inet:host:port\n"},
    {"listener with a bare IPv6 address", "[metrics]\nlisten = inet:::1:80\n",
     "FILE:2: listen = inet:::1:80: expected unix:/path or inet:host:port\n"},
    {"listener twice", "[socketmap]\nlisten = unix:/a, unix:/a\n",
     "FILE: unix:/a is given for two listeners\n"},
    {"milter and map on one socket", "[milter]\nsocket = local:/a\n[socketmap]\nlisten = unix:/a\n",
     "FILE: unix:/a is given for two listeners\n"},
    {"resolver by name", "[dns]\nresolvers = 127.0.0.1 ns.example.org\n",
     "FILE:2: resolvers = ns.example.org: expected an address such as 192.0.2.1, 192.0.2.1:5353 or "
     "[2001:db8::1]:53\n"},
    {"resolver with port 0", "[dns]\nresolvers = [::1]:0\n",
     "FILE:2: resolvers = [::1]:0: expected an address such as 192.0.2.1, 192.0.2.1:5353 or "
     "[2001:db8::1]:53\n"},
    {"our own domain as tag", "[milter]\ntag = org\n",
     "FILE: tag = org is a domain of this host, whose mail would be refused\n"},
    {"skip and more", "[rule a]\ntls_policy = skip match=x\n",
     "FILE:2: tls_policy = skip match=x: expected nothing after skip\n"},
    {"bad listener", "[socketmap]\nlisten = inet:8461\n",
     "FILE:2: listen = inet:8461: expected unix:/path or inet:host:port\n"},
    {"bad word", "[milter]\naccept_header = maybe\n",
     "FILE:2: accept_header = maybe: expected any, authenticated, trusted or no\n"},
    {"bad network", "[milter]\ntrusted_clients = 192.0.2.1/24\n",
     "FILE:2: trusted_clients = 192.0.2.1/24: expected a network whose host bits are zero\n"},
    {"bad level", "[rule a]\nlevel = strict\n",
     "FILE:2: level = strict: expected enforce, opportunistic+starttls, opportunistic or "
     "disable\n"},
    {"bad request", "[rule a]\nrequest = none\n",
     "FILE:2: request = none: expected require, optional, ignore or observe\n"},
    {"bad on_undecided", "[default]\non_undecided = reject\n",
     "FILE:2: on_undecided = reject: expected tempfail or log\n"},
    {"setting of rules only in [default]", "[default]\ntls_policy = skip\n",
     "FILE:2: unknown key tls_policy; [default] takes request, level, fallback, on_unsatisfied, "
     "on_undecided, mixed, require_offer, route, optional_route, helo_name, source\n"},
    {"bad header pattern", "[rule a]\nheader = Sensitivity\n",
     "FILE:2: header = Sensitivity: expected `Name: pattern`\n"},
    {"bad address", "[rule a]\nsender = @example.org\n",
     "FILE:2: sender = @example.org: expected user@domain\n"},
    {"matcher without a value", "[rule a]\nsender =\nlevel = disable\n",
     "FILE:2: sender needs at least one value\n"},
    {"negation of nothing", "[rule a]\nsender = !\n",
     "FILE:2: sender = !: expected something after '!'\n"},
    {"unknown route", "[rule a]\nroute = strict\n", "FILE:2: there is no [route strict]\n"},
    {"unknown route for starttls", "[route a]\nstarttls = b\n",
     "FILE: [route a] starttls: there is no [route b]\n"},
    {"a route that can do nothing", "[route x]\ncan =\n", "FILE:2: can needs at least one value\n"},
    {"authenticated yes and no", "[rule a]\nauthenticated = yes\nauthenticated = no\n",
     "FILE:3: authenticated = no: expected yes or no, not both\n"},
    {"authenticated and a login", "[rule a]\nauthenticated = yes, alice\n",
     "FILE:1: [rule a]: authenticated takes yes, no or login names, not both\n"},
    {"not authenticated, the other way", "[rule a]\nauthenticated = !yes\n",
     "FILE:2: authenticated = !yes: expected yes, no or login names\n"},
    {"a route's tag that lets marked addresses in",
     "[route x]\nmethod = recipient\ntag = x.invalid\n",
     "FILE: [route x] tag = x.invalid is not below requiretls.invalid\n"},
    {"routes that mark alike",
     "[route x]\nmethod = recipient\ntag = a.requiretls.invalid\n"
     "[route y]\nmethod = header\ntag = A.requiretls.invalid\n",
     "FILE: [route x] and [route y] mark recipients alike: give one of them `tag = "
     "y.requiretls.invalid`\n"},
    {"a tag longer than a name",
     "[milter]\ntag = " LONG_TAG "\n[route second]\nmethod = recipient\n",
     "FILE: [route second] tag = second." LONG_TAG " is longer than a domain name can be\n"},
    {"unknown capability", "[route x]\ncan = dane, pki\n",
     "FILE:2: can = pki: expected dane, sts, web_pki, fallback or requiretls\n"},
    {"bad tls_policy", "[rule a]\ntls_policy = strict\n",
     "FILE:2: tls_policy = strict: expected skip, or the text of a Postfix TLS policy (none, may, "
     "encrypt, dane, dane-only, fingerprint, verify or secure, and attributes)\n"},
    {"a probe that may be", "[probe]\nenable = maybe\n",
     "FILE:2: enable = maybe: expected auto, yes or no\n"},
    {"a probe from a name", "[probe]\nsource = mail.example.org\n",
     "FILE:2: source = mail.example.org: expected an address such as 192.0.2.1 or 2001:db8::1\n"},
    {"a probe from a scope", "[probe]\nsource = fe80::1%eth0\n",
     "FILE:2: source = fe80::1%eth0: expected an address such as 192.0.2.1 or 2001:db8::1\n"},
    {"a probe from two addresses of a family",
     "[probe]\nsource = 192.0.2.1, 2001:db8::1, 192.0.2.2\n",
     "FILE: [probe] source takes one IPv4 and one IPv6 address at most\n"},
    {"a port beyond all ports", "[probe]\nport = 65536\n",
     "FILE:2: port = 65536: expected a port from 1 to 65535\n"},
    {"more probes at once than may be", "[probe]\nparallel = 101\n",
     "FILE:2: parallel = 101: expected a number from 1 to 100\n"},
    {"no probes at once", "[probe]\nparallel = 0\n",
     "FILE:2: parallel = 0: expected a number from 1 to 100\n"},
    {"bad store", "[cache]\nstore = lmdb:/x\n",
     "FILE:2: store = lmdb:/x: expected sqlite:/path or memory\n"},
    {"less memory than anything needs", "[cache]\nmax_memory = 1023k\n",
     "FILE:2: max_memory = 1023k: expected a size from 1m to 1024m\n"},
    {"a shared cache without a key", "[cache]\nshared = redis://192.0.2.1\n",
     "FILE:2: shared needs shared_key: no row counts without a MAC\n"},
    {"a shared cache, too soon late", "[cache]\nshared_timeout = 9ms\n",
     "FILE:2: shared_timeout = 9ms: expected a duration from 10ms to 2s\n"},
    {"a shared cache that holds mail up", "[cache]\nshared_timeout = 3s\n",
     "FILE:2: shared_timeout = 3s: expected a duration from 10ms to 2s\n"},
    {"a server of a shared cache that is none, with a password",
     "[cache]\nshared = 192.0.2.1\nshared_key = /k\nshared_password = /p\n",
     "FILE:2: shared = ...: it is neither redis://HOST:PORT/DB nor unix:/PATH\n"},
    {"a password in a URL, which no log has",
     "[cache]\nshared = redis://user:s3cret@192.0.2.1\nshared_key = /k\n",
     "FILE:2: shared = redis://...: a user or password does not belong in the URL: the file of "
     "shared_password has it\n"},
    {"a shared cache, and its key by a relative path",
     "[cache]\nshared = redis://192.0.2.1\nshared_key = shared.key\n",
     "FILE:3: shared_key = shared.key: expected an absolute path\n"},
    {"a shared cache's key by a relative path", "[cache]\nshared_key = shared.key\n",
     "FILE:2: shared_key = shared.key: expected an absolute path\n"},
    {"all errors at once", "[dns]\ntries = x\nfoo = 1\n[rule a]\nroute = none\n",
     "FILE:2: tries = x: expected a number from 1 to 100\n"
     "FILE:3: unknown key foo; [dns] takes resolvers, trust_ad, timeout, tries, check_name, "
     "check_interval\n"
     "FILE:5: there is no [route none]\n"},
};

static void test_errors(void **state)
{
    static struct reports r;

    (void)state;
    for (size_t i = 0; i < sizeof(error_cases) / sizeof(error_cases[0]); i++) {
        struct config *config = NULL;
        int status = load(error_cases[i].text, &r, &config);

        if (status == 0 || strcmp(r.errors, error_cases[i].errors) != 0)
            print_error("%s: got\n%s", error_cases[i].name, r.errors);
        assert_int_not_equal(status, 0);
        assert_null(config);
        assert_string_equal(r.errors, error_cases[i].errors);
    }
}

/* A password stands where none belongs, perhaps with what separates elements of a list: no error
 * has a part of it. All of them are "s3c" and "r3t" with something between. */
static void test_no_error_has_a_password(void **state)
{
    static const char *const values[] = {
        "shared = redis://:s3c,r3t@192.0.2.1",
        "shared = redis://:s3c r3t@192.0.2.1",
        "shared = redis://user:s3c,r3t@192.0.2.1",
        "shared = redis://user:1,r3t@192.0.2.1",
        "shared = redis://:s3c\tr3t@192.0.2.1",
        "shared = redis://:@s3c,r3t@192.0.2.1",
        "shared = redis://:s3c@,@r3t@192.0.2.1/1",
        "shared = redis://:s3c,,r3t@192.0.2.1",
        "shared = redis://:s3c/r3t@192.0.2.1",
        "shared = redis://:s3c,x://r3t@192.0.2.1",
        "shared = redis://:s3c,redis://r3t@192.0.2.1",
        "shared = redis://:s3c! r3t@192.0.2.1",
        "shared = redis://:s3c,/r3t/@192.0.2.1",
        "shared = redis://:s3c\n  r3t@192.0.2.1",
        "shared = redis://192.0.2.2 redis://:s3c,r3t@192.0.2.1",
        "shared = rediss://:s3c,r3t@192.0.2.1",
        "shared = http://:s3c,r3t@192.0.2.1",
        "shared = :s3c,r3t@192.0.2.1",
        "shared = user:s3c@r3t",
        "shared = redis://s3c!r3t",
        "shared = unix:s3c,r3t",
        "shared_password = s3cr3t",
        "shared_password = redis://:s3c@r3t",
    };
    static struct reports r;
    (void)state;

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct config *config = NULL;
        char text[200];

        snprintf(text, sizeof(text), "[cache]\n%s\nshared_key = /k\n", values[i]);
        if (load(text, &r, &config) == 0 || strstr(r.errors, "s3c") != NULL ||
            strstr(r.errors, "r3t") != NULL)
            fail_msg("%s: %s", values[i], r.errors);
        assert_non_null(strstr(r.errors, "FILE:2: shared"));
    }
}

static void test_long_lines(void **state)
{
    static struct reports r;
    static char text[6000];
    struct config *config;
    size_t n = (size_t)sprintf(text, "[milter]\nmy_mx_names =");

    (void)state;
    /* inih's own limit of 200 would make a second line of the rest. */
    while (n < 3900)
        n += (size_t)sprintf(text + n, " mx%zu.example.org", n);
    sprintf(text + n, "\n");
    assert_int_equal(load(text, &r, &config), 0);
    assert_true(config->milter.my_mx_names.count > 200);
    assert_string_equal(config->milter.my_mx_names.items[0], "mx22.example.org");
    config_unref(config);

    while (n < 5000)
        n += (size_t)sprintf(text + n, " mx%zu.example.org", n);
    sprintf(text + n, "\n");
    assert_int_not_equal(load(text, &r, &config), 0);
    assert_non_null(strstr(r.errors, "FILE:2: line of "));
    assert_non_null(strstr(r.errors, " octets; at most 4000 are allowed\n"));
    assert_null(strchr(strchr(r.errors, '\n') + 1, '\n')); /* said once */
}

static void test_many_errors(void **state)
{
    static struct reports r;
    static char text[10000] = "[dns]\n";
    struct config *config;
    unsigned lines = 0;

    (void)state;
    for (int i = 0; i < 1000; i++)
        strcat(text, "x=1\n");
    assert_int_not_equal(load(text, &r, &config), 0);
    for (const char *p = r.errors; *p != '\0'; p++)
        lines += *p == '\n';
    assert_int_equal(lines, 51);
    assert_non_null(strstr(r.errors, "\nFILE: more errors follow, which are not shown\n"));
}

static void test_zero_octet(void **state)
{
    static struct reports r;
    struct config *config;

    (void)state;
    assert_int_not_equal(load_octets("[dns]\ntries = 3\0 4\n", 19, &r, &config), 0);
    assert_string_equal(r.errors, "FILE:2: control character 0x00 in column 10\n");
}

static void test_unreadable(void **state)
{
    static struct reports r = {.path = "/nonexistent/x.conf"};
    struct config *config;

    (void)state;
    assert_int_not_equal(config_load(r.path, "h", on_error, on_warning, &r, &config), 0);
    assert_string_equal(r.errors, "FILE: cannot open: No such file or directory\n");
    memset(&r, 0, sizeof(r));
    r.path = "/tmp";
    assert_int_not_equal(config_load(r.path, "h", on_error, on_warning, &r, &config), 0);
    assert_string_equal(r.errors, "FILE: is a directory\n");
}

/* The file at the usual place need not be there; what is there is read. */
static void test_absent(void **state)
{
    static struct reports r = {.path = "/nonexistent/x.conf"};
    char path[] = "/tmp/test_config.XXXXXX";
    struct config *config;
    int fd;

    (void)state;
    assert_int_equal(config_load_if_present(r.path, "h", on_error, on_warning, &r, &config), 0);
    assert_string_equal(r.errors, "");
    assert_string_equal(r.warnings, "");
    assert_false(config->source.present);
    assert_int_equal(config->rule_count, 0);
    assert_int_equal(config->milter.rcpt_wait_ms, 5000);
    assert_false(config_source_changed(config, r.path));
    assert_true(config_source_changed(config, "/dev/null"));
    config_unref(config);

    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "[milter]\nrcpt_wait = x\n", 23), 23);
    close(fd);
    r.path = path;
    assert_int_equal(config_load_if_present(path, "h", on_error, on_warning, &r, &config), -EINVAL);
    assert_non_null(strstr(r.errors, "FILE:2: rcpt_wait = x"));
    unlink(path);

    memset(&r, 0, sizeof(r));
    r.path = path;
    assert_int_equal(symlink("/nonexistent/x.conf", path), 0);
    assert_int_equal(config_load_if_present(path, "h", on_error, on_warning, &r, &config), -EINVAL);
    assert_string_equal(r.errors, "FILE: cannot open: No such file or directory\n");
    unlink(path);
}

/* What a file with errors tells all the same, and of which parts it does not. */
static void test_in_part(void **state)
{
    static const struct {
        const char *text, *errors;
        unsigned in_doubt;
    } files[] = {
        {"[milter]\nsocket = unix:/run/x\nmarker = SIZE=7\n", "", 0},
        {"[milter]\nrcpt_wait = x\n", ":2: rcpt_wait = x", CONFIG_PART_WAIT},
        {"[milter]\nsoket = unix:/run/x\n", ":2: unknown key soket",
         CONFIG_PART_SOCKETS | CONFIG_PART_MILTER | CONFIG_PART_USER | CONFIG_PART_WAIT},
        {"[milter]\naccept_header = x\n", ":2: accept_header = x", CONFIG_PART_MILTER},
        {"[socketmap]\nlisten = x\n", ":2: listen = x", CONFIG_PART_SOCKETS},
        {"[socketmap]\ntlsrpt = x\n", ":2: tlsrpt = x", CONFIG_PART_SOCKETMAP},
        {"[dns]\nresolvers = x\n", ":2: resolvers = x", CONFIG_PART_DNS},
        {"[mta_sts]\nenable = x\n", ":2: enable = x", CONFIG_PART_LOOKUPS},
        {"[cache]\nstore = x\n", ":2: store = x", CONFIG_PART_CACHE},
        {"[probe]\nttl = x\n", ":2: ttl = x", CONFIG_PART_PROBE},
        {"[probe]\nsource = 192.0.2.1, 192.0.2.2\n", "[probe] source takes one IPv4",
         CONFIG_PART_PROBE},
        {"[deliver]\nidle = x\n", ":2: idle = x", CONFIG_PART_DELIVER},
        {"[deliver]\nsource = ::1, ::2\n", "[deliver] source takes one IPv4", CONFIG_PART_DELIVER},
        {"[tlsrpt]\nsocket = x\n", ":2: socket = x", CONFIG_PART_DELIVER},
        {"[deliver a]\nlisten = unix:/a\nlevel = x\n", ":3: level = x", CONFIG_PART_DELIVER},
        {"[deliver a]\nlisten = x\n", ":2: listen = x", CONFIG_PART_SOCKETS | CONFIG_PART_DELIVER},
        {"[route a]\nagent = yes\n", "[route a]: agent = yes needs method", CONFIG_PART_RULES},
        {"[rule a]\nlevel = x\n", ":2: level = x", CONFIG_PART_RULES},
        {"[default]\nroute = gone\n", ":2: there is no [route gone]", CONFIG_PART_RULES},
        {"[log]\nfacility = x\n", ":2: facility = x", 0},
        {"[nothing]\n", ":1: unknown section", CONFIG_PART_ALL},
        {"[milter\n", ":1: ", CONFIG_PART_ALL},
        /* What keys have in common is not said where one of them is not known, but is in doubt. */
        {"[default]\nroute = gone\n[dns]\nresolvers = x\n", ":4: resolvers = x",
         CONFIG_PART_DNS | CONFIG_PART_RULES},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        static struct reports r;
        char path[] = "/tmp/test_config.XXXXXX";
        struct config *config;
        int fd = mkstemp(path);

        memset(&r, 0, sizeof(r));
        r.path = path;
        assert_true(fd >= 0);
        assert_int_equal(write(fd, files[i].text, strlen(files[i].text)), strlen(files[i].text));
        close(fd);
        int error = config_load_in_part(path, true, "h", on_error, on_warning, &r, &config);
        unlink(path);
        print_message("# %s", files[i].text);
        assert_int_equal(error, r.errors[0] != '\0' ? -EINVAL : 0);
        assert_non_null(strstr(r.errors, files[i].errors));
        assert_int_equal(config->in_doubt, files[i].in_doubt);
        const char *end = strchr(r.errors, '\n');
        assert_true(end == NULL || end[1] == '\0');
        config_unref(config);
    }
}

/* Whether the file is still the one that was read: by what it is, size and time. */
static void test_source_changed(void **state)
{
    static struct reports r = {.path = "x"};
    char path[] = "/tmp/test_config.XXXXXX";
    const struct timespec times[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
    struct config *config;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(config_load(path, "h", on_error, on_warning, &r, &config), 0);
    assert_true(config->source.present);
    assert_true(config->source.read_s > 0);
    assert_false(config_source_changed(config, path));
    assert_int_equal(futimens(fd, times), 0);
    assert_true(config_source_changed(config, path));
    close(fd);
    unlink(path);
    assert_true(config_source_changed(config, path));
    config_unref(config);
}

/* --- values ----------------------------------------------------------------------------------- */

static void test_defaults(void **state)
{
    struct config *c = must_load("");

    (void)state;
    assert_string_equal(c->milter.socket, "unix:/run/requiretls-milter/milter.sock");
    assert_int_equal(c->milter.socket_mode, 0660);
    assert_null(c->milter.socket_group);
    assert_string_equal(c->milter.user, "requiretls-milter");
    assert_string_equal(c->milter.mydomain, "example.org");
    assert_int_equal(c->milter.my_mx_names.count, 1);
    assert_string_equal(c->milter.my_mx_names.items[0], "mail.example.org");
    assert_int_equal(c->milter.trusted_client_count, 2);
    assert_true(c->milter.trusted_local);
    assert_int_equal(c->milter.accept_header, CONFIG_ACCEPT_AUTHENTICATED);
    assert_int_equal(c->milter.add_header, CONFIG_ADD_HEADER_REINJECT);
    assert_string_equal(c->milter.marker, "SIZE=00000000000000008689");
    assert_string_equal(c->milter.tag, "requiretls.invalid");
    assert_string_equal(c->milter.route_header, "X-REQUIRETLS-Route");
    assert_int_equal(c->milter.local_mailers.count, 20);
    assert_string_equal(c->milter.local_mailers.items[18], "*file*");
    assert_int_equal(c->milter.rcpt_wait_ms, 5000);
    assert_int_equal(c->milter.eom_wait_ms, 60000);
    assert_int_equal(c->milter.max_waiting, 500);
    assert_int_equal(c->milter.redact_dsn, CONFIG_REDACT_OWN);

    assert_null(c->engine.resolvers);
    assert_int_equal(c->engine.trust_ad, ENGINE_TRUST_AD_AUTO);
    assert_int_equal(c->engine.dns_timeout_ms, 2000);
    assert_int_equal(c->engine.dns_tries, 3);
    assert_string_equal(c->engine.check_name, "com");
    assert_int_equal(c->engine.check_interval_ms, 60000);
    assert_true(c->engine.sts_enable);
    assert_null(c->engine.sts_ca_file);
    assert_null(c->engine.sts_ca_path);
    assert_int_equal(c->engine.sts_connect_timeout_ms, 5000);
    assert_int_equal(c->engine.sts_timeout_ms, 10000);
    assert_int_equal(c->engine.sts_max_policy, 65536);
    assert_int_equal(c->engine.sts_min_retry_ms, 300000);
    assert_int_equal(c->engine.sts_give_up_ms, 86400000);
    assert_int_equal(c->engine.sts_refresh_ms, 86400000);
    assert_false(c->accept_testing);
    assert_true(c->engine.dane_enable);
    assert_true(c->web_pki);
    assert_int_equal(c->engine.probe_enable, ENGINE_PROBE_AUTO);
    assert_int_equal(c->engine.probe_ttl_ms, 86400000);
    assert_int_equal(c->engine.probe_negative_ttl_ms, 600000);
    assert_int_equal(c->engine.probe_parallel, 20);
    assert_int_equal(c->engine.probe_per_minute, 60);
    assert_int_equal(c->engine.probe_timeout_ms, 10000);
    assert_string_equal(c->engine.probe_helo_name, "mail.example.org");
    assert_null(c->engine.probe_sources);
    assert_int_equal(c->engine.probe_port, 25);
    assert_string_equal(c->engine.store, "/var/lib/requiretls-milter/cache.db");
    assert_int_equal(c->engine.max_domains, 100000);
    assert_int_equal(c->engine.max_memory, 268435456);
    assert_int_equal(c->engine.negative_ttl_ms, 300000);
    assert_int_equal(c->engine.max_ttl_ms, 86400000);
    assert_true(c->engine.prefetch);
    assert_int_equal(c->shared.servers.count, 0);
    assert_null(c->shared.password);
    assert_null(c->shared.key);
    assert_int_equal(c->engine.shared_timeout_ms, 100);

    assert_int_equal(c->socketmap.listen_count, 1);
    assert_string_equal(c->socketmap.listen[0].path, "/run/requiretls-milter/policy.sock");
    assert_int_equal(c->socketmap.socket_mode, 0660);
    assert_null(c->socketmap.socket_group);
    assert_false(c->socketmap.tlsrpt);
    assert_int_equal(c->socketmap.max_connections, 1000);
    assert_null(c->metrics_listen.text);
    assert_int_equal(c->log.target, LOG_TARGET_AUTO);
    assert_int_equal(c->log.format, LOG_FORMAT_TEXT);
    assert_int_equal(c->log.facility, LOG_MAIL);
    assert_int_equal(c->log.level, LOG_INFO);

    assert_int_equal(c->route_count, 1);
    assert_string_equal(c->routes[0].name, "native");
    assert_int_equal(c->routes[0].method, CONFIG_METHOD_NONE);
    assert_int_equal(c->routes[0].can, VERDICT_CAN_DANE | VERDICT_CAN_STS);
    assert_true(c->routes[0].can_follows_mta);
    assert_int_equal(c->rule_count, 0);
    config_unref(c);
}

static const char every_key[] =
    "# a comment\n; another\n   # an indented one\n\n"
    "[milter]\n"
    "socket = inet:8890@127.0.0.1\nsocket_mode = 660\nsocket_group = postfix\nuser = nobody\n"
    "mydomain = B\xc3\xbc"
    "cher.Example\nmy_mx_names = mx1.example.org,mx2.example.org\n"
    "trusted_clients = 10.0.0.0/8\n    2001:db8::/32\naccept_header = ANY\nadd_header = yes\n"
    "marker =\ntag = tls.invalid\nroute_header = X-Route\nlocal_mailers = local lmtp\n"
    "rcpt_wait = 500ms\neom_wait = 2m\nmax_waiting = 7\nredact_dsn = all\n"
    "[dns]\n"
    "resolvers = 127.0.0.1, [::1]:5353\nresolvers = 192.0.2.1\ntrust_ad = yes\ntimeout = 1s\n"
    "tries = 5\ncheck_name = org\ncheck_interval = 10m\n"
    "[mta_sts]\n"
    "enable = no\nca_file = /etc/ca.pem\nca_path = /etc/ca\nconnect_timeout = 1s\ntimeout = 2s\n"
    "max_policy = 1m\nmin_retry = 1m\ngive_up = 3h\nrefresh = 2h\naccept_testing = yes\n"
    "[dane]\nenable = no\nweb_pki = no\n"
    "[probe]\nenable = YES\nttl = 2h\nnegative_ttl = 1m\nparallel = 3\nper_minute = 500\n"
    "timeout = 3s\nhelo_name = b\xc3\xbc"
    "cher.example\nsource = 192.0.2.9, 2001:db8::9\nport = 2525\n"
    "[cache]\nstore = memory\nmax_domains = 10\nmax_memory = 2m\nnegative_ttl = 1m\nmax_ttl = "
    "1h\nprefetch = no\nshared = redis://[2001:db8::1]:6380/3\n  unix:/run/redis.sock\n"
    "shared_timeout = 250ms\nshared_password = /etc/p\nshared_key = /etc/k\n"
    "[socketmap]\nlisten = unix:/a, inet:127.0.0.1:8461\n inet:[::1]:8462\nsocket_mode = 0600\n"
    "socket_group = mail\ntlsrpt = yes\nmax_connections = 3\n"
    "[metrics]\nlisten = inet:127.0.0.1:9000\n"
    "[log]\ntarget = stderr\nformat = json\nfacility = local3\nlevel = debug\n"
    "[route strict]\nmethod = header\ncan = dane sts fallback requiretls\nlocal = refuse\n"
    "[route native]\ncan = dane, sts, web_pki\n"
    "[default]\n"
    "level = opportunistic\nfallback = encrypt\non_unsatisfied = tempfail\non_undecided = log\n"
    "mixed = keep\nrequire_offer = no\nroute = strict\noptional_route = strict\n"
    "[rule one]\n"
    "client = 192.0.2.0/24, .example.net, local\nauthenticated = alice, bob\ntls = yes\n"
    "sender = !eve@example.org, example.org, <>\nrecipient = .example.com\n"
    "nexthop = example.net, 198.51.100.0/24\nmailer = smtp\n"
    "header = Sensitivity: company-confidential\n   X-Mode: *secret*, or so\n"
    "daemon = MSA\n"
    "request = require\nlevel = enforce\nroute = native\ntls_policy = secure match=mx.example.net\n"
    "[rule two]\nauthenticated = yes\nrequest = ignore\n";

static void test_every_key(void **state)
{
    struct config *c = must_load(every_key);
    const struct config_rule *rule;

    (void)state;
    assert_string_equal(c->milter.socket, "inet:8890@127.0.0.1");
    assert_string_equal(c->milter.socket_group, "postfix");
    assert_string_equal(c->milter.user, "nobody");
    assert_string_equal(c->milter.mydomain, "xn--bcher-kva.example");
    assert_int_equal(c->milter.my_mx_names.count, 2);
    assert_null(c->milter.my_mx_names.items[2]);
    assert_int_equal(c->milter.trusted_client_count, 2);
    assert_false(c->milter.trusted_local);
    assert_int_equal(c->milter.accept_header, CONFIG_ACCEPT_ANY);
    assert_int_equal(c->milter.add_header, CONFIG_ADD_HEADER_YES);
    assert_string_equal(c->milter.marker, "");
    assert_string_equal(c->milter.tag, "tls.invalid");
    assert_string_equal(c->milter.route_header, "X-Route");
    assert_int_equal(c->milter.local_mailers.count, 2);
    assert_int_equal(c->milter.rcpt_wait_ms, 500);
    assert_int_equal(c->milter.eom_wait_ms, 120000);
    assert_int_equal(c->milter.max_waiting, 7);
    assert_int_equal(c->milter.redact_dsn, CONFIG_REDACT_ALL);
    assert_string_equal(c->engine.resolvers[0], "127.0.0.1");
    assert_string_equal(c->engine.resolvers[1], "[::1]:5353");
    assert_string_equal(c->engine.resolvers[2], "192.0.2.1");
    assert_null(c->engine.resolvers[3]);
    assert_int_equal(c->engine.trust_ad, ENGINE_TRUST_AD_YES);
    assert_int_equal(c->engine.dns_timeout_ms, 1000);
    assert_int_equal(c->engine.dns_tries, 5);
    assert_string_equal(c->engine.check_name, "org");
    assert_int_equal(c->engine.check_interval_ms, 600000);
    assert_false(c->engine.sts_enable);
    assert_string_equal(c->engine.sts_ca_file, "/etc/ca.pem");
    assert_string_equal(c->engine.sts_ca_path, "/etc/ca");
    assert_int_equal(c->engine.sts_connect_timeout_ms, 1000);
    assert_int_equal(c->engine.sts_timeout_ms, 2000);
    assert_int_equal(c->engine.sts_max_policy, 1048576);
    assert_int_equal(c->engine.sts_min_retry_ms, 60000);
    assert_int_equal(c->engine.sts_give_up_ms, 10800000);
    assert_int_equal(c->engine.sts_refresh_ms, 7200000);
    assert_true(c->accept_testing);
    assert_false(c->engine.dane_enable);
    assert_false(c->web_pki);
    assert_int_equal(c->engine.probe_enable, ENGINE_PROBE_YES);
    assert_int_equal(c->engine.probe_ttl_ms, 7200000);
    assert_int_equal(c->engine.probe_negative_ttl_ms, 60000);
    assert_int_equal(c->engine.probe_parallel, 3);
    assert_int_equal(c->engine.probe_per_minute, 500);
    assert_int_equal(c->engine.probe_timeout_ms, 3000);
    assert_string_equal(c->engine.probe_helo_name, "xn--bcher-kva.example");
    assert_string_equal(c->engine.probe_sources[0], "192.0.2.9");
    assert_string_equal(c->engine.probe_sources[1], "2001:db8::9");
    assert_null(c->engine.probe_sources[2]);
    assert_int_equal(c->engine.probe_port, 2525);
    assert_null(c->engine.store);
    assert_int_equal(c->engine.max_domains, 10);
    assert_int_equal(c->engine.max_memory, 2097152);
    assert_int_equal(c->engine.negative_ttl_ms, 60000);
    assert_int_equal(c->engine.max_ttl_ms, 3600000);
    assert_false(c->engine.prefetch);
    assert_int_equal(c->shared.servers.count, 2);
    assert_string_equal(c->shared.servers.items[0], "redis://[2001:db8::1]:6380/3");
    assert_string_equal(c->shared.servers.items[1], "unix:/run/redis.sock");
    assert_null(c->shared.servers.items[2]);
    assert_string_equal(c->shared.password, "/etc/p");
    assert_string_equal(c->shared.key, "/etc/k");
    assert_int_equal(c->engine.shared_timeout_ms, 250);
    assert_int_equal(c->socketmap.listen_count, 3);
    assert_string_equal(c->socketmap.listen[1].host, "127.0.0.1");
    assert_string_equal(c->socketmap.listen[1].port, "8461");
    assert_string_equal(c->socketmap.listen[2].host, "::1");
    assert_int_equal(c->socketmap.socket_mode, 0600);
    assert_string_equal(c->socketmap.socket_group, "mail");
    assert_true(c->socketmap.tlsrpt);
    assert_int_equal(c->socketmap.max_connections, 3);
    assert_string_equal(c->metrics_listen.port, "9000");
    assert_int_equal(c->log.target, LOG_TARGET_STDERR);
    assert_int_equal(c->log.format, LOG_FORMAT_JSON);
    assert_int_equal(c->log.facility, LOG_LOCAL3);
    assert_int_equal(c->log.level, LOG_DEBUG);
    assert_int_equal(c->route_count, 2);
    assert_int_equal(c->routes[0].can, VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_WEB_PKI);
    assert_int_equal(c->routes[1].can, VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_FALLBACK |
                                           VERDICT_CAN_REQUIRETLS);
    assert_false(c->routes[0].can_follows_mta || c->routes[1].can_follows_mta);
    assert_int_equal(c->defaults->require_offer, CONFIG_OFFER_NO);
    assert_int_equal(c->routes[1].method, CONFIG_METHOD_HEADER);
    assert_int_equal(c->routes[1].local, CONFIG_LOCAL_REFUSE);
    assert_int_equal(c->defaults->level, VERDICT_LEVEL_OPPORTUNISTIC);
    assert_int_equal(c->defaults->fallback, CONFIG_FALLBACK_ENCRYPT);
    assert_int_equal(c->defaults->on_unsatisfied, CONFIG_ACTION_TEMPFAIL);
    assert_int_equal(c->defaults->on_undecided, CONFIG_ACTION_LOG);
    assert_int_equal(c->defaults->mixed, CONFIG_MIXED_KEEP);
    assert_ptr_equal(c->defaults->route, &c->routes[1]);
    assert_ptr_equal(c->defaults->optional_route, &c->routes[1]);
    assert_int_equal(c->rule_count, 2);
    rule = &c->rules[0];
    assert_int_equal(rule->client.count, 3);
    assert_int_equal(rule->login.count, 2);
    assert_int_equal(rule->tls, CONFIG_YES);
    assert_int_equal(rule->sender.count, 3);
    assert_true(rule->sender.items[0].negated);
    assert_int_equal(rule->recipient.count, 1);
    assert_int_equal(rule->nexthop.count, 2);
    assert_int_equal(rule->mailer.count, 1);
    assert_int_equal(rule->header.count, 2);
    assert_string_equal(rule->header.items[1].glob, "*secret*, or so");
    assert_int_equal(rule->daemon.count, 1);
    assert_int_equal(rule->request, CONFIG_REQUEST_REQUIRE);
    assert_ptr_equal(rule->route, &c->routes[0]);
    assert_string_equal(rule->tls_policy, "secure match=mx.example.net");
    assert_int_equal(c->rules[1].authenticated, CONFIG_YES);
    assert_int_equal(c->rules[1].request, CONFIG_REQUEST_IGNORE);
    config_unref(c);
}

static const struct {
    const char *name;
    const char *text;
    const char *warnings;
} warning_cases[] = {
    {"probes that no route can use",
     "[probe]\nenable = yes\n[route native]\ncan = dane\n[route r]\nmethod = header\n",
     "FILE: [probe] enable = yes, but no route has requiretls in `can`: no server is ever "
     "probed\n"},
    {"probes for a route that can pass REQUIRETLS on",
     "[probe]\nenable = yes\n[route native]\ncan = dane\n[route r]\nmethod = header\ncan = dane "
     "requiretls\n",
     ""},
    {"probes for a route that follows the MTA", "[probe]\nenable = yes\n", ""},
    {"probes that are not asked for", "[route native]\ncan = dane\n", ""},
    {"a level by sender is not known at delivery",
     "[rule a]\nsender = example.org\nlevel = opportunistic\n",
     "FILE:1: the level of [rule a] depends on more than the next-hop: at delivery the MTA learns "
     "of it only through a route with a method\n"},
    {"a level by sender, with a route",
     "[route r]\nmethod = header\n[rule a]\nsender = example.org\nlevel = opportunistic\nroute = "
     "r\n",
     ""},
    {"the level disable by sender takes no route",
     "[route r]\nmethod = header\n[rule a]\nsender = example.org\nlevel = disable\nroute = r\n",
     "FILE:3: level = disable of [rule a] depends on more than the next-hop, and takes no route: "
     "Postfix 3.11 enforces what comes with REQUIRETLS all the same\n"},
    {"a level by next-hop is", "[rule a]\nnexthop = example.org\nlevel = opportunistic\n", ""},
    {"a rule that sets nothing", "[rule a]\nnexthop = example.org\n",
     "FILE:1: [rule a] sets nothing\n"},
    {"a fallback that no route carries", "[default]\nfallback = may\n",
     "FILE: fallback has no effect: no route says it can carry mail at a lower level; see `can` of "
     "[route]\n"},
    {"require_offer = no where Postfix demands it all the same",
     "[default]\nrequire_offer = no\n[route s]\nmethod = header\n[route r]\nmethod = header\n"
     "can = dane, requiretls\n[rule a]\nnexthop = a.example\nrequire_offer = no\nroute = r\n"
     "[rule b]\nnexthop = b.example\nrequire_offer = no\nroute = s\n",
     "FILE: require_offer = no has no effect on [route native]: Postfix 3.11 and later sends what "
     "requires TLS to no server that does not offer REQUIRETLS, and cannot be told otherwise\n"
     "FILE:8: require_offer = no has no effect on [route r]: Postfix 3.11 and later sends what "
     "requires TLS to no server that does not offer REQUIRETLS, and cannot be told otherwise\n"},
    {"require_offer = yes where no route can",
     "[route native]\ncan = dane\n[rule a]\nnexthop = a.example\nrequire_offer = yes\n",
     "FILE:3: require_offer = yes: no route can requiretls, so all mail that requires TLS at level "
     "enforce is refused\n"},
    {"require_offer = yes where the MTA may", "[default]\nrequire_offer = yes\n", ""},
    {"no milter", "[milter]\nsocket =\n", ""},
    {"a pattern that makes SMTP local", "[milter]\nlocal_mailers = local, *mtp, re*\n",
     "FILE: local_mailers: *mtp is smtp too, which sends mail out: nothing is enforced there\n"
     "FILE: local_mailers: re* is relay too, which sends mail out: nothing is enforced there\n"},
    {"a tag that somebody may have", "[milter]\ntag = tls.example.net\n",
     "FILE: tag = tls.example.net: all mail to this domain and below is refused; take one below "
     "invalid\n"},
    {"everyone is trusted", "[milter]\ntrusted_clients = 0.0.0.0/0\n",
     "FILE: trusted_clients holds every address: anyone may ask for REQUIRETLS without TLS and by "
     "header\n"},
    {"a policy that authenticates nobody", "[rule a]\nnexthop = x.example\ntls_policy = encrypt\n",
     "FILE:1: the tls_policy of [rule a] authenticates nobody: it never satisfies the level "
     "enforce\n"},
    {"the same below enforce",
     "[rule a]\nnexthop = x.example\ntls_policy = encrypt\nlevel = opportunistic+starttls\n", ""},
    {"a policy that authenticates", "[rule a]\nnexthop = x.example\ntls_policy = dane-only\n", ""},
    {"a policy by sender", "[rule a]\nsender = x.example\ntls_policy = skip\n",
     "FILE:1: the tls_policy of [rule a] depends on more than the next-hop: the maps that the MTA "
     "asks at delivery do not know it\n"},
    {"a reinjected message has nothing to say what it requires",
     "[milter]\nadd_header = no\n[route l]\nmethod = header\nlocal = reinject\n"
     "[rule a]\ndaemon = l\nrequest = optional\n[rule b]\nsender = <>\nrequest = require\n",
     "FILE: a message reinjected by [route l] no longer requires TLS: it takes a rule with "
     "`daemon` and `request = require`, or add_header\n"},
    {"a route that can requiretls by the header, and no header",
     "[milter]\nadd_header = no\n[route l]\nmethod = header\nlocal = reinject\ncan = dane, "
     "requiretls\n[rule a]\ndaemon = l\nrequest = require\n",
     "FILE: [route l] can `requiretls` by the header alone, which `add_header = no` leaves out\n"},
    {"the agent knows it from the ticket",
     "[milter]\nadd_header = no\n[route l]\nmethod = header\nlocal = reinject\ncan = dane, "
     "requiretls\n[route d]\nmethod = header\nagent = yes\n[rule a]\ndaemon = l\nrequest = "
     "require\n"
     "route = d\n[rule b]\nnexthop = x.example\nroute = d\nrequire_offer = no\n",
     ""},
    {"it has the header", "[route l]\nmethod = header\nlocal = reinject\n", ""},
    {"it has a rule",
     "[milter]\nadd_header = no\n[route l]\nmethod = header\nlocal = reinject\n"
     "[rule a]\ndaemon = l\nrequest = require\n",
     ""},
    {"rules on the client of a reinjected message",
     "[route l]\nmethod = header\nlocal = reinject\n[default]\nroute = l\n"
     "[rule a]\nclient = 192.0.2.1\nlevel = opportunistic\n"
     "[rule b]\nclient = local\nlevel = opportunistic\n"
     "[rule c]\nauthenticated = no\nfallback = none\n"
     "[rule d]\ntls = no\nrequest = require\n"
     "[rule e]\ntls = no\ndaemon = l\nlevel = opportunistic\n",
     "FILE:6: [rule a] looks at the client: that of a message reinjected by [route l] is "
     "this host\n"
     "FILE:12: [rule c] looks at the client: that of a message reinjected by [route l] is "
     "this host\n"},
    {"a rule that reinjects all mail before that with an exit route",
     "[route l]\nmethod = header\nlocal = reinject\n[rule a]\nrequest = require\nroute = l\n"
     "[rule o]\ndaemon = other\nrequest = optional\nroute = native\n"
     "[rule b]\ndaemon = back\nroute = native\n",
     "FILE:6: route of [rule a]: mail already reinjected to `daemon = back` that matches is "
     "reinjected once more, and deferred: put [rule b], which gives it an exit route, before it\n"},
    {"a rule that reinjects some reinjected mail",
     "[route l]\nmethod = header\nlocal = reinject\n[route s]\nmethod = header\n"
     "[rule a]\nsender = example.org\nroute = l\n[rule b]\nnexthop = example.net\nroute = l\n"
     "[rule c]\ndaemon = back\nrequest = require\nroute = s\n",
     "FILE:8: route of [rule a]: mail already reinjected to `daemon = back` that matches is "
     "reinjected once more, and deferred: put [rule c], which gives it an exit route, before it\n"
     "FILE:11: route of [rule b]: mail already reinjected to `daemon = back` that matches is "
     "reinjected once more, and deferred: put [rule c], which gives it an exit route, before it\n"},
    {"a rule for reinjected mail that reinjects it",
     "[route l]\nmethod = header\nlocal = reinject\n[rule a]\ndaemon = back\nroute = l\n"
     "[rule c]\ndaemon = !in, Back\nroute = native\n",
     "FILE:6: route of [rule a]: mail already reinjected to `daemon = Back` that matches is "
     "reinjected once more, and deferred: put [rule c], which gives it an exit route, before it\n"},
    {"rules that reinjected mail does not match, or that do not defer it",
     "[route l]\nmethod = header\nlocal = reinject\n"
     "[rule a]\nclient = 192.0.2.0/24, example.org\nroute = l\n"
     "[rule b]\nauthenticated = yes\nroute = l\n"
     "[rule c]\ntls = yes\nroute = l\n"
     "[rule d]\nclient = local\nroute = l\n"
     "[rule e]\ndaemon = in\nroute = l\n"
     "[rule f]\nsender = example.org\nrequest = optional\nroute = l\n"
     "[rule g]\nsender = example.org\nroute = native\n"
     "[rule h]\ndaemon = back\nroute = native\n",
     ""},
    {"reinjected mail has an exit route already",
     "[route l]\nmethod = header\nlocal = reinject\n[rule c]\ndaemon = back\nroute = native\n"
     "[rule a]\nroute = l\n[rule d]\ndaemon = in\nroute = native\n",
     ""},
    {"it has one by its client",
     "[route l]\nmethod = header\nlocal = reinject\n[rule c]\nclient = 127.0.0.0/8\n"
     "route = native\n[rule a]\nroute = l\n[rule d]\ndaemon = in\nroute = native\n",
     ""},
    {"no rule is for reinjected mail",
     "[route l]\nmethod = header\nlocal = reinject\n[rule a]\nroute = l\n", ""},
    {"no time at the end", "[milter]\neom_wait = 1s\n",
     "FILE: eom_wait is shorter than rcpt_wait: what RCPT leaves open has no time either\n"},
    {"connecting takes longer than all", "[mta_sts]\ntimeout = 2s\n",
     "FILE: [mta_sts] connect_timeout is longer than timeout, which comes first\n"},
    {"a wait longer than sendmail's", "[milter]\nrcpt_wait = 20s\n",
     "FILE: rcpt_wait of more than 9 s: sendmail gives a milter 10 s to answer RCPT\n"},
};

static void test_warnings(void **state)
{
    static struct reports r;

    (void)state;
    for (size_t i = 0; i < sizeof(warning_cases) / sizeof(warning_cases[0]); i++) {
        struct config *config;

        assert_int_equal(load(warning_cases[i].text, &r, &config), 0);
        if (strcmp(r.warnings, warning_cases[i].warnings) != 0)
            print_error("%s\n", warning_cases[i].name);
        assert_string_equal(r.warnings, warning_cases[i].warnings);
        config_unref(config);
    }
}

/* Rules that ask for TLS, and the routes that their mail may take. */
static const struct {
    const char *name;
    const char *text;
    const char *errors;
} enforced_cases[] = {
    {"no route", "[rule a]\nsender = a.example\nrequest = require\n",
     "FILE:1: request = require of [rule a]: [route native] does not enforce it when the message "
     "leaves; give the rule a `route` with a method, as in the MTA's sample configuration, or a "
     "`level` "
     "below enforce\n"},
    {"the route is named",
     "[route s]\nmethod = header\n[rule a]\nsender = a.example\nrequest = require\n"
     "route = native\n",
     "FILE:6: request = require of [rule a]: [route native] does not enforce it when the message "
     "leaves; give the rule a `route` with a method, as in the MTA's sample configuration, or a "
     "`level` "
     "below enforce\n"},
    {"a route of the rule", "[route s]\nmethod = header\n[rule a]\nrequest = require\nroute = s\n",
     ""},
    {"a route by default",
     "[default]\nroute = s\n[route s]\nmethod = header\n[rule a]\nrequest = require\n", ""},
    {"native that the administrator says to enforce",
     "[route native]\ncan = dane, requiretls\n"
     "[rule a]\nrequest = require\n",
     ""},
    {"native for the Web PKI", "[route native]\ncan = dane, web_pki\n[rule a]\nrequest = require\n",
     ""},
    {"a route of another rule",
     "[route s]\nmethod = header\n[rule a]\nrequest = require\n[rule b]\nnexthop = b.example\n"
     "route = s\n",
     ""},
    {"a route for another listener's mail",
     "[route s]\nmethod = header\n[rule a]\nrequest = require\n[rule b]\ndaemon = second\n"
     "route = s\n",
     "FILE:3: request = require of [rule a]: [route native] does not enforce it when the message "
     "leaves; give the rule a `route` with a method, as in the MTA's sample configuration, or a "
     "`level` "
     "below enforce\n"},
    {"a level below enforce", "[rule a]\nrequest = require\nlevel = opportunistic+starttls\n", ""},
    {"the default level is below",
     "[default]\nlevel = opportunistic\n[rule a]\nrequest = require\n", ""},
    {"a level of the rule above it",
     "[default]\nlevel = opportunistic\n[rule a]\nrequest = require\nlevel = enforce\n",
     "FILE:3: request = require of [rule a]: [route native] does not enforce it when the message "
     "leaves; give the rule a `route` with a method, as in the MTA's sample configuration, or a "
     "`level` "
     "below enforce\n"},
    {"another request", "[rule a]\nsender = a.example\nrequest = optional\n", ""},
    {"reinjected mail, without a header",
     "[milter]\nadd_header = no\n[route l]\nmethod = header\nlocal = reinject\n"
     "[default]\nroute = native\n[rule a]\ndaemon = back\nrequest = require\nroute = native\n",
     "FILE:11: request = require of [rule a]: [route native] does not enforce it when the message "
     "leaves; give the rule a `route` with a method, as in the MTA's sample configuration, or a "
     "`level` "
     "below enforce\n"},
};

static void test_enforced(void **state)
{
    static struct reports r;
    bool failed = false;

    (void)state;
    for (size_t i = 0; i < sizeof(enforced_cases) / sizeof(enforced_cases[0]); i++) {
        struct config *config;
        int error;

        assert_int_equal(load(enforced_cases[i].text, &r, &config), 0);
        error = rules_check_enforced(config, on_error, on_warning, &r);
        if (strcmp(r.errors, enforced_cases[i].errors) != 0 ||
            error != (enforced_cases[i].errors[0] != '\0' ? -EINVAL : 0)) {
            print_error("%s: got:\n%s", enforced_cases[i].name, r.errors);
            failed = true;
        }
        config_unref(config);
    }
    assert_false(failed);
}

/* Other rules for mail of [rule a], which asks for TLS: an error, a warning, or nothing. */
#define X "[rule a]\nnexthop = x.example\nrequest = require\n"
#define LOW "level = opportunistic\n"
static const struct {
    const char *name;
    const char *text;
    char result; /* e, w, or - */
} lowered_cases[] = {
    {"the same matchers, after it", X "[rule b]\nnexthop = x.example\n" LOW, '-'},
    {"the same matchers, before it", "[rule b]\nnexthop = X.example\n" LOW X, '-'},
    {"the same matchers, not lower", X "[rule b]\nnexthop = x.example\nlevel = enforce\n", 'e'},
    {"raised before it", "[rule b]\nnexthop = x.example\nlevel = enforce\n" X LOW, 'e'},
    {"raised after it", X LOW "[rule b]\nnexthop = x.example\nlevel = enforce\n", '-'},
    {"raised before it, for some", "[rule b]\nsender = y.example\nlevel = enforce\n" X LOW, 'w'},
    {"of more domains", X "[rule b]\nnexthop = .example, x.example\n" LOW, '-'},
    {"of domains above", X "[rule b]\nnexthop = .example\n" LOW, '-'},
    {"with an exception", X "[rule b]\nnexthop = .example, !x.example\n" LOW, 'e'},
    {"with another exception", X "[rule b]\nnexthop = .example, !y.example\n" LOW, '-'},
    {"of all but another", X "[rule b]\nnexthop = !y.example\n" LOW, '-'},
    {"of all but it", X "[rule b]\nnexthop = !x.example\n" LOW, 'e'},
    {"without matchers", X "[rule b]\n" LOW, '-'},
    {"without matchers, behind one that is not lower",
     X "[rule b]\nlevel = enforce\n[rule c]\n" LOW, 'e'},
    {"of another domain", X "[rule b]\nnexthop = y.example\n" LOW, 'e'},
    {"of a domain below", X "[rule b]\nnexthop = a.x.example\n" LOW, 'e'},
    {"by another matcher", X "[rule b]\nsender = y.example\n" LOW, 'e'},
    {"of some of all domains", "[rule a]\nrequest = require\n[rule b]\nnexthop = x.example\n" LOW,
     'e'},
    {"of some of all domains, to some senders",
     "[rule a]\nrequest = require\n[rule b]\nnexthop = .example\n" LOW
     "[rule c]\nsender = !x.example, .example\n" LOW "[rule d]\nrecipient = a@x.example\n" LOW,
     'e'},
    {"of all domains but one", "[rule a]\nrequest = require\n[rule b]\nnexthop = !x.example\n" LOW,
     'w'},
    {"of some addresses of a domain",
     "[rule a]\nsender = x.example\nrequest = require\n[rule b]\nsender = b@x.example\n" LOW, 'e'},
    {"of senders, all in two rules",
     "[rule a]\nsender = x.example, <>\nrequest = require\n[rule b]\nsender = x.example\n" LOW
     "[rule c]\nsender = <>\n" LOW,
     'w'},
    {"of mailers and listeners, of which there may be no others",
     "[rule a]\nrequest = require\n[rule b]\nmailer = smtp\n" LOW "[rule c]\ndaemon = l\n" LOW,
     'w'},
    {"exempt, a header",
     "[rule a]\nrequest = require\n[rule b]\nheader = X-A: b\ntls_policy = skip\n", 'w'},
    {"by one matcher more", X "[rule b]\nnexthop = x.example\nsender = y.example\n" LOW, 'e'},
    {"by one matcher fewer",
     "[rule a]\nnexthop = x.example\nsender = y.example\nrequest = require\n"
     "[rule b]\nsender = .example\n" LOW,
     '-'},
    {"two that cannot match at once",
     "[rule a]\nsender = a@y.example\nrequest = require\n"
     "[rule b]\nsender = b@y.example, <>\n" LOW,
     'e'},
    {"of some of its domains",
     "[rule a]\nnexthop = x.example, y.example\nrequest = require\n"
     "[rule b]\nnexthop = x.example\n" LOW,
     'e'},
    {"of all of its domains",
     "[rule a]\nnexthop = x.example, y.example\nrequest = require\n"
     "[rule b]\nnexthop = x.example\n" LOW "[rule c]\nnexthop = .example\n" LOW,
     '-'},
    {"of a list with the same exception",
     "[rule a]\nnexthop = .x.example, !y.x.example\nrequest = require\n"
     "[rule b]\nnexthop = .x.example, !y.x.example\n" LOW,
     '-'},
    {"by clients, a net in a net",
     "[rule a]\nclient = 192.0.2.0/25\nrequest = require\n[rule b]\nclient = 192.0.2.0/24\n" LOW,
     '-'},
    {"by clients, a net around a net",
     "[rule a]\nclient = 192.0.2.0/24\nrequest = require\n[rule b]\nclient = 192.0.2.0/25\n" LOW,
     'w'},
    {"by clients, other nets",
     "[rule a]\nclient = 192.0.2.0/25\nrequest = require\n"
     "[rule b]\nclient = 192.0.2.128/25, local\n" LOW,
     'e'},
    {"by clients, a net and a name",
     "[rule a]\nclient = 192.0.2.0/25\nrequest = require\n[rule b]\nclient = c.example\n" LOW, 'w'},
    {"by login and TLS",
     "[rule a]\nauthenticated = yes\ntls = yes\nrequest = require\n"
     "[rule b]\nauthenticated = yes\n" LOW,
     '-'},
    {"by the opposite login",
     "[rule a]\nauthenticated = yes\nrequest = require\n[rule b]\nauthenticated = no\n" LOW, 'e'},
    {"by login names, which have case",
     "[rule a]\nauthenticated = bob\nrequest = require\n[rule b]\nauthenticated = Bob\n" LOW, 'w'},
    {"by the same header",
     "[rule a]\nheader = X-A: b*\nrequest = require\n[rule b]\nheader = x-a: B*\n" LOW, '-'},
    {"by another header",
     "[rule a]\nheader = X-A: b*\nrequest = require\n[rule b]\nheader = X-B: b*\n" LOW, 'w'},
    {"exempt", X "[rule b]\nnexthop = x.example\ntls_policy = skip\n", '-'},
    {"exempt, some", X "[rule b]\nsender = y.example\ntls_policy = skip\n", 'e'},
    {"a policy of the next-hop, in the maps",
     X "[rule b]\nnexthop = x.example\ntls_policy = secure match=x.example\n", '-'},
    {"a policy that the maps do not know",
     "[rule a]\nsender = y.example\nrequest = require\ntls_policy = secure match=x.example\n", 'e'},
    {"another request before it", "[rule b]\nnexthop = .example\nrequest = ignore\n" X, '-'},
    {"another request after it", X "[rule b]\nnexthop = .example\nrequest = ignore\n", 'e'},
    {"a domain of this host's own",
     "[rule a]\nnexthop = example.org, .example.org, 192.0.2.1\nrequest = require\n", '-'},
    {"one that is not", "[rule a]\nnexthop = example.org, .example.net\nrequest = require\n", 'e'},
    {"reinjected mail, whose header tells the MTA",
     "[route l]\nmethod = header\nlocal = reinject\n[default]\nroute = l\n"
     "[rule a]\ndaemon = back\nrequest = require\nroute = native\n",
     'w'},
    {"the default level is below, another rule's is not",
     "[default]\n" LOW X "[rule b]\nnexthop = x.example\nlevel = enforce\n", 'e'},
};

static void test_lowered(void **state)
{
    static struct reports r;
    bool failed = false;

    (void)state;
    for (size_t i = 0; i < sizeof(lowered_cases) / sizeof(lowered_cases[0]); i++) {
        struct config *config;
        int error;
        char result;

        if (load(lowered_cases[i].text, &r, &config) != 0)
            fail_msg("%s: %s", lowered_cases[i].name, r.errors);
        r.warnings[0] = '\0';
        error = rules_check_enforced(config, on_error, on_warning, &r);
        result = r.errors[0] != '\0' ? 'e' : r.warnings[0] != '\0' ? 'w' : '-';
        if (result != lowered_cases[i].result || error != (result == 'e' ? -EINVAL : 0)) {
            print_error("%s: got %c\n%s%s", lowered_cases[i].name, result, r.errors, r.warnings);
            failed = true;
        }
        config_unref(config);
    }
    assert_false(failed);
}

static void test_mydomain(void **state)
{
    static const struct {
        const char *host, *mydomain;
    } cases[] = {{"mail.example.org", "example.org"},
                 {"example.org", "example.org"}, /* never the whole of .org */
                 {"a.b.example.org", "b.example.org"},
                 {"localhost", "localhost"},
                 {"Mail.Example.ORG.", "example.org"},
                 {"not a name", "localhost"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static struct reports r = {.path = "/dev/null"};
        struct config *config;

        assert_int_equal(config_load("/dev/null", cases[i].host, on_error, on_warning, &r, &config),
                         0);
        assert_string_equal(config->milter.mydomain, cases[i].mydomain);
        config_unref(config);
    }
}

static void test_fixed(void **state)
{
    static struct reports r;
    static const struct {
        const char *key, *value, *name;
    } cases[] = {
        {"[milter]\nsocket", "unix:/b", "[milter] socket"},
        {"[milter]\nsocket_mode", "0600", "[milter] socket_mode"},
        {"[milter]\nsocket_group", "mail", "[milter] socket_group"},
        {"[milter]\nuser", "nobody", "[milter] user"},
        {"[cache]\nstore", "memory", "[cache] store"},
        {"[socketmap]\nlisten", "unix:/run/requiretls-milter/policy.sock, unix:/c",
         "[socketmap] listen"},
        {"[socketmap]\nsocket_mode", "0600", "[socketmap] socket_mode"},
        {"[socketmap]\nsocket_group", "mail", "[socketmap] socket_group"},
        {"[metrics]\nlisten", "inet:127.0.0.1:9000", "[metrics] listen"},
    };
    struct config *old = must_load(""), *new;
    size_t fixed = 0;

    (void)state;
    for (size_t i = 0; i < config_key_count; i++)
        fixed += (config_keys[i].flags & CONFIG_KEY_FIXED) != 0 &&
                 config_keys[i].section != CONFIG_SECTION_DELIVER_SOCKET;
    assert_int_equal(fixed, sizeof(cases) / sizeof(cases[0]));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[200], wanted[200];

        snprintf(text, sizeof(text), "%s = %s\n", cases[i].key, cases[i].value);
        snprintf(wanted, sizeof(wanted), "FILE: %s has changed; that takes a restart\n",
                 cases[i].name);
        new = must_load(text);
        memset(&r, 0, sizeof(r));
        r.path = new->path;
        config_report_fixed(old, new, on_warning, &r);
        assert_string_equal(r.warnings, wanted);
        config_unref(new);
    }
    new = must_load("[milter]\nmax_waiting = 3\n[rule a]\nlevel = disable\n");
    memset(&r, 0, sizeof(r));
    r.path = new->path;
    config_report_fixed(old, new, on_warning, &r);
    assert_string_equal(r.warnings, "");
    config_unref(old);
    config_unref(new);
}

static bool is_fixed(const struct config_key *key)
{
    return (key->flags & CONFIG_KEY_FIXED) != 0;
}

/* Whatever key the table flags as fixed: its value can be compared, and a change is reported. */
static void test_every_type_is_compared(void **state)
{
    static const struct {
        enum config_section section;
        const char *key, *text;
    } cases[] = {
        {CONFIG_SECTION_DANE, "enable", "[dane]\nenable = no\n"},
        {CONFIG_SECTION_MILTER, "max_waiting", "[milter]\nmax_waiting = 7\n"},
        {CONFIG_SECTION_MILTER, "rcpt_wait", "[milter]\nrcpt_wait = 7s\n"},
        {CONFIG_SECTION_MILTER, "redact_dsn", "[milter]\nredact_dsn = no\n"},
        {CONFIG_SECTION_MILTER, "tag", "[milter]\ntag = tag.example\n"},
        {CONFIG_SECTION_MTA_STS, "max_policy", "[mta_sts]\nmax_policy = 1k\n"},
        {CONFIG_SECTION_PROBE, "port", "[probe]\nport = 26\n"},
        {CONFIG_SECTION_DELIVER, "ticket_life", "[deliver]\nticket_life = 7d\n"},
        {CONFIG_SECTION_DELIVER, "max_message", "[deliver]\nmax_message = 1m\n"},
    };
    struct config *one = must_load(""), *other = must_load("");

    (void)state;
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        bool is_default = key->section == CONFIG_SECTION_DEFAULT;

        if (config_section_name(key->section) == NULL) {
            if (is_fixed(key) && key->section != CONFIG_SECTION_DELIVER_SOCKET)
                fail_msg("%s: nothing compares keys of this section", key->name);
            continue;
        }
        if ((key->flags & CONFIG_KEY_LIST) != 0 && !is_fixed(key))
            continue;
        if (!config_key_is_same(key, is_default ? (const void *)one->defaults : one,
                                is_default ? (const void *)other->defaults : other))
            fail_msg("[%s] %s: config_fixed.c cannot compare it", config_section_name(key->section),
                     key->name);
    }
    config_unref(other);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct config_key *key = config_key_find(cases[i].section, cases[i].key);

        assert_non_null(key);
        other = must_load(cases[i].text);
        if (config_key_is_same(key, one, other))
            fail_msg("%s is the same", cases[i].text);
        config_unref(other);
    }
    config_unref(one);
}

static bool trusts(const struct config *c, const char *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, address, &in.sin_addr) == 1)
        return config_is_trusted(c, (struct sockaddr *)&in);
    assert_int_equal(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
    return config_is_trusted(c, (struct sockaddr *)&in6);
}

static void test_trusted(void **state)
{
    struct config *c = must_load("");

    (void)state;
    assert_true(trusts(c, "127.0.0.1"));
    assert_true(trusts(c, "127.255.0.9"));
    assert_true(trusts(c, "::1"));
    assert_true(trusts(c, "::ffff:127.0.0.1"));
    assert_false(trusts(c, "128.0.0.1"));
    assert_false(trusts(c, "::2"));
    assert_false(trusts(c, "::ffff:192.0.2.1"));
    assert_true(config_is_trusted(c, NULL));
    config_unref(c);
    c = must_load("[milter]\ntrusted_clients = 10.128.0.0/9\n");
    assert_false(trusts(c, "127.0.0.1"));
    assert_true(trusts(c, "10.129.0.1"));
    assert_false(trusts(c, "10.127.0.1"));
    assert_false(config_is_trusted(c, NULL));
    config_unref(c);
    c = must_load("[milter]\ntrusted_clients =\n");
    assert_false(trusts(c, "127.0.0.1"));
    config_unref(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_no_error_has_a_password),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_many_errors),
        cmocka_unit_test(test_zero_octet),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_absent),
        cmocka_unit_test(test_in_part),
        cmocka_unit_test(test_source_changed),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_every_key),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_enforced),
        cmocka_unit_test(test_lowered),
        cmocka_unit_test(test_mydomain),
        cmocka_unit_test(test_fixed),
        cmocka_unit_test(test_every_type_is_compared),
        cmocka_unit_test(test_trusted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
