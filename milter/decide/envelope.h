/*
 * The addresses of MAIL and RCPT, and where a recipient's mail goes. RFC 5321 sections 4.1.1.2,
 * 4.1.1.3, 4.1.2 and 4.1.3. Pure: no I/O.
 */
#ifndef MILTER_DECIDE_ENVELOPE_H
#define MILTER_DECIDE_ENVELOPE_H

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

/* What the MTA tries in turn: mostly one. */
enum { ENVELOPE_NEXTHOPS_MAX = 16 };
struct envelope_nexthops {
    struct nexthop items[ENVELOPE_NEXTHOPS_MAX];
    size_t count;
};

/*
 * Chooses the next-hops of a recipient: `rcpt_host` when it names a destination (the MTA's own
 * choice, after transport maps and relay hosts), else the domain of the address. Where several are
 * configured rcpt_host has them all, in the order in which the MTA tries them: between commas or
 * blanks from Postfix (`[a.example]:25, b.example`), colons or commas from sendmail
 * (`[a.example]:b.example`). Those beyond the limit are left out. MTAs put prose into rcpt_host for
 * the mailer `error`, which is ignored. The first three arguments may be NULL.
 * Returns 0, or -EINVAL with a count of 0 when neither gives a next-hop.
 */
int envelope_nexthops(const char *domain, const char *rcpt_host, const char *rcpt_mailer,
                      struct envelope_nexthops *out);

/*
 * Whether the domain lies below the routing tag (`example.org.requiretls.invalid`), in whatever
 * spelling. An empty or NULL tag matches nothing.
 */
bool envelope_is_tagged(const char *domain, const char *tag);

#endif
