/*
 * How an HTTP response to a policy fetch counts (RFC 8461 sections 3.2 and 3.3). Only 200 with
 * text/plain is a policy. Whether anything else is a definite answer ("no policy") or a passing
 * trouble is decided by RFC 9110 section 15: 5xx and the three 4xx that ask to come again pass.
 */
#include "sts/sts_http.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { REQUEST_TIMEOUT = 408, TOO_EARLY = 425, TOO_MANY_REQUESTS = 429 };

/* The media type in any letter case; parameters after it do not matter. */
static bool is_text_plain(const char *content_type)
{
    static const char type[] = "text/plain";

    if (content_type == NULL)
        return false;
    content_type += strspn(content_type, " \t");
    if (strncasecmp(content_type, type, sizeof(type) - 1) != 0)
        return false;
    content_type += sizeof(type) - 1;
    content_type += strspn(content_type, " \t");
    return *content_type == ';' || *content_type == '\0';
}

enum fetch_status sts_http_judge(long code, const char *content_type, char *failure,
                                 size_t failure_len)
{
    if (code == 200) {
        if (is_text_plain(content_type))
            return FETCH_OK;
        snprintf(failure, failure_len, "content type is not text/plain");
        return FETCH_REFUSED;
    }
    snprintf(failure, failure_len, "HTTP status %ld%s", code,
             code >= 300 && code < 400 ? ", redirects are not followed" : "");
    if (code == REQUEST_TIMEOUT || code == TOO_EARLY || code == TOO_MANY_REQUESTS)
        return FETCH_FAILED;
    return code >= 200 && code < 500 ? FETCH_REFUSED : FETCH_FAILED;
}

void sts_http_printable(const char *text, char *out, size_t out_len)
{
    size_t i;

    if (out_len == 0)
        return;
    for (i = 0; i + 1 < out_len && text[i] != '\0'; i++)
        out[i] = (text[i] >= 0x20 && text[i] <= 0x7e) ? text[i] : '?';
    out[i] = '\0';
}
