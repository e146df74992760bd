/*
 * What is demanded of each server at one level, and what each of them does with it. For model.c.
 */
#ifndef TESTS_DELIVER_PROPERTY_MODEL_SERVER_H
#define TESTS_DELIVER_PROPERTY_MODEL_SERVER_H

#include "situation.h"

enum demand { NOT_USED, MAY, ENCRYPT, DANE, STS, WEB_PKI };

/* What one level comes to. */
struct phase {
    const struct situation *s;
    const struct asked *asked;
    bool enforce, starttls, optional; /* else as any mail */
    bool demands_offer, says_offer;
    enum demand of[HOSTS_MAX];
};

/* The level of a message, or the one that it falls back to. */
void phase_begin(const struct situation *s, const struct asked *asked, enum level level,
                 struct phase *out);

bool model_tlsa_binds(const struct situation *s);
bool model_is_in_force(const struct situation *s);

enum end {
    /* Left, in the order of how far that is. */
    UNREACHED,
    TIMED_OUT,
    BROKE_OFF,
    REFUSED,
    NO_STARTTLS,
    STARTTLS_4XX,
    STARTTLS_5XX,
    NO_HANDSHAKE,
    NOT_VERIFIED,
    NO_REQUIRETLS,
    LACKS,
    /* The message was said. */
    ANSWERED_FOR_NOW, /* 4yz before the content: another host may answer otherwise */
    ANSWERED,
};

struct tried {
    enum end end;
    bool definite;
    int code;             /* ANSWERED; REFUSED: of the server */
    const char *enhanced; /* LACKS: what is lacking, without the class; ANSWERED: all of it */
    bool said, said_in_tls, said_in_clear, said_requiretls, said_ret_hdrs;
    bool said_both, said_both_ret; /* with and without */
};

/* What becomes of the message at an address that exists, of a host that is used. */
struct tried try_address(const struct phase *p, size_t host, unsigned family);

#endif
