/*
 * Writes the replies of the socketmap server: status and text as one netstring, added to the batch
 * of the connection at work and counted under the map that was asked. They are sent by
 * socketmap_conn.c.
 */
#include "serve/socketmap_conn.h"

#include <string.h>

static unsigned map_label(const struct socketmap_request *request)
{
    switch (request->command) {
    case SOCKETMAP_ANSWER:
    case SOCKETMAP_NO_KEY:
    case SOCKETMAP_NOTHING:
        return request->map;
    case SOCKETMAP_JSON:
        return METRICS_MAP_JSON;
    case SOCKETMAP_PURGE:
        return METRICS_MAP_PURGE;
    case SOCKETMAP_DUMP:
        return METRICS_MAP_DUMP;
    case SOCKETMAP_STATUS:
        return METRICS_MAP_STATUS;
    case SOCKETMAP_UNKNOWN:
    case SOCKETMAP_COMMANDS:
    default:
        return METRICS_MAP_UNKNOWN;
    }
}

void socketmap_reply(struct socketmap_conn *c, const struct socketmap_request *request,
                     enum metrics_reply status, const char *text, size_t len)
{
    /* sendmail wants the blank after OK and NOTFOUND even if nothing follows. */
    static const struct {
        const char *word;
        size_t len;
    } words[METRICS_REPLIES] = {{"OK ", 3}, {"NOTFOUND ", 9}, {"TEMP ", 5}, {"PERM ", 5}};
    struct octets *batch = &c->server->batch;
    size_t word_len = words[status].len;
    char *to = octets_reserve(batch, NETSTRING_HEAD_MAX + word_len + len + 1);
    metrics_socketmap(c->server->metrics, map_label(request), status);
    if (to == NULL) {
        c->failed = true; /* no memory: the client sees a closed connection and tries again */
        return;
    }
    size_t at = netstring_head(word_len + len, to);
    memcpy(to + at, words[status].word, word_len);
    memcpy(to + at + word_len, text, len);
    to[at + word_len + len] = ',';
    batch->len += at + word_len + len + 1;
}
