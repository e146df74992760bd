/*
 * Reads what a message asks for: RFC 8689 sections 2 (REQUIRETLS), 3 (TLS-Required), RFC 3461
 * sections 4.3 and 4.4 (RET, ENVID), and the header field Require-TLS-ESMTP by which an MTA hands
 * REQUIRETLS on through software that knows only headers.
 */
#include "decide/request.h"

#include "base/text.h"
#include "decide/dkim.h"

#include <string.h>
#include <strings.h>

const char request_tls_required[] = "TLS-Required";
const char request_signature[] = "DKIM-Signature";
const char request_require_esmtp[] = "Require-TLS-ESMTP";

/* RFC 3461 section 4.4 allows 100 characters; some clients use more. Repeated in a modification
 * request, so it must stay far below the limit of a milter command. */
enum { ENVID_MAX = 256, MAIL_PARAM_MAX = 500, BY_MAX = 32, RCPT_PARAM_MAX = 500 };

/* The value of parameter `name` in "name=value", "" for a bare name, NULL for another parameter. */
static const char *value_of(const char *param, const char *name)
{
    size_t len = strlen(name);

    if (strncasecmp(param, name, len) != 0)
        return NULL;
    if (param[len] == '=')
        return param + len + 1;
    return param[len] == '\0' ? param + len : NULL;
}

/* xtext without blanks and controls: what may be written into a parameter list. */
static bool is_repeatable(const char *value, size_t max)
{
    size_t len = strlen(value);

    if (len == 0 || len > max)
        return false;
    for (const char *p = value; *p != '\0'; p++) {
        if (*p < '!' || *p > '~')
            return false;
    }
    return true;
}

void request_read_mail(const char *const *params, const char *marker, struct request_mail *out)
{
    *out = (struct request_mail){0};
    for (; *params != NULL; params++) {
        const char *value;

        if (marker != NULL && marker[0] != '\0' && strcasecmp(*params, marker) == 0) {
            out->marker = true;
        } else if ((value = value_of(*params, "REQUIRETLS")) != NULL) {
            if ((*params)[strlen("REQUIRETLS")] == '=')
                out->with_value = true;
            else
                out->parameter = true;
        } else if ((value = value_of(*params, "RET")) != NULL) {
            if (strcasecmp(value, "HDRS") == 0)
                out->ret = REQUEST_RET_HDRS;
            else if (strcasecmp(value, "FULL") == 0)
                out->ret = REQUEST_RET_FULL;
        } else if ((value = value_of(*params, "ENVID")) != NULL) {
            out->envid = is_repeatable(value, ENVID_MAX) ? value : NULL;
        } else if ((value = value_of(*params, "AUTH")) != NULL) {
            out->auth = is_repeatable(value, MAIL_PARAM_MAX) ? value : NULL;
        } else if ((value = value_of(*params, "BY")) != NULL) {
            out->by = is_repeatable(value, BY_MAX) ? value : NULL;
        } else if ((value = value_of(*params, "BODY")) != NULL) {
            out->eight_bit = strcasecmp(value, "8BITMIME") == 0;
        } else if (strcasecmp(*params, "SMTPUTF8") == 0) {
            out->smtputf8 = true;
        }
    }
}

void request_read_rcpt(const char *const *params, struct request_rcpt *out)
{
    *out = (struct request_rcpt){0};
    for (; *params != NULL; params++) {
        const char *value;

        if ((value = value_of(*params, "NOTIFY")) != NULL)
            out->notify = is_repeatable(value, RCPT_PARAM_MAX) ? value : NULL;
        else if ((value = value_of(*params, "ORCPT")) != NULL)
            out->orcpt = is_repeatable(value, RCPT_PARAM_MAX) ? value : NULL;
    }
}

bool request_is_field(const char *name, const char *wanted)
{
    size_t len = strlen(wanted);

    if (strncasecmp(name, wanted, len) != 0)
        return false;
    for (name += len; text_is_fws(*name); name++)
        ;
    return *name == '\0';
}

/* Whether a field's value, folding white space around it dropped, is `word` in any case. */
static bool is_word(const char *value, const char *word)
{
    while (text_is_fws(*value))
        value++;
    return request_is_field(value, word);
}

bool request_read_header(struct request_header *header, const char *name, const char *value)
{
    if (request_is_field(name, request_tls_required)) {
        header->tls_required++;
        if (is_word(value, "No"))
            header->tls_required_no++;
        return true;
    }
    if (request_is_field(name, request_require_esmtp)) {
        header->require_fields++;
        if (is_word(value, "yes") && header->require_esmtp == 0)
            header->require_esmtp = header->require_fields;
        header->require_exact |= strcmp(value + (*value == ' '), "yes") == 0;
        return true;
    }
    if (request_is_field(name, request_signature)) {
        header->signed_tls_required |= dkim_covers(value, request_tls_required);
        header->signed_require |= dkim_covers(value, request_require_esmtp);
    }
    return false;
}

bool request_waiver_goes(const struct request_header *header, bool null_sender)
{
    return !header->signed_tls_required && !null_sender;
}

bool request_header_optional(const struct request_header *header)
{
    return header->tls_required == 1 && header->tls_required_no == 1;
}
