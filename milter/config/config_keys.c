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
static const char *const words_offer[] = {"auto", "yes", "no", NULL};

/* --- the table -------------------------------------------------------------------------------- */

#define AT(member) offsetof(struct config, member)
#define LIST(member) .offset = AT(member.items), .count_offset = AT(member.count)
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
                     words_offer, "auto, yes or no"),                                              \
        SETTING(section, "route", config_type_text, route_name, CONFIG_SETTING_ROUTE),             \
        SETTING(section, "optional_route", config_type_text, optional_route_name,                  \
                CONFIG_SETTING_OPTIONAL_ROUTE)

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
    {CONFIG_SECTION_MTA_STS, "ca_file", config_type_path, .offset = AT(engine.sts_ca_file)},
    {CONFIG_SECTION_MTA_STS, "ca_path", config_type_path, .offset = AT(engine.sts_ca_path)},
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

    {CONFIG_SECTION_CACHE, "store", config_type_store, .offset = AT(engine.store),
     .flags = CONFIG_KEY_FIXED},
    {CONFIG_SECTION_CACHE, "max_domains", config_type_count_size, .offset = AT(engine.max_domains)},
    {CONFIG_SECTION_CACHE, "max_memory", config_type_memory, .offset = AT(engine.max_memory)},
    {CONFIG_SECTION_CACHE, "negative_ttl", config_type_duration,
     .offset = AT(engine.negative_ttl_ms)},
    {CONFIG_SECTION_CACHE, "max_ttl", config_type_duration, .offset = AT(engine.max_ttl_ms)},
    {CONFIG_SECTION_CACHE, "prefetch", config_type_bool, .offset = AT(engine.prefetch)},

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

    SETTINGS(CONFIG_SECTION_DEFAULT),

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
    [CONFIG_SECTION_MILTER] = "milter",   [CONFIG_SECTION_DNS] = "dns",
    [CONFIG_SECTION_MTA_STS] = "mta_sts", [CONFIG_SECTION_DANE] = "dane",
    [CONFIG_SECTION_CACHE] = "cache",     [CONFIG_SECTION_SOCKETMAP] = "socketmap",
    [CONFIG_SECTION_METRICS] = "metrics", [CONFIG_SECTION_LOG] = "log",
    [CONFIG_SECTION_DEFAULT] = "default",
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
