/*
 * The sentences of outcome.h. For outcome.c and outcome_plan.c alone. Pure.
 */
#ifndef MILTER_DELIVER_OUTCOME_TEXT_H
#define MILTER_DELIVER_OUTCOME_TEXT_H

#include "deliver/outcome.h"

struct outcome_code {
    int code;
    const char *enhanced;
};

/* Sets all of it: printable ASCII, cut to what a reply line holds. */
void outcome_text_set(struct outcome *out, struct outcome_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* How a sentence begins for what the message demands; "" where it demands nothing. */
const char *outcome_text_lead(const struct treatment_demands *demands);

/* `certificate expired or not yet valid (certificate has expired)`: OpenSSL's words beside ours. */
void outcome_text_of_proof(const struct tls_proof *proof, char *out, size_t size);

/* The code is disregarded of OUTCOME_REFUSED: 451 and the server's, as a temporary one. */
void outcome_text_of_attempt(const struct outcome_attempt *attempt, struct outcome_code code,
                             const struct treatment_demands *demands, struct outcome *out);

#endif
