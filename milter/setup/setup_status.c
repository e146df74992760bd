/*
 * How the running daemon is, by its own answer to STATUS: whether it runs with the configuration
 * that this check looks at, and the warnings that stand. A daemon that does not answer is no
 * finding here: setup_sockets.c has tried its sockets. setup_status_findings is pure.
 */
#include "setup/setup_status.h"

#include "base/standing.h"
#include "setup/setup_edit.h"

#include <string.h>

/* What a warning that stands is as a finding. Those that are not here have findings elsewhere: what
 * setup_running.c sees, and the limit of open files. */
static const struct {
    unsigned standing;
    enum setup_state state;
    const char *name;
    const char *remedy; /* NULL: the command says it */
    const char *verb;   /* for systemctl; NULL: none */
} rows[] = {
    {STANDING_DNSSEC_UNKNOWN, SETUP_ERROR, "daemon-resolver",
     "see what it says of them: requiretls-query --status", "reload"},
    {STANDING_RESOLVER, SETUP_WARNING, "daemon-resolver",
     "requiretls-query --status names it: mend it, or leave it out of `resolvers` in [dns]", NULL},
    {STANDING_STORE_DOWN, SETUP_WARNING, "daemon-store", NULL, "restart"},
    {STANDING_QUEUE_IDS_DOWN, SETUP_WARNING, "daemon-store",
     "the log says why; the daemon tries again every minute", NULL},
    {STANDING_CONFIGURATION_REFUSED, SETUP_ERROR, "daemon-configuration",
     "requiretls-milter -t says what is wrong; then", "reload"},
};

bool setup_status_warns(const struct json_value *status, const char *name)
{
    const struct json_value *warnings = json_get(status, "warnings");

    for (const struct json_value *w = warnings != NULL ? warnings->first : NULL; w != NULL;
         w = w->next) {
        const char *text = json_text(json_get(w, "name"));

        if (text != NULL && strcmp(text, name) == 0)
            return true;
    }
    return false;
}

void setup_status_findings(const struct json_value *status, bool resolvers_wrong,
                           struct setup_report *report)
{
    const char *version = json_text(json_get(status, "version"));

    if (version != NULL && strcmp(version, PROJECT_VERSION) != 0) {
        setup_add(report, SETUP_WARNING, "daemon",
                  "version %s runs, but this is the tool of version " PROJECT_VERSION, version);
        setup_edit_done(report, true);
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!setup_status_warns(status, standing_name(rows[i].standing)) ||
            (resolvers_wrong && strcmp(rows[i].name, "daemon-resolver") == 0) ||
            (report->broken != 0 && rows[i].standing == STANDING_CONFIGURATION_REFUSED))
            continue; /* they are a finding already */
        setup_add(report, rows[i].state, rows[i].name, "the daemon says: %s",
                  standing_text(rows[i].standing));
        if (rows[i].remedy != NULL)
            setup_remedy(report, "%s", rows[i].remedy);
        if (rows[i].verb != NULL)
            setup_edit_done(report, strcmp(rows[i].verb, "restart") == 0);
    }
}
