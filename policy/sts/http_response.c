/*
 * http_response_read() takes octets until the response is whole or wrong. Lines (of the head, of
 * chunk sizes, of trailers) are gathered one at a time and handed to the function of the state, the
 * octets of the body are copied. http_response_end() says what it comes to when the connection has
 * ended. The result of both is enum http_response_status, and final unless it is MORE.
 */
#include "sts/http_response.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    STATE_STATUS_LINE, /* entered first; from STATE_FIELDS after an interim response */
    STATE_FIELDS,      /* from STATE_STATUS_LINE */
    STATE_BODY,        /* from STATE_FIELDS: Content-Length octets */
    STATE_UNTIL_CLOSE, /* from STATE_FIELDS: octets until the connection ends */
    STATE_CHUNK_SIZE,  /* from STATE_FIELDS and STATE_CHUNK_END */
    STATE_CHUNK,       /* from STATE_CHUNK_SIZE: the octets of a chunk */
    STATE_CHUNK_END,   /* from STATE_CHUNK: the line end behind them */
    STATE_TRAILER,     /* from STATE_CHUNK_SIZE: after the last chunk */
};

enum { DIGITS_MAX = 15, BODY_ROOM = 1024 };

/* RFC 9110 section 5.6.2 */
static const char token[] = "!#$%&'*+-.^_`|~0123456789"
                            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

void http_response_init(struct http_response *r, size_t body_max)
{
    memset(r, 0, sizeof(*r));
    r->body_max = body_max;
}

void http_response_fini(struct http_response *r)
{
    free(r->body);
    r->body = NULL;
    r->body_len = r->body_room = 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* RFC 9112 section 4: `HTTP/1.1 200 OK`. Some servers leave out the blank before no reason. */
static enum http_response_status on_status_line(struct http_response *r)
{
    const char *line = r->line;

    if (strncmp(line, "HTTP/1.", 7) != 0 || !is_digit(line[7]) || line[8] != ' ' || line[9] < '1' ||
        line[9] > '9' || !is_digit(line[10]) || !is_digit(line[11]) ||
        (line[12] != ' ' && line[12] != '\0'))
        return HTTP_RESPONSE_BAD;
    r->minor = (unsigned)(line[7] - '0');
    r->code = (unsigned)((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
    r->has_content_type = r->chunked = r->has_length = r->last_counts = false;
    r->left = 0;
    r->state = STATE_FIELDS;
    return HTTP_RESPONSE_MORE;
}

/* RFC 9112 section 6.3: a length given again must be the same. */
static bool read_length(struct http_response *r, const char *value)
{
    size_t digits = strspn(value, "0123456789");
    uint64_t length;

    if (digits == 0 || digits > DIGITS_MAX || value[digits] != '\0')
        return false;
    length = strtoull(value, NULL, 10);
    if (r->has_length && length != r->left)
        return false;
    r->has_length = true;
    r->left = length;
    return true;
}

/* RFC 9112 section 6.1: what was sent to HTTP/1.0 servers and caches cannot have one. */
static bool read_coding(struct http_response *r, const char *value)
{
    if (r->chunked || r->minor == 0 || strcasecmp(value, "chunked") != 0)
        return false;
    r->chunked = true;
    return true;
}

static bool read_type(struct http_response *r, const char *value)
{
    if (r->has_content_type)
        return false;
    r->has_content_type = true;
    memcpy(r->content_type, value, strlen(value) + 1);
    return true;
}

static bool is_name(const char *line, size_t len, const char *name)
{
    return len == strlen(name) && strncasecmp(line, name, len) == 0;
}

static void cut_blanks(char *value)
{
    size_t len = strlen(value);

    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        len--;
    value[len] = '\0';
}

static bool read_field(struct http_response *r)
{
    size_t name_len = strspn(r->line, token);
    char *value = r->line + name_len + 1;
    bool cut = r->line_len > HTTP_RESPONSE_LINE_KEPT;

    if (name_len == 0 || r->line[name_len] != ':')
        return false;
    value += strspn(value, " \t");
    cut_blanks(value);
    r->last_counts = true;
    if (is_name(r->line, name_len, "content-length"))
        return !cut && read_length(r, value);
    if (is_name(r->line, name_len, "transfer-encoding"))
        return !cut && read_coding(r, value);
    if (is_name(r->line, name_len, "content-type"))
        return read_type(r, value);
    r->last_counts = false;
    return true;
}

/* RFC 9112 section 6.3 */
static enum http_response_status on_head_end(struct http_response *r)
{
    if (r->code < 200 && r->code != 101) {
        r->state = STATE_STATUS_LINE;
        return HTTP_RESPONSE_MORE;
    }
    if (r->chunked && r->has_length)
        return HTTP_RESPONSE_BAD;
    r->has_head = true;
    if (r->code == 204 || r->code == 304)
        return HTTP_RESPONSE_DONE;
    if (r->chunked) {
        r->state = STATE_CHUNK_SIZE;
        return HTTP_RESPONSE_MORE;
    }
    if (!r->has_length) {
        r->state = STATE_UNTIL_CLOSE;
        return HTTP_RESPONSE_MORE;
    }
    r->state = STATE_BODY;
    if (r->left > r->body_max)
        return HTTP_RESPONSE_BODY_TOO_LONG;
    return r->left > 0 ? HTTP_RESPONSE_MORE : HTTP_RESPONSE_DONE;
}

/* A line that continues the one before (RFC 9112 section 5.2) is skipped where that was. */
static enum http_response_status on_field(struct http_response *r)
{
    if (r->line_len == 0)
        return on_head_end(r);
    if (r->line[0] == ' ' || r->line[0] == '\t')
        return r->last_counts ? HTTP_RESPONSE_BAD : HTTP_RESPONSE_MORE;
    return read_field(r) ? HTTP_RESPONSE_MORE : HTTP_RESPONSE_BAD;
}

/* RFC 9112 section 7.1 */
static enum http_response_status on_chunk_size(struct http_response *r)
{
    size_t digits = strspn(r->line, "0123456789abcdefABCDEF");
    char next = r->line[digits];

    if (digits == 0 || digits > DIGITS_MAX ||
        (next != '\0' && next != ';' && next != ' ' && next != '\t'))
        return HTTP_RESPONSE_BAD;
    r->left = strtoull(r->line, NULL, 16);
    if (r->left > r->body_max - r->body_len)
        return HTTP_RESPONSE_BODY_TOO_LONG;
    r->state = r->left > 0 ? STATE_CHUNK : STATE_TRAILER;
    return HTTP_RESPONSE_MORE;
}

static enum http_response_status on_line(struct http_response *r)
{
    switch (r->state) {
    case STATE_STATUS_LINE:
        return on_status_line(r);
    case STATE_FIELDS:
        return on_field(r);
    case STATE_CHUNK_SIZE:
        return on_chunk_size(r);
    case STATE_CHUNK_END:
        r->state = STATE_CHUNK_SIZE;
        return r->line_len == 0 ? HTTP_RESPONSE_MORE : HTTP_RESPONSE_BAD;
    case STATE_TRAILER:
        return r->line_len == 0 ? HTTP_RESPONSE_DONE : HTTP_RESPONSE_MORE;
    default:
        return HTTP_RESPONSE_BAD;
    }
}

/* One octet of a line, which ends with CRLF or LF (RFC 9112 section 2.2). */
static enum http_response_status take_octet(struct http_response *r, char octet)
{
    enum http_response_status status;

    if (++r->head_len > HTTP_RESPONSE_HEAD_MAX)
        return HTTP_RESPONSE_HEAD_TOO_LONG;
    if (octet == '\n') {
        r->line[r->line_len < HTTP_RESPONSE_LINE_KEPT ? r->line_len : HTTP_RESPONSE_LINE_KEPT] =
            '\0';
        status = on_line(r);
        r->line_len = 0;
        r->line_cr = false;
        return status;
    }
    if (r->line_cr || octet == '\0')
        return HTTP_RESPONSE_BAD;
    r->line_cr = octet == '\r';
    if (r->line_cr)
        return HTTP_RESPONSE_MORE;
    if (r->line_len < HTTP_RESPONSE_LINE_KEPT)
        r->line[r->line_len] = octet;
    r->line_len++;
    return HTTP_RESPONSE_MORE;
}

static bool reserve(struct http_response *r, size_t len)
{
    size_t room = r->body_room > 0 ? r->body_room : BODY_ROOM;
    char *grown;

    while (room < len)
        room *= 2;
    if (room == r->body_room)
        return true;
    grown = realloc(r->body, room);
    if (grown == NULL)
        return false;
    r->body = grown;
    r->body_room = room;
    return true;
}

static enum http_response_status add_body(struct http_response *r, const char *octets, size_t len)
{
    if (len > r->body_max - r->body_len)
        return HTTP_RESPONSE_BODY_TOO_LONG;
    if (!reserve(r, r->body_len + len))
        return HTTP_RESPONSE_NO_MEMORY;
    memcpy(r->body + r->body_len, octets, len);
    r->body_len += len;
    return HTTP_RESPONSE_MORE;
}

/* Octets of the body; `used` is how many. */
static enum http_response_status take_body(struct http_response *r, const char *octets, size_t len,
                                           size_t *used)
{
    enum http_response_status status;

    *used = len;
    if (r->state == STATE_UNTIL_CLOSE)
        return add_body(r, octets, len);
    if (*used > r->left)
        *used = (size_t)r->left;
    status = add_body(r, octets, *used);
    r->left -= *used;
    if (status != HTTP_RESPONSE_MORE || r->left > 0)
        return status;
    if (r->state == STATE_BODY)
        return HTTP_RESPONSE_DONE;
    r->state = STATE_CHUNK_END;
    return HTTP_RESPONSE_MORE;
}

enum http_response_status http_response_read(struct http_response *r, const char *octets,
                                             size_t len)
{
    size_t at = 0, used;

    while (r->status == HTTP_RESPONSE_MORE && at < len) {
        used = 1;
        if (r->state == STATE_BODY || r->state == STATE_UNTIL_CLOSE || r->state == STATE_CHUNK)
            r->status = take_body(r, octets + at, len - at, &used);
        else
            r->status = take_octet(r, octets[at]);
        at += used;
    }
    return r->status;
}

enum http_response_status http_response_end(struct http_response *r, bool by_peer)
{
    if (r->status == HTTP_RESPONSE_MORE)
        r->status =
            r->state == STATE_UNTIL_CLOSE && by_peer ? HTTP_RESPONSE_DONE : HTTP_RESPONSE_CUT;
    return r->status;
}
