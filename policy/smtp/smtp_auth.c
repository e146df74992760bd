/*
 * AUTH PLAIN (RFC 4954 section 4, RFC 4616 section 2): smtp_auth_command, and smtp_auth_response
 * when that said it was too long for one line. Copies of the password are overwritten.
 */
#include "smtp/smtp_auth.h"

#include <openssl/evp.h>
#include <string.h>

enum {
    COMMAND_MAX = 512, /* octets with CRLF, RFC 5321 4.5.3.1.4 */
    MESSAGE_MAX = 2 * SMTP_CREDENTIAL_MAX + 2,
    RESPONSE_MAX = (MESSAGE_MAX + 2) / 3 * 4,
};

static const char command[] = "AUTH PLAIN";

bool smtp_auth_fits(const char *user, const char *password)
{
    size_t user_len = strlen(user), password_len = strlen(password);

    return user_len > 0 && user_len <= SMTP_CREDENTIAL_MAX && password_len > 0 &&
           password_len <= SMTP_CREDENTIAL_MAX;
}

/* The message, an empty authorization identity, NUL, user, NUL, password, in base64. */
static void encode(const char *user, const char *password, char response[RESPONSE_MAX + 1])
{
    unsigned char message[MESSAGE_MAX];
    size_t user_len = strlen(user), password_len = strlen(password);

    message[0] = '\0';
    memcpy(message + 1, user, user_len);
    message[1 + user_len] = '\0';
    memcpy(message + 2 + user_len, password, password_len);
    EVP_EncodeBlock((unsigned char *)response, message, (int)(2 + user_len + password_len));
    explicit_bzero(message, sizeof(message));
}

bool smtp_auth_command(const char *user, const char *password, struct smtp_out *out)
{
    char response[RESPONSE_MAX + 1];
    bool whole;

    encode(user, password, response);
    whole = sizeof(command) + strlen(response) + 2 <= COMMAND_MAX;
    smtp_out_text(out, command);
    if (whole) {
        smtp_out_text(out, " ");
        smtp_out_text(out, response);
    }
    smtp_out_text(out, "\r\n");
    explicit_bzero(response, sizeof(response));
    return whole;
}

void smtp_auth_response(const char *user, const char *password, struct smtp_out *out)
{
    char response[RESPONSE_MAX + 1];

    encode(user, password, response);
    smtp_out_text(out, response);
    smtp_out_text(out, "\r\n");
    explicit_bzero(response, sizeof(response));
}
