/*
 * The servers of a next-hop: RFC 5321 section 5.1, RFC 7505 (null MX), RFC 7672 section 2.2.1.
 * lookup_mx_step asks for MX, lists the hosts and starts a state machine for each, then moves those
 * (lookup_host.c finds out about each). It says whether anything moved.
 */
#include "lookup/lookup_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Octets that the answer's records take in the arena, and their hosts. */
static size_t mx_octets(const struct dns_answer *answer)
{
    size_t hosts = answer->count < FINDINGS_MAX_HOSTS ? answer->count : FINDINGS_MAX_HOSTS;
    size_t octets = hosts * (sizeof(struct host) + sizeof(struct findings_host));

    for (size_t i = 0; i < answer->count; i++)
        octets += sizeof(struct mx_entry) + ARENA_OCTETS(strlen(answer->records[i].mx.host) + 1);
    return octets;
}

static void take_mx(struct ask *ask, const struct dns_answer *answer)
{
    struct lookup *l = ask->lookup;

    if (answer->status != DNS_FOUND)
        return;
    if (!lookup_has_room(l, mx_octets(answer))) {
        ask_fail_for_room(ask);
        return;
    }
    l->mx_entries = arena_zalloc(&l->arena, answer->count * sizeof *l->mx_entries);
    for (size_t i = 0; l->mx_entries != NULL && i < answer->count; i++) {
        struct mx_entry *entry = &l->mx_entries[l->mx_count++];
        entry->preference = answer->records[i].mx.preference;
        entry->host = arena_string(&l->arena, answer->records[i].mx.host);
        l->out_of_memory |= entry->host == NULL;
    }
    l->out_of_memory |= l->mx_entries == NULL;
}

static int by_preference_then_name(const void *a, const void *b)
{
    const struct mx_entry *x = a, *y = b;

    if (x->preference != y->preference)
        return x->preference < y->preference ? -1 : 1;
    return strcmp(x->host, y->host);
}

/* Sorts, drops the root ("." beside other records names no host, RFC 7505 section 3) and a host's
 * records but its best. */
static void tidy_entries(struct lookup *l)
{
    size_t kept = 0;

    qsort(l->mx_entries, l->mx_count, sizeof *l->mx_entries, by_preference_then_name);
    for (size_t i = 0; i < l->mx_count; i++) {
        bool keep = l->mx_entries[i].host[0] != '\0';
        for (size_t k = 0; keep && k < kept; k++)
            keep = strcmp(l->mx_entries[k].host, l->mx_entries[i].host) != 0;
        if (keep)
            l->mx_entries[kept++] = l->mx_entries[i];
    }
    l->mx_count = kept;
}

static bool list_hosts(struct lookup *l, const struct mx_entry *entries, size_t count)
{
    struct findings_host *out = arena_zalloc(&l->arena, count * sizeof *out);

    l->hosts = arena_zalloc(&l->arena, count * sizeof *l->hosts);
    if (out == NULL || l->hosts == NULL) {
        l->out_of_memory = true;
        l->hosts = NULL;
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        out[i].name = entries[i].host;
        out[i].preference = entries[i].preference;
        l->hosts[i].lookup = l;
        l->hosts[i].out = &out[i];
        l->hosts[i].state = HOST_START;
    }
    l->draft.hosts = out;
    l->draft.host_count = (uint16_t)count;
    return true;
}

static void list_itself(struct lookup *l)
{
    const struct mx_entry self = {.preference = 0, .host = l->nexthop.name};

    list_hosts(l, &self, 1);
}

static void list_mx_hosts(struct lookup *l)
{
    size_t count;

    tidy_entries(l);
    count = l->mx_count;
    if (count > FINDINGS_MAX_HOSTS) {
        char text[80];
        snprintf(text, sizeof text, "only the best %d of %zu MX hosts were looked at",
                 (int)FINDINGS_MAX_HOSTS, count);
        l->draft.failure = arena_string(&l->arena, text);
        l->out_of_memory |= l->draft.failure == NULL;
        count = FINDINGS_MAX_HOSTS;
    }
    if (count > 0)
        list_hosts(l, l->mx_entries, count);
}

static bool is_null_mx(const struct lookup *l)
{
    return l->mx_count == 1 && l->mx_entries[0].host[0] == '\0' && l->mx_entries[0].preference == 0;
}

static void mx_settle(struct lookup *l)
{
    lookup_limit(l, FINDINGS_PART_DANE, lookup_life_of(l, &l->mx));
    switch (l->mx.status) {
    case DNS_FOUND:
        if (is_null_mx(l)) {
            l->draft.mx = FINDINGS_MX_NULL;
            return;
        }
        l->draft.mx =
            ask_security(&l->mx) == DNS_SECURE ? FINDINGS_MX_SECURE : FINDINGS_MX_INSECURE;
        list_mx_hosts(l);
        return;
    case DNS_NODATA:
        l->draft.mx = FINDINGS_MX_ABSENT;
        list_itself(l);
        return;
    case DNS_NXDOMAIN:
        l->draft.mx = FINDINGS_MX_NXDOMAIN;
        return;
    case DNS_FAILED:
    default:
        l->draft.mx = FINDINGS_MX_FAILED;
        l->draft.failure = l->mx.failure;
        return;
    }
}

bool lookup_mx_step(struct lookup *l)
{
    switch (l->mx_state) {
    case MX_START:
        if (l->nexthop.kind == NEXTHOP_DOMAIN) {
            ask_start(&l->mx, l, l->nexthop.name, DNS_TYPE_MX, take_mx, NULL);
            l->mx_state = MX_ASKED;
            return true;
        }
        l->draft.mx = FINDINGS_MX_NOT_ASKED;
        if (l->nexthop.kind == NEXTHOP_HOST)
            list_itself(l);
        l->mx_state = MX_SETTLED;
        return true;
    case MX_ASKED:
        if (!l->mx.done || l->out_of_memory)
            return false;
        mx_settle(l);
        lookup_match_hosts(l);
        l->mx_state = MX_SETTLED;
        return true;
    case MX_SETTLED:
    default:
        return false;
    }
}
