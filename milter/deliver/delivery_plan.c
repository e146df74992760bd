/*
 * delivery_plan_make: the hosts that may be contacted, in the order of the findings, which is that
 * of preference, each run of equals shuffled; their addresses, as add_host has them; then, in a
 * second pass, those that are to be avoided behind the others.
 */
#include "deliver/delivery_plan.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* SplitMix64: for fairness among servers, nothing depends on its being guessed or not. */
static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Numbers from 0 on, `count` of them, at random. */
static void shuffle(uint8_t *numbers, size_t count, uint64_t *seed)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = (size_t)(next_random(seed) % i);
        uint8_t number = numbers[i - 1];

        numbers[i - 1] = numbers[other];
        numbers[other] = number;
    }
}

static void add_target(struct delivery_plan *plan, size_t host, const uint8_t *address, bool ipv6)
{
    struct delivery_target *target = &plan->targets[plan->count];

    if (plan->count == DELIVERY_PLAN_TARGETS)
        return;
    *target = (struct delivery_target){.host = (uint8_t)host, .ipv6 = ipv6};
    memcpy(target->address, address, ipv6 ? 16 : 4);
    plan->count++;
}

/* The addresses of one family, at random. */
struct family {
    bool ipv6;
    uint8_t order[FINDINGS_MAX_ADDRESSES];
    size_t count, next;
};

static const uint8_t *address_of(const struct findings_host *host, bool ipv6, size_t i)
{
    return ipv6 ? findings_host_aaaa(host, i) : findings_host_a(host, i);
}

static void read_family(const struct findings_host *host, bool ipv6, uint64_t *seed,
                        struct family *out)
{
    *out = (struct family){.ipv6 = ipv6};
    while (out->count < FINDINGS_MAX_ADDRESSES && address_of(host, ipv6, out->count) != NULL) {
        out->order[out->count] = (uint8_t)out->count;
        out->count++;
    }
    shuffle(out->order, out->count, seed);
}

static void add_host(const struct findings *f, size_t number, uint64_t *seed,
                     struct delivery_plan *plan)
{
    const struct findings_host *host = &f->hosts[number];
    bool ipv6_first = (next_random(seed) & 1) != 0;
    struct family families[2];

    read_family(host, ipv6_first, seed, &families[0]);
    read_family(host, !ipv6_first, seed, &families[1]);
    for (size_t turn = 0;
         families[0].next < families[0].count || families[1].next < families[1].count; turn ^= 1) {
        struct family *family = &families[turn];

        if (family->next < family->count)
            add_target(plan, number, address_of(host, family->ipv6, family->order[family->next++]),
                       family->ipv6);
    }
}

static bool is_own_host(const struct delivery_plan_facts *facts, const struct findings_host *host)
{
    const uint8_t *address;

    for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
        for (size_t i = 0; (address = address_of(host, ipv6 != 0, i)) != NULL; i++) {
            if (facts->is_own(address, ipv6 != 0, facts->arg))
                return true;
        }
    }
    return false;
}

/* How many hosts, from the first, are preferred over this host itself. */
static size_t preferred_hosts(const struct delivery_plan_facts *facts, size_t count)
{
    const struct findings *f = facts->findings;

    if (facts->is_own == NULL || f->nexthop.kind != NEXTHOP_DOMAIN)
        return count;
    for (size_t i = 0; i < count; i++) {
        if (!is_own_host(facts, &f->hosts[i]))
            continue;
        while (i > 0 && f->hosts[i - 1].preference >= f->hosts[i].preference)
            i--;
        return i;
    }
    return count;
}

static void add_hosts(const struct delivery_plan_facts *facts, uint64_t *seed,
                      struct delivery_plan *plan)
{
    const struct findings *f = facts->findings;
    size_t all = f->host_count < FINDINGS_MAX_HOSTS ? f->host_count : FINDINGS_MAX_HOSTS;
    size_t count = preferred_hosts(facts, all);
    uint8_t run[FINDINGS_MAX_HOSTS];
    size_t length;

    plan->loops = count == 0 && all > 0;
    for (size_t i = 0; i < count; i += length) {
        for (length = 0;
             i + length < count && f->hosts[i + length].preference == f->hosts[i].preference;
             length++)
            run[length] = (uint8_t)(i + length);
        shuffle(run, length, seed);
        for (size_t k = 0; k < length; k++) {
            if ((facts->hosts >> run[k] & 1) != 0)
                add_host(f, run[k], seed, plan);
        }
    }
}

static void add_literal(const struct delivery_plan_facts *facts, struct delivery_plan *plan)
{
    const char *text = facts->findings->nexthop.name;
    uint8_t address[16];

    if ((facts->hosts & 1) == 0)
        return;
    if (inet_pton(AF_INET, text, address) == 1)
        add_target(plan, 0, address, false);
    else if (inet_pton(AF_INET6, text, address) == 1)
        add_target(plan, 0, address, true);
}

static void move_avoided(const struct delivery_plan_facts *facts, struct delivery_plan *plan)
{
    struct delivery_target avoided[DELIVERY_PLAN_TARGETS];
    size_t kept = 0, moved = 0;

    for (size_t i = 0; i < plan->count; i++) {
        struct delivery_target *target = &plan->targets[i];

        target->avoided = facts->is_avoided(target->address, target->ipv6, facts->arg);
        if (target->avoided)
            avoided[moved++] = *target;
        else
            plan->targets[kept++] = *target;
    }
    memcpy(&plan->targets[kept], avoided, moved * sizeof(avoided[0]));
}

void delivery_plan_make(const struct delivery_plan_facts *facts, struct delivery_plan *out)
{
    uint64_t seed = facts->seed;

    out->count = 0;
    out->loops = false;
    if (facts->findings->nexthop.kind == NEXTHOP_LITERAL)
        add_literal(facts, out);
    else
        add_hosts(facts, &seed, out);
    if (facts->is_avoided != NULL)
        move_avoided(facts, out);
}

const char *delivery_host_name(const struct findings *findings, size_t host)
{
    if (findings->nexthop.kind == NEXTHOP_LITERAL || host >= findings->host_count)
        return findings->nexthop.name;
    return findings->hosts[host].name;
}

socklen_t delivery_target_sockaddr(const struct delivery_target *target, uint16_t port,
                                   struct sockaddr_storage *out)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    struct sockaddr_in *in = (struct sockaddr_in *)out;

    memset(out, 0, sizeof(*out));
    if (target->ipv6) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        memcpy(&in6->sin6_addr, target->address, sizeof(in6->sin6_addr));
        return sizeof(*in6);
    }
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    memcpy(&in->sin_addr, target->address, sizeof(in->sin_addr));
    return sizeof(*in);
}

void delivery_target_text(const struct delivery_target *target,
                          char out[DELIVERY_ADDRESS_TEXT_MAX + 1])
{
    /* Cannot fail: both families are known, and there is room. */
    inet_ntop(target->ipv6 ? AF_INET6 : AF_INET, target->address, out,
              DELIVERY_ADDRESS_TEXT_MAX + 1);
}

void delivery_target_endpoint(const struct delivery_target *target, uint16_t port,
                              char out[DELIVERY_ENDPOINT_MAX])
{
    char address[DELIVERY_ADDRESS_TEXT_MAX + 1];

    delivery_target_text(target, address);
    snprintf(out, DELIVERY_ENDPOINT_MAX, target->ipv6 ? "[%s]:%u" : "%s:%u", address,
             (unsigned)port);
}
