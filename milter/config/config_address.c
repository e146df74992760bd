/* Reads addresses of sockets: a listener's into its parts, the milter's as libmilter takes it. */
#include "config/config_address.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

enum { PATH_LEN_MAX = sizeof(((struct sockaddr_un *)0)->sun_path) - 1 };

static const char *const PATH_EXPECTED = "a path of at most 107 octets";
_Static_assert(PATH_LEN_MAX >= 103, "the shortest sun_path known is that of the BSDs");

/* Decimal digits, 1 to 65535, up to `end`. */
static bool is_port(const char *text, const char *end)
{
    unsigned port = 0;

    if (text == end || end - text > 5)
        return false;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9')
            return false;
        port = port * 10 + (unsigned)(*text - '0');
    }
    return port >= 1 && port <= 65535;
}

const char *config_address_milter(const char *text)
{
    static const char *const expected = "unix:/path, inet:port@address or inet6:port@address";
    const char *colon = strchr(text, ':'), *at = strchr(text, '@');

    if (strncmp(text, "unix:/", 6) == 0 || strncmp(text, "local:/", 7) == 0)
        return strlen(colon + 1) <= PATH_LEN_MAX ? NULL : PATH_EXPECTED;
    if (strncmp(text, "inet:", 5) != 0 && strncmp(text, "inet6:", 6) != 0)
        return expected;
    if (at == NULL || !is_port(colon + 1, at) || at[1] == '\0' || strpbrk(at, " \t") != NULL)
        return expected;
    return NULL;
}

static const char *parse_inet(struct arena *arena, const char *text, struct config_address *out)
{
    static const char *const expected = "unix:/path or inet:host:port";
    const char *colon = strrchr(text, ':');
    size_t host_len;

    if (colon == NULL || colon == text || !is_port(colon + 1, text + strlen(text)))
        return expected;
    host_len = (size_t)(colon - text);
    if (text[0] == '[' && text[host_len - 1] == ']' && host_len > 2) {
        text++;
        host_len -= 2;
    } else if (memchr(text, ':', host_len) != NULL || text[0] == '[') {
        return expected;
    }
    out->host = arena_string_part(arena, text, host_len);
    out->port = arena_string(arena, colon + 1);
    return out->host != NULL && out->port != NULL ? NULL : "";
}

const char *config_address_listen(struct arena *arena, const char *text, struct config_address *out)
{
    memset(out, 0, sizeof(*out));
    if (text[0] == '\0')
        return NULL;
    out->text = arena_string(arena, text);
    if (out->text == NULL)
        return "";
    if (strncmp(text, "inet:", 5) == 0)
        return parse_inet(arena, text + 5, out);
    if (strncmp(text, "unix:/", 6) != 0)
        return "unix:/path or inet:host:port";
    out->path = out->text + strlen("unix:");
    return strlen(out->path) <= PATH_LEN_MAX ? NULL : PATH_EXPECTED;
}

/* An address alone; of an IPv6 one the scope is not looked at. */
static bool is_address(const char *text, size_t len)
{
    char host[INET6_ADDRSTRLEN];
    struct in6_addr address;
    const char *scope = memchr(text, '%', len);

    if (scope != NULL) {
        if (scope + 1 == text + len)
            return false;
        len = (size_t)(scope - text);
    }
    if (len == 0 || len >= sizeof(host))
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    return (scope == NULL && inet_pton(AF_INET, host, &address) == 1) ||
           inet_pton(AF_INET6, host, &address) == 1;
}

const char *config_address_resolver(const char *text)
{
    static const char *const expected = "an address such as 192.0.2.1, 192.0.2.1:5353 or "
                                        "[2001:db8::1]:53";
    const char *end = text + strlen(text), *close = strchr(text, ']'), *colon = strchr(text, ':');

    if (text[0] == '[') {
        if (close == NULL || memchr(text, ':', (size_t)(close - text)) == NULL ||
            !is_address(text + 1, (size_t)(close - text) - 1))
            return expected;
        return close[1] == '\0' || (close[1] == ':' && is_port(close + 2, end)) ? NULL : expected;
    }
    if (colon == NULL || strchr(colon + 1, ':') != NULL)
        return is_address(text, strlen(text)) ? NULL : expected;
    return is_address(text, (size_t)(colon - text)) && is_port(colon + 1, end) ? NULL : expected;
}

const char *config_address_source(const char *text)
{
    return strchr(text, '%') == NULL && is_address(text, strlen(text))
               ? NULL
               : "an address such as 192.0.2.1 or 2001:db8::1";
}
