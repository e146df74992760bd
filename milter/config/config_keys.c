/* The table of keys: section, name, parser, and where the value goes. Their meaning is in
 * requiretls-milter.conf(5). A new key is a row here. */
#include "config/config_keys.h"

#include "config/config_types.h"

#include <string.h>

/* --- words, in the order of their enumerations ------------------------------------------------ */

static const char *const words_accept_header[] = {"any", "authenticated", "trusted", "no", NULL};
static const char *const words_add_header[] = {"reinject", "no", "yes", NULL};
static const char *const words_redact[] = {"own", "all", "no", NULL};
static const char *const words_target[] = {"auto", "syslog", "stderr", NULL};
static const char *const words_format[] = {"text", "json", NULL};
static const char *const words_facility[] = {"mail",   "daemon", "user",   "local0",
                                             "local1", "local2", "local3", "local4",
                                             "local5", "local6", "local7", NULL};
static const char *const words_level[] = {"error", "warning", "info", "debug", NULL};
static const char *const words_method[] = {"none", "header", "recipient", NULL};
static const char *const words_local[] = {"recipient", "reinject", "refuse", NULL};
static const char *const words_fallback[] = {"none", "encrypt", "may", NULL};
static const char *const words_unsatisfied[] = {"reject", "tempfail", "quarantine", "log", NULL};
static const char *const words_mixed[] = {"reject", "keep", NULL};
static const char *const words_auto[] = {"auto", "yes", "no", NULL};
static const char *const words_deliver[] = {"require", "optional", "header", NULL};

/* --- the table -------------------------------------------------------------------------------- */

#define AT(member) offsetof(struct config, member)
#define LIST(member) .offset = AT(member.items), .count_offset = AT(member.count)
#define SOCKET_AT(member) offsetof(struct config_deliver_socket, member)
#define RULE_AT(member) offsetof(struct config_rule, member)
#define RULE_LIST(member) .offset = RULE_AT(member.items), .count_offset = RULE_AT(member.count)
#define MATCHER(key_name, member, matcher, fact_bit)                                               \
    {                                                                                              \
        CONFIG_SECTION_RULE, key_name, config_item_pattern, RULE_LIST(member),                     \
            .flags = CONFIG_KEY_LIST | CONFIG_KEY_NONEMPTY, .detail = matcher, .fact = fact_bit    \
    }
#define SETTING(section, key_name, parser, member, setting)                                        \
    {                                                                                              \
        section, key_name, parser, RULE_AT(member), .detail = setting                              \
    }
#define SETTING_WORD(section, key_name, member, setting, list, text)                               \
    {                                                                                              \
        section, key_name, config_type_word, RULE_AT(member), .words = list, .expected = text,     \
                                                              .detail = setting                    \
    }
#define SETTING_ROUTE(section, key_name, member, setting)                                          \
    {                                                                                              \
        section, key_name, config_type_text, RULE_AT(member##_name),                               \
            .detail = setting, .line_offset = RULE_AT(member##_line)                               \
    }
/* What [default] and rules both take. */
#define SETTINGS(section)                                                                          \
    SETTING(section, "level", config_type_level, level, CONFIG_SETTING_LEVEL),                     \
        SETTING_WORD(section, "fallback", fallback, CONFIG_SETTING_FALLBACK, words_fallback,       \
                     "none, encrypt or may"),                                                      \
        SETTING_WORD(section, "on_unsatisfied", on_unsatisfied, CONFIG_SETTING_ON_UNSATISFIED,     \
                     words_unsatisfied, "reject, tempfail, quarantine or log"),                    \
        SETTING(section, "on_undecided", config_type_undecided, on_undecided,                      \
                CONFIG_SETTING_ON_UNDECIDED),                                                      \
        SETTING_WORD(section, "mixed", mixed, CONFIG_SETTING_MIXED, words_mixed,                   \
                     "reject or keep"),                                                            \
        SETTING_WORD(section, "require_offer", require_offer, CONFIG_SETTING_REQUIRE_OFFER,        \
                     words_auto, "auto, yes or no"),                                               \
        SETTING_ROUTE(section, "route", route, CONFIG_SETTING_ROUTE),                              \
        SETTING_ROUTE(section, "optional_route", optional_route, CONFIG_SETTING_OPTIONAL_ROUTE),   \
        SETTING(section, "helo_name", config_type_domain, helo_name, CONFIG_SETTING_HELO_NAME),    \
    {                                                                                              \
        section, "source", config_item_source, RULE_LIST(source), .flags = CONFIG_KEY_LIST,        \
                                                                  .detail = CONFIG_SETTING_SOURCE  \
    }

const struct config_key config_keys[] = {
    {CONFIG_SECTION_MILTER, "socket", config_type_milter_socket, .offset = AT(milter.socket),
     .flags = CONFIG_KEY_FIXED},
    {CONFIG_SECTION_MILTER, "socket_mode", config_type_mode, .offset = AT(milter.socket_mode),
     .flags = CONFIG_KEY_FIXED},
    {CONFIG_SECTION_MILTER, "socket_group", config_type_text, .offset = AT(milter.socket_group),
     .flags = CONFIG_KEY_FIXED},
    {CONFIG_SECTION_MILTER, "user", config_type_user, .offset = AT(milter.user),
     .flags = CONFIG_KEY_FIXED},
    {CONFIG_SECTION_MILTER, "mydomain", config_type_domain, .offset = AT(milter.mydomain)},
    {CONFIG_SECTION_MILTER, "my_mx_names", config_type_domain, LIST(milter.my_mx_names),
     .flags = CONFIG_KEY_LIST},
    {CONFIG_SECTION_MILTER, "trusted_clients", config_item_net,
     .offset = AT(milter.trusted_clients), .count_offset = AT(milter.trusted_client_count),
     .flags = CONFIG_KEY_LIST},
    {CONFIG_SECTION_MILTER, "accept_header", config_type_word, .offset = AT(milter.accept_header),
     .words = words_accept_header, .expected = "any, authenticated, trusted or no"},
    {CONFIG_SECTION_MILTER, "add_header", config_type_word, .offset = AT(milter.add_header),
     .words = words_add_header, .expected = "reinject, no or yes"},
    {CONFIG_SECTION_MILTER, "marker", config_type_marker, .offset = AT(milter.marker)},
    {CONFIG_SECTION_MILTER, "tag", config_type_domain, .offset = AT(milter.tag)},
    {CONFIG_SECTION_MILTER, "route_header", config_type_field_name,
     .offset = AT(milter.route_header)},
    {CONFIG_SECTION_MILTER, "local_mailers", config_item_text, LIST(milter.local_mailers),
     .flags = CONFIG_KEY_LIST},
    {CONFIG_SECTION_MILTER, "rcpt_wait", config_type_duration, .offset = AT(milter.rcpt_wait_ms)},
    {CONFIG_SECTION_MILTER, "eom_wait", config_type_duration, .offset = AT(milter.eom_wait_ms)},
    {CONFIG_SECTION_MILTER, "max_waiting", config_type_count, .offset = AT(milter.max_waiting)},
    {CONFIG_SECTION_MILTER, "redact_dsn", config_type_word, .offset = AT(milter.redact_dsn),
     .words = words_redact, .expected = "own, all or no"},

    {CONFIG_SECTION_DNS, "resolvers", config_item_resolver, LIST(resolvers),
     .flags = CONFIG_KEY_LIST},
    {CONFIG_SECTION_DNS, "trust_ad", config_type_trust_ad, .offset = AT(engine.trust_ad)},
    {CONFIG_SECTION_DNS, "timeout", config_type_duration, .offset = AT(engine.dns_timeout_ms)},
    {CONFIG_SECTION_DNS, "tries", config_type_count_int, .offset = AT(engine.dns_tries)},
    {CONFIG_SECTION_DNS, "check_name", config_type_domain, .offset = AT(engine.check_name)},
    {CONFIG_SECTION_DNS, "check_interval", config_type_duration,
     .offset = AT(engine.check_interval_ms)},

    {CONFIG_SECTION_MTA_STS, "enable", config_type_bool, .offset = AT(engine.sts_enable)},
    {CONFIG_SECTION_MTA_STS, "ca_file", config_type_path, .offset = AT(engine.sts_ca_file),
     .line_offset = AT(ca_file_line)},
    {CONFIG_SECTION_MTA_STS, "ca_path", config_type_path, .offset = AT(engine.sts_ca_path),
     .line_offset = AT(ca_path_line)},
    {CONFIG_SECTION_MTA_STS, "connect_timeout", config_type_duration,
     .offset = AT(engine.sts_connect_timeout_ms)},
    {CONFIG_SECTION_MTA_STS, "timeout", config_type_duration, .offset = AT(engine.sts_timeout_ms)},
    {CONFIG_SECTION_MTA_STS, "max_policy", config_type_size, .offset = AT(engine.sts_max_policy)},
    {CONFIG_SECTION_MTA_STS, "min_retry", config_type_duration,
     .offset = AT(engine.sts_min_retry_ms)},
    {CONFIG_SECTION_MTA_STS, "give_up", config_type_duration, .offset = AT(engine.sts_give_up_ms)},
    {CONFIG_SECTION_MTA_STS, "refresh", config_type_duration, .offset = AT(engine.sts_refresh_ms)},
    {CONFIG_SECTION_MTA_STS, "accept_testing", config_type_bool, .offset = AT(accept_testing)},

    {CONFIG_SECTION_DANE, "enable", config_type_bool, .offset = AT(engine.dane_enable)},
    {CONFIG_SECTION_DANE, "web_pki", config_type_bool, .offset = AT(web_pki)},

    {CONFIG_SECTION_PROBE, "enable", config_type_word, .offset = AT(engine.probe_enable),
     .words = words_auto, .expected = "auto, yes or no"},
    {CONFIG_SECTION_PROBE, "ttl", config_type_duration, .offset = AT(engine.probe_ttl_ms)},
    {CONFIG_SECTION_PROBE, "negative_ttl", config_type_duration,
     .offset = AT(engine.probe_negative_ttl_ms)},
    {CONFIG_SECTION_PROBE, "parallel", config_type_count_int, .offset = AT(engine.probe_parallel)},
    {CONFIG_SECTION_PROBE, "per_minute", config_type_count, .offset = AT(engine.probe_per_minute)},
    {CONFIG_SECTION_PROBE, "timeout", config_type_duration, .offset = AT(engine.probe_timeout_ms)},
    {CONFIG_SECTION_PROBE, "helo_name", config_type_domain, .offset = AT(engine.probe_helo_name)},
    {CONFIG_SECTION_PROBE, "source", config_item_source, LIST(probe_sources),
     .flags = CONFIG_KEY_LIST},
    {CONFIG_SECTION_PROBE, "port", config_type_port, .offset = AT(engine.probe_port)},

    {CONFIG_SECTION_CACHE, "store", config_type_store, .offset = AT(engine.store),
     .flags = CONFIG_KEY_FIXED},
    {CONFIG_SECTION_CACHE, "max_domains", config_type_count_size, .offset = AT(engine.max_domains)},
    {CONFIG_SECTION_CACHE, "max_memory", config_type_memory, .offset = AT(engine.max_memory)},
    {CONFIG_SECTION_CACHE, "negative_ttl", config_type_duration,
     .offset = AT(engine.negative_ttl_ms)},
    {CONFIG_SECTION_CACHE, "max_ttl", config_type_duration, .offset = AT(engine.max_ttl_ms)},
    {CONFIG_SECTION_CACHE, "prefetch", config_type_bool, .offset = AT(engine.prefetch)},
    {CONFIG_SECTION_CACHE, "shared", config_item_shared, LIST(shared.servers),
     .flags = CONFIG_KEY_LIST | CONFIG_KEY_FAULT | CONFIG_KEY_SECRET,
     .line_offset = AT(shared.line)},
    {CONFIG_SECTION_CACHE, "shared_timeout", config_type_shared_timeout,
     .offset = AT(engine.shared_timeout_ms)},
    {CONFIG_SECTION_CACHE, "shared_password", config_type_path, .offset = AT(shared.password),
     .flags = CONFIG_KEY_SECRET, .line_offset = AT(shared.password_line)},
    {CONFIG_SECTION_CACHE, "shared_key", config_type_path, .offset = AT(shared.key),
     .line_offset = AT(shared.key_line)},

    {CONFIG_SECTION_SOCKETMAP, "listen", config_type_address, .offset = AT(socketmap.listen),
     .count_offset = AT(socketmap.listen_count), .flags = CONFIG_KEY_LIST | CONFIG_KEY_FIXED},
    {CONFIG_SECTION_SOCKETMAP, "socket_mode", config_type_mode, .offset = AT(socketmap.socket_mode),
     .flags = CONFIG_KEY_FIXED},
    {CONFIG_SECTION_SOCKETMAP, "socket_group", config_type_text,
     .offset = AT(socketmap.socket_group), .flags = CONFIG_KEY_FIXED},
    {CONFIG_SECTION_SOCKETMAP, "tlsrpt", config_type_bool, .offset = AT(socketmap.tlsrpt)},
    {CONFIG_SECTION_SOCKETMAP, "max_connections", config_type_count,
     .offset = AT(socketmap.max_connections)},

    {CONFIG_SECTION_METRICS, "listen", config_type_address, .offset = AT(metrics_listen),
     .flags = CONFIG_KEY_FIXED},

    {CONFIG_SECTION_LOG, "target", config_type_word, .offset = AT(log.target),
     .words = words_target, .expected = "auto, syslog or stderr"},
    {CONFIG_SECTION_LOG, "format", config_type_word, .offset = AT(log.format),
     .words = words_format, .expected = "text or json"},
    {CONFIG_SECTION_LOG, "facility", config_type_facility, .offset = AT(log.facility),
     .words = words_facility, .expected = "mail, daemon, user or local0 to local7"},
    {CONFIG_SECTION_LOG, "level", config_type_log_level, .offset = AT(log.level),
     .words = words_level, .expected = "error, warning, info or debug"},

    SETTING(CONFIG_SECTION_DEFAULT, "request", config_type_default_request, request,
            CONFIG_SETTING_REQUEST),
    SETTINGS(CONFIG_SECTION_DEFAULT),

    {CONFIG_SECTION_DELIVER, "ticket_key", config_type_file, .offset = AT(deliver.ticket_key),
     .line_offset = AT(deliver.ticket_key_line)},
    {CONFIG_SECTION_DELIVER, "ticket_life", config_type_life, .offset = AT(deliver.ticket_life_s)},
    {CONFIG_SECTION_DELIVER, "max_message", config_type_max_message,
     .offset = AT(deliver.max_message)},
    {CONFIG_SECTION_DELIVER, "helo_name", config_type_domain, .offset = AT(deliver.helo_name)},
    {CONFIG_SECTION_DELIVER, "source", config_item_source, LIST(deliver.source),
     .flags = CONFIG_KEY_LIST, .line_offset = AT(deliver.source_line)},
    {CONFIG_SECTION_DELIVER, "port", config_type_port, .offset = AT(deliver.port)},
    {CONFIG_SECTION_DELIVER, "max_sessions", config_type_sessions,
     .offset = AT(deliver.max_sessions)},
    {CONFIG_SECTION_DELIVER, "per_host", config_type_count, .offset = AT(deliver.per_host)},
    {CONFIG_SECTION_DELIVER, "max_addresses", config_type_addresses,
     .offset = AT(deliver.max_addresses)},
    {CONFIG_SECTION_DELIVER, "idle", config_type_duration, .offset = AT(deliver.idle_ms)},
    {CONFIG_SECTION_DELIVER, "reuse", config_type_count, .offset = AT(deliver.reuse)},
    {CONFIG_SECTION_DELIVER, "connect_timeout", config_type_smtp_timeout,
     .offset = AT(deliver.connect_timeout_ms)},
    {CONFIG_SECTION_DELIVER, "command_timeout", config_type_smtp_timeout,
     .offset = AT(deliver.command_timeout_ms)},
    {CONFIG_SECTION_DELIVER, "setup_timeout", config_type_smtp_timeout,
     .offset = AT(deliver.setup_timeout_ms)},
    {CONFIG_SECTION_DELIVER, "data_timeout", config_type_smtp_timeout,
     .offset = AT(deliver.data_timeout_ms)},
    {CONFIG_SECTION_DELIVER, "ca_file", config_type_path, .offset = AT(deliver.ca_file),
     .line_offset = AT(deliver.ca_file_line)},
    {CONFIG_SECTION_DELIVER, "ca_path", config_type_path, .offset = AT(deliver.ca_path),
     .line_offset = AT(deliver.ca_path_line)},
    {CONFIG_SECTION_DELIVER, "credentials", config_type_path, .offset = AT(deliver.credentials),
     .line_offset = AT(deliver.credentials_line)},
    {CONFIG_SECTION_DELIVER, "audit_template", config_type_audit,
     .offset = AT(deliver.audit_template), .flags = CONFIG_KEY_FAULT},

    {CONFIG_SECTION_TLSRPT, "socket", config_type_unix_socket, .offset = AT(deliver.tlsrpt_socket)},

    {CONFIG_SECTION_DELIVER_SOCKET, "listen", config_type_loopback, .offset = SOCKET_AT(listen),
     .flags = CONFIG_KEY_FIXED},
    {CONFIG_SECTION_DELIVER_SOCKET, "socket_mode", config_type_mode,
     .offset = SOCKET_AT(socket_mode), .flags = CONFIG_KEY_FIXED},
    {CONFIG_SECTION_DELIVER_SOCKET, "socket_group", config_type_text,
     .offset = SOCKET_AT(socket_group), .flags = CONFIG_KEY_FIXED},
    {CONFIG_SECTION_DELIVER_SOCKET, "tickets", config_type_bool, .offset = SOCKET_AT(tickets)},
    {CONFIG_SECTION_DELIVER_SOCKET, "request", config_type_word, .offset = SOCKET_AT(request),
     .words = words_deliver, .expected = "require, optional or header"},
    {CONFIG_SECTION_DELIVER_SOCKET, "level", config_type_level, .offset = SOCKET_AT(level)},
    {CONFIG_SECTION_DELIVER_SOCKET, "nexthop", config_type_nexthop, .offset = SOCKET_AT(nexthop)},

    {CONFIG_SECTION_ROUTE, "method", config_type_word,
     .offset = offsetof(struct config_route, method), .words = words_method,
     .expected = "none, header or recipient"},
    {CONFIG_SECTION_ROUTE, "can", config_item_can, .offset = offsetof(struct config_route, can),
     .flags = CONFIG_KEY_LIST | CONFIG_KEY_NONEMPTY},
    {CONFIG_SECTION_ROUTE, "local", config_type_word,
     .offset = offsetof(struct config_route, local), .words = words_local,
     .expected = "recipient, reinject or refuse"},
    {CONFIG_SECTION_ROUTE, "tag", config_type_domain, .offset = offsetof(struct config_route, tag)},
    {CONFIG_SECTION_ROUTE, "starttls", config_type_text,
     .offset = offsetof(struct config_route, starttls_name)},
    {CONFIG_SECTION_ROUTE, "opportunistic", config_type_text,
     .offset = offsetof(struct config_route, opportunistic_name)},
    {CONFIG_SECTION_ROUTE, "agent", config_type_bool,
     .offset = offsetof(struct config_route, agent)},

    MATCHER("client", client, CONFIG_MATCH_CLIENT, CONFIG_FACT_CLIENT),
    MATCHER("authenticated", login, CONFIG_MATCH_WORD, CONFIG_FACT_AUTHENTICATED),
    {CONFIG_SECTION_RULE, "tls", config_type_tristate, .offset = RULE_AT(tls),
     .fact = CONFIG_FACT_TLS, .detail = -1},
    MATCHER("sender", sender, CONFIG_MATCH_ADDRESS, CONFIG_FACT_SENDER),
    MATCHER("recipient", recipient, CONFIG_MATCH_ADDRESS, CONFIG_FACT_RECIPIENT),
    MATCHER("nexthop", nexthop, CONFIG_MATCH_NEXTHOP, CONFIG_FACT_RECIPIENT),
    MATCHER("mailer", mailer, CONFIG_MATCH_WORD, CONFIG_FACT_RECIPIENT),
    {CONFIG_SECTION_RULE, "header", config_item_pattern, RULE_LIST(header),
     .flags = CONFIG_KEY_LIST | CONFIG_KEY_LINES | CONFIG_KEY_NONEMPTY,
     .detail = CONFIG_MATCH_HEADER, .fact = CONFIG_FACT_HEADER},
    MATCHER("daemon", daemon, CONFIG_MATCH_WORD, CONFIG_FACT_DAEMON),
    SETTING(CONFIG_SECTION_RULE, "request", config_type_request, request, CONFIG_SETTING_REQUEST),
    SETTINGS(CONFIG_SECTION_RULE),
    SETTING(CONFIG_SECTION_RULE, "tls_policy", config_type_tls_policy, tls_policy,
            CONFIG_SETTING_TLS_POLICY),
};

const size_t config_key_count = sizeof(config_keys) / sizeof(config_keys[0]);

static const char *const section_names[] = {
    [CONFIG_SECTION_MILTER] = "milter",
    [CONFIG_SECTION_DNS] = "dns",
    [CONFIG_SECTION_MTA_STS] = "mta_sts",
    [CONFIG_SECTION_DANE] = "dane",
    [CONFIG_SECTION_PROBE] = "probe",
    [CONFIG_SECTION_CACHE] = "cache",
    [CONFIG_SECTION_SOCKETMAP] = "socketmap",
    [CONFIG_SECTION_METRICS] = "metrics",
    [CONFIG_SECTION_LOG] = "log",
    [CONFIG_SECTION_DEFAULT] = "default",
    [CONFIG_SECTION_DELIVER] = "deliver",
    [CONFIG_SECTION_TLSRPT] = "tlsrpt",
};

const char *config_section_name(enum config_section section)
{
    return (size_t)section < sizeof(section_names) / sizeof(section_names[0])
               ? section_names[section]
               : NULL;
}

bool config_section_find(const char *name, enum config_section *out)
{
    for (size_t i = 0; i < sizeof(section_names) / sizeof(section_names[0]); i++)
        if (strcmp(section_names[i], name) == 0) {
            *out = (enum config_section)i;
            return true;
        }
    return false;
}

const struct config_key *config_key_find(enum config_section section, const char *name)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (config_keys[i].section == section && strcmp(config_keys[i].name, name) == 0)
            return &config_keys[i];
    return NULL;
}

unsigned config_key_part(enum config_section section, const char *name)
{
    bool any = name == NULL;

    switch (section) {
    case CONFIG_SECTION_MILTER:
        return any ? CONFIG_PART_SOCKETS | CONFIG_PART_MILTER | CONFIG_PART_USER | CONFIG_PART_WAIT
               : strcmp(name, "socket") == 0    ? CONFIG_PART_SOCKETS
               : strcmp(name, "user") == 0      ? CONFIG_PART_USER
               : strcmp(name, "rcpt_wait") == 0 ? CONFIG_PART_WAIT
                                                : CONFIG_PART_MILTER;
    case CONFIG_SECTION_SOCKETMAP:
        return any                           ? CONFIG_PART_SOCKETS | CONFIG_PART_SOCKETMAP
               : strcmp(name, "listen") == 0 ? CONFIG_PART_SOCKETS
                                             : CONFIG_PART_SOCKETMAP;
    case CONFIG_SECTION_DNS:
        return CONFIG_PART_DNS;
    case CONFIG_SECTION_MTA_STS:
    case CONFIG_SECTION_DANE:
        return CONFIG_PART_LOOKUPS;
    case CONFIG_SECTION_PROBE:
        return CONFIG_PART_PROBE;
    case CONFIG_SECTION_CACHE:
        return CONFIG_PART_CACHE;
    case CONFIG_SECTION_DEFAULT:
    case CONFIG_SECTION_ROUTE:
    case CONFIG_SECTION_RULE:
        return CONFIG_PART_RULES;
    case CONFIG_SECTION_DELIVER_SOCKET:
        return any || strcmp(name, "listen") == 0 ? CONFIG_PART_SOCKETS | CONFIG_PART_DELIVER
                                                  : CONFIG_PART_DELIVER;
    case CONFIG_SECTION_DELIVER:
    case CONFIG_SECTION_TLSRPT:
        return CONFIG_PART_DELIVER;
    case CONFIG_SECTION_METRICS:
    case CONFIG_SECTION_LOG:
        return 0;
    default:
        return CONFIG_PART_ALL;
    }
}
