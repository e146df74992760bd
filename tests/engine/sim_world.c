/*
 * The table and the timetable behind scenarios.
 */
#include "sim_world.h"

#include "base/list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Something that will happen. The handle types of struct world are all one of these. */
struct event {
    struct list link;
    struct sim_world *sim;
    int64_t at_ms;
    /* EVENT_READY: a fetch that was not told to go; it happens never, and counts for nothing. */
    enum { EVENT_ANSWER, EVENT_FETCHED, EVENT_TIMER, EVENT_READY, EVENT_CHECK } kind;
    struct dns_answer answer;
    struct fetch_result result;
    char *body;
    char text[SIM_NAME_MAX]; /* canonical name; of a fetch that is ready, its domain */
    char failure[80];
    struct dns_record *records;
    char *record_text;
    world_query_fn on_answer;
    world_fetch_fn on_fetched;
    world_timer_fn on_timer;
    world_check_fn on_checked;
    bool passed;
    void *arg;
};

struct sim_world {
    struct world world; /* first */
    struct list events; /* in the order in which they happen */
    struct sim_dns *dns;
    struct sim_https *https;
    struct sim_dns nothing; /* what names that are not in the table are answered with */
    unsigned asked_by_type[65536];
    unsigned outstanding;
    int64_t now_ms;
    int64_t wall_s;
    uint32_t seed;
    bool security_known;
    unsigned trust_withdrawn;
    bool check_fails;
    int64_t check_delay_ms;
};

/* The clock of the engine does not begin at zero. */
static const int64_t mono_offset_ms = 1000000;

static struct sim_world *sim_of(struct world *w)
{
    return (struct sim_world *)w;
}

static struct event *event_of(struct list *link)
{
    return list_entry(link, struct event, link);
}

/* Twice: the tests of failing allocations make one fail, and this is not what they test. */
static void *must_alloc(size_t len)
{
    void *p = calloc(1, len);

    if (!p)
        p = calloc(1, len);
    if (!p) {
        fprintf(stderr, "out of memory\n");
        exit(99);
    }
    return p;
}

static void place(struct event *event, int64_t delay_ms)
{
    struct sim_world *sim = event->sim;
    struct list *after = sim->events.prev;

    event->at_ms = sim->now_ms + (delay_ms > 0 ? delay_ms : 0);
    while (after != &sim->events && event_of(after)->at_ms > event->at_ms)
        after = after->prev;
    list_append(after->next, &event->link);
}

static struct event *schedule(struct sim_world *sim, int64_t delay_ms)
{
    struct event *event = must_alloc(sizeof *event);

    event->sim = sim;
    place(event, delay_ms);
    return event;
}

static void event_free(struct event *event)
{
    list_remove(&event->link);
    if (event->kind == EVENT_ANSWER || event->kind == EVENT_FETCHED)
        event->sim->outstanding--;
    free(event->records);
    free(event->record_text);
    free(event->body);
    free(event);
}

static struct sim_dns *find_dns(const struct sim_world *sim, const char *name, uint16_t type)
{
    for (struct sim_dns *d = sim->dns; d; d = d->next) {
        if (d->type == type && strcmp(d->name, name) == 0)
            return d;
    }
    return NULL;
}

static struct sim_https *find_https(const struct sim_world *sim, const char *domain)
{
    for (struct sim_https *h = sim->https; h; h = h->next) {
        if (strcmp(h->domain, domain) == 0)
            return h;
    }
    return NULL;
}

/* A copy of an entry's records of its own: the table may change before the answer arrives. */
static void copy_records(struct event *event, const struct sim_dns *from)
{
    size_t text_len = 0;

    if (from->count == 0)
        return;
    event->records = must_alloc(from->count * sizeof *event->records);
    memcpy(event->records, from->records, from->count * sizeof *event->records);
    for (size_t i = 0; i < from->count; i++)
        text_len += SIM_NAME_MAX;
    event->record_text = must_alloc(text_len);
    memcpy(event->record_text, from->text, text_len);
    for (size_t i = 0; i < from->count; i++) {
        struct dns_record *r = &event->records[i];
        char *text = event->record_text + i * SIM_NAME_MAX;
        if (from->type == DNS_TYPE_MX)
            r->mx.host = text;
        else if (from->type == DNS_TYPE_CNAME)
            r->cname = text;
        else if (from->type == DNS_TYPE_TXT)
            r->txt.text = text;
        else if (from->type == DNS_TYPE_TLSA)
            r->tlsa.data = (const uint8_t *)text;
    }
}

static struct world_query *query(struct world *w, const char *nexthop, const char *name,
                                 uint16_t type, world_query_fn done, void *arg)
{
    struct sim_world *sim = sim_of(w);
    struct sim_dns *d = find_dns(sim, name, type);
    struct event *event;
    (void)nexthop;

    if (d)
        d->asked++;
    else
        d = &sim->nothing;
    sim->asked_by_type[type]++;
    sim->outstanding++;
    event = schedule(sim, d->delay_ms);
    event->kind = EVENT_ANSWER;
    event->on_answer = done;
    event->arg = arg;
    copy_records(event, d);
    snprintf(event->text, sizeof event->text, "%s", d->alias[0] ? d->alias : name);
    snprintf(event->failure, sizeof event->failure, "%s", d->failure);
    event->answer = (struct dns_answer){
        .status = d->status,
        .security = sim->security_known ? d->security : DNS_UNKNOWN,
        .ttl_s = d->ttl_s,
        .alias = d->alias[0] != '\0',
        .canonical = event->text,
        .count = d->count,
        .records = event->records,
        .failure = d->status == DNS_FAILED ? event->failure : NULL,
    };
    return (struct world_query *)event;
}

static void cancel(struct world *w, void *handle)
{
    (void)w;
    event_free(handle);
}

static void query_cancel(struct world *w, struct world_query *handle)
{
    cancel(w, handle);
}

static struct world_check *check(struct world *w, uint32_t resolver, world_check_fn done, void *arg)
{
    struct sim_world *sim = sim_of(w);
    struct event *event = schedule(sim, sim->check_delay_ms);

    (void)resolver;
    event->kind = EVENT_CHECK;
    event->on_checked = done;
    event->arg = arg;
    event->passed = !sim->check_fails;
    return (struct world_check *)event;
}

static void check_cancel(struct world *w, struct world_check *handle)
{
    cancel(w, handle);
}

static struct world_fetch *fetch_prepare(struct world *w, const char *domain, world_fetch_fn done,
                                         void *arg)
{
    struct event *event = must_alloc(sizeof *event);

    list_init(&event->link);
    event->sim = sim_of(w);
    event->kind = EVENT_READY;
    event->on_fetched = done;
    event->arg = arg;
    snprintf(event->text, sizeof event->text, "%s", domain);
    return (struct world_fetch *)event;
}

static void fetch_go(struct world *w, struct world_fetch *handle)
{
    struct sim_world *sim = sim_of(w);
    struct event *event = (struct event *)handle;
    struct sim_https *h = find_https(sim, event->text);

    if (h)
        h->fetched++;
    sim->outstanding++;
    event->kind = EVENT_FETCHED;
    place(event, h ? h->delay_ms : SIM_DELAY_MS);
    if (h && h->body) {
        event->body = must_alloc(strlen(h->body) + 1);
        strcpy(event->body, h->body);
    }
    snprintf(event->failure, sizeof event->failure, "%s",
             h ? h->failure : "policy host does not exist");
    event->result = (struct fetch_result){
        .status = h ? h->status : FETCH_NO_HOST,
        .body = event->body,
        .body_len = event->body ? strlen(event->body) : 0,
        .failure = event->failure,
    };
}

static void fetch_cancel(struct world *w, struct world_fetch *handle)
{
    cancel(w, handle);
}

static struct world_timer *timer(struct world *w, int64_t delay_ms, world_timer_fn fire, void *arg)
{
    struct event *event = schedule(sim_of(w), delay_ms);

    event->kind = EVENT_TIMER;
    event->on_timer = fire;
    event->arg = arg;
    return (struct world_timer *)event;
}

static void timer_cancel(struct world *w, struct world_timer *handle)
{
    cancel(w, handle);
}

static int64_t mono_ms(struct world *w)
{
    return sim_of(w)->now_ms + mono_offset_ms;
}

static int64_t wall_s(struct world *w)
{
    return sim_of(w)->wall_s + sim_of(w)->now_ms / 1000;
}

static bool security_known(struct world *w)
{
    return sim_of(w)->security_known;
}

static unsigned trust_withdrawn(struct world *w)
{
    return sim_of(w)->trust_withdrawn;
}

static uint32_t random_below(struct world *w, uint32_t below)
{
    struct sim_world *sim = sim_of(w);

    sim->seed = sim->seed * 1103515245 + 12345;
    return below ? (sim->seed >> 8) % below : 0;
}

static const struct world_ops ops = {
    .query = query,
    .query_cancel = query_cancel,
    .check = check,
    .check_cancel = check_cancel,
    .fetch_prepare = fetch_prepare,
    .fetch_go = fetch_go,
    .fetch_cancel = fetch_cancel,
    .timer = timer,
    .timer_cancel = timer_cancel,
    .mono_ms = mono_ms,
    .wall_s = wall_s,
    .security_known = security_known,
    .trust_withdrawn = trust_withdrawn,
    .random = random_below,
};

struct sim_world *sim_world_new(void)
{
    struct sim_world *sim = must_alloc(sizeof *sim);

    sim->world.ops = &ops;
    list_init(&sim->events);
    sim->wall_s = 1700000000;
    sim->seed = 1;
    sim->security_known = true;
    sim->nothing = (struct sim_dns){
        .status = DNS_NXDOMAIN, .security = DNS_INSECURE, .ttl_s = 300, .delay_ms = SIM_DELAY_MS};
    return sim;
}

static void empty_dns(struct sim_dns *d)
{
    free(d->records);
    free(d->text);
    d->records = NULL;
    d->text = NULL;
    d->count = 0;
}

void sim_world_free(struct sim_world *sim)
{
    while (!list_empty(&sim->events))
        event_free(event_of(sim->events.next));
    while (sim->dns) {
        struct sim_dns *next = sim->dns->next;
        empty_dns(sim->dns);
        free(sim->dns);
        sim->dns = next;
    }
    while (sim->https) {
        struct sim_https *next = sim->https->next;
        free(sim->https->body);
        free(sim->https);
        sim->https = next;
    }
    free(sim);
}

struct world *sim_world_world(struct sim_world *sim)
{
    return &sim->world;
}

struct sim_dns *sim_world_dns(struct sim_world *sim, const char *name, uint16_t type)
{
    struct sim_dns *d = find_dns(sim, name, type);

    if (!d) {
        d = must_alloc(sizeof *d);
        snprintf(d->name, sizeof d->name, "%s", name);
        d->type = type;
        d->next = sim->dns;
        sim->dns = d;
    }
    empty_dns(d);
    d->status = DNS_FOUND;
    d->security = DNS_INSECURE;
    d->ttl_s = 3600;
    d->delay_ms = SIM_DELAY_MS;
    d->alias[0] = d->failure[0] = '\0';
    return d;
}

struct sim_https *sim_world_https(struct sim_world *sim, const char *domain)
{
    struct sim_https *h = find_https(sim, domain);

    if (!h) {
        h = must_alloc(sizeof *h);
        snprintf(h->domain, sizeof h->domain, "%s", domain);
        h->next = sim->https;
        sim->https = h;
    }
    free(h->body);
    h->body = NULL;
    h->failure[0] = '\0';
    h->delay_ms = SIM_DELAY_MS;
    return h;
}

void sim_world_delay(struct sim_world *sim, const char *name, uint16_t type, int64_t delay_ms)
{
    struct sim_dns *d = find_dns(sim, name, type);

    if (d)
        d->delay_ms = delay_ms;
}

void sim_world_https_delay(struct sim_world *sim, const char *domain, int64_t delay_ms)
{
    struct sim_https *h = find_https(sim, domain);

    if (h)
        h->delay_ms = delay_ms;
}

unsigned sim_world_asked(const struct sim_world *sim, const char *name, uint16_t type)
{
    const struct sim_dns *d = name ? find_dns(sim, name, type) : NULL;
    unsigned total = 0;

    if (name)
        return d ? d->asked : 0;
    if (type)
        return sim->asked_by_type[type];
    for (size_t i = 0; i < 65536; i++)
        total += sim->asked_by_type[i];
    return total;
}

unsigned sim_world_fetched(const struct sim_world *sim, const char *domain)
{
    const struct sim_https *h = find_https(sim, domain);

    return h ? h->fetched : 0;
}

unsigned sim_world_outstanding(const struct sim_world *sim)
{
    return sim->outstanding;
}

void sim_world_set_security(struct sim_world *sim, bool known)
{
    sim->security_known = known;
}

void sim_world_set_check(struct sim_world *sim, bool passes, int64_t delay_ms)
{
    sim->check_fails = !passes;
    sim->check_delay_ms = delay_ms;
}

void sim_world_withdraw_trust(struct sim_world *sim)
{
    sim->trust_withdrawn++;
}

void sim_world_step_wall(struct sim_world *sim, int64_t seconds)
{
    sim->wall_s += seconds;
}

int64_t sim_world_now(const struct sim_world *sim)
{
    return sim->now_ms;
}

/* The handle is dead before its callback runs, as world.h says; its answer lives until after. */
static void happen(struct event *event)
{
    list_remove(&event->link);
    switch (event->kind) {
    case EVENT_ANSWER:
        event->on_answer(&event->answer, event->arg);
        break;
    case EVENT_FETCHED:
        event->on_fetched(&event->result, event->arg);
        break;
    case EVENT_TIMER:
        event->on_timer(event->arg);
        break;
    case EVENT_CHECK:
        event->on_checked(event->passed, event->arg);
        break;
    case EVENT_READY: /* never comes to pass */
        break;
    }
    event_free(event);
}

void sim_world_run(struct sim_world *sim, int64_t ms)
{
    int64_t until_ms = sim->now_ms + ms;

    while (!list_empty(&sim->events) && event_of(sim->events.next)->at_ms <= until_ms) {
        struct event *event = event_of(sim->events.next);
        sim->now_ms = event->at_ms;
        happen(event);
    }
    sim->now_ms = until_ms;
}
