/*
 * Lists a table's values. postmap -s does it for tables of keys; a table of patterns is a text,
 * cidr_table(5), regexp_table(5) or pcre_table(5), in a file or in braces where it is named; each
 * of its lines is a pattern and a value, and goes on where the next begins with a blank. What asks
 * another program (LDAP, SQL, a socketmap) cannot be listed.
 */
#include "setup/postfix/postfix_table.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMMAND_MS = 20000, FILE_MAX = 4 * 1024 * 1024, NAME_MAX_LEN = 1024 };

/* After /pattern/flags, or NULL; the delimiter is what the pattern begins with. */
static char *after_regexp(char *line)
{
    char delimiter = *line, *at = line + 1;

    while (*at != '\0' && *at != delimiter)
        at += *at == '\\' && at[1] != '\0' ? 2 : 1;
    if (delimiter == '\0' || *at == '\0')
        return NULL;
    return at + 1 + strcspn(at + 1, " \t");
}

/* One line without its continuations. */
static void take_table_line(char *line, bool regexp, setup_value_fn take, void *take_arg)
{
    char *end = line + strlen(line);

    while (end > line && isspace((unsigned char)end[-1]))
        *--end = '\0';
    line += strspn(line, " \t!");
    bool control = strncmp(line, "endif", 5) == 0 ||
                   (strncmp(line, "if", 2) == 0 &&
                    (isspace((unsigned char)line[2]) || line[2] == '!' || line[2] == '/'));
    if (*line == '\0' || control)
        return;
    char *value = regexp ? after_regexp(line) : line + strcspn(line, " \t");
    if (value != NULL && *value != '\0')
        take(take_arg, value + strspn(value, " \t"));
}

int setup_table_patterns(const char *text, bool regexp, setup_value_fn take, void *take_arg)
{
    char *copy = strdup(text), *whole = NULL;

    if (copy == NULL)
        return -ENOMEM;
    for (char *line = copy, *next; line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        size_t blanks = strspn(line, " \t\r");
        if (line[blanks] == '\0' || line[blanks] == '#')
            continue;
        if (whole != NULL && blanks > 0) { /* it continues */
            memmove(whole + strlen(whole) + 1, line, strlen(line) + 1);
            whole[strlen(whole)] = ' ';
            continue;
        }
        if (whole != NULL)
            take_table_line(whole, regexp, take, take_arg);
        whole = line;
    }
    if (whole != NULL)
        take_table_line(whole, regexp, take, take_arg);
    free(copy);
    return 0;
}

/* Lines in braces, `{ { pattern value } ... }`. */
static int inline_patterns(const char *text, bool regexp, setup_value_fn take, void *take_arg)
{
    char item[NAME_MAX_LEN], inner[4 * NAME_MAX_LEN];
    size_t len = strlen(text);
    const char *cursor = inner;

    if (len < 2 || text[len - 1] != '}' || len >= sizeof(inner))
        return -EINVAL;
    snprintf(inner, sizeof(inner), "%.*s", (int)len - 2, text + 1);
    while (setup_list_next(&cursor, item, sizeof(item))) {
        size_t end = strlen(item);

        if (item[0] != '{' || item[end - 1] != '}')
            return -EINVAL;
        item[end - 1] = '\0';
        take_table_line(item + 1, regexp, take, take_arg);
    }
    return 0;
}

static int file_patterns(const char *path, bool regexp, setup_value_fn take, void *take_arg)
{
    FILE *file = fopen(path, "re");
    char *text = malloc(FILE_MAX + 1);
    int error = file == NULL ? -errno : text == NULL ? -ENOMEM : 0;

    if (error == 0) {
        size_t len = fread(text, 1, FILE_MAX, file);

        text[len] = '\0';
        error = ferror(file) ? -EIO : !feof(file) ? -EFBIG : 0;
    }
    if (error == 0)
        error = setup_table_patterns(text, regexp, take, take_arg);
    if (file != NULL)
        fclose(file);
    free(text);
    return error;
}

/* Each line of postmap -s is a key, a tab and a value. */
static int listed(const struct setup_postfix *postfix, const char *table, setup_value_fn take,
                  void *take_arg)
{
    const char *argv[8] = {"postmap"};
    size_t count = 1;
    char err[256], *text;
    int status;

    if (postfix->config_dir != NULL) {
        argv[count++] = "-c";
        argv[count++] = postfix->config_dir;
    }
    argv[count++] = "-s";
    argv[count++] = table;
    int error = setup_run(argv, NULL, COMMAND_MS, &text, &status, err, sizeof(err));
    if (error != 0)
        return error;
    for (char *line = text, *next; status == 0 && line != NULL && *line != '\0'; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        const char *value = strchr(line, '\t');
        if (value != NULL)
            take(take_arg, value + 1);
    }
    free(text);
    if (status == 0)
        return 0;
    return strstr(err, strerror(ENOENT)) != NULL ? -ENOENT : -ENOTSUP;
}

/* What follows a type and a colon, NULL if the table is of another type. */
static const char *of_type(const char *table, const char *type)
{
    size_t len = strlen(type);

    return strncmp(table, type, len) == 0 && table[len] == ':' ? table + len + 1 : NULL;
}

int setup_table_values(void *postfix, const char *table, setup_value_fn take, void *take_arg)
{
    static const char *const patterns[] = {"cidr", "regexp", "pcre"};
    static const char *const keys[] = {"hash", "btree", "lmdb",     "dbm",
                                       "sdbm", "cdb",   "texthash", "inline"};
    const char *rest = of_type(table, "proxy");

    if (rest != NULL)
        table = rest;
    if ((rest = of_type(table, "static")) != NULL) {
        take(take_arg, rest);
        return 0;
    }
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        if ((rest = of_type(table, patterns[i])) != NULL)
            return rest[0] == '{' ? inline_patterns(rest, i > 0, take, take_arg)
                                  : file_patterns(rest, i > 0, take, take_arg);
    }
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (of_type(table, keys[i]) != NULL)
            return listed(postfix, table, take, take_arg);
    }
    return -ENOTSUP;
}
