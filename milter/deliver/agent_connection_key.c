/*
 * agent_connection_key writes all that was demanded of a connection into one text.
 */
#include "deliver/agent_connection_key.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>

static const char *text_or_none(const char *text)
{
    return text != NULL ? text : "";
}

/* Names and addresses have no line ends, and the password stands last. */
int agent_connection_key(const struct agent_connection_wish *wish,
                         const struct treatment_connection *connection, const char *endpoint,
                         uint64_t ca_generation, char **out, size_t *out_len)
{
    static const char format[] = "%s\n%d%d\n%s\n%s\n%s\n%s";
    char demand[TLS_DEMAND_KEY_MAX], source[DELIVERY_ENDPOINT_MAX] = "";
    const char *user = text_or_none(wish->user), *password = text_or_none(wish->password);
    int error = tls_demand_key(&connection->tls, endpoint, ca_generation, demand);
    int len;

    if (error != 0)
        return error;
    if (wish->source != NULL) {
        size_t at = wish->source->sa_family == AF_INET6 ? offsetof(struct sockaddr_in6, sin6_addr)
                                                        : offsetof(struct sockaddr_in, sin_addr);
        size_t octets = wish->source->sa_family == AF_INET6 ? 16 : 4;

        for (size_t i = 0; i < octets; i++)
            snprintf(&source[2 * i], 3, "%02x", ((const uint8_t *)wish->source)[at + i]);
    }
    len = snprintf(NULL, 0, format, demand, connection->smtp_tls, connection->requiretls,
                   wish->helo_name, source, user, password);
    if (len < 0)
        return -ENOMEM;
    *out = OPENSSL_malloc((size_t)len + 1);
    if (*out == NULL)
        return -ENOMEM;
    *out_len = (size_t)len;
    snprintf(*out, (size_t)len + 1, format, demand, connection->smtp_tls, connection->requiretls,
             wish->helo_name, source, user, password);
    return 0;
}
