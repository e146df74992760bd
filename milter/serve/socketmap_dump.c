/*
 * DUMP: what is cached, one reply `OK {JSON object}` per next-hop, then one `OK ` with nothing
 * after it. The replies are made as the client takes them, so that a hundred thousand next-hops
 * cost a list of references and not their text.
 */
#include "serve/socketmap_conn.h"

#include <errno.h>
#include <stdlib.h>

struct socketmap_dump {
    const struct findings **findings;
    size_t count;
    size_t at; /* those before are released */
};

int socketmap_dump_new(struct engine *engine, struct socketmap_dump **out)
{
    struct socketmap_dump *dump = calloc(1, sizeof(*dump));
    if (dump == NULL)
        return -ENOMEM;
    int error = engine_snapshot(engine, &dump->findings, &dump->count);
    if (error < 0) {
        free(dump);
        return error;
    }
    *out = dump;
    return 0;
}

void socketmap_dump_free(struct socketmap_dump *dump)
{
    if (dump == NULL)
        return;
    for (; dump->at < dump->count; dump->at++)
        findings_unref(dump->findings[dump->at]);
    free(dump->findings);
    free(dump);
}

static void add_nexthop(struct socketmap_conn *c, const struct findings *findings)
{
    static const struct socketmap_request request = {.command = SOCKETMAP_DUMP};
    struct rules_settings settings;
    struct nexthop nexthop;
    if (nexthop_parse(findings->nexthop.text, &nexthop) < 0)
        return;
    rules_evaluate_nexthop(c->server->config, &nexthop, &settings);
    socketmap_reply_json(c, &request, &nexthop, &settings, findings);
}

bool socketmap_dump_next(struct socketmap_conn *c, struct socketmap_dump *dump)
{
    static const struct socketmap_request request = {.command = SOCKETMAP_DUMP};
    if (dump->at == dump->count) {
        socketmap_reply(c, &request, METRICS_OK, "", 0);
        return false;
    }
    add_nexthop(c, dump->findings[dump->at]);
    findings_unref(dump->findings[dump->at++]);
    return true;
}
