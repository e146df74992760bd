/*
 * Remedies for a sendmail as command lines: each function adds those for one kind of change, with
 * sed(1) in sendmail.mc or the file that it includes, then what makes sendmail.cf and restarts
 * sendmail. Where a definition stands is looked up in the texts of those files. Pure.
 */
#include "setup/sendmail/sendmail_remedy.h"

#include <stdio.h>
#include <string.h>

enum { SCRIPT_MAX = 3000, NAME_MAX_LEN = 600 };

const char *setup_sendmail_usual(enum setup_kind kind)
{
    return kind == SETUP_MILTER ? "unix:/run/requiretls-milter/milter.sock"
                                : "unix:/run/requiretls-milter/policy.sock";
}

const char *setup_sendmail_own(const struct setup_sendmail *s, enum setup_kind kind, char *out,
                               size_t size)
{
    snprintf(out, size, "%s", setup_sendmail_usual(kind));
    for (size_t i = 0; i < s->mta.own_count && !s->moved; i++) {
        const struct setup_address *own = &s->mta.own[i].address;
        bool any = strcmp(own->host, "0.0.0.0") == 0 || strcmp(own->host, "::") == 0;

        if (own->kind != kind)
            continue;
        if (own->path[0] != '\0')
            snprintf(out, size, "unix:%s", own->path);
        else
            snprintf(out, size, "%s:%s@%s",
                     !any && strchr(own->host, ':') != NULL ? "inet6" : "inet", own->port,
                     any ? "localhost" : own->host);
        break;
    }
    return out;
}

bool setup_sendmail_is_plain(const char *text)
{
    static const char taken[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "/._:@,;=+-[] ";

    return text[strspn(text, taken)] == '\0' && strstr(text, "dnl") == NULL;
}

/* The directory of sendmail.cf. */
static const char *directory_of(const struct setup_sendmail *s, char *out, size_t size)
{
    const char *slash = strrchr(s->file, '/');

    snprintf(out, size, "%.*s", slash != NULL ? (int)(slash - s->file) : 1,
             slash != NULL ? s->file : ".");
    return out;
}

/* Whether a line of the text is one of that macro with that first argument, NULL: with any. */
static const char *find_macro(const char *text, const char *macro, const char *argument)
{
    size_t macro_len = strlen(macro);

    for (const char *line = text; *line != '\0';) {
        const char *at = line + strspn(line, " \t");

        if (strncmp(at, "INPUT_", 6) == 0 && strcmp(macro, "MAIL_FILTER") == 0)
            at += 6;
        if (strncmp(at, macro, macro_len) == 0 && strncmp(at + macro_len, "(`", 2) == 0) {
            const char *found = at + macro_len + 2;
            size_t len = strcspn(found, "'");

            if (argument == NULL || (len == strlen(argument) && strncmp(found, argument, len) == 0))
                return at;
        }
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return NULL;
}

static const struct setup_source *source_of(const struct setup_sendmail *s, const char *macro,
                                            const char *argument)
{
    for (size_t i = 0; i < s->source_count; i++) {
        if (find_macro(s->sources[i].text, macro, argument) != NULL)
            return &s->sources[i];
    }
    return NULL;
}

bool setup_sendmail_defines_filter(const struct setup_sendmail *s, const char *name)
{
    return source_of(s, "MAIL_FILTER", name) != NULL;
}

bool setup_sendmail_defines(const struct setup_sendmail *s, const char *conf_name)
{
    for (size_t i = 0; i < s->source_count; i++) {
        const char *slash = strrchr(s->sources[i].path, '/');

        if ((slash == NULL || strcmp(slash, "/requiretls.m4") != 0) &&
            find_macro(s->sources[i].text, "define", conf_name) != NULL)
            return true;
    }
    return false;
}

/* For a regular expression, or (`is_new`) the text that replaces, of sed -E with `#` around it. */
static const char *for_sed(const char *text, bool is_new, char *out, size_t size)
{
    const char *special = is_new ? "\\&#" : "\\.[]*+?(){}^$|#";
    size_t len = 0;

    for (; *text != '\0' && len + 3 < size; text++) {
        if (strchr(special, *text) != NULL)
            out[len++] = '\\';
        out[len++] = *text;
    }
    out[len] = '\0';
    return out;
}

static void sed(const char *options, const char *script, const char *file,
                struct setup_report *report)
{
    setup_command(report, "sed -i%s %s %s", options, setup_word(report, script),
                  setup_word(report, file));
}

/* A line at the end of sendmail.mc, once: where it stood before it may have been overridden. */
static void append(const struct setup_sendmail *s, const char *line, struct setup_report *report)
{
    char same[SCRIPT_MAX], old[SCRIPT_MAX + 10], script[SCRIPT_MAX];
    const char *file;

    if (s->source_count == 0) {
        setup_command(report, "# in the file that %s is made from: %s", s->file, line);
        return;
    }
    file = setup_word(report, s->sources[0].path);
    snprintf(old, sizeof(old), "\\#^%s$#d", for_sed(line, false, same, sizeof(same)));
    snprintf(script, sizeof(script), "$a %s", line);
    setup_command(report, "sed -i -E %s %s && sed -i %s %s", setup_word(report, old), file,
                  setup_word(report, script), file);
}

void setup_sendmail_define(const struct setup_sendmail *s, const char *conf_name, const char *value,
                           struct setup_report *report)
{
    char line[SCRIPT_MAX / 2];

    snprintf(line, sizeof(line), "define(`%s', `%s')dnl", conf_name, value);
    if (setup_sendmail_is_plain(value))
        append(s, line, report);
    else
        setup_command(report, "# in the file that %s is made from: %s", s->file, line);
}

void setup_sendmail_restart(const struct setup_sendmail *s, struct setup_report *report)
{
    setup_command_reload(report, "%s",
                         s->restart != NULL ? s->restart : "systemctl restart sendmail");
}

/* Whether m4 makes sendmail.cf of sendmail.mc alone: others name cf.m4 beside it. */
static bool includes_cf(const struct setup_sendmail *s)
{
    for (size_t i = 0; i < s->source_count; i++) {
        if (strstr(s->sources[i].text, "cf.m4'") != NULL)
            return true;
    }
    return false;
}

void setup_sendmail_reload(const struct setup_sendmail *s, struct setup_report *report)
{
    char made[NAME_MAX_LEN], directory[NAME_MAX_LEN];

    if (s->source_count > 0 && s->makefile) {
        const char *source = setup_word(report, s->sources[0].path);

        directory_of(s, directory, sizeof(directory));
        setup_command_reload(report, "touch %s && make -C %s sendmail.cf", source,
                             setup_word(report, directory));
    } else if (s->source_count > 0 && !includes_cf(s)) {
        setup_command_reload(report, "# make %s of %s, as it was made before", s->file,
                             s->sources[0].path);
    } else if (s->source_count > 0) {
        snprintf(made, sizeof(made), "%s.new", s->file);
        setup_command_reload(report, "m4 %s >%s && mv --backup=numbered %s %s",
                             setup_word(report, s->sources[0].path), setup_word(report, made),
                             setup_word(report, made), setup_word(report, s->file));
    }
    setup_sendmail_restart(s, report);
}

/* At least that, and longer than the filter may take. */
static int seconds(int wait_ms, int least_s)
{
    int wait_s = wait_ms / 1000 + 10;

    return wait_s > least_s ? wait_s : least_s;
}

void setup_sendmail_filter(struct setup_sendmail *s, const char *name, struct setup_report *report)
{
    const struct setup_source *source = source_of(s, "MAIL_FILTER", name);
    char own[400], value[600], old[200], new[700], script[SCRIPT_MAX];

    setup_sendmail_own(s, SETUP_MILTER, own, sizeof(own));
    snprintf(value, sizeof(value), "S=%s, F=T, T=C:30s;S:10s;R:%ds;E:%ds", own,
             seconds(s->config->milter.rcpt_wait_ms, 60),
             seconds(s->config->milter.eom_wait_ms, 300));
    if (source == NULL || !setup_sendmail_is_plain(own) || !setup_sendmail_is_plain(name)) {
        setup_command(report, "# in the file that %s is made from: INPUT_MAIL_FILTER(`%s', `%s')",
                      s->file, name, value);
    } else {
        snprintf(script, sizeof(script),
                 "s#(^|\\n)([[:blank:]]*)(INPUT_)?MAIL_FILTER\\(`%s',([[:space:]]*)`[^']*'#"
                 "\\1\\2INPUT_MAIL_FILTER(`%s',\\4`%s'#g",
                 for_sed(name, false, old, sizeof(old)), name,
                 for_sed(value, true, new, sizeof(new)));
        sed(" -Ez", script, source->path, report);
    }
    setup_sendmail_reload(s, report);
}

void setup_sendmail_ask(const struct setup_sendmail *s, const char *daemon, const char *filter,
                        struct setup_report *report)
{
    static const char filters[] = "InputMailFilters=";
    char script[SCRIPT_MAX], name[300], asked[300], wanted[200];

    snprintf(wanted, sizeof(wanted), "Name=%s", daemon);
    for (size_t i = 0;
         i < s->source_count && setup_sendmail_is_plain(daemon) && setup_sendmail_is_plain(filter);
         i++) {
        const char *line = s->sources[i].text;

        for (; (line = find_macro(line, "DAEMON_OPTIONS", NULL)) != NULL; line++) {
            snprintf(script, sizeof(script), "%.*s", (int)strcspn(line, "\n"), line);
            if (strstr(script, wanted) == NULL || strstr(script, filters) == NULL)
                continue;
            snprintf(script, sizeof(script),
                     "/DAEMON_OPTIONS\\(.*Name=%s[,' \\t]/{\\#%s([^,']*;)?%s[;,' \\t]#b;"
                     "s#%s([^,' \\t])#%s%s;\\1#;t;"
                     "s#%s#%s%s#}",
                     for_sed(daemon, false, name, sizeof(name)), filters,
                     for_sed(filter, false, asked, sizeof(asked)), filters, filters, filter,
                     filters, filters, filter);
            sed(" -E", script, s->sources[i].path, report);
            setup_sendmail_reload(s, report);
            return;
        }
    }
    setup_command(report, "# in the DAEMON_OPTIONS with Name=%s: %s%s", daemon, filters, filter);
    setup_sendmail_reload(s, report);
}

bool setup_sendmail_rename(const struct setup_sendmail *s, const struct setup_address *old,
                           const char *new, struct setup_report *report)
{
    static const char *const schemes[] = {"unix:", "local:"};
    char script[SCRIPT_MAX], text[400], from[900], to[900];
    bool inet = old->path[0] == '\0', found = false;

    for (size_t k = 0; k < (inet ? 1 : 2) && setup_sendmail_is_plain(new); k++) {
        if (inet)
            snprintf(text, sizeof(text), "inet:%s@%s", old->port, old->host);
        else
            snprintf(text, sizeof(text), "%s%s", schemes[k], old->path);
        snprintf(script, sizeof(script), "s#%s([^[:alnum:]_./-]|$)#%s\\1#g",
                 for_sed(text, false, from, sizeof(from)), for_sed(new, true, to, sizeof(to)));
        for (size_t i = 0; i < s->source_count; i++) {
            if (strstr(s->sources[i].text, text) == NULL)
                continue;
            sed(" -E", script, s->sources[i].path, report);
            found = true;
        }
    }
    return found;
}

void setup_sendmail_certificate(const struct setup_sendmail *s, struct setup_report *report)
{
    char directory[NAME_MAX_LEN], path[NAME_MAX_LEN + 30];
    const char *key, *certificate;

    directory_of(s, directory, sizeof(directory));
    snprintf(path, sizeof(path), "%s/tls", directory);
    const char *tls = setup_word(report, path);
    setup_command(report, "[ -d %s ] || install -d -m 0755 %s", tls, tls);
    snprintf(path, sizeof(path), "%s/tls/requiretls.key", directory);
    key = setup_word(report, path);
    setup_sendmail_define(s, "confSERVER_KEY", path, report);
    snprintf(path, sizeof(path), "%s/tls/requiretls.crt", directory);
    certificate = setup_word(report, path);
    setup_sendmail_define(s, "confSERVER_CERT", path, report);
    setup_command(report,
                  "(umask 077; openssl req -x509 -newkey rsa:2048 -sha256 -nodes -days 3650 -subj "
                  "\"/CN=$(hostname)\" -keyout %s -out %s)",
                  key, certificate);
    setup_sendmail_reload(s, report);
}
