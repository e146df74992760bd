/*
 * The daemon's answer to STATUS for people: what runs, with which configuration, resolvers and
 * store, how much it has to do, and last the warnings that stand.
 */
#include "query/query_status.h"

#include "base/exit_code.h"
#include "base/log.h"
#include "base/status_client.h"

#include <inttypes.h>

enum { SHOWN_MAX = 300 };

/* What the daemon says, as any foreign text; "-" for want of it. */
static const char *shown(const struct json_value *object, const char *key, char *out)
{
    const char *text = json_text(json_get(object, key));
    return log_quote(text != NULL ? text : "-", out, SHOWN_MAX);
}

static const char *duration(int64_t seconds, char *out, size_t out_len)
{
    int64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;
    if (days > 0)
        snprintf(out, out_len, "%" PRId64 "d %" PRId64 "h", days, hours % 24);
    else if (hours > 0)
        snprintf(out, out_len, "%" PRId64 "h %" PRId64 "m", hours, minutes % 60);
    else if (minutes > 0)
        snprintf(out, out_len, "%" PRId64 "m %" PRId64 "s", minutes, seconds % 60);
    else
        snprintf(out, out_len, "%" PRId64 "s", seconds);
    return out;
}

static void print_configuration(const struct json_value *configuration, FILE *out)
{
    char file[SHOWN_MAX], read[SHOWN_MAX];
    bool present = json_is_true(json_get(configuration, "present"));
    bool changed = json_is_true(json_get(configuration, "changed"));
    fprintf(out, "configuration  %s, %s %s%s\n", shown(configuration, "file", file),
            present ? "read" : "none there at", shown(configuration, "read", read),
            changed ? ", changed since" : "");
}

static void print_resolvers(const struct json_value *resolvers, FILE *out)
{
    const char *label = "resolvers";
    for (const struct json_value *r = resolvers != NULL ? resolvers->first : NULL; r != NULL;
         r = r->next) {
        char address[SHOWN_MAX], failure[SHOWN_MAX];
        fprintf(out, "%-13s  %s: ", label, shown(r, "address", address));
        label = "";
        if (!json_is_true(json_get(r, "trusted")))
            fputs("not trusted (trust_ad)\n", out);
        else if (json_is_true(json_get(r, "validates")))
            fputs("validates DNSSEC\n", out);
        else if (!json_is_true(json_get(r, "checked")))
            fputs("not checked yet\n", out);
        else
            fprintf(out, "does not validate DNSSEC: %s\n", shown(r, "failure", failure));
    }
}

/* The store, and the shared cache: the state, where it is, and what is wrong. */
static void print_store(const char *label, const struct json_value *store, const char *where,
                        FILE *out)
{
    char place[SHOWN_MAX], state[SHOWN_MAX], failure[SHOWN_MAX];
    const char *why = json_text(json_get(store, "failure"));
    fprintf(out, "%-13s  %s", label, shown(store, "state", state));
    if (json_text(json_get(store, where)) != NULL)
        fprintf(out, ", %s", shown(store, where, place));
    if (why != NULL)
        fprintf(out, ": %s", log_quote(why, failure, sizeof(failure)));
    fputc('\n', out);
}

/* A daemon of an older version says nothing of it, nor of deliveries. */
static void print_probe(const struct json_value *probe, FILE *out)
{
    if (probe == NULL)
        return;
    if (!json_is_true(json_get(probe, "enabled"))) {
        fputs("probe          off\n", out);
        return;
    }
    fprintf(out, "probe          %" PRId64 " in progress, %" PRId64 " results kept%s\n",
            json_number(json_get(probe, "in_progress"), 0),
            json_number(json_get(probe, "entries"), 0),
            json_is_true(json_get(probe, "resting")) ? ", resting" : "");
}

static void print_deliver(const struct json_value *deliver, FILE *out)
{
    if (deliver == NULL)
        return;
    if (!json_is_true(json_get(deliver, "enabled"))) {
        fputs("delivery       off\n", out);
        return;
    }
    fprintf(out,
            "delivery       %" PRId64 " sessions of MTAs; connections to servers: %" PRId64
            " in setup, %" PRId64 " active, %" PRId64 " idle\n",
            json_number(json_get(deliver, "sessions"), 0),
            json_number(json_get(deliver, "setup"), 0), json_number(json_get(deliver, "active"), 0),
            json_number(json_get(deliver, "idle"), 0));
}

void query_status_text(const struct json_value *status, FILE *out)
{
    const struct json_value *warnings = json_get(status, "warnings");
    char version[SHOWN_MAX], since[SHOWN_MAX], how_long[60];
    fprintf(out, "version        %s\n", shown(status, "version", version));
    fprintf(out, "running        %s, since %s, pid %" PRId64 "\n",
            duration(json_number(json_get(status, "uptime"), 0), how_long, sizeof(how_long)),
            shown(status, "started", since), json_number(json_get(status, "pid"), 0));
    print_configuration(json_get(status, "configuration"), out);
    print_resolvers(json_get(status, "resolvers"), out);
    print_store("store", json_get(status, "store"), "path", out);
    print_store("shared cache", json_get(status, "shared_cache"), "server", out);
    fprintf(out,
            "sessions       %" PRId64 " of the milter, %" PRId64 " of the socketmap\n"
            "cache          %" PRId64 " next-hops, %" PRId64 " kB\n",
            json_number(json_get(status, "sessions"), 0),
            json_number(json_get(status, "socketmap_connections"), 0),
            json_number(json_get(status, "cache_entries"), 0),
            json_number(json_get(status, "cache_octets"), 0) / 1024);
    print_probe(json_get(status, "probe"), out);
    print_deliver(json_get(status, "deliver"), out);
    for (const struct json_value *w = warnings != NULL ? warnings->first : NULL; w != NULL;
         w = w->next) {
        char name[SHOWN_MAX], text[SHOWN_MAX];
        fprintf(out, "warning        %s: %s\n", shown(w, "name", name), shown(w, "text", text));
    }
}

int query_status_code(const struct json_value *status)
{
    const struct json_value *warnings = json_get(status, "warnings");
    return warnings != NULL && warnings->first != NULL ? QUERY_EXIT_UNSATISFIED
                                                       : QUERY_EXIT_SATISFIED;
}

int query_status(const char *address, bool json, FILE *out)
{
    struct status_reply reply;
    char err[600];
    if (status_client_ask(address, &reply, err, sizeof(err)) < 0) {
        fprintf(stderr, "requiretls-query: no daemon answers: %s\n", err);
        return QUERY_EXIT_UNDECIDED;
    }
    if (json)
        fprintf(out, "%s\n", reply.text);
    else
        query_status_text(reply.root, out);
    int code = query_status_code(reply.root);
    status_reply_fini(&reply);
    return code;
}
