/*
 * The MTA-STS TXT record (RFC 8461 section 3.1), to the letter of its ABNF. Pure.
 *
 * Which records count is settled first: those that begin with the version field and a delimiter.
 * All others (SPF, verification tokens, `v=STSv12`) are discarded unread. Exactly one must remain.
 * What its absence means for a cached policy is left to the engine (section 5.1).
 */
#include "sts/sts.h"

#include <string.h>

enum { EXT_NAME_MAX = 32 };

static const char VERSION[] = "v=STSv1";

struct span {
    const char *at;
    const char *end;
};

static bool is_wsp(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* *WSP ";" *WSP: moves past it, or leaves the place alone. */
static bool take_delimiter(struct span *s)
{
    const char *p = s->at;

    while (p < s->end && is_wsp(*p))
        p++;
    if (p == s->end || *p != ';')
        return false;
    p++;
    while (p < s->end && is_wsp(*p))
        p++;
    s->at = p;
    return true;
}

/*
 * The text of section 3.1 discards what does not begin with `v=STSv1;`, the ABNF allows blanks
 * before the semicolon. Here both are STS records: two of them are then two, and give no policy,
 * rather than one that an attacker or an accident picked.
 */
static bool take_version(struct span *s)
{
    size_t len = sizeof(VERSION) - 1;

    if ((size_t)(s->end - s->at) < len || memcmp(s->at, VERSION, len) != 0)
        return false;
    s->at += len;
    return take_delimiter(s);
}

/* name "=" value, both by the grammar of extensions, which covers a well-formed id too. */
static bool take_field(struct span *s, struct span *name, struct span *value)
{
    const char *p = s->at;

    while (p < s->end && (is_alnum(*p) || (p > s->at && (*p == '_' || *p == '-' || *p == '.'))))
        p++;
    *name = (struct span){s->at, p};
    if (p == s->at || p - s->at > EXT_NAME_MAX || p == s->end || *p != '=')
        return false;
    s->at = ++p;
    while (p < s->end && *p >= 0x21 && *p <= 0x7e && *p != ';' && *p != '=')
        p++;
    *value = (struct span){s->at, p};
    if (p == s->at)
        return false;
    s->at = p;
    return true;
}

static bool copy_id(const struct span *value, char id[STS_ID_MAX + 1])
{
    size_t len = (size_t)(value->end - value->at);

    if (len > STS_ID_MAX)
        return false;
    for (const char *p = value->at; p < value->end; p++)
        if (!is_alnum(*p))
            return false;
    memcpy(id, value->at, len);
    id[len] = '\0';
    return true;
}

/* What follows the version and its delimiter. Of several ids the first counts (section 3.2). */
static bool parse_fields(struct span *s, char id[STS_ID_MAX + 1])
{
    struct span name, value;
    bool have_id = false;

    do {
        if (!take_field(s, &name, &value))
            return false;
        if (!have_id && name.end - name.at == 2 && memcmp(name.at, "id", 2) == 0) {
            if (!copy_id(&value, id))
                return false;
            have_id = true;
        }
        if (s->at == s->end)
            return have_id;
    } while (take_delimiter(s) && s->at < s->end);
    /* Either the optional last delimiter, or something that is neither delimiter nor value. */
    return s->at == s->end && have_id;
}

enum sts_record_status sts_record_parse(const struct dns_answer *answer, char id[STS_ID_MAX + 1])
{
    struct span record = {NULL, NULL};
    size_t found = 0;

    id[0] = '\0';
    if (answer->status != DNS_FOUND)
        return STS_RECORD_NONE;
    for (size_t i = 0; i < answer->count; i++) {
        const char *text = answer->records[i].txt.text;
        struct span s = {text, text + answer->records[i].txt.len};

        if (answer->records[i].txt.len > 0 && take_version(&s)) {
            record = s;
            found++;
        }
    }
    if (found == 0)
        return STS_RECORD_NONE;
    if (found > 1 || !parse_fields(&record, id)) {
        id[0] = '\0';
        return STS_RECORD_INVALID;
    }
    return STS_RECORD_FOUND;
}
