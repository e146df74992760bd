/*
 * What postconf(1) prints, parsed: main.cf (-x), then the services (-F), then their own parameters
 * (-Px); postconf_get looks in a service before main.cf, postconf_assume changes what it finds.
 * Pure.
 */
#include "setup/postfix/postconf.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int append_parameter(struct postconf *conf, struct postconf_parameters *list,
                            const char *name, const char *value)
{
    struct postconf_parameter *items =
        arena_grow(&conf->arena, list->items, list->count, sizeof(*items));

    if (items == NULL)
        return -ENOMEM;
    list->items = items;
    items[list->count++] = (struct postconf_parameter){name, value};
    return 0;
}

static const char *find_parameter(const struct postconf_parameters *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].name, name) == 0)
            return list->items[i].value;
    }
    return NULL;
}

/* Calls take(name, value) for each line `name = value` of a copy of the text. */
static int each_line(struct postconf *conf, const char *text,
                     int (*take)(struct postconf *, char *, char *))
{
    char *copy = arena_string(&conf->arena, text);
    int error = copy != NULL ? 0 : -ENOMEM;

    for (char *line = copy, *next; error == 0 && *line != '\0'; line = next) {
        next = line + strcspn(line, "\n");
        if (*next == '\n')
            *next++ = '\0';
        char *equals = strstr(line, " =");
        if (equals == NULL)
            return -EINVAL;
        *equals = '\0';
        char *value = equals + 2;
        error = take(conf, line, value + strspn(value, " "));
    }
    return error;
}

static int take_parameter(struct postconf *conf, char *name, char *value)
{
    return append_parameter(conf, &conf->parameters, name, value);
}

static int read_version(struct postconf *conf)
{
    int major, minor;

    if (sscanf(postconf_get(conf, NULL, "mail_version"), "%d.%d", &major, &minor) != 2)
        return -EINVAL;
    conf->version = major * 100 + minor;
    return 0;
}

int postconf_read_parameters(struct postconf *conf, const char *text)
{
    int error = each_line(conf, text, take_parameter);

    return error != 0 ? error : read_version(conf);
}

/* Splits `name/type/rest`, where the name may have slashes (a socket's path) and the rest none.
 * Returns the rest, the id ends before it. */
static char *split_service(char *line)
{
    char *slash = strrchr(line, '/');

    if (slash == NULL)
        return NULL;
    *slash = '\0';
    return slash + 1;
}

static struct postconf_service *last_service(struct postconf *conf)
{
    return conf->service_count > 0 ? &conf->services[conf->service_count - 1] : NULL;
}

static struct postconf_service *add_service(struct postconf *conf, const char *id)
{
    struct postconf_service *services =
        arena_grow(&conf->arena, conf->services, conf->service_count, sizeof(*services));

    if (services == NULL)
        return NULL;
    conf->services = services;
    services[conf->service_count] = (struct postconf_service){
        .id = id, .name = "", .type = "", .program = "", .process_limit = -1};
    return &services[conf->service_count++];
}

/* Before Postfix 3.0, and with its defaults, a service is chrooted unless it says no. */
static bool chroot_by_default(const struct postconf *conf)
{
    return strtod(postconf_get(conf, NULL, "compatibility_level"), NULL) < 1;
}

static int take_field(struct postconf *conf, char *line, char *value)
{
    char *field = split_service(line);
    struct postconf_service *service = last_service(conf);

    if (field == NULL)
        return -EINVAL;
    if (service == NULL || strcmp(service->id, line) != 0)
        service = add_service(conf, line);
    if (service == NULL)
        return -ENOMEM;
    if (strcmp(field, "service") == 0)
        service->name = value;
    else if (strcmp(field, "type") == 0)
        service->type = value;
    else if (strcmp(field, "chroot") == 0)
        service->chroot = value[0] == '-' ? chroot_by_default(conf) : value[0] == 'y';
    else if (strcmp(field, "process_limit") == 0)
        service->process_limit = value[0] == '-' ? -1 : atoi(value);
    else if (strcmp(field, "command") == 0) {
        value[strcspn(value, " \t")] = '\0'; /* without its arguments */
        service->program = value;
    }
    return 0;
}

int postconf_read_fields(struct postconf *conf, const char *text)
{
    return each_line(conf, text, take_field);
}

static int take_own(struct postconf *conf, char *line, char *value)
{
    char *name = split_service(line);

    if (name == NULL)
        return -EINVAL;
    for (size_t i = 0; i < conf->service_count; i++) {
        if (strcmp(conf->services[i].id, line) == 0)
            return append_parameter(conf, &conf->services[i].own, name, value);
    }
    return 0;
}

int postconf_read_own(struct postconf *conf, const char *text)
{
    return each_line(conf, text, take_own);
}

void postconf_fini(struct postconf *conf)
{
    arena_fini(&conf->arena);
    *conf = (struct postconf){0};
}

const char *postconf_get(const struct postconf *conf, const struct postconf_service *service,
                         const char *name)
{
    const char *value = service != NULL ? find_parameter(&service->own, name) : NULL;

    if (value == NULL)
        value = find_parameter(&conf->parameters, name);
    return value != NULL ? value : "";
}

int postconf_assume(struct postconf *conf, const struct postconf_service *service, const char *name,
                    const char *value)
{
    struct postconf_parameters *list = &conf->parameters;

    if (service != NULL && find_parameter(&service->own, name) != NULL)
        list = &conf->services[service - conf->services].own;
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].name, name) != 0)
            continue;
        list->items[i].value = value;
        return 0;
    }
    return append_parameter(conf, list, name, value);
}

const struct postconf_service *postconf_service(const struct postconf *conf, const char *name,
                                                const char *type)
{
    for (size_t i = 0; i < conf->service_count; i++) {
        const struct postconf_service *service = &conf->services[i];

        if (strcmp(service->name, name) == 0 && strcmp(service->type, type) == 0)
            return service;
    }
    return NULL;
}

int postconf_seconds(const char *value)
{
    static const struct {
        char unit;
        long seconds;
    } units[] = {{'\0', 1}, {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    char *end;
    long number = strtol(value, &end, 10);

    if (end == value || number < 0 || number > INT_MAX / 604800 || (*end != '\0' && end[1] != '\0'))
        return -1;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (*end == units[i].unit)
            return (int)(number * units[i].seconds);
    }
    return -1;
}

bool postconf_yes(const char *value)
{
    return strcasecmp(value, "yes") == 0 || strcasecmp(value, "true") == 0 ||
           strcasecmp(value, "on") == 0 || strcmp(value, "1") == 0;
}
