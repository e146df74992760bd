/*
 * AUTH PLAIN (RFC 4954, RFC 4616). Pure.
 */
#ifndef POLICY_SMTP_SMTP_AUTH_H
#define POLICY_SMTP_SMTP_AUTH_H

#include "policy/smtp_out.h"

#include <stdbool.h>

enum { SMTP_CREDENTIAL_MAX = 1000 }; /* octets of a user's name or password */

/* Whether these can be said: neither is empty or too long. */
bool smtp_auth_fits(const char *user, const char *password);

/* Appends the command, with the initial response if the line is then no longer than RFC 5321 allows
 * a command to be. Returns whether it is; else the server's 334 asks for it. */
bool smtp_auth_command(const char *user, const char *password, struct smtp_out *out);

/* Appends the response to the 334. */
void smtp_auth_response(const char *user, const char *password, struct smtp_out *out);

#endif
