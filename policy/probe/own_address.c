/*
 * own_address_is asks the system anew each time, as addresses come and go: there are no more
 * questions than probes.
 */
#include "policy/own_address.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

/* Where the octets are; NULL: another family. */
static const uint8_t *octets_of(const struct sockaddr *at, bool ipv6)
{
    if (at == NULL || at->sa_family != (ipv6 ? AF_INET6 : AF_INET))
        return NULL;
    return ipv6 ? (const uint8_t *)&((const struct sockaddr_in6 *)at)->sin6_addr
                : (const uint8_t *)&((const struct sockaddr_in *)at)->sin_addr;
}

bool own_address_is(const uint8_t *address, bool ipv6)
{
    static const uint8_t mapped[12] = {[10] = 0xff, 0xff}; /* RFC 4291 section 2.5.5.2 */
    struct ifaddrs *all;
    bool own = false;

    if (ipv6 && memcmp(address, mapped, sizeof(mapped)) == 0) {
        address += sizeof(mapped);
        ipv6 = false;
    }
    if (getifaddrs(&all) != 0)
        return true;
    for (const struct ifaddrs *at = all; at != NULL && !own; at = at->ifa_next) {
        const uint8_t *octets = octets_of(at->ifa_addr, ipv6);

        own = octets != NULL && memcmp(octets, address, ipv6 ? 16 : 4) == 0;
    }
    freeifaddrs(all);
    return own;
}
