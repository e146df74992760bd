/*
 * sendmail.cf: cf_read keeps the lines with the letters X, K, M, S and O, continued lines joined;
 * cf_next and cf_option find them, cf_field and cf_list_has read in their text. Pure.
 */
#include "setup/sendmail/sendmail_cf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define BLANKS " \t"

static struct cf_line *add_line(struct cf *cf)
{
    struct cf_line *items = arena_grow(&cf->arena, cf->items, cf->count, sizeof(*items));

    if (items == NULL)
        return NULL;
    cf->items = items;
    items[cf->count] = (struct cf_line){0};
    return &items[cf->count++];
}

/* Splits a line behind its letter; the option's name ends at `=`, others' at a blank or comma. */
static int take_cf_line(struct cf *cf, char *line)
{
    char *name = line + 1 + strspn(line + 1, BLANKS);
    size_t len = strcspn(name, line[0] == 'O' ? "=" : BLANKS ",");
    struct cf_line *item;

    if (line[0] == 'R') {
        if (cf->count > 0 && cf->items[cf->count - 1].letter == 'S')
            cf->items[cf->count - 1].rules++;
        return 0;
    }
    if (strchr("XKMSO", line[0]) == NULL)
        return 0;
    item = add_line(cf);
    if (item == NULL)
        return -ENOMEM;
    item->letter = line[0];
    item->name = name;
    item->text = name[len] != '\0' ? name + len + 1 : name + len;
    item->text += strspn(item->text, BLANKS);
    while (len > 0 && strchr(BLANKS, name[len - 1]) != NULL) /* O Name = value */
        len--;
    name[len] = '\0';
    return 0;
}

int cf_read(struct cf *cf, const char *text)
{
    char *copy = arena_string(&cf->arena, text);
    int error = copy != NULL ? 0 : -ENOMEM;

    for (char *line = copy, *next; error == 0 && *line != '\0'; line = next) {
        char *end = line + strcspn(line, "\n");

        /* A line that begins with a blank goes on with the one before. */
        while (*end == '\n' && (end[1] == ' ' || end[1] == '\t')) {
            *end = ' ';
            end += strcspn(end, "\n");
        }
        next = *end == '\n' ? end + 1 : end;
        *end = '\0';
        if (*line != '\0' && *line != '#')
            error = take_cf_line(cf, line);
    }
    return error;
}

void cf_fini(struct cf *cf)
{
    arena_fini(&cf->arena);
    *cf = (struct cf){0};
}

const struct cf_line *cf_next(const struct cf *cf, const struct cf_line *after, char letter,
                              const char *name)
{
    size_t i = after != NULL ? (size_t)(after - cf->items) + 1 : 0;

    for (; i < cf->count; i++) {
        const struct cf_line *item = &cf->items[i];

        if (item->letter == letter &&
            (name == NULL ||
             (letter == 'O' ? strcasecmp(item->name, name) : strcmp(item->name, name)) == 0))
            return item;
    }
    return NULL;
}

const char *cf_option(const struct cf *cf, const char *name)
{
    const char *value = "";

    for (const struct cf_line *o = NULL; (o = cf_next(cf, o, 'O', name)) != NULL;)
        value = o->text; /* the last one holds */
    return value;
}

bool cf_field(const char *text, const char *name, char *out, size_t size)
{
    out[0] = '\0';
    while (*text != '\0') {
        text += strspn(text, BLANKS ",");
        size_t name_len = strcspn(text, "=,"), len = strcspn(text, ",");

        if (text[name_len] == '=' &&
            ((name_len == strlen(name) && strncasecmp(text, name, name_len) == 0) ||
             (name_len == 1 && strncasecmp(text, name, 1) == 0))) {
            const char *value = text + name_len + 1, *end = text + len;

            value += strspn(value, BLANKS);
            while (end > value && strchr(BLANKS, end[-1]) != NULL)
                end--;
            snprintf(out, size, "%.*s", end > value ? (int)(end - value) : 0, value);
            return true;
        }
        text += len;
    }
    return false;
}

bool cf_list_has(const char *list, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = list; *at != '\0';) {
        at += strspn(at, BLANKS ",;");
        size_t item = strcspn(at, BLANKS ",;");

        if (item == len && strncmp(at, word, len) == 0)
            return true;
        at += item;
    }
    return false;
}
