/*
 * The command `send` of smtp_client.c. One thread.
 */
#ifndef TESTS_SMTP_SMTP_SEND_H
#define TESTS_SMTP_SMTP_SEND_H

#include "policy/tls_client.h"

#include <event2/event.h>

/* Begins the job of these words, 12 of them; its line is printed when it is done. Base and client
 * are borrowed until then. Dies when it cannot begin. */
void smtp_send(struct event_base *base, struct tls_client *tls_client, char *words[]);

#endif
