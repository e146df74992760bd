/*
 * Finds the TLSRPT record among TXT records (RFC 8460 section 3). Which of them count is settled
 * first (dns_txt.h). Exactly one must remain, and it must have an rua field with a list of URIs
 * (RFC 3986). Fields that are not known are passed over as long as they are fields.
 */
#include "lookup/tlsrpt_record.h"

#include "base/ascii.h"
#include "dns/dns_txt.h"

#include <string.h>

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

/* An octet of a URI; comma, exclamation mark and semicolon must be encoded (section 3). */
static bool is_uri_octet(char c)
{
    return ascii_is_alnum(c) || (c != '\0' && strchr("-._~:/?#[]@$&'()*+=", c) != NULL);
}

static bool take_scheme(struct dns_txt_span *s)
{
    const char *p = s->at;

    while (p < s->end &&
           (ascii_is_alnum(*p) || (p > s->at && (*p == '+' || *p == '-' || *p == '.'))))
        p++;
    if (p == s->at || (*s->at >= '0' && *s->at <= '9') || p == s->end || *p != ':')
        return false;
    s->at = p + 1;
    return true;
}

/* A URI that says something: nothing can be sent to a scheme alone. */
static bool take_uri(struct dns_txt_span *s)
{
    const char *begin;

    if (!take_scheme(s))
        return false;
    begin = s->at;
    while (s->at < s->end) {
        if (is_uri_octet(*s->at))
            s->at++;
        else if (s->end - s->at >= 3 && *s->at == '%' && is_hex(s->at[1]) && is_hex(s->at[2]))
            s->at += 3;
        else
            break;
    }
    return s->at > begin;
}

static bool take_uris(struct dns_txt_span *s)
{
    do {
        if (!take_uri(s))
            return false;
    } while (dns_txt_take_between_wsp(s, ','));
    return true;
}

/* What follows the version and its delimiter. */
static bool is_valid(struct dns_txt_span s)
{
    struct dns_txt_span name, value;
    bool have_rua = false;

    do {
        bool is_rua;

        if (!dns_txt_take_name(&s, &name))
            return false;
        is_rua = dns_txt_is(&name, "rua");
        if (is_rua ? !take_uris(&s) : !dns_txt_take_value(&s, &value))
            return false;
        have_rua |= is_rua;
        if (s.at == s.end)
            return have_rua;
    } while (dns_txt_take_delimiter(&s) && s.at < s.end);
    /* Either the optional last delimiter, or something that is neither delimiter nor value. */
    return s.at == s.end && have_rua;
}

const struct dns_record *tlsrpt_record_find(const struct dns_answer *answer)
{
    const struct dns_record *record;
    struct dns_txt_span fields;

    if (dns_txt_select(answer, "v=TLSRPTv1", &record, &fields) != 1 ||
        record->txt.len > TLSRPT_RECORD_MAX || !is_valid(fields))
        return NULL;
    return record;
}
