/*
 * The text of a ticket, in which every term stands, in this order:
 *
 *   v=1;q=4bXYZ;r=require;l=enforce;o=yes;f=none;n=[relay.example]:587;t=1764407000;m=MAC
 *
 * version, queue id, request, level, require_offer, fallback, next-hop, the time; MAC is the
 * HMAC-SHA-256 (RFC 2104), as 64 lower case hexadecimal digits, of three netstrings: the text up to
 * `;m=`, the sender, the recipient. Both addresses have the quotes of their local part removed, and
 * their domain in lower case.
 *
 * There is one text for each ticket: what is read is written anew, and must come out the same. So
 * no octet of it can be changed without the MAC failing, and no reader can take it for another.
 */
#include "ticket/ticket.h"

#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum {
    MAC_LEN = 32,
    MAC_DIGITS = 2 * MAC_LEN,
    TIME_DIGITS = 15,
    NETSTRING_EXTRA = 8, /* the length, `:` and `,` */
};

static const char mac_name[] = ";m=";

enum { TERMS_MAX = TICKET_TEXT_MAX - (int)(sizeof(mac_name) - 1) - MAC_DIGITS };

static const char *const request_names[] = {
    [TICKET_NONE] = "none",
    [TICKET_OPTIONAL] = "optional",
    [TICKET_REQUIRE] = "require",
};

static const char *const fallback_names[] = {
    [CONFIG_FALLBACK_NONE] = "none",
    [CONFIG_FALLBACK_ENCRYPT] = "encrypt",
    [CONFIG_FALLBACK_MAY] = "may",
};

static const char *const offer_names[] = {"no", "yes"};

enum { REQUESTS = 3, FALLBACKS = 3, OFFERS = 2 };

/* --- terms ----------------------------------------------------------------------------------- */

static bool is_queue_id(const char *text)
{
    size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

    return text[len] == '\0' && len <= TICKET_QUEUE_ID_MAX;
}

void ticket_set_queue_id(struct ticket *ticket, const char *queue_id)
{
    bool fits = queue_id != NULL && is_queue_id(queue_id);

    strcpy(ticket->queue_id, fits ? queue_id : "");
}

static bool is_nexthop(const char *text)
{
    struct nexthop nexthop;

    return text[0] == '\0' ||
           (nexthop_parse(text, &nexthop) == 0 && strcmp(nexthop.text, text) == 0);
}

/* False: something of it cannot be said. */
static bool write_terms(const struct ticket *t, char out[TERMS_MAX + 1])
{
    int len;

    if ((unsigned)t->request >= REQUESTS || (unsigned)t->fallback >= FALLBACKS ||
        (unsigned)t->level > VERDICT_LEVEL_DISABLE || t->made_at_s < 0 ||
        !is_queue_id(t->queue_id) || !is_nexthop(t->nexthop))
        return false;
    len = snprintf(out, TERMS_MAX + 1, "v=1;q=%s;r=%s;l=%s;o=%s;f=%s;n=%s;t=%lld", t->queue_id,
                   request_names[t->request], verdict_level_name(t->level),
                   offer_names[t->require_offer], fallback_names[t->fallback], t->nexthop,
                   (long long)t->made_at_s);
    return len > 0 && len <= TERMS_MAX;
}

/* Takes `name` and what stands between it and the next semicolon, which is cut off. NULL: there is
 * no such term. */
static char *take_term(char **at, const char *name)
{
    size_t len = strlen(name);
    char *value = *at + len, *end;

    if (strncmp(*at, name, len) != 0)
        return NULL;
    end = strchrnul(value, ';');
    *at = end + (*end == ';');
    *end = '\0';
    return value;
}

/* The name's index, or -1. `value` NULL: it has none. */
static int find_name(const char *value, const char *const *names, int count)
{
    for (int i = 0; value != NULL && i < count; i++)
        if (strcmp(value, names[i]) == 0)
            return i;
    return -1;
}

static bool read_time(const char *value, int64_t *out)
{
    size_t len = value != NULL ? strspn(value, "0123456789") : 0;

    if (len == 0 || len > TIME_DIGITS || value[len] != '\0')
        return false;
    *out = strtoll(value, NULL, 10);
    return true;
}

static bool copy_term(char *out, size_t size, const char *value)
{
    if (value == NULL || strlen(value) >= size)
        return false;
    strcpy(out, value);
    return true;
}

static bool read_terms(const char *terms, struct ticket *out)
{
    char copy[TERMS_MAX + 1], again[TERMS_MAX + 1], *at = copy;
    const char *version, *level;
    int request, offer, fallback;

    strcpy(copy, terms);
    version = take_term(&at, "v=");
    if (version == NULL || !copy_term(out->queue_id, sizeof(out->queue_id), take_term(&at, "q=")))
        return false;
    request = find_name(take_term(&at, "r="), request_names, REQUESTS);
    level = take_term(&at, "l=");
    if (level == NULL || verdict_level_parse(level, &out->level) != 0)
        return false;
    offer = find_name(take_term(&at, "o="), offer_names, OFFERS);
    fallback = find_name(take_term(&at, "f="), fallback_names, FALLBACKS);
    if (request < 0 || offer < 0 || fallback < 0 ||
        !copy_term(out->nexthop, sizeof(out->nexthop), take_term(&at, "n=")) ||
        !read_time(take_term(&at, "t="), &out->made_at_s))
        return false;
    out->request = (enum ticket_request)request;
    out->require_offer = offer != 0;
    out->fallback = (enum config_fallback)fallback;
    return write_terms(out, again) && strcmp(again, terms) == 0;
}

/* --- MAC ------------------------------------------------------------------------------------- */

/* The length of a Quoted-string at the beginning that is the whole local part; 0: there is none. */
static size_t quoted_len(const char *address)
{
    size_t len = 1;

    if (address[0] != '"')
        return 0;
    while (address[len] != '"') {
        len += address[len] == '\\';
        if (address[len] == '\0')
            return 0;
        len++;
    }
    len++;
    return address[len] == '@' || address[len] == '\0' ? len : 0;
}

/* Writes the address as all its spellings have it. out holds TICKET_ADDRESS_MAX + 1. */
static void write_address(const char *address, char *out)
{
    size_t quoted = quoted_len(address);
    const char *at = quoted > 0 ? address + quoted : strrchr(address, '@');
    size_t local_len = at != NULL ? (size_t)(at - address) : strlen(address), len = 0;
    const char *domain = at != NULL ? at : "";

    for (size_t i = quoted > 0; i < local_len - (quoted > 0); i++) {
        if (quoted > 0 && address[i] == '\\')
            i++;
        out[len++] = address[i];
    }
    for (const char *p = domain; *p != '\0'; p++)
        out[len++] = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
    if (domain[0] != '\0' && out[len - 1] == '.')
        len--;
    out[len] = '\0';
}

static size_t add_netstring(char *out, const char *text)
{
    return (size_t)sprintf(out, "%zu:%s,", strlen(text), text);
}

/* What the MAC is of. */
struct covered {
    char text[TERMS_MAX + 2 * TICKET_ADDRESS_MAX + 3 * NETSTRING_EXTRA + 1];
    size_t len;
};

/* False: an address is too long. */
static bool cover(const char *terms, const struct ticket_envelope *envelope, struct covered *out)
{
    char address[TICKET_ADDRESS_MAX + 1];

    if (strlen(envelope->sender) > TICKET_ADDRESS_MAX ||
        strlen(envelope->recipient) > TICKET_ADDRESS_MAX)
        return false;
    out->len = add_netstring(out->text, terms);
    write_address(envelope->sender, address);
    out->len += add_netstring(out->text + out->len, address);
    write_address(envelope->recipient, address);
    out->len += add_netstring(out->text + out->len, address);
    return true;
}

/* Returns 0 or -ENOMEM. */
static int make_mac(const struct covered *covered, const uint8_t key[TICKET_KEY_LEN],
                    char out[MAC_DIGITS + 1])
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned int len = 0;

    if (HMAC(EVP_sha256(), key, TICKET_KEY_LEN, (const unsigned char *)covered->text, covered->len,
             mac, &len) == NULL ||
        len != MAC_LEN)
        return -ENOMEM;
    for (size_t i = 0; i < MAC_LEN; i++)
        snprintf(out + 2 * i, 3, "%02x", mac[i]);
    return 0;
}

/* All keys are tried, whichever it is. */
static bool is_signed(const struct covered *covered, const struct ticket_keys *keys,
                      const char *digits)
{
    char mac[MAC_DIGITS + 1];
    bool found = false;

    for (size_t i = 0; i < keys->count; i++) {
        bool made = make_mac(covered, keys->keys[i], mac) == 0;

        found |= made && CRYPTO_memcmp(mac, digits, MAC_DIGITS) == 0;
    }
    return found;
}

/* --- the whole ------------------------------------------------------------------------------- */

int ticket_write(const struct ticket *ticket, const struct ticket_envelope *envelope,
                 const struct ticket_keys *keys, char out[TICKET_TEXT_MAX + 1])
{
    char terms[TERMS_MAX + 1], mac[MAC_DIGITS + 1];
    struct covered covered;

    out[0] = '\0';
    if (keys->count == 0 || !write_terms(ticket, terms) || !cover(terms, envelope, &covered))
        return -EINVAL;
    if (make_mac(&covered, keys->keys[0], mac) != 0)
        return -ENOMEM;
    snprintf(out, TICKET_TEXT_MAX + 1, "%s%s%s", terms, mac_name, mac);
    return 0;
}

/* Parts the value into terms and MAC. */
static bool split(const char *value, size_t len, char terms[TERMS_MAX + 1],
                  char mac[MAC_DIGITS + 1])
{
    const size_t tail = sizeof(mac_name) - 1 + MAC_DIGITS;
    size_t terms_len;

    for (; len > 0 && text_is_fws(value[0]); len--)
        value++;
    while (len > 0 && text_is_fws(value[len - 1]))
        len--;
    if (len <= tail || len > TICKET_TEXT_MAX || memchr(value, '\0', len) != NULL)
        return false;
    terms_len = len - tail;
    memcpy(terms, value, terms_len);
    terms[terms_len] = '\0';
    memcpy(mac, value + len - MAC_DIGITS, MAC_DIGITS);
    mac[MAC_DIGITS] = '\0';
    return memcmp(value + terms_len, mac_name, sizeof(mac_name) - 1) == 0 &&
           strspn(mac, "0123456789abcdef") == MAC_DIGITS;
}

enum ticket_status ticket_read(const char *value, size_t len,
                               const struct ticket_envelope *envelope,
                               const struct ticket_keys *keys, int64_t now_s, int64_t life_s,
                               struct ticket *out)
{
    char terms[TERMS_MAX + 1], mac[MAC_DIGITS + 1];
    struct covered covered;
    struct ticket ticket = {.queue_id = ""};

    memset(out, 0, sizeof(*out));
    if (!split(value, len, terms, mac) || !read_terms(terms, &ticket))
        return TICKET_MALFORMED;
    if (!cover(terms, envelope, &covered) || !is_signed(&covered, keys, mac))
        return TICKET_FORGED;
    if (ticket.made_at_s - TICKET_EARLY_S > now_s)
        return TICKET_PREMATURE;
    if (now_s - ticket.made_at_s > life_s)
        return TICKET_EXPIRED;
    *out = ticket;
    return TICKET_VALID;
}

const char *ticket_status_text(enum ticket_status status)
{
    static const char *const texts[] = {
        [TICKET_VALID] = "valid",     [TICKET_MALFORMED] = "malformed", [TICKET_FORGED] = "forged",
        [TICKET_EXPIRED] = "expired", [TICKET_PREMATURE] = "premature",
    };

    return (size_t)status < sizeof(texts) / sizeof(texts[0]) ? texts[status] : "malformed";
}
