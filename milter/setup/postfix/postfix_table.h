/* What a lookup table of Postfix holds: the values of all its lines, whatever their keys. */
#ifndef MILTER_SETUP_POSTFIX_POSTFIX_TABLE_H
#define MILTER_SETUP_POSTFIX_POSTFIX_TABLE_H

#include "setup/postfix/postfix.h"

/*
 * As setup_values_fn, `postfix` being the struct setup_postfix: asks postmap -s, or reads the file
 * of a table that postmap cannot list (cidr, regexp, pcre). Other errors than those of
 * setup_values_fn: -ENOMEM, -EIO and what reading a file gives.
 */
int setup_table_values(void *postfix, const char *table, setup_value_fn take, void *take_arg);

/* The values in the text of a table with patterns, cidr_table(5) or regexp_table(5). Pure; 0 or
 * -ENOMEM. */
int setup_table_patterns(const char *text, bool regexp, setup_value_fn take, void *take_arg);

#endif
