/*
 * The resolver's own copy of its configuration. resolver_settings_copy takes the default for what
 * is missing or absurd, and refuses a check_name that is no domain name (-EINVAL); addresses are
 * read by resolver_servers.c.
 */
#include "dns/resolver_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TIMEOUT_MS_DEFAULT = 2000,
    TIMEOUT_MS_MAX = 60000,
    TRIES_DEFAULT = 3,
    CHECK_INTERVAL_MS_DEFAULT = 60000,
    MAX_IN_FLIGHT_DEFAULT = 1000, /* bounds what a resolver must bear, and sockets */
};

static char *copy_or(const char *text, const char *otherwise)
{
    return strdup(text != NULL ? text : otherwise);
}

void resolver_settings_free(struct resolver_settings *settings)
{
    for (size_t i = 0; settings->resolvers != NULL && settings->resolvers[i] != NULL; i++)
        free(settings->resolvers[i]);
    free(settings->resolvers);
    free(settings->resolv_conf);
    free(settings->check_name);
    memset(settings, 0, sizeof(*settings));
}

static int copy_resolvers(const char *const *list, char ***out)
{
    size_t count = 0;

    *out = NULL;
    if (list == NULL)
        return 0;
    while (list[count] != NULL)
        count++;
    *out = calloc(count + 1, sizeof(**out));
    if (*out == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        (*out)[i] = strdup(list[i]);
        if ((*out)[i] == NULL)
            return -ENOMEM;
    }
    return 0;
}

static int positive_or(int value, int otherwise, int max)
{
    if (value <= 0)
        value = otherwise;
    return value < max ? value : max;
}

int resolver_settings_copy(struct resolver_settings *out, const struct engine_config *config,
                           char *err, size_t err_size)
{
    char name[DNS_NAME_MAX + 1];

    *out = (struct resolver_settings){
        .trust_ad = config->trust_ad,
        .timeout_ms = positive_or(config->dns_timeout_ms, TIMEOUT_MS_DEFAULT, TIMEOUT_MS_MAX),
        .tries = (unsigned)positive_or(config->dns_tries, TRIES_DEFAULT, RESOLVER_TRIES_MAX),
        .max_in_flight =
            (size_t)positive_or(config->dns_max_outstanding, MAX_IN_FLIGHT_DEFAULT, INT32_MAX),
        .check_interval_ms =
            positive_or(config->check_interval_ms, CHECK_INTERVAL_MS_DEFAULT, INT32_MAX / 2),
        .check_name = copy_or(config->check_name, "com"),
        .resolv_conf = copy_or(config->resolv_conf, "/etc/resolv.conf"),
        .log = config->log,
        .log_arg = config->log_arg,
    };
    if (copy_resolvers(config->resolvers, &out->resolvers) < 0 || out->check_name == NULL ||
        out->resolv_conf == NULL) {
        snprintf(err, err_size, "out of memory");
        resolver_settings_free(out);
        return -ENOMEM;
    }
    if (dns_name_normalise(out->check_name, name) < 0) {
        snprintf(err, err_size, "check_name %.100s: not a domain name", out->check_name);
        resolver_settings_free(out);
        return -EINVAL;
    }
    return 0;
}
