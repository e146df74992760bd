/*
 * Which addresses a probe may connect to: probe_address_is_public compares with a table of prefixes
 * (the special-purpose registries of RFC 6890, without those for documentation, which go nowhere).
 * probe_address_endpoint writes an address as users know it.
 */
#include "probe/probe_address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct prefix {
    uint8_t octets[PROBE_ADDRESS_MAX];
    unsigned bits;
};

static const struct prefix closed_ipv4[] = {
    {{0}, 8},          /* this network */
    {{10}, 8},         /* RFC 1918 */
    {{100, 64}, 10},   /* RFC 6598 */
    {{127}, 8},        /* loopback */
    {{169, 254}, 16},  /* link-local */
    {{172, 16}, 12},   /* RFC 1918 */
    {{192, 0, 0}, 24}, /* RFC 7335, and the like */
    {{192, 168}, 16},  /* RFC 1918 */
    {{224}, 4},        /* multicast */
    {{240}, 4},        /* reserved, and broadcast */
};

/* All unicast addresses that are assigned (RFC 4291 section 2.4): whatever else routers of this
 * site may know, loopback, unique local (RFC 4193), link-local, SIIT's ::ffff:0:0:0/96 (RFC 7915)
 * and local NAT64 (RFC 8215) among it, is no stranger's. */
static const struct prefix open_ipv6[] = {
    {{0x20}, 3},
};

/* IPv6 addresses that hold an IPv4 address, and where. */
static const struct {
    struct prefix prefix;
    size_t at;
} embedding[] = {
    {{{[10] = 0xff, 0xff}, 96}, 12},   /* ::ffff:0:0/96 */
    {{{0, 0x64, 0xff, 0x9b}, 96}, 12}, /* 64:ff9b::/96 */
    {{{0x20, 0x02}, 16}, 2},           /* 6to4 */
};

static bool has_prefix(const uint8_t *address, const struct prefix *prefix)
{
    size_t octets = prefix->bits / 8;
    unsigned rest = prefix->bits % 8;
    uint8_t mask = (uint8_t)(0xff00 >> rest);

    return memcmp(address, prefix->octets, octets) == 0 &&
           (rest == 0 || (address[octets] & mask) == prefix->octets[octets]);
}

static bool is_among(const uint8_t *address, const struct prefix *prefixes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (has_prefix(address, &prefixes[i]))
            return true;
    }
    return false;
}

bool probe_address_is_public(const uint8_t *address, bool ipv6)
{
    const uint8_t *ipv4 = ipv6 ? NULL : address;

    for (size_t i = 0; ipv6 && i < sizeof(embedding) / sizeof(embedding[0]); i++) {
        if (has_prefix(address, &embedding[i].prefix))
            ipv4 = address + embedding[i].at;
    }
    if (ipv4 != NULL)
        return !is_among(ipv4, closed_ipv4, sizeof(closed_ipv4) / sizeof(closed_ipv4[0]));
    return is_among(address, open_ipv6, sizeof(open_ipv6) / sizeof(open_ipv6[0]));
}

void probe_address_endpoint(const uint8_t *address, bool ipv6, uint16_t port,
                            char out[PROBE_ENDPOINT_MAX])
{
    char text[INET6_ADDRSTRLEN];

    /* Cannot fail: both families are known, and there is room. */
    inet_ntop(ipv6 ? AF_INET6 : AF_INET, address, text, sizeof(text));
    snprintf(out, PROBE_ENDPOINT_MAX, ipv6 ? "[%s]:%u" : "%s:%u", text, (unsigned)port);
}
