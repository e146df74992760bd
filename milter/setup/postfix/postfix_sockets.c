/*
 * Remedies for our sockets, as command lines. setup_postfix_name_us() gives a parameter of Postfix
 * its value with one of them: it turns the listener on where the configuration turns it off, and
 * calls setup_postfix_move() where the service could not see the socket. That puts the sockets
 * below the queue directory, and their new names wherever Postfix has the old ones; it is also the
 * remedy of its own for sockets that Postfix does not reach. setup_postfix_named() says beforehand
 * what the value will be. Pure.
 */
#include "setup/postfix/postfix_sockets.h"

#include "base/text.h"
#include "setup/postfix/postfix_remedy.h"
#include "setup/setup_edit.h"

#include <stdio.h>
#include <string.h>

/* Whether that item of a list is a socket of ours outside of the queue directory; its path. */
static const char *own_outside(const struct setup_postfix *postfix, enum setup_kind kind,
                               const char *item)
{
    const struct setup_mta *mta = &postfix->mta;

    for (size_t i = 0; i < mta->own_count; i++) {
        const struct setup_address *own = &mta->own[i].address;

        if (own->kind == kind && own->path[0] != '\0' &&
            setup_below_queue(mta, own->path) == NULL && strstr(item, own->path) != NULL)
            return own->path;
    }
    return NULL;
}

static const char *socket_name(enum setup_kind kind)
{
    return kind == SETUP_MILTER ? "requiretls-milter/milter.sock" : "requiretls-milter/policy.sock";
}

/* The list with our sockets' new paths. Returns whether there was one. */
static bool rename_in(const struct setup_postfix *postfix, enum setup_kind kind, const char *list,
                      char *out, size_t size)
{
    char item[1024];
    struct text text;
    bool any = false;

    text_init(&text, out, size);
    while (setup_list_next(&list, item, sizeof(item))) {
        const char *path = own_outside(postfix, kind, item);

        text_add(&text, text.len > 0 ? ", " : "");
        if (path == NULL) {
            text_add(&text, item);
            continue;
        }
        char *found = strstr(item, path);
        const char *rest = found + strlen(path);
        *found = '\0';
        text_add(&text, item);
        text_add(&text, socket_name(kind));
        text_add(&text, rest);
        any = true;
    }
    return any;
}

static void rename_uses(const struct setup_postfix *postfix, struct setup_report *report)
{
    char list[2000];

    for (size_t i = 0; i < SETUP_POSTFIX_ASKERS; i++) {
        const struct setup_postfix_asker *asker = &setup_postfix_askers[i];
        const struct postconf_service *service = NULL;

        while ((service = setup_postfix_next(postfix, service, asker->program)) != NULL) {
            const char *value = postconf_get(&postfix->conf, service, asker->parameter);

            if (rename_in(postfix, asker->kind, value, list, sizeof(list)))
                setup_postfix_set(postfix, service, asker->parameter, list, report);
        }
    }
}

/* `listen` of [socketmap] with the new path of what is outside. Returns whether there is such. */
static bool new_listen(const struct setup_postfix *postfix, char *out, size_t size)
{
    const struct config_socketmap *socketmap = &postfix->config->socketmap;
    struct text text;
    bool any = false;

    text_init(&text, out, size);
    for (size_t i = 0; i < socketmap->listen_count; i++) {
        const struct config_address *listen = &socketmap->listen[i];
        bool moved = listen->path != NULL && setup_below_queue(&postfix->mta, listen->path) == NULL;

        text_add(&text, text.len > 0 ? ", " : "");
        if (moved && any)
            continue; /* of several one remains */
        text_add(&text, moved ? "unix:" : listen->text);
        text_add(&text, moved ? postfix->mta.queue : "");
        text_add(&text, moved ? "/requiretls-milter/policy.sock" : "");
        any |= moved;
    }
    return any;
}

/* What names another group than Postfix's would not do there. */
static void set_group(const struct setup_postfix *postfix, const char *section, const char *group,
                      struct setup_report *report)
{
    if (group != NULL && group[0] != '\0' && strcmp(group, postfix->mta.group) != 0)
        setup_edit_key(report, section, "socket_group", postfix->mta.group);
}

void setup_postfix_move(const void *arg, struct setup_report *report)
{
    const struct setup_postfix *postfix = arg;
    const struct config *config = postfix->config;
    const struct setup_mta *mta = &postfix->mta;
    struct setup_address address;
    char directory[300], value[2000];

    snprintf(directory, sizeof(directory), "%s/requiretls-milter", mta->queue);
    setup_command(report, "install -d -o %s -g %s -m 2750 %s", config->milter.user, mta->group,
                  setup_word(report, directory));
    if (config->milter.socket != NULL && setup_address_own(config->milter.socket, &address) &&
        address.path[0] != '\0' && setup_below_queue(mta, address.path) == NULL) {
        snprintf(value, sizeof(value), "unix:%s/milter.sock", directory);
        setup_edit_key(report, "milter", "socket", value);
        set_group(postfix, "milter", config->milter.socket_group, report);
    }
    if (new_listen(postfix, value, sizeof(value))) {
        setup_edit_key(report, "socketmap", "listen", value);
        set_group(postfix, "socketmap", config->socketmap.socket_group, report);
    }
    setup_edit_done(report, true);
    rename_uses(postfix, report);
    setup_postfix_reload(postfix, report);
}

/* Whether our socket of that kind is to be made, or moved, before services in a chroot see it. */
static bool is_elsewhere(const struct setup_postfix *postfix, enum setup_kind kind)
{
    const struct setup_mta *mta = &postfix->mta;

    for (size_t i = 0; i < mta->own_count; i++) {
        const struct setup_address *own = &mta->own[i].address;

        if (own->kind == kind)
            return own->path[0] != '\0' && setup_below_queue(mta, own->path) == NULL;
    }
    return false;
}

/* There is no listener of that kind: the configuration turns it off. */
static bool is_off(const struct setup_postfix *postfix, enum setup_kind kind)
{
    for (size_t i = 0; i < postfix->mta.own_count; i++) {
        if (postfix->mta.own[i].address.kind == kind)
            return false;
    }
    return true;
}

static void make_listener(const struct setup_postfix *postfix, enum setup_kind kind,
                          struct setup_report *report)
{
    char value[400];
    const struct setup_mta *mta = &postfix->mta;

    snprintf(value, sizeof(value), "%s/requiretls-milter", mta->queue);
    setup_command(report, "install -d -o %s -g %s -m 2750 %s", postfix->config->milter.user,
                  mta->group, setup_word(report, value));
    snprintf(value, sizeof(value), "unix:%s/%s", mta->queue, socket_name(kind));
    setup_edit_key(report, kind == SETUP_MILTER ? "milter" : "socketmap",
                   kind == SETUP_MILTER ? "socket" : "listen", value);
    setup_edit_done(report, true);
}

/* Whether an earlier finding has the sockets moved, wherever the service is. */
static bool is_moved(const struct setup_postfix *postfix)
{
    return setup_sockets_move(&postfix->mta) ||
           (postfix->plan.made && is_elsewhere(postfix, SETUP_MILTER) &&
            setup_postfix_smtpd_chroot(postfix));
}

const char *setup_postfix_named(const struct setup_postfix *postfix, enum setup_kind kind,
                                bool chroot, const char *value, char *out, size_t size)
{
    if ((chroot || is_moved(postfix)) && is_elsewhere(postfix, kind))
        rename_in(postfix, kind, value, out, size);
    else
        snprintf(out, size, "%s", value);
    return out;
}

void setup_postfix_name_us(const struct setup_postfix *postfix,
                           const struct postconf_service *service, const char *parameter,
                           enum setup_kind kind, bool chroot, const char *value,
                           struct setup_report *report)
{
    char named[2000];

    if (is_off(postfix, kind))
        make_listener(postfix, kind, report);
    if (chroot && is_elsewhere(postfix, kind)) {
        setup_remedy(report,
                     "put the sockets below the queue directory, as the service is in a chroot, "
                     "and name them");
        setup_postfix_move(postfix, report);
    }
    setup_postfix_set(postfix, service, parameter,
                      setup_postfix_named(postfix, kind, chroot, value, named, sizeof(named)),
                      report);
    setup_postfix_reload(postfix, report);
}
