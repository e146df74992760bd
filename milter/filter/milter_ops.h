/* libmilter's functions, as the files of the filter call them. In a callback, with its context. */
#ifndef MILTER_FILTER_MILTER_OPS_H
#define MILTER_FILTER_MILTER_OPS_H

#include "decide/negotiate.h"
#include "filter/message.h"

#include <libmilter/mfapi.h>

/* libmilter's prototypes lack const. */
char *milter_ops_mutable(const char *text);

/* The value of a macro, libmilter's until the callback returns; NULL: it has none, or an empty one.
 */
const char *milter_ops_macro(SMFICTX *ctx, const char *name);

/* At end-of-message: what the MTA can be asked to change. The session must be ctx's private data.
 */
void milter_ops_init(SMFICTX *ctx, const struct negotiate_terms *terms, struct message_ops *out);

#endif
