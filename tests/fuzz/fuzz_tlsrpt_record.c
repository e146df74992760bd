/*
 * Fuzzes the TLSRPT TXT record. The input is an RRset, its records parted by newlines. Besides the
 * sanitizers' findings a crash is: a record found that does not begin as it must, has no rua field,
 * or holds an octet that is neither printable ASCII nor a tab; one found beside another that begins
 * like it.
 */
#include "lookup/tlsrpt_record.h"

#include <stdlib.h>
#include <string.h>

enum { RECORDS_MAX = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_candidate(const char *text, size_t len)
{
    static const char begin[] = "v=TLSRPTv1;";

    return len >= sizeof begin - 1 && memcmp(text, begin, sizeof begin - 1) == 0;
}

static void check(const struct dns_record *found, size_t candidates)
{
    const char *text = found->txt.text;
    size_t len = found->txt.len;

    if (len > TLSRPT_RECORD_MAX || memcmp(text, "v=TLSRPTv1", 10) != 0 ||
        memmem(text, len, "rua=", 4) == NULL)
        abort();
    if (candidates > (is_candidate(text, len) ? 1 : 0))
        abort();
    for (size_t i = 0; i < len; i++)
        if ((text[i] < ' ' || text[i] > '~') && text[i] != '\t')
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_record records[RECORDS_MAX];
    struct dns_answer answer = {.status = DNS_FOUND, .records = records};
    const struct dns_record *found;
    char *copies[RECORDS_MAX];
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
        candidates += is_candidate(copies[answer.count], len);
        records[answer.count].txt.text = copies[answer.count];
        records[answer.count].txt.len = (uint16_t)len;
        answer.count++;
        begin = i + 1;
    }
    found = tlsrpt_record_find(&answer);
    if (found != NULL)
        check(found, candidates);
    for (size_t i = 0; i < answer.count; i++)
        free(copies[i]);
    return 0;
}
