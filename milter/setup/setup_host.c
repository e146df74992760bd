/*
 * This host apart from MTA and resolver: the daemon's user, the store, the shared cache
 * (setup_shared.c), the keys of tickets (setup_ticket_key.c), the collector of TLS reports
 * (setup_tlsrpt.c), the certificates of authorities; setup_check_limits, when the sockets have been
 * tried, the limits of the daemon found there.
 */
#include "setup/setup.h"

#include "base/privilege.h"
#include "setup/setup_ca.h"
#include "setup/setup_edit.h"
#include "setup/setup_run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/x509.h>

enum { LOOK_MS = 10000 };

/* What the daemon keeps open beside its connections: store, logs, resolvers, policy hosts. */
enum { DESCRIPTORS_ELSE = 300 };

/* What the user may not do: errno, 0 if nothing, and the file's name after that of the store, or
 * "/" for the directory of it. */
struct store_look {
    int error;
    char part[16];
};

/* The store, and what SQLite keeps beside it. What is not there yet is made by the daemon. */
static void look_at_store(const void *path, void *result)
{
    static const char *const parts[] = {"", "-wal", "-shm", "-journal"};
    struct store_look *look = result;
    char name[PATH_MAX + 16];

    *look = (struct store_look){.part = "/"};
    snprintf(name, sizeof(name), "%s", (const char *)path);
    if (access(dirname(name), W_OK | X_OK) != 0) {
        look->error = errno;
        return;
    }
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && look->error == 0; i++) {
        snprintf(name, sizeof(name), "%s%s", (const char *)path, parts[i]);
        int fd = open(name, O_RDWR | O_CLOEXEC | O_NONBLOCK);
        if (fd >= 0)
            close(fd);
        else if (errno != ENOENT)
            look->error = errno;
        snprintf(look->part, sizeof(look->part), "%s", parts[i]);
    }
}

static void check_store(const struct config *config, const struct setup_who *who,
                        struct setup_report *report)
{
    static const char name[] = "store";
    const char *store = config->engine.store;
    struct store_look look = {0};
    char copy[PATH_MAX];

    if (store == NULL) {
        setup_add(report, SETUP_WARNING, name,
                  "store = memory: MTA-STS policies are forgotten at every restart");
        setup_edit_key(report, "cache", "store", "sqlite:/var/lib/requiretls-milter/cache.db");
        setup_edit_done(report, true);
        return;
    }
    snprintf(copy, sizeof(copy), "%s", store);
    const char *directory = dirname(copy);
    int tried = setup_as(who, look_at_store, store, &look, sizeof(look), LOOK_MS);
    if (tried != 0) {
        setup_add(report, SETUP_UNKNOWN, name, "%s: %s", directory, strerror(-tried));
        setup_remedy(report, "run this check as root");
    } else if (look.error != 0 && look.part[0] == '/') {
        setup_add(report, SETUP_ERROR, name, "%s: the user %s cannot write there: %s", directory,
                  who->name, strerror(look.error));
        setup_command(report, "install -d -o %s -m 0750 %s", who->name,
                      setup_word(report, directory));
        setup_edit_done(report, true);
    } else if (look.error != 0) {
        setup_add(report, SETUP_ERROR, name,
                  "%s%s: the user %s cannot open it: %s: MTA-STS policies are forgotten at every "
                  "restart",
                  store, look.part, who->name, strerror(look.error));
        setup_command(report, "chown %s %s*", who->name, setup_word(report, store));
        setup_edit_done(report, true);
    } else {
        setup_add(report, SETUP_OK, name, "%s can write to %s", who->name, directory);
    }
}

static void check_ca(const struct config *config, struct setup_report *report)
{
    static const char name[] = "filter-ca";
    const char *file = config->engine.sts_ca_file, *path = config->engine.sts_ca_path;
    char err[300];
    int count = 0;

    if (!config->engine.sts_enable)
        return;
    if (engine_config_check(&config->engine, err, sizeof(err)) != 0) {
        setup_add(report, SETUP_ERROR, name, "[mta_sts] %s: no policy host can be verified", err);
        setup_remedy(report,
                     "correct ca_file or ca_path, or take them out: then the system's hold");
        return;
    }
    if (file == NULL && path == NULL) {
        /* The names OpenSSL itself goes by. */
        const char *from_env = getenv(X509_get_default_cert_file_env());

        file = from_env != NULL ? from_env : X509_get_default_cert_file();
        path = X509_get_default_cert_dir();
    }
    for (int i = 0; i < 2; i++) {
        const char *from = i == 0 ? file : path;
        int found = from != NULL ? setup_ca_count(from) : 0;

        count += found > 0 ? found : 0;
    }
    if (count > 0) {
        setup_add(report, SETUP_OK, name, "%d certificates of authorities for MTA-STS", count);
        return;
    }
    setup_add(report, SETUP_ERROR, name,
              "there is no certificate of an authority in %s: no MTA-STS policy can be fetched",
              file != NULL ? file : path);
    setup_remedy(report, "install the system's authorities (Debian: ca-certificates), or set "
                         "ca_file in [mta_sts]");
}

void setup_check_host(const struct config *config, struct setup_report *report)
{
    char err[300];
    struct setup_who who;

    if (!setup_can_examine(config, CONFIG_PART_USER, "user, store", report)) {
        ; /* whose the store is, is not known */
    } else if (setup_who_find(config->milter.user, &who, err, sizeof(err)) != 0) {
        setup_add(report, SETUP_ERROR, "user", "%s ([milter] user)", err);
        setup_command(report,
                      "useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin %s",
                      setup_word(report, config->milter.user));
        setup_edit_done(report, true);
    } else {
        if (who.uid == 0) {
            setup_add(report, SETUP_WARNING, "user", "the filter runs as root");
            setup_remedy(report, "give it a user of its own");
            setup_edit_key(report, "milter", "user", "requiretls-milter");
            setup_edit_done(report, true);
        }
        if (setup_can_examine(config, CONFIG_PART_CACHE, "store", report))
            check_store(config, &who, report);
        if (config->shared.servers.count > 0 &&
            setup_can_examine(config, CONFIG_PART_CACHE, "shared-key, shared-cache", report))
            setup_check_shared(config, &who, report);
        if (config_uses_tickets(config) &&
            setup_can_examine(config, CONFIG_PART_DELIVER, "ticket-key", report))
            setup_check_ticket_key(config, &who, report);
        if (config->deliver.tlsrpt_socket != NULL &&
            setup_can_examine(config, CONFIG_PART_DELIVER, "tlsrpt-socket", report))
            setup_check_tlsrpt(config, &who, report);
    }
    if (setup_can_examine(config, CONFIG_PART_LOOKUPS, "filter-ca", report))
        check_ca(config, report);
}

/* The limit of open descriptors of a process, 0 if it is not known. */
static size_t limit_of(long pid)
{
    char path[64], line[256];
    size_t limit = 0;

    snprintf(path, sizeof(path), "/proc/%ld/limits", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    while (limit == 0 && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "Max open files %zu", &limit) != 1)
            limit = 0;
    fclose(file);
    return limit;
}

void setup_check_limits(const struct config *config, long listener, size_t connections,
                        struct setup_report *report)
{
    const struct config_deliver *d = &config->deliver;
    unsigned sessions = d->socket_count > 0 ? d->max_sessions : 0;
    /* Of a session of the agent: the MTA's connection, the server's, a long message. */
    size_t needed =
        connections + config->socketmap.max_connections + 3 * (size_t)sessions + DESCRIPTORS_ELSE;
    size_t limit = listener > 0 ? limit_of(listener) : 0;

    if (limit == 0 || connections == 0 ||
        !setup_can_examine(config, CONFIG_PART_SOCKETMAP | CONFIG_PART_DELIVER, "descriptors",
                           report))
        return;
    if (limit >= needed) {
        setup_add(report, SETUP_OK, "descriptors",
                  "the daemon may have %zu open, %zu can be asked for", limit, needed);
        return;
    }
    setup_add(
        report, SETUP_WARNING, "descriptors",
        "the daemon may have %zu descriptors open, but %zu connections of the MTA, %u of "
        "the socketmap and %u sessions of the delivery agent, of three each, can come at once",
        limit, connections, config->socketmap.max_connections, sessions);
    setup_remedy(report, "LimitNOFILE=%zu in the daemon's unit, or fewer processes in the MTA",
                 needed * 2);
}
