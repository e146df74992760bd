/*
 * Addresses of resolvers as text: the configuration's list and the nameserver lines of
 * resolv.conf(5), scoped IPv6 addresses (RFC 4007 section 11) included. A port is understood in
 * both, as OpenBSD and c-ares do. All other lines of resolv.conf are of no concern: names are
 * always asked for as they stand.
 */
#include "dns/resolver_addr.h"

#include "base/ascii.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DNS_PORT = 53 };

static int parse_number(const char *text, unsigned long max, unsigned long *out)
{
    char *end;

    if (*text < '0' || *text > '9')
        return -EINVAL;
    errno = 0;
    *out = strtoul(text, &end, 10);
    return errno != 0 || *end != '\0' || *out > max ? -EINVAL : 0;
}

/* Parts `host`, `host:port`, `[host]` and `[host]:port`; a bare IPv6 address has no port. */
static int split_port(char *text, char **host, char **port)
{
    char *colon = strchr(text, ':');

    *host = text;
    *port = NULL;
    if (text[0] == '[') {
        char *end = strchr(text, ']');

        if (end == NULL || (end[1] != '\0' && end[1] != ':'))
            return -EINVAL;
        *end = '\0';
        *host = text + 1;
        if (end[1] == ':')
            *port = end + 2;
    } else if (colon != NULL && strchr(colon + 1, ':') == NULL) {
        *colon = '\0';
        *port = colon + 1;
    }
    return 0;
}

static int parse_scope(const char *text, uint32_t *out)
{
    unsigned long number;

    *out = if_nametoindex(text);
    if (*out != 0)
        return 0;
    if (parse_number(text, UINT32_MAX, &number) < 0 || number == 0)
        return -EINVAL;
    *out = (uint32_t)number;
    return 0;
}

static int parse_host(char *host, uint16_t port, struct resolver_addr *out)
{
    char *scope = strchr(host, '%');

    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, host, &out->in.sin_addr) == 1) {
        out->in.sin_family = AF_INET;
        out->in.sin_port = htons(port);
        return 0;
    }
    memset(out, 0, sizeof(*out));
    if (scope != NULL) {
        *scope = '\0';
        if (parse_scope(scope + 1, &out->in6.sin6_scope_id) < 0)
            return -EINVAL;
    }
    if (inet_pton(AF_INET6, host, &out->in6.sin6_addr) != 1)
        return -EINVAL;
    out->in6.sin6_family = AF_INET6;
    out->in6.sin6_port = htons(port);
    return 0;
}

static void write_text(struct resolver_addr *addr, unsigned port)
{
    bool v6 = addr->sa.sa_family == AF_INET6;
    char host[INET6_ADDRSTRLEN];
    char name[IF_NAMESIZE];
    char scope[IF_NAMESIZE + 1] = "";

    if (v6)
        inet_ntop(AF_INET6, &addr->in6.sin6_addr, host, sizeof(host));
    else
        inet_ntop(AF_INET, &addr->in.sin_addr, host, sizeof(host));
    if (v6 && addr->in6.sin6_scope_id != 0) {
        if (if_indextoname(addr->in6.sin6_scope_id, name) == NULL)
            snprintf(name, sizeof(name), "%u", addr->in6.sin6_scope_id);
        snprintf(scope, sizeof(scope), "%%%s", name);
    }
    if (port == DNS_PORT)
        snprintf(addr->text, sizeof(addr->text), "%s%s", host, scope);
    else
        snprintf(addr->text, sizeof(addr->text), v6 ? "[%s%s]:%u" : "%s%s:%u", host, scope, port);
}

int resolver_addr_parse(const char *text, struct resolver_addr *out)
{
    char copy[RESOLVER_ADDR_TEXT_MAX];
    char *host, *port_text;
    unsigned long port = DNS_PORT;

    if (strlen(text) >= sizeof(copy))
        return -EINVAL;
    strcpy(copy, text);
    if (split_port(copy, &host, &port_text) < 0)
        return -EINVAL;
    if (port_text != NULL && (parse_number(port_text, UINT16_MAX, &port) < 0 || port == 0))
        return -EINVAL;
    if (parse_host(host, (uint16_t)port, out) < 0)
        return -EINVAL;
    write_text(out, (unsigned)port);
    return 0;
}

bool resolver_addr_equal(const struct resolver_addr *a, const struct resolver_addr *b)
{
    if (a->sa.sa_family != b->sa.sa_family)
        return false;
    if (a->sa.sa_family == AF_INET)
        return a->in.sin_port == b->in.sin_port && a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
    return a->in6.sin6_port == b->in6.sin6_port && a->in6.sin6_scope_id == b->in6.sin6_scope_id &&
           IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr, &b->in6.sin6_addr);
}

bool resolver_addr_is_loopback(const struct resolver_addr *addr)
{
    if (addr->sa.sa_family == AF_INET)
        return ntohl(addr->in.sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&addr->in6.sin6_addr);
}

/* Between the words of resolv.conf(5); CR of files from elsewhere. */
static bool is_separator(char c)
{
    return ascii_is_wsp(c) || c == '\r';
}

/* The address of a nameserver line, into out; false when it is another line. */
static bool nameserver_line(const char *line, size_t len, char out[RESOLVER_ADDR_TEXT_MAX])
{
    static const char keyword[] = "nameserver";
    size_t start = sizeof(keyword) - 1;
    size_t end;

    if (len <= start || memcmp(line, keyword, start) != 0 || !is_separator(line[start]))
        return false;
    while (start < len && is_separator(line[start]))
        start++;
    for (end = start; end < len && !is_separator(line[end]);)
        end++;
    len = end - start < RESOLVER_ADDR_TEXT_MAX ? end - start : 0;
    memcpy(out, line + start, len);
    out[len] = '\0';
    return true;
}

static bool is_known(const struct resolver_addr *addr, const struct resolver_addr *list,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (resolver_addr_equal(addr, &list[i]))
            return true;
    }
    return false;
}

size_t resolver_addr_from_conf(const char *conf, size_t len, struct resolver_addr *out, size_t max,
                               unsigned *bad_line)
{
    size_t count = 0;
    unsigned number = 0;

    *bad_line = 0;
    while (len > 0 && count < max) {
        const char *newline = memchr(conf, '\n', len);
        size_t line_len = newline != NULL ? (size_t)(newline - conf) : len;
        size_t step = newline != NULL ? line_len + 1 : len;
        char text[RESOLVER_ADDR_TEXT_MAX];

        number++;
        if (nameserver_line(conf, line_len, text)) {
            if (resolver_addr_parse(text, &out[count]) < 0)
                *bad_line = *bad_line != 0 ? *bad_line : number;
            else if (!is_known(&out[count], out, count))
                count++;
        }
        conf += step;
        len -= step;
    }
    return count;
}
