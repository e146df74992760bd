/*
 * Any octets as a MIME header: as a whole, field by field, and as the values of the fields that are
 * understood. Checked are the bounds, that fields follow each other without gaps, and that a
 * boundary is one that a delimiter can be made of.
 */
#include "dsn/mime_header.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void promise(bool kept)
{
    if (!kept)
        abort();
}

static void check_value(const char *value, size_t len)
{
    struct mime_content_type type;
    int error = mime_header_content_type(value, len, &type);

    promise(strlen(type.type) <= MIME_TOKEN_MAX && strlen(type.subtype) <= MIME_TOKEN_MAX);
    promise(type.boundary_status <= MIME_PARAM_BAD && type.report_type_status <= MIME_PARAM_BAD);
    if (type.boundary_status == MIME_PARAM_OK) {
        promise(error == 0);
        promise(type.boundary_len > 0 && type.boundary_len <= MIME_BOUNDARY_MAX &&
                strlen(type.boundary) == type.boundary_len &&
                type.boundary[type.boundary_len - 1] != ' ');
        for (size_t i = 0; i < type.boundary_len; i++)
            promise(type.boundary[i] == '\t' ||
                    (type.boundary[i] >= 0x20 && type.boundary[i] < 0x7f));
    }
    if (mime_header_is(&type, "multipart", "report"))
        promise(strcmp(type.type, "multipart") == 0 && strcmp(type.subtype, "report") == 0);
    promise(mime_header_encoding(value, len) <= MIME_ENCODING_UNKNOWN);
    mime_header_value_is(value, len, "No");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *copy = malloc(len > 0 ? len : 1); /* of the exact length */
    struct mime_field field;
    size_t at = 0, before = 0;

    if (copy == NULL)
        return 0;
    if (len > 0)
        memcpy(copy, data, len);
    check_value(copy, len);
    while (mime_header_next(copy, len, &at, &field)) {
        promise(at > before && at <= len);
        promise(field.raw == copy + before && field.raw_len == at - before);
        promise(field.name == field.raw && field.name_len > 0 && field.name_len < field.raw_len);
        promise(field.value > field.name + field.name_len - 1 &&
                field.value + field.value_len <= field.raw + field.raw_len);
        promise(mime_header_starts_field(field.raw, field.raw_len));
        mime_header_named(&field, "Content-Type");
        check_value(field.value, field.value_len);
        before = at;
    }
    mime_header_ends(copy + at, len - at);
    free(copy);
    return 0;
}
