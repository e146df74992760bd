/* The types of keys: each parser reads one value into its field. The result is NULL, or what would
 * have been expected; "" when out of memory. */
#include "config/config_types.h"

#include "config/config_address.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>

const char *config_type_bool(struct arena *arena, const struct config_key *key, const char *value,
                             void *field)
{
    (void)arena, (void)key;
    return config_value_bool(value, field);
}

const char *config_type_duration(struct arena *arena, const struct config_key *key,
                                 const char *value, void *field)
{
    (void)arena, (void)key;
    return config_value_duration_ms(value, field);
}

const char *config_type_size(struct arena *arena, const struct config_key *key, const char *value,
                             void *field)
{
    (void)arena, (void)key;
    return config_value_size(value, field);
}

const char *config_type_memory(struct arena *arena, const struct config_key *key, const char *value,
                               void *field)
{
    size_t size;
    const char *expected = config_value_size(value, &size);

    (void)arena, (void)key;
    if (expected != NULL || size < 1024 * 1024)
        return "a size from 1m to 1024m";
    *(size_t *)field = size;
    return NULL;
}

const char *config_type_count(struct arena *arena, const struct config_key *key, const char *value,
                              void *field)
{
    (void)arena, (void)key;
    return config_value_count(value, field);
}

const char *config_type_count_int(struct arena *arena, const struct config_key *key,
                                  const char *value, void *field)
{
    unsigned n;
    const char *expected = config_value_count(value, &n);

    (void)arena, (void)key;
    if (expected != NULL || n > 100)
        return "a number from 1 to 100";
    *(int *)field = (int)n;
    return NULL;
}

const char *config_type_count_size(struct arena *arena, const struct config_key *key,
                                   const char *value, void *field)
{
    unsigned n;
    const char *expected = config_value_count(value, &n);

    (void)arena, (void)key;
    if (expected == NULL)
        *(size_t *)field = n;
    return expected;
}

const char *config_type_mode(struct arena *arena, const struct config_key *key, const char *value,
                             void *field)
{
    (void)arena, (void)key;
    return config_value_mode(value, field);
}

const char *config_type_port(struct arena *arena, const struct config_key *key, const char *value,
                             void *field)
{
    unsigned n;
    const char *expected = config_value_count(value, &n);

    (void)arena, (void)key;
    if (expected != NULL || n > UINT16_MAX)
        return "a port from 1 to 65535";
    *(uint16_t *)field = (uint16_t)n;
    return NULL;
}

/* An enumeration: the field is an enum or int, its value the word's place in the list. */
const char *config_type_word(struct arena *arena, const struct config_key *key, const char *value,
                             void *field)
{
    int i = config_value_word(value, key->words);

    (void)arena;
    if (i < 0)
        return key->expected;
    *(int *)field = i;
    return NULL;
}

/* Text that may be empty, which is NULL. */
const char *config_type_text(struct arena *arena, const struct config_key *key, const char *value,
                             void *field)
{
    (void)key;
    *(const char **)field = NULL;
    if (value[0] == '\0')
        return NULL;
    *(const char **)field = arena_string(arena, value);
    return *(const char **)field != NULL ? NULL : "";
}

const char *config_type_user(struct arena *arena, const struct config_key *key, const char *value,
                             void *field)
{
    return value[0] != '\0' ? config_type_text(arena, key, value, field) : "a user's name";
}

const char *config_type_marker(struct arena *arena, const struct config_key *key, const char *value,
                               void *field)
{
    (void)key;
    for (const char *p = value; *p != '\0'; p++)
        if (*p <= ' ' || *p >= 0x7f)
            return "one ESMTP parameter without blanks, or nothing";
    *(char **)field = arena_string(arena, value);
    return *(char **)field != NULL ? NULL : "";
}

const char *config_type_path(struct arena *arena, const struct config_key *key, const char *value,
                             void *field)
{
    if (value[0] != '\0' && value[0] != '/')
        return "an absolute path";
    return config_type_text(arena, key, value, field);
}

const char *config_type_domain(struct arena *arena, const struct config_key *key, const char *value,
                               void *field)
{
    char name[NEXTHOP_NAME_MAX + 1];

    (void)key;
    if (nexthop_to_ascii(value, name) != 0)
        return "a domain name";
    *(char **)field = arena_string(arena, name);
    return *(char **)field != NULL ? NULL : "";
}

const char *config_type_field_name(struct arena *arena, const struct config_key *key,
                                   const char *value, void *field)
{
    (void)key;
    if (value[0] == '\0')
        return "a header field's name";
    for (const char *p = value; *p != '\0'; p++)
        if (*p <= ' ' || *p >= 0x7f || *p == ':') /* RFC 5322 3.6.8 ftext */
            return "a header field's name";
    *(char **)field = arena_string(arena, value);
    return *(char **)field != NULL ? NULL : "";
}

const char *config_type_milter_socket(struct arena *arena, const struct config_key *key,
                                      const char *value, void *field)
{
    const char *expected = value[0] != '\0' ? config_address_milter(value) : NULL;

    return expected != NULL ? expected : config_type_text(arena, key, value, field);
}

const char *config_type_address(struct arena *arena, const struct config_key *key,
                                const char *value, void *field)
{
    (void)key;
    return config_address_listen(arena, value, field);
}

const char *config_type_trust_ad(struct arena *arena, const struct config_key *key,
                                 const char *value, void *field)
{
    static const char *const words[] = {"auto", "yes", "no", NULL};
    static const enum engine_trust_ad values[] = {ENGINE_TRUST_AD_AUTO, ENGINE_TRUST_AD_YES,
                                                  ENGINE_TRUST_AD_NO};
    int i = config_value_word(value, words);

    (void)arena, (void)key;
    if (i < 0)
        return "auto, yes or no";
    *(enum engine_trust_ad *)field = values[i];
    return NULL;
}

const char *config_type_store(struct arena *arena, const struct config_key *key, const char *value,
                              void *field)
{
    if (strcasecmp(value, "memory") == 0) {
        *(const char **)field = NULL;
        return NULL;
    }
    if (strncmp(value, "sqlite:/", 8) != 0)
        return "sqlite:/path or memory";
    return config_type_text(arena, key, value + strlen("sqlite:"), field);
}

const char *config_type_facility(struct arena *arena, const struct config_key *key,
                                 const char *value, void *field)
{
    static const int values[] = {LOG_MAIL,   LOG_DAEMON, LOG_USER,   LOG_LOCAL0,
                                 LOG_LOCAL1, LOG_LOCAL2, LOG_LOCAL3, LOG_LOCAL4,
                                 LOG_LOCAL5, LOG_LOCAL6, LOG_LOCAL7};
    int i = config_value_word(value, key->words);

    (void)arena;
    if (i < 0)
        return key->expected;
    *(int *)field = values[i];
    return NULL;
}

const char *config_type_log_level(struct arena *arena, const struct config_key *key,
                                  const char *value, void *field)
{
    static const int values[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};
    int i = config_value_word(value, key->words);

    (void)arena;
    if (i < 0)
        return key->expected;
    *(int *)field = values[i];
    return NULL;
}

const char *config_type_level(struct arena *arena, const struct config_key *key, const char *value,
                              void *field)
{
    (void)arena, (void)key;
    return verdict_level_parse(value, field) == 0
               ? NULL
               : "enforce, opportunistic+starttls, opportunistic or disable";
}

const char *config_type_tls_policy(struct arena *arena, const struct config_key *key,
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
    return config_type_text(arena, key, value, field);
}

/* --- items of lists: *field is the array, already grown by one -------------------------------- */

const char *config_item_text(struct arena *arena, const struct config_key *key, const char *value,
                             void *field)
{
    (void)key;
    *(char **)field = arena_string(arena, value);
    return *(char **)field != NULL ? NULL : "";
}

const char *config_item_resolver(struct arena *arena, const struct config_key *key,
                                 const char *value, void *field)
{
    const char *expected = config_address_resolver(value);

    return expected != NULL ? expected : config_item_text(arena, key, value, field);
}

const char *config_item_source(struct arena *arena, const struct config_key *key, const char *value,
                               void *field)
{
    const char *expected = config_address_source(value);

    return expected != NULL ? expected : config_item_text(arena, key, value, field);
}

const char *config_item_net(struct arena *arena, const struct config_key *key, const char *value,
                            void *field)
{
    (void)arena, (void)key;
    return config_value_net(value, field);
}

const char *config_item_pattern(struct arena *arena, const struct config_key *key,
                                const char *value, void *field)
{
    return config_pattern_parse(arena, (enum config_matcher)key->detail, value, field);
}

const char *config_item_can(struct arena *arena, const struct config_key *key, const char *value,
                            void *field)
{
    static const char *const words[] = {"dane", "sts", "web_pki", "fallback", "requiretls", NULL};
    static const unsigned bits[] = {VERDICT_CAN_DANE, VERDICT_CAN_STS, VERDICT_CAN_WEB_PKI,
                                    VERDICT_CAN_FALLBACK, VERDICT_CAN_REQUIRETLS};
    int i = config_value_word(value, words);

    (void)arena, (void)key;
    if (i < 0)
        return "dane, sts, web_pki, fallback or requiretls";
    *(unsigned *)field |= bits[i];
    return NULL;
}

/* on_undecided has two of on_unsatisfied's actions. */
const char *config_type_undecided(struct arena *arena, const struct config_key *key,
                                  const char *value, void *field)
{
    enum config_action *action = field;

    (void)arena, (void)key;
    if (strcasecmp(value, "tempfail") == 0)
        *action = CONFIG_ACTION_TEMPFAIL;
    else if (strcasecmp(value, "log") == 0)
        *action = CONFIG_ACTION_LOG;
    else
        return "tempfail or log";
    return NULL;
}

static const char *const words_request[] = {"none",   "require", "optional",
                                            "ignore", "observe", NULL};

/* request = none is what no rule says. */
const char *config_type_request(struct arena *arena, const struct config_key *key,
                                const char *value, void *field)
{
    int i = config_value_word(value, words_request);

    (void)arena, (void)key;
    if (i <= CONFIG_REQUEST_NONE)
        return "require, optional, ignore or observe";
    *(int *)field = i;
    return NULL;
}

/* All mail may be observed; what all mail asks for is for a rule to say. */
const char *config_type_default_request(struct arena *arena, const struct config_key *key,
                                        const char *value, void *field)
{
    int i = config_value_word(value, words_request);

    (void)arena, (void)key;
    if (i != CONFIG_REQUEST_NONE && i != CONFIG_REQUEST_OBSERVE)
        return "none or observe";
    *(int *)field = i;
    return NULL;
}

const char *config_type_tristate(struct arena *arena, const struct config_key *key,
                                 const char *value, void *field)
{
    bool yes;
    const char *expected = config_value_bool(value, &yes);

    (void)arena, (void)key;
    if (expected == NULL)
        *(enum config_tristate *)field = yes ? CONFIG_YES : CONFIG_NO;
    return expected;
}
