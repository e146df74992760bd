/*
 * Where the daemon's sockets are, seen from a sendmail: below no directory that everybody may write
 * to, in one that is there, and with a group that is there. The configuration of the package has
 * them where Postfix finds them. Comes before the other checks: where it moves the sockets, their
 * remedies name the new places. Pure.
 */
#include "setup/sendmail/sendmail.h"

#include "setup/sendmail/sendmail_remedy.h"
#include "setup/setup_edit.h"

#include <string.h>

/* Both sockets go where the unit makes a directory for them, which is open to nobody else. */
static void move_sockets(struct setup_sendmail *s, struct setup_report *report)
{
    const struct config *config = s->config;

    s->stopped = report->count;
    setup_edit_key(report, "milter", "socket", setup_sendmail_usual(SETUP_MILTER));
    if (config->milter.socket_group != NULL && config->milter.socket_group[0] != '\0')
        setup_edit_key(report, "milter", "socket_group", "");
    if (config->socketmap.listen_count == 1)
        setup_edit_key(report, "socketmap", "listen", setup_sendmail_usual(SETUP_SOCKETMAP));
    else if (config->socketmap.listen_count > 1)
        setup_command(report, "# in listen of [socketmap]: no socket in that directory");
    if (config->socketmap.socket_group != NULL && config->socketmap.socket_group[0] != '\0')
        setup_edit_key(report, "socketmap", "socket_group", "");
    setup_edit_done(report, true);
    for (size_t i = 0; i < s->mta.use_count; i++) {
        const struct setup_use *use = &s->mta.uses[i];

        if (setup_use_match(&s->mta, use) != SETUP_OURS || use->address.path[0] == '\0')
            continue;
        const char *new = setup_sendmail_usual(use->address.kind);
        if (!setup_sendmail_rename(s, &use->address, new, report))
            setup_command(report, "# in the file that %s is made from: %s as the socket of %s",
                          s->file, new, use->by);
    }
    setup_sendmail_reload(s, report);
    s->moved = true;
}

void setup_sendmail_directories(struct setup_sendmail *s, struct setup_report *report)
{
    static const char name[] = "milter-directory", postfix[] = "/var/spool/postfix/";
    const char *missing = s->missing_directory;

    if (s->open_directory) {
        setup_add(report, SETUP_ERROR, name,
                  "the socket is below a directory that everybody may write to: sendmail will not "
                  "use it");
        move_sockets(s, report);
    } else if (s->missing_group != NULL) {
        setup_add(report, SETUP_ERROR, name,
                  "there is no group %s, which the sockets are to have (socket_group): the daemon "
                  "does not start",
                  s->missing_group);
        move_sockets(s, report);
    } else if (missing != NULL && strncmp(missing, postfix, strlen(postfix)) == 0) {
        setup_add(report, SETUP_ERROR, name,
                  "the sockets are to be in %s, where Postfix would find them: it is not there",
                  missing);
        move_sockets(s, report);
    } else if (missing != NULL) {
        const char *directory = setup_word(report, missing);

        setup_add(report, SETUP_ERROR, name, "there is no directory %s for the sockets", missing);
        setup_command(
            report, "install -d -o %s -m 0755 %s",
            setup_word(report, s->config->milter.user != NULL ? s->config->milter.user : "root"),
            directory);
        setup_edit_done(report, true);
    }
}
