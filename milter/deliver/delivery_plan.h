/*
 * In which order the servers of a next-hop are tried (RFC 5321 section 5.1): host, address and
 * port. Pure.
 */
#ifndef MILTER_DELIVER_DELIVERY_PLAN_H
#define MILTER_DELIVER_DELIVERY_PLAN_H

#include "policy/findings.h"
#include "policy/nexthop.h"

#include <netinet/in.h>

enum {
    DELIVERY_PLAN_TARGETS = 64,
    DELIVERY_ENDPOINT_MAX = 64, /* 192.0.2.1:25, [2001:db8::1]:25 */
    DELIVERY_ADDRESS_TEXT_MAX = 46,
};

/* One address of a host. */
struct delivery_target {
    uint8_t host; /* findings->hosts[host]; 0 of an address literal */
    bool ipv6;
    bool avoided;        /* it did not connect lately */
    uint8_t address[16]; /* 4 octets, or 16 with ipv6; network byte order */
};

struct delivery_plan {
    size_t count;
    struct delivery_target targets[DELIVERY_PLAN_TARGETS];
    /* No host is left but this one itself, or those that are not preferred over it: mail would
     * loop. */
    bool loops;
};

typedef bool (*delivery_plan_address_fn)(const uint8_t *address, bool ipv6, void *arg);

struct delivery_plan_facts {
    const struct findings *findings;
    uint32_t hosts; /* that may be contacted; bit i is findings->hosts[i], of a literal bit 0 */
    uint64_t seed;  /* random: equals are taken in the order that follows from it */
    /* Whether a connection to an address comes to this host itself. NULL: never. */
    delivery_plan_address_fn is_own;
    /* Whether it did not connect lately: such addresses are tried last. NULL: none. */
    delivery_plan_address_fn is_avoided;
    void *arg;
};

/*
 * Hosts by preference, equals at random; of each host both families in turn, one of which begins at
 * random, and the addresses of each at random. Where the hosts were found by MX lookup, or are the
 * domain itself, own addresses are a mail loop: neither that host nor any of the same or a lesser
 * preference is tried (as for my_mx_names). Addresses that did not connect lately come last,
 * whatever their preference.
 */
void delivery_plan_make(const struct delivery_plan_facts *facts, struct delivery_plan *out);

/* The name by which a host is known: that of its MX record, or the address of a literal. */
const char *delivery_host_name(const struct findings *findings, size_t host);

/* Address and port for connect(2); returns its length. */
socklen_t delivery_target_sockaddr(const struct delivery_target *target, uint16_t port,
                                   struct sockaddr_storage *out);
void delivery_target_text(const struct delivery_target *target,
                          char out[DELIVERY_ADDRESS_TEXT_MAX + 1]);
void delivery_target_endpoint(const struct delivery_target *target, uint16_t port,
                              char out[DELIVERY_ENDPOINT_MAX]);

#endif
