/*
 * The shared cache, as the daemon's user finds it: the files of key and password, and each server
 * of the list, which is asked whether it takes the password and a row. The results are one finding
 * for the key, then one for each server; that one takes no rows is in order where another does.
 */
#include "setup/setup.h"

#include "config/shared_files.h"
#include "config/shared_key_file.h"
#include "policy/shared_server.h"
#include "setup/setup_edit.h"
#include "setup/setup_run.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>

enum {
    LOOK_MS = 10000,
    SERVER_MS = 3000, /* more than any timeout of the daemon's: what is late is told from what is
                         not there */
};

static const char key_name[] = "shared-key", server_name[] = "shared-cache";

/* What shared_key_file_read says. */
struct key_look {
    int result;
    char text[500];
};

static void look_at_key(const void *path, void *result)
{
    struct key_look *look = result;
    struct shared_mac_keys keys;

    look->text[0] = '\0';
    look->result = shared_key_file_read(path, &keys, look->text, sizeof(look->text));
    shared_key_file_forget(&keys);
}

/* Which server, and with which file of a password; NULL: none. */
struct server_question {
    const char *server, *password;
};

struct server_look {
    int password; /* what shared_password_read says */
    enum engine_shared_health health;
    char text[500];
};

static void look_at_server(const void *arg, void *result)
{
    const struct server_question *question = arg;
    struct server_look *look = result;
    char password[SHARED_PASSWORD_MAX + 1] = "";

    memset(look, 0, sizeof(*look));
    if (question->password != NULL)
        look->password =
            shared_password_read(question->password, password, look->text, sizeof(look->text));
    if (look->password == 0)
        look->health = shared_server_try(question->server, password[0] != '\0' ? password : NULL,
                                         SERVER_MS, look->text, sizeof(look->text));
    explicit_bzero(password, sizeof(password));
}

static bool is_in_group(const struct setup_who *who, gid_t gid)
{
    for (int i = 0; i < who->group_count; i++)
        if (who->groups[i] == gid)
            return true;
    return false;
}

/* Root's file then is, and a group of the daemon's user reads it: the one that it has, if that is
 * such a one. An agent alone joins the file's group, which the filter beside it reads it by. */
static void secure(const struct setup_who *who, const char *path, struct setup_report *report)
{
    bool joins = false;
    const char *file = setup_word(report, path), *group = NULL;
    const struct group *entry;
    struct stat st;

    if (stat(path, &st) == 0 && st.st_gid != 0 &&
        (report->agent_alone || is_in_group(who, st.st_gid))) {
        entry = getgrgid(st.st_gid);
        joins = entry != NULL && !is_in_group(who, st.st_gid);
        if (joins)
            setup_command(report, "usermod -a -G %s %s", entry->gr_name, who->name);
        group = entry != NULL ? arena_string(&report->arena, entry->gr_name) : NULL;
    }
    if (group == NULL) {
        entry = getgrgid(who->gid);
        group = entry != NULL ? entry->gr_name : who->name;
    }
    setup_command(report, "chown root:%s %s", group, file);
    setup_command(report, "chmod 0640 %s", file);
    setup_edit_done(report, joins); /* groups are those that it was started with */
}

static void check_key(const char *path, const struct setup_who *who, struct setup_report *report)
{
    struct key_look look = {0};
    int tried = setup_as(who, look_at_key, path, &look, sizeof(look), LOOK_MS);

    if (tried != 0) {
        setup_add(report, SETUP_UNKNOWN, key_name, "%s: %s", path, strerror(-tried));
        setup_remedy(report, "run this check as root");
    } else if (look.result == KEY_FILE_READ_BY_OTHERS) {
        setup_add(report, SETUP_WARNING, key_name,
                  "%s: who has the key can give all hosts MTA-STS policies of their choice",
                  look.text);
        secure(who, path, report);
    } else if (look.result == -ENOENT) {
        setup_add(report, SETUP_ERROR, key_name, "%s (as the user %s): the daemon does not start",
                  look.text, who->name);
        setup_remedy(report, "copy it from another host; for the first host make one");
        setup_command(report, "(umask 077; test -e %s || openssl rand -hex 32 >%s)",
                      setup_word(report, path), setup_word(report, path));
        secure(who, path, report);
    } else if (look.result == -EACCES || look.result == -EPERM) {
        setup_add(report, SETUP_ERROR, key_name, "%s (as the user %s): the daemon does not start",
                  look.text, who->name);
        secure(who, path, report);
    } else if (look.result < 0) {
        setup_add(report, SETUP_ERROR, key_name, "%s (as the user %s): the daemon does not start",
                  look.text, who->name);
        setup_remedy(report, "mend it: it has a key a line, of 32 octets at least, the same on all "
                             "hosts (openssl rand -hex 32)");
    } else {
        setup_add(report, SETUP_OK, key_name, "%s can read %s", who->name, path);
    }
}

static void tell_password(const struct server_look *look, const char *path,
                          const struct setup_who *who, struct setup_report *report)
{
    setup_add(report, SETUP_ERROR, server_name, "%s (as the user %s): the daemon does not start",
              look->text, who->name);
    if (look->password == -EACCES || look->password == -EPERM)
        secure(who, path, report);
    else
        setup_remedy(report, "write the servers' password to it, in one line, for %s alone to read",
                     who->name);
}

/* `others`: another server of the list takes rows. */
static void tell_server(const char *server, const struct server_look *look, bool others,
                        struct setup_report *report)
{
    switch (look->health) {
    case ENGINE_SHARED_CONNECTED:
        setup_add(report, SETUP_OK, server_name, "%s takes rows", server);
        return;
    case ENGINE_SHARED_READ_ONLY:
        if (others) {
            setup_add(report, SETUP_OK, server_name, "%s answers, but takes no rows: %s", server,
                      look->text);
            return;
        }
        setup_add(report, SETUP_WARNING, server_name, "%s takes no rows: %s", server, look->text);
        setup_remedy(report,
                     "what this host learns is not shared: MANY-HOSTS says what to look at");
        return;
    case ENGINE_SHARED_OFF:
    case ENGINE_SHARED_NOT_CONNECTED:
        break;
    }
    setup_add(report, SETUP_WARNING, server_name, "%s cannot be used: %s", server, look->text);
    setup_remedy(report, "mail is not affected; start the server, and see that its address, "
                         "firewall and password are as [cache] has them");
}

/* Each is asked before anything is said: whether a replica is a fault depends on the others. */
static void check_servers(const struct config_shared *s, const struct setup_who *who,
                          struct setup_report *report)
{
    size_t count = s->servers.count;
    struct server_look *looks = arena_zalloc(&report->arena, count * sizeof(*looks));
    bool writable = false;

    if (looks == NULL) {
        report->incomplete = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct server_question question = {s->servers.items[i], s->password};
        int tried = setup_as(who, look_at_server, &question, &looks[i], sizeof(looks[i]), LOOK_MS);

        if (tried != 0) {
            setup_add(report, SETUP_UNKNOWN, server_name, "%s: %s", question.server,
                      strerror(-tried));
            setup_remedy(report, "run this check as root");
            return;
        }
        if (looks[i].password != 0) {
            tell_password(&looks[i], s->password, who, report);
            return;
        }
        writable = writable || looks[i].health == ENGINE_SHARED_CONNECTED;
    }
    for (size_t i = 0; i < count; i++)
        tell_server(s->servers.items[i], &looks[i], writable, report);
}

void setup_check_shared(const struct config *config, const struct setup_who *who,
                        struct setup_report *report)
{
    if (config->shared.key != NULL)
        check_key(config->shared.key, who, report);
    check_servers(&config->shared, who, report);
}
