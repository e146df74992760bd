/*
 * Addresses of milters, socketmaps and LMTP servers: setup_list_next splits a list of Postfix,
 * setup_address_... parses one item in the syntax of Postfix, of sendmail or of this project. Pure.
 */
#include "setup/setup_address.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define BLANKS " \t\r\n"

static bool copy_part(char *out, size_t size, const char *text, size_t len)
{
    if (len == 0 || len >= size)
        return false;
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

/* What follows a scheme, NULL if the text has another. */
static const char *after(const char *text, const char *scheme)
{
    size_t len = strlen(scheme);

    return strncasecmp(text, scheme, len) == 0 ? text + len : NULL;
}

static const char *unix_path(const char *text)
{
    const char *path = after(text, "unix:");

    return path != NULL ? path : after(text, "local:");
}

/* host:port, the host perhaps in brackets. */
static bool host_port(const char *text, size_t len, struct setup_address *out)
{
    const char *colon = memrchr(text, ':', len);

    if (colon == NULL)
        return false;
    size_t host_len = (size_t)(colon - text);
    if (host_len > 2 && text[0] == '[' && colon[-1] == ']')
        return copy_part(out->host, sizeof(out->host), text + 1, host_len - 2) &&
               copy_part(out->port, sizeof(out->port), colon + 1, len - host_len - 1);
    return copy_part(out->host, sizeof(out->host), text, host_len) &&
           copy_part(out->port, sizeof(out->port), colon + 1, len - host_len - 1);
}

/* port@host, as libmilter and sendmail have it. */
static bool port_host(const char *text, struct setup_address *out)
{
    const char *at = strchr(text, '@');

    if (at == NULL)
        return copy_part(out->port, sizeof(out->port), text, strlen(text)) &&
               copy_part(out->host, sizeof(out->host), "localhost", strlen("localhost"));
    return copy_part(out->port, sizeof(out->port), text, (size_t)(at - text)) &&
           copy_part(out->host, sizeof(out->host), at + 1, strlen(at + 1));
}

/* `name = value`, between commas or blanks, within the braces. */
static void read_default_action(const char *settings, struct setup_address *out)
{
    const char *found = strstr(settings, "default_action");

    if (found == NULL)
        return;
    found += strlen("default_action");
    found += strspn(found, BLANKS);
    if (*found != '=')
        return;
    found++;
    found += strspn(found, BLANKS);
    copy_part(out->default_action, sizeof(out->default_action), found, strcspn(found, BLANKS ",}"));
}

bool setup_address_milter(const char *item, struct setup_address *out)
{
    const char *text = item;
    size_t len;

    *out = (struct setup_address){.kind = SETUP_MILTER};
    if (*text == '{') {
        text++;
        text += strspn(text, BLANKS);
        read_default_action(text, out);
    }
    len = strcspn(text, BLANKS ",}");
    const char *path = unix_path(text);
    if (path != NULL)
        return copy_part(out->path, sizeof(out->path), path, len - (size_t)(path - text));
    const char *inet = after(text, "inet:");
    if (inet == NULL)
        inet = after(text, "inet6:");
    if (inet == NULL)
        return false;
    return host_port(inet, len - (size_t)(inet - text), out);
}

bool setup_address_socketmap(const char *item, struct setup_address *out)
{
    const char *text = after(item, "socketmap:"), *colon;

    *out = (struct setup_address){.kind = SETUP_SOCKETMAP};
    if (text == NULL || (colon = strrchr(text, ':')) == NULL ||
        !copy_part(out->map, sizeof(out->map), colon + 1, strlen(colon + 1)))
        return false;
    const char *path = unix_path(text), *inet = after(text, "inet:");
    if (path != NULL && path < colon)
        return copy_part(out->path, sizeof(out->path), path, (size_t)(colon - path));
    return inet != NULL && inet < colon && host_port(inet, (size_t)(colon - inet), out);
}

bool setup_address_lmtp(const char *nexthop, struct setup_address *out)
{
    const char *path = after(nexthop, "unix:"), *inet = after(nexthop, "inet:");

    *out = (struct setup_address){.kind = SETUP_LMTP};
    if (path != NULL)
        return copy_part(out->path, sizeof(out->path), path, strlen(path));
    return inet != NULL && host_port(inet, strlen(inet), out);
}

bool setup_address_sendmail(enum setup_kind kind, const char *text, struct setup_address *out)
{
    const char *path = unix_path(text), *inet = after(text, "inet:");

    *out = (struct setup_address){.kind = kind};
    if (inet == NULL)
        inet = after(text, "inet6:");
    if (path == NULL && text[0] == '/')
        path = text;
    if (path != NULL)
        return copy_part(out->path, sizeof(out->path), path, strcspn(path, BLANKS));
    return inet != NULL && port_host(inet, out);
}

bool setup_address_own(const char *text, struct setup_address *out)
{
    return setup_address_sendmail(SETUP_MILTER, text, out);
}

bool setup_list_next(const char **cursor, char *item, size_t size)
{
    const char *text = *cursor + strspn(*cursor, BLANKS ","), *end = text;
    int depth = 0;

    if (*text == '\0')
        return false;
    while (*end != '\0' && (depth > 0 || strchr(BLANKS ",", *end) == NULL)) {
        depth += *end == '{' ? 1 : *end == '}' ? -1 : 0;
        end++;
    }
    *cursor = end;
    snprintf(item, size, "%.*s", (int)(end - text), text);
    return true;
}
