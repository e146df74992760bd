/*
 * From a socketmap request to its reply: what the configuration says, else cached findings, else a
 * question to the engine. Who may ask what is decided here.
 */
#include "serve/socketmap_conn.h"

#include "answer/answer_terms.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "serve/status.h"

#include <errno.h>
#include <string.h>

static void reply_text(struct socketmap_conn *c, const struct socketmap_request *request,
                       enum metrics_reply status, const char *text)
{
    socketmap_reply(c, request, status, text, strlen(text));
}

static void reply_kind(struct socketmap_conn *c, const struct socketmap_request *request,
                       enum answer_kind kind)
{
    const char *text = c->server->answer;
    switch (kind) {
    case ANSWER_OK:
        reply_text(c, request, METRICS_OK, text);
        return;
    case ANSWER_NOTFOUND:
        reply_text(c, request, METRICS_NOTFOUND, "");
        return;
    case ANSWER_TEMP:
        reply_text(c, request, METRICS_TEMP, text);
        return;
    case ANSWER_PENDING: /* the configuration changed while the lookup was in flight */
    default:
        reply_text(c, request, METRICS_TEMP, "the lookup is not finished, try again");
        return;
    }
}

static void reply_answer(struct socketmap_conn *c, const struct socketmap_request *request,
                         const struct answer_terms *terms, const struct findings *findings)
{
    struct socketmap *server = c->server;
    reply_kind(
        c, request,
        answer_derive(findings, terms, request->map, server->answer, sizeof(server->answer)));
}

static void reply_json(struct socketmap_conn *c, const struct socketmap_request *request,
                       const struct rules_settings *settings, const struct findings *findings)
{
    if (!socketmap_reply_json(c, request, &request->nexthop, settings, findings))
        reply_text(c, request, METRICS_TEMP, "the findings cannot be written");
}

void socketmap_handle_findings(struct socketmap_conn *c, const struct socketmap_request *request,
                               const struct findings *findings)
{
    struct rules_settings settings;
    struct answer_terms terms;
    if (request->command == SOCKETMAP_JSON) {
        rules_evaluate_nexthop(c->server->config, &request->nexthop, &settings);
        reply_json(c, request, &settings, findings);
    } else {
        answer_terms_for(c->server->config, &request->nexthop, request->map, &terms);
        reply_answer(c, request, &terms, findings);
    }
}

static void ask_engine(struct socketmap_conn *c, const struct socketmap_request *request)
{
    if (socketmap_lookup_ask(c, request) < 0)
        reply_text(c, request, METRICS_TEMP, "the lookup could not be made");
}

static void answer_json(struct socketmap_conn *c, const struct socketmap_request *request)
{
    struct rules_settings settings;
    const struct findings *findings = NULL;
    rules_evaluate_nexthop(c->server->config, &request->nexthop, &settings);
    if (settings.tls_policy == NULL)
        findings = engine_cached(c->server->engine, &request->nexthop);
    if (findings != NULL || settings.tls_policy != NULL)
        reply_json(c, request, &settings, findings);
    else
        ask_engine(c, request);
    findings_unref(findings);
}

static void answer_nexthop(struct socketmap_conn *c, const struct socketmap_request *request)
{
    struct answer_terms terms;
    const struct findings *findings = NULL;
    answer_terms_for(c->server->config, &request->nexthop, request->map, &terms);
    bool needed = answer_needs_findings(request->map, &terms);
    if (needed)
        findings = engine_cached(c->server->engine, &request->nexthop);
    if (findings != NULL || !needed)
        reply_answer(c, request, &terms, findings);
    else
        ask_engine(c, request);
    findings_unref(findings);
}

/* To forget a policy is a downgrade: only for who can open the unix socket. */
static void purge_nexthop(struct socketmap_conn *c, const struct socketmap_request *request)
{
    if (!c->is_unix) {
        reply_text(c, request, METRICS_PERM, "PURGE is for unix sockets only");
        return;
    }
    int error = engine_purge(c->server->engine, &request->nexthop);
    if (error == -ENOENT) {
        reply_text(c, request, METRICS_NOTFOUND, "");
    } else if (error == -EIO) {
        log_msg(
            LOG_WARNING,
            "socketmap: forgot what was cached about %s, but the shared cache may still have it",
            request->nexthop.text);
        reply_text(c, request, METRICS_TEMP,
                   "forgotten here, but the shared cache may still have it: try again");
    } else if (error < 0) {
        reply_text(c, request, METRICS_TEMP, strerror(-error));
    } else {
        log_msg(LOG_INFO, "socketmap: forgot what was cached about %s", request->nexthop.text);
        reply_text(c, request, METRICS_OK, "forgotten");
    }
}

static void start_dump(struct socketmap_conn *c, const struct socketmap_request *request)
{
    if (!c->is_loopback)
        reply_text(c, request, METRICS_PERM, "DUMP is for unix sockets and this host only");
    else if (c->server->dump_count >= SOCKETMAP_CONN_DUMPS_MAX)
        reply_text(c, request, METRICS_TEMP, "too many DUMPs at once, try again");
    else if (socketmap_dump_new(c->server->engine, &c->dump) < 0)
        reply_text(c, request, METRICS_TEMP, "out of memory");
    else
        c->server->dump_count++;
}

/* It names files of this host: only for who can open the unix socket. */
static void reply_status(struct socketmap_conn *c, const struct socketmap_request *request)
{
    struct status status;
    struct json json;
    const char *text;
    size_t len;
    if (!c->is_unix) {
        reply_text(c, request, METRICS_PERM, "STATUS is for unix sockets only");
        return;
    }
    status_collect(c->server, &status);
    json_init(&json, STATUS_JSON_MAX);
    status_json(&status, &json);
    if (json_finish(&json, &text, &len) == 0)
        socketmap_reply(c, request, METRICS_OK, text, len);
    else
        reply_text(c, request, METRICS_TEMP, "the status cannot be written");
    json_fini(&json);
}

void socketmap_handle(struct socketmap_conn *c, const struct socketmap_request *request)
{
    struct socketmap *server = c->server;
    switch (request->command) {
    case SOCKETMAP_ANSWER:
        answer_nexthop(c, request);
        return;
    case SOCKETMAP_JSON:
        answer_json(c, request);
        return;
    case SOCKETMAP_PURGE:
        purge_nexthop(c, request);
        return;
    case SOCKETMAP_DUMP:
        start_dump(c, request);
        return;
    case SOCKETMAP_STATUS:
        reply_status(c, request);
        return;
    case SOCKETMAP_NO_KEY:
        reply_kind(c, request,
                   answer_no_nexthop(request->map, server->answer, sizeof(server->answer)));
        return;
    case SOCKETMAP_NOTHING:
        reply_text(c, request, METRICS_NOTFOUND, "");
        return;
    case SOCKETMAP_UNKNOWN:
        reply_text(c, request, METRICS_PERM, "no such map");
        return;
    case SOCKETMAP_COMMANDS:
    default:
        reply_text(c, request, METRICS_TEMP, "internal error");
        return;
    }
}
