/*
 * Compares what the MTA calls a next-hop with the sockets of the delivery agent. A path is taken
 * for the same where one ends as the other does, at the beginning of a name: what Postfix calls
 * `unix:requiretls/deliver.sock` is /var/spool/postfix/requiretls/deliver.sock. To take another
 * socket for the agent's is safe: its mail is then held to what its sender asks for.
 */
#include "decide/agent_socket.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

static bool same_path(const char *own, const char *path)
{
    size_t own_len = strlen(own), len = strlen(path);

    if (len == 0 || len > own_len || strcmp(own + own_len - len, path) != 0)
        return false;
    return len == own_len || path[0] == '/' || own[own_len - len - 1] == '/';
}

static bool is_loopback(const char *host)
{
    struct in_addr in;
    struct in6_addr in6;

    return (inet_pton(AF_INET, host, &in) == 1 && ntohl(in.s_addr) >> 24 == 127) ||
           (inet_pton(AF_INET6, host, &in6) == 1 && IN6_IS_ADDR_LOOPBACK(&in6));
}

/* Port alone counts for what the MTA has by name. */
static bool same_host(const char *own, const char *host)
{
    struct in6_addr a, b;

    if (strcasecmp(host, "localhost") == 0)
        return is_loopback(own);
    if (inet_pton(AF_INET6, own, &a) == 1 && inet_pton(AF_INET6, host, &b) == 1)
        return memcmp(&a, &b, sizeof(a)) == 0;
    return strcasecmp(own, host) == 0;
}

/* Parts `host:port` and `[host]:port`. */
static bool split(const char *text, char *host, size_t host_size, const char **port)
{
    const char *end = strrchr(text, ':');
    size_t len;

    if (end == NULL)
        return false;
    *port = end + 1;
    len = (size_t)(end - text);
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
        if (len > 5 && strncasecmp(text, "ipv6:", 5) == 0) {
            text += 5;
            len -= 5;
        }
    }
    if (len == 0 || len >= host_size)
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    return true;
}

static bool is_socket(const struct config_address *own, const char *host)
{
    char name[INET6_ADDRSTRLEN + 16];
    const char *port;

    if (strncasecmp(host, "unix:", 5) == 0)
        return own->path != NULL && same_path(own->path, host + 5);
    if (strncasecmp(host, "inet:", 5) == 0)
        host += 5;
    return own->host != NULL && split(host, name, sizeof(name), &port) &&
           strcmp(own->port, port) == 0 && same_host(own->host, name);
}

const struct config_deliver_socket *agent_socket_find(const struct config *config, const char *host)
{
    for (size_t i = 0; host != NULL && i < config->deliver.socket_count; i++)
        if (is_socket(&config->deliver.sockets[i].listen, host))
            return &config->deliver.sockets[i];
    return NULL;
}
