/*
 * The addresses of a policy host: A and AAAA side by side. When one family is known the other is
 * waited for a moment only (the resolution delay of RFC 8305 section 3, longer, because addresses
 * cannot be added later), so that a broken AAAA server does not hold up the fetch. A host with one
 * family alone is as good as any. Whether an answer is secure does not matter: the certificate
 * decides.
 */
#include "sts/sts_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    V6,
    V4,
    FAMILIES,
    /* Bounds the connection attempts that one answer can cause. */
    FAMILY_MAX = STS_ADDRESSES_MAX / FAMILIES,
    SECOND_FAMILY_MS = 250,
};

struct sts_host {
    struct sts_dns dns;
    struct world_query *query[FAMILIES]; /* NULL once answered */
    struct sts_address found[FAMILIES][FAMILY_MAX];
    size_t counts[FAMILIES];
    char failure[80]; /* of the first family that failed; empty: none did */
    bool exists;      /* its name does, as far as the answers tell */
    struct event *delay;
    sts_host_done_fn done;
    void *arg;
};

static void host_finish(struct sts_host *host)
{
    struct sts_addresses all = {.count = 0};

    for (size_t i = 0; i < FAMILY_MAX; i++) {
        for (int family = 0; family < FAMILIES; family++)
            if (i < host->counts[family])
                all.list[all.count++] = host->found[family][i];
    }
    if (all.count > 0)
        host->done(&all, NULL, false, host->arg);
    else if (host->failure[0] != '\0')
        host->done(NULL, host->failure, false, host->arg);
    else
        host->done(NULL, host->exists ? "policy host has no address" : "policy host does not exist",
                   true, host->arg);
}

static void add_address(struct sts_host *host, int family, const struct dns_record *record)
{
    struct sts_address *address = &host->found[family][host->counts[family]++];

    address->family = family == V6 ? AF_INET6 : AF_INET;
    if (family == V6)
        memcpy(address->octets, record->aaaa, sizeof(record->aaaa));
    else
        memcpy(address->octets, record->a, sizeof(record->a));
}

/* A CNAME without its target's records, and without proof that there are none. */
static bool is_cut_short(const struct dns_answer *answer)
{
    return answer->alias && answer->ttl_s == 0;
}

static void on_address_answer(struct sts_host *host, int family, const struct dns_answer *answer)
{
    static const struct timeval delay = {.tv_usec = SECOND_FAMILY_MS * 1000};

    host->query[family] = NULL;
    if (answer->status == DNS_FOUND) {
        for (size_t i = 0; i < answer->count && i < FAMILY_MAX; i++)
            add_address(host, family, &answer->records[i]);
    } else if (answer->status == DNS_NODATA && !is_cut_short(answer)) {
        host->exists = true;
    } else if (answer->status != DNS_NXDOMAIN && host->failure[0] == '\0') {
        snprintf(host->failure, sizeof(host->failure), "address of the policy host: %s",
                 answer->failure != NULL ? answer->failure : "lookup failed");
    }
    if (host->query[V6] == NULL && host->query[V4] == NULL)
        host_finish(host);
    else if (host->counts[family] > 0)
        event_add(host->delay, &delay);
}

static void on_aaaa(const struct dns_answer *answer, void *arg)
{
    on_address_answer(arg, V6, answer);
}

static void on_a(const struct dns_answer *answer, void *arg)
{
    on_address_answer(arg, V4, answer);
}

static void on_delay(evutil_socket_t fd, short what, void *arg)
{
    struct sts_host *host = arg;

    (void)fd;
    (void)what;
    for (int family = 0; family < FAMILIES; family++) {
        if (host->query[family] != NULL)
            host->dns.cancel(host->dns.ctx, host->query[family]);
        host->query[family] = NULL;
    }
    host_finish(host);
}

struct sts_host *sts_host_new(struct event_base *base, const struct sts_dns *dns, const char *name,
                              sts_host_done_fn done, void *arg)
{
    struct sts_host *host = calloc(1, sizeof(*host));

    if (host == NULL)
        return NULL;
    host->dns = *dns;
    host->done = done;
    host->arg = arg;
    host->delay = evtimer_new(base, on_delay, host);
    if (host->delay != NULL) {
        host->query[V6] = dns->query(dns->ctx, name, DNS_TYPE_AAAA, on_aaaa, host);
        host->query[V4] = dns->query(dns->ctx, name, DNS_TYPE_A, on_a, host);
    }
    if (host->query[V6] == NULL || host->query[V4] == NULL) {
        sts_host_free(host);
        return NULL;
    }
    return host;
}

void sts_host_free(struct sts_host *host)
{
    if (host == NULL)
        return;
    for (int family = 0; family < FAMILIES; family++)
        if (host->query[family] != NULL)
            host->dns.cancel(host->dns.ctx, host->query[family]);
    if (host->delay != NULL)
        event_free(host->delay);
    free(host);
}
