/*
 * Fetches what the checks of a sendmail look at: the file, those that it is made of, what the
 * program says of itself, then, as the user that sendmail becomes, its sockets.
 */
#include "setup/sendmail/sendmail.h"

#include "setup/setup_run.h"

#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COMMAND_MS = 30000, FILE_MAX = 4 * 1024 * 1024 };

static int read_file(const char *path, char **out)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;

    if (file == NULL)
        return -errno;
    text = malloc(FILE_MAX + 1);
    size_t len = text != NULL ? fread(text, 1, FILE_MAX, file) : 0;
    int error = text == NULL ? -ENOMEM : ferror(file) ? -EIO : len == FILE_MAX ? -EFBIG : 0;
    fclose(file);
    if (error != 0) {
        free(text);
        return error;
    }
    text[len] = '\0';
    *out = text;
    return 0;
}

/* As setup_test_fn. */
static int test(void *arg, const char *lines, char **out, char *err, size_t err_size)
{
    const struct setup_sendmail *s = arg;
    char file[PATH_MAX + 2];
    const char *const argv[] = {"sendmail", file, "-d0.4", "-bt", NULL};
    int status;

    snprintf(file, sizeof(file), "-C%s", s->file);
    int error = setup_run(argv, lines, COMMAND_MS, out, &status, err, err_size);
    if (error != 0 || (status == 0 && *out != NULL))
        return error;
    free(*out);
    return -EIO;
}

/* `Version 8.17.1.9`, and from `Compiled with:` on to the blank line. */
static void read_version(struct setup_sendmail *s, const char *text)
{
    const char *version = strstr(text, "Version "), *compiled = strstr(text, "Compiled with:");

    if (version != NULL)
        snprintf(s->version, sizeof(s->version), "%.*s", (int)strcspn(version + 8, " \r\n"),
                 version + 8);
    if (compiled != NULL) {
        const char *end = strstr(compiled, "\n\n");

        snprintf(s->compiled, sizeof(s->compiled), "%.*s",
                 (int)(end != NULL ? end - compiled : (ptrdiff_t)strlen(compiled)), compiled);
    }
}

/* Whether somebody else could put a socket of his own there. */
static bool is_open(const char *path)
{
    char part[PATH_MAX];
    struct stat st;

    if (path[0] != '/')
        return false;
    snprintf(part, sizeof(part), "%s", path);
    while (strcmp(part, "/") != 0) {
        char *parent = dirname(part);

        if (parent != part)
            memmove(part, parent, strlen(parent) + 1);
        if (stat(part, &st) == 0 && (st.st_mode & S_IWOTH) != 0)
            return true;
    }
    return false;
}

/* Adds a file to the sources; one that cannot be read is none. Returns whether it is there. */
static bool add_source(struct setup_sendmail *s, const char *path)
{
    char *text;
    struct setup_source *source = &s->sources[s->source_count];

    if (s->source_count == SETUP_SOURCE_MAX || read_file(path, &text) != 0)
        return false;
    source->path = arena_string(&s->cf.arena, path);
    source->text = arena_string(&s->cf.arena, text);
    free(text);
    if (source->path == NULL || source->text == NULL)
        return false;
    s->source_count++;
    return true;
}

/* sendmail.mc beside sendmail.cf, and what the files include of that directory: the others come
 * with sendmail. */
static void read_sources(struct setup_sendmail *s)
{
    static const char include[] = "include(`";
    char path[PATH_MAX];
    size_t len = strlen(s->file), directory = (size_t)(strrchr(s->file, '/') + 1 - s->file);

    if (len < 4 || len >= sizeof(path) || strcmp(s->file + len - 3, ".cf") != 0)
        return;
    snprintf(path, sizeof(path), "%.*s.mc", (int)(len - 3), s->file);
    if (!add_source(s, path))
        return;
    for (size_t i = 0; i < s->source_count; i++) {
        for (const char *at = s->sources[i].text; (at = strstr(at, include)) != NULL;) {
            at += strlen(include);
            snprintf(path, sizeof(path), "%.*s", (int)strcspn(at, "'\n"), at);
            if (strncmp(path, s->file, directory) == 0 && strstr(path, "/../") == NULL)
                add_source(s, path);
        }
    }
}

/* How the files become sendmail.cf, and how sendmail reads that, on this machine. */
static void read_tools(struct setup_sendmail *s)
{
    char path[PATH_MAX], *text;
    int directory = (int)(strrchr(s->file, '/') - s->file);

    snprintf(path, sizeof(path), "%.*s/Makefile", directory, s->file);
    if (strcmp(s->file + directory, "/sendmail.cf") == 0 && read_file(path, &text) == 0) {
        s->makefile =
            strncmp(text, "sendmail.cf", 11) == 0 || strstr(text, "\nsendmail.cf") != NULL;
        free(text);
    }
    if (access("/run/systemd/system", F_OK) == 0)
        s->restart = "systemctl restart sendmail";
    else if (access("/etc/init.d/sendmail", X_OK) == 0)
        s->restart = "/etc/init.d/sendmail restart";
    else
        s->restart = "service sendmail restart";
}

/* What the daemon's sockets need before it starts. That below /run is made by its unit. */
static void read_places(struct setup_sendmail *s)
{
    const char *groups[] = {s->config->milter.socket_group, s->config->socketmap.socket_group};
    char path[PATH_MAX];

    for (size_t i = 0; i < s->mta.own_count; i++) {
        snprintf(path, sizeof(path), "%s", s->mta.own[i].address.path);
        if (path[0] == '/' && strcmp(dirname(path), "/run/requiretls-milter") != 0 &&
            access(path, F_OK) != 0)
            s->missing_directory = arena_string(&s->cf.arena, path);
    }
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        if (groups[i] != NULL && groups[i][0] != '\0' && getgrnam(groups[i]) == NULL)
            s->missing_group = groups[i];
    }
}

int setup_sendmail_read(struct setup_sendmail *s, char *err, size_t err_size)
{
    char *text;
    int error = read_file(s->file, &text);

    if (error != 0) {
        snprintf(err, err_size, "%s: %s", s->file, strerror(-error));
        return error;
    }
    error = cf_read(&s->cf, text);
    free(text);
    if (error == 0)
        error = setup_sendmail_derive(s);
    if (error != 0) {
        snprintf(err, err_size, "out of memory");
        return error;
    }
    if (strchr(s->file, '/') != NULL) {
        read_sources(s);
        read_tools(s);
    }
    read_places(s);
    s->test = test;
    s->test_arg = s;
    s->connect = setup_probe_port;
    s->certificates = setup_ca_count;
    error = test(s, "", &text, err, err_size);
    if (error != 0)
        return error;
    read_version(s, text);
    free(text);
    if (s->version[0] != '\0')
        return 0;
    snprintf(err, err_size, "the program sendmail is not that of sendmail");
    return -ENOENT;
}

void setup_sendmail_fini(struct setup_sendmail *s)
{
    cf_fini(&s->cf);
}

int setup_sendmail_probe(struct setup_sendmail *s, char *err, size_t err_size)
{
    struct setup_who who;
    int error = setup_who_find(s->user, &who, err, err_size);

    if (error != 0)
        return error;
    setup_mta_probe(&s->mta, &who);
    for (size_t i = 0; i < s->mta.use_count; i++) {
        const struct setup_use *use = &s->mta.uses[i];

        if (setup_use_match(&s->mta, use) == SETUP_OURS)
            s->open_directory |= is_open(use->address.path);
    }
    return 0;
}
