/*
 * Postfix's TLS security levels (its TLS_README), as far as a verdict must tell them apart, and the
 * words and attributes (smtp_tls_policy_maps) of the text that names one.
 */
#include "config/tls_policy.h"

#include <string.h>
#include <strings.h>

static const char separators[] = " \t,";

const char *tls_policy_word(const char *text, size_t *len)
{
    text += strspn(text, separators);
    *len = strcspn(text, separators);
    return text;
}

enum tls_policy_kind tls_policy_kind(const char *text)
{
    static const struct {
        const char *word;
        enum tls_policy_kind kind;
    } levels[] = {
        {"skip", TLS_POLICY_SKIP},
        {"dane-only", TLS_POLICY_AUTHENTICATES},
        {"fingerprint", TLS_POLICY_AUTHENTICATES},
        {"verify", TLS_POLICY_WEB_PKI},
        {"secure", TLS_POLICY_WEB_PKI},
        {"encrypt", TLS_POLICY_ENCRYPTS},
    };
    size_t len;
    const char *word = tls_policy_word(text, &len);

    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strlen(levels[i].word) == len && strncasecmp(levels[i].word, word, len) == 0)
            return levels[i].kind;
    }
    return TLS_POLICY_NONE;
}

bool tls_policy_authenticates(const char *text)
{
    enum tls_policy_kind kind = tls_policy_kind(text);

    return kind == TLS_POLICY_WEB_PKI || kind == TLS_POLICY_AUTHENTICATES;
}

const char *tls_policy_attribute(const char *text, const char *name, size_t *len)
{
    size_t name_len = strlen(name);
    const char *word;

    for (word = tls_policy_word(text, len); *len > 0; word = tls_policy_word(word + *len, len)) {
        if (*len > name_len && word[name_len] == '=' && strncasecmp(word, name, name_len) == 0) {
            *len -= name_len + 1;
            return word + name_len + 1;
        }
    }
    return NULL;
}
