/* One question to the daemon's socketmap; the reply is kept as text and as a tree of values. */
#include "base/status_client.h"

#include "base/log.h"
#include "base/socketmap_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPLY_MAX = 131072 };

static int take_reply(const char *address, const char *reply, size_t len, struct status_reply *out,
                      char *err, size_t err_size)
{
    char shown[200], quoted[400];
    if (len <= 3 || memcmp(reply, "OK ", 3) != 0) {
        snprintf(shown, sizeof(shown), "%.*s", (int)(len < 150 ? len : 150), reply);
        snprintf(err, err_size, "%s does not tell its status: %s", address,
                 log_quote(shown, quoted, sizeof(quoted)));
        return -EPROTO;
    }
    out->text = strndup(reply + 3, len - 3);
    int error = out->text == NULL ? -ENOMEM : json_read(reply + 3, len - 3, &out->doc);
    if (error == 0) {
        out->root = json_root(out->doc);
        if (out->root->type == JSON_OBJECT)
            return 0;
    }
    snprintf(err, err_size, "%s: %s", address,
             error == -ENOMEM ? "out of memory" : "the status is no JSON object");
    status_reply_fini(out);
    return error == -ENOMEM ? error : -EPROTO;
}

int status_client_ask(const char *address, struct status_reply *out, char *err, size_t err_size)
{
    struct socketmap_client client;
    const char *reply;
    size_t len;
    *out = (struct status_reply){.text = NULL};
    socketmap_client_init(&client, REPLY_MAX);
    int error = socketmap_client_connect(&client, address);
    if (error < 0) {
        snprintf(err, err_size, "%s: %s", address,
                 error == -EINVAL ? "an address is unix:/path" : strerror(-error));
    } else if (!socketmap_client_ask(&client, "STATUS ", &reply, &len)) {
        snprintf(err, err_size, "%s: no answer", address);
        error = -EPROTO;
    } else {
        error = take_reply(address, reply, len, out, err, err_size);
    }
    socketmap_client_fini(&client);
    return error;
}

void status_reply_fini(struct status_reply *reply)
{
    free(reply->text);
    json_doc_free(reply->doc);
    *reply = (struct status_reply){.text = NULL};
}
