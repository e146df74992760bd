/*
 * An entry for each domain: while its query is in flight it has waiters (tlsrpt_lookups_ask), then
 * it is kept, the one used last at the end of a list, until it is over, forgotten, or the first of
 * the list when there is no more room (make_room). on_answer leads from the one to the other.
 */
#include "lookup/tlsrpt_lookup.h"

#include "base/table.h"
#include "lookup/lookup_internal.h"
#include "lookup/tlsrpt_record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char record_prefix[] = "_smtp._tls.";

struct tlsrpt_lookups {
    struct world *world;
    struct counters *counters;
    int64_t negative_ttl_ms, max_ttl_ms;
    struct table table;
    struct list kept;      /* by use */
    struct list in_flight; /* forgotten ones, too */
    size_t in_flight_count;
    size_t octets; /* of what is kept */
};

struct entry {
    struct tlsrpt_lookups *lookups;
    struct table_node node; /* unless forgotten */
    struct list link;       /* in kept or in_flight */
    bool forgotten;         /* while in flight */

    struct world_query *query; /* in flight, else NULL */
    uint8_t restarts;          /* at an alias that the resolver did not follow */
    struct list waiters;

    char *record; /* of what is kept; NULL: there is none */
    size_t octets;
    int64_t ends_ms;
    char domain[];
};

static int64_t now_ms(const struct tlsrpt_lookups *lookups)
{
    return lookups->world->ops->mono_ms(lookups->world);
}

static struct entry *entry_of(struct list *link)
{
    return list_entry(link, struct entry, link);
}

static struct entry *find(const struct tlsrpt_lookups *lookups, const char *domain)
{
    struct table_node *node = table_find(&lookups->table, domain);

    return node != NULL ? list_entry(node, struct entry, node) : NULL;
}

static void entry_free(struct entry *entry)
{
    struct tlsrpt_lookups *lookups = entry->lookups;

    if (!entry->forgotten)
        table_remove(&lookups->table, &entry->node);
    lookups->octets -= entry->octets;
    list_remove(&entry->link);
    free(entry->record);
    free(entry);
}

static void make_room(struct tlsrpt_lookups *lookups)
{
    while (lookups->octets > TLSRPT_LOOKUPS_OCTETS_MAX && !list_empty(&lookups->kept))
        entry_free(entry_of(lookups->kept.next));
}

/* The entry may be freed. */
static void keep(struct entry *entry, int64_t life_ms)
{
    struct tlsrpt_lookups *lookups = entry->lookups;
    size_t len = strlen(entry->domain),
           record = entry->record != NULL ? strlen(entry->record) + 1 : 0;

    if (entry->forgotten || life_ms <= 0) {
        entry_free(entry);
        return;
    }
    entry->ends_ms = now_ms(lookups) + life_ms;
    entry->octets = sizeof(*entry) + ARENA_OCTETS(len + 1) + ARENA_OCTETS(record);
    lookups->octets += entry->octets;
    list_append(&lookups->kept, &entry->link);
    make_room(lookups);
}

static void tell(struct list *waiters, const char *record)
{
    struct list *link;

    while ((link = list_shift(waiters)) != NULL) {
        struct tlsrpt_waiter *waiter = list_entry(link, struct tlsrpt_waiter, link);

        waiter->done(record, waiter->arg);
    }
}

/* In flight no more: those who wait are told, and it is kept for so long. */
static void settle(struct entry *entry, char *record, int64_t life_ms)
{
    struct tlsrpt_lookups *lookups = entry->lookups;

    tell(&entry->waiters, record);
    lookups->in_flight_count--;
    list_remove(&entry->link);
    entry->record = record;
    keep(entry, life_ms);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t life_of(const struct tlsrpt_lookups *lookups, const struct dns_answer *answer,
                       bool found)
{
    int64_t life_ms = least((int64_t)answer->ttl_s * 1000, lookups->max_ttl_ms);

    if (answer->status == DNS_FAILED)
        life_ms = LOOKUP_FAILURE_LIFE_MS;
    return found ? life_ms : least(life_ms, lookups->negative_ttl_ms);
}

static bool query(struct entry *entry, const char *name);

/* An alias whose target the resolver has not looked up (lookup_ask.c); whether that is done now. */
static bool follow(struct entry *entry, const struct dns_answer *answer)
{
    bool cut_short = answer->status == DNS_NODATA && answer->alias && answer->ttl_s == 0;

    if (!cut_short || entry->restarts == ASK_RESTARTS_MAX)
        return false;
    entry->restarts++;
    return query(entry, answer->canonical);
}

/* world_query_fn */
static void on_answer(const struct dns_answer *answer, void *arg)
{
    struct entry *entry = arg;
    struct tlsrpt_lookups *lookups = entry->lookups;
    const struct dns_record *found = tlsrpt_record_find(answer);
    char *record = NULL;

    entry->query = NULL;
    atomic_fetch_sub_explicit(&lookups->counters->dns_outstanding, 1, memory_order_relaxed);
    counters_dns(lookups->counters, DNS_TYPE_TXT, answer->status);
    if (follow(entry, answer))
        return;
    if (found != NULL) {
        record = calloc(1, (size_t)found->txt.len + 1);
        if (record == NULL) {
            settle(entry, NULL, 0);
            return;
        }
        memcpy(record, found->txt.text, found->txt.len);
    }
    settle(entry, record, life_of(lookups, answer, record != NULL));
}

static bool query(struct entry *entry, const char *name)
{
    struct tlsrpt_lookups *lookups = entry->lookups;
    struct world *world = lookups->world;

    entry->query = world->ops->query(world, entry->domain, name, DNS_TYPE_TXT, on_answer, entry);
    if (entry->query == NULL)
        return false;
    counters_add(&lookups->counters->dns_queries, 1);
    atomic_fetch_add_explicit(&lookups->counters->dns_outstanding, 1, memory_order_relaxed);
    return true;
}

int tlsrpt_lookups_new(struct world *world, struct counters *counters, struct tlsrpt_lookups **out)
{
    struct tlsrpt_lookups *lookups = calloc(1, sizeof(*lookups));
    int error;

    if (lookups == NULL)
        return -ENOMEM;
    lookups->world = world;
    lookups->counters = counters;
    list_init(&lookups->kept);
    list_init(&lookups->in_flight);
    error = table_init(&lookups->table);
    if (error < 0) {
        free(lookups);
        return error;
    }
    *out = lookups;
    return 0;
}

void tlsrpt_lookups_free(struct tlsrpt_lookups *lookups)
{
    struct list *link;

    if (lookups == NULL)
        return;
    while ((link = list_shift(&lookups->in_flight)) != NULL) {
        struct entry *entry = entry_of(link);

        lookups->world->ops->query_cancel(lookups->world, entry->query);
        atomic_fetch_sub_explicit(&lookups->counters->dns_outstanding, 1, memory_order_relaxed);
        tell(&entry->waiters, NULL);
        entry_free(entry);
    }
    while ((link = list_shift(&lookups->kept)) != NULL)
        entry_free(entry_of(link));
    table_fini(&lookups->table);
    free(lookups);
}

void tlsrpt_lookups_configure(struct tlsrpt_lookups *lookups, int64_t negative_ttl_ms,
                              int64_t max_ttl_ms)
{
    lookups->negative_ttl_ms = negative_ttl_ms;
    lookups->max_ttl_ms = max_ttl_ms;
}

/* An entry whose query is in flight; NULL: out of memory. */
static struct entry *begin(struct tlsrpt_lookups *lookups, const char *domain, const char *name)
{
    size_t len = strlen(domain);
    struct entry *entry = calloc(1, sizeof(*entry) + len + 1);

    if (entry == NULL)
        return NULL;
    entry->lookups = lookups;
    memcpy(entry->domain, domain, len + 1);
    list_init(&entry->link);
    list_init(&entry->waiters);
    if (!query(entry, name)) {
        free(entry);
        return NULL;
    }
    table_add(&lookups->table, &entry->node, entry->domain);
    list_append(&lookups->in_flight, &entry->link);
    lookups->in_flight_count++;
    return entry;
}

int tlsrpt_lookups_ask(struct tlsrpt_lookups *lookups, const char *domain,
                       struct tlsrpt_waiter *waiter, const char **record)
{
    struct entry *entry = find(lookups, domain);
    char name[ASK_NAME_MAX];

    *record = NULL;
    list_init(&waiter->link);
    if (entry != NULL && entry->query == NULL && entry->ends_ms <= now_ms(lookups)) {
        entry_free(entry);
        entry = NULL;
    }
    if (entry != NULL && entry->query == NULL) {
        list_remove(&entry->link);
        list_append(&lookups->kept, &entry->link);
        *record = entry->record;
        return 1;
    }
    if (entry == NULL) {
        snprintf(name, sizeof(name), "%s%s", record_prefix, domain);
        if (strlen(name) > NEXTHOP_NAME_MAX)
            return 1; /* no such name can exist (RFC 1035 section 2.3.4) */
        if (lookups->in_flight_count >= TLSRPT_LOOKUPS_IN_FLIGHT_MAX)
            return -EAGAIN;
        entry = begin(lookups, domain, name);
        if (entry == NULL)
            return -ENOMEM;
    }
    list_append(&entry->waiters, &waiter->link);
    return 0;
}

void tlsrpt_lookups_drop(struct tlsrpt_waiter *waiter)
{
    list_remove(&waiter->link);
}

bool tlsrpt_lookups_forget(struct tlsrpt_lookups *lookups, const char *domain)
{
    struct entry *entry = find(lookups, domain);

    if (entry == NULL)
        return false;
    if (entry->query == NULL) {
        entry_free(entry);
        return true;
    }
    table_remove(&lookups->table, &entry->node);
    entry->forgotten = true;
    return false;
}
