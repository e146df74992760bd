/*
 * Tries whether what smtpd_proxy_filter names hands MAIL on as it came: a proxy that writes a MAIL
 * of its own loses the marker of a request. Blocks; no thread but the caller's.
 */
#ifndef MILTER_SETUP_POSTFIX_POSTFIX_PROXY_H
#define MILTER_SETUP_POSTFIX_POSTFIX_PROXY_H

#include <stddef.h>

/*
 * Hands a short message to the proxy at `where` (host:port, inet:host:port, unix:/path), with that
 * parameter of MAIL, from <> and to a recipient that nobody delivers to. Returns the code of the
 * reply that refuses it, or of that to the message's end, with the text of its lines joined by a
 * blank in `text`; or a negative errno: -EPROTO for what is no SMTP. Takes a minute at most for
 * each reply.
 */
typedef int (*setup_proxy_fn)(const char *where, const char *parameter, const char *recipient,
                              char *text, size_t size);
int setup_proxy_try(const char *where, const char *parameter, const char *recipient, char *text,
                    size_t size);

#endif
