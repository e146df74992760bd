/* sendmail's configuration, sendmail.cf: the lines that the set-up check looks at. Pure. */
#ifndef MILTER_SETUP_SENDMAIL_SENDMAIL_CF_H
#define MILTER_SETUP_SENDMAIL_SENDMAIL_CF_H

#include "policy/arena.h"

#include <stdbool.h>
#include <stddef.h>

/* X filter, K map, M mailer, S ruleset, O option, each with its name and what follows it. */
struct cf_line {
    char letter;
    const char *name;
    const char *text;
    size_t rules; /* of a ruleset: how many lines it has */
};

/* Begin with all zeros. */
struct cf {
    struct arena arena;
    struct cf_line *items; /* in the order of the file */
    size_t count;
};

/* Reads the text of a file; continued lines are joined. 0 or -ENOMEM. */
int cf_read(struct cf *cf, const char *text);
void cf_fini(struct cf *cf);

/* The next line with that letter, and that name if it is not NULL; begin with NULL. Names of
 * options are compared without case. */
const struct cf_line *cf_next(const struct cf *cf, const struct cf_line *after, char letter,
                              const char *name);

/* The value of an option, "" if it is not set. */
const char *cf_option(const struct cf *cf, const char *name);

/* A field `S=value` of a filter, mailer or daemon (`Name=value`, without case, also by its first
 * letter), into out without the blanks around it. False, and "", if there is none. */
bool cf_field(const char *text, const char *name, char *out, size_t size);

/* Whether a list, separated by commas and blanks, has that word. */
bool cf_list_has(const char *list, const char *word);

#endif
