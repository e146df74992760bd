/*
 * Reads the header of returned messages and the delivery status of a bounce for signs of REQUIRETLS
 * and TLS-Required: No (RFC 8689 sections 3, 4.1 and 5). One field at a time is unfolded into a
 * small buffer and judged when it is complete. Where doubt arises (a field too long to be read
 * whole) the answer is REQUIRETLS, which costs a bounce its content and leaks nothing. Finding the
 * parts is left to dsn_walk_part.c.
 */
#include "dsn/dsn_evidence.h"

#include "base/text.h"

#include <string.h>
#include <strings.h>

enum {
    QUEUE_ID_MAX = 63,
    DECODE_PIECE = 256,
};

void dsn_evidence_init(struct dsn_evidence *evidence, dsn_known_id_fn *known_id, void *arg)
{
    memset(evidence, 0, sizeof(*evidence));
    evidence->known_id = known_id;
    evidence->known_id_arg = arg;
}

static void trim(const char **text, size_t *len)
{
    while (*len > 0 && text_is_wsp((*text)[0])) {
        (*text)++;
        (*len)--;
    }
    while (*len > 0 && text_is_wsp((*text)[*len - 1]))
        (*len)--;
}

static bool text_is(const char *text, size_t len, const char *wanted)
{
    return len == strlen(wanted) && strncasecmp(text, wanted, len) == 0;
}

static bool is_known_id(const struct dsn_evidence *evidence, const char *value, size_t len)
{
    char id[QUEUE_ID_MAX + 1];

    trim(&value, &len);
    if (evidence->known_id == NULL || evidence->field_cut || len == 0 || len > QUEUE_ID_MAX ||
        memchr(value, '\0', len) != NULL)
        return false;
    memcpy(id, value, len);
    id[len] = '\0';
    return evidence->known_id(evidence->known_id_arg, id);
}

static void judge_original_field(struct dsn_evidence *evidence, const char *name, size_t name_len,
                                 const char *value, size_t value_len)
{
    if (text_is(name, name_len, "Require-TLS-ESMTP")) {
        if (evidence->field_cut || mime_header_value_is(value, value_len, "yes"))
            evidence->require = true;
    } else if (text_is(name, name_len, "TLS-Required")) {
        trim(&value, &value_len);
        evidence->tls_required++;
        if (!evidence->field_cut && text_is(value, value_len, "No"))
            evidence->tls_required_no++;
    }
}

static void judge_field(struct dsn_evidence *evidence)
{
    const char *colon = memchr(evidence->field, ':', evidence->field_len);
    const char *name = evidence->field;
    const char *value;
    size_t name_len, value_len;

    if (colon == NULL)
        return;
    name_len = (size_t)(colon - name);
    value = colon + 1;
    value_len = evidence->field_len - name_len - 1;
    while (name_len > 0 && text_is_wsp(name[name_len - 1]))
        name_len--;
    if (text_is(name, name_len, "X-Postfix-Queue-ID")) {
        if (is_known_id(evidence, value, value_len))
            evidence->require = true;
    } else if (evidence->kind != DSN_EVIDENCE_STATUS) {
        judge_original_field(evidence, name, name_len, value, value_len);
    }
}

/* The From line of a mailbox, which some put before a returned message. */
static bool is_mbox_from(const struct dsn_evidence *evidence)
{
    return evidence->field_len >= 5 && memcmp(evidence->field, "From ", 5) == 0;
}

static void original_done(struct dsn_evidence *evidence)
{
    evidence->originals++;
    if (evidence->tls_required == 1 && evidence->tls_required_no == 1)
        evidence->optionals++;
    evidence->kind = DSN_EVIDENCE_NONE;
}

static void finish_field(struct dsn_evidence *evidence)
{
    bool is_field = mime_header_starts_field(evidence->field, evidence->field_len);

    if (evidence->field_len == 0)
        return;
    if (is_field)
        judge_field(evidence);
    else if (evidence->kind == DSN_EVIDENCE_ORIGINAL && !is_mbox_from(evidence))
        original_done(evidence);
    evidence->field_len = 0;
    evidence->field_cut = false;
}

static void end_line(struct dsn_evidence *evidence)
{
    if (evidence->line_empty) {
        finish_field(evidence);
        if (evidence->kind == DSN_EVIDENCE_ORIGINAL)
            original_done(evidence);
    }
    evidence->line_empty = true;
}

static void take_byte(struct dsn_evidence *evidence, char c)
{
    if (c == '\n') {
        end_line(evidence);
        return;
    }
    if (c == '\r')
        return; /* part of a line end, or nothing that any of the fields may have */
    if (evidence->line_empty && !text_is_wsp(c))
        finish_field(evidence);
    evidence->line_empty = false;
    if (evidence->field_len < DSN_EVIDENCE_FIELD_MAX)
        evidence->field[evidence->field_len++] = c;
    else
        evidence->field_cut = true;
}

static void take_bytes(struct dsn_evidence *evidence, const char *data, size_t len)
{
    for (size_t i = 0; i < len && evidence->kind != DSN_EVIDENCE_NONE; i++)
        take_byte(evidence, data[i]);
}

void dsn_evidence_begin(struct dsn_evidence *evidence, enum dsn_evidence_kind kind,
                        enum mime_encoding encoding)
{
    dsn_evidence_end(evidence);
    evidence->kind = kind;
    evidence->tls_required = 0;
    evidence->tls_required_no = 0;
    evidence->line_empty = true;
    evidence->field_cut = false;
    evidence->field_len = 0;
    mime_decode_init(&evidence->decode, encoding);
}

void dsn_evidence_feed(struct dsn_evidence *evidence, const char *data, size_t len)
{
    char plain[DECODE_PIECE + MIME_DECODE_EXTRA];

    if (evidence->decode.encoding == MIME_ENCODING_IDENTITY) {
        take_bytes(evidence, data, len);
        return;
    }
    while (len > 0 && evidence->kind != DSN_EVIDENCE_NONE) {
        size_t piece = len < DECODE_PIECE ? len : DECODE_PIECE;

        take_bytes(evidence, plain, mime_decode_feed(&evidence->decode, data, piece, plain));
        data += piece;
        len -= piece;
    }
}

void dsn_evidence_end(struct dsn_evidence *evidence)
{
    if (evidence->kind == DSN_EVIDENCE_NONE)
        return;
    finish_field(evidence);
    if (evidence->kind == DSN_EVIDENCE_ORIGINAL)
        original_done(evidence);
    evidence->kind = DSN_EVIDENCE_NONE;
}

bool dsn_evidence_optional(const struct dsn_evidence *evidence)
{
    return !evidence->require && evidence->originals > 0 &&
           evidence->optionals == evidence->originals;
}
