/*
 * Scripted SMTP servers: one listener for each address family, and a thread for each connection.
 * By the address that was connected to a server knows its situation and its script. They note what
 * they are told (struct seen).
 *
 * Needs a network namespace in which 127.0.0.0/8 and fd00:25::/64 are this host's own.
 */
#ifndef TESTS_DELIVER_PROPERTY_SERVERS_H
#define TESTS_DELIVER_PROPERTY_SERVERS_H

#include "situation.h"

enum { SERVERS_PORT = 2525 };

/* The content of every message; and of whose message it is, the local part of sender and first
 * recipient: `d0`, `d1`; the null sender's are told by the recipient. */
extern const char servers_content[];

/* The situations are the caller's, by their numbers; the first is `first`. Any error ends the
 * program. */
void servers_start(struct situation *situations, unsigned first, unsigned count);

/* Waits until no connection is left. */
void servers_settle(void);

/* The address of a server: 4 or 16 octets. */
void servers_address(const struct situation *s, size_t host, unsigned family, uint8_t out[16]);

#endif
