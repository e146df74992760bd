/*
 * What TLSRPT tells of one connection (RFC 8460 section 4): the policy that applied to the host,
 * and success or the failure that decided, sorted as Postfix sorts it. Pure.
 */
#ifndef MILTER_DELIVER_TLSRPT_SESSION_H
#define MILTER_DELIVER_TLSRPT_SESSION_H

#include "decide/decide.h"
#include "deliver/tlsrpt.h"
#include "policy/arena.h"
#include "policy/findings.h"
#include "policy/host_class.h"
#include "policy/requirement.h"
#include "policy/smtp_transport.h"

/*
 * Zero-initialised, the fields from `connection` on are those of a host that nothing was connected
 * to. All is borrowed.
 */
struct tlsrpt_facts {
    enum decide_request request; /* of the message that the connection was made for */
    const struct findings *findings;
    const struct host_classes *classes;
    const struct requirement *requirement;
    const struct tls_demand *demand; /* on this host; NOT_USED: the delivery passed it over */
    size_t host;                     /* of findings->hosts */

    enum smtp_tls tls; /* what the session was told; NEVER: nothing is told of it */
    enum smtp_connection connection;
    enum smtp_state state;
    enum smtp_outcome outcome;
    const struct tls_peer *peer;     /* NULL: there was no handshake */
    const struct tls_proof *web_pki; /* with tlsrpt_wants_web_pki; NULL: it was not looked at */
    const char *source_address;      /* as text, without brackets; NULL or "": not known */
    const char *address;             /* likewise, of the server */
    const char *helo_name;           /* the server's own name; NULL or "": not known */
};

enum tlsrpt_status {
    TLSRPT_TOLD,      /* the session is to be sent */
    TLSRPT_NOT_TOLD,  /* nothing is told of such a connection */
    TLSRPT_NO_MEMORY, /* of the arena */
};

/*
 * Fills in everything but the record; the strings are those of the facts or in the arena. Not told
 * are connections that were not made or were lost before TLS was an issue, address literals, mail
 * whose TLS-Required: No is honoured, and what is this host's own fault.
 */
enum tlsrpt_status tlsrpt_session_of(const struct tlsrpt_facts *facts, struct arena *arena,
                                     struct tlsrpt_session *out);

/* An MTA-STS policy in mode testing demands nothing, but what would have come of it is told
 * (RFC 8461 section 5): whether the certificate is to be verified by the Web PKI and the host's
 * name, for facts->web_pki. */
bool tlsrpt_wants_web_pki(const struct tlsrpt_facts *facts);

#endif
