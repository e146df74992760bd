/*
 * The commands MAIL and RCPT with their parameters (RFC 5321 sections 4.1.1.2 and 4.1.1.3; SIZE
 * RFC 1870, BODY RFC 6152, SMTPUTF8 RFC 6531, RET, ENVID, NOTIFY and ORCPT RFC 3461, REQUIRETLS
 * RFC 8689). smtp_mail_check once for a message, smtp_mail_lack once for each server, then
 * smtp_mail_command, and smtp_rcpt_command for each recipient.
 *
 * Nothing that came with a message can end a command, or a path, before its end: smtp_mail_check
 * has refused it.
 */
#include "policy/smtp_mail.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_ascii_graphic(char c)
{
    return c > 0x20 && c < 0x7f;
}

static bool is_utf8_octet(char c)
{
    return (unsigned char)c >= 0x80;
}

/* A path's content: a blank, `<` and `>` only in a quoted string, no control characters. */
static bool address_fits(const char *address, bool smtputf8)
{
    bool quoted = false, escaped = false;
    size_t len = strlen(address);

    if (len > SMTP_ADDRESS_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = address[i];

        if (is_utf8_octet(c) ? !smtputf8 : c != ' ' && !is_ascii_graphic(c))
            return false;
        if (escaped)
            escaped = false;
        else if (c == '\\' && quoted)
            escaped = true;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == ' ' || c == '<' || c == '>'))
            return false;
    }
    return !quoted;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

/* xtext (RFC 3461 4): no blank, no `=`, and `+` only before two hexadecimal digits. */
static bool is_xtext(const char *s, bool utf8)
{
    for (; *s != '\0'; s++) {
        if (is_utf8_octet(*s) ? !utf8 : !is_ascii_graphic(*s) || *s == '=')
            return false;
        if (*s == '+' && !(is_hex(s[1]) && is_hex(s[2])))
            return false;
    }
    return true;
}

/* An address type, a semicolon and xtext; of the type utf-8 octets beyond ASCII may stand as they
 * are where SMTPUTF8 is spoken (RFC 6533 section 3). */
static bool orcpt_fits(const char *orcpt, bool smtputf8)
{
    size_t type = strcspn(orcpt, ";");
    bool utf8 = smtputf8 && type == 5 && strncasecmp(orcpt, "utf-8", 5) == 0;

    return strlen(orcpt) <= SMTP_ORCPT_MAX && type > 0 && orcpt[type] == ';' &&
           is_xtext(orcpt, utf8);
}

static bool notify_fits(unsigned notify)
{
    unsigned others = SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY;

    return notify == SMTP_NOTIFY_NEVER || (notify & ~others) == 0;
}

int smtp_mail_check(const struct smtp_mail *mail)
{
    if (mail->rcpt_count == 0 || !address_fits(mail->sender, mail->smtputf8))
        return -EINVAL;
    if (mail->envid != NULL &&
        (strlen(mail->envid) > SMTP_ENVID_MAX || !is_xtext(mail->envid, false)))
        return -EINVAL;
    for (size_t i = 0; i < mail->rcpt_count; i++) {
        const struct smtp_rcpt *rcpt = &mail->rcpts[i];

        if (rcpt->address[0] == '\0' || !address_fits(rcpt->address, mail->smtputf8))
            return -EINVAL;
        if (rcpt->orcpt != NULL && !orcpt_fits(rcpt->orcpt, mail->smtputf8))
            return -EINVAL;
        if (!notify_fits(rcpt->notify))
            return -EINVAL;
    }
    return 0;
}

enum smtp_lack smtp_mail_lack(const struct smtp_mail *mail,
                              const struct smtp_extensions *extensions)
{
    if (mail->requiretls && !extensions->requiretls)
        return SMTP_LACK_REQUIRETLS;
    if (mail->smtputf8 && !extensions->smtputf8)
        return SMTP_LACK_SMTPUTF8;
    if (mail->body == SMTP_BODY_8BITMIME && !extensions->eightbitmime)
        return SMTP_LACK_8BITMIME;
    if (extensions->size_limit != 0 && mail->size > extensions->size_limit)
        return SMTP_LACK_SIZE;
    return SMTP_LACK_NONE;
}

static void add_ret(const struct smtp_mail *mail, struct smtp_out *out)
{
    if (mail->requiretls || mail->ret == SMTP_RET_HDRS)
        smtp_out_text(out, " RET=HDRS");
    else if (mail->ret == SMTP_RET_FULL)
        smtp_out_text(out, " RET=FULL");
}

void smtp_mail_command(const struct smtp_mail *mail, const struct smtp_extensions *extensions,
                       struct smtp_out *out)
{
    smtp_out_text(out, "MAIL FROM:<");
    smtp_out_text(out, mail->sender);
    smtp_out_text(out, ">");
    if (extensions->size && mail->size > 0) {
        char size[sizeof(" SIZE=18446744073709551615")];

        snprintf(size, sizeof(size), " SIZE=%" PRIu64, mail->size);
        smtp_out_text(out, size);
    }
    if (extensions->eightbitmime && mail->body != SMTP_BODY_UNSPECIFIED)
        smtp_out_text(out, mail->body == SMTP_BODY_7BIT ? " BODY=7BIT" : " BODY=8BITMIME");
    if (mail->smtputf8)
        smtp_out_text(out, " SMTPUTF8");
    if (extensions->dsn) {
        add_ret(mail, out);
        if (mail->envid != NULL) {
            smtp_out_text(out, " ENVID=");
            smtp_out_text(out, mail->envid);
        }
    }
    if (mail->requiretls)
        smtp_out_text(out, " REQUIRETLS");
    smtp_out_text(out, "\r\n");
}

static void add_notify(unsigned notify, struct smtp_out *out)
{
    static const struct {
        unsigned bit;
        const char *word;
    } words[] = {
        {SMTP_NOTIFY_NEVER, "NEVER"},
        {SMTP_NOTIFY_SUCCESS, "SUCCESS"},
        {SMTP_NOTIFY_FAILURE, "FAILURE"},
        {SMTP_NOTIFY_DELAY, "DELAY"},
    };
    const char *before = " NOTIFY=";

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if ((notify & words[i].bit) != 0) {
            smtp_out_text(out, before);
            smtp_out_text(out, words[i].word);
            before = ",";
        }
    }
}

void smtp_rcpt_command(const struct smtp_rcpt *rcpt, const struct smtp_extensions *extensions,
                       struct smtp_out *out)
{
    smtp_out_text(out, "RCPT TO:<");
    smtp_out_text(out, rcpt->address);
    smtp_out_text(out, ">");
    if (extensions->dsn) {
        add_notify(rcpt->notify, out);
        if (rcpt->orcpt != NULL) {
            smtp_out_text(out, " ORCPT=");
            smtp_out_text(out, rcpt->orcpt);
        }
    }
    smtp_out_text(out, "\r\n");
}
