/*
 * How a channel of c-ares is set up, and what differs between its versions. Later ones cache
 * answers unless told not to, and wait less than they are told to when answers have been quick so
 * far. More tries make up for that; they are also used, at once, when an answer is malformed or the
 * port closed.
 */
#include "dns/upstream_ares.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { UDP_LEN = 1232 /* as dns_query.c announces it */ };

#if ARES_VERSION < 0x012200

/* c-ares before 1.34 forgets the scope of a link-local address: connect such sockets ourselves. */

static ares_socket_t scoped_socket(int family, int type, int protocol, void *arg)
{
    (void)arg;
    return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

static int scoped_close(ares_socket_t fd, void *arg)
{
    (void)arg;
    return close(fd);
}

static int scoped_connect(ares_socket_t fd, const struct sockaddr *addr, ares_socklen_t len,
                          void *arg)
{
    const struct resolver_addr *real = arg;

    (void)addr;
    (void)len;
    return connect(fd, &real->sa, sizeof(real->in6));
}

static ares_ssize_t scoped_recv(ares_socket_t fd, void *data, size_t len, int flags,
                                struct sockaddr *from, ares_socklen_t *from_len, void *arg)
{
    (void)arg;
    return recvfrom(fd, data, len, flags, from, from_len);
}

static ares_ssize_t scoped_send(ares_socket_t fd, const struct iovec *pieces, int count, void *arg)
{
    (void)arg;
    return writev(fd, pieces, count);
}

static int set_server(ares_channel ares, const struct resolver_addr *addr)
{
    static const struct ares_socket_functions scoped = {
        .asocket = scoped_socket,
        .aclose = scoped_close,
        .aconnect = scoped_connect,
        .arecvfrom = scoped_recv,
        .asendv = scoped_send,
    };
    struct ares_addr_port_node node = {.family = addr->sa.sa_family};

    if (addr->sa.sa_family == AF_INET) {
        node.addr.addr4 = addr->in.sin_addr;
        node.udp_port = node.tcp_port = ntohs(addr->in.sin_port);
    } else {
        memcpy(&node.addr.addr6, &addr->in6.sin6_addr, sizeof(node.addr.addr6));
        node.udp_port = node.tcp_port = ntohs(addr->in6.sin6_port);
        if (addr->in6.sin6_scope_id != 0)
            ares_set_socket_functions(ares, &scoped, (void *)(uintptr_t)addr);
    }
    return ares_set_servers_ports(ares, &node);
}

#else

static int set_server(ares_channel ares, const struct resolver_addr *addr)
{
    char host[INET6_ADDRSTRLEN], name[IF_NAMESIZE];
    char text[sizeof(host) + sizeof(name) + 16];

    if (addr->sa.sa_family == AF_INET) {
        inet_ntop(AF_INET, &addr->in.sin_addr, host, sizeof(host));
        snprintf(text, sizeof(text), "%s:%u", host, ntohs(addr->in.sin_port));
    } else {
        bool scoped =
            addr->in6.sin6_scope_id != 0 && if_indextoname(addr->in6.sin6_scope_id, name) != NULL;

        inet_ntop(AF_INET6, &addr->in6.sin6_addr, host, sizeof(host));
        snprintf(text, sizeof(text), "[%s]:%u%s%s", host, ntohs(addr->in6.sin6_port),
                 scoped ? "%" : "", scoped ? name : "");
    }
    return ares_set_servers_csv(ares, text);
}

#endif

/* Every option that c-ares would otherwise look for in the system's files is given. */
int upstream_ares_new(const struct upstream_ares_terms *terms, ares_channel *out)
{
    static char lookups[] = "b";
    struct in_addr nobody = {.s_addr = htonl(INADDR_LOOPBACK)}; /* until set_server */
    struct ares_options options = {
        .flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_IGNTC | ARES_FLAG_NOSEARCH |
                 ARES_FLAG_NOALIASES | ARES_FLAG_EDNS | (terms->tcp ? ARES_FLAG_USEVC : 0),
        .timeout = terms->timeout_ms,
        .tries = 1,
        .ndots = 1,
        .ednspsz = UDP_LEN,
        .servers = &nobody,
        .nservers = 1,
        .lookups = lookups,
        .sock_state_cb = terms->on_socket_state,
        .sock_state_cb_data = terms->arg,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
               ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS | ARES_OPT_SORTLIST |
               ARES_OPT_SOCK_STATE_CB | ARES_OPT_EDNSPSZ | ARES_OPT_NOROTATE;

#if ARES_VERSION >= 0x011f00
    /* An answer "checked afresh" must not come from a cache of c-ares's own. */
    mask |= ARES_OPT_QUERY_CACHE;
    options.qcache_max_ttl = 0;
#endif
#if ARES_VERSION >= 0x012000
    /* By how quick the server was so far a try may last a quarter of a second only, then twice
     * that and so on: as many as outlive our time-out. */
    mask |= ARES_OPT_MAXTIMEOUTMS;
    options.maxtimeout = options.timeout;
    for (int all_ms = 250; all_ms < options.timeout; all_ms += all_ms + 250)
        options.tries++;
#endif
    int status = ares_init_options(out, &options, mask);

    if (status != ARES_SUCCESS)
        return -ENOMEM;
    if (set_server(*out, terms->addr) != ARES_SUCCESS) {
        ares_destroy(*out);
        return -ENOMEM;
    }
    return 0;
}
