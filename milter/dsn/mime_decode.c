/*
 * Streaming base64 and quoted-printable decoders (RFC 2045 sections 6.7 and 6.8). What the decoded
 * bytes mean is left to the caller.
 */
#include "dsn/mime_decode.h"

#include <string.h>

void mime_decode_init(struct mime_decode *decode, enum mime_encoding encoding)
{
    memset(decode, 0, sizeof(*decode));
    decode->encoding = encoding;
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

static size_t base64_byte(struct mime_decode *decode, char c, char *out)
{
    int digit = base64_digit(c);

    if (c == '=')
        decode->n_bits = 0; /* padding: what is left over is no byte */
    if (digit < 0)
        return 0;
    decode->bits = (decode->bits << 6) | (uint32_t)digit;
    decode->n_bits += 6;
    if (decode->n_bits < 8)
        return 0;
    decode->n_bits -= 8;
    out[0] = (char)((decode->bits >> decode->n_bits) & 0xff);
    return 1;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* It was no escape after all: out with what was held, and with c. */
static size_t qp_literal(struct mime_decode *decode, char c, char *out)
{
    size_t n = decode->n_held;

    memcpy(out, decode->held, n);
    out[n] = c;
    decode->n_held = 0;
    return n + 1;
}

static size_t qp_byte(struct mime_decode *decode, char c, char *out)
{
    if (decode->n_held == 0) {
        if (c != '=')
            return qp_literal(decode, c, out);
        decode->held[decode->n_held++] = c;
        return 0;
    }
    if (c == '\n') { /* `=` at the end of a line, blanks allowed between: the line goes on */
        decode->n_held = 0;
        return 0;
    }
    if (decode->n_held == 1) {
        if (c == ' ' || c == '\t' || c == '\r')
            return 0;
        if (hex_digit(c) < 0)
            return qp_literal(decode, c, out);
        decode->held[decode->n_held++] = c;
        return 0;
    }
    if (hex_digit(c) < 0)
        return qp_literal(decode, c, out);
    out[0] = (char)(hex_digit(decode->held[1]) << 4 | hex_digit(c));
    decode->n_held = 0;
    return 1;
}

size_t mime_decode_feed(struct mime_decode *decode, const char *data, size_t len, char *out)
{
    size_t n = 0;

    if (decode->encoding != MIME_ENCODING_BASE64 &&
        decode->encoding != MIME_ENCODING_QUOTED_PRINTABLE) {
        memcpy(out, data, len);
        return len;
    }
    for (size_t i = 0; i < len; i++)
        n += decode->encoding == MIME_ENCODING_BASE64 ? base64_byte(decode, data[i], out + n)
                                                      : qp_byte(decode, data[i], out + n);
    return n;
}
