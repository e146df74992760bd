/*
 * Reads an ini file with libinih, but lets nothing pass that inih would silently cut, join or skip:
 * over-long lines and section names, inline comments, indented lines, a section given twice,
 * control characters. Knows lines and sections, not what the keys mean.
 */
#ifndef MILTER_CONFIG_INI_READER_H
#define MILTER_CONFIG_INI_READER_H

#include <stdbool.h>
#include <stdio.h>

enum {
    INI_READER_LINE_MAX = 4000,  /* octets; inih's buffer has a fixed size */
    INI_READER_SECTION_MAX = 49, /* inih cuts the rest off */
    INI_READER_FILE_MAX =
        16777216, /* octets; a file of another kind shall not cost memory or time */
};

struct ini_reader_events {
    /* A new section, never the same one twice. False: reported as an error by the callee; the
     * section's keys are then not handed over. */
    bool (*on_section)(void *arg, const char *section, unsigned line);
    /* A key's value, blanks around it dropped. `continued`: from an indented line below the key. */
    void (*on_value)(void *arg, const char *key, const char *value, bool continued, unsigned line);
    void (*on_error)(void *arg, unsigned line, const char *message);
    void *arg;
};

/*
 * Reads the stream to its end. Returns 0, -EINVAL after on_error was called at least once by the
 * reader itself, -EIO when reading failed, -ENOMEM.
 */
int ini_reader_parse(FILE *stream, const struct ini_reader_events *events);

#endif
