/*
 * The checks of a sendmail: as setup_postfix.h, from sendmail.cf. Every check is pure;
 * setup_sendmail_read and setup_sendmail_probe fetch what they look at.
 */
#ifndef MILTER_SETUP_SENDMAIL_SENDMAIL_H
#define MILTER_SETUP_SENDMAIL_SENDMAIL_H

#include "config/config.h"
#include "setup/sendmail/sendmail_cf.h"
#include "setup/setup_ca.h"
#include "setup/setup_report.h"
#include "setup/setup_use.h"

/* What sendmail's address test mode (-bt) prints for some lines: 0 and the text, to be freed; or a
 * negative errno with a sentence in err. */
typedef int (*setup_test_fn)(void *arg, const char *lines, char **out, char *err, size_t err_size);

/* A file that sendmail.cf is made of. */
struct setup_source {
    const char *path;
    const char *text;
};

enum { SETUP_SOURCE_MAX = 16 };

/* Begin with all zeros. */
struct setup_sendmail {
    const struct config *config;
    const char *file; /* sendmail.cf */
    struct cf cf;
    struct setup_mta mta;
    char user[64];
    char group[64];
    char version[32]; /* "" : not known */
    char compiled[1000];
    setup_test_fn test;
    void *test_arg;
    setup_connect_fn connect;
    int (*certificates)(const char *path); /* see setup_ca.h */
    bool open_directory;                   /* the socket's is writable by everybody */
    const char *missing_directory; /* of one of our sockets; NULL: they are there, or the unit's */
    const char *missing_group;     /* socket_group; NULL: it is there, or there is none */
    bool moved;                    /* a finding has moved our sockets to where they usually are */
    /* sendmail.mc, and what it includes of its own directory; none if there is no such file. */
    struct setup_source sources[SETUP_SOURCE_MAX];
    size_t source_count;
    bool makefile;       /* beside it, with the target sendmail.cf */
    const char *restart; /* the command of this machine; static */
    size_t stopped; /* the finding because of which sendmail does not run as the file is, from 1 */
    size_t taken;   /* the finding whose remedy is requiretls.m4 (sendmail_remedy.h), from 1 */
};

/* Reads the file and what it is made from, and asks the program. 0, or a negative errno with a
 * sentence in err. */
int setup_sendmail_read(struct setup_sendmail *sendmail, char *err, size_t err_size);
void setup_sendmail_fini(struct setup_sendmail *sendmail);

/* What follows from `cf`: user, and where it names filters and socket maps. 0 or -ENOMEM. Pure. */
int setup_sendmail_derive(struct setup_sendmail *sendmail);

/* Tries each socket. 0, or a negative errno with a sentence in err. */
int setup_sendmail_probe(struct setup_sendmail *sendmail, char *err, size_t err_size);

/* All checks. */
void setup_sendmail_check(struct setup_sendmail *sendmail, struct setup_report *report);
void setup_sendmail_directories(struct setup_sendmail *sendmail, struct setup_report *report);
void setup_sendmail_routes(struct setup_sendmail *sendmail, struct setup_report *report);

#endif
