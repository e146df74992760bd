/*
 * The remedy that a sendmail without our rules needs, or one whose rules are not what they were:
 * requiretls.m4 of the snippets, whole, in place of what there is of it. All findings with that
 * cause are shown below the first. Pure.
 */
#include "setup/sendmail/sendmail_remedy.h"

#include "config/config_rule.h"
#include "setup/setup_edit.h"

#include <stdio.h>
#include <string.h>

#define EXAMPLES PROJECT_EXAMPLES_DIR "/sendmail"

enum { PATH_LEN = 700, SCRIPT_LEN = 2500 };

/* Whether a line of the text begins so, but for blanks. */
static bool has_line(const char *text, const char *beginning)
{
    size_t len = strlen(beginning);

    while (*text != '\0') {
        if (strncmp(text + strspn(text, " \t"), beginning, len) == 0)
            return true;
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return false;
}

static const char *rules_file(const struct setup_sendmail *s, char *out, size_t size)
{
    const char *slash = strrchr(s->file, '/');

    snprintf(out, size, "%.*s/requiretls.m4", slash != NULL ? (int)(slash - s->file) : 1,
             slash != NULL ? s->file : ".");
    return out;
}

bool setup_sendmail_rules_have(const struct setup_sendmail *s, const char *beginning)
{
    char path[PATH_LEN];

    rules_file(s, path, sizeof(path));
    for (size_t i = 0; i < s->source_count; i++) {
        if (strcmp(s->sources[i].path, path) == 0 && has_line(s->sources[i].text, beginning))
            return true;
    }
    return false;
}

/* Definitions that requiretls.m4 has as well: sendmail.cf can have each once. */
static void drop(const struct setup_sendmail *s, const char *macro, const char *name,
                 struct setup_report *report)
{
    char own[PATH_LEN], line[300], input[310], script[600];

    rules_file(s, own, sizeof(own));
    snprintf(line, sizeof(line), "%s(`%s'", macro, name);
    snprintf(input, sizeof(input), "INPUT_%s", line);
    if (name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] !=
        '\0')
        return;
    for (size_t i = 0; i < s->source_count; i++) {
        const struct setup_source *source = &s->sources[i];

        if (strcmp(source->path, own) == 0 ||
            (!has_line(source->text, line) && !has_line(source->text, input)))
            continue;
        snprintf(script, sizeof(script), "s#(^|\\n)[[:blank:]]*(INPUT_)?%s\\(`%s'[^)]*\\)#\\1#g",
                 macro, name);
        setup_command(report, "sed -i -Ez %s %s", setup_word(report, script),
                      setup_word(report, source->path));
    }
}

static void drop_filters(const struct setup_sendmail *s, struct setup_report *report)
{
    drop(s, "MAIL_FILTER", "requiretls", report);
    for (size_t i = 0; i < s->mta.use_count; i++) {
        const struct setup_use *use = &s->mta.uses[i];

        if (use->address.kind == SETUP_MILTER && setup_use_match(&s->mta, use) != SETUP_FOREIGN)
            drop(s, "MAIL_FILTER", use->by, report);
    }
    drop(s, "FEATURE", "sts", report);
}

/* Another socket than requiretls.m4 names. */
static void name_socket(const struct setup_sendmail *s, enum setup_kind kind, const char *word,
                        struct setup_report *report)
{
    const char *usual = setup_sendmail_usual(kind);
    char own[400], script[600];

    setup_sendmail_own(s, kind, own, sizeof(own));
    if (strcmp(own, usual) == 0)
        return;
    if (!setup_sendmail_is_plain(own)) {
        setup_command(report, "# in %s: %s instead of %s", word, own, usual);
        return;
    }
    snprintf(script, sizeof(script), "s#%s#%s#g", usual, own);
    setup_command(report, "sed -i %s %s", setup_word(report, script), word);
}

/*
 * sendmail's own listeners, which are there only as long as there is no DAEMON_OPTIONS: those of
 * requiretls.m4 would take their place. The one for submission stays.
 */
static void keep_listeners(const struct setup_sendmail *s, char *lines, size_t size)
{
    const struct cf_line *daemon = NULL;
    size_t len = 0;
    char port[30];

    lines[0] = '\0';
    for (size_t i = 0; i < s->source_count; i++)
        if (has_line(s->sources[i].text, "DAEMON_OPTIONS("))
            return;
    while ((daemon = cf_next(&s->cf, daemon, 'O', "DaemonPortOptions")) != NULL) {
        if (cf_field(daemon->text, "Port", port, sizeof(port)) ||
            strpbrk(daemon->text, "#&\\`'") != NULL)
            continue;
        size_t more =
            (size_t)snprintf(lines + len, size - len, "DAEMON_OPTIONS(`%s')dnl\\n", daemon->text);
        if (more >= size - len)
            lines[len] = '\0'; /* half a line would do harm */
        else
            len += more;
    }
}

/* One of the files, by what stands in include(`...'), NULL if it is none of them. */
static const struct setup_source *included(const struct setup_sendmail *s, const char *path)
{
    for (size_t i = 0; i < s->source_count; i++) {
        size_t len = strlen(s->sources[i].path);

        if (strncmp(s->sources[i].path, path, len) == 0 && path[len] == '\'')
            return &s->sources[i];
    }
    return NULL;
}

/* The file with the first MAILER of what m4 reads with that file, `depth` files below the first;
 * NULL if there is none in those of that directory. */
static const struct setup_source *with_mailer(const struct setup_sendmail *s,
                                              const struct setup_source *source, size_t depth)
{
    static const char include[] = "include(`";

    for (const char *line = source->text; *line != '\0' && depth < SETUP_SOURCE_MAX;) {
        const char *at = line + strspn(line, " \t");
        const struct setup_source *other = NULL, *found = NULL;

        if (strncmp(at, "MAILER(", 7) == 0 || strncmp(at, "MAILER_DEFINITIONS", 18) == 0)
            return source;
        if (strncmp(at, include, strlen(include)) == 0)
            other = included(s, at + strlen(include));
        if (other != NULL && (found = with_mailer(s, other, depth + 1)) != NULL)
            return found;
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return NULL;
}

/* The line that includes it, before the first MAILER. */
static void include(const struct setup_sendmail *s, const char *path, struct setup_report *report)
{
    const struct setup_source *source = with_mailer(s, &s->sources[0], 0);
    char line[PATH_LEN + 30], listeners[800], script[SCRIPT_LEN];

    snprintf(line, sizeof(line), "include(`%s')", path);
    for (size_t i = 0; i < s->source_count; i++)
        if (has_line(s->sources[i].text, line))
            return;
    snprintf(line, sizeof(line), "include(`%s')dnl", path);
    if (!setup_sendmail_is_plain(path)) {
        setup_command(report, "# in %s, before the first MAILER: %s", s->sources[0].path, line);
        return;
    }
    keep_listeners(s, listeners, sizeof(listeners));
    const char *file = setup_word(report, source != NULL ? source->path : s->sources[0].path);
    if (source != NULL)
        snprintf(script, sizeof(script), "0,/^[[:blank:]]*MAILER(_DEFINITIONS|\\()/s##%s%s\\n&#",
                 listeners, line);
    else
        snprintf(script, sizeof(script), "$a %s%s", listeners, line);
    setup_command(report, "grep -qxF %s %s || sed -i -E %s %s", setup_word(report, line), file,
                  setup_word(report, script), file);
}

/* The routes of the snippets, for a configuration that has none. */
static void take_routes(const struct setup_sendmail *s, struct setup_report *report)
{
    const struct config *config = s->config;
    const char *path =
        setup_word(report, report->config_path != NULL ? report->config_path : CONFIG_DEFAULT_PATH);

    if (config->milter.socket == NULL)
        setup_edit_key(report, "milter", "socket", setup_sendmail_usual(SETUP_MILTER));
    if (config->socketmap.listen_count == 0)
        setup_edit_key(report, "socketmap", "listen", setup_sendmail_usual(SETUP_SOCKETMAP));
    /* `native` is built in. */
    bool has_routes = config->route_count > 1 || config->rule_count > 0 ||
                      config->defaults->sets != 0 || config->defaults->route != NULL ||
                      config->defaults->optional_route != NULL;
    if (!has_routes && report->config_text == NULL)
        setup_command(report, "install -D -m 0644 " EXAMPLES "/requiretls-milter.conf %s", path);
    else if (!has_routes)
        setup_edit_routes(report, EXAMPLES "/requiretls-milter.conf", "strict", "optional");
    if (!has_routes || config->milter.socket == NULL || config->socketmap.listen_count == 0)
        setup_edit_done(report, true);
}

void setup_sendmail_rules_begin(const struct setup_sendmail *s, struct setup_report *report)
{
    report->cause = s->taken;
}

void setup_sendmail_rules(struct setup_sendmail *s, struct setup_report *report)
{
    char path[PATH_LEN];

    if (s->taken != 0) {
        setup_follow_end(report);
        return;
    }
    s->taken = report->count;
    rules_file(s, path, sizeof(path));
    if (s->source_count == 0) {
        setup_remedy(report,
                     "%s is not made from a sendmail.mc beside it: include " EXAMPLES
                     "/requiretls.m4 in what it is made from, before the first MAILER",
                     s->file);
        return;
    }
    const char *word = setup_word(report, path);
    setup_command(report, "install --backup=numbered -m 0644 " EXAMPLES "/requiretls.m4 %s", word);
    name_socket(s, SETUP_MILTER, word, report);
    name_socket(s, SETUP_SOCKETMAP, word, report);
    drop_filters(s, report);
    include(s, path, report);
    take_routes(s, report);
    setup_sendmail_reload(s, report);
}
