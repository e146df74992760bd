/*
 * Command lines for remedies in Postfix's configuration; each is added to the last finding
 * (setup_command). With another configuration directory than Postfix's own they name it. Pure.
 */
#ifndef MILTER_SETUP_POSTFIX_POSTFIX_REMEDY_H
#define MILTER_SETUP_POSTFIX_POSTFIX_REMEDY_H

#include "setup/postfix/postfix.h"

/* Sets a parameter where that service, NULL for main.cf, has it from: there or in main.cf. */
void setup_postfix_set(const struct setup_postfix *postfix, const struct postconf_service *service,
                       const char *parameter, const char *value, struct setup_report *report);

/* Sets it for that service alone. */
void setup_postfix_set_own(const struct setup_postfix *postfix,
                           const struct postconf_service *service, const char *parameter,
                           const char *value, struct setup_report *report);

/* Takes it out of main.cf. */
void setup_postfix_unset(const struct setup_postfix *postfix, const char *parameter,
                         struct setup_report *report);

/* What follows the last of them. */
void setup_postfix_reload(const struct setup_postfix *postfix, struct setup_report *report);

/*
 * A list of milters with the filter: first, so that one that signs comes behind it, then the others
 * that the list has, but for what looks like a mistaken name of ours. Returns out.
 */
const char *setup_postfix_with_us(const struct setup_postfix *postfix, const char *milters,
                                  char *out, size_t size);

/* Has another map asked at that use's socket, wherever its parameter has it, and reloads. */
void setup_postfix_rename_map(const struct setup_postfix *postfix, const struct setup_use *use,
                              const char *map, struct setup_report *report);

/* Puts a table of the snippets for this version into Postfix's configuration directory. */
void setup_postfix_install(const struct setup_postfix *postfix, const char *table,
                           struct setup_report *report);

/* A table of the snippets as parameters name it, `regexp:/etc/postfix/...`. Returns out. */
const char *setup_postfix_table(const struct setup_postfix *postfix, const char *table, char *out,
                                size_t size);

/*
 * Adds all that the routes of the snippets are made of, to a Postfix and a configuration that have
 * none; nothing, where there are some.
 */
void setup_postfix_take_routes(const struct setup_postfix *postfix, struct setup_report *report);

/* The directory of the installed snippets for this version. */
const char *setup_postfix_snippets(const struct setup_postfix *postfix);

#endif
