/*
 * tls_policy_parse() reads the level, then each attribute for what it may be at that level, then
 * fills in Postfix's defaults (smtp_tls_verify_cert_match, smtp_tls_secure_cert_match). Attributes
 * that demand no more than the TLS client always does are taken: TLS 1.2 or later, and ciphers of
 * the system's security level, wherever TLS is demanded. All others are errors.
 */
#include "config/tls_policy_parse.h"

#include "config/tls_policy.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

struct word {
    const char *text;
    size_t len;
};

static bool is_word(struct word word, const char *text)
{
    return strlen(text) == word.len && strncasecmp(word.text, text, word.len) == 0;
}

static const char *const level_names[] = {
    [TLS_POLICY_LEVEL_SKIP] = "skip",
    [TLS_POLICY_LEVEL_NONE] = "none",
    [TLS_POLICY_LEVEL_MAY] = "may",
    [TLS_POLICY_LEVEL_ENCRYPT] = "encrypt",
    [TLS_POLICY_LEVEL_DANE] = "dane",
    [TLS_POLICY_LEVEL_DANE_ONLY] = "dane-only",
    [TLS_POLICY_LEVEL_FINGERPRINT] = "fingerprint",
    [TLS_POLICY_LEVEL_VERIFY] = "verify",
    [TLS_POLICY_LEVEL_SECURE] = "secure",
};

enum { LEVELS = sizeof(level_names) / sizeof(level_names[0]) };

const char *tls_policy_level_name(enum tls_policy_level level)
{
    return (size_t)level < LEVELS ? level_names[level] : "unknown";
}

static bool has_names(const struct tls_policy *policy)
{
    return policy->level == TLS_POLICY_LEVEL_VERIFY || policy->level == TLS_POLICY_LEVEL_SECURE;
}

/* Whether TLS is demanded, and with it what tls_demand.h has for all kinds but MAY. */
static bool is_encrypted(const struct tls_policy *policy)
{
    return policy->level >= TLS_POLICY_LEVEL_ENCRYPT && policy->level != TLS_POLICY_LEVEL_DANE;
}

/* The next piece of a value; its text is NULL behind the last. */
static struct word next_piece(struct word *rest, const char *separators)
{
    struct word piece = {NULL, 0};

    while (rest->len > 0 && strchr(separators, *rest->text) != NULL) {
        rest->text++;
        rest->len--;
    }
    if (rest->len == 0)
        return piece;
    piece.text = rest->text;
    while (rest->len > 0 && strchr(separators, *rest->text) == NULL) {
        rest->text++;
        rest->len--;
        piece.len++;
    }
    return piece;
}

static bool set_literal(struct word word, struct tls_policy_name *out)
{
    char text[sizeof(out->text)];
    size_t dot = word.len > 0 && word.text[0] == '.';

    if (word.len >= sizeof(text))
        return false;
    memcpy(text, word.text, word.len);
    text[word.len] = '\0';
    out->kind = TLS_POLICY_NAME_LITERAL;
    out->text[0] = '.';
    return nexthop_to_ascii(text + dot, out->text + dot) == 0;
}

static bool set_name(struct word word, struct tls_policy_name *out)
{
    *out = (struct tls_policy_name){.kind = TLS_POLICY_NAME_HOSTNAME};
    if (is_word(word, "hostname"))
        return true;
    out->kind = TLS_POLICY_NAME_NEXTHOP;
    if (is_word(word, "nexthop"))
        return true;
    out->kind = TLS_POLICY_NAME_DOT_NEXTHOP;
    return is_word(word, "dot-nexthop") || set_literal(word, out);
}

static const char *read_names(struct word value, struct tls_policy *out)
{
    struct word name;

    while ((name = next_piece(&value, ":")).text != NULL) {
        if (out->name_count == TLS_POLICY_NAMES_MAX)
            return "it has more than 6 names";
        if (!set_name(name, &out->names[out->name_count++]))
            return "match= has a name that is none";
    }
    return NULL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 32 octets in hexadecimal, a colon between two of them or nowhere. */
static bool read_digest(struct word word, uint8_t out[TLS_POLICY_DIGEST_LEN])
{
    size_t step = word.len == 3 * TLS_POLICY_DIGEST_LEN - 1 ? 3 : 2;

    if (step == 2 && word.len != 2 * TLS_POLICY_DIGEST_LEN)
        return false;
    for (size_t i = 0; i < TLS_POLICY_DIGEST_LEN; i++) {
        const char *at = word.text + step * i;
        int high = hex_digit(at[0]), low = hex_digit(at[1]);

        if (high < 0 || low < 0 || (step == 3 && i > 0 && at[-1] != ':'))
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static const char *read_digests(struct word value, struct tls_policy *out)
{
    struct word digest;

    while ((digest = next_piece(&value, "|")).text != NULL) {
        if (out->digest_count == TLS_POLICY_DIGESTS_MAX)
            return "it has more than 16 fingerprints";
        if (!read_digest(digest, out->digests[out->digest_count++]))
            return "match= has a fingerprint that is no SHA-256 in hexadecimal";
    }
    return NULL;
}

static const char *read_match(struct word value, struct tls_policy *out)
{
    if (out->level == TLS_POLICY_LEVEL_FINGERPRINT)
        return read_digests(value, out);
    if (has_names(out))
        return read_names(value, out);
    return "match= has no meaning at its level";
}

static const char *read_server_name(struct word value, struct tls_policy *out)
{
    if (!set_name(value, &out->server_name) ||
        out->server_name.kind == TLS_POLICY_NAME_DOT_NEXTHOP || out->server_name.text[0] == '.')
        return "servername= is no name";
    return NULL;
}

/* What excludes no version of TLS later than 1.1. */
static const char *read_protocols(struct word value, const struct tls_policy *policy)
{
    static const char *const of_all[] = {"!SSLv2", "!SSLv3", ">=SSLv3", ">=TLSv1"};
    static const char *const of_tls[] = {"!TLSv1", "!TLSv1.1", ">=TLSv1.1", ">=TLSv1.2"};
    struct word piece;

    while ((piece = next_piece(&value, ":")).text != NULL) {
        bool taken = false;

        for (size_t i = 0; i < sizeof(of_all) / sizeof(of_all[0]); i++)
            taken = taken || is_word(piece, of_all[i]) ||
                    (is_encrypted(policy) && is_word(piece, of_tls[i]));
        if (!taken)
            return "the delivery agent cannot restrict protocols= so";
    }
    return NULL;
}

static const char *read_ciphers(struct word value, const struct tls_policy *policy)
{
    if (is_word(value, "export") || is_word(value, "low") ||
        (is_word(value, "medium") && is_encrypted(policy)))
        return NULL;
    return "the delivery agent cannot restrict ciphers= so";
}

static const char *read_attribute(struct word name, struct word value, struct tls_policy *out)
{
    if (is_word(name, "match"))
        return read_match(value, out);
    if (is_word(name, "servername"))
        return read_server_name(value, out);
    if (is_word(name, "protocols"))
        return read_protocols(value, out);
    if (is_word(name, "ciphers"))
        return read_ciphers(value, out);
    if (is_word(name, "tafile"))
        return "the delivery agent does not know tafile=: see ca_file of [deliver]";
    /* They allow something that need not be done. */
    if (is_word(name, "connection_reuse") || is_word(name, "enable_rpk"))
        return NULL;
    return "it has an attribute that the delivery agent does not know";
}

static bool read_level(struct word word, struct tls_policy *out)
{
    for (size_t i = 0; i < LEVELS; i++) {
        if (is_word(word, level_names[i])) {
            out->level = (enum tls_policy_level)i;
            return true;
        }
    }
    return false;
}

static const char *set_defaults(struct tls_policy *out)
{
    if (out->level == TLS_POLICY_LEVEL_FINGERPRINT && out->digest_count == 0)
        return "it has no fingerprint";
    if (!has_names(out) || out->name_count > 0)
        return NULL;
    if (out->level == TLS_POLICY_LEVEL_VERIFY) {
        out->names[out->name_count++].kind = TLS_POLICY_NAME_HOSTNAME;
    } else {
        out->names[out->name_count++].kind = TLS_POLICY_NAME_NEXTHOP;
        out->names[out->name_count++].kind = TLS_POLICY_NAME_DOT_NEXTHOP;
    }
    return NULL;
}

const char *tls_policy_parse(const char *text, struct tls_policy *out)
{
    struct word word;
    const char *wrong = NULL;

    memset(out, 0, sizeof(*out));
    word.text = tls_policy_word(text, &word.len);
    if (!read_level(word, out))
        return "its level is none that the delivery agent knows";
    for (;;) {
        const char *equals;

        word.text = tls_policy_word(word.text + word.len, &word.len);
        if (word.len == 0)
            break;
        equals = memchr(word.text, '=', word.len);
        if (equals == NULL)
            return "it has an attribute without a value";
        wrong = read_attribute(
            (struct word){word.text, (size_t)(equals - word.text)},
            (struct word){equals + 1, word.len - (size_t)(equals + 1 - word.text)}, out);
        if (wrong != NULL)
            return wrong;
    }
    return set_defaults(out);
}
