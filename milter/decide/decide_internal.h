/* What decide.c and decide_words.c share; nobody else includes this. Pure. */
#ifndef MILTER_DECIDE_DECIDE_INTERNAL_H
#define MILTER_DECIDE_DECIDE_INTERNAL_H

#include "decide/decide.h"

/*
 * Sets `expect` of a decision that has none: the TLS level that the MTA will use where the findings
 * are as the verdict says, as it names it in the delivery status; then what becomes of REQUIRETLS.
 */
void decide_expect(const struct decide_input *in, const struct verdict *verdict,
                   struct decision *out);

/* A clause for what verdict_explain has no findings to speak of. */
void decide_explain_without(const struct decide_input *in, const struct verdict *verdict, char *out,
                            size_t out_len);

/* A verdict may be settled before all has been looked up: the summary is not there yet then, and
 * what the verdict rests on says it instead. */
const char *decide_summary(const struct verdict *verdict);

#endif
