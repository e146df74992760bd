/*
 * Where an MTA's configuration names a milter or a socketmap, and what came of trying it. Pure, but
 * for setup_mta_probe.
 */
#ifndef MILTER_SETUP_USE_H
#define MILTER_SETUP_USE_H

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
    struct setup_use *uses;
    size_t use_count;
};

/* Fills in `own` from the configuration, without looking at the files. */
void setup_own_from(struct setup_mta *mta, const struct config *config);

/* Tries every use as that user, see setup_probe.h, and looks where our own sockets are. */
void setup_mta_probe(struct setup_mta *mta, struct setup_who *who);

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

/* Our own socket of that kind as the MTA should name it, for remedies. Returns out. */
const char *setup_own_name(const struct setup_mta *mta, enum setup_kind kind, char *out,
                           size_t size);

/* What is to be said beside that name: that a service in a chroot cannot see the socket where it
 * is; "" if it can. */
const char *setup_own_proviso(const struct setup_mta *mta, enum setup_kind kind, bool chroot);

/* Adds what follows from the probe of a use that is ours, or should be. */
void setup_check_use(const struct setup_mta *mta, const struct setup_use *use,
                     struct setup_report *report);

#endif
