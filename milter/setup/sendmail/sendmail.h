/*
 * The checks of a sendmail: as setup_postfix.h, from sendmail.cf. Every check is pure;
 * setup_sendmail_read and setup_sendmail_probe fetch what they look at.
 */
#ifndef MILTER_SETUP_SENDMAIL_H
#define MILTER_SETUP_SENDMAIL_H

#include "config/config.h"
#include "setup/sendmail/sendmail_cf.h"
#include "setup/setup_ca.h"
#include "setup/setup_report.h"
#include "setup/setup_use.h"

/* What sendmail's address test mode (-bt) prints for some lines: 0 and the text, to be freed; or a
 * negative errno with a sentence in err. */
typedef int (*setup_test_fn)(void *arg, const char *lines, char **out, char *err, size_t err_size);

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
};

/* Reads the file and asks the program. 0, or a negative errno with a sentence in err. */
int setup_sendmail_read(struct setup_sendmail *sendmail, char *err, size_t err_size);
void setup_sendmail_fini(struct setup_sendmail *sendmail);

/* What follows from `cf`: user, and where it names filters and socket maps. 0 or -ENOMEM. Pure. */
int setup_sendmail_derive(struct setup_sendmail *sendmail);

/* Tries each socket. 0, or a negative errno with a sentence in err. */
int setup_sendmail_probe(struct setup_sendmail *sendmail, char *err, size_t err_size);

/* All checks. */
void setup_sendmail_check(struct setup_sendmail *sendmail, struct setup_report *report);
void setup_sendmail_routes(struct setup_sendmail *sendmail, struct setup_report *report);

#endif
