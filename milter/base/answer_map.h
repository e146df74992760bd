/*
 * The socketmap's maps and their names. Pure. What a map answers is answer/answer.h; that requests
 * and metrics know a map by the same name is why the list lies here.
 */
#ifndef MILTER_BASE_ANSWER_MAP_H
#define MILTER_BASE_ANSWER_MAP_H

#include <stddef.h>

enum answer_map {
    ANSWER_QUERY,        /* as postfix-tlspol's */
    ANSWER_QUERY_TLSRPT, /* the same with TLSRPT attributes */
    ANSWER_POSTFIX,      /* one of the two, as the configuration says */
    ANSWER_ENFORCE,      /* what a transport for REQUIRETLS mail must demand */
    ANSWER_OPPORTUNISTIC_STARTTLS,
    ANSWER_OPPORTUNISTIC,
    ANSWER_REQUIRETLS,  /* the level, for smtp_requiretls_policy; needs no findings */
    ANSWER_ENFORCE_PKI, /* the same for who cannot verify DANE, as sendmail before 8.18 */
    ANSWER_STS,         /* QUERY for sendmail's FEATURE(`sts') */
    ANSWER_ACCESS,      /* QUERY as a requirement for sendmail's tls_rcpt */
    ANSWER_MAPS
};

/* The map of a name, in any case; also `sts`, as sendmail calls it. Returns 0 or -EINVAL. */
int answer_map_parse(const char *name, size_t len, enum answer_map *out);

/* The name as the metrics and JSON have it; "unknown" for what is no map. */
const char *answer_map_name(unsigned map);

#endif
