/* The table of keys: see config_keys.h. Their meaning is in requiretls-milter.conf(5). */
#include "config_keys.h"

#include "config_address.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>

/* --- types ------------------------------------------------------------------------------------ */

static const char *parse_bool(struct pool *pool, const struct config_key *key, const char *value,
                              void *field)
{
    (void)pool, (void)key;
    return config_value_bool(value, field);
}

static const char *parse_duration(struct pool *pool, const struct config_key *key,
                                  const char *value, void *field)
{
    (void)pool, (void)key;
    return config_value_duration_ms(value, field);
}

static const char *parse_size(struct pool *pool, const struct config_key *key, const char *value,
                              void *field)
{
    (void)pool, (void)key;
    return config_value_size(value, field);
}

static const char *parse_count(struct pool *pool, const struct config_key *key, const char *value,
                               void *field)
{
    (void)pool, (void)key;
    return config_value_count(value, field);
}

static const char *parse_count_int(struct pool *pool, const struct config_key *key,
                                   const char *value, void *field)
{
    unsigned n;
    const char *expected = config_value_count(value, &n);

    (void)pool, (void)key;
    if (expected == NULL && n > 100)
        expected = "a number from 1 to 100";
    if (expected == NULL)
        *(int *)field = (int)n;
    return expected;
}

static const char *parse_count_size(struct pool *pool, const struct config_key *key,
                                    const char *value, void *field)
{
    unsigned n;
    const char *expected = config_value_count(value, &n);

    (void)pool, (void)key;
    if (expected == NULL)
        *(size_t *)field = n;
    return expected;
}

static const char *parse_mode(struct pool *pool, const struct config_key *key, const char *value,
                              void *field)
{
    (void)pool, (void)key;
    return config_value_mode(value, field);
}

/* An enumeration: the field is an enum or int, its value the word's place in the list. */
static const char *parse_word(struct pool *pool, const struct config_key *key, const char *value,
                              void *field)
{
    int i = config_value_word(value, key->words);

    (void)pool;
    if (i < 0)
        return key->expected;
    *(int *)field = i;
    return NULL;
}

/* Text that may be empty, which is NULL. */
static const char *parse_text(struct pool *pool, const struct config_key *key, const char *value,
                              void *field)
{
    (void)key;
    *(const char **)field = NULL;
    if (value[0] == '\0')
        return NULL;
    *(const char **)field = pool_strdup(pool, value);
    return *(const char **)field != NULL ? NULL : "";
}

static const char *parse_user(struct pool *pool, const struct config_key *key, const char *value,
                              void *field)
{
    return value[0] != '\0' ? parse_text(pool, key, value, field) : "a user's name";
}

static const char *parse_marker(struct pool *pool, const struct config_key *key, const char *value,
                                void *field)
{
    (void)key;
    for (const char *p = value; *p != '\0'; p++)
        if (*p <= ' ' || *p >= 0x7f)
            return "one ESMTP parameter without blanks, or nothing";
    *(char **)field = pool_strdup(pool, value);
    return *(char **)field != NULL ? NULL : "";
}

static const char *parse_path(struct pool *pool, const struct config_key *key, const char *value,
                              void *field)
{
    if (value[0] != '\0' && value[0] != '/')
        return "an absolute path";
    return parse_text(pool, key, value, field);
}

static const char *parse_domain(struct pool *pool, const struct config_key *key, const char *value,
                                void *field)
{
    char name[NEXTHOP_NAME_MAX + 1];

    (void)key;
    if (nexthop_to_ascii(value, name) != 0)
        return "a domain name";
    *(char **)field = pool_strdup(pool, name);
    return *(char **)field != NULL ? NULL : "";
}

static const char *parse_field_name(struct pool *pool, const struct config_key *key,
                                    const char *value, void *field)
{
    (void)key;
    if (value[0] == '\0')
        return "a header field's name";
    for (const char *p = value; *p != '\0'; p++)
        if (*p <= ' ' || *p >= 0x7f || *p == ':') /* RFC 5322 3.6.8 ftext */
            return "a header field's name";
    *(char **)field = pool_strdup(pool, value);
    return *(char **)field != NULL ? NULL : "";
}

static const char *parse_milter_socket(struct pool *pool, const struct config_key *key,
                                       const char *value, void *field)
{
    const char *expected = config_address_milter(value);

    return expected != NULL ? expected : parse_text(pool, key, value, field);
}

static const char *parse_address(struct pool *pool, const struct config_key *key, const char *value,
                                 void *field)
{
    (void)key;
    return config_address_listen(pool, value, field);
}

static const char *parse_trust_ad(struct pool *pool, const struct config_key *key,
                                  const char *value, void *field)
{
    static const char *const words[] = {"auto", "yes", "no", NULL};
    static const enum engine_trust_ad values[] = {ENGINE_TRUST_AD_AUTO, ENGINE_TRUST_AD_YES,
                                                  ENGINE_TRUST_AD_NO};
    int i = config_value_word(value, words);

    (void)pool, (void)key;
    if (i < 0)
        return "auto, yes or no";
    *(enum engine_trust_ad *)field = values[i];
    return NULL;
}

static const char *parse_store(struct pool *pool, const struct config_key *key, const char *value,
                               void *field)
{
    if (strcasecmp(value, "memory") == 0) {
        *(const char **)field = NULL;
        return NULL;
    }
    if (strncmp(value, "sqlite:/", 8) != 0)
        return "sqlite:/path or memory";
    return parse_text(pool, key, value + strlen("sqlite:"), field);
}

static const char *parse_facility(struct pool *pool, const struct config_key *key,
                                  const char *value, void *field)
{
    static const int values[] = {LOG_MAIL,   LOG_DAEMON, LOG_USER,   LOG_LOCAL0,
                                 LOG_LOCAL1, LOG_LOCAL2, LOG_LOCAL3, LOG_LOCAL4,
                                 LOG_LOCAL5, LOG_LOCAL6, LOG_LOCAL7};
    int i = config_value_word(value, key->words);

    (void)pool;
    if (i < 0)
        return key->expected;
    *(int *)field = values[i];
    return NULL;
}

static const char *parse_log_level(struct pool *pool, const struct config_key *key,
                                   const char *value, void *field)
{
    static const int values[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};
    int i = config_value_word(value, key->words);

    (void)pool;
    if (i < 0)
        return key->expected;
    *(int *)field = values[i];
    return NULL;
}

static const char *parse_level(struct pool *pool, const struct config_key *key, const char *value,
                               void *field)
{
    (void)pool, (void)key;
    return verdict_level_parse(value, field) == 0
               ? NULL
               : "enforce, opportunistic+starttls, opportunistic or disable";
}

static const char *parse_tls_policy(struct pool *pool, const struct config_key *key,
                                    const char *value, void *field)
{
    static const char *const words[] = {"skip",      "none",        "may",    "encrypt", "dane",
                                        "dane-only", "fingerprint", "verify", "secure",  NULL};
    char word[16] = "";
    size_t len = strcspn(value, " \t,");

    for (const char *p = value; *p != '\0'; p++)
        if (*p < ' ' || *p >= 0x7f)
            return "printable ASCII";
    if (len < sizeof(word))
        memcpy(word, value, len);
    if (config_value_word(word, words) < 0)
        return "skip, or the text of a Postfix TLS policy (none, may, encrypt, dane, dane-only, "
               "fingerprint, verify or secure, and attributes)";
    if (strcasecmp(word, "skip") == 0 && value[len] != '\0')
        return "nothing after skip";
    return parse_text(pool, key, value, field);
}

/* --- items of lists: *field is the array, already grown by one -------------------------------- */

static const char *item_text(struct pool *pool, const struct config_key *key, const char *value,
                             void *field)
{
    (void)key;
    *(char **)field = pool_strdup(pool, value);
    return *(char **)field != NULL ? NULL : "";
}

static const char *item_resolver(struct pool *pool, const struct config_key *key, const char *value,
                                 void *field)
{
    const char *expected = config_address_resolver(value);

    return expected != NULL ? expected : item_text(pool, key, value, field);
}

static const char *item_net(struct pool *pool, const struct config_key *key, const char *value,
                            void *field)
{
    (void)pool, (void)key;
    return config_value_net(value, field);
}

static const char *item_pattern(struct pool *pool, const struct config_key *key, const char *value,
                                void *field)
{
    return config_pattern_parse(pool, (enum config_matcher)key->detail, value, field);
}

static const char *item_can(struct pool *pool, const struct config_key *key, const char *value,
                            void *field)
{
    static const char *const words[] = {"dane", "sts", "web_pki", "fallback", NULL};
    static const unsigned bits[] = {VERDICT_CAN_DANE, VERDICT_CAN_STS, VERDICT_CAN_WEB_PKI,
                                    VERDICT_CAN_FALLBACK};
    int i = config_value_word(value, words);

    (void)pool, (void)key;
    if (i < 0)
        return "dane, sts, web_pki or fallback";
    *(unsigned *)field |= bits[i];
    return NULL;
}

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
static const char *const words_request[] = {"none", "require", "optional", "ignore", NULL};
static const char *const words_fallback[] = {"none", "encrypt", "may", NULL};
static const char *const words_unsatisfied[] = {"reject", "tempfail", "quarantine", "log", NULL};
static const char *const words_mixed[] = {"reject", "keep", NULL};

/* on_undecided has two of on_unsatisfied's actions. */
static const char *parse_undecided(struct pool *pool, const struct config_key *key,
                                   const char *value, void *field)
{
    enum rules_action *action = field;

    (void)pool, (void)key;
    if (strcasecmp(value, "tempfail") == 0)
        *action = RULES_ACTION_TEMPFAIL;
    else if (strcasecmp(value, "log") == 0)
        *action = RULES_ACTION_LOG;
    else
        return "tempfail or log";
    return NULL;
}

/* request = none is what no rule says. */
static const char *parse_request(struct pool *pool, const struct config_key *key, const char *value,
                                 void *field)
{
    int i = config_value_word(value, words_request);

    (void)pool, (void)key;
    if (i <= RULES_REQUEST_NONE)
        return "require, optional or ignore";
    *(int *)field = i;
    return NULL;
}

static const char *parse_tristate(struct pool *pool, const struct config_key *key,
                                  const char *value, void *field)
{
    bool yes;
    const char *expected = config_value_bool(value, &yes);

    (void)pool, (void)key;
    if (expected == NULL)
        *(enum config_tristate *)field = yes ? CONFIG_YES : CONFIG_NO;
    return expected;
}

/* --- the table -------------------------------------------------------------------------------- */

#define AT(member) offsetof(struct config, member)
#define LIST(member) .offset = AT(member.items), .count_offset = AT(member.count)
#define RULE_AT(member) offsetof(struct config_rule, member)
#define RULE_LIST(member) .offset = RULE_AT(member.items), .count_offset = RULE_AT(member.count)
#define MATCHER(key_name, member, matcher, fact_bit)                                               \
    {                                                                                              \
        CONFIG_SECTION_RULE, key_name, item_pattern, RULE_LIST(member),                            \
            .flags = CONFIG_KEY_LIST | CONFIG_KEY_NONEMPTY, .detail = matcher, .fact = fact_bit    \
    }
#define SETTING(section, key_name, parser, member, setting)                                        \
    {                                                                                              \
        section, key_name, parser, RULE_AT(member), .detail = setting                              \
    }
#define SETTING_WORD(section, key_name, member, setting, list, text)                               \
    {                                                                                              \
        section, key_name, parse_word, RULE_AT(member), .words = list, .expected = text,           \
                                                        .detail = setting                          \
    }
/* What [default] and rules both take. */
#define SETTINGS(section)                                                                          \
    SETTING(section, "level", parse_level, level, RULES_LEVEL),                                    \
        SETTING_WORD(section, "fallback", fallback, RULES_FALLBACK, words_fallback,                \
                     "none, encrypt or may"),                                                      \
        SETTING_WORD(section, "on_unsatisfied", on_unsatisfied, RULES_ON_UNSATISFIED,              \
                     words_unsatisfied, "reject, tempfail, quarantine or log"),                    \
        SETTING(section, "on_undecided", parse_undecided, on_undecided, RULES_ON_UNDECIDED),       \
        SETTING_WORD(section, "mixed", mixed, RULES_MIXED, words_mixed, "reject or keep"),         \
        SETTING(section, "route", parse_text, route_name, RULES_ROUTE),                            \
        SETTING(section, "optional_route", parse_text, optional_route_name, RULES_OPTIONAL_ROUTE)

const struct config_key config_keys[] = {
    {CONFIG_SECTION_MILTER, "socket", parse_milter_socket, .offset = AT(milter.socket),
     .flags = CONFIG_KEY_FIXED},
    {CONFIG_SECTION_MILTER, "socket_mode", parse_mode, .offset = AT(milter.socket_mode),
     .flags = CONFIG_KEY_FIXED},
    {CONFIG_SECTION_MILTER, "socket_group", parse_text, .offset = AT(milter.socket_group),
     .flags = CONFIG_KEY_FIXED},
    {CONFIG_SECTION_MILTER, "user", parse_user, .offset = AT(milter.user),
     .flags = CONFIG_KEY_FIXED},
    {CONFIG_SECTION_MILTER, "mydomain", parse_domain, .offset = AT(milter.mydomain)},
    {CONFIG_SECTION_MILTER, "my_mx_names", parse_domain, LIST(milter.my_mx_names),
     .flags = CONFIG_KEY_LIST},
    {CONFIG_SECTION_MILTER, "trusted_clients", item_net, .offset = AT(milter.trusted_clients),
     .count_offset = AT(milter.trusted_client_count), .flags = CONFIG_KEY_LIST},
    {CONFIG_SECTION_MILTER, "accept_header", parse_word, .offset = AT(milter.accept_header),
     .words = words_accept_header, .expected = "any, authenticated, trusted or no"},
    {CONFIG_SECTION_MILTER, "add_header", parse_word, .offset = AT(milter.add_header),
     .words = words_add_header, .expected = "reinject, no or yes"},
    {CONFIG_SECTION_MILTER, "marker", parse_marker, .offset = AT(milter.marker)},
    {CONFIG_SECTION_MILTER, "tag", parse_domain, .offset = AT(milter.tag)},
    {CONFIG_SECTION_MILTER, "route_header", parse_field_name, .offset = AT(milter.route_header)},
    {CONFIG_SECTION_MILTER, "local_mailers", item_text, LIST(milter.local_mailers),
     .flags = CONFIG_KEY_LIST},
    {CONFIG_SECTION_MILTER, "rcpt_wait", parse_duration, .offset = AT(milter.rcpt_wait_ms)},
    {CONFIG_SECTION_MILTER, "eom_wait", parse_duration, .offset = AT(milter.eom_wait_ms)},
    {CONFIG_SECTION_MILTER, "max_waiting", parse_count, .offset = AT(milter.max_waiting)},
    {CONFIG_SECTION_MILTER, "redact_dsn", parse_word, .offset = AT(milter.redact_dsn),
     .words = words_redact, .expected = "own, all or no"},

    {CONFIG_SECTION_DNS, "resolvers", item_resolver, LIST(resolvers), .flags = CONFIG_KEY_LIST},
    {CONFIG_SECTION_DNS, "trust_ad", parse_trust_ad, .offset = AT(engine.trust_ad)},
    {CONFIG_SECTION_DNS, "timeout", parse_duration, .offset = AT(engine.dns_timeout_ms)},
    {CONFIG_SECTION_DNS, "tries", parse_count_int, .offset = AT(engine.dns_tries)},
    {CONFIG_SECTION_DNS, "check_name", parse_domain, .offset = AT(engine.check_name)},
    {CONFIG_SECTION_DNS, "check_interval", parse_duration, .offset = AT(engine.check_interval_ms)},

    {CONFIG_SECTION_MTA_STS, "enable", parse_bool, .offset = AT(engine.sts_enable)},
    {CONFIG_SECTION_MTA_STS, "ca_file", parse_path, .offset = AT(engine.sts_ca_file)},
    {CONFIG_SECTION_MTA_STS, "ca_path", parse_path, .offset = AT(engine.sts_ca_path)},
    {CONFIG_SECTION_MTA_STS, "connect_timeout", parse_duration,
     .offset = AT(engine.sts_connect_timeout_ms)},
    {CONFIG_SECTION_MTA_STS, "timeout", parse_duration, .offset = AT(engine.sts_timeout_ms)},
    {CONFIG_SECTION_MTA_STS, "max_policy", parse_size, .offset = AT(engine.sts_max_policy)},
    {CONFIG_SECTION_MTA_STS, "min_retry", parse_duration, .offset = AT(engine.sts_min_retry_ms)},
    {CONFIG_SECTION_MTA_STS, "refresh", parse_duration, .offset = AT(engine.sts_refresh_ms)},
    {CONFIG_SECTION_MTA_STS, "accept_testing", parse_bool, .offset = AT(accept_testing)},

    {CONFIG_SECTION_DANE, "enable", parse_bool, .offset = AT(engine.dane_enable)},
    {CONFIG_SECTION_DANE, "web_pki", parse_bool, .offset = AT(web_pki)},

    {CONFIG_SECTION_CACHE, "store", parse_store, .offset = AT(engine.store),
     .flags = CONFIG_KEY_FIXED},
    {CONFIG_SECTION_CACHE, "max_domains", parse_count_size, .offset = AT(engine.max_domains)},
    {CONFIG_SECTION_CACHE, "negative_ttl", parse_duration, .offset = AT(engine.negative_ttl_ms)},
    {CONFIG_SECTION_CACHE, "max_ttl", parse_duration, .offset = AT(engine.max_ttl_ms)},
    {CONFIG_SECTION_CACHE, "prefetch", parse_bool, .offset = AT(engine.prefetch)},

    {CONFIG_SECTION_SOCKETMAP, "listen", parse_address, .offset = AT(socketmap.listen),
     .count_offset = AT(socketmap.listen_count), .flags = CONFIG_KEY_LIST | CONFIG_KEY_FIXED},
    {CONFIG_SECTION_SOCKETMAP, "socket_mode", parse_mode, .offset = AT(socketmap.socket_mode),
     .flags = CONFIG_KEY_FIXED},
    {CONFIG_SECTION_SOCKETMAP, "socket_group", parse_text, .offset = AT(socketmap.socket_group),
     .flags = CONFIG_KEY_FIXED},
    {CONFIG_SECTION_SOCKETMAP, "tlsrpt", parse_bool, .offset = AT(socketmap.tlsrpt)},
    {CONFIG_SECTION_SOCKETMAP, "max_connections", parse_count,
     .offset = AT(socketmap.max_connections)},

    {CONFIG_SECTION_METRICS, "listen", parse_address, .offset = AT(metrics_listen),
     .flags = CONFIG_KEY_FIXED},

    {CONFIG_SECTION_LOG, "target", parse_word, .offset = AT(log.target), .words = words_target,
     .expected = "auto, syslog or stderr"},
    {CONFIG_SECTION_LOG, "format", parse_word, .offset = AT(log.format), .words = words_format,
     .expected = "text or json"},
    {CONFIG_SECTION_LOG, "facility", parse_facility, .offset = AT(log.facility),
     .words = words_facility, .expected = "mail, daemon, user or local0 to local7"},
    {CONFIG_SECTION_LOG, "level", parse_log_level, .offset = AT(log.level), .words = words_level,
     .expected = "error, warning, info or debug"},

    SETTINGS(CONFIG_SECTION_DEFAULT),

    {CONFIG_SECTION_ROUTE, "method", parse_word, .offset = offsetof(struct config_route, method),
     .words = words_method, .expected = "none, header or recipient"},
    {CONFIG_SECTION_ROUTE, "can", item_can, .offset = offsetof(struct config_route, can),
     .flags = CONFIG_KEY_LIST | CONFIG_KEY_NONEMPTY},
    {CONFIG_SECTION_ROUTE, "local", parse_word, .offset = offsetof(struct config_route, local),
     .words = words_local, .expected = "recipient, reinject or refuse"},
    {CONFIG_SECTION_ROUTE, "tag", parse_domain, .offset = offsetof(struct config_route, tag)},
    {CONFIG_SECTION_ROUTE, "starttls", parse_text,
     .offset = offsetof(struct config_route, starttls_name)},

    MATCHER("client", client, CONFIG_MATCH_CLIENT, RULES_FACT_CLIENT),
    MATCHER("authenticated", login, CONFIG_MATCH_WORD, RULES_FACT_AUTHENTICATED),
    {CONFIG_SECTION_RULE, "tls", parse_tristate, .offset = RULE_AT(tls), .fact = RULES_FACT_TLS,
     .detail = -1},
    MATCHER("sender", sender, CONFIG_MATCH_ADDRESS, RULES_FACT_SENDER),
    MATCHER("recipient", recipient, CONFIG_MATCH_ADDRESS, RULES_FACT_RECIPIENT),
    MATCHER("nexthop", nexthop, CONFIG_MATCH_NEXTHOP, RULES_FACT_RECIPIENT),
    MATCHER("mailer", mailer, CONFIG_MATCH_WORD, RULES_FACT_RECIPIENT),
    {CONFIG_SECTION_RULE, "header", item_pattern, RULE_LIST(header),
     .flags = CONFIG_KEY_LIST | CONFIG_KEY_LINES | CONFIG_KEY_NONEMPTY,
     .detail = CONFIG_MATCH_HEADER, .fact = RULES_FACT_HEADER},
    MATCHER("daemon", daemon, CONFIG_MATCH_WORD, RULES_FACT_DAEMON),
    SETTING(CONFIG_SECTION_RULE, "request", parse_request, request, RULES_REQUEST),
    SETTINGS(CONFIG_SECTION_RULE),
    SETTING(CONFIG_SECTION_RULE, "tls_policy", parse_tls_policy, tls_policy, RULES_TLS_POLICY),
};

const size_t config_key_count = sizeof(config_keys) / sizeof(config_keys[0]);

const struct config_key *config_key_find(enum config_section section, const char *name)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (config_keys[i].section == section && strcmp(config_keys[i].name, name) == 0)
            return &config_keys[i];
    return NULL;
}
