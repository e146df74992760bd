/*
 * Replies of an SMTP server (RFC 5321 section 4.2). smtp_reply_parse is called with what came in,
 * again for what it left, and ends at each line: SMTP_REPLY_LINE for each but the last, then
 * SMTP_REPLY_DONE with the whole reply. Anything that is no reply is SMTP_REPLY_BAD, anything that
 * never ends SMTP_REPLY_TOO_LONG; both are final.
 *
 * The text goes to logs and to other servers, so it is made printable here, once for all.
 */
#include "policy/smtp_reply.h"

#include <string.h>

enum { CODE_LEN = 3 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The length of an enhanced status code of this class that ends at a blank or with the text
 * (RFC 3463 section 2: class "." 1*3DIGIT "." 1*3DIGIT), else 0. */
static size_t enhanced_len(const char *s, size_t len, int class)
{
    size_t at = 1;

    if (len == 0 || s[0] - '0' != class || class == 3)
        return 0;
    for (int part = 0; part < 2; part++) {
        size_t digits = 0;

        if (at == len || s[at++] != '.')
            return 0;
        while (at < len && digits < 3 && is_digit(s[at])) {
            at++;
            digits++;
        }
        if (digits == 0)
            return 0;
    }
    return at == len || s[at] == ' ' || s[at] == '\t' ? at : 0;
}

static void keep_text(struct smtp_reply_parser *p, const char *s, size_t len)
{
    char *text = p->reply.text;

    while (len > 0 && (*s == ' ' || *s == '\t')) {
        s++;
        len--;
    }
    if (p->text_len > 0 && len > 0 && p->text_len < SMTP_REPLY_TEXT_MAX)
        text[p->text_len++] = ' ';
    for (size_t i = 0; i < len && p->text_len < SMTP_REPLY_TEXT_MAX; i++) {
        char c = s[i];

        text[p->text_len++] = c == '\t' ? ' ' : (c >= 0x20 && c <= 0x7e) ? c : '?';
    }
    text[p->text_len] = '\0';
}

/* The code of the first line, which the others repeat. */
static bool keep_code(struct smtp_reply_parser *p)
{
    const char *line = p->line;
    int code;

    if (p->line_len < CODE_LEN || !is_digit(line[0]) || !is_digit(line[1]) || !is_digit(line[2]))
        return false;
    if (line[0] < '2' || line[0] > '5')
        return false;
    if (p->line_len > CODE_LEN && line[CODE_LEN] != ' ' && line[CODE_LEN] != '-')
        return false;
    code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    if (p->lines > 1)
        return code == p->reply.code;
    p->reply.code = code;
    if (line[0] != '3') {
        const char unknown[] = {line[0], '.', '0', '.', '0', '\0'};

        memcpy(p->reply.enhanced, unknown, sizeof(unknown));
    }
    return true;
}

/* A whole line. Leaves in `line` what follows the code. */
static enum smtp_reply_status end_line(struct smtp_reply_parser *p)
{
    struct smtp_reply *reply = &p->reply;
    size_t skip, given;
    bool last;

    p->line_done = true;
    p->lines++;
    if (!keep_code(p))
        return SMTP_REPLY_BAD;
    last = p->line_len == CODE_LEN || p->line[CODE_LEN] == ' ';
    skip = p->line_len == CODE_LEN ? CODE_LEN : CODE_LEN + 1;
    p->line_len -= skip;
    memmove(p->line, p->line + skip, p->line_len);
    p->line[p->line_len] = '\0';

    given = enhanced_len(p->line, p->line_len, smtp_reply_class(reply));
    if (given > 0 && p->lines == 1) {
        memcpy(reply->enhanced, p->line, given);
        reply->enhanced[given] = '\0';
        reply->enhanced_given = true;
    }
    keep_text(p, p->line + given, p->line_len - given);
    if (last)
        return SMTP_REPLY_DONE;
    return p->lines == SMTP_REPLY_LINES_MAX ? SMTP_REPLY_TOO_LONG : SMTP_REPLY_LINE;
}

/* The first octet of a line; of a reply, if the line before was the last of one. */
static void begin_line(struct smtp_reply_parser *p, bool new_reply)
{
    if (new_reply) {
        p->reply_done = false;
        p->reply = (struct smtp_reply){0};
        p->octets = p->lines = 0;
        p->text_len = 0;
    }
    p->line_len = 0;
    p->line_done = false;
}

enum smtp_reply_status smtp_reply_parse(struct smtp_reply_parser *p, const char *octets, size_t len,
                                        size_t *used)
{
    for (size_t i = 0; i < len; i++) {
        char c = octets[i];

        *used = i + 1;
        if (p->line_done)
            begin_line(p, p->reply_done);
        p->octets++;
        if (c == '\n') {
            enum smtp_reply_status status;

            while (p->line_len > 0 && p->line[p->line_len - 1] == '\r')
                p->line_len--;
            status = end_line(p);
            p->reply_done = status == SMTP_REPLY_DONE;
            return status;
        }
        if (c == '\0' || (c != '\r' && p->line_len > 0 && p->line[p->line_len - 1] == '\r'))
            return SMTP_REPLY_BAD;
        /* A CR may be one more, and is not part of the line. */
        if (p->octets > SMTP_REPLY_OCTETS_MAX ||
            p->line_len >= SMTP_REPLY_LINE_MAX + (size_t)(c == '\r'))
            return SMTP_REPLY_TOO_LONG;
        p->line[p->line_len++] = c;
    }
    *used = len;
    return SMTP_REPLY_MORE;
}

bool smtp_reply_begun(const struct smtp_reply_parser *p)
{
    return p->octets > 0 && !p->reply_done;
}

int smtp_reply_class(const struct smtp_reply *reply)
{
    return reply->code / 100;
}
