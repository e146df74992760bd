/*
 * What becomes of a delivery's demands, in the words of Postfix's smtp_log_tls_feature_status:
 * `dane/requiretls`, `dane-only/!requiretls:none`. The filter foretells it (expect=), the delivery
 * agent tells it (tls=). Pure.
 */
#ifndef MILTER_DECIDE_FEATURE_STATUS_H
#define MILTER_DECIDE_FEATURE_STATUS_H

#include <stddef.h>

/* Of the level of TLS. */
enum feature_tls {
    FEATURE_TLS_MET,
    FEATURE_TLS_PLAINTEXT, /* the level allows it */
    FEATURE_TLS_VIOLATED,  /* the connection was not used */
    FEATURE_TLS_UNDECIDED, /* it did not come to that */
};

enum feature_requiretls {
    FEATURE_REQUIRETLS_NOT_ASKED, /* nothing is said of it */
    FEATURE_REQUIRETLS_MET,
    FEATURE_REQUIRETLS_UNVERIFIED,  /* said, to a server that nothing authenticated */
    FEATURE_REQUIRETLS_NOT_OFFERED, /* so it was not said, and need not be */
    /* It was demanded, and the connection was not used: */
    FEATURE_REQUIRETLS_NOT_SUPPORTED,
    FEATURE_REQUIRETLS_NO_CERTIFICATE_MATCH,
    FEATURE_REQUIRETLS_NO_STARTTLS,
    FEATURE_REQUIRETLS_UNDECIDED,
};

/* `level` is Postfix's. Writes at most out_size - 1 octets; returns out. */
const char *feature_status_write(const char *level, enum feature_tls tls,
                                 enum feature_requiretls requiretls, char *out, size_t out_size);

#endif
