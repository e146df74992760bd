/*
 * Writes DNS queries: RFC 1035 section 4.1, RD and AD set (RFC 6840 section 5.7: the resolver
 * then tells whether it validated the answer), EDNS (RFC 6891) without DO.
 */
#include "dns/dns_answer.h"

#include "dns/dns_message.h"

#include <errno.h>
#include <string.h>

enum {
    HEADER_LEN = 12,
    QUESTION_END_LEN = 4, /* QTYPE, QCLASS */
    OPT_LEN = 11,
    FLAG_RD = 0x0100,
    FLAG_AD = 0x0020,
    TYPE_OPT = 41,
    /* Fits an IPv6 packet on any path: fragments get lost, and can be forged. */
    UDP_LEN = 1232,
};

static void put_u16(uint8_t *out, uint16_t value)
{
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
}

int dns_query_build(const char *name, uint16_t type, uint16_t id, uint8_t *out, size_t out_len)
{
    const size_t fixed_len = HEADER_LEN + QUESTION_END_LEN + OPT_LEN;
    char text[DNS_NAME_MAX + 1];
    int name_len = dns_name_normalise(name, text);

    if (name_len < 0)
        return name_len;
    if (out_len < fixed_len)
        return -ENOSPC;
    memset(out, 0, fixed_len);
    put_u16(out, id);
    put_u16(out + 2, FLAG_RD | FLAG_AD);
    put_u16(out + 4, 1);  /* QDCOUNT */
    put_u16(out + 10, 1); /* ARCOUNT */
    name_len = dns_name_write(text, out + HEADER_LEN, out_len - fixed_len);
    if (name_len < 0)
        return name_len;
    uint8_t *at = out + HEADER_LEN + name_len;

    put_u16(at, type);
    put_u16(at + 2, DNS_CLASS_IN);
    at += QUESTION_END_LEN;
    memset(at, 0, OPT_LEN); /* the root as owner, no flags, no options */
    put_u16(at + 1, TYPE_OPT);
    put_u16(at + 3, UDP_LEN);
    return (int)fixed_len + name_len;
}
