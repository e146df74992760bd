/*
 * Worlds made of a seed, and the order in which their answers come. rand_r, so that they do not
 * depend on anything but the seed.
 */
#include "random_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOSTS = 3 };

bool random_world_one_in(unsigned *seed, int n)
{
    return rand_r(seed) % n == 0;
}

/* Gives the entry a status of its own; returns whether it is to have records. */
static bool any_status(struct sim_dns *d, unsigned *seed)
{
    d->security = random_world_one_in(seed, 3) ? DNS_INSECURE : DNS_SECURE;
    switch (rand_r(seed) % 8) {
    case 0:
        d->status = DNS_FAILED;
        snprintf(d->failure, sizeof(d->failure), "SERVFAIL");
        return false;
    case 1:
        d->status = DNS_NXDOMAIN;
        return false;
    case 2:
        d->status = DNS_NODATA;
        return false;
    default:
        return true;
    }
}

static void add_records(struct sim_dns *d, size_t count)
{
    d->records = calloc(count, sizeof(*d->records));
    d->text = calloc(count, SIM_NAME_MAX);
    d->count = count;
}

static void make_mx(struct sim_world *sim, unsigned *seed)
{
    struct sim_dns *d = sim_world_dns(sim, "example.org", DNS_TYPE_MX);

    if (!any_status(d, seed))
        return;
    add_records(d, HOSTS);
    for (size_t i = 0; i < HOSTS; i++) {
        d->records[i].mx.preference = (uint16_t)(10 * (1 + rand_r(seed) % 2));
        sprintf(d->text + i * SIM_NAME_MAX, "mx%zu.example.org", i);
        d->records[i].mx.host = d->text + i * SIM_NAME_MAX;
    }
}

static void make_address(struct sim_world *sim, unsigned *seed, const char *host, uint16_t type,
                         const char *canonical)
{
    struct sim_dns *d = sim_world_dns(sim, host, type);

    if (any_status(d, seed))
        add_records(d, 1);
    if (canonical != NULL)
        snprintf(d->alias, sizeof(d->alias), "%s", canonical);
}

static void make_tlsa(struct sim_world *sim, unsigned *seed, const char *base)
{
    char name[SIM_NAME_MAX];
    struct sim_dns *d;

    snprintf(name, sizeof(name), "_25._tcp.%s", base);
    d = sim_world_dns(sim, name, DNS_TYPE_TLSA);
    if (!any_status(d, seed))
        return;
    add_records(d, 1);
    d->records[0].tlsa.usage = random_world_one_in(seed, 3) ? 1 : 3;
    d->records[0].tlsa.selector = d->records[0].tlsa.matching_type = 1;
    d->records[0].tlsa.data_len = 32;
    d->records[0].tlsa.data = (const uint8_t *)d->text;
}

static void make_host(struct sim_world *sim, unsigned *seed, const char *host)
{
    char alias[SIM_NAME_MAX];
    const char *canonical = NULL;

    snprintf(alias, sizeof(alias), "real.%s", host);
    if (random_world_one_in(seed, 3))
        canonical = alias;
    make_address(sim, seed, host, DNS_TYPE_A, canonical);
    make_address(sim, seed, host, DNS_TYPE_AAAA, canonical);
    make_tlsa(sim, seed, host);
    if (canonical != NULL) {
        struct sim_dns *d = sim_world_dns(sim, host, DNS_TYPE_CNAME);
        make_tlsa(sim, seed, canonical);
        if (any_status(d, seed)) {
            add_records(d, 1);
            snprintf(d->text, SIM_NAME_MAX, "%s", canonical);
            d->records[0].cname = d->text;
        }
    }
}

static void make_sts(struct sim_world *sim, unsigned *seed)
{
    static const char *const bodies[] = {
        "version: STSv1\nmode: enforce\nmx: *.example.org\nmax_age: 86400\n",
        "version: STSv1\nmode: enforce\nmx: mx1.example.org\nmax_age: 86400\n",
        "version: STSv1\nmode: enforce\nmx: example.org\nmax_age: 86400\n",
        "version: STSv1\nmode: testing\nmx: *.example.org\nmax_age: 86400\n",
        "version: STSv1\nmode: none\nmax_age: 86400\n",
        "version: STSv1\n",
    };
    struct sim_dns *d = sim_world_dns(sim, "_mta-sts.example.org", DNS_TYPE_TXT);
    struct sim_https *h = sim_world_https(sim, "example.org");

    h->body = strdup(bodies[rand_r(seed) % 6]);
    h->status = (enum fetch_status)(random_world_one_in(seed, 2) ? FETCH_OK : rand_r(seed) % 4);
    if (!any_status(d, seed))
        return;
    add_records(d, 1);
    d->records[0].txt.text = d->text;
    d->records[0].txt.len = (uint16_t)sprintf(d->text, "v=STSv1; id=1;");
}

void random_world_make(struct sim_world *sim, unsigned seed)
{
    make_mx(sim, &seed);
    make_sts(sim, &seed);
    make_host(sim, &seed, "example.org");
    for (int i = 0; i < HOSTS; i++) {
        char host[SIM_NAME_MAX];
        snprintf(host, sizeof(host), "mx%d.example.org", i);
        make_host(sim, &seed, host);
    }
}

static void delay(struct sim_world *sim, const char *name, uint16_t type, unsigned *seed)
{
    sim_world_delay(sim, name, type, 1 + rand_r(seed) % 40);
}

void random_world_order(struct sim_world *sim, unsigned seed)
{
    static const uint16_t types[] = {DNS_TYPE_A, DNS_TYPE_AAAA, DNS_TYPE_CNAME};
    char name[SIM_NAME_MAX];

    delay(sim, "example.org", DNS_TYPE_MX, &seed);
    delay(sim, "_mta-sts.example.org", DNS_TYPE_TXT, &seed);
    sim_world_https_delay(sim, "example.org", 1 + rand_r(&seed) % 80);
    for (int i = -1; i < HOSTS; i++) {
        char host[40] = "example.org";
        if (i >= 0)
            snprintf(host, sizeof(host), "mx%d.example.org", i);
        for (size_t t = 0; t < 3; t++)
            delay(sim, host, types[t], &seed);
        snprintf(name, sizeof(name), "_25._tcp.%s", host);
        delay(sim, name, DNS_TYPE_TLSA, &seed);
        snprintf(name, sizeof(name), "_25._tcp.real.%s", host);
        delay(sim, name, DNS_TYPE_TLSA, &seed);
    }
}
