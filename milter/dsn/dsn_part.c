/*
 * Classifies a body part by its own header and rewrites that header when a returned message becomes
 * text/rfc822-headers or message/global-headers (RFC 6522 section 4, RFC 6533 section 6). What is
 * done with which kind is decided in dsn_walk_part.c.
 */
#include "dsn/dsn_part.h"

#include <string.h>

/* What a header said, before judgement. */
struct facts {
    size_t n_types;
    size_t n_encodings;
    bool type_readable;
};

static bool is_message(const struct mime_content_type *type)
{
    return mime_header_is(type, "message", "rfc822") || mime_header_is(type, "message", "global");
}

static bool is_headers(const struct mime_content_type *type)
{
    return mime_header_is(type, "text", "rfc822-headers") ||
           mime_header_is(type, "message", "rfc822-headers") || /* common mistake */
           mime_header_is(type, "message", "global-headers");
}

/* The registered accounts (report types), none of which holds a message. */
static bool is_status(const struct mime_content_type *type)
{
    static const char *const subtypes[] = {
        "delivery-status",        "disposition-notification",        "feedback-report",
        "global-delivery-status", "global-disposition-notification", "tracking-status",
    };

    if (strcmp(type->type, "message") != 0)
        return false;
    for (size_t i = 0; i < sizeof(subtypes) / sizeof(subtypes[0]); i++) {
        if (strcmp(type->subtype, subtypes[i]) == 0)
            return true;
    }
    return false;
}

static enum dsn_part_kind classify(const struct dsn_part *part, const struct facts *facts)
{
    const struct mime_content_type *type = &part->type;

    if (facts->n_types > 1 || facts->n_encodings > 1 || !facts->type_readable)
        return DSN_PART_BROKEN;
    if (strcmp(type->type, "multipart") == 0)
        /* RFC 2045 6.4: a multipart is never encoded; if it is, its parts cannot be found. */
        return type->boundary_status == MIME_PARAM_OK && part->encoding == MIME_ENCODING_IDENTITY
                   ? DSN_PART_MULTIPART
                   : DSN_PART_BROKEN;
    if (is_message(type))
        return DSN_PART_MESSAGE;
    if (is_headers(type))
        return DSN_PART_HEADERS;
    if (is_status(type))
        return DSN_PART_STATUS;
    /* Another message/... may be a message, or a piece of one (message/partial). */
    return strcmp(type->type, "message") == 0 ? DSN_PART_BROKEN : DSN_PART_OTHER;
}

void dsn_part_read(const char *header, size_t len, bool in_digest, struct dsn_part *out)
{
    struct facts facts = {.type_readable = true};
    struct mime_field field;
    size_t offset = 0;

    memset(out, 0, sizeof(*out));
    strcpy(out->type.type, in_digest ? "message" : "text");
    strcpy(out->type.subtype, in_digest ? "rfc822" : "plain");
    out->encoding = MIME_ENCODING_IDENTITY;
    while (mime_header_next(header, len, &offset, &field)) {
        if (mime_header_named(&field, "Content-Type")) {
            if (mime_header_content_type(field.value, field.value_len, &out->type) < 0)
                facts.type_readable = false;
            out->is_report = out->is_report || mime_header_is(&out->type, "multipart", "report");
            facts.n_types++;
        } else if (mime_header_named(&field, "Content-Transfer-Encoding")) {
            out->encoding = mime_header_encoding(field.value, field.value_len);
            facts.n_encodings++;
        }
    }
    out->kind = classify(out, &facts);
}

/* Fields whose value is about the content that is no longer there. */
static bool measures_content(const struct mime_field *field)
{
    return mime_header_named(field, "Content-Length") || mime_header_named(field, "Content-MD5") ||
           mime_header_named(field, "Lines");
}

static void write_field(const char *name, const char *value, const char *eol,
                        dsn_part_write_fn *write, void *arg)
{
    write(arg, name, strlen(name));
    write(arg, ": ", 2);
    write(arg, value, strlen(value));
    write(arg, eol, strlen(eol));
}

void dsn_part_write_as_headers(const struct dsn_part *part, const char *header, size_t len,
                               const char *encoding, const char *eol, dsn_part_write_fn *write,
                               void *arg)
{
    static const char type_name[] = "Content-Type", encoding_name[] = "Content-Transfer-Encoding";
    bool is_global = strcmp(part->type.subtype, "global") == 0;
    const char *type = is_global ? "message/global-headers" : "text/rfc822-headers";
    bool typed = part->kind == DSN_PART_HEADERS;
    struct mime_field field;
    size_t offset = 0;

    while (mime_header_next(header, len, &offset, &field)) {
        if (mime_header_named(&field, type_name) && part->kind != DSN_PART_HEADERS) {
            write_field(type_name, type, eol, write, arg);
            typed = true;
        } else if (mime_header_named(&field, encoding_name) && encoding != NULL) {
            if (encoding[0] != '\0')
                write_field(encoding_name, encoding, eol, write, arg);
        } else if (!measures_content(&field)) {
            write(arg, field.raw, field.raw_len);
        }
    }
    if (!typed)
        write_field(type_name, type, eol, write, arg);
}
