/*
 * One mail server: its addresses, their security, and its TLSA records. RFC 7672 sections 2.1.1 to
 * 2.1.3 (what counts as secure, failed, absent), 2.2.2 (addresses before TLSA, aliases) and 2.2.3
 * (base domains). A host that fails fails alone.
 *
 * TLSA records are asked for together with the addresses where the name was found securely; what
 * they say is looked at only once the addresses, or the alias that leads to them, have proven
 * secure. So a server that mishandles TLSA queries in an unsigned zone does no harm.
 */
#include "lookup/lookup_internal.h"
#include "tls/tlsa.h"

#include <stdio.h>
#include <string.h>

/* More than anybody publishes; findings_host.tlsa_count is an octet. */
enum { TLSA_MAX = 64 };

static enum findings_addr family_state(const struct ask *ask)
{
    if (!ask->done)
        return FINDINGS_ADDR_PENDING;
    switch (ask->status) {
    case DNS_FOUND:
        return ask_security(ask) == DNS_SECURE ? FINDINGS_ADDR_SECURE : FINDINGS_ADDR_INSECURE;
    case DNS_NODATA:
    case DNS_NXDOMAIN:
        return FINDINGS_ADDR_ABSENT;
    case DNS_FAILED:
    default:
        return FINDINGS_ADDR_FAILED;
    }
}

/* Says what went wrong; the first thing, unless a later one is what the host fails by. */
static void note_failure(struct host *host, const char *what, const char *reason, bool decisive)
{
    struct lookup *l = host->lookup;
    char text[160];

    if (host->out->failure != NULL && !decisive)
        return;
    snprintf(text, sizeof text, "%s: %s", what, reason != NULL ? reason : "failed");
    host->out->failure = arena_string(&l->arena, text);
    l->out_of_memory |= host->out->failure == NULL;
}

/* The addresses of one family beside those of the other, if that was answered before. */
static void add_addresses(struct findings_addresses *to, const struct findings_addresses *other,
                          uint16_t type, const struct dns_answer *answer)
{
    uint8_t *octets = to->octets;

    for (size_t i = 0; i < to->a_count; i++, octets += FINDINGS_A_OCTETS)
        memcpy(octets,
               type == DNS_TYPE_A ? answer->records[i].a : other->octets + i * FINDINGS_A_OCTETS,
               FINDINGS_A_OCTETS);
    for (size_t i = 0; i < to->aaaa_count; i++, octets += FINDINGS_AAAA_OCTETS)
        memcpy(octets,
               type == DNS_TYPE_AAAA ? answer->records[i].aaaa
                                     : other->octets + i * FINDINGS_AAAA_OCTETS,
               FINDINGS_AAAA_OCTETS);
}

static void take_addresses(struct ask *ask, const struct dns_answer *answer)
{
    struct host *host = ask->arg;
    struct lookup *l = ask->lookup;
    const struct findings_addresses *other = host->out->addresses;
    struct findings_addresses count = {0}, *to;
    size_t size;

    if (answer->status != DNS_FOUND)
        return;
    if (other != NULL)
        count = (struct findings_addresses){other->a_count, other->aaaa_count};
    *(ask->type == DNS_TYPE_A ? &count.a_count : &count.aaaa_count) =
        (uint8_t)(answer->count < FINDINGS_MAX_ADDRESSES ? answer->count : FINDINGS_MAX_ADDRESSES);
    size = findings_addresses_size(count.a_count, count.aaaa_count);
    if (!lookup_has_room(l, ARENA_OCTETS(size))) {
        ask_fail_for_room(ask);
        return;
    }
    to = arena_zalloc(&l->arena, size);
    if (to == NULL) {
        l->out_of_memory = true;
        return;
    }
    to->a_count = count.a_count;
    to->aaaa_count = count.aaaa_count;
    add_addresses(to, other, ask->type, answer);
    host->out->addresses = to;
}

/* Octets that the answer's records take in the arena. */
static size_t tlsa_octets(const struct dns_answer *answer)
{
    size_t octets = 0;

    for (size_t i = 0; i < answer->count; i++)
        octets += sizeof(struct findings_tlsa) + ARENA_OCTETS(answer->records[i].tlsa.data_len);
    return octets;
}

/* Usable records first when there are too many: dropping them would change the outcome. */
static void take_tlsa(struct ask *ask, const struct dns_answer *answer)
{
    struct tlsa_set *set = ask->arg;
    struct lookup *l = ask->lookup;

    if (answer->status != DNS_FOUND)
        return;
    if (!lookup_has_room(l, tlsa_octets(answer))) {
        ask_fail_for_room(ask);
        return;
    }
    set->records =
        arena_zalloc(&l->arena, TLSA_MAX < answer->count ? TLSA_MAX * sizeof *set->records
                                                         : answer->count * sizeof *set->records);
    for (int pass = 0; set->records != NULL && pass < 2; pass++) {
        for (size_t i = 0; i < answer->count && set->count < TLSA_MAX; i++) {
            const struct dns_record *r = &answer->records[i];
            struct findings_tlsa *to = &set->records[set->count];
            bool usable = tlsa_usable(r->tlsa.usage, r->tlsa.selector, r->tlsa.matching_type,
                                      r->tlsa.data, r->tlsa.data_len);
            if (usable != (pass == 0))
                continue;
            to->usage = r->tlsa.usage;
            to->selector = r->tlsa.selector;
            to->matching_type = r->tlsa.matching_type;
            to->data_len = r->tlsa.data_len;
            to->data = arena_copy(&l->arena, r->tlsa.data, r->tlsa.data_len);
            to->usable = usable;
            l->out_of_memory |= to->data == NULL;
            set->usable |= usable;
            set->count++;
        }
    }
    l->out_of_memory |= set->records == NULL;
}

static void ask_tlsa(struct host *host, int which, const char *base)
{
    struct tlsa_set *set = &host->tlsa[which];
    char name[ASK_NAME_MAX];

    if (set->ask.asked)
        return;
    set->base = base;
    snprintf(name, sizeof name, "_%u._tcp.%s", (unsigned)host->lookup->nexthop.port, base);
    ask_start(&set->ask, host->lookup, name, DNS_TYPE_TLSA, take_tlsa, set);
}

/* Whether the name itself was found securely, so that its TLSA records are asked for early.
 */
static bool name_is_secure(const struct lookup *l)
{
    if (l->draft.mx == FINDINGS_MX_SECURE || l->draft.mx == FINDINGS_MX_NOT_ASKED)
        return true;
    return l->draft.mx == FINDINGS_MX_ABSENT && ask_security(&l->mx) == DNS_SECURE;
}

static void settle_absent(struct host *host)
{
    host->out->a = host->out->aaaa = FINDINGS_ADDR_ABSENT;
    host->out->tlsa_state = FINDINGS_TLSA_NONE;
    host->state = HOST_SETTLED;
}

static void host_start(struct host *host)
{
    struct lookup *l = host->lookup;
    char name[NEXTHOP_NAME_MAX + 1];

    if (nexthop_to_ascii(host->out->name, name) < 0) {
        note_failure(host, "MX", "not a host name", true);
        settle_absent(host);
        return;
    }
    ask_start(&host->a, l, name, DNS_TYPE_A, take_addresses, host);
    ask_start(&host->aaaa, l, name, DNS_TYPE_AAAA, take_addresses, host);
    if (!l->settings.dane_enable) {
        host->out->tlsa_state = FINDINGS_TLSA_NONE;
        host->state = HOST_WAIT;
        return;
    }
    if (name_is_secure(l))
        ask_tlsa(host, TLSA_ORIGINAL, host->out->name);
    host->state = HOST_ADDRESS;
}

static void settle_tlsa(struct host *host, enum findings_tlsa_state state)
{
    host->out->tlsa_state = (uint8_t)state;
    host->state = HOST_WAIT;
}

static void fail_tlsa(struct host *host, const char *what, const struct ask *ask)
{
    struct lookup *l = host->lookup;

    note_failure(host, what, ask->failure, true);
    /* Under insecure MX records it binds nobody, and need not be tried again soon. */
    lookup_limit(l, FINDINGS_PART_DANE,
                 l->draft.mx == FINDINGS_MX_INSECURE
                     ? lookup_left_of(l, ask, l->settings.negative_ttl_ms)
                     : lookup_life_of(l, ask));
    settle_tlsa(host, FINDINGS_TLSA_FAILED);
}

/* Both base domains at once, though the second counts only if the first has no records. */
static void look_at_tlsa(struct host *host, const char *canonical)
{
    if (canonical != NULL)
        ask_tlsa(host, TLSA_CANONICAL, canonical);
    ask_tlsa(host, TLSA_ORIGINAL, host->out->name);
    host->candidate = canonical != NULL ? TLSA_CANONICAL : TLSA_ORIGINAL;
    host->state = HOST_TLSA;
}

static bool is_done(enum findings_addr a, enum findings_addr aaaa)
{
    return a != FINDINGS_ADDR_PENDING && aaaa != FINDINGS_ADDR_PENDING;
}

static bool step_address(struct host *host)
{
    enum findings_addr a = family_state(&host->a), aaaa = family_state(&host->aaaa);
    const struct ask *secure = a == FINDINGS_ADDR_SECURE      ? &host->a
                               : aaaa == FINDINGS_ADDR_SECURE ? &host->aaaa
                                                              : NULL;
    const struct ask *insecure = a == FINDINGS_ADDR_INSECURE      ? &host->a
                                 : aaaa == FINDINGS_ADDR_INSECURE ? &host->aaaa
                                                                  : NULL;

    if (secure != NULL) {
        look_at_tlsa(host, secure->alias ? secure->canonical : NULL);
        return true;
    }
    if (!is_done(a, aaaa))
        return false;
    if (insecure != NULL && insecure->alias && !host->lookup->unknown) {
        ask_start(&host->cname, host->lookup, host->out->name, DNS_TYPE_CNAME, NULL, NULL);
        host->state = HOST_ALIAS;
        return true;
    }
    settle_tlsa(host, FINDINGS_TLSA_NONE);
    return true;
}

static bool step_alias(struct host *host)
{
    struct ask *cname = &host->cname;

    if (!cname->done)
        return false;
    if (cname->status == DNS_FAILED) {
        fail_tlsa(host, "CNAME", cname);
        return true;
    }
    lookup_limit(host->lookup, FINDINGS_PART_DANE, lookup_life_of(host->lookup, cname));
    if (cname->status == DNS_FOUND && ask_security(cname) == DNS_SECURE)
        look_at_tlsa(host, NULL);
    else
        settle_tlsa(host, FINDINGS_TLSA_NONE);
    return true;
}

static bool step_tlsa(struct host *host)
{
    struct tlsa_set *set = &host->tlsa[host->candidate];

    if (!set->ask.done)
        return false;
    if (set->ask.status == DNS_FAILED) {
        fail_tlsa(host, "TLSA", &set->ask);
        return true;
    }
    lookup_limit(host->lookup, FINDINGS_PART_DANE, lookup_life_of(host->lookup, &set->ask));
    if (set->ask.status == DNS_FOUND && ask_security(&set->ask) == DNS_SECURE) {
        host->out->tlsa = set->records;
        host->out->tlsa_count = set->count;
        host->out->tlsa_base = set->base;
        settle_tlsa(host, set->usable ? FINDINGS_TLSA_USABLE : FINDINGS_TLSA_UNUSABLE);
    } else if (host->candidate == TLSA_CANONICAL) {
        host->candidate = TLSA_ORIGINAL;
    } else {
        settle_tlsa(host, FINDINGS_TLSA_NONE);
    }
    return true;
}

/* How long what is known of the addresses may be used. */
static void limit_by_addresses(struct host *host)
{
    struct lookup *l = host->lookup;
    const struct ask *families[] = {&host->a, &host->aaaa};
    bool found = host->a.status == DNS_FOUND || host->aaaa.status == DNS_FOUND;

    for (size_t i = 0; i < 2; i++) {
        const struct ask *ask = families[i];
        int64_t life_ms = lookup_life_of(l, ask);
        if (found && ask->status == DNS_FAILED)
            life_ms = lookup_left_of(l, ask, l->settings.negative_ttl_ms); /* the other one does */
        else if (found && ask->status != DNS_FOUND)                        /* it hardly matters */
            life_ms = lookup_left_of(
                l, ask, ask->ttl_s ? (int64_t)ask->ttl_s * 1000 : l->settings.negative_ttl_ms);
        lookup_limit(l, FINDINGS_PART_DANE, life_ms);
    }
}

static bool step_wait(struct host *host)
{
    if (!host->a.done || !host->aaaa.done)
        return false;
    if (host->a.status == DNS_FAILED)
        note_failure(host, "A", host->a.failure, false);
    if (host->aaaa.status == DNS_FAILED)
        note_failure(host, "AAAA", host->aaaa.failure, false);
    limit_by_addresses(host);
    lookup_host_stop(host); /* a TLSA query that was not needed */
    host->state = HOST_SETTLED;
    return true;
}

static bool host_step(struct host *host)
{
    switch (host->state) {
    case HOST_START:
        host_start(host);
        return true;
    case HOST_ADDRESS:
        return step_address(host);
    case HOST_ALIAS:
        return step_alias(host);
    case HOST_TLSA:
        return step_tlsa(host);
    case HOST_WAIT:
        return step_wait(host);
    case HOST_SETTLED:
    default:
        return false;
    }
}

bool lookup_host_step(struct host *host)
{
    bool moved = host_step(host);

    if (host->a.asked) {
        host->out->a = (uint8_t)family_state(&host->a);
        host->out->aaaa = (uint8_t)family_state(&host->aaaa);
    }
    return moved;
}

void lookup_host_lose_security(struct host *host)
{
    struct findings_host *out = host->out;

    if (out->a == FINDINGS_ADDR_SECURE)
        out->a = FINDINGS_ADDR_INSECURE;
    if (out->aaaa == FINDINGS_ADDR_SECURE)
        out->aaaa = FINDINGS_ADDR_INSECURE;
    if (host->state == HOST_ALIAS || host->state == HOST_TLSA || host->state == HOST_WAIT)
        host->state = HOST_WAIT;
    if (host->state >= HOST_ALIAS) {
        out->tlsa_state = FINDINGS_TLSA_NONE;
        out->tlsa = NULL;
        out->tlsa_count = 0;
        out->tlsa_base = NULL;
    }
}

void lookup_host_stop(struct host *host)
{
    ask_stop(&host->a);
    ask_stop(&host->aaaa);
    ask_stop(&host->cname);
    for (int i = 0; i < TLSA_SETS; i++)
        ask_stop(&host->tlsa[i].ask);
}
