/*
 * Fuzzes how an HTTP response is judged: two octets of status code, then the Content-Type. Besides
 * the sanitizers' findings a crash is: a policy accepted with another status than 200 or another
 * type than text/plain, and a reason that is missing or not printable.
 */
#include "sts/sts_http.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *type, failure[60] = "", small[5];
    enum fetch_status status;
    long code;

    if (size < 2)
        return 0;
    code = data[0] * 256L + data[1];
    type = malloc(size - 1);
    memcpy(type, data + 2, size - 2);
    type[size - 2] = '\0';
    status = sts_http_judge(code, type, failure, sizeof(failure));
    if (status == FETCH_OK) {
        if (code != 200 || strcasestr(type, "text/plain") == NULL)
            abort();
    } else if (failure[0] == '\0') {
        abort();
    }
    for (const char *c = failure; *c != '\0'; c++)
        if (*c < 0x20 || *c > 0x7e)
            abort();
    if (sts_http_judge(code, NULL, failure, sizeof(failure)) == FETCH_OK)
        abort();
    sts_http_printable(type, small, sizeof(small));
    for (const char *c = small; *c != '\0'; c++)
        if (*c < 0x20 || *c > 0x7e)
            abort();
    free(type);
    return 0;
}
