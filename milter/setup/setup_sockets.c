/*
 * All sockets that the MTA names as ours, after the probe: setup_check_sockets sorts what is wrong
 * by its cause, adds one finding for each cause with the remedy for all of it, and below that the
 * other places where it shows. Pure.
 */
#include "setup/setup_use.h"

#include "setup/setup_edit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum cause {
    CAUSE_NONE,   /* it answers, or each has a reason of its own */
    CAUSE_DAEMON, /* it does not run */
    CAUSE_PLACE,  /* the sockets are not below the queue directory, where all services reach them */
    CAUSE_ACCESS, /* the MTA's user may not get to them */
    CAUSE_SELF,   /* who runs the check may not try them */
    CAUSE_ALIKE,  /* a daemon with another configuration */
};

/* Whether none of our own sockets has anybody behind it. */
static bool daemon_is_down(const struct setup_mta *mta)
{
    for (size_t i = 0; i < mta->own_count; i++) {
        if (!mta->own[i].down && !mta->own[i].expected)
            return false;
    }
    return mta->own_count > 0 && !mta->own_unknown;
}

/* The directory of the socket; for one that may not be passed that one itself. */
static const char *directory_of(const struct setup_mta *mta, const struct setup_use *use, char *out,
                                size_t size)
{
    setup_use_where(mta, use, out, size);
    char *slash = S_ISSOCK(use->probe.mode) ? strrchr(out, '/') : NULL;
    if (slash != NULL && slash > out)
        *slash = '\0';
    return out;
}

/* Whether the remedy for a use that may not get to its socket is another place for that. */
static bool is_to_be_moved(const struct setup_mta *mta, const struct setup_use *use)
{
    char path[512];

    return mta->move != NULL && use->address.path[0] != '\0' &&
           setup_below_queue(mta, setup_use_path(mta, use, path, sizeof(path))) == NULL;
}

static enum cause cause_of(const struct setup_mta *mta, const struct setup_use *use)
{
    enum setup_match match = setup_use_match(mta, use);
    int error = use->probe.error;

    if (!use->probed || match == SETUP_FOREIGN)
        return CAUSE_NONE;
    if (match == SETUP_OUTSIDE || setup_use_expects(mta, use))
        return CAUSE_PLACE;
    if (use->error != 0)
        return CAUSE_SELF;
    if (match == SETUP_ALIKE)
        return CAUSE_ALIKE;
    if (use->probe.stage != SETUP_STAGE_DONE && error == EACCES)
        return is_to_be_moved(mta, use) ? CAUSE_PLACE : CAUSE_ACCESS;
    if (use->probe.stage < SETUP_STAGE_ANSWER && error != 0 && daemon_is_down(mta))
        return CAUSE_DAEMON;
    return CAUSE_NONE;
}

static bool same_cause(const struct setup_mta *mta, const struct setup_use *a,
                       const struct setup_use *b)
{
    char directory_a[512], directory_b[512];
    enum cause cause = cause_of(mta, a);

    if (cause == CAUSE_NONE || cause != cause_of(mta, b))
        return false;
    return cause != CAUSE_ACCESS ||
           strcmp(directory_of(mta, a, directory_a, sizeof(directory_a)),
                  directory_of(mta, b, directory_b, sizeof(directory_b))) == 0;
}

bool setup_sockets_move(const struct setup_mta *mta)
{
    for (size_t i = 0; i < mta->use_count; i++) {
        if (cause_of(mta, &mta->uses[i]) == CAUSE_PLACE)
            return mta->move != NULL;
    }
    return false;
}

/* `install -d` for a directory of sockets; what is made in it has the MTA's group, by the 2. */
static void add_directory(const struct setup_mta *mta, const struct config *config,
                          const char *directory, struct setup_report *report)
{
    setup_command(report, "install -d -o %s -g %s -m 2750 %s", config->milter.user, mta->group,
                  setup_word(report, directory));
}

/* Directories below the queue directory in which there is no socket yet; that below /run is made by
 * the unit. */
static void add_directories(const struct setup_mta *mta, const struct config *config,
                            struct setup_report *report)
{
    for (size_t i = 0; i < mta->own_count; i++) {
        char directory[256];
        const struct setup_own *own = &mta->own[i];

        snprintf(directory, sizeof(directory), "%s", own->address.path);
        char *slash = strrchr(directory, '/');
        if (slash == NULL || own->inode != 0 || own->expected ||
            setup_below_queue(mta, directory) == NULL)
            continue;
        *slash = '\0';
        add_directory(mta, config, directory, report);
    }
}

static void check_daemon(const struct setup_mta *mta, const struct config *config,
                         struct setup_report *report)
{
    if (!daemon_is_down(mta))
        return;
    const struct setup_address *first = &mta->own[0].address;
    setup_follow_broken(report); /* it does not start with a file that has errors */
    setup_add(report, SETUP_ERROR, "daemon",
              "requiretls-milter does not run: nobody listens at %s%s%s, nor at any other of its "
              "sockets",
              first->path[0] != '\0' ? first->path : first->host, first->path[0] != '\0' ? "" : ":",
              first->port);
    setup_remedy(report, "start it; journalctl -u requiretls-milter says why it ended");
    add_directories(mta, config, report);
    setup_command_reload(report, "systemctl restart requiretls-milter");
    if (report->broken == 0)
        setup_follow_begin(report);
    for (size_t i = 0; i < mta->use_count; i++) {
        if (cause_of(mta, &mta->uses[i]) == CAUSE_DAEMON)
            setup_check_use(mta, &mta->uses[i], report);
    }
    setup_follow_end(report);
}

/* What the configuration says against the MTA's group. */
static void add_group(const struct setup_mta *mta, const char *section, const char *group,
                      unsigned mode, struct setup_report *report)
{
    if (group != NULL && group[0] != '\0' && strcmp(group, mta->group) != 0)
        setup_edit_key(report, section, "socket_group", mta->group);
    if ((mode & 0060) != 0060)
        setup_edit_key(report, section, "socket_mode", "0660");
}

static void mend_access(const struct setup_mta *mta, const struct config *config,
                        const struct setup_use *use, struct setup_report *report)
{
    char directory[512], path[512];

    directory_of(mta, use, directory, sizeof(directory));
    bool below =
        strncmp(setup_use_path(mta, use, path, sizeof(path)), directory, strlen(directory)) == 0 &&
        strchr(path + strlen(directory) + 1, '/') == NULL;
    if (!below) { /* one farther up */
        setup_command(report, "chgrp %s %s", mta->group, setup_word(report, directory));
        setup_command(report, "chmod g+x %s", setup_word(report, directory));
        return;
    }
    add_directory(mta, config, directory, report);
    add_group(mta, "milter", config->milter.socket_group, config->milter.socket_mode, report);
    if (config->socketmap.listen_count > 0)
        add_group(mta, "socketmap", config->socketmap.socket_group, config->socketmap.socket_mode,
                  report);
    setup_edit_done(report, true);
}

static void mend(const struct setup_mta *mta, const struct config *config,
                 const struct setup_use *use, struct setup_report *report)
{
    switch (cause_of(mta, use)) {
    case CAUSE_PLACE:
        if (mta->move != NULL)
            mta->move(mta->move_arg, report);
        return;
    case CAUSE_ACCESS:
        mend_access(mta, config, use, report);
        return;
    case CAUSE_NONE:
    case CAUSE_DAEMON:
    case CAUSE_SELF:
    case CAUSE_ALIKE:
    default:
        return; /* what setup_check_use has said is all */
    }
}

/* Whether an earlier use has the same cause. */
static bool is_told(const struct setup_mta *mta, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (same_cause(mta, &mta->uses[i], &mta->uses[index]))
            return true;
    }
    return cause_of(mta, &mta->uses[index]) == CAUSE_DAEMON;
}

void setup_check_sockets(const struct setup_mta *mta, const struct config *config,
                         struct setup_report *report)
{
    check_daemon(mta, config, report);
    for (size_t i = 0; i < mta->use_count; i++) {
        const struct setup_use *use = &mta->uses[i];

        if (is_told(mta, i))
            continue;
        setup_check_use(mta, use, report);
        if (cause_of(mta, use) == CAUSE_NONE)
            continue;
        mend(mta, config, use, report);
        setup_follow_begin(report);
        for (size_t j = i + 1; j < mta->use_count; j++) {
            if (same_cause(mta, use, &mta->uses[j]))
                setup_check_use(mta, &mta->uses[j], report);
        }
        setup_follow_end(report);
    }
}
