/*
 * The configuration file, parsed: an immutable, reference-counted snapshot. Every field has its
 * default when the file does not set it. Durations in milliseconds unless the name says otherwise.
 */
#ifndef MILTER_CONFIG_CONFIG_H
#define MILTER_CONFIG_CONFIG_H

#include "base/log.h"
#include "config/config_value.h"
#include "policy/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What the daemon and the tool read without -c. */
#define CONFIG_DEFAULT_PATH "/etc/requiretls-milter/requiretls-milter.conf"

struct config_rule; /* defined in config_rule.h, for rules.c and the parser */

/* A list of strings; items[count] is NULL. */
struct config_list {
    char **items;
    size_t count;
};

/* A listener's address. */
struct config_address {
    char *text; /* as written: unix:/path, inet:host:port */
    char *path; /* unix sockets, else NULL */
    char *host; /* numeric or a name; inet only */
    char *port;
};

enum config_accept_header {
    CONFIG_ACCEPT_ANY,
    CONFIG_ACCEPT_AUTHENTICATED,
    CONFIG_ACCEPT_TRUSTED,
    CONFIG_ACCEPT_NO,
};
enum config_add_header { CONFIG_ADD_HEADER_REINJECT, CONFIG_ADD_HEADER_NO, CONFIG_ADD_HEADER_YES };
enum config_redact { CONFIG_REDACT_OWN, CONFIG_REDACT_ALL, CONFIG_REDACT_NO };

enum config_method { CONFIG_METHOD_NONE, CONFIG_METHOD_HEADER, CONFIG_METHOD_RECIPIENT };
enum config_local { CONFIG_LOCAL_RECIPIENT, CONFIG_LOCAL_REINJECT, CONFIG_LOCAL_REFUSE };

struct config_route {
    const char *name;
    enum config_method method;
    unsigned can;         /* VERDICT_CAN_... */
    bool can_follows_mta; /* `can` is the default of method none: VERDICT_CAN_REQUIRETLS too where
                             the MTA is one that enforces REQUIRETLS itself */
    enum config_local local;
    char *tag; /* of marked recipients: [milter] tag, or a name below it */
    char *starttls_name, *opportunistic_name;
    /* Instead, at the levels opportunistic+starttls and opportunistic; NULL: itself, and none. */
    const struct config_route *starttls, *opportunistic;
};

struct config_milter {
    char *socket; /* as libmilter takes it; NULL: no milter */
    mode_t socket_mode;
    char *socket_group; /* NULL: none */
    char *user;         /* NULL: stay who we are */
    char *mydomain;
    struct config_list my_mx_names;
    struct config_net *trusted_clients;
    size_t trusted_client_count;
    bool trusted_local; /* locally submitted mail is trusted */
    enum config_accept_header accept_header;
    enum config_add_header add_header;
    char *marker; /* "" : none */
    char *tag;
    char *route_header;
    struct config_list local_mailers;
    int rcpt_wait_ms;
    int eom_wait_ms;
    unsigned max_waiting;
    enum config_redact redact_dsn;
};

struct config_socketmap {
    struct config_address *listen;
    size_t listen_count;
    mode_t socket_mode;
    char *socket_group;
    bool tlsrpt;
    unsigned max_connections;
};

struct config {
    char *path;
    struct config_milter milter;
    struct engine_config engine; /* [dns], [mta_sts], [dane], [cache] */
    struct config_list resolvers;
    bool web_pki;                        /* [dane] web_pki */
    bool accept_testing;                 /* [mta_sts] accept_testing */
    unsigned ca_file_line, ca_path_line; /* where they stand; 0: nowhere */
    struct config_socketmap socketmap;
    struct config_address metrics_listen; /* text NULL: off */
    struct log_settings log;

    struct config_route *routes; /* `native` first */
    size_t route_count;
    struct config_rule *rules; /* in file order */
    size_t rule_count;
    struct config_rule *defaults; /* [default], every setting filled in but level */
};

/* Called for each error or warning, "file:line: text", without newline. */
typedef void (*config_report_fn)(void *arg, const char *message);

/*
 * Reads and checks a file. `host_name` is this host's (for mydomain and my_mx_names).
 * Returns 0 and a snapshot with one reference; -EINVAL after each error was reported, -ENOMEM.
 */
int config_load(const char *path, const char *host_name, config_report_fn on_error,
                config_report_fn on_warning, void *arg, struct config **out);

struct config *config_ref(struct config *config);
void config_unref(struct config *config); /* NULL is allowed; any thread */

/* Reports each key that differs between the two and that only a restart can change. */
void config_report_fixed(const struct config *running, const struct config *loaded,
                         config_report_fn report, void *arg);

/* Whether a client is one of trusted_clients; NULL address: locally submitted mail. */
bool config_is_trusted(const struct config *config, const struct sockaddr *address);

/* Whether a domain, in A-label form, is mydomain, one of my_mx_names, localhost, or below one. */
bool config_domain_is_own(const struct config *config, const char *domain);

/* Whether the mailer has that name or fits that glob, without case. sendmail's `*file*` and
 * `*include*` are names. */
bool config_mailer_matches(const char *pattern, const char *mailer);

/* Whether the route leads through another listener of this host. */
bool config_route_reinjects(const struct config_route *route);

/*
 * Whether what leaves by the route is held to the map `enforce`, as far as the file tells: where it
 * has transports of its own, or can web_pki. Else the MTA goes by the map QUERY.
 */
bool config_route_asks_enforce(const struct config_route *route);

/* NULL if there is none of that name. */
const struct config_route *config_route_find(const struct config *config, const char *name);

#endif
