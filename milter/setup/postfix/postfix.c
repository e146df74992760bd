/*
 * What the checks of a Postfix have in common: services and where their parameters are set, whether
 * a list names the filter or its socketmap, lookups in tables. setup_postfix_derive collects where
 * Postfix names milters and socketmaps. Pure.
 */
#include "setup/postfix/postfix.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const struct postconf_service *setup_postfix_next(const struct setup_postfix *postfix,
                                                  const struct postconf_service *after,
                                                  const char *program)
{
    const struct postconf *conf = &postfix->conf;
    size_t i = after != NULL ? (size_t)(after - conf->services) + 1 : 0;

    for (; i < conf->service_count; i++) {
        if (strcmp(conf->services[i].program, program) == 0)
            return &conf->services[i];
    }
    return NULL;
}

static bool sets(const struct postconf_service *service, const char *parameter)
{
    for (size_t i = 0; service != NULL && i < service->own.count; i++) {
        if (strcmp(service->own.items[i].name, parameter) == 0)
            return true;
    }
    return false;
}

const char *setup_postfix_place(const struct postconf_service *service, const char *parameter)
{
    return sets(service, parameter) ? service->id : "main.cf";
}

bool setup_postfix_smtpd_chroot(const struct setup_postfix *postfix)
{
    const struct postconf_service *service = NULL;

    while ((service = setup_postfix_next(postfix, service, "smtpd")) != NULL) {
        if (service->chroot)
            return true;
    }
    return false;
}

bool setup_postfix_is_default(const struct postconf_service *service)
{
    return strcmp(service->type, "unix") == 0 &&
           (strcmp(service->name, "smtp") == 0 || strcmp(service->name, "relay") == 0);
}

bool setup_postfix_is_inner(const struct postconf_service *service)
{
    const char *name = service->name;

    if (strcmp(service->type, "pass") == 0)
        return false; /* behind postscreen(8) */
    return strcmp(service->type, "inet") != 0 || strncmp(name, "127.", 4) == 0 ||
           strncmp(name, "localhost:", 10) == 0 || strncmp(name, "[::1]:", 6) == 0 ||
           strncmp(name, "::1:", 4) == 0;
}

/* Parses an item; tables may be read through proxymap(8). */
static bool parse(enum setup_kind kind, const char *item, bool *proxied, struct setup_address *out)
{
    static const char proxy[] = "proxy:";

    *proxied = kind == SETUP_SOCKETMAP && strncmp(item, proxy, strlen(proxy)) == 0;
    return kind == SETUP_MILTER
               ? setup_address_milter(item, out)
               : setup_address_socketmap(item + (*proxied ? strlen(proxy) : 0), out);
}

static bool chrooted(const struct setup_postfix *postfix, const struct postconf_service *service,
                     bool proxied)
{
    if (proxied)
        service = postconf_service(&postfix->conf, "proxymap", "unix");
    return service != NULL && service->chroot;
}

static struct setup_use *find_use(struct setup_mta *mta, const struct setup_use *like)
{
    for (size_t i = 0; i < mta->use_count; i++) {
        struct setup_use *use = &mta->uses[i];

        if (setup_use_same(use, like))
            return use;
    }
    return NULL;
}

static int add_use(struct setup_postfix *postfix, const struct setup_use *use)
{
    struct setup_mta *mta = &postfix->mta;
    struct setup_use *known = find_use(mta, use);

    if (known != NULL) {
        known->others++;
        return 0;
    }
    struct setup_use *uses =
        arena_grow(&postfix->conf.arena, mta->uses, mta->use_count, sizeof(*uses));
    if (uses == NULL)
        return -ENOMEM;
    mta->uses = uses;
    uses[mta->use_count++] = *use;
    return 0;
}

/* Everything that a parameter of a service names. */
static int collect(struct setup_postfix *postfix, const struct postconf_service *service,
                   enum setup_kind kind, const char *parameter)
{
    char item[1024];
    bool proxied;
    const char *cursor = postconf_get(&postfix->conf, service, parameter);

    while (setup_list_next(&cursor, item, sizeof(item))) {
        struct setup_use use = {.parameter = parameter, .by = service->id};

        if (!parse(kind, item, &proxied, &use.address))
            continue;
        use.chroot = chrooted(postfix, service, proxied);
        int error = add_use(postfix, &use);
        if (error != 0)
            return error;
    }
    return 0;
}

const struct setup_postfix_asker setup_postfix_askers[SETUP_POSTFIX_ASKERS] = {
    {"smtpd", "smtpd_milters", SETUP_MILTER},
    {"cleanup", "non_smtpd_milters", SETUP_MILTER},
    {"smtp", "smtp_tls_policy_maps", SETUP_SOCKETMAP},
    {"smtp", "smtp_requiretls_policy", SETUP_SOCKETMAP},
};

int setup_postfix_derive(struct setup_postfix *postfix)
{
    const struct postconf *conf = &postfix->conf;
    struct setup_mta *mta = &postfix->mta;

    mta->name = "Postfix";
    mta->queue = postconf_get(conf, NULL, "queue_directory");
    mta->user = postconf_get(conf, NULL, "mail_owner");
    mta->group = mta->user;
    setup_own_from(mta, postfix->config);
    setup_own_expect(mta);
    for (size_t i = 0; i < SETUP_POSTFIX_ASKERS; i++) {
        const struct setup_postfix_asker *asker = &setup_postfix_askers[i];
        const struct postconf_service *service = NULL;

        while ((service = setup_postfix_next(postfix, service, asker->program)) != NULL) {
            int error = collect(postfix, service, asker->kind, asker->parameter);

            if (error != 0)
                return error;
        }
    }
    return 0;
}

static bool is_one_of(const char *map, const char *const *maps)
{
    for (; maps != NULL && *maps != NULL; maps++) {
        if (strcasecmp(map, *maps) == 0)
            return true;
    }
    return maps == NULL;
}

/* What setup_postfix_names_us says of a list, wherever it stands. */
static bool names_us(const struct setup_postfix *postfix, const struct postconf_service *service,
                     const char *parameter, const char *list, enum setup_kind kind,
                     const char *const *maps, struct setup_address *address)
{
    char item[1024];
    bool proxied;

    while (setup_list_next(&list, item, sizeof(item))) {
        struct setup_use use = {.parameter = parameter};

        if (!parse(kind, item, &proxied, &use.address) || !is_one_of(use.address.map, maps))
            continue;
        use.chroot = chrooted(postfix, service, proxied);
        const struct setup_use *known =
            find_use((struct setup_mta *)(uintptr_t)&postfix->mta, &use);
        if (setup_use_match(&postfix->mta, known != NULL ? known : &use) == SETUP_FOREIGN)
            continue;
        if (address != NULL)
            *address = use.address;
        return true;
    }
    return false;
}

bool setup_postfix_names_us(const struct setup_postfix *postfix,
                            const struct postconf_service *service, const char *parameter,
                            enum setup_kind kind, const char *const *maps,
                            struct setup_address *address)
{
    return names_us(postfix, service, parameter, postconf_get(&postfix->conf, service, parameter),
                    kind, maps, address);
}

bool setup_postfix_list_names_us(const struct setup_postfix *postfix,
                                 const struct postconf_service *service, const char *list)
{
    return names_us(postfix, service, "smtpd_milters", list, SETUP_MILTER, NULL, NULL);
}

int setup_postfix_look_up(const struct setup_postfix *postfix,
                          const struct postconf_service *service, const char *parameter,
                          const char *key, char *out, size_t size)
{
    char table[512];
    const char *cursor = postconf_get(&postfix->conf, service, parameter);

    while (setup_list_next(&cursor, table, sizeof(table))) {
        int found = postfix->lookup(postfix->lookup_arg, table, key, out, size);

        if (found != 0)
            return found;
    }
    return 0;
}

enum setup_state setup_postfix_unasked(int error)
{
    return error == -ENOENT ? SETUP_ERROR : SETUP_UNKNOWN;
}

bool setup_postfix_no_milters(const struct setup_postfix *postfix,
                              const struct postconf_service *service)
{
    char item[1024];
    const char *cursor = postconf_get(&postfix->conf, service, "receive_override_options");

    while (setup_list_next(&cursor, item, sizeof(item))) {
        if (strcasecmp(item, "no_milters") == 0)
            return true;
    }
    return false;
}

/* Whether smtpd_milter_maps leaves the filter to clients of this host, 127.0.0.1. */
static bool maps_leave_us(const struct setup_postfix *postfix,
                          const struct postconf_service *service)
{
    char milters[512];
    int found = setup_postfix_look_up(postfix, service, "smtpd_milter_maps", "127.0.0.1", milters,
                                      sizeof(milters));

    return found == 0 || (found == 1 && setup_postfix_list_names_us(postfix, service, milters));
}

bool setup_postfix_filtered(const struct setup_postfix *postfix,
                            const struct postconf_service *service)
{
    return setup_postfix_names_us(postfix, service, "smtpd_milters", SETUP_MILTER, NULL, NULL) &&
           !setup_postfix_no_milters(postfix, service) &&
           (!setup_postfix_is_inner(service) || maps_leave_us(postfix, service));
}
