/*
 * Next-hop names: what an MTA calls a destination, brought into one canonical form that serves as
 * the key of caches and logs. Host names by RFC 5321 section 4.1.2, address literals by section
 * 4.1.3, U-labels by RFC 5891 through libidn2. Looks nothing up.
 */
#include "policy/nexthop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <idn2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LABEL_MAX = 63 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Lower-cases an ASCII name into out. Labels are letters, digits, hyphens inside, underscores. */
static int copy_ascii_name(const char *name, char out[NEXTHOP_NAME_MAX + 1])
{
    size_t len = strlen(name), label = 0;
    bool numeric = true;

    if (len > 0 && name[len - 1] == '.')
        len--;
    if (len == 0 || len > NEXTHOP_NAME_MAX)
        return -EINVAL;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool last = i + 1 == len || name[i + 1] == '.';

        if (c == '.') {
            if (label == 0)
                return -EINVAL;
            label = 0;
        } else {
            if (!is_letter(c) && !is_digit(c) && c != '_' && (c != '-' || label == 0 || last))
                return -EINVAL;
            if (++label > LABEL_MAX)
                return -EINVAL;
            numeric = numeric && is_digit(c);
        }
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    out[len] = '\0';
    /* "192.0.2.1" and "1.2" are no names: an address must not be asked for as one. */
    return label == 0 || numeric ? -EINVAL : 0;
}

int nexthop_to_ascii(const char *name, char out[NEXTHOP_NAME_MAX + 1])
{
    char *ascii = NULL;
    int error;
    bool plain = true;

    /* A U-label name is at most this long; bounds the work that libidn2 does for a peer. */
    if (strlen(name) > 4 * NEXTHOP_NAME_MAX)
        return -EINVAL;
    for (const char *p = name; *p; p++)
        plain = plain && (unsigned char)*p < 0x80;
    if (plain)
        return copy_ascii_name(name, out);
    if (idn2_to_ascii_8z(name, &ascii, IDN2_NONTRANSITIONAL) != IDN2_OK)
        return -EINVAL;
    error = copy_ascii_name(ascii, out);
    idn2_free(ascii);
    return error;
}

/* Digits, or one of the service names that mail administrators write. */
static int parse_port(const char *text, uint16_t *out)
{
    static const struct {
        const char *name;
        uint16_t port;
    } services[] = {{"smtp", 25}, {"smtps", 465}, {"submissions", 465}, {"submission", 587}};
    unsigned port = 0;

    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        if (strcasecmp(text, services[i].name) == 0) {
            *out = services[i].port;
            return 0;
        }
    }
    if (*text == '\0')
        return -EINVAL;
    for (; *text; text++) {
        if (!is_digit(*text))
            return -EINVAL;
        port = port * 10 + (unsigned)(*text - '0');
        if (port > 65535)
            return -EINVAL;
    }
    *out = (uint16_t)port;
    return port == 0 ? -EINVAL : 0;
}

/* An address in any of its written forms; canonical into name. `tag` is set for IPv6. */
static bool parse_address(const char *text, char name[NEXTHOP_NAME_MAX + 1], bool *ipv6)
{
    unsigned char address[sizeof(struct in6_addr)];
    bool tagged = strncasecmp(text, "IPv6:", 5) == 0;

    *ipv6 = false;
    if (!tagged && inet_pton(AF_INET, text, address) == 1)
        return inet_ntop(AF_INET, address, name, NEXTHOP_NAME_MAX + 1) != NULL;
    *ipv6 = true;
    if (inet_pton(AF_INET6, tagged ? text + 5 : text, address) == 1)
        return inet_ntop(AF_INET6, address, name, NEXTHOP_NAME_MAX + 1) != NULL;
    return false;
}

static void write_text(struct nexthop *nh, bool ipv6)
{
    bool bracket = nh->kind != NEXTHOP_DOMAIN;
    char port[8] = "";

    if (nh->port != NEXTHOP_PORT_DEFAULT)
        snprintf(port, sizeof port, ":%u", (unsigned)nh->port);
    snprintf(nh->text, sizeof nh->text, "%s%s%s%s%s", bracket ? "[" : "", ipv6 ? "IPv6:" : "",
             nh->name, bracket ? "]" : "", port);
}

/* Splits `[inside]` or `[inside]:port`. */
static int split_brackets(const char *text, char *inside, size_t inside_len, uint16_t *port)
{
    const char *end = strchr(text, ']');
    size_t len;

    if (end == NULL)
        return -EINVAL;
    len = (size_t)(end - text) - 1;
    if (len >= inside_len)
        return -EINVAL;
    memcpy(inside, text + 1, len);
    inside[len] = '\0';
    if (end[1] == '\0')
        return 0;
    return end[1] == ':' ? parse_port(end + 2, port) : -EINVAL;
}

static int parse_bracketed(const char *text, struct nexthop *out, bool *ipv6)
{
    char inside[4 * NEXTHOP_NAME_MAX + 1];

    if (split_brackets(text, inside, sizeof inside, &out->port) < 0)
        return -EINVAL;
    if (parse_address(inside, out->name, ipv6)) {
        out->kind = NEXTHOP_LITERAL;
        return 0;
    }
    *ipv6 = false;
    out->kind = NEXTHOP_HOST;
    return nexthop_to_ascii(inside, out->name);
}

static int parse_bare(const char *text, struct nexthop *out)
{
    char domain[4 * NEXTHOP_NAME_MAX + 1];
    const char *colon = strchr(text, ':');
    size_t len = colon != NULL ? (size_t)(colon - text) : strlen(text);

    if (len >= sizeof domain)
        return -EINVAL;
    memcpy(domain, text, len);
    domain[len] = '\0';
    out->kind = NEXTHOP_DOMAIN;
    if (colon != NULL && parse_port(colon + 1, &out->port) < 0)
        return -EINVAL;
    return nexthop_to_ascii(domain, out->name);
}

/* What nearly all next-hops are, in one pass: a domain that is in its canonical form already. What
 * is not, or is no name at all, is left to the others: returns false. */
static bool parse_canonical(const char *text, struct nexthop *out)
{
    size_t len = 0, label = 0;
    bool numeric = true;

    for (; text[len] && len < NEXTHOP_NAME_MAX; len++) {
        char c = text[len];

        if (c == '.') {
            if (label == 0 || text[len - 1] == '-')
                return false;
            label = 0;
        } else if (++label > LABEL_MAX) {
            return false;
        } else if ((c >= 'a' && c <= 'z') || (c == '-' && label > 1)) {
            numeric = false;
        } else if (!is_digit(c)) {
            return false;
        }
    }
    if (text[len] || label == 0 || numeric || text[len - 1] == '-')
        return false;
    memcpy(out->name, text, len + 1);
    memcpy(out->text, text, len + 1);
    out->kind = NEXTHOP_DOMAIN;
    out->port = NEXTHOP_PORT_DEFAULT;
    return true;
}

int nexthop_parse(const char *text, struct nexthop *out)
{
    bool ipv6 = false;
    int error;

    if (parse_canonical(text, out))
        return 0;
    memset(out, 0, sizeof *out);
    out->port = NEXTHOP_PORT_DEFAULT;
    if (text[0] == '[') {
        error = parse_bracketed(text, out, &ipv6);
    } else if (parse_address(text, out->name, &ipv6)) {
        out->kind = NEXTHOP_LITERAL;
        error = 0;
    } else {
        ipv6 = false;
        error = parse_bare(text, out);
    }
    if (error == 0)
        write_text(out, ipv6);
    return error;
}

int nexthop_from_domain(const char *domain, struct nexthop *out)
{
    if (domain[0] == '[') {
        size_t len = strlen(domain);
        if (domain[len - 1] != ']' || nexthop_parse(domain, out) < 0)
            return -EINVAL;
        /* In a mail address brackets hold an address and nothing else (RFC 5321 4.1.3). */
        return out->kind == NEXTHOP_LITERAL ? 0 : -EINVAL;
    }
    if (strchr(domain, ':') != NULL || nexthop_parse(domain, out) < 0)
        return -EINVAL;
    return out->kind == NEXTHOP_DOMAIN ? 0 : -EINVAL;
}
