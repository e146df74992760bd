/* Postfix's TLS security levels (its TLS_README), as far as a verdict must tell them apart. */
#include "config/tls_policy.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

enum tls_policy_kind tls_policy_kind(const char *text)
{
    static const struct {
        const char *word;
        enum tls_policy_kind kind;
    } levels[] = {
        {"skip", TLS_POLICY_SKIP},
        {"dane-only", TLS_POLICY_AUTHENTICATES},
        {"fingerprint", TLS_POLICY_AUTHENTICATES},
        {"verify", TLS_POLICY_AUTHENTICATES},
        {"secure", TLS_POLICY_AUTHENTICATES},
        {"encrypt", TLS_POLICY_ENCRYPTS},
    };
    size_t len;
    text += strspn(text, " \t,");
    len = strcspn(text, " \t,");
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strlen(levels[i].word) == len && strncasecmp(levels[i].word, text, len) == 0)
            return levels[i].kind;
    }
    return TLS_POLICY_NONE;
}
