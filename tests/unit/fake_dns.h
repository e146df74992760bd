/*
 * A DNS server for tests, on the test's own event loop: UDP and TCP on one port of an address of
 * this host. It does on request what a real server does only when it is broken.
 *
 * What it answers: SOA of any name (the check); A of `n<number>.<rest>`: 10.x.y.z made of the
 * number; TXT of `_smtp._tls.<rest>`: FAKE_DNS_TLSRPT, of others: 20 strings, 4.8 kB together; else
 * NODATA. AD is set unless the name begins with
 * "unsigned" or the server does not validate. A name that begins with "slow" is never answered.
 */
#ifndef TESTS_UNIT_FAKE_DNS_H
#define TESTS_UNIT_FAKE_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct fake_dns;

enum fake_dns_mode {
    FAKE_DNS_ANSWER,
    FAKE_DNS_SILENT,
    FAKE_DNS_HOLD, /* until fake_dns_release */
    FAKE_DNS_SERVFAIL,
    FAKE_DNS_REFUSED,
    FAKE_DNS_MALFORMED,      /* an answer that is cut short */
    FAKE_DNS_SHORT,          /* less than a header */
    FAKE_DNS_WRONG_ID,       /* only a forged answer with another ID */
    FAKE_DNS_WRONG_QUESTION, /* only a forged answer to another question */
    FAKE_DNS_FORGED_FIRST,   /* both forgeries, with a wrong address, then the answer */
    FAKE_DNS_STALE,          /* an answer kept beyond its life (RFC 8914 4.4), without AD */
    FAKE_DNS_TRUNCATED_TCP,  /* TC by TCP too */
    FAKE_DNS_TCP_HANGS_UP,   /* TC by UDP, and TCP connections are closed when asked */
};

struct fake_dns_seen { /* one query by UDP, checks not counted */
    uint16_t id;
    uint16_t port; /* it came from */
};

#define FAKE_DNS_TLSRPT "v=TLSRPTv1;rua=a:b"

enum { FAKE_DNS_SEEN_MAX = 20000 };

struct fake_dns_state {
    enum fake_dns_mode mode;
    enum fake_dns_mode check_mode; /* for SOA */
    bool validates;
    unsigned per_second; /* so many answers by UDP a second, all in the order of the queries; 0: no
                            bound. What comes in faster waits. */
    size_t udp, tcp, checks; /* queries so far; checks are not in the others */
    size_t bad_queries;      /* without RD, AD or EDNS 1232, or with anything odd */
    struct fake_dns_seen seen[FAKE_DNS_SEEN_MAX];
};

/* `address` as "127.0.0.1" or "fe80::1%lo"; an ephemeral port. Aborts when it cannot. */
struct fake_dns *fake_dns_new(struct event_base *base, const char *address);
void fake_dns_free(struct fake_dns *server);

struct fake_dns_state *fake_dns_state(struct fake_dns *server);
const char *fake_dns_address(const struct fake_dns *server); /* "127.0.0.1:40000" */
void fake_dns_release(struct fake_dns *server);              /* answers what is on hold */
size_t fake_dns_held(const struct fake_dns *server);

#endif
