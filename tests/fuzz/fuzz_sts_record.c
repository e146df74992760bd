/*
 * Fuzzes the MTA-STS TXT record. The input is an RRset, its records parted by newlines. Besides the
 * sanitizers' findings a crash is: an id that breaks its grammar, an id without a record, and a
 * record found that does not begin as it must.
 */
#include "sts/sts.h"

#include <stdlib.h>
#include <string.h>

enum { RECORDS_MAX = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_id(const char id[STS_ID_MAX + 1])
{
    size_t len = strnlen(id, STS_ID_MAX + 1);

    if (len == 0 || len > STS_ID_MAX)
        abort();
    for (size_t i = 0; i < len; i++)
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", id[i]) == NULL)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_record records[RECORDS_MAX];
    struct dns_answer answer = {.status = DNS_FOUND, .records = records};
    char *copies[RECORDS_MAX];
    char id[STS_ID_MAX + 1];
    size_t begin = 0, candidates = 0;

    for (size_t i = 0; i <= size && answer.count < RECORDS_MAX; i++) {
        size_t len = i - begin;

        if (i < size && data[i] != '\n')
            continue;
        if (len > UINT16_MAX)
            len = UINT16_MAX;
        /* an allocation for each, without terminator, so that reading beyond it shows */
        copies[answer.count] = malloc(len > 0 ? len : 1);
        memcpy(copies[answer.count], data + begin, len);
        candidates += len >= 8 && memcmp(copies[answer.count], "v=STSv1", 7) == 0;
        records[answer.count].txt.text = copies[answer.count];
        records[answer.count].txt.len = (uint16_t)len;
        answer.count++;
        begin = i + 1;
    }
    switch (sts_record_parse(&answer, id)) {
    case STS_RECORD_FOUND:
        check_id(id);
        if (candidates == 0)
            abort();
        break;
    case STS_RECORD_NONE:
    case STS_RECORD_INVALID:
        if (id[0] != '\0')
            abort();
        break;
    }
    for (size_t i = 0; i < answer.count; i++)
        free(copies[i]);
    return 0;
}
