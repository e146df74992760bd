/*
 * The daemon that runs beside the configuration that is checked: what it says of itself
 * (base/status_client.h) is compared with the file. That none runs is for setup_sockets.c to say.
 */
#include "setup/setup.h"

#include "base/standing.h"
#include "base/status_client.h"
#include "setup/setup_edit.h"
#include "setup/setup_status.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How often, and after how long each time, a daemon that has no resolver is asked once more. */
enum { LOOKS = 10, LOOK_MS = 300 };

/* Whether two paths name one file; the daemon's is absolute. */
static bool is_same_file(const char *a, const char *b)
{
    char real_a[PATH_MAX], real_b[PATH_MAX];

    return strcmp(a, b) == 0 || (realpath(a, real_a) != NULL && realpath(b, real_b) != NULL &&
                                 strcmp(real_a, real_b) == 0);
}

void setup_compare_running(const struct config *config, const struct json_value *status,
                           struct setup_report *report)
{
    static const char name[] = "daemon-configuration";
    const struct json_value *configuration = json_get(status, "configuration");
    const char *file = json_text(json_get(configuration, "file"));
    const char *read = json_text(json_get(configuration, "read"));

    if (file == NULL || !is_same_file(file, config->path) || report->broken != 0)
        return; /* another file than the one in use, as was asked for; or one with errors */
    if (setup_status_warns(status, "restart_needed")) {
        setup_add(report, SETUP_WARNING, name,
                  "%s has keys that the running daemon takes at a restart only", file);
        setup_remedy(report, "restart it");
        setup_edit_done(report, true);
    } else if (json_is_true(json_get(configuration, "changed"))) {
        setup_add(report, SETUP_WARNING, name,
                  "the running daemon has the configuration of %s, and %s has changed since",
                  read != NULL ? read : "an earlier time", file);
        setup_remedy(report, "have it read the file");
        setup_edit_done(report, false);
    } else {
        setup_add(report, SETUP_OK, name, "the running daemon has %s as it is", file);
    }
}

void setup_check_running(const struct config *config, bool resolvers_wrong,
                         struct setup_report *report)
{
    const char *address = config_unix_listener(config);
    struct status_reply reply;
    char err[300];

    if (address == NULL || status_client_ask(address, &reply, err, sizeof(err)) != 0)
        return;
    /* A daemon that was reloaded a moment ago is still looking. */
    for (int i = 0; i < LOOKS && !resolvers_wrong &&
                    setup_status_warns(reply.root, standing_name(STANDING_DNSSEC_UNKNOWN));
         i++) {
        struct status_reply later;

        usleep(LOOK_MS * 1000);
        if (status_client_ask(address, &later, err, sizeof(err)) != 0)
            break;
        status_reply_fini(&reply);
        reply = later;
    }
    setup_compare_running(config, reply.root, report);
    setup_status_findings(reply.root, resolvers_wrong, report);
    status_reply_fini(&reply);
}
