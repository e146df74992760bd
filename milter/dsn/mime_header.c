/*
 * Reads Content-Type, Content-Transfer-Encoding and header fields as such (RFC 2045 sections 5.1
 * and 6, RFC 5322 section 2.2), through one bounded cursor. It is strict about what would be
 * ambiguous (a boundary given twice) and lenient about what is common and clear (an unquoted
 * boundary with a slash in it, a trailing semicolon). What a type means is left to the caller.
 */
#include "dsn/mime_header.h"

#include "base/text.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

struct cursor {
    const char *at;
    const char *end;
};

static bool is_printable(char c)
{
    return c > 0x20 && c < 0x7f;
}

static bool is_token(char c)
{
    return is_printable(c) && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

/* What an unquoted parameter value may hold: RFC 2045 wants a token, but real boundaries have more.
 */
static bool is_bare_value(char c)
{
    return is_printable(c) && strchr("();\\\"", c) == NULL;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool at_end(const struct cursor *c)
{
    return c->at == c->end;
}

static bool next_is(const struct cursor *c, char wanted)
{
    return !at_end(c) && *c->at == wanted;
}

/* Comments nest; a counter instead of recursion, so that depth costs nothing. */
static bool skip_comment(struct cursor *c)
{
    size_t depth = 0;

    for (; !at_end(c); c->at++) {
        if (*c->at == '\\') {
            if (++c->at == c->end)
                return false;
        } else if (*c->at == '(') {
            depth++;
        } else if (*c->at == ')' && --depth == 0) {
            c->at++;
            return true;
        }
    }
    return false;
}

/* Skips comments and white space; false when a comment never ends. */
static bool skip_cfws(struct cursor *c)
{
    while (!at_end(c)) {
        if (text_is_fws(*c->at))
            c->at++;
        else if (*c->at != '(')
            break;
        else if (!skip_comment(c))
            return false;
    }
    return true;
}

/* Takes what is made of characters of one kind, in lower case; false when empty or too long. */
static bool take_word(struct cursor *c, bool (*allowed)(char), char *out, size_t size)
{
    size_t len = 0;

    for (; !at_end(c) && allowed(*c->at); c->at++) {
        if (len + 1 < size)
            out[len] = lower(*c->at);
        len++;
    }
    if (len == 0 || len >= size) {
        out[0] = '\0';
        return false;
    }
    out[len] = '\0';
    return true;
}

/* A parameter's value as read. */
struct value {
    bool bad; /* too long or not printable */
    size_t len;
    char text[MIME_BOUNDARY_MAX + 1];
};

static void value_add(struct value *value, char c)
{
    if ((!is_printable(c) && c != ' ' && c != '\t') || value->len >= MIME_BOUNDARY_MAX)
        value->bad = true;
    else
        value->text[value->len++] = c;
}

static bool take_quoted(struct cursor *c, struct value *value)
{
    for (c->at++; !at_end(c); c->at++) {
        if (*c->at == '"') {
            c->at++;
            return true;
        }
        if (*c->at == '\r' || *c->at == '\n')
            continue; /* folding: the blank after it stays */
        if (*c->at == '\\' && ++c->at == c->end)
            return false;
        value_add(value, *c->at);
    }
    return false;
}

static bool take_value(struct cursor *c, struct value *value)
{
    value->bad = false;
    value->len = 0;
    if (next_is(c, '"')) {
        if (!take_quoted(c, value))
            return false;
    } else {
        for (; !at_end(c) && is_bare_value(*c->at); c->at++)
            value_add(value, *c->at);
    }
    value->text[value->len] = '\0';
    return true;
}

/* Takes up a parameter that matters, unless it was there before, by whatever notation. */
static void note_param(const char *name, const char *wanted, const struct value *value,
                       enum mime_param *status, char *out, size_t *out_len)
{
    size_t wanted_len = strlen(wanted);
    size_t len = value->len;

    if (strncmp(name, wanted, wanted_len) != 0)
        return;
    if (name[wanted_len] == '*') {
        *status = MIME_PARAM_BAD;
        return;
    }
    if (name[wanted_len] != '\0')
        return;
    while (len > 0 && text_is_fws(value->text[len - 1]))
        len--; /* RFC 2046 5.1.1: a boundary does not end with a blank */
    if (*status != MIME_PARAM_ABSENT || value->bad || len == 0) {
        *status = MIME_PARAM_BAD;
        return;
    }
    memcpy(out, value->text, len);
    out[len] = '\0';
    *out_len = len;
    *status = MIME_PARAM_OK;
}

static bool read_param(struct cursor *c, struct mime_content_type *out)
{
    char name[MIME_TOKEN_MAX + 1];
    struct value value;
    size_t report_len = 0;

    if (!take_word(c, is_token, name, sizeof(name)) || !skip_cfws(c) || !next_is(c, '='))
        return false;
    c->at++;
    if (!skip_cfws(c) || !take_value(c, &value) || !skip_cfws(c))
        return false;
    if (!at_end(c) && !next_is(c, ';'))
        value.bad = true; /* two words where one belongs: readers differ on which counts */
    note_param(name, "boundary", &value, &out->boundary_status, out->boundary, &out->boundary_len);
    note_param(name, "report-type", &value, &out->report_type_status, out->report_type,
               &report_len);
    for (char *s = out->report_type; *s; s++)
        *s = lower(*s);
    return !value.bad;
}

/* After a syntax error: on to the next semicolon that is not inside quotes. */
static void resync(struct cursor *c)
{
    bool quoted = false;

    for (; !at_end(c); c->at++) {
        if (*c->at == '\\' && quoted && c->at + 1 < c->end)
            c->at++;
        else if (*c->at == '"')
            quoted = !quoted;
        else if (*c->at == ';' && !quoted)
            return;
    }
}

static void read_params(struct cursor *c, struct mime_content_type *out)
{
    bool damaged = false;

    while (!at_end(c)) {
        c->at++; /* the semicolon */
        if (!skip_cfws(c)) {
            damaged = true;
            break;
        }
        if (at_end(c) || next_is(c, ';'))
            continue; /* an empty parameter is common and harms nobody */
        if (!read_param(c, out)) {
            damaged = true;
            resync(c);
        }
    }
    /* What was not found may be what could not be read. */
    if (damaged && out->boundary_status == MIME_PARAM_ABSENT)
        out->boundary_status = MIME_PARAM_BAD;
    if (damaged && out->report_type_status == MIME_PARAM_ABSENT)
        out->report_type_status = MIME_PARAM_BAD;
}

int mime_header_content_type(const char *value, size_t len, struct mime_content_type *out)
{
    struct cursor c = {value, value + len};

    memset(out, 0, sizeof(*out));
    if (skip_cfws(&c) && take_word(&c, is_token, out->type, sizeof(out->type)) && skip_cfws(&c) &&
        next_is(&c, '/')) {
        c.at++;
        if (skip_cfws(&c) && take_word(&c, is_token, out->subtype, sizeof(out->subtype)) &&
            skip_cfws(&c) && (at_end(&c) || next_is(&c, ';'))) {
            read_params(&c, out);
            return 0;
        }
    }
    out->boundary_status = MIME_PARAM_BAD;
    out->report_type_status = MIME_PARAM_BAD;
    return -EBADMSG;
}

bool mime_header_is(const struct mime_content_type *type, const char *name, const char *subtype)
{
    return strcmp(type->type, name) == 0 && strcmp(type->subtype, subtype) == 0;
}

bool mime_header_value_is(const char *value, size_t len, const char *word)
{
    struct cursor c = {value, value + len};
    char token[MIME_TOKEN_MAX + 1];

    return skip_cfws(&c) && take_word(&c, is_token, token, sizeof(token)) && skip_cfws(&c) &&
           at_end(&c) && strcasecmp(token, word) == 0;
}

enum mime_encoding mime_header_encoding(const char *value, size_t len)
{
    if (mime_header_value_is(value, len, "7bit") || mime_header_value_is(value, len, "8bit") ||
        mime_header_value_is(value, len, "binary"))
        return MIME_ENCODING_IDENTITY;
    if (mime_header_value_is(value, len, "quoted-printable"))
        return MIME_ENCODING_QUOTED_PRINTABLE;
    if (mime_header_value_is(value, len, "base64"))
        return MIME_ENCODING_BASE64;
    return MIME_ENCODING_UNKNOWN;
}

bool mime_header_starts_field(const char *line, size_t len)
{
    size_t i = 0;

    while (i < len && is_printable(line[i]) && line[i] != ':')
        i++;
    if (i == 0)
        return false;
    while (i < len && text_is_wsp(line[i]))
        i++; /* RFC 5322 4.5: old mail has blanks before the colon */
    return i < len && line[i] == ':';
}

bool mime_header_ends(const char *line, size_t len)
{
    return len == 0 || (len == 1 && line[0] == '\n') ||
           (len == 2 && line[0] == '\r' && line[1] == '\n');
}

static size_t line_len(const char *at, const char *end)
{
    const char *newline = memchr(at, '\n', (size_t)(end - at));

    return newline != NULL ? (size_t)(newline - at) + 1 : (size_t)(end - at);
}

bool mime_header_next(const char *header, size_t len, size_t *offset, struct mime_field *out)
{
    const char *end = header + len;
    const char *at = header + *offset;
    const char *colon;

    if (at == end || !mime_header_starts_field(at, (size_t)(end - at)))
        return false;
    colon = memchr(at, ':', (size_t)(end - at));
    out->raw = out->name = at;
    out->name_len = (size_t)(colon - at);
    while (text_is_fws(at[out->name_len - 1]))
        out->name_len--;
    do {
        at += line_len(at, end);
    } while (at < end && text_is_wsp(*at));
    out->raw_len = (size_t)(at - out->raw);
    out->value = colon + 1;
    out->value_len = (size_t)(at - out->value);
    *offset = (size_t)(at - header);
    return true;
}

bool mime_header_named(const struct mime_field *field, const char *name)
{
    return field->name_len == strlen(name) && strncasecmp(field->name, name, field->name_len) == 0;
}
