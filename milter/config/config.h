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
#include <time.h>

/* What the daemon and the tool read without -c. */
#define CONFIG_DEFAULT_PATH PROJECT_CONF_DIR "/requiretls-milter.conf"

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
    char *tag;  /* of marked recipients: [milter] tag, or a name below it */
    bool agent; /* it leads to the delivery agent: recipients get tickets */
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

/* [cache] shared and what belongs to it: a cache that hosts have in common. */
struct config_shared {
    struct config_list
        servers;    /* as written, in the order they are tried; none: nothing is shared */
    char *password; /* path of a file; NULL: the servers ask for none */
    char *key;      /* path of a file; NULL: none is given */
    unsigned line, password_line, key_line; /* where they stand; 0: nowhere */
};

/* What messages that come by a socket of the agent ask for, where no ticket says it. */
enum config_deliver_request {
    CONFIG_DELIVER_REQUIRE,
    CONFIG_DELIVER_OPTIONAL,
    CONFIG_DELIVER_HEADER, /* as the header and MAIL say it */
};

/* [deliver NAME] */
struct config_deliver_socket {
    const char *name;
    unsigned line;
    struct config_address listen;
    mode_t socket_mode;
    char *socket_group; /* NULL: none */
    bool tickets;       /* every recipient must have a valid one */
    enum config_deliver_request request;
    int level;     /* an enum verdict_level; -1: the rules say it */
    char *nexthop; /* NULL: the recipient's domain */
};

/* [deliver] */
struct config_deliver {
    struct config_deliver_socket *sockets;
    size_t socket_count; /* 0: there is no agent */
    char *ticket_key;    /* path */
    int64_t ticket_life_s;
    uint64_t max_message; /* octets; 0: no limit */
    char *helo_name;
    struct config_list source; /* addresses, one of a family at most */
    uint16_t port;
    unsigned max_sessions;
    unsigned per_host;
    unsigned max_addresses;
    int idle_ms;
    unsigned reuse;
    int connect_timeout_ms, command_timeout_ms, setup_timeout_ms, data_timeout_ms;
    char *ca_file, *ca_path; /* both NULL: those of [mta_sts]; see config_deliver_ca */
    char *credentials;       /* path; NULL: none */
    char *audit_template;    /* NULL: none */
    char *tlsrpt_socket;     /* [tlsrpt] socket: a path; NULL: off */
    const char *content_dir; /* for messages that memory is not for */
    /* Where they stand; 0: nowhere. */
    unsigned ticket_key_line, source_line, ca_file_line, ca_path_line, credentials_line;
};

/* The file as it was when it was read. */
struct config_source {
    bool present; /* false: there was none, and the defaults hold */
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified;
    time_t read_s;
};

/* Parts of a file. */
enum {
    CONFIG_PART_SOCKETS = 1 << 0,   /* [milter] socket, [socketmap] listen */
    CONFIG_PART_MILTER = 1 << 1,    /* the other keys of [milter] */
    CONFIG_PART_SOCKETMAP = 1 << 2, /* the other keys of [socketmap] */
    CONFIG_PART_DNS = 1 << 3,
    CONFIG_PART_LOOKUPS = 1 << 4, /* [mta_sts], [dane] */
    CONFIG_PART_CACHE = 1 << 5,
    CONFIG_PART_RULES = 1 << 6, /* [default], [route], [rule] */
    CONFIG_PART_USER = 1 << 7,  /* [milter] user */
    CONFIG_PART_WAIT = 1 << 8,  /* [milter] rcpt_wait */
    CONFIG_PART_PROBE = 1 << 9,
    CONFIG_PART_DELIVER = 1 << 10,
    CONFIG_PART_ALL = (1 << 11) - 1,
};

struct config {
    char *path;
    struct config_source source;
    unsigned in_doubt; /* CONFIG_PART_...: errors are there, values may be wrong or missing */
    struct config_milter milter;
    struct engine_config engine; /* [dns], [mta_sts], [dane], [probe], [cache] */
    struct config_list resolvers;
    struct config_list probe_sources;    /* [probe] source */
    bool web_pki;                        /* [dane] web_pki */
    bool accept_testing;                 /* [mta_sts] accept_testing */
    unsigned ca_file_line, ca_path_line; /* where they stand; 0: nowhere */
    struct config_shared shared;
    struct config_socketmap socketmap;
    struct config_deliver deliver;
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

/*
 * The same for the file at the usual place, CONFIG_DEFAULT_PATH, where nobody has named one: if
 * there is none, it is as if it were empty. A symbolic link that leads nowhere is an error.
 */
int config_load_if_present(const char *path, const char *host_name, config_report_fn on_error,
                           config_report_fn on_warning, void *arg, struct config **out);

/*
 * For who examines what else there is when the file has errors: as the two above (`if_present`: the
 * second), but with -EINVAL there is a snapshot too, with `in_doubt` set, which no daemon may use.
 * Of a file with errors in single keys nothing is reported that may follow from those.
 */
int config_load_in_part(const char *path, bool if_present, const char *host_name,
                        config_report_fn on_error, config_report_fn on_warning, void *arg,
                        struct config **out);

/* Whether `path` holds another file by now than the one that was read, has one where none was, or
 * has lost it. Any thread; asks the file system. */
bool config_source_changed(const struct config *config, const char *path);

struct config *config_ref(struct config *config);
void config_unref(struct config *config); /* NULL is allowed; any thread */

/* Reports each key that differs between the two and that only a restart can change. */
void config_report_fixed(const struct config *running, const struct config *loaded,
                         config_report_fn report, void *arg);

/* The first unix socket of [socketmap] listen, as written (unix:/path); NULL: there is none. */
const char *config_unix_listener(const struct config *config);

/* The same of a file that may have errors, as far as it can be read; to be freed. NULL: none is
 * known. For asking a daemon that still has what the file said before. */
char *config_unix_listener_of_file(const char *path);

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

/* Whether any route leads to the delivery agent, which passes REQUIRETLS on whatever the MTA can.
 */
bool config_has_agent_route(const struct config *config);

/* NULL if there is none of that name. */
const struct config_route *config_route_find(const struct config *config, const char *name);

/* Whether there is a route or a socket of the agent for which tickets are written or read. */
bool config_uses_tickets(const struct config *config);

/* The CA certificates that mail servers are verified by: those of [deliver] where it names any,
 * else those of [mta_sts]. Both NULL: the system's. */
void config_deliver_ca(const struct config *config, const char **ca_file, const char **ca_path);

#endif
