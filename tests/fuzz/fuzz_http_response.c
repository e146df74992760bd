/*
 * Fuzzes the response of a policy host: the first octet says how the rest is cut into pieces, and
 * how the connection ends. Besides the sanitizers' findings a crash is: another result for other
 * pieces, a body that is larger than allowed, a whole response without a head.
 */
#include "sts/http_response.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MAX = 64 };

static void read_pieces(struct http_response *r, const uint8_t *data, size_t size, size_t piece,
                        unsigned end)
{
    http_response_init(r, BODY_MAX);
    for (size_t at = 0; at < size; at += piece)
        http_response_read(r, (const char *)data + at, size - at < piece ? size - at : piece);
    if (end != 0)
        http_response_end(r, end == 1);
    if (r->body_len > BODY_MAX || (r->status == HTTP_RESPONSE_DONE && !r->has_head) ||
        (end != 0 && r->status == HTTP_RESPONSE_MORE))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_response whole, pieces;
    unsigned end;

    if (size < 1)
        return 0;
    end = data[0] % 3;
    read_pieces(&whole, data + 1, size - 1, size, end);
    read_pieces(&pieces, data + 1, size - 1, 1 + data[0] / 3, end);
    if (whole.status != pieces.status || whole.has_head != pieces.has_head ||
        whole.head_len != pieces.head_len)
        abort();
    if (whole.has_head &&
        (whole.code != pieces.code || whole.code < 100 || whole.code > 999 ||
         whole.has_content_type != pieces.has_content_type ||
         (whole.has_content_type && strcmp(whole.content_type, pieces.content_type) != 0)))
        abort();
    if (whole.status == HTTP_RESPONSE_DONE &&
        (whole.body_len != pieces.body_len ||
         (whole.body_len > 0 && memcmp(whole.body, pieces.body, whole.body_len) != 0)))
        abort();
    http_response_fini(&whole);
    http_response_fini(&pieces);
    return 0;
}
