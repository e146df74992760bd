/*
 * Reads the tag list of a DKIM-Signature (RFC 6376 section 3.2): `tag = value` between semicolons,
 * folding white space around each part; in the value of `h` (section 3.5) field names between
 * colons. The value is walked where it stands, so that a long one costs no memory.
 */
#include "decide/dkim.h"

#include <string.h>
#include <strings.h>

static const char blanks[] = " \t\r\n";

/* The text from `begin` to before `end`, without white space at both ends. */
struct part {
    const char *text;
    size_t len;
};

static struct part trim_part(const char *begin, const char *end)
{
    while (begin < end && strchr(blanks, *begin) != NULL)
        begin++;
    while (end > begin && strchr(blanks, end[-1]) != NULL)
        end--;
    return (struct part){begin, (size_t)(end - begin)};
}

/* The end of what begins at `at`: the next `separator`, or `end`. */
static const char *find_separator(const char *at, const char *end, char separator)
{
    const char *found = memchr(at, separator, (size_t)(end - at));

    return found != NULL ? found : end;
}

static bool list_names(const char *at, const char *end, const char *name)
{
    size_t len = strlen(name);

    for (;; at++) {
        const char *next = find_separator(at, end, ':');
        struct part field = trim_part(at, next);

        if (field.len == len && strncasecmp(field.text, name, len) == 0)
            return true;
        if (next == end)
            return false;
        at = next;
    }
}

bool dkim_covers(const char *value, const char *name)
{
    const char *end = value + strlen(value);

    for (const char *at = value;; at++) {
        const char *next = find_separator(at, end, ';');
        const char *equals = find_separator(at, next, '=');
        struct part tag = trim_part(at, equals);

        if (equals != next && tag.len == 1 && tag.text[0] == 'h' &&
            list_names(equals + 1, next, name))
            return true;
        if (next == end)
            return false;
        at = next;
    }
}
