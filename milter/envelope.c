/*
 * Parses envelope addresses as MTAs hand them to milters, and chooses the next-hop.
 * RFC 5321 sections 4.1.2 (paths, quoted strings), 4.1.3 (address literals), appendix C (source
 * routes). Whether a name is a domain name is nexthop_parse's business.
 */
#include "envelope.h"

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
    while (len > 0 && (arg[0] == ' ' || arg[0] == '\t')) {
        arg++;
        len--;
    }
    while (len > 0 && (arg[len - 1] == ' ' || arg[len - 1] == '\t'))
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
           (strcasecmp(mailer, "error") == 0 || strcasecmp(mailer, "discard") == 0);
}

/* A list of destinations, tried in turn by the MTA. All of it must make sense, else it is prose. */
static int first_of_list(const char *list, struct nexthop *out)
{
    static const char separators[] = ", \t";
    char item[NEXTHOP_TEXT_MAX + 1];
    struct nexthop later;
    bool found = false;

    if (strchr(list, ',') == NULL)
        return -EINVAL;
    for (const char *p = list + strspn(list, separators); *p != '\0'; p += strspn(p, separators)) {
        size_t len = strcspn(p, separators);

        if (len >= sizeof(item))
            return -EINVAL;
        memcpy(item, p, len);
        item[len] = '\0';
        if (nexthop_parse(item, found ? &later : out) != 0)
            return -EINVAL;
        found = true;
        p += len;
    }
    return found ? 0 : -EINVAL;
}

int envelope_nexthop(const char *domain, const char *rcpt_host, const char *rcpt_mailer,
                     struct nexthop *out)
{
    if (rcpt_host != NULL && rcpt_host[0] != '\0' && !host_is_prose(rcpt_mailer)) {
        if (nexthop_parse(rcpt_host, out) == 0 || first_of_list(rcpt_host, out) == 0)
            return 0;
    }
    if (domain == NULL || domain[0] == '\0')
        return -EINVAL;
    return nexthop_from_domain(domain, out);
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

void envelope_untag(struct envelope_address *address, const char *tag)
{
    size_t len = address->domain != NULL ? strlen(address->domain) : 0, tag_len = strlen(tag);

    if (len > tag_len + 1 && is_below(address->domain, tag) &&
        address->domain[len - tag_len - 1] == '.')
        address->text[address->domain - address->text + (ptrdiff_t)(len - tag_len - 1)] = '\0';
}
