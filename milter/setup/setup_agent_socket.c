/*
 * The socket of the delivery agent after the probe: setup_check_use says what is wrong, and this
 * adds the commands for its directory, group and mode. Pure.
 */
#include "setup/setup_use.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Whose its directory is, which is the agent's user. */
static const char *owner_of(const struct config *config, const struct setup_use *use)
{
    return use->separate ? "requiretls-deliver" : config->milter.user;
}

static void make_directory(const struct setup_mta *mta, const struct config *config,
                           const struct setup_use *use, const char *directory,
                           struct setup_report *report)
{
    /* What is made in it has the MTA's group, by the 2. */
    setup_command(report, "install -d -o %s -g %s -m 2750 %s", owner_of(config, use), mta->group,
                  setup_word(report, directory));
}

static void let_in(const struct setup_mta *mta, const struct config *config,
                   const struct setup_use *use, const char *directory, struct setup_report *report)
{
    char text[512];
    const char *where = setup_word(report, setup_use_where(mta, use, text, sizeof(text)));

    if (S_ISSOCK(use->probe.mode)) {
        setup_remedy(report,
                     "let the MTA's group %s in; that it stays so, `socket_group = %s` and "
                     "`socket_mode = 0660` in [deliver NAME] of the agent%s",
                     mta->group, mta->group,
                     use->separate ? ", and SocketGroup and SocketMode in requiretls-deliver.socket"
                                   : "");
        setup_command(report, "chgrp %s %s", mta->group, where);
        setup_command(report, "chmod 0660 %s", where);
    } else if (strcmp(text, directory) == 0) {
        make_directory(mta, config, use, directory, report);
    } else { /* one farther up */
        setup_command(report, "chgrp %s %s", mta->group, where);
        setup_command(report, "chmod g+x %s", where);
    }
}

void setup_check_agent_socket(const struct setup_mta *mta, const struct config *config,
                              const struct setup_use *use, struct setup_report *report)
{
    const struct setup_probe *probe = &use->probe;
    char directory[512];

    setup_check_use(mta, use, report);
    if (!use->probed || use->error != 0 || probe->stage == SETUP_STAGE_DONE ||
        use->address.path[0] == '\0' || setup_use_match(mta, use) != SETUP_OURS)
        return;
    setup_use_path(mta, use, directory, sizeof(directory));
    char *slash = strrchr(directory, '/');
    if (slash != NULL && slash > directory)
        *slash = '\0';
    if (probe->error == EACCES)
        let_in(mta, config, use, directory, report);
    else if (probe->error == ENOENT && strcmp(probe->where, use->address.path) != 0)
        make_directory(mta, config, use, directory, report);
}
