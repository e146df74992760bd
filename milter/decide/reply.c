/*
 * Builds the text of replies from facts and from what a peer sent, which is shown but never
 * trusted: nothing but printable ASCII leaves this file, and never more than a reply line holds.
 */
#include "decide/reply.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/*
 * One row for each reason: the permanent codes (code 0: the failure is temporary), the temporary
 * status with its code, and the sentence where the reason is all there is to say.
 */
static const struct {
    int permanent;
    const char *permanent_status;
    int temporary;
    const char *temporary_status;
    const char *text;
} reasons[REPLY_REASONS] = {
    /* RFC 8689 section 4.2.1 */
    [REPLY_ENCRYPTION_NEEDED] = {550, "5.7.10", 451, "4.7.10", NULL},
    [REPLY_REQUIRETLS_NEEDED] = {550, "5.7.30", 451, "4.7.30", NULL},
    [REPLY_NULL_MX] = {556, "5.1.10", 451, "4.1.10", NULL}, /* RFC 7505 section 4 */
    /* An administrator may defer it (on_unsatisfied), as what requires TLS. */
    [REPLY_NO_DOMAIN] = {550, "5.1.2", 451, "4.7.10", NULL},
    [REPLY_RESERVED_DOMAIN] = {550, "5.1.2", 451, "4.1.2", NULL},
    [REPLY_LOOKUP_FAILED] = {0, NULL, 451, "4.4.3", NULL},
    [REPLY_BUSY] = {0, NULL, 451, "4.3.2", NULL},
    [REPLY_MTA_GONE] = {0, NULL, 451, "4.4.2", NULL},
    [REPLY_PARAMETER_VALUE] = {501, "5.5.4", 0, NULL, "REQUIRETLS takes no value"},
    [REPLY_SENDER_RESERVED] = {550, "5.1.8", 0, NULL, "Sender address rejected: " REPLY_RESERVED},
    [REPLY_STARTTLS_NEEDED] = {530, "5.7.10", 0, NULL,
                               "REQUIRETLS needs an encrypted session: use STARTTLS"},
    [REPLY_STOPPING] = {0, NULL, 451, "4.3.2", "This service is being restarted; try again later"},
    [REPLY_FILTER_FAILED] = {0, NULL, 451, "4.3.0",
                             "Temporary failure of a filter; try again later"},
    [REPLY_TOO_MANY_RECIPIENTS] = {0, NULL, 452, "4.5.3", "Too many recipients"},
    [REPLY_NO_TICKET_KEY] = {0, NULL, 451, "4.3.5",
                             "This host is not set up for this message; try again later"},
};

int reply_code(enum reply_reason reason, bool permanent, const char **status)
{
    bool definite = reasons[reason].temporary == 0 || (permanent && reasons[reason].permanent != 0);

    *status = definite ? reasons[reason].permanent_status : reasons[reason].temporary_status;
    return definite ? reasons[reason].permanent : reasons[reason].temporary;
}

void reply_set_fixed(struct reply *reply, enum reply_reason reason)
{
    const char *status;
    int code = reply_code(reason, true, &status);

    reply_set(reply, code, status, "%s", reasons[reason].text);
}

static char printable(char c)
{
    return c >= ' ' && c <= '~' ? c : '?';
}

void reply_set_reserved(struct reply *reply, const char *address, bool asked)
{
    const char *status;
    int code = reply_code(REPLY_RESERVED_DOMAIN, true, &status);
    char shown[130];

    reply_set(reply, code, status, "<%s>: Recipient address rejected: " REPLY_RESERVED "%s",
              reply_clean(address, shown, sizeof(shown)), asked ? ", " REPLY_RESERVED_ASKED : "");
}

const char *reply_clean(const char *text, char *out, size_t out_len)
{
    size_t i;

    for (i = 0; text[i] != '\0' && i < out_len - 1; i++)
        out[i] = printable(text[i]);
    out[i] = '\0';
    if (text[i] != '\0')
        memcpy(out + i - 3, "...", 3);
    return out;
}

void reply_set(struct reply *reply, int code, const char *status, const char *format, ...)
{
    char text[2 * REPLY_TEXT_MAX];
    va_list args;

    va_start(args, format);
    if (vsnprintf(text, sizeof(text), format, args) < 0)
        text[0] = '\0';
    va_end(args);
    reply->code = code;
    reply->status = status;
    reply_clean(text, reply->text, sizeof(reply->text));
}

/* Better means a smaller number. */
static int standing(const struct reply *reply)
{
    const char *detail = strchr(reply->status, '.');
    bool tls = detail != NULL && (strcmp(detail, ".7.10") == 0 || strcmp(detail, ".7.30") == 0);

    return (reply->code < 500 ? 2 : 0) + (tls ? 0 : 1);
}

void reply_unite(struct reply *lines, size_t count)
{
    const struct reply *lead = lines;
    struct reply common;

    for (size_t i = 1; i < count; i++) {
        if (standing(&lines[i]) < standing(lead))
            lead = &lines[i];
    }
    common = *lead;
    for (size_t i = 0; i < count; i++) {
        struct reply own = lines[i];

        if (own.code != common.code || strcmp(own.status, common.status) != 0)
            reply_set(&lines[i], common.code, common.status, "%s (%d %s)", own.text, own.code,
                      own.status);
    }
}

const char *reply_escape(const char *text, char *out, size_t out_len)
{
    size_t used = 0;

    for (; *text != '\0' && used + 2 < out_len; text++) {
        if (*text == '%')
            out[used++] = '%';
        out[used++] = *text;
    }
    out[used] = '\0';
    return out;
}
