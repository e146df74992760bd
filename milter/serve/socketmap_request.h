/*
 * One socketmap request, `<map> <key>`, parsed. Pure.
 */
#ifndef MILTER_SERVE_SOCKETMAP_REQUEST_H
#define MILTER_SERVE_SOCKETMAP_REQUEST_H

#include "answer/answer.h"

/*
 * The longest request taken. Postfix sends a next-hop, sendmail's access map `TLS_Rcpt:` and an
 * address; anything longer is not for us and would only cost memory.
 */
enum { SOCKETMAP_REQUEST_MAX = 2048 };

enum socketmap_command {
    SOCKETMAP_ANSWER,  /* a map of answer.h, about the next-hop */
    SOCKETMAP_JSON,    /* the next-hop as JSON */
    SOCKETMAP_PURGE,   /* forget the next-hop */
    SOCKETMAP_DUMP,    /* everything that is cached */
    SOCKETMAP_STATUS,  /* how the daemon is */
    SOCKETMAP_NO_KEY,  /* a map, but a key that is no next-hop: answer_no_nexthop */
    SOCKETMAP_NOTHING, /* a key that has no answer by design: NOTFOUND */
    SOCKETMAP_UNKNOWN, /* no map of ours */
    SOCKETMAP_COMMANDS
};

struct socketmap_request {
    enum socketmap_command command;
    enum answer_map map;    /* with SOCKETMAP_ANSWER, SOCKETMAP_NO_KEY, SOCKETMAP_NOTHING */
    struct nexthop nexthop; /* with SOCKETMAP_ANSWER, SOCKETMAP_JSON, SOCKETMAP_PURGE */
};

/* Parses the octets of a request. */
void socketmap_request_parse(const char *data, size_t len, struct socketmap_request *out);

#endif
