/*
 * dns_txt_select finds the record; then come a name, a value, and a delimiter or the end, in turn:
 * dns_txt_take_name, dns_txt_take_value (or what the field is known to have),
 * dns_txt_take_delimiter. To the letter of the ABNF, in which both RFCs agree.
 */
#include "dns/dns_txt.h"

#include "base/ascii.h"

#include <string.h>

enum { NAME_MAX_LEN = 32 };

static void skip_wsp(struct dns_txt_span *s)
{
    while (s->at < s->end && ascii_is_wsp(*s->at))
        s->at++;
}

bool dns_txt_take_between_wsp(struct dns_txt_span *s, char octet)
{
    struct dns_txt_span p = *s;

    skip_wsp(&p);
    if (p.at == p.end || *p.at != octet)
        return false;
    p.at++;
    skip_wsp(&p);
    *s = p;
    return true;
}

bool dns_txt_take_delimiter(struct dns_txt_span *s)
{
    return dns_txt_take_between_wsp(s, ';');
}

bool dns_txt_take_name(struct dns_txt_span *s, struct dns_txt_span *name)
{
    const char *p = s->at;

    while (p < s->end &&
           (ascii_is_alnum(*p) || (p > s->at && (*p == '_' || *p == '-' || *p == '.'))))
        p++;
    if (p == s->at || p - s->at > NAME_MAX_LEN || p == s->end || *p != '=')
        return false;
    *name = (struct dns_txt_span){s->at, p};
    s->at = p + 1;
    return true;
}

bool dns_txt_take_value(struct dns_txt_span *s, struct dns_txt_span *value)
{
    const char *p = s->at;

    while (p < s->end && *p >= 0x21 && *p <= 0x7e && *p != ';' && *p != '=')
        p++;
    if (p == s->at)
        return false;
    *value = (struct dns_txt_span){s->at, p};
    s->at = p;
    return true;
}

bool dns_txt_is(const struct dns_txt_span *name, const char *word)
{
    size_t len = strlen(word);

    return (size_t)(name->end - name->at) == len && memcmp(name->at, word, len) == 0;
}

static bool take_version(struct dns_txt_span *s, const char *version)
{
    size_t len = strlen(version);
    struct dns_txt_span p = *s;

    if ((size_t)(s->end - s->at) < len || memcmp(s->at, version, len) != 0)
        return false;
    p.at += len;
    if (!dns_txt_take_delimiter(&p))
        return false;
    *s = p;
    return true;
}

size_t dns_txt_select(const struct dns_answer *answer, const char *version,
                      const struct dns_record **record, struct dns_txt_span *fields)
{
    size_t count = 0;

    *record = NULL;
    *fields = (struct dns_txt_span){NULL, NULL};
    for (size_t i = 0; answer->status == DNS_FOUND && i < answer->count; i++) {
        const struct dns_record *one = &answer->records[i];
        struct dns_txt_span s = {one->txt.text, one->txt.text + one->txt.len};

        if (one->txt.len == 0 || !take_version(&s, version))
            continue;
        *record = one;
        *fields = s;
        count++;
    }
    return count;
}
