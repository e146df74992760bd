/*
 * Connects to a socket as the MTA does: as its user, from inside its chroot; and says where that
 * ends. A milter is asked to negotiate, a socketmap for an answer; an LMTP server is to greet.
 */
#ifndef MILTER_SETUP_SETUP_PROBE_H
#define MILTER_SETUP_SETUP_PROBE_H

#include "setup/setup_address.h"
#include "setup/setup_run.h"

#include <stdint.h>
#include <sys/stat.h>

enum setup_stage {
    SETUP_STAGE_PATH,    /* `where` is not there, or may not be passed */
    SETUP_STAGE_CONNECT, /* nobody listens, or `where` may not be written to */
    SETUP_STAGE_ANSWER,  /* connected, but no answer that makes sense */
    SETUP_STAGE_DONE,
};

struct setup_probe {
    enum setup_stage stage; /* reached */
    int error;              /* errno of what failed there, 0: see `stage` */
    char where[320];        /* what failed: a path as the MTA sees it, or host:port */
    uid_t uid;              /* of `where`, if it exists */
    gid_t gid;
    mode_t mode;
    dev_t device; /* of the socket, 0 if it was not seen */
    ino_t inode;
    pid_t listener;   /* 0: not known */
    uint32_t actions; /* of a milter: what it wants to do */
    bool ours;        /* the answer is one that this program's daemon gives */
    char reply[256];  /* of a socketmap; the greeting of an LMTP server */
};

/*
 * Probes an address; `out` says what was found. Returns 0, or a negative errno if it could not be
 * tried. Bounded by some seconds.
 */
int setup_probe(const struct setup_who *who, const struct setup_address *address,
                struct setup_probe *out);

/* Whether somebody listens at a port of this host: 0, or a negative errno. */
typedef int (*setup_connect_fn)(const char *host, const char *port);
int setup_probe_port(const char *host, const char *port);

#endif
