/*
 * Addresses of MX hosts: which of them strangers may make us connect to, and how they are written.
 * Pure; any thread.
 */
#ifndef POLICY_PROBE_PROBE_ADDRESS_H
#define POLICY_PROBE_PROBE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PROBE_ADDRESS_MAX = 16, /* octets */
    PROBE_ENDPOINT_MAX = 64,
};

/*
 * Whether an address may be connected to because a stranger's DNS names it: not loopback, private,
 * link-local, shared (RFC 6598), unspecified, multicast or reserved, nor an IPv6 address that
 * stands for such an IPv4 address (RFC 4291 section 2.5.5.2, RFC 6052, RFC 3056). `address` has 4
 * octets, or 16 with ipv6, in network byte order.
 */
bool probe_address_is_public(const uint8_t *address, bool ipv6);

/* Address and port as text: 192.0.2.1:25, [2001:db8::1]:25. */
void probe_address_endpoint(const uint8_t *address, bool ipv6, uint16_t port,
                            char out[PROBE_ENDPOINT_MAX]);

#endif
