/*
 * Asks a running daemon how it is: the question STATUS of its socketmap, by a unix socket. What the
 * answer holds is in requiretls-query(1).
 */
#ifndef MILTER_BASE_STATUS_CLIENT_H
#define MILTER_BASE_STATUS_CLIENT_H

#include "base/json_read.h"

struct status_reply {
    char *text; /* one JSON object, terminated */
    struct json_doc *doc;
    const struct json_value *root; /* of doc */
};

/*
 * address: unix:/path. Returns 0 and the reply, for status_reply_fini; or a negative errno with a
 * message in err: nobody listens, or who does gives no such answer (-EPROTO). Blocks, but not for
 * ever.
 */
int status_client_ask(const char *address, struct status_reply *out, char *err, size_t err_size);
void status_reply_fini(struct status_reply *reply);

#endif
