/*
 * Any octets as JSON: what the reader takes, the text of the tool shows; and what the writer makes
 * of the octets as a string, the reader takes.
 */
#include "base/json.h"
#include "query/query.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static FILE *null;
    struct json_doc *doc;
    struct json json;
    const char *text;
    size_t text_len;
    if (null == NULL)
        null = fopen("/dev/null", "w");
    if (json_read((const char *)data, len, &doc) == 0) {
        query_text(null, json_root(doc), NULL);
        query_text_unprobed(null, json_root(doc));
        query_exit_code(json_root(doc));
        json_doc_free(doc);
    }
    json_init(&json, 1 << 20);
    json_string_n(&json, (const char *)data, len);
    if (json_finish(&json, &text, &text_len) != 0)
        abort();
    /* A zero octet is the one thing that the reader refuses in a string. */
    int result = json_read(text, text_len, &doc);
    if ((result == 0) != (len == 0 || memchr(data, 0, len) == NULL))
        abort();
    if (result == 0)
        json_doc_free(doc);
    json_fini(&json);
    return 0;
}
