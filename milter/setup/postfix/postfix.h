/*
 * A Postfix as the set-up check sees it: what was read of it, and the questions that several checks
 * ask of that. setup_postfix_read reads, setup_postfix_probe tries the sockets; then the checks of
 * postfix_checks.h are made, and setup_postfix_fini ends. But for read and probe all is pure.
 */
#ifndef MILTER_SETUP_POSTFIX_POSTFIX_H
#define MILTER_SETUP_POSTFIX_POSTFIX_H

#include "config/config.h"
#include "setup/postfix/postconf.h"
#include "setup/postfix/postfix_proxy.h"
#include "setup/setup_report.h"
#include "setup/setup_use.h"

/*
 * Asks a table: 1 and the result in out, 0 if it has no such key, a negative errno with a sentence
 * in out if it cannot be asked: -ENOENT if its file is not there.
 */
typedef int (*setup_lookup_fn)(void *arg, const char *table, const char *key, char *out,
                               size_t size);

/* Calls take(take_arg, value) for each value in a table: 0, or a negative errno: -ENOENT if its
 * file is not there, -ENOTSUP if a table of that type cannot be listed. */
typedef void (*setup_value_fn)(void *take_arg, const char *value);
typedef int (*setup_values_fn)(void *arg, const char *table, setup_value_fn take, void *take_arg);

/* How many certificates a PEM file, or a hashed directory, holds; a negative errno. */
typedef int (*setup_certificates_fn)(void *arg, const char *path);

/* Tries a use as Postfix's user, see setup_use_probe. */
typedef void (*setup_try_fn)(void *arg, struct setup_use *use);

/* What Postfix will have once the remedy for a filter that nobody asks is carried out; see
 * setup_postfix_plan. */
struct setup_postfix_plan {
    bool made;
    const char *before; /* smtpd_milters as it is */
    bool non_smtpd;     /* non_smtpd_milters is to be set too */
};

/* Begin with all zeros. */
struct setup_postfix {
    const struct config *config;
    const char *config_dir; /* postconf -c; NULL: Postfix's own */
    struct postconf conf;
    struct setup_mta mta;
    struct setup_postfix_plan plan;
    setup_lookup_fn lookup;
    void *lookup_arg;
    setup_values_fn values;
    void *values_arg;
    setup_connect_fn connect;
    setup_try_fn try_use;
    void *try_arg;
    setup_proxy_fn proxy;
    setup_certificates_fn certificates;
    void *certificates_arg;
};

/* Reads the configuration. 0, or a negative errno with a sentence in err. */
int setup_postfix_read(struct setup_postfix *postfix, char *err, size_t err_size);
void setup_postfix_fini(struct setup_postfix *postfix);

/* What follows from `conf`: the MTA's directories, and where it names milters and socketmaps; 0 or
 * -ENOMEM. Pure. */
int setup_postfix_derive(struct setup_postfix *postfix);

/* Tries each socket as Postfix does, but for those that it has tried before. 0, or a negative errno
 * with a sentence in err. */
int setup_postfix_probe(struct setup_postfix *postfix, char *err, size_t err_size);

/*
 * If no smtpd asks the filter, makes `conf`, `mta` and `plan` what they will be when the remedy for
 * that is carried out, so that the checks find in one round what else is to be done. After the
 * first setup_postfix_probe, before a second one. 0 or -ENOMEM. Pure.
 */
int setup_postfix_plan(struct setup_postfix *postfix);

/* Services whose program is that, one after the other: NULL first, NULL at the end. */
const struct postconf_service *setup_postfix_next(const struct setup_postfix *postfix,
                                                  const struct postconf_service *after,
                                                  const char *program);

/*
 * Whether a list of milters or tables names our socket; `item` (of that size, may be NULL) is then
 * what it is, and address its parts. For a socketmap the map must be one of `maps`, if not NULL, a
 * list that ends with NULL.
 */
bool setup_postfix_names_us(const struct setup_postfix *postfix,
                            const struct postconf_service *service, const char *parameter,
                            enum setup_kind kind, const char *const *maps,
                            struct setup_address *address);

/* The same of a list as smtpd_milters is one, wherever it stands. */
bool setup_postfix_list_names_us(const struct setup_postfix *postfix,
                                 const struct postconf_service *service, const char *list);

/* Asks the tables that a parameter of a service names, one after the other: as setup_lookup_fn. */
int setup_postfix_look_up(const struct setup_postfix *postfix,
                          const struct postconf_service *service, const char *parameter,
                          const char *key, char *out, size_t size);

/* What it is that a table cannot be asked: one that is not there is wrong, for Postfix as well. */
enum setup_state setup_postfix_unasked(int error);

/* Whether no_milters in receive_override_options keeps that service from asking any. */
bool setup_postfix_no_milters(const struct setup_postfix *postfix,
                              const struct postconf_service *service);

/* Whether that service asks the filter, for clients that smtpd_milter_maps does not name; if it is
 * for this host alone, for 127.0.0.1. */
bool setup_postfix_filtered(const struct setup_postfix *postfix,
                            const struct postconf_service *service);

/* Whether an smtpd is in a chroot. */
bool setup_postfix_smtpd_chroot(const struct setup_postfix *postfix);

/* The transports that all mail takes unless told otherwise. */
bool setup_postfix_is_default(const struct postconf_service *service);

/* Whether it can only be reached from this host. */
bool setup_postfix_is_inner(const struct postconf_service *service);

/* Where a service's value is set: `main.cf`, or the service. */
const char *setup_postfix_place(const struct postconf_service *service, const char *parameter);

/* Which programs ask whom, by which parameter. */
struct setup_postfix_asker {
    const char *program;
    const char *parameter;
    enum setup_kind kind;
};
enum { SETUP_POSTFIX_ASKERS = 4 };
extern const struct setup_postfix_asker setup_postfix_askers[SETUP_POSTFIX_ASKERS];

#endif
