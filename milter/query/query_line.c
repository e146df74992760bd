/*
 * Lines of text for people: query_line_label begins one, query_line_put adds what it says, the
 * caller ends it.
 */
#include "query/query_line.h"

#include <string.h>

/* The column where values begin. */
enum { COLUMN = 26 };

void query_line_put(FILE *out, const char *text)
{
    for (; text != NULL && *text; text++)
        fputc(*text >= 0x20 && *text < 0x7f ? *text : '?', out);
}

void query_line_label(FILE *out, const char *text)
{
    int len = (int)strlen(text);
    fputs("  ", out);
    query_line_put(out, text);
    fprintf(out, "%*s", len < COLUMN - 3 ? COLUMN - 2 - len : 1, "");
}
