/*
 * Chooses how a message with several recipients is put on their routes. RFC 3461 section 4.2
 * (ORCPT), RFC 6533 section 3 (addresses that are not ASCII, as utf-8-addr-xtext).
 */
#include "decide/route.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { ORCPT_MAX = 500 }; /* RFC 3461 section 4.2 */

static bool is_routed(const struct route_recipient *r)
{
    return r->route != NULL && r->route->method != CONFIG_METHOD_NONE;
}

/* NULL when the next-hop is what FILTER takes by itself, the recipient's domain. */
static const char *other_nexthop(const struct route_recipient *r)
{
    struct nexthop own;

    if (r->nexthop == NULL)
        return NULL;
    if (r->domain != NULL && nexthop_from_domain(r->domain, &own) == 0 &&
        strcasecmp(own.text, r->nexthop) == 0)
        return NULL;
    return r->nexthop;
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcasecmp(a, b) == 0;
}

/* Whether all go with FILTER to a transport. */
static bool all_alike(const struct route_recipient *recipients, size_t count)
{
    const char *nexthop = other_nexthop(&recipients[0]);

    for (size_t i = 0; i < count; i++) {
        const struct route_recipient *r = &recipients[i];

        if (r->local || r->route != recipients[0].route || !same_text(other_nexthop(r), nexthop))
            return false;
    }
    return true;
}

/* Whether no recipient wants another route: those that want none can come along where all that
 * happens to them is that another smtpd takes the message. */
static bool all_or_none(const struct route_recipient *recipients, size_t count,
                        const struct config_route *route)
{
    for (size_t i = 0; i < count; i++) {
        if (is_routed(&recipients[i]) && recipients[i].route != route)
            return false;
    }
    return true;
}

const char *route_tag(const struct route_recipient *r)
{
    return is_routed(r) && r->can_be_tagged ? r->route->tag : NULL;
}

static void by_header(struct route_plan *out, const struct config_route *route, const char *nexthop)
{
    out->action = ROUTE_HEADER;
    out->route = route;
    snprintf(out->header, sizeof(out->header), "%.64s%s%s", route->name, nexthop != NULL ? " " : "",
             nexthop != NULL ? nexthop : "");
}

static void by_recipients(const struct route_recipient *recipients, size_t count,
                          struct route_plan *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct route_recipient *r = &recipients[i];

        if (!is_routed(r))
            continue;
        if (r->route->method == CONFIG_METHOD_HEADER && r->route->local != CONFIG_LOCAL_RECIPIENT) {
            /* The route says not to mark anyone. */
            if (r->must)
                out->action = ROUTE_REFUSE;
        } else if (route_tag(r) == NULL && r->must) {
            out->action = ROUTE_REFUSE_ADDRESS; /* a local one too: it may be an alias */
        } else if (route_tag(r) != NULL && out->action == ROUTE_NOTHING) {
            out->action = ROUTE_RECIPIENTS;
        }
        if (out->action == ROUTE_REFUSE || out->action == ROUTE_REFUSE_ADDRESS)
            return;
    }
}

void route_choose(const struct route_recipient *recipients, size_t count, struct route_plan *out)
{
    const struct config_route *route = NULL;

    *out = (struct route_plan){.action = ROUTE_NOTHING};
    for (size_t i = 0; i < count && route == NULL; i++)
        route = is_routed(&recipients[i]) ? recipients[i].route : NULL;
    if (route == NULL)
        return;
    if (route->method == CONFIG_METHOD_HEADER && route->local == CONFIG_LOCAL_REINJECT &&
        all_or_none(recipients, count, route))
        by_header(out, route, NULL);
    else if (route->method == CONFIG_METHOD_HEADER && route->local != CONFIG_LOCAL_REINJECT &&
             all_alike(recipients, count))
        by_header(out, route, other_nexthop(&recipients[0]));
    else
        by_recipients(recipients, count, out);
}

/* --- parameters ------------------------------------------------------------------------------ */

/* The next code point, or -1 for what is no UTF-8. */
static long next_code(const unsigned char **p)
{
    static const long least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char lead = *(*p)++;
    size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    long code = lead & (0x7f >> len);

    if (lead < 0xc0 || lead > 0xf4)
        return -1;
    for (size_t i = 1; i < len; i++) {
        if ((**p & 0xc0) != 0x80)
            return -1;
        code = code << 6 | (*(*p)++ & 0x3f);
    }
    return code >= least[len] && code <= 0x10ffff && (code & 0xff800) != 0xd800 ? code : -1;
}

/* Writes the address in the encoding of ORCPT. Returns false when there is none or no room. */
static bool encode_orcpt(const char *address, bool utf8, char *out, size_t out_len)
{
    size_t len = 0;

    for (const unsigned char *p = (const unsigned char *)address; *p != '\0';) {
        char part[16];

        if (*p > ' ' && *p < 0x7f && *p != '+' && *p != '=' && !(utf8 && *p == '\\')) {
            snprintf(part, sizeof(part), "%c", *p++);
        } else if (!utf8) {
            snprintf(part, sizeof(part), "+%02X", *p++);
        } else {
            long code = *p < 0x80 ? *p++ : next_code(&p);

            if (code < 0)
                return false;
            snprintf(part, sizeof(part), "\\x{%02lX}", code);
        }
        if (len + strlen(part) >= out_len)
            return false;
        len = (size_t)(stpcpy(out + len, part) - out);
    }
    return len > 0;
}

static bool is_ascii(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text >= 0x80)
            return false;
    }
    return true;
}

const char *route_params(const char *address, const char *notify, const char *orcpt, char *out,
                         size_t out_len)
{
    bool utf8 = !is_ascii(address);
    char encoded[ORCPT_MAX];
    size_t len;

    snprintf(out, out_len, "%s%s", notify != NULL ? "NOTIFY=" : "", notify != NULL ? notify : "");
    len = strlen(out);
    if (orcpt != NULL)
        snprintf(out + len, out_len - len, "%sORCPT=%s", len > 0 ? " " : "", orcpt);
    else if (encode_orcpt(address, utf8, encoded, sizeof(encoded) - strlen("rfc822;")))
        snprintf(out + len, out_len - len, "%sORCPT=%s%s", len > 0 ? " " : "",
                 utf8 ? "utf-8;" : "rfc822;", encoded);
    return out;
}
