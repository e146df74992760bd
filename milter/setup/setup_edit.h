/*
 * Remedies in the daemon's own configuration: command lines that give a key another value, and have
 * the daemon read it. Pure: they go by the text of the file that the report has.
 */
#ifndef MILTER_SETUP_SETUP_EDIT_H
#define MILTER_SETUP_SETUP_EDIT_H

#include "setup/setup_report.h"

/*
 * Adds the commands that set `key` in [section] to `value`, for the last finding. A key that is
 * given more than once, or over several lines, is left to an editor: then it is a comment. Carried
 * out a second time they change nothing.
 */
void setup_edit_key(struct setup_report *report, const char *section, const char *key,
                    const char *value);

/*
 * Adds the commands that give a configuration without routes those of a sample configuration, whose
 * path needs no quotes, with their rules; [default] leads to the two named.
 */
void setup_edit_routes(struct setup_report *report, const char *sample, const char *route,
                       const char *optional_route);

/* Adds what follows the last of them: `restart` for keys that a reload does not change. */
void setup_edit_done(struct setup_report *report, bool restart);

#endif
