/* Reads single values: yes and no, numbers, durations, sizes, networks. The result is NULL, or what
 * would have been expected. */
#include "config/config_value.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int config_value_word(const char *text, const char *const *words)
{
    for (int i = 0; words[i] != NULL; i++)
        if (strcasecmp(text, words[i]) == 0)
            return i;
    return -1;
}

const char *config_value_bool(const char *text, bool *out)
{
    static const char *const words[] = {"no", "yes", NULL};
    int i = config_value_word(text, words);

    if (i < 0)
        return "yes or no";
    *out = i == 1;
    return NULL;
}

/* A number of at least 1 followed by a unit of the table; false when it is none or too large. */
struct unit {
    const char *name;
    uint64_t factor;
};

static bool number_with_unit(const char *text, const struct unit *units, uint64_t max,
                             uint64_t *out)
{
    unsigned long long n;
    char *end;

    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    n = strtoull(text, &end, 10);
    if (errno != 0 || n == 0)
        return false;
    for (; units->name != NULL; units++)
        if (strcasecmp(end, units->name) == 0) {
            if (n > max / units->factor)
                return false;
            *out = n * units->factor;
            return true;
        }
    return false;
}

const char *config_value_duration_ms(const char *text, int *out)
{
    static const struct unit units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                        {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
    uint64_t ms;

    /* int holds 24 days in milliseconds: longer is no sensible wait or cache life here. */
    if (!number_with_unit(text, units, INT_MAX, &ms))
        return "a duration such as 500ms, 5s, 10m, 2h or 1d, at most 24d";
    *out = (int)ms;
    return NULL;
}

const char *config_value_size(const char *text, size_t *out)
{
    static const struct unit units[] = {{"", 1}, {"k", 1024}, {"m", 1024 * 1024}, {NULL, 0}};
    uint64_t size;

    if (!number_with_unit(text, units, 1024 * 1024 * 1024, &size))
        return "a size such as 4096, 64k or 1m";
    *out = (size_t)size;
    return NULL;
}

const char *config_value_life_s(const char *text, uint64_t *out)
{
    static const struct unit units[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {NULL, 0}};

    if (!number_with_unit(text, units, 365 * 86400, out) || *out < 60)
        return "a duration from 1m to 365d";
    return NULL;
}

const char *config_value_message_size(const char *text, uint64_t *out)
{
    static const struct unit units[] = {
        {"", 1}, {"k", 1024}, {"m", 1024 * 1024}, {"g", 1024 * 1024 * 1024}, {NULL, 0}};

    return number_with_unit(text, units, INT64_MAX, out) ? NULL : "a size such as 64k, 50m or 2g";
}

const char *config_value_count(const char *text, unsigned *out)
{
    static const struct unit units[] = {{"", 1}, {NULL, 0}};
    uint64_t n;

    if (!number_with_unit(text, units, 1000000000, &n))
        return "a number from 1 to 1000000000";
    *out = (unsigned)n;
    return NULL;
}

const char *config_value_mode(const char *text, mode_t *out)
{
    unsigned mode = 0;

    if (text[0] == '\0' || strlen(text) > 4)
        return "an octal mode such as 0660";
    for (const char *p = text; *p != '\0'; p++) {
        if (*p < '0' || *p > '7')
            return "an octal mode such as 0660";
        mode = mode * 8 + (unsigned)(*p - '0');
    }
    if (mode > 0777)
        return "an octal mode of at most 0777";
    *out = (mode_t)mode;
    return NULL;
}

static const char *const NET_EXPECTED = "an address or a network such as 192.0.2.0/24";

const char *config_value_net(const char *text, struct config_net *out)
{
    const char *slash = strchr(text, '/');
    size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    char address[INET6_ADDRSTRLEN];
    unsigned max;

    memset(out, 0, sizeof(*out));
    if (len == 0 || len >= sizeof(address))
        return NET_EXPECTED;
    memcpy(address, text, len);
    address[len] = '\0';
    if (inet_pton(AF_INET, address, out->address) == 1)
        out->family = AF_INET;
    else if (inet_pton(AF_INET6, address, out->address) == 1)
        out->family = AF_INET6;
    else
        return NET_EXPECTED;
    max = out->family == AF_INET ? 32 : 128;
    out->prefix = max;
    if (slash != NULL) {
        char *end;
        unsigned long prefix;

        if (!isdigit((unsigned char)slash[1]))
            return NET_EXPECTED;
        prefix = strtoul(slash + 1, &end, 10);
        if (*end != '\0' || prefix > max)
            return NET_EXPECTED;
        out->prefix = (unsigned)prefix;
    }
    for (unsigned bit = out->prefix; bit < max; bit++)
        if (out->address[bit / 8] & (0x80 >> (bit % 8)))
            return "a network whose host bits are zero";
    return NULL;
}

bool config_net_contains(const struct config_net *net, const struct sockaddr *address)
{
    const uint8_t *octets;
    int family = address->sa_family;
    unsigned whole = net->prefix / 8, rest = net->prefix % 8;

    if (family == AF_INET) {
        octets = (const uint8_t *)&((const struct sockaddr_in *)(const void *)address)->sin_addr;
    } else if (family == AF_INET6) {
        const struct in6_addr *in6 =
            &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;

        octets = in6->s6_addr;
        if (IN6_IS_ADDR_V4MAPPED(in6)) {
            octets += 12;
            family = AF_INET;
        }
    } else {
        return false;
    }
    if (family != net->family || memcmp(octets, net->address, whole) != 0)
        return false;
    return rest == 0 || ((octets[whole] ^ net->address[whole]) >> (8 - rest)) == 0;
}
