/*
 * The spelling of `secure` answers: names, patterns and TLSRPT attributes in the syntax of
 * Postfix's smtp_tls_policy_maps. Pure. Internal to answer.c.
 *
 * What is written was published by a peer: a name or line that could change the structure of the
 * answer, or that Postfix would take for a keyword, is left out.
 */
#ifndef MILTER_ANSWER_ANSWER_SYNTAX_H
#define MILTER_ANSWER_ANSWER_SYNTAX_H

#include "base/text.h"
#include "policy/findings.h"

/* `secure match=... servername=hostname` with the names of the hosts whose bits are set. Returns
 * false, with nothing written, when none of them can be written. */
bool answer_syntax_match_hosts(struct text *out, const struct findings *findings, uint32_t hosts);

/* The same with the STS policy's patterns; with the matching hosts' names when there are too many
 * patterns for one answer. */
bool answer_syntax_match_patterns(struct text *out, const struct findings *findings);

/* Appends the TLSRPT attributes of the STS policy in force, or nothing when they do not fit.
 * `failure` is a policy_failure, or NULL: it makes Postfix 3.10 and later fail the delivery. */
void answer_syntax_tlsrpt(struct text *out, const struct findings *findings, const char *failure);

/* Appends at most max octets of value, everything but printable ASCII as `?`. */
void answer_syntax_printable(struct text *out, const char *value, size_t max);

#endif
