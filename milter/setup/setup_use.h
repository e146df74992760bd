/*
 * Where an MTA's configuration names a milter, a socketmap or the delivery agent, and what came of
 * trying it. Pure, but for setup_mta_probe and setup_use_probe.
 */
#ifndef MILTER_SETUP_SETUP_USE_H
#define MILTER_SETUP_SETUP_USE_H

#include "config/config.h"
#include "setup/setup_address.h"
#include "setup/setup_probe.h"
#include "setup/setup_report.h"

struct setup_use {
    struct setup_address address;
    const char *parameter; /* smtpd_milters... */
    const char *by;        /* the first of the services that have it so: smtp/inet */
    size_t others;         /* how many more */
    bool chroot;           /* they are in the queue directory, and do not see what is outside */
    bool planned;          /* Postfix does not name it yet: a remedy has it name it */
    bool separate;         /* of a SETUP_LMTP: the delivery agent is a service of its own */
    /* Filled in by the probe. */
    bool probed;
    int error; /* it could not be tried */
    struct setup_probe probe;
};

/* A socket of our own configuration. */
struct setup_own {
    struct setup_address address; /* its path is absolute */
    dev_t device;                 /* 0: it does not exist, or is no unix socket */
    ino_t inode;
    /* Filled in by the probe. */
    bool probed;
    bool answers; /* the daemon does, whoever else may reach it */
    bool down;    /* nobody listens there */
    /* Not of our configuration: where a socket would be that was moved below the queue directory.
     */
    bool expected;
};

enum { SETUP_OWN_MAX = 32 };

/* The part of an MTA that the checks of sockets look at. */
struct setup_mta {
    const char *name;  /* Postfix, sendmail */
    const char *queue; /* relative paths and chroots begin there */
    const char *user;  /* who connects */
    const char *group; /* a group of that user's */
    struct setup_own own[SETUP_OWN_MAX];
    size_t own_count;
    bool own_unknown; /* the configuration has an error there: what answers as ours is ours */
    struct setup_use *uses;
    size_t use_count;
    /* Adds the commands that put the sockets where its services in a chroot see them; NULL: it has
     * no chroots. */
    void (*move)(const void *arg, struct setup_report *report);
    const void *move_arg;
};

/* Whether two name the same in the same way. */
bool setup_use_same(const struct setup_use *a, const struct setup_use *b);

/* Fills in `own` from the configuration, without looking at the files. */
void setup_own_from(struct setup_mta *mta, const struct config *config);

/* Adds the places below the queue directory where those of our sockets belong that are elsewhere.
 */
void setup_own_expect(struct setup_mta *mta);

/* Tries every use as that user, see setup_probe.h, and looks where our own sockets are; what was
 * tried before is not tried anew, nor is what a remedy makes. */
void setup_mta_probe(struct setup_mta *mta, struct setup_who *who);

/* Tries one of them. */
void setup_use_probe(const struct setup_mta *mta, struct setup_who *who, struct setup_use *use);

/* The path of a unix socket as seen from outside of any chroot; returns out. */
const char *setup_use_path(const struct setup_mta *mta, const struct setup_use *use, char *out,
                           size_t size);

enum setup_match {
    SETUP_FOREIGN, /* another program's, as far as can be seen */
    SETUP_ALIKE,   /* a daemon of this program answers, but at no socket of this configuration */
    SETUP_OUTSIDE, /* our socket's path, but the service cannot see it from its chroot */
    SETUP_OURS,
};
enum setup_match setup_use_match(const struct setup_mta *mta, const struct setup_use *use);

/* Whether it names a socket that would be ours if it was moved below the queue directory. */
bool setup_use_expects(const struct setup_mta *mta, const struct setup_use *use);

/* Our own socket of that kind as the MTA should name it, for remedies. Returns out. */
const char *setup_own_name(const struct setup_mta *mta, enum setup_kind kind, char *out,
                           size_t size);

/* Adds what follows from the probe of a use that is ours, or should be. */
void setup_check_use(const struct setup_mta *mta, const struct setup_use *use,
                     struct setup_report *report);

/* The same of the socket of the delivery agent (SETUP_LMTP), with the commands that mend it. */
void setup_check_agent_socket(const struct setup_mta *mta, const struct config *config,
                              const struct setup_use *use, struct setup_report *report);

/* The same of all uses, each cause once: the daemon is down, a directory lets the MTA not in... */
void setup_check_sockets(const struct setup_mta *mta, const struct config *config,
                         struct setup_report *report);

/* Whether a remedy of that moves the sockets below the queue directory. */
bool setup_sockets_move(const struct setup_mta *mta);

/* The path below the queue directory, NULL if it is elsewhere. */
const char *setup_below_queue(const struct setup_mta *mta, const char *path);

/* What the MTA sees as the place where a probe ended, as seen from outside of any chroot. Returns
 * out. */
const char *setup_use_where(const struct setup_mta *mta, const struct setup_use *use, char *out,
                            size_t size);

#endif
