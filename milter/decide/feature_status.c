/*
 * feature_status_write: the level with a mark for what became of it, then the same of REQUIRETLS.
 * `!` is a demand that was not met, `?` one that nothing is known of, `a:b` what a came to.
 */
#include "decide/feature_status.h"

#include <stdio.h>

static const char *requiretls_text(enum feature_requiretls requiretls)
{
    switch (requiretls) {
    case FEATURE_REQUIRETLS_NOT_ASKED:
        return "";
    case FEATURE_REQUIRETLS_MET:
        return "/requiretls";
    case FEATURE_REQUIRETLS_UNVERIFIED:
        return "/requiretls:nocertmatch";
    case FEATURE_REQUIRETLS_NOT_OFFERED:
        return "/requiretls:none";
    case FEATURE_REQUIRETLS_NOT_SUPPORTED:
        return "/!requiretls:none";
    case FEATURE_REQUIRETLS_NO_CERTIFICATE_MATCH:
        return "/!requiretls:nocertmatch";
    case FEATURE_REQUIRETLS_NO_STARTTLS:
        return "/!requiretls:nostarttls";
    case FEATURE_REQUIRETLS_UNDECIDED:
    default:
        return "/requiretls?";
    }
}

const char *feature_status_write(const char *level, enum feature_tls tls,
                                 enum feature_requiretls requiretls, char *out, size_t out_size)
{
    const char *before = tls == FEATURE_TLS_VIOLATED ? "!" : "";
    const char *after = tls == FEATURE_TLS_PLAINTEXT   ? ":none"
                        : tls == FEATURE_TLS_UNDECIDED ? "?"
                                                       : "";

    snprintf(out, out_size, "%s%s%s%s", before, level, after, requiretls_text(requiretls));
    return out;
}
