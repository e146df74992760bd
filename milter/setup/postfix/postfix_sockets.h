/*
 * Command lines for remedies that make, move and name our sockets; each is added to the last
 * finding (setup_command). Pure.
 */
#ifndef MILTER_SETUP_POSTFIX_POSTFIX_SOCKETS_H
#define MILTER_SETUP_POSTFIX_POSTFIX_SOCKETS_H

#include "setup/postfix/postfix.h"

/*
 * Gives a parameter a value with our socket of that kind in it (setup_own_name), and reloads; first
 * moves the sockets below the queue directory, if `chroot` and they are elsewhere.
 */
void setup_postfix_name_us(const struct setup_postfix *postfix,
                           const struct postconf_service *service, const char *parameter,
                           enum setup_kind kind, bool chroot, const char *value,
                           struct setup_report *report);

/* The value as setup_postfix_name_us sets it. Returns out. */
const char *setup_postfix_named(const struct setup_postfix *postfix, enum setup_kind kind,
                                bool chroot, const char *value, char *out, size_t size);

/* As `move` of struct setup_mta; arg is the struct setup_postfix. */
void setup_postfix_move(const void *arg, struct setup_report *report);

#endif
