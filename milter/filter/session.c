/*
 * What is known of an SMTP client. MTAs run filters also over locally submitted mail, and make up a
 * connection for it: Postfix one from 127.0.0.1 port 0, sendmail one without an address. And
 * what the MTA says of itself.
 */
#include "filter/session.h"

#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct session *session_new(const struct negotiate_terms *terms)
{
    struct session *session = calloc(1, sizeof(*session));

    if (session != NULL)
        session->terms = *terms;
    return session;
}

/* Those that are known to send every macro that they are asked for: `Postfix 3.7.11`, `8.17.1.9`.
 */
static bool sends_macros(const char *version)
{
    return version != NULL &&
           (strncmp(version, "Postfix ", 8) == 0 || isdigit((unsigned char)version[0]));
}

bool session_macros_arrived(struct session *session, enum session_stage stage, const char *j,
                            const char *version)
{
    uintptr_t mark = (uintptr_t)j;
    bool arrived = mark != 0;

    if (stage == SESSION_CONNECT)
        memset(session->marks, 0, sizeof(session->marks));
    if (stage == SESSION_MAIL) /* libmilter drops those of RCPT at MAIL */
        session->marks[SESSION_RCPT] = 0;
    if (stage != SESSION_RCPT)
        session->marked = session->terms.macros && sends_macros(version);
    for (int i = SESSION_CONNECT; i <= (int)stage; i++)
        arrived = arrived && session->marks[i] != mark;
    arrived = arrived && (stage == SESSION_CONNECT || session->marks[SESSION_CONNECT] != 0);
    session->marks[stage] = mark;
    return arrived || !session->marked;
}

void session_greeted(struct session *session)
{
    session->marks[SESSION_MAIL] = session->marks[SESSION_RCPT] = 0;
}

void session_end_message(struct session *session)
{
    message_free(session->message);
    session->message = NULL;
}

void session_free(struct session *session)
{
    if (session == NULL)
        return;
    session_end_message(session);
    free(session->name);
    free(session->daemon);
    free(session);
}

static bool is_local(const char *name, const struct sockaddr *address)
{
    if (address == NULL) /* also of a client that has gone already, "unknown" then */
        return name != NULL && strcasecmp(name, "localhost") == 0;
    if (address->sa_family == AF_UNIX)
        return true;
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, address, sizeof(in));
        return in.sin_port == 0 && in.sin_addr.s_addr == htonl(INADDR_LOOPBACK);
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, address, sizeof(in6));
        return in6.sin6_port == 0 && IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
    }
    return false;
}

/* MTAs call a client whose name they could not verify "unknown" or by its address. */
static bool is_verified(const char *name)
{
    return name != NULL && name[0] != '\0' && name[0] != '[' && strcasecmp(name, "unknown") != 0;
}

static char *copy_string(struct session *session, const char *text)
{
    char *out = strdup(text);

    if (out == NULL)
        session->failed = true;
    return out;
}

bool session_mta_requiretls(const char *version)
{
    static const char name[] = "Postfix ";
    const char *number = version != NULL ? version : "";
    unsigned long major, minor;
    char *end;

    if (strncmp(number, name, strlen(name)) != 0 || !isdigit((unsigned char)number[strlen(name)]))
        return false;
    major = strtoul(number + strlen(name), &end, 10);
    if (end[0] != '.' || !isdigit((unsigned char)end[1]))
        return false;
    minor = strtoul(end + 1, NULL, 10);
    return major > 3 || (major == 3 && minor >= 11);
}

void session_connect(struct session *session, const char *name, const struct sockaddr *address,
                     const char *daemon, const char *version)
{
    free(session->name);
    free(session->daemon);
    session->name = is_verified(name) ? copy_string(session, name) : NULL;
    session->daemon = daemon != NULL ? copy_string(session, daemon) : NULL;
    memset(&session->address, 0, sizeof(session->address));
    session->address.ss_family = AF_UNSPEC; /* a client, but nobody knows which */
    if (address != NULL && address->sa_family == AF_INET)
        memcpy(&session->address, address, sizeof(struct sockaddr_in));
    else if (address != NULL && address->sa_family == AF_INET6)
        memcpy(&session->address, address, sizeof(struct sockaddr_in6));
    session->client = (struct message_client){
        .address = is_local(name, address) ? NULL : (const struct sockaddr *)&session->address,
        .name = session->name,
        .daemon = session->daemon,
        .sends_body = session->terms.body,
        .mta_requiretls = session_mta_requiretls(version),
    };
}
