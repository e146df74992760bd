/*
 * Edits of the daemon's configuration as command lines for sed(1): setup_edit_key for each key,
 * then setup_edit_done. A section that is not there is made by the first of several findings that
 * need it. Pure.
 */
#include "setup/setup_edit.h"

#include "config/config.h"

#include <stdio.h>
#include <string.h>

enum { LINE_MAX_LEN = 2000 };

/* Where a key stands. */
struct place {
    bool section; /* the section is there */
    size_t lines; /* of that key in it */
    bool goes_on; /* over more than one line */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_section(const char *line, size_t len, const char *section)
{
    size_t name_len = strlen(section);

    while (len > 0 && (is_blank(line[len - 1]) || line[len - 1] == '\r'))
        len--;
    return len == name_len + 2 && line[0] == '[' && strncmp(line + 1, section, name_len) == 0 &&
           line[len - 1] == ']';
}

static bool is_key(const char *line, const char *key)
{
    size_t len = strlen(key);

    if (strncmp(line, key, len) != 0)
        return false;
    while (is_blank(line[len]))
        len++;
    return line[len] == '=';
}

static struct place find_place(const char *text, const char *section, const char *key)
{
    struct place place = {false, 0, false};
    bool inside = false, after = false;

    while (text != NULL && *text != '\0') {
        size_t len = strcspn(text, "\n");

        if (text[0] == '[') {
            inside = is_section(text, len, section);
            place.section |= inside;
            after = false;
        } else if (inside && is_key(text, key)) {
            place.lines++;
            after = true;
        } else {
            after = after && len > 0 && is_blank(text[0]);
            place.goes_on |= after && strspn(text, " \t\r") < len;
        }
        text += len + (text[len] != '\0');
    }
    return place;
}

/* A value as the text of a command of sed's, to which those characters are special. */
static void escape_value(const char *special, const char *value, char *out, size_t size)
{
    size_t len = 0;

    for (; *value != '\0' && len + 3 < size; value++) {
        if (strchr(special, *value) != NULL)
            out[len++] = '\\';
        out[len++] = *value;
    }
    out[len] = '\0';
}

static const char *path_of(const struct setup_report *report)
{
    return report->config_path != NULL ? report->config_path : CONFIG_DEFAULT_PATH;
}

/* The file, its directory and the section, as far as they are not there. */
static void make_section(struct setup_report *report, const char *section, const char *file)
{
    char directory[LINE_MAX_LEN];
    const char *path = path_of(report), *slash = strrchr(path, '/');

    if (report->config_text == NULL && slash != NULL && slash > path) {
        snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path), path);
        setup_command(report, "install -d %s", setup_word(report, directory));
    }
    setup_command(report, "grep -qs '^\\[%s\\]' %s || printf '\\n[%s]\\n' >>%s", section, file,
                  section, file);
}

void setup_edit_key(struct setup_report *report, const char *section, const char *key,
                    const char *value)
{
    char escaped[LINE_MAX_LEN], added[LINE_MAX_LEN], script[2 * LINE_MAX_LEN], before[400];
    struct place place = find_place(report->config_text, section, key);
    const char *file = setup_word(report, path_of(report));

    if (place.lines > 1 || place.goes_on) {
        setup_command(report, "# in %s, section [%s]: %s = %s", path_of(report), section, key,
                      value);
        return;
    }
    if (!place.section)
        make_section(report, section, file);
    escape_value("\\&|", value, escaped, sizeof(escaped));
    escape_value("\\", value, added, sizeof(added));
    if (place.lines == 1)
        snprintf(script, sizeof(script), "/^\\[%s\\]/,/^\\[/s|^%s[[:blank:]]*=.*|%s = %s|", section,
                 key, key, escaped);
    else
        snprintf(script, sizeof(script), "/^\\[%s\\]/a %s = %s", section, key, added);
    if (place.lines == 1) {
        setup_command(report, "sed -i %s %s", setup_word(report, script), file);
        return;
    }
    snprintf(before, sizeof(before), "/^\\[%s\\]/,/^\\[/{/^%s[[:blank:]]*=/d}", section, key);
    setup_command(report, "sed -i -e %s -e %s %s", setup_word(report, before),
                  setup_word(report, script), file);
}

void setup_edit_routes(struct setup_report *report, const char *sample, const char *route,
                       const char *optional_route)
{
    const char *file = setup_word(report, path_of(report));

    setup_edit_key(report, "default", "route", route);
    setup_edit_key(report, "default", "optional_route", optional_route);
    setup_command(report,
                  "grep -q '^\\[route %s\\]' %s || { echo; sed -n '/^\\[route /,$p' "
                  "%s; } >>%s",
                  route, file, sample, file);
}

void setup_edit_done(struct setup_report *report, bool restart)
{
    setup_command_reload(report, "systemctl %s %s", restart ? "restart" : "reload",
                         report->agent_alone ? "requiretls-deliver" : "requiretls-milter");
}
