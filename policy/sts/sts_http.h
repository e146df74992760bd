/*
 * How an HTTP response to a policy fetch counts (RFC 8461 sections 3.2 and 3.3). Pure.
 */
#ifndef POLICY_STS_STS_HTTP_H
#define POLICY_STS_STS_HTTP_H

#include "world/world.h"

/*
 * Judges status code and Content-Type (NULL: there was none). FETCH_OK when the body counts; else
 * failure says why, without a word of the peer's.
 */
enum fetch_status sts_http_judge(long code, const char *content_type, char *failure,
                                 size_t failure_len);

/* Copies text for logs and replies: printable ASCII, anything else '?', cut to what fits. */
void sts_http_printable(const char *text, char *out, size_t out_len);

#endif
