/*
 * Parses envelope addresses as MTAs hand them to milters, and chooses the next-hop.
 * RFC 5321 sections 4.1.2 (paths, quoted strings), 4.1.3 (address literals), appendix C (source
 * routes). Whether a name is a domain name is nexthop_parse's business.
 */
#include "decide/envelope.h"

#include "base/text.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/*
 * Finds `wanted` outside of quoted strings; the last one if `last` is set. An unbalanced quote
 * means that the text is not in quoted form at all (some MTAs pass the bare local part on), and
 * quotes are then ordinary characters.
 */
static const char *find_unquoted(const char *text, size_t len, char wanted, bool last)
{
    const char *found = NULL;
    bool quoted = false;

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\\' && i + 1 < len)
            i++;
        else if (text[i] == '"')
            quoted = !quoted;
        else if (!quoted && text[i] == wanted && (last || found == NULL))
            found = text + i;
    }
    if (quoted)
        found = last ? memrchr(text, wanted, len) : memchr(text, wanted, len);
    return found;
}

/* Drops "<" and ">". Returns false when they do not enclose the whole text. */
static bool unbracket(const char **text, size_t *len)
{
    const char *end;

    if (*len == 0 || (*text)[0] != '<')
        return true;
    end = find_unquoted(*text + 1, *len - 1, '>', false);
    if (end == NULL || end != *text + *len - 1)
        return false;
    *text += 1;
    *len -= 2;
    return true;
}

/* Drops "@one.example,@two.example:". Returns false when the route has no end. */
static bool unroute(const char **text, size_t *len)
{
    const char *colon;

    if (*len == 0 || (*text)[0] != '@')
        return true;
    colon = memchr(*text, ':', *len);
    if (colon == NULL)
        return false;
    *len -= (size_t)(colon + 1 - *text);
    *text = colon + 1;
    return true;
}

int envelope_parse(const char *arg, struct envelope_address *out)
{
    size_t len = strlen(arg);
    const char *at;

    out->null_path = false;
    out->domain = NULL;
    out->text[0] = '\0';
    while (len > 0 && text_is_wsp(arg[0])) {
        arg++;
        len--;
    }
    while (len > 0 && text_is_wsp(arg[len - 1]))
        len--;
    if (!unbracket(&arg, &len) || !unroute(&arg, &len) || len > ENVELOPE_ADDRESS_MAX)
        return -EINVAL;
    out->null_path = len == 0;
    memcpy(out->text, arg, len);
    out->text[len] = '\0';
    at = find_unquoted(out->text, len, '@', true);
    if (at != NULL && at[1] != '\0')
        out->domain = at + 1;
    return 0;
}

/* Mailers whose "host" is the text of a reply. */
static bool host_is_prose(const char *mailer)
{
    return mailer != NULL &&
           (strcasecmp(mailer, "error") == 0 || strcasecmp(mailer, "retry") == 0 ||
            strcasecmp(mailer, "discard") == 0);
}

/* The length of the first item: up to a separator that is not within brackets. */
static size_t item_len(const char *list, const char *separators)
{
    const char *bracket = list[0] == '[' ? strchr(list, ']') : NULL;
    size_t skipped = bracket != NULL ? (size_t)(bracket - list) : 0;

    return skipped + strcspn(list + skipped, separators);
}

/* All of the list must make sense, else it is prose: what would be left of it is nobody's choice.
 */
static int read_list(const char *list, const char *separators, struct envelope_nexthops *out)
{
    char item[NEXTHOP_TEXT_MAX + 1];
    struct nexthop surplus;

    out->count = 0;
    for (const char *p = list + strspn(list, separators); *p != '\0'; p += strspn(p, separators)) {
        bool room = out->count < ENVELOPE_NEXTHOPS_MAX;
        size_t len = item_len(p, separators);

        if (len >= sizeof(item))
            return -EINVAL;
        memcpy(item, p, len);
        item[len] = '\0';
        if (nexthop_parse(item, room ? &out->items[out->count] : &surplus) != 0)
            return -EINVAL;
        out->count += room;
        p += len;
    }
    return out->count > 0 ? 0 : -EINVAL;
}

/* Words are names as well: without a comma each must look like more than a word. */
static bool are_words(const char *list)
{
    if (strchr(list, ',') != NULL)
        return false;
    for (const char *p = list; *p != '\0'; p += strspn(p, " \t")) {
        size_t len = strcspn(p, " \t");

        if (len > 0 && memchr(p, '.', len) == NULL && memchr(p, '[', len) == NULL)
            return true;
        p += len;
    }
    return false;
}

static int read_host(const char *host, struct envelope_nexthops *out)
{
    if (nexthop_parse(host, &out->items[0]) == 0) {
        out->count = 1;
        return 0;
    }
    if (!are_words(host) && read_list(host, ", \t", out) == 0)
        return 0;
    /* Postfix's LMTP client takes `inet:host` and `unix:path`, which are no lists. */
    if (strncasecmp(host, "inet:", 5) == 0 || strncasecmp(host, "unix:", 5) == 0)
        return -EINVAL;
    return read_list(host, ":,", out);
}

int envelope_nexthops(const char *domain, const char *rcpt_host, const char *rcpt_mailer,
                      struct envelope_nexthops *out)
{
    if (rcpt_host != NULL && rcpt_host[0] != '\0' && !host_is_prose(rcpt_mailer) &&
        read_host(rcpt_host, out) == 0)
        return 0;
    out->count = 0;
    if (domain == NULL || domain[0] == '\0' || nexthop_from_domain(domain, &out->items[0]) != 0)
        return -EINVAL;
    out->count = 1;
    return 0;
}

static bool is_below(const char *domain, const char *tag)
{
    size_t len = strlen(domain), tag_len = strlen(tag);

    if (len > 0 && domain[len - 1] == '.')
        len--;
    if (len < tag_len || strncasecmp(domain + len - tag_len, tag, tag_len) != 0)
        return false;
    return len == tag_len || domain[len - tag_len - 1] == '.';
}

bool envelope_is_tagged(const char *domain, const char *tag)
{
    char ascii[NEXTHOP_NAME_MAX + 1];

    if (domain == NULL || tag == NULL || tag[0] == '\0')
        return false;
    /* Full-width letters and ideographic dots spell the same name once the MTA maps them. */
    return is_below(domain, tag) || (nexthop_to_ascii(domain, ascii) == 0 && is_below(ascii, tag));
}
