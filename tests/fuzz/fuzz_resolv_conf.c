/*
 * Any octets as resolv.conf(5), and as the address of a resolver in the configuration. Checked is
 * that what was taken for an address reads as the same address again, and that the number of
 * addresses is bounded.
 */
#include "dns/resolver_addr.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { MAX = 8 };

static void promise(bool kept)
{
    if (!kept)
        abort();
}

static void check_addr(const struct resolver_addr *addr)
{
    struct resolver_addr again;

    promise(strlen(addr->text) < RESOLVER_ADDR_TEXT_MAX);
    promise(addr->sa.sa_family == AF_INET || addr->sa.sa_family == AF_INET6);
    promise(resolver_addr_parse(addr->text, &again) == 0 && resolver_addr_equal(addr, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct resolver_addr addrs[MAX], one;
    char *copy = malloc(len + 1);
    unsigned bad_line = 0;
    size_t count;

    if (copy == NULL)
        return 0;
    if (len > 0)
        memcpy(copy, data, len);
    copy[len] = '\0';
    count = resolver_addr_from_conf(copy, len, addrs, MAX, &bad_line);
    promise(count <= MAX);
    for (size_t i = 0; i < count; i++) {
        check_addr(&addrs[i]);
        for (size_t k = 0; k < i; k++)
            promise(!resolver_addr_equal(&addrs[i], &addrs[k]));
    }
    if (resolver_addr_parse(copy, &one) == 0)
        check_addr(&one);
    free(copy);
    return 0;
}
