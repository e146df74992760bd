/* Lines of text for people. What they print came from a peer or the daemon: only printable ASCII
 * reaches the terminal. */
#ifndef MILTER_QUERY_QUERY_LINE_H
#define MILTER_QUERY_QUERY_LINE_H

#include <stdio.h>

/* Prints text, `?` for each octet that is not printable ASCII; nothing for NULL. */
void query_line_put(FILE *out, const char *text);

/* Begins a line: its label, and blanks up to the column where values begin. */
void query_line_label(FILE *out, const char *text);

#endif
