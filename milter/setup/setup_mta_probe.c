/*
 * Tries all sockets that an MTA names: notes which files our own sockets are, then probes each use
 * as the MTA's user, in the chroot of the service. setup_use.c says what follows.
 */
#include "setup/setup_use.h"

#include <sys/stat.h>

static void find_own(struct setup_mta *mta)
{
    struct stat st;

    for (size_t i = 0; i < mta->own_count; i++) {
        struct setup_own *own = &mta->own[i];

        if (own->address.path[0] == '\0' || stat(own->address.path, &st) != 0)
            continue;
        own->device = st.st_dev;
        own->inode = st.st_ino;
    }
}

void setup_mta_probe(struct setup_mta *mta, struct setup_who *who)
{
    find_own(mta);
    for (size_t i = 0; i < mta->use_count; i++) {
        struct setup_use *use = &mta->uses[i];

        who->root = use->chroot ? mta->queue : NULL;
        who->cwd = use->chroot ? NULL : mta->queue;
        use->error = setup_probe(who, &use->address, &use->probe);
        use->probed = true;
    }
}
