/*
 * `requiretls-milter -t`, behind the check of the configuration file itself: whether this host has
 * the user, the groups, the directories of sockets and the files of certificates that it names, and
 * whether what its rules ask for is enforced. Says on stderr what is missing; the result is an exit
 * status.
 */
#include "base/privilege.h"
#include "config/config_host.h"
#include "config/shared_files.h"
#include "daemon/daemon_internal.h"
#include "decide/rules_check.h"

#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

static int check_group(const char *section, const char *group)
{
    gid_t gid;
    char err[400];

    if (group == NULL || group[0] == '\0' ||
        privilege_find_group(group, &gid, err, sizeof(err)) == 0)
        return EX_OK;
    fprintf(stderr, "%s: [%s] socket_group: %s\n", DAEMON_NAME, section, err);
    return EX_CONFIG;
}

static bool listens_unix(const struct config *config)
{
    for (size_t i = 0; i < config->socketmap.listen_count; i++) {
        if (config->socketmap.listen[i].path != NULL)
            return true;
    }
    return false;
}

int daemon_check_host(const struct config *config)
{
    struct privilege_user user;
    struct shared_files shared;
    char err[400];
    int status = EX_OK;
    bool wrong;

    if (geteuid() == 0 && privilege_find_user(config->milter.user, &user, err, sizeof(err)) != 0) {
        fprintf(stderr, "%s: [milter] user: %s\n", DAEMON_NAME, err);
        status = EX_CONFIG;
    }
    if (check_group("milter", config->milter.socket_group) != EX_OK ||
        (listens_unix(config) && check_group("socketmap", config->socketmap.socket_group) != EX_OK))
        status = EX_CONFIG;
    for (size_t i = 0; i < config->deliver.socket_count; i++) {
        const struct config_deliver_socket *s = &config->deliver.sockets[i];

        if (s->listen.path != NULL && check_group("deliver", s->socket_group) != EX_OK)
            status = EX_CONFIG;
    }
    wrong =
        rules_check_enforced(config, daemon_error_to_stderr, daemon_warning_to_stderr, NULL) != 0;
    wrong |= config_host_check_sockets(config, daemon_error_to_stderr, NULL) != 0;
    /* Last, as whoever the daemon will be. */
    if (geteuid() == 0 && status == EX_OK && privilege_drop(&user, err, sizeof(err)) != 0) {
        fprintf(stderr, "%s: %s\n", DAEMON_NAME, err);
        status = EX_NOPERM;
    }
    wrong |= config_host_check_files(config, daemon_error_to_stderr, NULL) != 0;
    wrong |= daemon_check_ticket_keys(config, daemon_error_to_stderr, daemon_warning_to_stderr,
                                      NULL) != 0;
    wrong |= shared_files_read(config, &shared, daemon_error_to_stderr, daemon_warning_to_stderr,
                               NULL) != 0;
    shared_files_forget(&shared);
    return wrong ? EX_CONFIG : status;
}
