/* The types of keys that only the delivery agent has. As in config_types.c each parser reads one
 * value into its field, and the result is NULL, or what would have been expected; "" when out of
 * memory. */
#include "config/config_types.h"

#include "base/audit.h"
#include "config/config_address.h"

#include <arpa/inet.h>
#include <string.h>

const char *config_type_file(struct arena *arena, const struct config_key *key, const char *value,
                             void *field)
{
    return value[0] == '\0' ? "an absolute path" : config_type_path(arena, key, value, field);
}

const char *config_type_life(struct arena *arena, const struct config_key *key, const char *value,
                             void *field)
{
    uint64_t s;
    const char *expected = config_value_life_s(value, &s);

    (void)arena, (void)key;
    if (expected == NULL)
        *(int64_t *)field = (int64_t)s;
    return expected;
}

const char *config_type_max_message(struct arena *arena, const struct config_key *key,
                                    const char *value, void *field)
{
    (void)arena, (void)key;
    *(uint64_t *)field = 0;
    if (strcmp(value, "0") == 0 || config_value_message_size(value, field) == NULL)
        return NULL;
    return "0 (no limit), or a size such as 64k, 50m or 2g";
}

/* A number in a range, `expected` if it is none. */
static const char *count_between(const char *value, unsigned min, unsigned max,
                                 const char *expected, unsigned *out)
{
    unsigned n;

    if (config_value_count(value, &n) != NULL || n < min || n > max)
        return expected;
    *out = n;
    return NULL;
}

/* A quarter of them, which is what one next-hop has, is at least one. */
const char *config_type_sessions(struct arena *arena, const struct config_key *key,
                                 const char *value, void *field)
{
    (void)arena, (void)key;
    return count_between(value, 4, 10000, "a number from 4 to 10000", field);
}

const char *config_type_addresses(struct arena *arena, const struct config_key *key,
                                  const char *value, void *field)
{
    (void)arena, (void)key;
    return count_between(value, 1, 20, "a number from 1 to 20", field);
}

const char *config_type_smtp_timeout(struct arena *arena, const struct config_key *key,
                                     const char *value, void *field)
{
    enum { MIN_MS = 1000, MAX_MS = 3600000 };
    int ms;

    (void)arena, (void)key;
    if (config_value_duration_ms(value, &ms) != NULL || ms < MIN_MS || ms > MAX_MS)
        return "a duration from 1s to 1h";
    *(int *)field = ms;
    return NULL;
}

/* A numeric address: a name may come to mean another. */
static bool is_loopback(const char *host)
{
    struct in_addr in;
    struct in6_addr in6;

    if (inet_pton(AF_INET, host, &in) == 1)
        return ntohl(in.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, host, &in6) == 1 && IN6_IS_ADDR_LOOPBACK(&in6);
}

/* Who reaches it can send mail as this host does. */
const char *config_type_loopback(struct arena *arena, const struct config_key *key,
                                 const char *value, void *field)
{
    static const char *const expected = "unix:/path, inet:127.0.0.1:port or inet:[::1]:port";
    struct config_address *address = field;
    const char *wrong = value[0] != '\0' ? config_address_listen(arena, value, address) : expected;

    (void)key;
    if (wrong == NULL)
        return address->path != NULL || is_loopback(address->host) ? NULL : expected;
    return wrong[0] == '\0' || address->path != NULL ? wrong : expected;
}

const char *config_type_unix_socket(struct arena *arena, const struct config_key *key,
                                    const char *value, void *field)
{
    struct config_address address = {0};
    const char *expected = value[0] != '\0' ? config_address_listen(arena, value, &address) : NULL;

    (void)key;
    if (expected == NULL && value[0] != '\0' && address.path == NULL)
        expected = "unix:/path";
    *(const char **)field = expected == NULL ? address.path : NULL;
    return expected;
}

const char *config_type_nexthop(struct arena *arena, const struct config_key *key,
                                const char *value, void *field)
{
    struct nexthop nexthop;

    if (value[0] != '\0' && nexthop_parse(value, &nexthop) != 0)
        return "a next-hop: a domain, [host] or [host]:port";
    return config_type_text(arena, key, value[0] != '\0' ? nexthop.text : value, field);
}

const char *config_type_audit(struct arena *arena, const struct config_key *key, const char *value,
                              void *field)
{
    const char *wrong = audit_check(value);

    return wrong != NULL ? wrong : config_type_text(arena, key, value, field);
}
