/* Parses one item of a rule's matcher into a pattern: addresses, networks, domains (as A-labels),
 * header fields, words. The result is NULL, or what would have been expected. */
#include "config/config_rule.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

bool config_domain_is_below(const char *name, const char *domain)
{
    size_t name_len = strlen(name), domain_len = strlen(domain);

    return name_len > domain_len && name[name_len - domain_len - 1] == '.' &&
           strcasecmp(name + name_len - domain_len, domain) == 0;
}

/* The caller's own phrase for what is wrong, but not for want of memory. */
static const char *or_else(const char *result, const char *expected)
{
    return result == NULL || result[0] == '\0' ? result : expected;
}

static const char *parse_domain(struct arena *arena, const char *item, struct config_pattern *out)
{
    char name[NEXTHOP_NAME_MAX + 1];

    out->kind = item[0] == '.' ? CONFIG_PATTERN_BELOW : CONFIG_PATTERN_DOMAIN;
    if (nexthop_to_ascii(item + (item[0] == '.'), name) != 0)
        return "a domain name";
    out->text = arena_string(arena, name);
    return out->text != NULL ? NULL : "";
}

/* The local part stays as it is, the domain is compared in A-labels. */
static const char *parse_mail_address(struct arena *arena, const char *item, const char *at,
                                      struct config_pattern *out)
{
    char name[NEXTHOP_NAME_MAX + 1];
    size_t local_len = (size_t)(at - item) + 1;
    char *text;

    if (at == item || nexthop_to_ascii(at + 1, name) != 0)
        return "user@domain";
    text = arena_zalloc(arena, local_len + strlen(name) + 1);
    if (text == NULL)
        return "";
    memcpy(text, item, local_len);
    strcpy(text + local_len, name);
    out->kind = CONFIG_PATTERN_ADDRESS;
    out->text = text;
    return NULL;
}

static const char *parse_client(struct arena *arena, const char *item, struct config_pattern *out)
{
    if (strcasecmp(item, "local") == 0) {
        out->kind = CONFIG_PATTERN_LOCAL;
        return NULL;
    }
    out->kind = CONFIG_PATTERN_NET;
    if (strchr(item, '/') != NULL || strchr(item, ':') != NULL)
        return config_value_net(item, &out->net);
    if (config_value_net(item, &out->net) == NULL)
        return NULL;
    return or_else(parse_domain(arena, item, out), "an address, a network, a host name, .domain "
                                                   "or local");
}

static const char *parse_nexthop(struct arena *arena, const char *item, struct config_pattern *out)
{
    out->kind = CONFIG_PATTERN_NET;
    if (config_value_net(item, &out->net) == NULL)
        return NULL;
    if (strchr(item, '/') != NULL || strchr(item, ':') != NULL)
        return config_value_net(item, &out->net);
    return or_else(parse_domain(arena, item, out), "a domain, .domain, an address or a network");
}

static const char *parse_address(struct arena *arena, const char *item, struct config_pattern *out)
{
    const char *at = strrchr(item, '@');

    if (strcmp(item, "<>") == 0) {
        out->kind = CONFIG_PATTERN_NULL;
        return NULL;
    }
    if (at != NULL)
        return parse_mail_address(arena, item, at, out);
    return or_else(parse_domain(arena, item, out), "user@domain, a domain, .domain or <>");
}

static const char *parse_header(struct arena *arena, const char *item, struct config_pattern *out)
{
    static const char *const expected = "`Name: pattern`";
    const char *colon = strchr(item, ':');

    if (colon == NULL || colon == item)
        return expected;
    for (const char *p = item; p < colon; p++)
        if (*p <= ' ' || *p >= 0x7f) /* RFC 5322 3.6.8 ftext */
            return expected;
    out->kind = CONFIG_PATTERN_HEADER;
    out->text = arena_string_part(arena, item, (size_t)(colon - item));
    out->glob = arena_string(arena, colon + 1 + strspn(colon + 1, " \t"));
    return out->text != NULL && out->glob != NULL ? NULL : "";
}

const char *config_pattern_parse(struct arena *arena, enum config_matcher matcher, const char *item,
                                 struct config_pattern *out)
{
    memset(out, 0, sizeof(*out));
    if (*item == '!') {
        out->negated = true;
        item += 1 + strspn(item + 1, " \t");
    }
    if (*item == '\0')
        return "something after '!'";
    switch (matcher) {
    case CONFIG_MATCH_CLIENT:
        return parse_client(arena, item, out);
    case CONFIG_MATCH_ADDRESS:
        return parse_address(arena, item, out);
    case CONFIG_MATCH_NEXTHOP:
        return parse_nexthop(arena, item, out);
    case CONFIG_MATCH_HEADER:
        return parse_header(arena, item, out);
    case CONFIG_MATCH_WORD:
        break;
    }
    out->kind = CONFIG_PATTERN_WORD;
    out->text = arena_string(arena, item);
    return out->text != NULL ? NULL : "";
}
