/*
 * Writes the JSON object of a session (tlsrpt_write) octet by octet as libtlsrpt does: collectors
 * count together what has the same text. Members are in its order, with its one blank behind the
 * name of a string alone, and strings have its escapes. Where libtlsrpt copies octets that are no
 * UTF-8, which can end a collector, there is a `?` for each of them.
 */
#include "deliver/tlsrpt.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct out {
    char *at;
    size_t left;
    bool full;
};

static void put(struct out *out, const char *octets, size_t len)
{
    out->full |= len > out->left;
    if (out->full)
        return;
    memcpy(out->at, octets, len);
    out->at += len;
    out->left -= len;
}

static void put_text(struct out *out, const char *text)
{
    put(out, text, strlen(text));
}

static void put_number(struct out *out, const char *before, unsigned number)
{
    char text[64];

    snprintf(text, sizeof(text), "%s%u", before, number);
    put_text(out, text);
}

static bool is_continuation(unsigned char octet)
{
    return (octet & 0xc0) == 0x80;
}

/* The length of the UTF-8 sequence that begins here (RFC 3629 section 4), or 0. The text ends with
 * a zero, which continues nothing. */
static size_t utf8_sequence(const char *text)
{
    const unsigned char *u = (const unsigned char *)text;

    if (u[0] < 0x80)
        return 1;
    if (u[0] >= 0xc2 && u[0] <= 0xdf)
        return is_continuation(u[1]) ? 2 : 0;
    if (u[0] >= 0xe0 && u[0] <= 0xef) {
        bool overlong = u[0] == 0xe0 && u[1] < 0xa0, surrogate = u[0] == 0xed && u[1] > 0x9f;

        return is_continuation(u[1]) && is_continuation(u[2]) && !overlong && !surrogate ? 3 : 0;
    }
    if (u[0] >= 0xf0 && u[0] <= 0xf4) {
        bool overlong = u[0] == 0xf0 && u[1] < 0x90, beyond = u[0] == 0xf4 && u[1] > 0x8f;
        bool whole = is_continuation(u[1]) && is_continuation(u[2]) && is_continuation(u[3]);

        return whole && !overlong && !beyond ? 4 : 0;
    }
    return 0;
}

/* Those of one octet. */
static void put_escaped(struct out *out, char octet)
{
    static const struct {
        char octet;
        const char *text;
    } escapes[] = {{'\b', "\\b"}, {'\t', "\\t"}, {'\n', "\\n"}, {'\f', "\\f"},
                   {'\r', "\\r"}, {'"', "\\\""}, {'\\', "\\\\"}};
    char text[8];

    for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
        if (escapes[i].octet == octet) {
            put_text(out, escapes[i].text);
            return;
        }
    }
    if (octet >= ' ' && octet != 0x7f) {
        put(out, &octet, 1);
    } else {
        snprintf(text, sizeof(text), "\\u%04x", (unsigned)octet);
        put_text(out, text);
    }
}

static void put_string(struct out *out, const char *text)
{
    put_text(out, "\"");
    while (*text != '\0') {
        size_t len = utf8_sequence(text);

        if (len == 0)
            put_text(out, "?");
        else if (len == 1)
            put_escaped(out, *text);
        else
            put(out, text, len);
        text += len > 0 ? len : 1;
    }
    put_text(out, "\"");
}

/* A member that is a string, `before` in front of its name; NULL and "" are left out. */
static void put_member(struct out *out, const char *before, const char *name, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    put_text(out, before);
    put_text(out, "\"");
    put_text(out, name);
    put_text(out, "\": ");
    put_string(out, value);
}

/* An array that is empty is left out. */
static void put_strings(struct out *out, const char *name, const char *const *strings)
{
    if (strings == NULL || strings[0] == NULL)
        return;
    put_text(out, ",\"");
    put_text(out, name);
    put_text(out, "\":[");
    for (size_t i = 0; strings[i] != NULL && i < TLSRPT_STRINGS_MAX; i++) {
        if (i > 0)
            put_text(out, ",");
        put_string(out, strings[i]);
    }
    put_text(out, "]");
}

static void put_failure(struct out *out, const struct tlsrpt_session *session)
{
    put_number(out, ",\"failure-details\":[{\"c\":", (unsigned)session->code);
    put_member(out, ",", "s", session->source_address);
    put_member(out, ",", "n", session->mx_name);
    put_member(out, ",", "h", session->helo_name);
    put_member(out, ",", "r", session->address);
    put_member(out, ",", "a", session->info);
    put_member(out, ",", "f", session->reason);
    put_text(out, "}]");
}

size_t tlsrpt_write(const struct tlsrpt_session *session, char *buf, size_t size)
{
    struct out out = {buf, size, false};
    bool has_failure = session->code != TLSRPT_NONE;

    put_member(&out, "{", "dpv", "1"); /* version of the format */
    put_member(&out, ",", "d", session->domain);
    put_member(&out, ",", "pr", session->record);
    put_number(&out, ",\"policies\":[{\"policy-type\":", (unsigned)session->policy);
    put_member(&out, ",", "policy-domain", session->policy_domain);
    put_strings(&out, "policy-string", session->policy_strings);
    put_strings(&out, "mx-host", session->mx_hosts);
    if (has_failure)
        put_failure(&out, session);
    put_number(&out, ",\"t\":", has_failure ? 1 : 0);
    put_number(&out, ",\"f\":", session->failed ? 1 : 0);
    put_text(&out, "}]}");
    return out.full ? 0 : size - out.left;
}
