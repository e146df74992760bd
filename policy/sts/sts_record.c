/*
 * The MTA-STS TXT record (RFC 8461 section 3.1), to the letter of its ABNF. Pure.
 *
 * Which records count is settled first (dns_txt.h). Exactly one must remain, and its first id
 * counts. What its absence means for a cached policy is left to the engine (section 5.1).
 */
#include "sts/sts.h"

#include "base/ascii.h"
#include "dns/dns_txt.h"

#include <string.h>

static bool copy_id(const struct dns_txt_span *value, char id[STS_ID_MAX + 1])
{
    size_t len = (size_t)(value->end - value->at);

    if (len > STS_ID_MAX)
        return false;
    for (const char *p = value->at; p < value->end; p++)
        if (!ascii_is_alnum(*p))
            return false;
    memcpy(id, value->at, len);
    id[len] = '\0';
    return true;
}

/* What follows the version and its delimiter. Of several ids the first counts (section 3.2). */
static bool parse_fields(struct dns_txt_span *s, char id[STS_ID_MAX + 1])
{
    struct dns_txt_span name, value;
    bool have_id = false;

    do {
        /* By the grammar of extensions, which covers a well-formed id too. */
        if (!dns_txt_take_name(s, &name) || !dns_txt_take_value(s, &value))
            return false;
        if (!have_id && dns_txt_is(&name, "id")) {
            if (!copy_id(&value, id))
                return false;
            have_id = true;
        }
        if (s->at == s->end)
            return have_id;
    } while (dns_txt_take_delimiter(s) && s->at < s->end);
    /* Either the optional last delimiter, or something that is neither delimiter nor value. */
    return s->at == s->end && have_id;
}

enum sts_record_status sts_record_parse(const struct dns_answer *answer, char id[STS_ID_MAX + 1])
{
    const struct dns_record *record;
    struct dns_txt_span fields;
    size_t found = dns_txt_select(answer, "v=STSv1", &record, &fields);

    id[0] = '\0';
    if (found == 0)
        return STS_RECORD_NONE;
    if (found > 1 || !parse_fields(&fields, id)) {
        id[0] = '\0';
        return STS_RECORD_INVALID;
    }
    return STS_RECORD_FOUND;
}
