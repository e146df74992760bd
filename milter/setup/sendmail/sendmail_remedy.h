/*
 * Command lines for remedies in sendmail's configuration; each is added to the last finding
 * (setup_command). They change sendmail.mc and the files that it includes, never sendmail.cf, and
 * go by the texts of those files. A value that cannot be written in m4 without changing its
 * meaning, and a place that is not found in the files, becomes a comment for an editor. Pure.
 */
#ifndef MILTER_SETUP_SENDMAIL_SENDMAIL_REMEDY_H
#define MILTER_SETUP_SENDMAIL_SENDMAIL_REMEDY_H

#include "setup/sendmail/sendmail.h"

/*
 * Puts requiretls.m4 of the snippets into the directory of sendmail.mc, with our sockets, includes
 * it there, and adds the routes to a configuration of the daemon that has none. A file of that name
 * is kept as a numbered backup. The first finding that needs it has the commands, and those that
 * follow from it are put below that one: setup_sendmail_rules_begin comes before each such finding
 * is added, setup_sendmail_rules after it.
 */
void setup_sendmail_rules_begin(const struct setup_sendmail *sendmail, struct setup_report *report);
void setup_sendmail_rules(struct setup_sendmail *sendmail, struct setup_report *report);

/* Whether requiretls.m4, as it is there, has a line that begins so. */
bool setup_sendmail_rules_have(const struct setup_sendmail *sendmail, const char *beginning);

/* Gives the filter of that name our socket, F=T and time-outs that suffice. */
void setup_sendmail_filter(struct setup_sendmail *sendmail, const char *name,
                           struct setup_report *report);

/* Whether a file that sendmail.cf is made from defines a filter of that name. */
bool setup_sendmail_defines_filter(const struct setup_sendmail *sendmail, const char *name);

/* Whether another of them than requiretls.m4 has a define(`confNAME', ...). */
bool setup_sendmail_defines(const struct setup_sendmail *sendmail, const char *conf_name);

/* define(`confNAME', `value') at the end of sendmail.mc, where it replaces an earlier one. */
void setup_sendmail_define(const struct setup_sendmail *sendmail, const char *conf_name,
                           const char *value, struct setup_report *report);

/* Puts the filter in front of those that the daemon of that name asks. */
void setup_sendmail_ask(const struct setup_sendmail *sendmail, const char *daemon,
                        const char *filter, struct setup_report *report);

/* Another address of a socket, wherever the files have the old one; setup_sendmail_reload comes
 * after it. False, and nothing is added, if none has it. */
bool setup_sendmail_rename(const struct setup_sendmail *sendmail, const struct setup_address *old,
                           const char *new, struct setup_report *report);

/* A certificate of this host's own making, with its key. */
void setup_sendmail_certificate(const struct setup_sendmail *sendmail, struct setup_report *report);

/* What follows the last of them: makes sendmail.cf and restarts sendmail. */
void setup_sendmail_reload(const struct setup_sendmail *sendmail, struct setup_report *report);

/* The same where sendmail.cf is as it should be. */
void setup_sendmail_restart(const struct setup_sendmail *sendmail, struct setup_report *report);

/* Our own socket of that kind as sendmail names it: unix:/path or inet:port@host. Returns out. */
const char *setup_sendmail_own(const struct setup_sendmail *sendmail, enum setup_kind kind,
                               char *out, size_t size);

/* The one that requiretls.m4 names. */
const char *setup_sendmail_usual(enum setup_kind kind);

/* Whether m4, sendmail and sed(1) take the text as it stands, within quotes. */
bool setup_sendmail_is_plain(const char *text);

#endif
