/*
 * Tries all sockets that matter: those of our own configuration as whoever runs the check, which
 * tells whether the daemon is there; then each that the MTA names, as the MTA's user, in the chroot
 * of the service. setup_sockets.c says what follows.
 */
#include "setup/setup_use.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static void probe_own(struct setup_own *own)
{
    struct setup_who myself = {.uid = geteuid(), .gid = getegid()};
    struct setup_probe probe;
    struct stat st;

    own->probed = true;
    if (own->address.path[0] != '\0' && stat(own->address.path, &st) == 0) {
        own->device = st.st_dev;
        own->inode = st.st_ino;
    }
    myself.groups[myself.group_count++] = myself.gid;
    if (setup_probe(&myself, &own->address, &probe) != 0)
        return;
    own->answers = probe.stage == SETUP_STAGE_DONE && probe.ours;
    own->down = (probe.stage == SETUP_STAGE_PATH || probe.stage == SETUP_STAGE_CONNECT) &&
                (probe.error == ENOENT || probe.error == ENOTDIR || probe.error == ECONNREFUSED);
}

void setup_use_probe(const struct setup_mta *mta, struct setup_who *who, struct setup_use *use)
{
    who->root = use->chroot ? mta->queue : NULL;
    who->cwd = use->chroot ? NULL : mta->queue;
    use->error = setup_probe(who, &use->address, &use->probe);
    use->probed = true;
}

void setup_mta_probe(struct setup_mta *mta, struct setup_who *who)
{
    for (size_t i = 0; i < mta->own_count; i++) {
        if (!mta->own[i].expected && !mta->own[i].probed)
            probe_own(&mta->own[i]);
    }
    for (size_t i = 0; i < mta->use_count; i++) {
        struct setup_use *use = &mta->uses[i];

        if (!use->probed && (!use->planned || !setup_use_expects(mta, use)))
            setup_use_probe(mta, who, use);
    }
}
