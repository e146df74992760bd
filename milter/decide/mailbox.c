/*
 * Tells plain addresses from those that MTAs accept beside them, and makes plain ones of them where
 * the MTA has said what they mean. A tag is added to the text of an address: what the MTA would
 * then read must be the same address below the tag, and nothing else. RFC 5321 section 4.1.2.
 */
#include "decide/mailbox.h"

#include <stdio.h>
#include <string.h>

static bool is_letter_or_digit(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80;
}

static bool is_atext(unsigned char c)
{
    return is_letter_or_digit(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* The length of a Dot-string or Quoted-string at the beginning; 0: there is none. */
static size_t local_part_len(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t len = 0;

    if (p[0] != '"') {
        while (is_atext(p[len]) || (p[len] == '.' && len > 0 && is_atext(p[len + 1])))
            len++;
        return len;
    }
    for (len = 1; p[len] != '"'; len++) {
        len += p[len] == '\\';
        if (p[len] < ' ' || p[len] == 0x7f)
            return 0;
    }
    return len + 1;
}

static bool is_domain(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t label = 0;

    for (; *p != '\0'; p++) {
        if (*p == '.' && label > 0)
            label = 0;
        else if (is_letter_or_digit(*p) || *p == '_' || (*p == '-' && label > 0))
            label++;
        else
            return false;
    }
    return p != (const unsigned char *)text && (label > 0 || p[-1] == '.');
}

bool mailbox_is_plain(const char *address)
{
    size_t len = local_part_len(address);

    return len > 0 && address[len] == '@' && is_domain(address + len + 1);
}

const char *mailbox_meant(const char *address, const char *resolved)
{
    size_t local_len = local_part_len(address);
    bool plain = mailbox_is_plain(address) && address[0] != '"' &&
                 memchr(address, '%', local_len) == NULL && memchr(address, '!', local_len) == NULL;

    if (plain || address[0] == '\0' || resolved == NULL || !mailbox_is_plain(resolved))
        return address;
    return resolved;
}

/* Whether it stands for a mailbox of this host by its name alone. */
static bool is_name(const char *resolved)
{
    return resolved != NULL && resolved[0] != '\0' && strchr(resolved, '@') == NULL;
}

bool mailbox_qualify(const char *address, const char *resolved, const char *host, char *out,
                     size_t out_len)
{
    size_t local_len = local_part_len(address);
    int len = -1;

    if (mailbox_is_plain(address))
        len = snprintf(out, out_len, "%s", address);
    else if (local_len == 0 ||
             (address[local_len] != '\0' && strncmp(address + local_len, "@[", strlen("@[")) != 0))
        ; /* however it is spelt, somebody reads it otherwise */
    else if (resolved != NULL && mailbox_is_plain(resolved))
        len = snprintf(out, out_len, "%s", resolved);
    else if (is_name(resolved) && host != NULL)
        len = snprintf(out, out_len, "%.*s@%s", (int)local_len, address, host);
    if (len >= 0 && (size_t)len < out_len && mailbox_is_plain(out))
        return true;
    out[0] = '\0';
    return false;
}
