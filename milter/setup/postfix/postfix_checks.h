/*
 * The checks of a Postfix. Each adds findings to a report, and is pure: it looks at what
 * setup_postfix_read has read, and calls the functions in struct setup_postfix for tables, ports,
 * proxies and certificates.
 */
#ifndef MILTER_SETUP_POSTFIX_POSTFIX_CHECKS_H
#define MILTER_SETUP_POSTFIX_POSTFIX_CHECKS_H

#include "setup/postfix/postfix.h"

/* All of the checks below, but for the two of setup_postfix_check_late, which comes after it. */
void setup_postfix_check(struct setup_postfix *postfix, struct setup_report *report);
void setup_postfix_check_late(const struct setup_postfix *postfix, struct setup_report *report);

void setup_postfix_milter(struct setup_postfix *postfix, struct setup_report *report);
void setup_postfix_scanners(struct setup_postfix *postfix, struct setup_report *report);
void setup_postfix_bounces(struct setup_postfix *postfix, struct setup_report *report);
void setup_postfix_request(struct setup_postfix *postfix, struct setup_report *report);
void setup_postfix_marker(struct setup_postfix *postfix, struct setup_report *report);
void setup_postfix_maps(struct setup_postfix *postfix, struct setup_report *report);
void setup_postfix_tls(struct setup_postfix *postfix, struct setup_report *report);
void setup_postfix_transports(struct setup_postfix *postfix, struct setup_report *report);
void setup_postfix_routes(struct setup_postfix *postfix, struct setup_report *report);
void setup_postfix_probing(struct setup_postfix *postfix, struct setup_report *report);

/* Whether a Postfix that does not know REQUIRETLS is told what requires it. setup_postfix_check
 * leaves this one out: it looks at what is not there. */
void setup_postfix_native(const struct setup_postfix *postfix, struct setup_report *report);

/* Whether a proxy between two smtpds keeps the marker; tries it. Left out by setup_postfix_check
 * too: it takes time. */
void setup_postfix_proxies(const struct setup_postfix *postfix, struct setup_report *report);

/* Whether a service, NULL for main.cf, takes REQUIRETLS by its smtpd_command_filter. */
bool setup_postfix_takes(const struct setup_postfix *postfix,
                         const struct postconf_service *service);

/* Whether its mail goes through another smtpd yet, which may ask the filter. */
bool setup_postfix_goes_elsewhere(const struct setup_postfix *postfix,
                                  const struct postconf_service *service);

/* Whether a service for others names the filter, and asks none because of no_milters; but for one
 * whose mail goes through another smtpd yet. */
bool setup_postfix_is_silenced(const struct setup_postfix *postfix,
                               const struct postconf_service *service);

/* Whether an smtpd for mail from others asks the filter, or would if it asked any. */
bool setup_postfix_is_asked(const struct setup_postfix *postfix);

/* Whether mail comes there only by a route that reinjects: a rule looks for its name. */
bool setup_postfix_is_second(const struct setup_postfix *postfix,
                             const struct postconf_service *service);

/* The smtpd where a scanner hands its mail back to the filter, as far as can be known; NULL: none.
 */
const struct postconf_service *setup_postfix_behind(const struct setup_postfix *postfix);

/* Whether that service hands its mail to a proxy, and the smtpd that takes it back asks the filter.
 */
bool setup_postfix_proxied(const struct setup_postfix *postfix,
                           const struct postconf_service *service);

#endif
