/* One milter connection: the SMTP client behind it and the message in progress. No libmilter here.
 */
#ifndef MILTER_FILTER_SESSION_H
#define MILTER_FILTER_SESSION_H

#include "decide/negotiate.h"
#include "filter/message.h"

#include <stdint.h>
#include <sys/socket.h>

/* The commands whose macros decide something. */
enum session_stage { SESSION_CONNECT, SESSION_MAIL, SESSION_RCPT, SESSION_STAGES };

struct session {
    struct negotiate_terms terms;
    struct message_client client; /* address, name and daemon point to what follows, or are NULL */
    struct message *message;      /* NULL between messages; ours */
    struct sockaddr_storage address;
    char *name;
    char *daemon;
    bool failed; /* out of memory at connect, where no answer was possible */
    /* Where libmilter keeps the macro j of each stage, or 0; only compared. */
    uintptr_t marks[SESSION_STAGES];
    bool marked; /* the MTA is one that sends j with each of them */
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

/*
 * Whether the macros of this command have arrived. libmilter that lacks memory for them drops them
 * without an error and goes on with those of an earlier command: without TLS and login, or with
 * the next-hop of another recipient. Postfix and sendmail send j with each command that it was
 * asked for, and libmilter keeps the macros of each command in memory of its own: where j is found
 * in that of an earlier one, this one's are lost. `j` and `version` are the macros' values as
 * libmilter returns them, or NULL. Of any other MTA this is not known, and nothing is lost.
 */
bool session_macros_arrived(struct session *session, enum session_stage stage, const char *j,
                            const char *version);

/* HELO has come: libmilter drops the macros of MAIL and RCPT. */
void session_greeted(struct session *session);

/* Drops the message in progress, if any. */
void session_end_message(struct session *session);

#endif
