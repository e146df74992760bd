/*
 * Each failure that TLSRPT can be told of, from an SMTP server that shows it: the SMTP client
 * connects to it, and tlsrpt_report() is called when the delivery agent calls it. The engine has
 * the record at once; the datagram is what the collector gets.
 */
#include "deliver/tlsrpt_session.h"
#include "findings/findings_make.h"
#include "findings_text.h"
#include "policy/engine_tlsrpt.h"
#include "tls_pair.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { LIMIT_MS = 60000 };

enum behaviour {
    GOOD,        /* STARTTLS and a handshake */
    NO_STARTTLS, /* is not offered */
    REFUSES,     /* STARTTLS, with 454 */
    INJECTS,     /* says more behind the 220 */
    HANGS_UP,    /* in the handshake */
    NO_TLS,      /* says something else instead of the handshake */
    NOT_AT_HOME, /* 554 for a greeting */
    GONE,        /* hangs up before EHLO */
};

struct situation {
    const char *name;
    const char *findings;
    enum verdict_level level;
    enum behaviour behaviour;
    enum cert_id leaf; /* NONE stands for MX */
    const char *want;  /* type, failure-details; NULL: nothing is told */
    int max_version;
    bool fails; /* f */
    bool plaintext_again;
};

#define ENFORCE VERDICT_LEVEL_ENFORCE
#define OPPORTUNISTIC VERDICT_LEVEL_OPPORTUNISTIC
#define DANE "host=mx.example.org,tlsa=usable"
#define STS "mx=insecure sts=enforce pat=*.example.org host=mx.example.org,a=i,match"
#define TESTING "mx=insecure sts=testing pat=*.example.org host=mx.example.org,a=i,match"
#define PLAIN "mx=insecure host=mx.example.org,a=i"

/* Of a connection; `code` as in libtlsrpt. */
#define FAILURE(type, code, more)                                                                  \
    type " [{\"c\":" code ",\"s\": \"127.0.0.1\",\"n\": \"mx.example.org\","                       \
         "\"h\": \"real.example.org\",\"r\": \"127.0.0.1\"" more "}]"
#define WHY(text) ",\"f\": \"" text "\""

static const struct situation situations[] = {
    {.name = "DANE", .findings = DANE, .want = "1"},
    {.name = "MTA-STS", .findings = STS, .want = "2"},
    {.name = "no policy", .findings = PLAIN, .level = OPPORTUNISTIC, .want = "9"},
    {.name = "no policy, any certificate",
     .findings = PLAIN,
     .level = OPPORTUNISTIC,
     .leaf = CERT_SELF,
     .want = "9"},

    {.name = "201 STARTTLS not offered",
     .findings = STS,
     .behaviour = NO_STARTTLS,
     .want = FAILURE("2", "201", ""),
     .fails = true},
    {.name = "201 STARTTLS not offered, the mail goes on",
     .findings = PLAIN,
     .level = OPPORTUNISTIC,
     .behaviour = NO_STARTTLS,
     .want = FAILURE("9", "201", ""),
     .fails = true},
    {.name = "201 STARTTLS refused",
     .findings = DANE,
     .behaviour = REFUSES,
     .want = FAILURE("1", "201", ""),
     .fails = true},
    {.name = "201 STARTTLS refused, the mail goes on",
     .findings = PLAIN,
     .level = OPPORTUNISTIC,
     .behaviour = REFUSES,
     .want = FAILURE("9", "201", ""),
     .fails = true},

    {.name = "202 another name",
     .findings = STS,
     .leaf = CERT_OTHER_NAME,
     .want = FAILURE("2", "202", ""),
     .fails = true},
    {.name = "202 another name, mode testing",
     .findings = TESTING,
     .level = OPPORTUNISTIC,
     .leaf = CERT_OTHER_NAME,
     .want = FAILURE("2", "202", ""),
     .fails = true},
    {.name = "mode testing, and all is well",
     .findings = TESTING,
     .level = OPPORTUNISTIC,
     .want = "2"},

    {.name = "203 a CA that is none",
     .findings = STS,
     .leaf = CERT_UNDER_LEAF,
     .want = FAILURE("2", "203", WHY("invalid CA certificate")),
     .fails = true},
    {.name = "203 a weak key",
     .findings = STS,
     .leaf = CERT_WEAK,
     .want = FAILURE("2", "203", WHY("EE certificate key too weak")),
     .fails = true},
    {.name = "204 expired",
     .findings = STS,
     .leaf = CERT_EXPIRED,
     .want = FAILURE("2", "204", ""),
     .fails = true},

    {.name = "205 not yet valid",
     .findings = STS,
     .leaf = CERT_FUTURE,
     .want = FAILURE("2", "205", WHY("certificate is not yet valid")),
     .fails = true},
    {.name = "205 self-signed",
     .findings = STS,
     .leaf = CERT_SELF,
     .want = FAILURE("2", "205", WHY("self-signed certificate")),
     .fails = true},
    {.name = "205 unknown issuer",
     .findings = STS,
     .leaf = CERT_OTHER_CA,
     .want = FAILURE("2", "205", WHY("unable to get local issuer certificate")),
     .fails = true},
    {.name = "203 no TLSA record matches",
     .findings = DANE,
     .leaf = CERT_OTHER_NAME,
     .want = FAILURE("1", "203", WHY("no matching DANE TLSA records")),
     .fails = true},
    {.name = "205 broken handshake",
     .findings = DANE,
     .behaviour = HANGS_UP,
     .want = FAILURE("1", "205", WHY("tls-handshake-failure")),
     .fails = true},
    {.name = "205 no handshake",
     .findings = PLAIN,
     .level = OPPORTUNISTIC,
     .behaviour = NO_TLS,
     .want = FAILURE("9", "205", WHY("tls-handshake-failure")),
     .fails = true},
    {.name = "205 an old version of TLS",
     .findings = DANE,
     .max_version = TLS1_1_VERSION,
     .want = FAILURE("1", "205", WHY("tls-handshake-failure")),
     .fails = true},
    {.name = "205 plaintext behind the 220",
     .findings = STS,
     .behaviour = INJECTS,
     .want = FAILURE("2", "205", WHY("tls-handshake-failure")),
     .fails = true},

    {.name = "301 the policy could not be fetched",
     .findings = PLAIN " sts=failed",
     .level = OPPORTUNISTIC,
     .want = FAILURE("2", "301", WHY("HTTP status 404"))},
    {.name = "301 and then STARTTLS not offered",
     .findings = PLAIN " sts=failed",
     .level = OPPORTUNISTIC,
     .behaviour = NO_STARTTLS,
     .want = FAILURE("2", "201", ""),
     .fails = true},
    {.name = "304 no usable TLSA record",
     .findings = "host=mx.example.org,tlsa=unusable",
     .level = OPPORTUNISTIC,
     .want = FAILURE("1", "304", ""),
     .fails = true},

    {.name = "refused at once", .findings = DANE, .behaviour = NOT_AT_HOME},
    {.name = "hangs up", .findings = DANE, .behaviour = GONE},
    {.name = "without TLS after a handshake that failed",
     .findings = PLAIN,
     .level = OPPORTUNISTIC,
     .plaintext_again = true},
};

/* ---- The server ---- */

struct served {
    int fd;
    SSL *ssl;
};

static void say(const struct served *served, const char *text)
{
    if (served->ssl != NULL)
        SSL_write(served->ssl, text, (int)strlen(text));
    else if (send(served->fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        _exit(1);
}

/* Passes over a line; false: the client has gone. */
static bool hear(const struct served *served)
{
    char octet = '\0';

    while (octet != '\n') {
        if ((served->ssl != NULL ? SSL_read(served->ssl, &octet, 1)
                                 : recv(served->fd, &octet, 1, 0)) <= 0)
            return false;
    }
    return true;
}

static void serve_tls(struct served *served, SSL_CTX *ctx)
{
    served->ssl = SSL_new(ctx);
    SSL_set_fd(served->ssl, served->fd);
    if (SSL_accept(served->ssl) != 1)
        return;
    while (hear(served))
        say(served, "250 real.example.org\r\n");
}

static void serve(int fd, enum behaviour behaviour, SSL_CTX *ctx)
{
    struct served served = {.fd = fd};

    if (behaviour == GONE)
        return;
    say(&served, behaviour == NOT_AT_HOME ? "554 5.3.2 not today\r\n" : "220 greeting\r\n");
    if (!hear(&served))
        return;
    if (behaviour == NO_STARTTLS) {
        do
            say(&served, "250 real.example.org at your service\r\n");
        while (hear(&served));
        return;
    }
    say(&served, "250-real.example.org at your service\r\n250 STARTTLS\r\n");
    if (!hear(&served))
        return;
    if (behaviour == REFUSES) {
        do
            say(&served, "454 4.7.0 not now\r\n");
        while (hear(&served));
    } else if (behaviour == INJECTS) {
        say(&served, "220 go\r\n250 and more\r\n");
        hear(&served);
    } else if (behaviour == NO_TLS) {
        say(&served, "220 go\r\n");
        usleep(50000);
        say(&served, "this is no TLS\r\n");
        hear(&served);
    } else {
        say(&served, "220 go\r\n");
        if (behaviour != HANGS_UP)
            serve_tls(&served, ctx);
    }
}

/* For one connection; in a process of its own. */
static pid_t server_start(const struct situation *s, struct sockaddr_in *address)
{
    const struct tls_server_terms terms = {
        .leaf = s->leaf != CERT_NONE ? s->leaf : CERT_MX,
        .chain = {s->leaf == CERT_UNDER_LEAF ? CERT_MX : CERT_INTERMEDIATE, CERT_INTERMEDIATE},
        .max_version = s->max_version};
    SSL_CTX *ctx = tls_pair_server(&terms);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t size = sizeof *address;
    pid_t pid;

    *address = (struct sockaddr_in){.sin_family = AF_INET};
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (const struct sockaddr *)address, size), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, &size), 0);
    pid = fork();
    if (pid == 0) {
        const struct timeval wait = {.tv_sec = LIMIT_MS / 1000};
        int client = accept(fd, NULL, NULL);

        signal(SIGPIPE, SIG_IGN);
        setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        serve(client, s->behaviour, ctx);
        _exit(0);
    }
    close(fd);
    SSL_CTX_free(ctx);
    return pid;
}

/* ---- The engine ---- */

static const char *const record = "v=TLSRPTv1;rua=a:b";

static struct {
    engine_tlsrpt_fn done;
    void *arg;
} asked;

int engine_tlsrpt(struct engine *engine, const char *domain, engine_tlsrpt_fn done, void *arg,
                  struct engine_tlsrpt_request **out)
{
    (void)engine;
    assert_string_equal(domain, "example.org");
    assert_null(asked.done); /* once for each connection */
    asked.done = done;
    asked.arg = arg;
    *out = NULL;
    return 0;
}

void engine_tlsrpt_cancel(struct engine *engine, struct engine_tlsrpt_request *request)
{
    (void)engine;
    assert_null(request);
}

/* ---- The client ---- */

static struct event_base *base;
static struct ca_store *ca_store;
static struct tls_client *tls_client;
static struct tlsrpt *tlsrpt;
static int collector;
static char directory[40], socket_path[60];

struct connection {
    struct tlsrpt_facts facts;
    bool told;
};

static void tell(struct connection *c, const struct smtp_transport *transport)
{
    if (!c->told)
        tlsrpt_report(tlsrpt, &c->facts, transport);
    c->told = true;
}

/* smtp_turn_fn: as the delivery agent does. */
static void on_turn(struct smtp_transport *transport, enum smtp_turn turn, void *arg)
{
    struct connection *c = arg;
    struct smtp_session *session = smtp_transport_session(transport);

    tell(c, transport);
    if (turn == SMTP_TURN_OVER) {
        event_base_loopbreak(base);
        return;
    }
    if (turn == SMTP_TURN_PEER && !smtp_transport_peer(transport)->met)
        smtp_session_cancel(session);
    else if (turn == SMTP_TURN_COMMAND)
        smtp_session_quit(session);
    smtp_transport_go(transport);
}

static void make_tlsa(struct findings_tlsa *tlsa)
{
    static uint8_t data[2048];

    *tlsa = (struct findings_tlsa){.usage = 3, .selector = 1, .matching_type = 1, .usable = true};
    tlsa->data_len = (uint16_t)certs_tlsa(CERT_MX, 1, 1, data);
    tlsa->data = data;
}

static const struct findings *make_findings(const struct situation *s)
{
    static struct findings_text text;
    struct findings_tlsa tlsa;

    findings_from_text(s->findings, &text);
    if (text.hosts[0].tlsa_state == FINDINGS_TLSA_USABLE) {
        make_tlsa(&tlsa);
        text.hosts[0].tlsa = &tlsa;
    }
    if (text.findings.sts.state == FINDINGS_STS_FAILED) {
        text.findings.sts.failure = FINDINGS_STS_FETCH_ERROR;
        text.findings.sts.failure_text = "HTTP status 404";
    }
    return findings_freeze(&text.findings);
}

static enum smtp_tls tls_of(const struct situation *s, const struct tls_demand *demand)
{
    if (s->plaintext_again)
        return SMTP_TLS_NEVER;
    return demand->kind == TLS_DEMAND_MAY ? SMTP_TLS_OFFERED : SMTP_TLS_REQUIRED;
}

static void connect_to(const struct situation *s, const struct sockaddr_in *address)
{
    static const struct verdict_terms terms = {
        .can = VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_WEB_PKI, .web_pki = true};
    const struct findings *findings = make_findings(s);
    struct host_classes classes;
    struct requirement requirement;
    struct tls_demand demand;
    struct connection c = {.facts = {.findings = findings,
                                     .classes = &classes,
                                     .requirement = &requirement,
                                     .demand = &demand}};
    struct smtp_transport_config config = {
        .base = base,
        .address = (const struct sockaddr *)address,
        .smtp = {.helo_name = "client.example"},
        .tls_client = tls_client,
        .demand = &demand,
        .limit_ms = LIMIT_MS,
        .on_turn = on_turn,
        .arg = &c,
    };
    struct smtp_transport *transport;

    host_classes_derive(findings, &terms, &classes);
    requirement_derive(findings, &terms, s->level, &requirement);
    tls_demand_of_host(findings, &classes, &requirement, 0, &demand);
    c.facts.tls = config.smtp.tls = tls_of(s, &demand);
    assert_int_equal(smtp_transport_new(&config, &transport), 0);
    event_base_dispatch(base);
    smtp_transport_free(transport);
    assert_true(c.told);
    findings_unref(findings); /* the report has a reference */
}

/* Newer versions of OpenSSL say more. */
static void shorten(char *text)
{
    static const char more[] = " or the system clock is incorrect";
    char *at = strstr(text, more);

    if (at != NULL)
        memmove(at, at + sizeof more - 1, strlen(at + sizeof more - 1) + 1);
}

/* Type and failure-details of the datagram. */
static const char *described(const char *datagram, bool *fails)
{
    static char out[1000];
    const char *type = strstr(datagram, "\"policy-type\":"),
               *details = strstr(datagram, "\"failure-details\":"),
               *end = strstr(datagram, ",\"t\":");

    assert_true(type != NULL && end != NULL);
    *fails = strstr(datagram, "\"f\":1}]}") != NULL;
    type += strlen("\"policy-type\":");
    snprintf(out, sizeof out, "%.1s", type);
    if (details != NULL) {
        details += strlen("\"failure-details\":");
        snprintf(out + 1, sizeof out - 1, " %.*s", (int)(end - details), details);
    }
    return out;
}

static void try(const struct situation *s)
{
    char datagram[TLSRPT_DATAGRAM_MAX + 1];
    struct sockaddr_in address;
    pid_t pid = server_start(s, &address);
    ssize_t len;
    bool fails;

    asked.done = NULL;
    connect_to(s, &address);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    if ((asked.done != NULL) != (s->want != NULL))
        fail_msg("%s: it is %stold", s->name, asked.done != NULL ? "" : "not ");
    if (s->want == NULL)
        return;
    asked.done(record, asked.arg);
    len = recv(collector, datagram, sizeof datagram - 1, MSG_DONTWAIT);
    assert_true(len > 0);
    datagram[len] = '\0';
    shorten(datagram);
    if (strcmp(described(datagram, &fails), s->want) != 0 || fails != s->fails)
        fail_msg("%s: %s", s->name, datagram);
}

static void test_situations(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof situations / sizeof situations[0]; i++)
        try(&situations[i]);
}

static int setup(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[64], err[256];
    int error;

    (void)state;
    certs_write(CERT_ROOT, name, sizeof name);
    error = ca_store_new(name, NULL, &ca_store, err, sizeof err);
    unlink(name);
    base = event_base_new();
    if (error == 0)
        error = tls_client_new(ca_store, 0, &tls_client);
    strcpy(directory, "/tmp/test_tlsrpt.XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(socket_path, sizeof socket_path, "%s/socket", directory);
    strcpy(address.sun_path, socket_path);
    collector = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(collector, (const struct sockaddr *)&address, sizeof address), 0);
    return error == 0 ? tlsrpt_new(socket_path, NULL, NULL, &tlsrpt) : error;
}

static int teardown(void **state)
{
    (void)state;
    tlsrpt_free(tlsrpt);
    tls_client_free(tls_client);
    ca_store_free(ca_store);
    event_base_free(base);
    close(collector);
    unlink(socket_path);
    rmdir(directory);
    certs_free();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_situations)};

    return cmocka_run_group_tests_name("tlsrpt_connection", tests, setup, teardown);
}
