/*
 * The file with the keys of tickets, as those find it who read it: the daemon's user, which makes
 * it, and the user of a delivery agent that is a service of its own, which reads it by its group.
 */
#include "setup/setup.h"

#include "setup/setup_edit.h"
#include "setup/setup_run.h"
#include "ticket/ticket_key.h"

#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { LOOK_MS = 10000 };

static const char name[] = "ticket-key";
static const char agent_user[] = "requiretls-deliver";

/* What ticket_keys_read says. */
struct key_look {
    int error;
    char text[500];
};

static void look_at_key(const void *path, void *result)
{
    struct key_look *look = result;
    struct ticket_keys keys;

    look->error = ticket_keys_read(path, &keys, look->text, sizeof(look->text));
    ticket_keys_forget(&keys);
}

/* Returns whether that user can read it, or whether that is not known (-1), after saying so. */
static int read_as(const struct setup_who *who, const char *path, struct key_look *look,
                   struct setup_report *report)
{
    int tried = setup_as(who, look_at_key, path, look, sizeof(*look), LOOK_MS);

    if (tried != 0) {
        setup_add(report, SETUP_UNKNOWN, name, "%s: %s", path, strerror(-tried));
        setup_remedy(report, "run this check as root");
        return -1;
    }
    return look->error == 0;
}

static void mend_own(const struct config *config, const struct setup_who *who,
                     const struct key_look *look, struct setup_report *report)
{
    const char *path = config->deliver.ticket_key;

    setup_add(report, SETUP_ERROR, name, "%s (as the user %s): mail with a request is deferred",
              look->text, who->name);
    if (config->milter.socket == NULL) {
        setup_remedy(report, "the filter makes it: check its configuration, without -c, which has "
                             "the commands");
    } else if (look->error == -ENOENT) {
        setup_remedy(report, "start the daemon anew, which makes it");
        setup_edit_done(report, true);
    } else if (look->error == -EACCES || look->error == -EPERM) {
        setup_remedy(report, "it is to be the daemon's, and its group may read it");
        setup_command(report, "chown %s %s", who->name, setup_word(report, path));
        setup_command(report, "chmod 0640 %s", setup_word(report, path));
        setup_edit_done(report, false);
    } else {
        setup_remedy(report, "mend it, or delete it while no mail waits for the delivery agent: "
                             "the daemon makes another when it starts");
    }
}

static void mend_agent(const struct setup_who *who, const char *path, const struct key_look *look,
                       struct setup_report *report)
{
    const struct group *entry = getgrgid(who->gid);
    const char *group = entry != NULL ? entry->gr_name : who->name;
    const char *file = setup_word(report, path);
    char copy[PATH_MAX];

    snprintf(copy, sizeof(copy), "%s", path);
    const char *directory = setup_word(report, dirname(copy));
    setup_add(report, SETUP_ERROR, name,
              "%s (as the user %s): the delivery agent defers all mail, or does not start",
              look->text, agent_user);
    setup_remedy(report, "the agent's user reads it by the group %s", group);
    setup_command(report, "usermod -a -G %s %s", group, agent_user);
    setup_command(report, "chgrp %s %s %s", group, directory, file);
    setup_command(report, "chmod g+x %s", directory);
    setup_command(report, "chmod 0640 %s", file);
    setup_command_reload(report, "systemctl restart requiretls-deliver");
}

void setup_check_ticket_key(const struct config *config, const struct setup_who *who,
                            struct setup_report *report)
{
    const char *path = config->deliver.ticket_key;
    struct setup_who agent;
    struct key_look look = {0};
    char err[300];

    int readable = read_as(who, path, &look, report);
    if (readable < 0)
        return;
    if (readable == 0) {
        mend_own(config, who, &look, report);
        return;
    }
    if (config->deliver.socket_count > 0 ||
        setup_who_find(agent_user, &agent, err, sizeof(err)) != 0) {
        setup_add(report, SETUP_OK, name, "%s can read %s", who->name, path);
        return;
    }
    readable = read_as(&agent, path, &look, report);
    if (readable == 0)
        mend_agent(who, path, &look, report);
    else if (readable > 0)
        setup_add(report, SETUP_OK, name, "%s and %s can read %s", who->name, agent.name, path);
}
