/*
 * Between a file and libinih: inih asks for lines as fgets would give them, and gets only lines
 * that it reads the way a person does. A line with an error is reported here and replaced by an
 * empty one. Debian builds inih without line numbers for the handler; as inih calls the handler
 * before it asks for the next line, the reader's own count is the line of every value.
 */
#include "config/ini_reader.h"

#include "base/text.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct seen {
    struct seen *next;
    char name[INI_READER_SECTION_MAX + 1];
};

struct reader {
    FILE *stream;
    const struct ini_reader_events *events;
    char line[INI_READER_LINE_MAX + 1]; /* the one being read; what is longer is only counted */
    size_t file_len;                    /* octets read so far */
    unsigned line_no;
    bool failed;        /* an error was reported */
    bool section_known; /* values go to the callee */
    bool in_section;    /* a section header was seen */
    bool has_key;       /* an indented line would continue something */
    bool continued;     /* the line inih has now is indented */
    struct seen *seen;
    int failure;
};

static void report_error(struct reader *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void report_error(struct reader *r, const char *format, ...)
{
    char message[256];
    va_list args;

    r->failed = true;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    r->events->on_error(r->events->arg, r->line_no, message);
}

/* Octets that no value may hold; UTF-8 passes. */
static bool line_is_clean(struct reader *r, const char *line, size_t len)
{
    if (r->line_no == 1 && len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
        report_error(r, "the file begins with a byte order mark; save it as plain UTF-8");
        return false;
    }
    for (size_t i = 0; i < len && i < INI_READER_LINE_MAX; i++) {
        unsigned char c = (unsigned char)line[i];

        if ((c < ' ' && c != '\t') || c == 0x7f) {
            report_error(r, "control character 0x%02x in column %zu", c, i + 1);
            return false;
        }
    }
    if (len > INI_READER_LINE_MAX) {
        report_error(r, "line of %zu octets; at most %d are allowed", len, INI_READER_LINE_MAX);
        return false;
    }
    return true;
}

static bool section_is_new(struct reader *r, const char *name)
{
    struct seen *seen;

    for (seen = r->seen; seen != NULL; seen = seen->next)
        if (strcasecmp(seen->name, name) == 0) {
            report_error(r, "section [%s] is given twice", name);
            return false;
        }
    seen = calloc(1, sizeof(*seen));
    if (seen == NULL) {
        r->failure = -ENOMEM;
        return false;
    }
    snprintf(seen->name, sizeof(seen->name), "%s", name);
    seen->next = r->seen;
    r->seen = seen;
    return true;
}

static void take_section(struct reader *r, char *line)
{
    char *end = strchr(line, ']');
    char *name = line + 1;

    r->in_section = true;
    r->section_known = false;
    r->has_key = false;
    if (end == NULL || end[1 + strspn(end + 1, " \t")] != '\0') {
        report_error(r, "a section is [name] on a line of its own");
        return;
    }
    *end = '\0';
    if (end - name > INI_READER_SECTION_MAX) {
        report_error(r, "section name of %d octets; at most %d are allowed", (int)(end - name),
                     INI_READER_SECTION_MAX);
    } else if (section_is_new(r, name)) {
        r->section_known = r->events->on_section(r->events->arg, name, r->line_no);
    }
    *end = ']';
}

/* A line that is neither empty nor comment nor section: may inih have it? */
static bool take_key(struct reader *r, const char *text, bool indented)
{
    const char *separator = strpbrk(text, "=:");

    for (const char *p = text; *p != '\0'; p++)
        if (*p == ';' && p > text && text_is_wsp(p[-1])) {
            report_error(r, "';' after a blank would cut the value off; comments start a line");
            return false;
        }
    if (!r->in_section) {
        report_error(r, "a key before the first [section]");
        return false;
    }
    if (!r->section_known)
        return false; /* the section was in error; its keys mean nothing */
    if (indented) {
        if (!r->has_key)
            report_error(r, "an indented line continues a key, and there is none above it");
        r->continued = true;
        return r->has_key;
    }
    r->has_key = false;
    if (separator == NULL || *separator != '=') {
        report_error(r, "neither [section] nor key = value");
        return false;
    }
    if (separator == text) {
        report_error(r, "no key before '='");
        return false;
    }
    r->has_key = true;
    return true;
}

/* Decides what inih is to see of the line; false: nothing. */
static bool parse_line(struct reader *r, char *line, size_t len)
{
    char *text = line + strspn(line, " \t");

    r->continued = false;
    if (!line_is_clean(r, line, len)) {
        r->has_key = false;
        return false;
    }
    if (*text == '\0' || *text == '#' || *text == ';')
        return false;
    if (*text == '[' && text == line) {
        take_section(r, line);
        return r->section_known;
    }
    return take_key(r, text, text > line);
}

/*
 * Reads a line into r->line without its end, LF or CRLF. False at the end of the file, and when
 * reading failed. *len counts what did not fit, too.
 */
static bool get_line(struct reader *r, size_t *len)
{
    int c;

    *len = 0;
    while ((c = getc(r->stream)) != EOF && ++r->file_len <= INI_READER_FILE_MAX && c != '\n') {
        if (*len < INI_READER_LINE_MAX)
            r->line[*len] = (char)c;
        ++*len;
    }
    if (ferror(r->stream)) {
        r->failure = -EIO;
        return false;
    }
    if (c == EOF && *len == 0)
        return false;
    r->line_no++;
    if (r->file_len > INI_READER_FILE_MAX) {
        report_error(r, "the file has more than %d octets", INI_READER_FILE_MAX);
        return false;
    }
    if (*len > 0 && *len <= INI_READER_LINE_MAX && r->line[*len - 1] == '\r')
        --*len;
    r->line[*len < INI_READER_LINE_MAX ? *len : INI_READER_LINE_MAX] = '\0';
    return true;
}

/* inih's reader: like fgets. `size` is that of inih's own buffer. */
static char *read_line(char *out, int size, void *arg)
{
    struct reader *r = arg;
    size_t len;

    if (r->failure != 0 || !get_line(r, &len))
        return NULL;
    if (!parse_line(r, r->line, len) || r->failure != 0) {
        snprintf(out, (size_t)size, "\n");
        return out;
    }
    if (len + 3 > (size_t)size) { /* an inih whose buffer cannot be set */
        report_error(r, "line of %zu octets; at most %d are allowed", len, size - 3);
        len = 0;
    }
    memcpy(out, r->line, len);
    out[len] = '\n';
    out[len + 1] = '\0';
    return out;
}

static int on_value(void *arg, const char *section, const char *key, const char *value)
{
    struct reader *r = arg;

    (void)section; /* the reader has announced it */
    r->events->on_value(r->events->arg, key, value, r->continued, r->line_no);
    return 1;
}

int ini_reader_parse(FILE *stream, const struct ini_reader_events *events)
{
    struct reader r = {.stream = stream, .events = events};
    int error;

#ifdef HAVE_INI_RUNTIME_OPTIONS
    /* Debian's inih takes its options at run time; elsewhere lines end at inih's own limit. */
    ini_use_stack = false;
    ini_initial_alloc = INI_READER_LINE_MAX + 3;
    ini_max_line = INI_READER_LINE_MAX + 3;
    ini_allow_realloc = false;
    ini_allow_multiline = true;
    ini_stop_on_first_error = false;
#endif
    error = ini_parse_stream(read_line, &r, on_value, &r);
    while (r.seen != NULL) {
        struct seen *seen = r.seen;

        r.seen = seen->next;
        free(seen);
    }
    if (r.failure != 0)
        return r.failure;
    if (error == -2)
        return -ENOMEM;
    if (error != 0 && !r.failed) { /* the reader let a line pass that inih does not like */
        r.line_no = error > 0 ? (unsigned)error : 0;
        report_error(&r, "neither [section] nor key = value");
    }
    return r.failed ? -EINVAL : 0;
}
