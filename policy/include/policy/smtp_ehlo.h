/*
 * What a server offers in its reply to EHLO (RFC 5321 section 4.1.1.1), and what a message needs of
 * it. Pure.
 */
#ifndef POLICY_SMTP_EHLO_H
#define POLICY_SMTP_EHLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct smtp_extensions { /* zero-initialised: nothing is offered, as after HELO */
    bool starttls;       /* RFC 3207 */
    bool pipelining;     /* RFC 2920 */
    bool eightbitmime;   /* RFC 6152 */
    bool smtputf8;       /* RFC 6531 */
    bool size;           /* RFC 1870 */
    bool dsn;            /* RFC 3461 */
    bool enhanced_codes; /* RFC 2034 */
    bool requiretls;     /* RFC 8689 */
    bool auth;           /* RFC 4954, with any mechanism */
    bool auth_plain;     /* RFC 4616 */
    uint64_t size_limit; /* octets; 0: none that is known */
};

/*
 * A line of the reply after the first, without code and separator, is added to what is known.
 * Keywords are compared without regard to case; unknown ones, and parameters that a keyword does
 * not have, are passed over. `AUTH=` of servers older than RFC 2554 counts as `AUTH`.
 */
void smtp_extensions_add(struct smtp_extensions *extensions, const char *line, size_t len);

/*
 * Whether a server that does not offer an extension in this reply can be said not to have it.
 * Postscreen's own engine, and what greets unknown clients in the place of a server, announce
 * little to a client that they test, and no PIPELINING; practically all servers have it.
 */
bool smtp_extensions_complete(const struct smtp_extensions *extensions);

#endif
