/*
 * One table of the maps: answer_map_parse searches it by name, answer_map_name by map.
 */
#include "base/answer_map.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    enum answer_map map;
} map_names[] = {
    {"QUERY", ANSWER_QUERY},
    {"QUERYwithTLSRPT", ANSWER_QUERY_TLSRPT},
    {"postfix", ANSWER_POSTFIX},
    {"enforce", ANSWER_ENFORCE},
    {"opportunistic+starttls", ANSWER_OPPORTUNISTIC_STARTTLS},
    {"opportunistic", ANSWER_OPPORTUNISTIC},
    {"requiretls", ANSWER_REQUIRETLS},
    /* sendmail takes no other names of maps than letters, digits and underscores. */
    {"enforce_pki", ANSWER_ENFORCE_PKI},
    {"access", ANSWER_ACCESS},
    {"sts", ANSWER_STS}, /* the name that FEATURE(`sts') gives its map */
};

int answer_map_parse(const char *name, size_t len, enum answer_map *out)
{
    for (size_t i = 0; i < sizeof(map_names) / sizeof(map_names[0]); i++) {
        if (strlen(map_names[i].name) == len && strncasecmp(map_names[i].name, name, len) == 0) {
            *out = map_names[i].map;
            return 0;
        }
    }
    return -EINVAL;
}

const char *answer_map_name(unsigned map)
{
    for (size_t i = 0; i < sizeof(map_names) / sizeof(map_names[0]); i++) {
        if (map_names[i].map == map)
            return map_names[i].name;
    }
    return "unknown";
}
