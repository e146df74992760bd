/*
 * Addresses of this host. Any thread.
 */
#ifndef POLICY_OWN_ADDRESS_H
#define POLICY_OWN_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Whether a connection to this address comes to this host itself: one of its interfaces has it,
 * now. `address` has 4 octets, or 16 with ipv6, in network byte order. Also true when the system
 * does not tell its addresses, for want of memory or descriptors.
 */
bool own_address_is(const uint8_t *address, bool ipv6);

#endif
