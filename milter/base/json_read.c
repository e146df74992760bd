/*
 * JSON reader (RFC 8259), recursive descent with a bound on the depth. Values and texts live in two
 * arrays whose sizes follow from the length of the input: no value is shorter than one octet, no
 * text longer than what it is written in.
 */
#include "base/json_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Protects the stack. What the daemon writes is five deep. */
enum { DEPTH_MAX = 32 };

struct json_doc {
    struct json_value *values;
    size_t value_count;
    size_t value_max;
    char *texts;
    size_t text_len;
};

struct reader {
    const char *at;
    const char *end;
    struct json_doc *doc;
    unsigned depth;
};

static void skip_space(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
        r->at++;
}

static bool take_char(struct reader *r, char c)
{
    skip_space(r);
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static bool read_hex4(struct reader *r, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++) {
        if (r->at == r->end)
            return false;
        char c = *r->at++;
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;
        if (digit > 15)
            return false;
        *out = *out << 4 | digit;
    }
    return true;
}

static void put_octet(struct json_doc *doc, uint32_t octet)
{
    doc->texts[doc->text_len++] = (char)octet;
}

/* At most as many octets as the escape that stood for them. */
static void put_utf8(struct json_doc *doc, uint32_t code)
{
    if (code < 0x80) {
        put_octet(doc, code);
        return;
    }
    if (code < 0x800) {
        put_octet(doc, 0xc0 | code >> 6);
    } else {
        if (code < 0x10000) {
            put_octet(doc, 0xe0 | code >> 12);
        } else {
            put_octet(doc, 0xf0 | code >> 18);
            put_octet(doc, 0x80 | (code >> 12 & 0x3f));
        }
        put_octet(doc, 0x80 | (code >> 6 & 0x3f));
    }
    put_octet(doc, 0x80 | (code & 0x3f));
}

static bool read_unicode(struct reader *r)
{
    uint32_t code, low;
    if (!read_hex4(r, &code) || code == 0)
        return false;
    if (code >= 0xd800 && code <= 0xdbff) {
        if (r->end - r->at < 2 || r->at[0] != '\\' || r->at[1] != 'u')
            return false;
        r->at += 2;
        if (!read_hex4(r, &low) || low < 0xdc00 || low > 0xdfff)
            return false;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code <= 0xdfff) {
        return false;
    }
    put_utf8(r->doc, code);
    return true;
}

static bool read_escape(struct reader *r)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (r->at == r->end)
        return false;
    char c = *r->at++;
    if (c == 'u')
        return read_unicode(r);
    const char *found = c ? strchr(from, c) : NULL;
    if (found == NULL)
        return false;
    put_octet(r->doc, (unsigned char)to[found - from]);
    return true;
}

/* The opening quote has been taken. */
static const char *read_string(struct reader *r)
{
    const char *text = r->doc->texts + r->doc->text_len;
    while (r->at < r->end && *r->at != '"') {
        unsigned char c = (unsigned char)*r->at++;
        if (c < 0x20)
            return NULL;
        if (c != '\\')
            put_octet(r->doc, c);
        else if (!read_escape(r))
            return NULL;
    }
    if (r->at == r->end)
        return NULL;
    r->at++;
    put_octet(r->doc, 0);
    return text;
}

static size_t skip_digits(struct reader *r)
{
    const char *start = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
        r->at++;
    return (size_t)(r->at - start);
}

static const char *read_number(struct reader *r)
{
    const char *start = r->at;
    if (*r->at == '-')
        r->at++;
    bool zero = r->at < r->end && *r->at == '0';
    size_t whole = skip_digits(r);
    if (whole == 0 || (zero && whole > 1))
        return NULL;
    if (r->at < r->end && *r->at == '.') {
        r->at++;
        if (skip_digits(r) == 0)
            return NULL;
    }
    if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
        r->at++;
        if (r->at < r->end && (*r->at == '+' || *r->at == '-'))
            r->at++;
        if (skip_digits(r) == 0)
            return NULL;
    }
    char *text = r->doc->texts + r->doc->text_len;
    size_t len = (size_t)(r->at - start);
    memcpy(text, start, len);
    text[len] = '\0';
    r->doc->text_len += len + 1;
    return text;
}

static struct json_value *read_value(struct reader *r);

/* The opening bracket has been taken. */
static bool read_members(struct reader *r, struct json_value *group)
{
    bool object = group->type == JSON_OBJECT;
    char close = object ? '}' : ']';
    struct json_value **next = &group->first;
    if (take_char(r, close))
        return true;
    do {
        const char *key = NULL;
        if (object && (!take_char(r, '"') || (key = read_string(r)) == NULL || !take_char(r, ':')))
            return false;
        *next = read_value(r);
        if (*next == NULL)
            return false;
        (*next)->key = key;
        next = &(*next)->next;
    } while (take_char(r, ','));
    return take_char(r, close);
}

static bool read_word(struct reader *r, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
        return false;
    r->at += len;
    return true;
}

static bool read_group(struct reader *r, struct json_value *value, enum json_type type)
{
    value->type = type;
    r->at++;
    if (r->depth >= DEPTH_MAX)
        return false;
    r->depth++;
    bool ok = read_members(r, value);
    r->depth--;
    return ok;
}

static bool read_into(struct reader *r, struct json_value *value)
{
    switch (*r->at) {
    case '{':
        return read_group(r, value, JSON_OBJECT);
    case '[':
        return read_group(r, value, JSON_ARRAY);
    case '"':
        r->at++;
        value->type = JSON_STRING;
        value->text = read_string(r);
        return value->text;
    case 't':
        value->type = JSON_TRUE;
        return read_word(r, "true");
    case 'f':
        value->type = JSON_FALSE;
        return read_word(r, "false");
    case 'n':
        value->type = JSON_NULL;
        return read_word(r, "null");
    default:
        value->type = JSON_NUMBER;
        value->text = read_number(r);
        return value->text;
    }
}

static struct json_value *read_value(struct reader *r)
{
    skip_space(r);
    if (r->at == r->end || r->doc->value_count == r->doc->value_max)
        return NULL;
    struct json_value *value = &r->doc->values[r->doc->value_count++];
    return read_into(r, value) ? value : NULL;
}

int json_read(const char *text, size_t len, struct json_doc **out)
{
    struct json_doc *doc = calloc(1, sizeof(*doc));
    if (doc == NULL)
        return -ENOMEM;
    /* A value needs an octet and, but for the first, a separator. A string loses its quotes and
     * gains a zero; a number gains a zero, but has a separator before or after it. */
    doc->value_max = len / 2 + 1;
    doc->values = calloc(doc->value_max, sizeof(*doc->values));
    doc->texts = malloc(len + 2);
    struct reader r = {.at = text, .end = text + len, .doc = doc};
    int error = -ENOMEM;
    if (doc->values != NULL && doc->texts != NULL)
        error = read_value(&r) != NULL ? 0 : -EBADMSG;
    skip_space(&r);
    if (error == 0 && r.at != r.end)
        error = -EBADMSG;
    if (error == 0)
        *out = doc;
    else
        json_doc_free(doc);
    return error;
}

void json_doc_free(struct json_doc *doc)
{
    if (doc == NULL)
        return;
    free(doc->values);
    free(doc->texts);
    free(doc);
}

const struct json_value *json_root(const struct json_doc *doc)
{
    return doc->values;
}

const struct json_value *json_get(const struct json_value *value, const char *key)
{
    if (value == NULL || value->type != JSON_OBJECT)
        return NULL;
    for (const struct json_value *member = value->first; member != NULL; member = member->next) {
        if (strcmp(member->key, key) == 0)
            return member;
    }
    return NULL;
}

const char *json_text(const struct json_value *value)
{
    return value != NULL && value->type == JSON_STRING ? value->text : NULL;
}

int64_t json_number(const struct json_value *value, int64_t otherwise)
{
    return value != NULL && value->type == JSON_NUMBER ? strtoll(value->text, NULL, 10) : otherwise;
}

bool json_is_true(const struct json_value *value)
{
    return value != NULL && value->type == JSON_TRUE;
}
