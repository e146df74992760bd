/*
 * Postfix's configuration as postconf(1) prints it: parameters of main.cf, and the services of
 * master.cf with the parameters of their own. Pure.
 */
#ifndef MILTER_SETUP_POSTFIX_POSTCONF_H
#define MILTER_SETUP_POSTFIX_POSTCONF_H

#include "policy/arena.h"

#include <stdbool.h>
#include <stddef.h>

/* The first versions that take attributes for TLSRPT from a policy server, and that know REQUIRETLS
 * themselves. */
enum { POSTCONF_TLSRPT = 310, POSTCONF_REQUIRETLS = 311 };

struct postconf_parameter {
    const char *name;
    const char *value;
};

struct postconf_parameters {
    struct postconf_parameter *items;
    size_t count;
};

struct postconf_service {
    const char *id;      /* smtp/inet, as postconf(1) names it */
    const char *name;    /* smtp, 127.0.0.1:10025 */
    const char *type;    /* inet, unix, pass... */
    const char *program; /* smtpd */
    bool chroot;
    int process_limit; /* -1: default_process_limit, 0: none */
    struct postconf_parameters own;
};

/* Begin with all zeros. */
struct postconf {
    struct arena arena;
    struct postconf_parameters parameters;
    struct postconf_service *services; /* in the order of master.cf */
    size_t service_count;
    int version; /* major * 100 + minor: 307, 310 */
};

/* Each reads one output; call in this order. 0, -ENOMEM, or -EINVAL for what is no such output. */
int postconf_read_parameters(struct postconf *conf, const char *text); /* postconf -x */
int postconf_read_fields(struct postconf *conf, const char *text);     /* postconf -F */
int postconf_read_own(struct postconf *conf, const char *text);        /* postconf -Px */
void postconf_fini(struct postconf *conf);

/* The value for a service, or with NULL that of main.cf; "" if there is no such parameter. */
const char *postconf_get(const struct postconf *conf, const struct postconf_service *service,
                         const char *name);

/* Makes it another value, where it stands now; of a parameter that stands nowhere in main.cf. The
 * value is borrowed. 0 or -ENOMEM. */
int postconf_assume(struct postconf *conf, const struct postconf_service *service, const char *name,
                    const char *value);

/* NULL if there is none. */
const struct postconf_service *postconf_service(const struct postconf *conf, const char *name,
                                                const char *type);

/* Seconds of a time value such as 30s or 2m, -1 if it is none. */
int postconf_seconds(const char *value);

/* yes, true, on, 1. */
bool postconf_yes(const char *value);

#endif
