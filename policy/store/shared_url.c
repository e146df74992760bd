/*
 * Reads redis://HOST[:PORT][/DB] and unix:/PATH, from left to right. Other schemes, a user or a
 * password in the URL, and TLS are errors that say so.
 */
#include "store/shared_url.h"

#include "base/ascii.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char DEFAULT_PORT[] = "6379";

struct error {
    char *text;
    size_t size;
};

static int fail(const struct error *err, const char *message)
{
    snprintf(err->text, err->size, "%s", message);
    return -EINVAL;
}

/* The decimal number that text[0..len) is; -1: none, or above `max`. */
static long number_of(const char *text, size_t len, long max)
{
    long number = 0;

    if (len == 0 || len > 9)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        number = number * 10 + (text[i] - '0');
    }
    return number <= max ? number : -1;
}

static int parse_path(const char *path, struct shared_url *out, const struct error *err)
{
    if (path[0] != '/')
        return fail(err, "unix: is followed by an absolute path");
    if (strlen(path) >= sizeof(out->path))
        return fail(err, "the path is too long for a socket");
    memcpy(out->path, path, strlen(path) + 1);
    return 0;
}

/* Letters, digits, '.', '-' and '_'; in brackets what an IPv6 address with a zone has. */
static bool is_host(const char *host, size_t len, bool bracketed)
{
    const char *others = bracketed ? ".:%-_" : ".-_";

    for (size_t i = 0; i < len; i++) {
        if (!ascii_is_alnum(host[i]) && (host[i] == '\0' || strchr(others, host[i]) == NULL))
            return false;
    }
    return len > 0 && len <= SHARED_HOST_MAX && (!bracketed || memchr(host, ':', len) != NULL);
}

static int parse_port(const char *text, size_t len, struct shared_url *out, const struct error *err)
{
    long port = number_of(text, len, 65535);

    if (port < 1)
        return fail(err, "the port is a number from 1 to 65535");
    snprintf(out->port, sizeof(out->port), "%u", (unsigned)(uint16_t)port);
    return 0;
}

/* HOST[:PORT] */
static int parse_authority(const char *text, size_t len, struct shared_url *out,
                           const struct error *err)
{
    bool bracketed = len > 0 && text[0] == '[';
    const char *host = text + (bracketed ? 1 : 0), *end = text + len;
    const char *host_end = memchr(host, bracketed ? ']' : ':', (size_t)(end - host));
    const char *rest;

    if (bracketed && host_end == NULL)
        return fail(err, "the bracket of the address is not closed");
    if (host_end == NULL)
        host_end = end;
    if (!bracketed && memchr(host_end, ':', (size_t)(end - host_end)) != NULL &&
        memchr(host_end + 1, ':', (size_t)(end - host_end - 1)) != NULL)
        return fail(err, "an IPv6 address stands in brackets");
    if (!is_host(host, (size_t)(host_end - host), bracketed))
        return fail(err, bracketed ? "there is no IPv6 address in the brackets"
                                   : "the host is a name, an IPv4 address, or an IPv6 address in "
                                     "brackets");
    memcpy(out->host, host, (size_t)(host_end - host));
    rest = host_end + (bracketed ? 1 : 0);
    memcpy(out->port, DEFAULT_PORT, sizeof(DEFAULT_PORT));
    if (rest == end)
        return 0;
    if (rest[0] != ':')
        return fail(err, "the address in brackets is followed by :PORT, /DB or nothing");
    return parse_port(rest + 1, (size_t)(end - rest - 1), out, err);
}

/* Behind a comma in a password its rest, which has no scheme, is an element of the list. */
static bool has_credentials(const char *text)
{
    return strchr(text, '@') != NULL || text[0] == ':';
}

static int refuse_credentials(const struct error *err)
{
    return fail(err, "a user or password does not belong in the URL: the file of shared_password "
                     "has it");
}

static int parse_redis(const char *text, struct shared_url *out, const struct error *err)
{
    size_t len = strcspn(text, "/");
    int error;
    long db;

    if (has_credentials(text))
        return refuse_credentials(err);
    error = parse_authority(text, len, out, err);
    if (error != 0 || text[len] == '\0' || text[len + 1] == '\0')
        return error;
    db = number_of(text + len + 1, strlen(text + len + 1), SHARED_DB_MAX);
    if (db < 0)
        return fail(err, "the database is a number from 0 to 9999");
    out->db = (unsigned)db;
    return 0;
}

int shared_url_parse(const char *text, struct shared_url *out, char *err, size_t err_size)
{
    const struct error error = {.text = err, .size = err_size};

    memset(out, 0, sizeof(*out));
    if (strlen(text) > SHARED_URL_MAX)
        return fail(&error, "it is too long");
    memcpy(out->text, text, strlen(text) + 1);
    if (strncmp(text, "unix:", 5) == 0)
        return parse_path(text + 5, out, &error);
    if (strncmp(text, "redis://", 8) == 0)
        return parse_redis(text + 8, out, &error);
    if (strncmp(text, "rediss://", 9) == 0)
        return fail(&error, "TLS to a server of the shared cache is not supported");
    if (has_credentials(text))
        return refuse_credentials(&error);
    return fail(&error, "it is neither redis://HOST:PORT/DB nor unix:/PATH");
}
