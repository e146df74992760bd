/*
 * Any octets as a DNS response. The question asked is the one in the message, where it has one, so
 * that the answer section is reached; checked are the promises of dns_answer.h.
 */
#include "dns/dns_answer.h"
#include "dns/dns_message.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void promise(bool kept)
{
    if (!kept)
        abort();
}

static void check_name(const char *name)
{
    size_t len = strlen(name);

    promise(len <= DNS_NAME_MAX);
    promise(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == len);
    promise(len == 0 || (name[0] != '.' && name[len - 1] != '.' && strstr(name, "..") == NULL));
}

/* Reads them all, for a sanitizer to watch. */
static void touch(const uint8_t *octets, size_t len)
{
    for (size_t i = 0; i < len; i++)
        (void)*(const volatile uint8_t *)&octets[i];
}

static void check_record(uint16_t type, const struct dns_record *record)
{
    switch (type) {
    case DNS_TYPE_MX:
        check_name(record->mx.host);
        break;
    case DNS_TYPE_CNAME:
        check_name(record->cname);
        break;
    case DNS_TYPE_TLSA:
        touch(record->tlsa.data, record->tlsa.data_len);
        break;
    case DNS_TYPE_TXT:
        touch((const uint8_t *)record->txt.text, record->txt.len);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char name[DNS_NAME_MAX + 1];
    struct buf b;

    buf_init(&b, data, len);
    buf_bytes(&b, 12);
    bool usable = dns_name_read(&b, name) == DNS_NAME_OK;
    uint16_t type = buf_u16(&b);
    struct dns_answer *answer =
        dns_answer_parse(data, len, usable ? name : "example.org", type, DNS_SECURE, DNS_INSECURE);

    if (answer == NULL)
        return 0;
    promise((answer->status == DNS_FAILED) == (answer->failure != NULL));
    promise((answer->status == DNS_FOUND) == (answer->count > 0));
    promise(answer->count <= 512);
    promise(answer->ttl_s <= INT32_MAX);
    promise(answer->status != DNS_FAILED || answer->security == DNS_UNKNOWN);
    promise(answer->security != DNS_SECURE || (data[3] & 0x20) != 0);
    check_name(answer->canonical);
    for (size_t i = 0; i < answer->count; i++)
        check_record(type, &answer->records[i]);
    dns_answer_free(answer);
    return 0;
}
