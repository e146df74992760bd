/*
 * The fetch of MTA-STS policies against real HTTPS servers (RFC 8461 section 3.3). Started by
 * sts_fetch_hosts.py, which brings the hosts; their addresses come from a table here, in the place
 * of the resolver.
 */
#include "sts/sts_fetch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NGINX "10.9.0.1"
#define NGINX6 "fd00:9::1"
#define CLOSED "10.9.0.90"
#define CLOSED6 "fd00:9::90"
#define POLICY "version: STSv1\nmode: enforce\nmx: mx.example.org\nmax_age: 86400\n"

enum {
    AMPLE_MS = 120000, /* nothing that goes well takes so long, however busy the machine */
    SHORT_MS = 4000,   /* for what is to time out */
    MUTE_MS = 300,
    MAX_POLICY = 4096,
    AHEAD_MAX = 64
};

/* What the table says beside addresses: */
#define ABSENT "absent" /* the name has no such record */
#define NXDOMAIN "nxdomain"
#define SERVFAIL "servfail"
#define ALIAS "alias" /* a CNAME, and nothing of its target */
#define MUTE "mute"   /* the resolver gets no answer, and says so after a while */

struct host {
    const char *domain;
    const char *aaaa, *a; /* one of the above, or addresses joined by commas */
    enum fetch_status status;
    const char *text; /* of the body or the failure; it must be contained */
};

static const struct host hosts[] = {
    {"good.test", ABSENT, NGINX, FETCH_OK, POLICY},
    {"both.test", NGINX6, NGINX, FETCH_OK, POLICY},
    {"v6only.test", NGINX6, ABSENT, FETCH_OK, POLICY},
    {"charset.test", ABSENT, NGINX, FETCH_OK, POLICY},
    {"upper.test", ABSENT, NGINX, FETCH_OK, POLICY},
    {"empty.test", ABSENT, NGINX, FETCH_OK, ""},
    {"full.test", ABSENT, NGINX, FETCH_OK, "yyyy"},
    {"until-close.test", ABSENT, "10.9.0.9", FETCH_OK, POLICY},
    {"chunked.test", ABSENT, "10.9.0.10", FETCH_OK, POLICY},
    {"late.test", ABSENT, "10.9.0.16", FETCH_OK, POLICY},
    {"early-hints.test", ABSENT, "10.9.0.20", FETCH_OK, POLICY},
    {"gzip.test", ABSENT, "10.9.0.15", FETCH_OK, "\x1f\x8b"}, /* as sent, never unpacked */

    {"status301.test", ABSENT, NGINX, FETCH_REFUSED, "HTTP status 301, redirects are not"},
    {"status302.test", ABSENT, NGINX, FETCH_REFUSED, "HTTP status 302, redirects are not"},
    {"status307.test", ABSENT, NGINX, FETCH_REFUSED, "HTTP status 307, redirects are not"},
    {"status204.test", ABSENT, NGINX, FETCH_REFUSED, "HTTP status 204"},
    {"status401.test", ABSENT, NGINX, FETCH_REFUSED, "HTTP status 401"},
    {"status403.test", ABSENT, NGINX, FETCH_REFUSED, "HTTP status 403"},
    {"status404.test", ABSENT, NGINX, FETCH_REFUSED, "HTTP status 404"},
    {"status410.test", ABSENT, NGINX, FETCH_REFUSED, "HTTP status 410"},
    {"bad-status-text.test", ABSENT, "10.9.0.18", FETCH_REFUSED, "HTTP status 404"},
    {"html.test", ABSENT, NGINX, FETCH_REFUSED, "content type is not text/plain"},
    {"plainish.test", ABSENT, NGINX, FETCH_REFUSED, "content type is not text/plain"},
    {"notype.test", ABSENT, NGINX, FETCH_REFUSED, "content type is not text/plain"},
    {"oversize.test", ABSENT, NGINX, FETCH_REFUSED, "policy is larger than 4096 octets"},
    {"endless.test", ABSENT, "10.9.0.11", FETCH_REFUSED, "policy is larger than 4096 octets"},
    {"big-header.test", ABSENT, "10.9.0.6", FETCH_REFUSED, "HTTP header is larger than 65536"},
    {"endless-interim.test", ABSENT, "10.9.0.12", FETCH_REFUSED, "HTTP header is larger than"},

    {"status429.test", ABSENT, NGINX, FETCH_FAILED, "HTTP status 429"},
    {"status500.test", ABSENT, NGINX, FETCH_FAILED, "HTTP status 500"},
    {"status503.test", ABSENT, NGINX, FETCH_FAILED, "HTTP status 503"},
    {"cut-short.test", ABSENT, "10.9.0.7", FETCH_FAILED, "policy host: "},
    {"no-close-notify.test", ABSENT, "10.9.0.8", FETCH_FAILED, "policy host: "},
    {"alert.test", ABSENT, "10.9.0.22", FETCH_FAILED, "connection cut within the policy"},
    {"cut-chunks.test", ABSENT, "10.9.0.19", FETCH_FAILED, "connection cut within the policy"},
    {"two-lengths.test", ABSENT, "10.9.0.21", FETCH_FAILED, "policy host: the answer is no valid"},
    {"not-http.test", ABSENT, "10.9.0.13", FETCH_FAILED, "policy host: "},
    {"reset.test", ABSENT, "10.9.0.14", FETCH_FAILED, "policy host: "},
    {"drip.test", ABSENT, "10.9.0.4", FETCH_FAILED, "timed out receiving the policy"},
    {"hang.test", ABSENT, "10.9.0.3", FETCH_FAILED, "timed out waiting for the policy host's"},
    {"mute.test", ABSENT, "10.9.0.2", FETCH_FAILED, "timed out in the TLS handshake"},
    {"tls11.test", ABSENT, "10.9.0.17", FETCH_FAILED, "TLS with the policy host: "},
    {"no-such-sni.test", ABSENT, NGINX, FETCH_FAILED, "TLS with the policy host: "},
    {"refused.test", ABSENT, CLOSED, FETCH_FAILED, "cannot connect to the policy host: Conn"},
    {"refused6.test", CLOSED6, ABSENT, FETCH_FAILED, "cannot connect to the policy host: Conn"},

    {"selfsigned.test", ABSENT, NGINX, FETCH_WEBPKI, "self-signed certificate"},
    {"expired.test", ABSENT, NGINX, FETCH_WEBPKI, "certificate has expired"},
    {"otherca.test", ABSENT, NGINX, FETCH_WEBPKI, "unable to get local issuer certificate"},
    {"wrongname.test", ABSENT, NGINX, FETCH_WEBPKI, "ostname mismatch"},
    {"cnonly.test", ABSENT, NGINX, FETCH_WEBPKI, "ostname mismatch"},
    {"cnsan.test", ABSENT, NGINX, FETCH_WEBPKI, "ostname mismatch"},
    {"ipsan.test", ABSENT, NGINX, FETCH_WEBPKI, "ostname mismatch"},
    {"wild.test", ABSENT, NGINX, FETCH_OK, POLICY},
    {"wildpart.test", ABSENT, NGINX, FETCH_WEBPKI, "ostname mismatch"},
    {"wilddeep.sub.test", ABSENT, NGINX, FETCH_WEBPKI, "ostname mismatch"},
    {"wildtop.test", ABSENT, NGINX, FETCH_WEBPKI, "ostname mismatch"},

    /* the way to an address */
    {"GOOD.test", ABSENT, NGINX, FETCH_OK, POLICY},
    {"status404.test.", ABSENT, NGINX, FETCH_NO_HOST, "not a domain name"},
    {"", ABSENT, NGINX, FETCH_NO_HOST, "not a domain name"},
    {"good.test/x", ABSENT, NGINX, FETCH_NO_HOST, "not a domain name"},
    {"good.test:8443", ABSENT, NGINX, FETCH_NO_HOST, "not a domain name"},
    {"x@good.test", ABSENT, NGINX, FETCH_NO_HOST, "not a domain name"},
    {"g\xc3\xb6od.test", ABSENT, NGINX, FETCH_NO_HOST, "not a domain name"},
};

/* The same host by other ways of DNS. */
static const struct host ways[] = {
    {"good.test", ABSENT, CLOSED "," NGINX, FETCH_OK, POLICY},
    {"good.test", CLOSED6, NGINX, FETCH_OK, POLICY},
    {"good.test", NGINX6, CLOSED, FETCH_OK, POLICY},
    {"good.test", SERVFAIL, NGINX, FETCH_OK, POLICY},
    {"good.test", NGINX6, SERVFAIL, FETCH_OK, POLICY},
    {"good.test", MUTE, NGINX, FETCH_OK, POLICY},
    {"good.test", NGINX6, MUTE, FETCH_OK, POLICY},
    {"good.test", ABSENT, ABSENT, FETCH_NO_HOST, "policy host has no address"},
    {"good.test", NXDOMAIN, NXDOMAIN, FETCH_NO_HOST, "policy host does not exist"},
    {"good.test", ABSENT, NXDOMAIN, FETCH_NO_HOST, "policy host has no address"},
    {"good.test", ALIAS, ALIAS, FETCH_FAILED, "address of the policy host: lookup failed"},
    {"good.test", SERVFAIL, SERVFAIL, FETCH_FAILED, "address of the policy host: SERVFAIL"},
    {"good.test", ABSENT, SERVFAIL, FETCH_FAILED, "address of the policy host: SERVFAIL"},
    {"good.test", MUTE, MUTE, FETCH_FAILED, "address of the policy host: timed out"},
    {"good.test", MUTE, ABSENT, FETCH_FAILED, "address of the policy host: timed out"},
};

/* ---- the resolver's place ---- */

struct world_query {
    struct dns_stub *stub;
    struct event *event;
    const char *data;
    uint16_t type;
    world_query_fn done;
    void *arg;
};

struct dns_stub {
    struct event_base *base;
    const struct host *only; /* answers all names when set */
    const char *everyone;    /* the address of every name, when set */
    int mute_ms;             /* how long what is MUTE takes */
    size_t outstanding;
    size_t asked;
};

static const struct host *host_find(const char *name)
{
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
        if (strcmp(hosts[i].domain, name) == 0)
            return &hosts[i];
    return NULL;
}

static size_t parse_addresses(const char *list, uint16_t type, struct dns_record records[4])
{
    char copy[200];
    char *rest = copy, *one;
    size_t count = 0;

    snprintf(copy, sizeof(copy), "%s", list);
    while ((one = strsep(&rest, ",")) != NULL) {
        void *to = type == DNS_TYPE_A ? records[count].a : records[count].aaaa;

        assert_int_equal(inet_pton(type == DNS_TYPE_A ? AF_INET : AF_INET6, one, to), 1);
        count++;
    }
    return count;
}

static void on_stub_answer(evutil_socket_t fd, short what, void *arg)
{
    struct world_query *query = arg;
    struct dns_record records[4];
    struct dns_answer answer = {.status = DNS_FOUND, .records = records};

    (void)fd;
    (void)what;
    if (strcmp(query->data, ABSENT) == 0) {
        answer.status = DNS_NODATA;
        answer.ttl_s = 300;
    } else if (strcmp(query->data, ALIAS) == 0) {
        answer.status = DNS_NODATA;
        answer.alias = true;
    } else if (strcmp(query->data, NXDOMAIN) == 0) {
        answer.status = DNS_NXDOMAIN;
    } else if (strcmp(query->data, MUTE) == 0) {
        answer.status = DNS_FAILED;
        answer.failure = "timed out";
    } else if (strcmp(query->data, SERVFAIL) == 0) {
        answer.status = DNS_FAILED;
        answer.failure = "SERVFAIL";
    } else {
        answer.count = parse_addresses(query->data, query->type, records);
    }
    query->stub->outstanding--;
    query->done(&answer, query->arg);
    event_free(query->event);
    free(query);
}

static struct world_query *stub_query(void *ctx, const char *name, uint16_t type,
                                      world_query_fn done, void *arg)
{
    struct dns_stub *stub = ctx;
    struct world_query *query = calloc(1, sizeof(*query));
    const struct host *host = stub->only;
    struct timeval now = {0, 0};
    struct timeval late = {stub->mute_ms / 1000, stub->mute_ms % 1000 * 1000};

    assert_non_null(query);
    assert_true(type == DNS_TYPE_A || type == DNS_TYPE_AAAA);
    assert_int_equal(strncmp(name, "mta-sts.", 8), 0);
    if (host == NULL)
        host = host_find(name + 8);
    if (stub->everyone != NULL)
        query->data = type == DNS_TYPE_A ? stub->everyone : ABSENT;
    else if (host != NULL)
        query->data = type == DNS_TYPE_A ? host->a : host->aaaa;
    else
        query->data = type == DNS_TYPE_A ? NGINX : ABSENT;
    query->stub = stub;
    query->type = type;
    query->done = done;
    query->arg = arg;
    query->event = evtimer_new(stub->base, on_stub_answer, query);
    event_add(query->event, strcmp(query->data, MUTE) == 0 ? &late : &now);
    stub->outstanding++;
    stub->asked++;
    return query;
}

static void stub_cancel(void *ctx, struct world_query *query)
{
    struct dns_stub *stub = ctx;

    stub->outstanding--;
    event_free(query->event);
    free(query);
}

/* ---- the fetcher under test ---- */

struct fixture {
    struct event_base *base;
    struct dns_stub stub;
    struct sts_fetcher *fetcher;
    char ca_file[200];
    char other_ca_file[200];
    struct sts_fetch_config config;
    struct ca_store *ca_store;
};

/* One fetch and its result. */
struct outcome {
    struct fixture *fixture;
    struct world_fetch *fetch;
    bool returned; /* sts_fetch_go has */
    unsigned called;
    enum fetch_status status;
    char text[MAX_POLICY + 1];
    size_t *left; /* counts down; the loop ends at 0 */
    struct world_fetch **cancel_too;
};

static void on_done(const struct fetch_result *result, void *arg)
{
    struct outcome *o = arg;

    assert_true(o->returned);
    o->called++;
    o->fetch = NULL;
    o->status = result->status;
    if (result->status == FETCH_OK) {
        assert_null(result->failure);
        assert_true(result->body_len <= MAX_POLICY);
        memcpy(o->text, result->body, result->body_len);
    } else {
        assert_non_null(result->failure);
        for (const char *c = result->failure; *c != '\0'; c++)
            assert_true(*c >= 0x20 && *c <= 0x7e);
        snprintf(o->text, sizeof(o->text), "%s", result->failure);
    }
    if (o->cancel_too != NULL && *o->cancel_too != NULL) {
        sts_fetch_cancel(*o->cancel_too);
        *o->cancel_too = NULL;
    }
    if (o->left != NULL && --*o->left == 0)
        event_base_loopbreak(o->fixture->base);
}

static void prepare(struct fixture *f, struct outcome *o, const char *domain, size_t *left)
{
    memset(o, 0, sizeof(*o));
    o->fixture = f;
    o->left = left;
    o->fetch = sts_fetch_prepare(f->fetcher, domain, on_done, o);
    assert_non_null(o->fetch);
}

static void go(struct outcome *o)
{
    sts_fetch_go(o->fetch);
    o->returned = true;
}

static void start(struct fixture *f, struct outcome *o, const char *domain, size_t *left)
{
    prepare(f, o, domain, left);
    go(o);
}

/* For fetches that begin from now on. */
static void set_timeouts(struct fixture *f, int connect_timeout_ms, int timeout_ms)
{
    f->config.connect_timeout_ms = connect_timeout_ms;
    f->config.timeout_ms = timeout_ms;
    sts_fetcher_reconfigure(f->fetcher, &f->config);
}

static void run_for(struct fixture *f, int ms)
{
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    event_base_loopexit(f->base, &tv);
    event_base_dispatch(f->base);
}

static void check(const struct host *host, const struct outcome *o)
{
    if (o->called != 1 || o->status != host->status || strstr(o->text, host->text) == NULL)
        fail_msg("%s (AAAA %s, A %s): called %u, status %d, '%s'; expected %d '%s'", host->domain,
                 host->aaaa, host->a, o->called, (int)o->status, o->text, (int)host->status,
                 host->text);
}

static void fetch_one(struct fixture *f, const struct host *host)
{
    struct outcome o;
    size_t left = 1;

    f->stub.only = host;
    start(f, &o, host->domain, &left);
    event_base_dispatch(f->base);
    f->stub.only = NULL;
    check(host, &o);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    const char *dir = getenv("STS_FETCH_DIR");
    struct sts_dns dns;
    char err[200];

    assert_non_null(f);
    assert_non_null(dir);
    snprintf(f->ca_file, sizeof(f->ca_file), "%s/lab/ca.pem", dir);
    snprintf(f->other_ca_file, sizeof(f->other_ca_file), "%s/other/ca.pem", dir);
    f->base = event_base_new();
    f->stub.base = f->base;
    f->stub.mute_ms = MUTE_MS;
    assert_int_equal(ca_store_new(f->ca_file, NULL, &f->ca_store, err, sizeof(err)), 0);
    f->config = (struct sts_fetch_config){
        .ca_store = f->ca_store,
        .connect_timeout_ms = AMPLE_MS,
        .timeout_ms = AMPLE_MS,
        .max_policy = MAX_POLICY,
        .port = 443,
    };
    dns = (struct sts_dns){.query = stub_query, .cancel = stub_cancel, .ctx = &f->stub};
    assert_int_equal(sts_fetcher_new(f->base, &f->config, &dns, &f->fetcher, err, sizeof(err)), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sts_fetcher_free(f->fetcher);
    ca_store_free(f->ca_store);
    assert_int_equal(f->stub.outstanding, 0);
    event_base_free(f->base);
    free(f);
    return 0;
}

/* ---- tests ---- */

static bool is_timeout(const char *text)
{
    return strncmp(text, "timed out ", 10) == 0;
}

/* A host that stops at some step must be left the time to get there, which on a busy machine may be
 * long: while the time-out comes before, once more with a longer one. */
static void check_timeout(struct fixture *f, const struct host *host, struct outcome *o)
{
    for (int ms = 2 * SHORT_MS; ms <= 8 * SHORT_MS; ms *= 2) {
        size_t left = 1;

        if (o->called != 1 || !is_timeout(o->text) || strstr(o->text, host->text) != NULL)
            break;
        set_timeouts(f, ms, ms + ms / 4);
        start(f, o, host->domain, &left);
        event_base_dispatch(f->base);
    }
    check(host, o);
}

/* All kinds of hosts side by side: none disturbs another. */
static void all_hosts_at_once(void **state)
{
    enum { COUNT = sizeof(hosts) / sizeof(hosts[0]) };
    struct fixture *f = *state;
    struct outcome *o = calloc(COUNT, sizeof(*o));
    size_t left = COUNT;

    set_timeouts(f, SHORT_MS, SHORT_MS + SHORT_MS / 4);
    for (size_t i = 0; i < COUNT; i++)
        if (is_timeout(hosts[i].text))
            start(f, &o[i], hosts[i].domain, &left);
    run_for(f, 10); /* they have begun */
    set_timeouts(f, AMPLE_MS, AMPLE_MS);
    for (size_t i = 0; i < COUNT; i++)
        if (!is_timeout(hosts[i].text))
            start(f, &o[i], hosts[i].domain, &left);
    event_base_dispatch(f->base);
    for (size_t i = 0; i < COUNT; i++) {
        if (is_timeout(hosts[i].text))
            check_timeout(f, &hosts[i], &o[i]);
        else
            check(&hosts[i], &o[i]);
    }
    free(o);
}

static void ways_to_an_address(void **state)
{
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
        fetch_one(*state, &ways[i]);
}

/* The time-outs are those of the request: a look-up of addresses may take longer. */
static void slow_lookup(void **state)
{
    static const struct host slow = {"good.test", MUTE, NGINX, FETCH_OK, POLICY};
    struct fixture *f = *state;

    set_timeouts(f, 2 * SHORT_MS, 2 * SHORT_MS);
    f->stub.mute_ms = 2 * SHORT_MS + 500;
    fetch_one(f, &slow);
}

/* Nothing of one fetch may serve the next: no connection, no name entry, no TLS session. */
static void nothing_outlives_a_fetch(void **state)
{
    static const struct host good = {"moved.test", ABSENT, NGINX, FETCH_OK, POLICY};
    static const struct host moved = {"moved.test", ABSENT, CLOSED, FETCH_FAILED, "Connection re"};
    static const struct host other = {"cnonly.test", ABSENT, NGINX, FETCH_WEBPKI, "ostname mism"};
    struct fixture *f = *state;

    for (int round = 0; round < 3; round++) {
        fetch_one(f, &good);
        fetch_one(f, &moved);
        fetch_one(f, &other);
    }
    /* the same name, now with a CA that has not signed it */
    assert_int_equal(ca_store_reconfigure(f->ca_store, f->other_ca_file, NULL, (char[200]){0}, 200),
                     0);
    fetch_one(f, &(struct host){"moved.test", ABSENT, NGINX, FETCH_WEBPKI, "local issuer"});
}

static void what_is_asked(void **state)
{
    static const struct host echo = {
        "echo.test", ABSENT, "10.9.0.5", FETCH_OK,
        "GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.echo.test\r\n"};
    struct fixture *f = *state;
    struct outcome o;
    size_t left = 1;

    f->stub.only = &echo;
    start(f, &o, echo.domain, &left);
    event_base_dispatch(f->base);
    check(&echo, &o);
    assert_non_null(strstr(o.text, "\r\nUser-Agent: requiretls-milter/"));
    assert_null(strcasestr(o.text, "Accept-Encoding"));
    assert_null(strcasestr(o.text, "Authorization"));
    assert_null(strcasestr(o.text, "Cookie"));
}

static void another_port(void **state)
{
    struct fixture *f = *state;

    f->config.port = 8443;
    sts_fetcher_reconfigure(f->fetcher, &f->config);
    fetch_one(f, host_find("good.test"));
    fetch_one(f, host_find("cnonly.test"));
}

static void reconfigure(void **state)
{
    struct fixture *f = *state;
    const struct host good = {"good.test", ABSENT, NGINX, FETCH_OK, POLICY};
    char err[300];

    assert_int_equal(ca_store_reconfigure(f->ca_store, "/no/such/file.pem", NULL, err, sizeof(err)),
                     -EINVAL);
    assert_string_equal(
        err, "/no/such/file.pem: cannot load CA certificates: No such file or directory");
    fetch_one(f, &good);
    assert_int_equal(
        ca_store_reconfigure(f->ca_store, NULL, "/no/such/directory", err, sizeof(err)), -EINVAL);
    assert_string_equal(
        err, "/no/such/directory: not a directory of CA certificates: No such file or directory");
    fetch_one(f, &good);
    /* the system's CAs have not signed it */
    assert_int_equal(ca_store_reconfigure(f->ca_store, NULL, NULL, err, sizeof(err)), 0);
    fetch_one(f, &(struct host){"good.test", ABSENT, NGINX, FETCH_WEBPKI, "local issuer"});
    assert_int_equal(ca_store_reconfigure(f->ca_store, f->ca_file, NULL, err, sizeof(err)), 0);
    f->config.max_policy = 10;
    sts_fetcher_reconfigure(f->fetcher, &f->config);
    fetch_one(f, &(struct host){"good.test", ABSENT, NGINX, FETCH_REFUSED, "larger than 10 oct"});
}

struct sampler {
    struct fixture *fixture;
    struct event *event;
    size_t most;
};

static void on_sample(evutil_socket_t fd, short what, void *arg)
{
    struct sampler *s = arg;

    (void)fd;
    (void)what;
    if (s->fixture->stub.outstanding > s->most)
        s->most = s->fixture->stub.outstanding;
}

/* 300 at once, more than may be at work: all answered, never more than allowed in progress. */
static void many(struct fixture *f, unsigned max_parallel)
{
    enum { COUNT = 300 };
    static const struct timeval often = {.tv_usec = 500};
    struct sampler sampler = {.fixture = f};
    struct outcome *o = calloc(COUNT, sizeof(*o));
    size_t left = COUNT;

    f->config.max_parallel = max_parallel;
    set_timeouts(f, AMPLE_MS, AMPLE_MS);
    f->stub.everyone = "10.9.0.16";
    sampler.event = event_new(f->base, -1, EV_PERSIST, on_sample, &sampler);
    event_add(sampler.event, &often);
    for (int i = 0; i < COUNT; i++) {
        char domain[32];

        snprintf(domain, sizeof(domain), "many%d.test", i);
        start(f, &o[i], domain, &left);
    }
    event_base_dispatch(f->base);
    event_free(sampler.event);
    for (int i = 0; i < COUNT; i++)
        if (o[i].called != 1 || o[i].status != FETCH_OK || strcmp(o[i].text, POLICY) != 0)
            fail_msg("many%d: called %u, status %d, '%s'", i, o[i].called, (int)o[i].status,
                     o[i].text);
    assert_true(sampler.most <= 2 * ((max_parallel != 0 ? max_parallel : 200) + AHEAD_MAX));
    free(o);
}

static void three_hundred_at_once(void **state)
{
    many(*state, 0);
}

static void three_hundred_few_at_a_time(void **state)
{
    many(*state, 40);
}

/* Hosts that say nothing, the first of them with that time-out; `good` is in line behind them.
 * Returns how many of them had ended when it was done. */
static unsigned behind_mutes(struct fixture *f, struct outcome *mute, unsigned count,
                             int timeout_ms)
{
    struct outcome good;
    size_t left = 1;
    unsigned ended = 0;

    set_timeouts(f, timeout_ms, timeout_ms);
    for (unsigned i = 0; i < count; i++)
        start(f, &mute[i], "mute.test", NULL);
    run_for(f, 10); /* as many as may be at work have begun */
    set_timeouts(f, AMPLE_MS, AMPLE_MS);
    start(f, &good, "good.test", &left);
    event_base_dispatch(f->base);
    check(host_find("good.test"), &good);
    for (unsigned i = 0; i < count; i++) {
        ended += mute[i].called;
        if (mute[i].called == 0)
            sts_fetch_cancel(mute[i].fetch);
    }
    return ended;
}

/* Hosts that hang do not hold up others, though they are as many as may be at work. */
static void two_hundred_that_hang(void **state)
{
    enum { COUNT = 200 };
    struct fixture *f = *state;
    struct outcome *mute = calloc(COUNT, sizeof(*mute));

    f->config.max_parallel = 0;
    assert_int_equal(behind_mutes(f, mute, COUNT, AMPLE_MS), 0);
    free(mute);
}

/* There is an end to how many may be slow: a fetch behind them is begun when some have timed out,
 * and does not fail for it. */
static void waits_in_line(void **state)
{
    enum { AT_WORK = 2, COUNT = AT_WORK + 5 * AT_WORK };
    struct fixture *f = *state;
    struct outcome mute[COUNT];

    f->config.max_parallel = AT_WORK;
    /* without an end to it, six times half a second would do */
    assert_true(behind_mutes(f, mute, COUNT, SHORT_MS) > 0);
    for (int i = 0; i < COUNT; i++)
        assert_true(mute[i].called == 0 || mute[i].status == FETCH_FAILED);
}

/* Whenever a fetch is cancelled, there is no callback and nothing left of it. */
static void cancel_at_any_time(void **state)
{
    static const char *const domains[] = {
        "good.test", "drip.test", "hang.test", "mute.test", "selfsigned.test", "endless.test", ""};
    struct fixture *f = *state;

    for (size_t d = 0; d < sizeof(domains) / sizeof(domains[0]); d++) {
        for (int ms = -1; ms < 40; ms += ms < 8 ? 1 : 4) {
            struct outcome o;

            start(f, &o, domains[d], NULL);
            if (ms >= 0)
                run_for(f, ms);
            if (o.called == 0) {
                sts_fetch_cancel(o.fetch);
                run_for(f, 1);
                assert_int_equal(o.called, 0);
            }
        }
    }
    fetch_one(f, host_find("good.test"));
}

static void cancel_in_line(void **state)
{
    struct fixture *f = *state;
    struct outcome first, second, third;
    size_t left = 2;

    f->config.max_parallel = 1;
    sts_fetcher_reconfigure(f->fetcher, &f->config);
    start(f, &first, "late.test", &left);
    start(f, &second, "good.test", NULL);
    start(f, &third, "good.test", &left);
    run_for(f, 50);
    sts_fetch_cancel(second.fetch);
    event_base_dispatch(f->base);
    assert_int_equal(second.called, 0);
    check(host_find("late.test"), &first);
    check(host_find("good.test"), &third);
}

static void cancel_inside_a_callback(void **state)
{
    struct fixture *f = *state;
    struct outcome first, second;
    size_t left = 1;

    /* whichever is done first */
    start(f, &first, "late.test", &left);
    start(f, &second, "late.test", &left);
    first.cancel_too = &second.fetch;
    second.cancel_too = &first.fetch;
    event_base_dispatch(f->base);
    run_for(f, 500);
    assert_int_equal(first.called + second.called, 1);
}

static void free_while_at_work(void **state)
{
    struct fixture *f = *state;
    struct outcome o[6];

    f->config.max_parallel = 4;
    sts_fetcher_reconfigure(f->fetcher, &f->config);
    f->stub.mute_ms = AMPLE_MS;
    f->stub.only = &(const struct host){"x", MUTE, MUTE, FETCH_OK, ""};
    start(f, &o[0], "looking-up.test", NULL);
    run_for(f, 10);
    f->stub.only = NULL;
    start(f, &o[1], "hang.test", NULL);
    start(f, &o[2], "drip.test", NULL);
    start(f, &o[3], "mute.test", NULL);
    start(f, &o[4], "good.test", NULL);
    start(f, &o[5], "good.test", NULL);
    run_for(f, 100);
    sts_fetcher_free(f->fetcher);
    f->fetcher = NULL;
    run_for(f, 10);
    for (int i = 0; i < 6; i++)
        assert_int_equal(o[i].called, 0);
}

/* Made ready, told to go after so many milliseconds: the same outcome, and no question more. */
static void made_ready(void **state)
{
    static const int waits_ms[] = {0, 20};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        for (size_t w = 0; w < sizeof(waits_ms) / sizeof(waits_ms[0]); w++) {
            struct outcome o;
            size_t left = 1;

            f->stub.only = &ways[i];
            f->stub.asked = 0;
            prepare(f, &o, ways[i].domain, &left);
            run_for(f, waits_ms[w]);
            assert_int_equal(f->stub.asked, 2);
            assert_int_equal(o.called, 0);
            go(&o);
            event_base_dispatch(f->base);
            check(&ways[i], &o);
            assert_int_equal(f->stub.asked, 2);
        }
    }
}

/* Never told to go: nobody is called back, and the policy host hears nothing. */
static void made_ready_in_vain(void **state)
{
    struct fixture *f = *state;
    struct outcome o[3];

    f->stub.everyone = CLOSED;
    prepare(f, &o[0], "one.test", NULL);
    prepare(f, &o[1], "two.test", NULL);
    prepare(f, &o[2], "not/a/name.test", NULL);
    sts_fetch_cancel(o[0].fetch);
    run_for(f, 50);
    assert_int_equal(f->stub.outstanding, 0);
    sts_fetch_cancel(o[1].fetch);
    sts_fetch_cancel(o[2].fetch);
    run_for(f, 10);
    for (int i = 0; i < 3; i++)
        assert_int_equal(o[i].called, 0);
}

/* Of very many the addresses are looked up when they are at work, not before. */
static void very_many_made_ready(void **state)
{
    enum { COUNT = 3 * AHEAD_MAX };
    struct fixture *f = *state;
    struct outcome *o = calloc(COUNT, sizeof(*o));
    size_t left = COUNT;

    for (int i = 0; i < COUNT; i++)
        prepare(f, &o[i], "good.test", &left);
    run_for(f, 20);
    assert_int_equal(f->stub.asked, 2 * AHEAD_MAX);
    for (int i = 0; i < COUNT; i++)
        go(&o[i]);
    event_base_dispatch(f->base);
    assert_int_equal(f->stub.asked, 2 * COUNT);
    for (int i = 0; i < COUNT; i++)
        check(host_find("good.test"), &o[i]);
    free(o);
}

#define fetch_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        fetch_test(all_hosts_at_once),
        fetch_test(ways_to_an_address),
        fetch_test(slow_lookup),
        fetch_test(nothing_outlives_a_fetch),
        fetch_test(what_is_asked),
        fetch_test(another_port),
        fetch_test(reconfigure),
        fetch_test(three_hundred_at_once),
        fetch_test(three_hundred_few_at_a_time),
        fetch_test(two_hundred_that_hang),
        fetch_test(waits_in_line),
        fetch_test(cancel_at_any_time),
        fetch_test(cancel_in_line),
        fetch_test(cancel_inside_a_callback),
        fetch_test(free_while_at_work),
        fetch_test(made_ready),
        fetch_test(made_ready_in_vain),
        fetch_test(very_many_made_ready),
    };

    return cmocka_run_group_tests_name("sts_fetch", tests, NULL, NULL);
}
