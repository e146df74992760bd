/*
 * Addresses of resolvers: as the configuration and resolv.conf(5) write them. No I/O but the
 * look-up of interface names.
 */
#ifndef POLICY_DNS_RESOLVER_ADDR_H
#define POLICY_DNS_RESOLVER_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

enum { RESOLVER_ADDR_TEXT_MAX = 80 };

struct resolver_addr {
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    };
    char text[RESOLVER_ADDR_TEXT_MAX]; /* for people: with the port only when it is not 53 */
};

/*
 * Parses `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1`, `[2001:db8::1]:5353`, `fe80::1%eth0`,
 * `[fe80::1%eth0]:53`. Returns 0 or -EINVAL (also for an interface that does not exist).
 */
int resolver_addr_parse(const char *text, struct resolver_addr *out);

/*
 * Collects the addresses of the `nameserver` lines of a resolv.conf, each once, at most `max`.
 * Returns how many; *bad_line is the number of the first line whose address was no address and
 * which was passed over, else 0.
 */
size_t resolver_addr_from_conf(const char *conf, size_t len, struct resolver_addr *out, size_t max,
                               unsigned *bad_line);

bool resolver_addr_equal(const struct resolver_addr *a, const struct resolver_addr *b);
bool resolver_addr_is_loopback(const struct resolver_addr *addr); /* 127.0.0.0/8 or ::1 */

#endif
