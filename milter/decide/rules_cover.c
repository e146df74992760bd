/*
 * Compares the matchers of two rules: pattern by pattern (pattern_covers, patterns_exclude), list
 * by list (list_covers, lists_exclude), and all lists together (rules_cover). Where that cannot be
 * known, as of two patterns of header values, the result is RULES_COVER_SOME. The result for two
 * rules is the least of those for their lists.
 */
#include "decide/rules_cover.h"

#include <string.h>
#include <strings.h>

/* --- two patterns of one matcher -------------------------------------------------------------- */

static bool net_covers(const struct config_net *by, const struct config_net *net)
{
    unsigned whole = by->prefix / 8, rest = by->prefix % 8;

    if (by->family != net->family || by->prefix > net->prefix ||
        memcmp(by->address, net->address, whole) != 0)
        return false;
    return rest == 0 || ((by->address[whole] ^ net->address[whole]) >> (8 - rest)) == 0;
}

/* The domain that a pattern names; NULL: none. */
static const char *domain_of(const struct config_pattern *pattern)
{
    if (pattern->kind == CONFIG_PATTERN_ADDRESS)
        return strrchr(pattern->text, '@') + 1;
    return pattern->kind == CONFIG_PATTERN_DOMAIN || pattern->kind == CONFIG_PATTERN_BELOW
               ? pattern->text
               : NULL;
}

/* Whether what the pattern fits `by` fits as well. Words with case, which some matchers heed. */
static bool pattern_covers(const struct config_pattern *by, const struct config_pattern *pattern)
{
    const char *domain = domain_of(pattern);
    bool same_kind = by->kind == pattern->kind;

    switch (by->kind) {
    case CONFIG_PATTERN_NET:
        return same_kind && net_covers(&by->net, &pattern->net);
    case CONFIG_PATTERN_DOMAIN:
        return domain != NULL && pattern->kind != CONFIG_PATTERN_BELOW &&
               strcmp(by->text, domain) == 0;
    case CONFIG_PATTERN_BELOW:
        return domain != NULL && (config_domain_is_below(domain, by->text) ||
                                  (same_kind && strcmp(by->text, domain) == 0));
    case CONFIG_PATTERN_ADDRESS:
        return same_kind && strcasecmp(by->text, pattern->text) == 0;
    case CONFIG_PATTERN_NULL:
    case CONFIG_PATTERN_LOCAL:
        return same_kind;
    case CONFIG_PATTERN_WORD:
        return same_kind && strcmp(by->text, pattern->text) == 0;
    case CONFIG_PATTERN_HEADER:
        return same_kind && strcasecmp(by->text, pattern->text) == 0 &&
               strcasecmp(by->glob, pattern->glob) == 0;
    }
    return false;
}

/* Whether a client's address, by the net or that it has none; else it is its name. */
static bool is_of_address(const struct config_pattern *pattern)
{
    return pattern->kind == CONFIG_PATTERN_NET || pattern->kind == CONFIG_PATTERN_LOCAL;
}

/* Whether nothing fits both. A client has a name and an address, a message many fields. */
static bool patterns_exclude(const struct config_pattern *a, const struct config_pattern *b)
{
    if (a->kind == CONFIG_PATTERN_HEADER || is_of_address(a) != is_of_address(b))
        return false;
    if (a->kind == CONFIG_PATTERN_WORD)
        return strcasecmp(a->text, b->text) != 0;
    return !pattern_covers(a, b) && !pattern_covers(b, a);
}

/* --- two lists -------------------------------------------------------------------------------- */

static bool any_covers(const struct config_patterns *list, bool negated,
                       const struct config_pattern *pattern)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].negated == negated && pattern_covers(&list->items[i], pattern))
            return true;
    }
    return false;
}

static bool has_positive(const struct config_patterns *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!list->items[i].negated)
            return true;
    }
    return false;
}

/* Whether the list matches nothing that the pattern fits. */
static bool list_excludes(const struct config_patterns *list, const struct config_pattern *pattern)
{
    if (any_covers(list, true, pattern))
        return true;
    for (size_t i = 0; i < list->count; i++) {
        if (!list->items[i].negated && !patterns_exclude(&list->items[i], pattern))
            return false;
    }
    return has_positive(list);
}

/* Whether `by` matches what the list does: each pattern of it, and no exception is in the way. */
static bool list_covers(const struct config_patterns *by, const struct config_patterns *list)
{
    if (has_positive(by) && !has_positive(list))
        return false;
    for (size_t i = 0; i < list->count && has_positive(by); i++) {
        if (!list->items[i].negated && !any_covers(by, false, &list->items[i]))
            return false;
    }
    for (size_t i = 0; i < by->count; i++) {
        if (by->items[i].negated && !list_excludes(list, &by->items[i]))
            return false;
    }
    return true;
}

static bool lists_exclude(const struct config_patterns *a, const struct config_patterns *b)
{
    for (size_t i = 0; i < b->count; i++) {
        if (!b->items[i].negated && !list_excludes(a, &b->items[i]))
            return false;
    }
    return has_positive(b);
}

/* --- two rules -------------------------------------------------------------------------------- */

static enum rules_cover tristate_cover(enum config_tristate by, enum config_tristate of)
{
    if (by == CONFIG_ANY || by == of)
        return RULES_COVER_ALL;
    return of == CONFIG_ANY ? RULES_COVER_SOME : RULES_COVER_NONE;
}

static enum rules_cover list_cover(const struct config_patterns *by,
                                   const struct config_patterns *list)
{
    if (list_covers(by, list))
        return RULES_COVER_ALL;
    return lists_exclude(by, list) || lists_exclude(list, by) ? RULES_COVER_NONE : RULES_COVER_SOME;
}

/* Of addresses and next-hops, which are without number: no lists of some of them name all. */
static enum rules_cover name_cover(const struct config_patterns *by,
                                   const struct config_patterns *list)
{
    enum rules_cover cover = list_cover(by, list);
    bool endless =
        !has_positive(list) || (list->count == 1 && list->items[0].kind != CONFIG_PATTERN_NET &&
                                !any_covers(by, false, &list->items[0]));

    return cover == RULES_COVER_SOME && endless && has_positive(by) ? RULES_COVER_PART : cover;
}

enum rules_cover rules_cover(const struct config_rule *by, const struct config_rule *rule)
{
    const enum rules_cover each[] = {
        tristate_cover(by->authenticated, rule->authenticated),
        tristate_cover(by->tls, rule->tls),
        list_cover(&by->client, &rule->client),
        list_cover(&by->login, &rule->login),
        name_cover(&by->sender, &rule->sender),
        name_cover(&by->recipient, &rule->recipient),
        name_cover(&by->nexthop, &rule->nexthop),
        list_cover(&by->mailer, &rule->mailer),
        list_cover(&by->header, &rule->header),
        list_cover(&by->daemon, &rule->daemon),
    };
    enum rules_cover all = RULES_COVER_ALL;

    for (size_t i = 0; i < sizeof(each) / sizeof(each[0]); i++) {
        if (each[i] < all)
            all = each[i];
    }
    return all;
}
