/*
 * Reads the frame of a DNS response. RFC 1035 section 4 (messages), RFC 6891 (EDNS: an error may
 * be in OPT alone), RFC 8914 (extended errors, for the texts people read), RFC 2308 section 5
 * (life of a denial). The answer section is only checked for bounds here; what it says is
 * dns_answer.c's.
 */
#include "dns/dns_message.h"

#include "dns/dns_answer.h"

#include <string.h>

enum {
    TYPE_NS = 2,
    TYPE_OPT = 41,

    FLAG_QR = 0x8000,
    FLAG_OPCODE = 0x7800,
    FLAG_TC = 0x0200,
    FLAG_AD = 0x0020,
    FLAG_RCODE = 0x000f,

    OPTION_EDE = 15,
    EDE_NONE = -1,
    EDE_STALE_ANSWER = 3,
    EDE_STALE_NXDOMAIN = 19,
};

const char *dns_message_rcode_text(const struct dns_message *m)
{
    static const struct {
        int ede;
        const char *text;
    } servfail[] = {
        {6, "SERVFAIL (DNSSEC bogus)"},
        {7, "SERVFAIL (DNSSEC signature expired)"},
        {8, "SERVFAIL (DNSSEC signature not yet valid)"},
        {9, "SERVFAIL (DNSKEY missing)"},
        {10, "SERVFAIL (DNSSEC signatures missing)"},
        {12, "SERVFAIL (NSEC missing)"},
        {22, "SERVFAIL (no reachable authority)"},
        {23, "SERVFAIL (network error)"},
    };

    switch (m->rcode) {
    case DNS_RCODE_NOERROR:
        return "NOERROR";
    case 1:
        return "FORMERR";
    case 2:
        for (size_t i = 0; i < sizeof(servfail) / sizeof(servfail[0]); i++) {
            if (servfail[i].ede == m->ede)
                return servfail[i].text;
        }
        return "SERVFAIL";
    case DNS_RCODE_NXDOMAIN:
        return "NXDOMAIN";
    case 4:
        return "NOTIMP";
    case 5:
        return "REFUSED";
    case 16:
        return "BADVERS";
    default:
        return "unexpected response code";
    }
}

bool dns_message_rr(struct buf *b, struct dns_rr *rr)
{
    rr->owner_usable = dns_name_read(b, rr->owner) == DNS_NAME_OK;
    rr->type = buf_u16(b);
    rr->class = buf_u16(b);
    rr->ttl_s = buf_u32(b);
    if (rr->type != TYPE_OPT && rr->ttl_s > INT32_MAX)
        rr->ttl_s = 0; /* RFC 2181 section 8 */
    size_t rdata_len = buf_u16(b);

    rr->rdata = *b;
    buf_bytes(b, rdata_len);
    rr->rdata.len = b->pos;
    return !b->bad;
}

enum dns_name_status dns_message_last_name(struct buf *rdata, char out[DNS_NAME_MAX + 1])
{
    enum dns_name_status status = dns_name_read(rdata, out);

    if (status != DNS_NAME_BAD && buf_left(rdata) > 0) {
        out[0] = '\0';
        return DNS_NAME_BAD;
    }
    return status;
}

static const char *scan_question(struct buf *b, uint16_t count, const char *name, uint16_t type)
{
    char asked[DNS_NAME_MAX + 1];

    if (count != 1)
        return "answer to another question";
    bool usable = dns_name_read(b, asked) == DNS_NAME_OK;
    uint16_t asked_type = buf_u16(b);
    uint16_t asked_class = buf_u16(b);

    if (b->bad)
        return "malformed question section";
    if (!usable || strcmp(asked, name) != 0 || asked_type != type || asked_class != DNS_CLASS_IN)
        return "answer to another question";
    return NULL;
}

static const char *scan_answer(struct dns_message *m, struct buf *b, uint16_t count)
{
    m->answer = *b;
    m->answer_count = count;
    for (unsigned i = 0; i < count; i++) {
        struct dns_rr rr;

        if (!dns_message_rr(b, &rr))
            return "malformed answer section";
    }
    return NULL;
}

static const char *scan_soa(struct dns_message *m, struct dns_rr *rr)
{
    char name[DNS_NAME_MAX + 1];

    dns_name_read(&rr->rdata, name); /* MNAME */
    dns_name_read(&rr->rdata, name); /* RNAME */
    buf_bytes(&rr->rdata, 16);       /* SERIAL, REFRESH, RETRY, EXPIRE */
    uint32_t ttl_s = buf_u32(&rr->rdata);

    if (rr->rdata.bad || buf_left(&rr->rdata) > 0)
        return "malformed SOA record";
    if (ttl_s > rr->ttl_s)
        ttl_s = rr->ttl_s;
    if (!m->has_soa || ttl_s < m->denial_ttl_s)
        m->denial_ttl_s = ttl_s;
    m->has_soa = true;
    return NULL;
}

static const char *scan_authority(struct dns_message *m, struct buf *b, uint16_t count)
{
    bool has_ns = false;

    for (unsigned i = 0; i < count; i++) {
        struct dns_rr rr;
        const char *wrong = NULL;

        if (!dns_message_rr(b, &rr))
            return "malformed authority section";
        if (rr.class != DNS_CLASS_IN)
            continue;
        if (rr.type == TYPE_NS)
            has_ns = true;
        else if (rr.type == DNS_TYPE_SOA)
            wrong = scan_soa(m, &rr);
        if (wrong != NULL)
            return wrong;
    }
    m->referral = has_ns && !m->has_soa;
    return NULL;
}

static const char *scan_options(struct dns_message *m, struct buf *rdata)
{
    while (buf_left(rdata) > 0) {
        uint16_t code = buf_u16(rdata);
        size_t len = buf_u16(rdata);
        const uint8_t *data = buf_bytes(rdata, len);

        if (data == NULL)
            return "malformed OPT record";
        if (code != OPTION_EDE || len < 2)
            continue;
        int ede = data[0] << 8 | data[1];

        if (m->ede == EDE_NONE)
            m->ede = ede;
        if (ede == EDE_STALE_ANSWER || ede == EDE_STALE_NXDOMAIN)
            m->stale = true;
    }
    return NULL;
}

static const char *scan_additional(struct dns_message *m, struct buf *b, uint16_t count)
{
    bool has_opt = false;

    for (unsigned i = 0; i < count; i++) {
        struct dns_rr rr;
        const char *wrong;

        if (!dns_message_rr(b, &rr))
            return "malformed additional section";
        if (rr.type != TYPE_OPT)
            continue;
        if (has_opt)
            return "several OPT records";
        has_opt = true;
        m->rcode |= rr.ttl_s >> 24 << 4; /* RFC 6891 section 6.1.3 */
        if ((wrong = scan_options(m, &rr.rdata)) != NULL)
            return wrong;
    }
    return NULL;
}

const char *dns_message_scan(struct dns_message *m, const uint8_t *message, size_t len,
                             const char *name, uint16_t type)
{
    struct buf b;
    uint16_t counts[4];
    const char *wrong;

    *m = (struct dns_message){.ede = EDE_NONE};
    buf_init(&b, message, len);
    buf_u16(&b); /* the ID was the transport's to check */
    unsigned flags = buf_u16(&b);

    for (int i = 0; i < 4; i++)
        counts[i] = buf_u16(&b);
    if (b.bad)
        return "malformed header";
    m->response = (flags & FLAG_QR) != 0;
    m->ad = (flags & FLAG_AD) != 0;
    m->rcode = flags & FLAG_RCODE;
    if (!m->response || (flags & FLAG_OPCODE) != 0)
        return "not a response to a query";
    if ((wrong = scan_question(&b, counts[0], name, type)) != NULL)
        return wrong;
    if (flags & FLAG_TC)
        return "truncated";
    if ((wrong = scan_answer(m, &b, counts[1])) != NULL ||
        (wrong = scan_authority(m, &b, counts[2])) != NULL ||
        (wrong = scan_additional(m, &b, counts[3])) != NULL)
        return wrong;
    return buf_left(&b) > 0 ? "octets behind the message" : NULL;
}
