/*
 * The file of [deliver] credentials: which user name and password a next-hop asks for (AUTH PLAIN,
 * RFC 4616). A line each, `[host]:port user:password` or `domain user:password`; lines that begin
 * with `#` are comments.
 *
 * Belongs to one thread. What it held is overwritten when it is freed.
 */
#ifndef MILTER_CONFIG_CREDENTIALS_H
#define MILTER_CONFIG_CREDENTIALS_H

#include "policy/nexthop.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    CREDENTIALS_WORD_MAX = 1000
}; /* octets of a user name or password, as the SMTP client takes it */

struct credentials;

/*
 * Reads the file. Returns 0 and one reference; -EINVAL (a line that is none, or the file is not
 * safe: it belongs to neither this user nor root, others can read it, its group can write to it, or
 * read it and is neither root's nor this process'), another negative errno, or -ENOMEM, with a
 * message that names file and line in err, never what a line holds.
 */
int credentials_read(const char *path, struct credentials **out, char *err, size_t err_size);

struct credentials *credentials_ref(struct credentials *credentials);
void credentials_unref(struct credentials *credentials); /* NULL is allowed */

/*
 * Those of a next-hop, which must be the line's own: with `[host]:587` for one, neither `[host]`
 * nor `host` is. False: it has none; also of NULL. The strings belong to the credentials.
 */
bool credentials_find(const struct credentials *credentials, const struct nexthop *nexthop,
                      const char **user, const char **password);

#endif
