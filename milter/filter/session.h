/* One milter connection: the SMTP client behind it and the message in progress. No libmilter here.
 */
#ifndef MILTER_FILTER_SESSION_H
#define MILTER_FILTER_SESSION_H

#include "decide/negotiate.h"
#include "filter/message.h"

#include <sys/socket.h>

struct session {
    struct negotiate_terms terms;
    struct message_client client; /* address, name and daemon point to what follows, or are NULL */
    struct message *message;      /* NULL between messages; ours */
    struct sockaddr_storage address;
    char *name;
    char *daemon;
    bool failed; /* out of memory at connect, where no answer was possible */
};

struct session *session_new(const struct negotiate_terms *terms); /* NULL: out of memory */
void session_free(struct session *session);                       /* NULL is allowed */

/* The client has connected. `address` NULL: the MTA knows none. `daemon` and `version` are the
 * MTA's macros {daemon_name} and v, or NULL. */
void session_connect(struct session *session, const char *name, const struct sockaddr *address,
                     const char *daemon, const char *version);

/*
 * Whether an MTA whose macro v has this value (NULL: none) enforces REQUIRETLS by itself: Postfix
 * 3.11 and later, `Postfix 3.11.7` there. Another mail_name is not known for one.
 */
bool session_mta_requiretls(const char *version);

/* Drops the message in progress, if any. */
void session_end_message(struct session *session);

#endif
