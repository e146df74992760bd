/*
 * What a DKIM-Signature field says of other fields (RFC 6376). Nothing is verified here. Pure.
 */
#ifndef MILTER_DECIDE_DKIM_H
#define MILTER_DECIDE_DKIM_H

#include <stdbool.h>

/*
 * Whether the signature covers fields of this name, present or absent: whether its tag `h` lists
 * it, in any case (RFC 6376 sections 3.2 and 3.5). `value` is the field's, folded or not. Of
 * several tags `h`, which are an error, any counts. Reads `value` once, allocates nothing.
 */
bool dkim_covers(const char *value, const char *name);

#endif
