/*
 * The addresses of MAIL and RCPT, and where a recipient's mail goes. RFC 5321 sections 4.1.1.2,
 * 4.1.1.3, 4.1.2 and 4.1.3. Pure: no I/O.
 */
#ifndef ENVELOPE_H
#define ENVELOPE_H

#include "policy/nexthop.h"

#include <stdbool.h>
#include <stddef.h>

/* Three times what RFC 5321 section 4.5.3.1 allows; MTAs refuse longer ones long before. */
enum { ENVELOPE_ADDRESS_MAX = 960 };

/* An address without brackets and source route. */
struct envelope_address {
    bool null_path;     /* <>, or the empty string that some MTAs give for it */
    const char *domain; /* in text, after the @; NULL if the address has none, as <postmaster> */
    char text[ENVELOPE_ADDRESS_MAX + 1];
};

/*
 * Parses the first argument of MAIL or RCPT: with or without brackets, with a source route (which
 * is ignored, RFC 5321 appendix C), quoted local part, address literal, UTF-8.
 * Returns 0, or -EINVAL for an unbalanced or over-long path. Bytes are not checked: what is shown
 * to anyone must be escaped.
 */
int envelope_parse(const char *arg, struct envelope_address *out);

/*
 * Chooses the next-hop of a recipient: `rcpt_host` when it names a destination (the MTA's own
 * choice, after transport maps and relay hosts), else the domain of the address. MTAs put prose
 * into rcpt_host for the mailer `error`, and a list of destinations where several are configured:
 * then the first one counts. All arguments may be NULL.
 * Returns 0, or -EINVAL when neither gives a next-hop.
 */
int envelope_nexthop(const char *domain, const char *rcpt_host, const char *rcpt_mailer,
                     struct nexthop *out);

/*
 * Whether the domain lies below the routing tag (`example.org.requiretls.invalid`), in whatever
 * spelling. An empty or NULL tag matches nothing.
 */
bool envelope_is_tagged(const char *domain, const char *tag);

/* Takes the tag off the address, if it ends with it and something is left of the domain. */
void envelope_untag(struct envelope_address *address, const char *tag);

#endif
