/*
 * One resource record of a type that the engine asks for. dns_record_measure says whether it is
 * well-formed, and how much room its names and data need; then dns_record_read reads it. RFC 1035
 * (A, MX, CNAME, TXT), RFC 3596 (AAAA), RFC 6698 section 2.1 (TLSA). Of other types nothing is
 * read.
 */
#include "dns/dns_record.h"

#include <string.h>

/* The octets of a TXT record's strings together; *len is what they come to (RFC 7208 3.3). */
static bool read_txt(struct buf *rdata, char *out, size_t *len)
{
    *len = 0;
    do {
        uint8_t piece_len = buf_u8(rdata);
        const uint8_t *piece = buf_bytes(rdata, piece_len);

        if (piece == NULL)
            return false;
        if (out != NULL)
            memcpy(out + *len, piece, piece_len);
        *len += piece_len;
    } while (buf_left(rdata) > 0);
    return true;
}

const char *dns_record_measure(uint16_t type, const struct dns_rr *rr, size_t *text_len)
{
    struct buf rdata = rr->rdata;
    char name[DNS_NAME_MAX + 1];

    *text_len = 0;
    switch (type) {
    case DNS_TYPE_A:
        return buf_left(&rdata) == 4 ? NULL : "malformed A record";
    case DNS_TYPE_AAAA:
        return buf_left(&rdata) == 16 ? NULL : "malformed AAAA record";
    case DNS_TYPE_MX:
        buf_u16(&rdata);
        if (dns_message_last_name(&rdata, name) == DNS_NAME_BAD)
            return "malformed MX record";
        *text_len = strlen(name) + 1;
        return NULL;
    case DNS_TYPE_CNAME:
        if (dns_message_last_name(&rdata, name) == DNS_NAME_BAD)
            return "malformed CNAME record";
        *text_len = strlen(name) + 1;
        return NULL;
    case DNS_TYPE_TLSA:
        if (buf_left(&rdata) < 3)
            return "malformed TLSA record";
        *text_len = buf_left(&rdata) - 3;
        return NULL;
    case DNS_TYPE_TXT:
        return read_txt(&rdata, NULL, text_len) ? NULL : "malformed TXT record";
    default:
        return NULL; /* only counted */
    }
}

static const char *keep_text(char **text, const void *octets, size_t len)
{
    char *at = *text;

    if (len > 0)
        memcpy(at, octets, len);
    *text += len;
    return at;
}

bool dns_record_read(uint16_t type, struct buf *rdata, char **text, struct dns_record *out)
{
    char name[DNS_NAME_MAX + 1];
    size_t len;

    memset(out, 0, sizeof(*out));
    switch (type) {
    case DNS_TYPE_A:
        memcpy(out->a, buf_bytes(rdata, 4), 4);
        return true;
    case DNS_TYPE_AAAA:
        memcpy(out->aaaa, buf_bytes(rdata, 16), 16);
        return true;
    case DNS_TYPE_MX:
        out->mx.preference = buf_u16(rdata);
        if (dns_message_last_name(rdata, name) != DNS_NAME_OK)
            return false;
        out->mx.host = keep_text(text, name, strlen(name) + 1);
        return true;
    case DNS_TYPE_CNAME:
        if (dns_message_last_name(rdata, name) != DNS_NAME_OK)
            return false;
        out->cname = keep_text(text, name, strlen(name) + 1);
        return true;
    case DNS_TYPE_TLSA:
        out->tlsa.usage = buf_u8(rdata);
        out->tlsa.selector = buf_u8(rdata);
        out->tlsa.matching_type = buf_u8(rdata);
        len = buf_left(rdata);
        out->tlsa.data_len = (uint16_t)len;
        out->tlsa.data = (const uint8_t *)keep_text(text, buf_bytes(rdata, len), len);
        return true;
    case DNS_TYPE_TXT:
        out->txt.text = *text;
        read_txt(rdata, *text, &len);
        out->txt.len = (uint16_t)len;
        *text += len;
        return true;
    default:
        return true;
    }
}

static bool same_octets(const void *a, size_t a_len, const void *b, size_t b_len)
{
    return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

bool dns_record_equal(uint16_t type, const struct dns_record *a, const struct dns_record *b)
{
    switch (type) {
    case DNS_TYPE_A:
        return memcmp(a->a, b->a, sizeof(a->a)) == 0;
    case DNS_TYPE_AAAA:
        return memcmp(a->aaaa, b->aaaa, sizeof(a->aaaa)) == 0;
    case DNS_TYPE_MX:
        return a->mx.preference == b->mx.preference && strcmp(a->mx.host, b->mx.host) == 0;
    case DNS_TYPE_CNAME:
        return strcmp(a->cname, b->cname) == 0;
    case DNS_TYPE_TLSA:
        return a->tlsa.usage == b->tlsa.usage && a->tlsa.selector == b->tlsa.selector &&
               a->tlsa.matching_type == b->tlsa.matching_type &&
               same_octets(a->tlsa.data, a->tlsa.data_len, b->tlsa.data, b->tlsa.data_len);
    case DNS_TYPE_TXT:
        return same_octets(a->txt.text, a->txt.len, b->txt.text, b->txt.len);
    default:
        return false;
    }
}
