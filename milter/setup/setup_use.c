/*
 * What follows from the probe of a socket that the MTA names: setup_own_from notes the sockets of
 * the configuration, setup_use_match tells whether a use means one of them, and setup_check_use
 * adds the finding with its remedy. Pure.
 */
#include "setup/setup_use.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static void add_own(struct setup_mta *mta, const struct setup_address *address)
{
    if (mta->own_count < SETUP_OWN_MAX)
        mta->own[mta->own_count++] = (struct setup_own){.address = *address};
}

void setup_own_from(struct setup_mta *mta, const struct config *config)
{
    struct setup_address address;

    mta->own_count = 0;
    mta->own_unknown = (config->in_doubt & CONFIG_PART_SOCKETS) != 0;
    if (config->milter.socket != NULL && setup_address_own(config->milter.socket, &address))
        add_own(mta, &address);
    for (size_t i = 0; i < config->socketmap.listen_count; i++) {
        const struct config_address *listen = &config->socketmap.listen[i];

        address = (struct setup_address){.kind = SETUP_SOCKETMAP};
        if (listen->path != NULL)
            snprintf(address.path, sizeof(address.path), "%s", listen->path);
        else if (listen->host != NULL) {
            snprintf(address.host, sizeof(address.host), "%s", listen->host);
            snprintf(address.port, sizeof(address.port), "%s", listen->port);
        }
        if (listen->text != NULL)
            add_own(mta, &address);
    }
}

bool setup_use_same(const struct setup_use *a, const struct setup_use *b)
{
    return a->chroot == b->chroot && strcmp(a->parameter, b->parameter) == 0 &&
           memcmp(&a->address, &b->address, sizeof(a->address)) == 0;
}

const char *setup_use_path(const struct setup_mta *mta, const struct setup_use *use, char *out,
                           size_t size)
{
    const char *path = use->address.path;

    if (!use->chroot && path[0] == '/')
        snprintf(out, size, "%s", path);
    else
        snprintf(out, size, "%s/%s", mta->queue, path + strspn(path, "/"));
    return out;
}

/* Paths are the same but for doubled slashes. */
static bool same_path(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        size_t skip_a = strspn(a, "/"), skip_b = strspn(b, "/");

        a += skip_a > 0 ? skip_a : 1;
        b += skip_b > 0 ? skip_b : 1;
    }
    return *a == *b;
}

static bool is_loopback(const char *host)
{
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "127.0.0.1") == 0 ||
           strcmp(host, "::1") == 0;
}

static bool is_any(const char *host)
{
    return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

static bool same_host(const char *own, const char *theirs)
{
    return strcasecmp(own, theirs) == 0 || is_any(own) || (is_loopback(own) && is_loopback(theirs));
}

static bool is_own(const struct setup_mta *mta, const struct setup_own *own,
                   const struct setup_use *use)
{
    char path[512];

    if (own->address.kind != use->address.kind)
        return false;
    if (own->address.path[0] == '\0')
        return use->address.path[0] == '\0' && strcmp(own->address.port, use->address.port) == 0 &&
               same_host(own->address.host, use->address.host);
    if (use->address.path[0] == '\0')
        return false;
    if (own->inode != 0 && use->probe.inode == own->inode && use->probe.device == own->device)
        return true;
    return same_path(setup_use_path(mta, use, path, sizeof(path)), own->address.path);
}

enum setup_match setup_use_match(const struct setup_mta *mta, const struct setup_use *use)
{
    bool outside = false;

    /* A route leads there that is for the delivery agent. */
    if (use->address.kind == SETUP_LMTP)
        return use->chroot && use->address.path[0] == '/' && use->probe.error == ENOENT
                   ? SETUP_OUTSIDE
                   : SETUP_OURS;
    for (size_t i = 0; i < mta->own_count; i++) {
        const struct setup_own *own = &mta->own[i];

        if (is_own(mta, own, use))
            return SETUP_OURS;
        outside |= use->chroot && own->address.kind == use->address.kind &&
                   use->address.path[0] == '/' && same_path(use->address.path, own->address.path);
    }
    if (mta->own_unknown && use->probe.ours)
        return SETUP_OURS;
    if (outside)
        return SETUP_OUTSIDE;
    return use->probe.ours ? SETUP_ALIKE : SETUP_FOREIGN;
}

bool setup_use_expects(const struct setup_mta *mta, const struct setup_use *use)
{
    for (size_t i = 0; i < mta->own_count; i++) {
        if (is_own(mta, &mta->own[i], use))
            return mta->own[i].expected;
    }
    return false;
}

void setup_own_expect(struct setup_mta *mta)
{
    for (size_t i = 0, count = mta->own_count; i < count; i++) {
        struct setup_own own = {.address = mta->own[i].address, .expected = true};
        const char *name = own.address.kind == SETUP_MILTER ? "milter" : "policy";

        if (own.address.path[0] == '\0' || setup_below_queue(mta, own.address.path) != NULL)
            continue;
        snprintf(own.address.path, sizeof(own.address.path), "%s/requiretls-milter/%s.sock",
                 mta->queue, name);
        if (mta->own_count < SETUP_OWN_MAX)
            mta->own[mta->own_count++] = own;
    }
}

static const struct setup_own *own_of(const struct setup_mta *mta, enum setup_kind kind)
{
    for (size_t i = 0; i < mta->own_count; i++) {
        if (mta->own[i].address.kind == kind)
            return &mta->own[i];
    }
    return NULL;
}

const char *setup_below_queue(const struct setup_mta *mta, const char *path)
{
    size_t len = strlen(mta->queue);

    return strncmp(path, mta->queue, len) == 0 && path[len] == '/' ? path + len + 1 : NULL;
}

const char *setup_own_name(const struct setup_mta *mta, enum setup_kind kind, char *out,
                           size_t size)
{
    const struct setup_own *own = own_of(mta, kind);
    const char *prefix = kind == SETUP_SOCKETMAP ? "socketmap:" : "";

    if (own == NULL)
        snprintf(out, size, "%sunix:requiretls-milter/%s.sock", prefix,
                 kind == SETUP_MILTER ? "milter" : "policy");
    else if (own->address.path[0] == '\0')
        snprintf(out, size, "%sinet:%s:%s", prefix,
                 is_any(own->address.host) ? "localhost" : own->address.host, own->address.port);
    else {
        const char *relative = setup_below_queue(mta, own->address.path);

        snprintf(out, size, "%sunix:%s", prefix, relative != NULL ? relative : own->address.path);
    }
    return out;
}

static const char *user_name(uid_t uid, char *out, size_t size)
{
    const struct passwd *entry = getpwuid(uid);

    if (entry != NULL)
        snprintf(out, size, "%s", entry->pw_name);
    else
        snprintf(out, size, "%u", (unsigned)uid);
    return out;
}

static const char *group_name(gid_t gid, char *out, size_t size)
{
    const struct group *entry = getgrgid(gid);

    if (entry != NULL)
        snprintf(out, size, "%s", entry->gr_name);
    else
        snprintf(out, size, "%u", (unsigned)gid);
    return out;
}

const char *setup_use_where(const struct setup_mta *mta, const struct setup_use *use, char *out,
                            size_t size)
{
    const char *where = use->probe.where;

    if (use->address.path[0] == '\0' || (!use->chroot && where[0] == '/'))
        snprintf(out, size, "%s", where);
    else if (strcmp(where, ".") == 0 || strcmp(where, "/") == 0)
        snprintf(out, size, "%s", mta->queue);
    else
        snprintf(out, size, "%s/%s", mta->queue, where + strspn(where, "/"));
    return out;
}

static const char *name_of(const struct setup_use *use)
{
    return use->address.kind == SETUP_MILTER ? "milter-socket"
           : use->address.kind == SETUP_LMTP ? "agent-socket"
                                             : "map-socket";
}

static const char *program_of(const struct setup_use *use)
{
    return use->address.kind == SETUP_LMTP ? "the delivery agent" : "requiretls-milter";
}

static void start_again(const struct setup_use *use, struct setup_report *report)
{
    if (use->separate)
        setup_command_reload(report, "systemctl enable --now requiretls-deliver.socket "
                                     "requiretls-deliver.service");
    else
        setup_command_reload(report, "systemctl restart requiretls-milter");
}

/* `smtpd_milters of smtp/inet and 2 more`. */
static const char *occurrence(const struct setup_use *use, char *out, size_t size)
{
    char more[40] = "";

    if (use->others > 0)
        snprintf(more, sizeof(more), " and %zu more", use->others);
    snprintf(out, size, "%s of %s%s%s", use->parameter, use->by, more,
             use->chroot ? ", in a chroot" : "");
    return out;
}

static void no_access(const struct setup_mta *mta, const struct setup_use *use,
                      struct setup_report *report)
{
    char who[200], path[512], owner[64], group[64];
    const struct setup_probe *probe = &use->probe;
    bool is_socket = S_ISSOCK(probe->mode);

    occurrence(use, who, sizeof(who));
    setup_use_where(mta, use, path, sizeof(path));
    setup_add(report, SETUP_ERROR, name_of(use),
              "%s: the user %s may not %s %s (owner %s, group %s, mode %04o)", who, mta->user,
              is_socket ? "write to" : "pass", path, user_name(probe->uid, owner, sizeof(owner)),
              group_name(probe->gid, group, sizeof(group)), (unsigned)(probe->mode & 07777));
    setup_remedy(report, "let the MTA's group %s in", mta->group);
}

static void not_there(const struct setup_mta *mta, const struct setup_use *use,
                      struct setup_report *report)
{
    char who[200], path[512];

    occurrence(use, who, sizeof(who));
    setup_add(report, SETUP_ERROR, name_of(use), "%s: there is no %s", who,
              setup_use_where(mta, use, path, sizeof(path)));
    if (use->separate)
        setup_remedy(report, "start the delivery agent; journalctl -u requiretls-deliver says why "
                             "it does not run");
    else
        setup_remedy(report, "start the daemon anew, which makes it");
    start_again(use, report);
}

static void no_connection(const struct setup_mta *mta, const struct setup_use *use,
                          struct setup_report *report)
{
    char who[200], path[512];

    occurrence(use, who, sizeof(who));
    setup_add(report, SETUP_ERROR, name_of(use), "%s: nobody answers at %s: %s", who,
              setup_use_where(mta, use, path, sizeof(path)),
              use->probe.error != 0 ? strerror(use->probe.error) : "the answer makes no sense");
    if (use->probe.stage == SETUP_STAGE_ANSWER) {
        setup_remedy(report,
                     "see what listens there: it is not %s, or does not answer in time (its log "
                     "tells)",
                     program_of(use));
        return;
    }
    setup_remedy(report, "start %s; its log says why it does not run",
                 use->separate ? program_of(use) : "the daemon");
    start_again(use, report);
}

static void answered(const struct setup_mta *mta, const struct setup_use *use,
                     struct setup_report *report)
{
    char who[200], path[512];

    occurrence(use, who, sizeof(who));
    setup_use_where(mta, use, path, sizeof(path));
    if (!use->probe.ours) {
        setup_add(report, SETUP_ERROR, name_of(use), "%s: what answers at %s is not %s%s%s", who,
                  path, program_of(use), use->address.kind == SETUP_LMTP ? ", or it is busy: " : "",
                  use->address.kind == SETUP_LMTP ? use->probe.reply : "");
        setup_remedy(report, "stop that program or give one of the two another socket");
    } else if (use->address.kind == SETUP_SOCKETMAP && strncmp(use->probe.reply, "PERM", 4) == 0) {
        setup_add(report, SETUP_ERROR, "map-name", "%s: there is no map `%s` (%s)", who,
                  use->address.map, use->probe.reply);
        setup_remedy(report, "requiretls-maps(5) has the names of the maps");
    } else if (use->address.kind == SETUP_LMTP) {
        setup_add(report, SETUP_OK, name_of(use), "%s: the delivery agent answers %s at %s", who,
                  mta->user, path);
    } else if (use->address.kind == SETUP_MILTER) {
        setup_add(report, SETUP_OK, name_of(use), "%s: the filter answers %s at %s", who, mta->user,
                  path);
    } else {
        setup_add(report, SETUP_OK, name_of(use), "%s: map %s answers %s at %s", who,
                  use->address.map, mta->user, path);
    }
}

static void outside(const struct setup_mta *mta, const struct setup_use *use,
                    struct setup_report *report)
{
    char who[200];

    occurrence(use, who, sizeof(who));
    setup_add(report, SETUP_ERROR, name_of(use),
              "%s: %s is outside of the chroot %s, the service cannot see it", who,
              use->address.path, mta->queue);
    if (use->address.kind == SETUP_LMTP)
        setup_remedy(report, "FILTER TRANSPORT:unix:requiretls-deliver/lmtp.sock, below the queue "
                             "directory, in the table of milter_header_checks");
    else
        setup_remedy(report, "put the sockets below the queue directory");
}

void setup_check_use(const struct setup_mta *mta, const struct setup_use *use,
                     struct setup_report *report)
{
    char who[200];
    enum setup_match match = setup_use_match(mta, use);
    const struct setup_probe *probe = &use->probe;

    if (match == SETUP_FOREIGN || !use->probed)
        return;
    if (match == SETUP_OUTSIDE) {
        outside(mta, use, report);
    } else if (match == SETUP_ALIKE) {
        setup_add(report, SETUP_WARNING, name_of(use),
                  "%s: this is a requiretls-milter, but not at a socket of this configuration",
                  occurrence(use, who, sizeof(who)));
        setup_remedy(report, "give the daemon's configuration file with -c");
    } else if (use->error != 0) {
        setup_add(report, SETUP_UNKNOWN, name_of(use), "%s: cannot be tried: %s",
                  occurrence(use, who, sizeof(who)), strerror(-use->error));
        setup_remedy(report, "run this check as root");
    } else if (probe->stage == SETUP_STAGE_DONE) {
        answered(mta, use, report);
    } else if (probe->error == EACCES) {
        no_access(mta, use, report);
    } else if (probe->stage == SETUP_STAGE_PATH &&
               (probe->error == ENOENT || probe->error == ENOTDIR)) {
        not_there(mta, use, report);
    } else {
        no_connection(mta, use, report);
    }
}
