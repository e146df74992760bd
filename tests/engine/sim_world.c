/*
 * The table and the timetable behind scenarios.
 */
#include "sim_world.h"

#include "base/list.h"
#include "policy/findings.h"
#include "store/shared_policy.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Something that will happen. The handle types of struct world are all one of these. */
struct event {
    struct list link;
    struct sim_world *sim;
    int64_t at_ms;
    /* EVENT_READY: a fetch that was not told to go; it happens never, and counts for nothing. */
    enum {
        EVENT_ANSWER,
        EVENT_FETCHED,
        EVENT_TIMER,
        EVENT_READY,
        EVENT_CHECK,
        EVENT_PROBED,
        EVENT_ROW,
        EVENT_DELETED
    } kind;
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
    world_probe_fn on_probed;
    struct world_probe_result probed;
    struct findings_probe probe;
    struct sim_smtp *smtp;
    world_shared_fn on_row;
    world_shared_deleted_fn on_deleted;
    bool has_row, gone;
    struct shared_row row;
    uint8_t *payload;
    void *arg;
};

struct sim_world {
    struct world world; /* first */
    struct list events; /* in the order in which they happen */
    struct sim_dns *dns;
    struct sim_https *https;
    struct sim_smtp *smtp;
    unsigned connected, connections, at_once;
    enum sim_shared shared;
    int64_t shared_delay_ms;
    struct sim_row *rows;
    unsigned rows_asked, rows_found[SHARED_REJECTS];
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

    if (p == NULL)
        p = calloc(1, len);
    if (p == NULL) {
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

static void connection_end(struct event *event)
{
    event->sim->outstanding--;
    event->sim->connections--;
    if (event->smtp != NULL)
        event->smtp->now--;
    event->kind = EVENT_READY; /* counts for nothing any more */
}

static void event_free(struct event *event)
{
    list_remove(&event->link);
    if (event->kind == EVENT_ANSWER || event->kind == EVENT_FETCHED || event->kind == EVENT_ROW ||
        event->kind == EVENT_DELETED)
        event->sim->outstanding--;
    if (event->kind == EVENT_PROBED)
        connection_end(event);
    free(event->records);
    free(event->record_text);
    free(event->body);
    free(event->payload);
    free(event);
}

static struct sim_dns *find_dns(const struct sim_world *sim, const char *name, uint16_t type)
{
    for (struct sim_dns *d = sim->dns; d != NULL; d = d->next) {
        if (d->type == type && strcmp(d->name, name) == 0)
            return d;
    }
    return NULL;
}

static struct sim_https *find_https(const struct sim_world *sim, const char *domain)
{
    for (struct sim_https *h = sim->https; h != NULL; h = h->next) {
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

    if (d != NULL)
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

    if (h != NULL)
        h->fetched++;
    sim->outstanding++;
    event->kind = EVENT_FETCHED;
    place(event, h != NULL ? h->delay_ms : SIM_DELAY_MS);
    if (h != NULL && h->body != NULL) {
        event->body = must_alloc(strlen(h->body) + 1);
        strcpy(event->body, h->body);
    }
    snprintf(event->failure, sizeof event->failure, "%s",
             h != NULL ? h->failure : "policy host does not exist");
    event->result = (struct fetch_result){
        .status = h != NULL ? h->status : FETCH_NO_HOST,
        .body = event->body,
        .body_len = event->body != NULL ? strlen(event->body) : 0,
        .failure = event->failure,
    };
}

static void fetch_cancel(struct world *w, struct world_fetch *handle)
{
    cancel(w, handle);
}

static struct sim_smtp *find_smtp(const struct sim_world *sim, const char *address)
{
    for (struct sim_smtp *s = sim->smtp; s != NULL; s = s->next) {
        if (strcmp(s->address, address) == 0)
            return s;
    }
    return NULL;
}

/* What a server would show that answers in this way. */
static void fill_probe(struct findings_probe *probe, const struct world_probe_target *target)
{
    static const char *const names[] = {"mx.example", "*.example"};
    bool tls = probe->result == FINDINGS_PROBE_OK ||
               probe->result == FINDINGS_PROBE_NOT_AUTHENTICATED ||
               probe->result == FINDINGS_PROBE_NO_REQUIRETLS;

    probe->family = target->ipv6 ? 6 : 4;
    probe->port = target->port;
    memcpy(probe->address, target->address, target->ipv6 ? 16 : 4);
    probe->starttls = tls;
    if (!tls)
        return;
    probe->requiretls = probe->result == FINDINGS_PROBE_OK;
    probe->pipelining = true;
    probe->protocol = "TLSv1.3";
    probe->cipher = "TLS_AES_256_GCM_SHA384";
    probe->names = names;
    probe->name_count = 2;
    probe->has_spki = true;
    probe->spki_sha256[0] = 7;
}

static void note_connection(struct sim_world *sim, struct sim_smtp *smtp)
{
    sim->connected++;
    sim->outstanding++;
    if (++sim->connections > sim->at_once)
        sim->at_once = sim->connections;
    if (smtp == NULL)
        return;
    smtp->connected++;
    if (++smtp->now > smtp->at_once)
        smtp->at_once = smtp->now;
}

static struct world_probe *probe(struct world *w, const struct world_probe_target *target,
                                 world_probe_fn done, void *arg)
{
    char address[INET6_ADDRSTRLEN];
    struct sim_world *sim = sim_of(w);
    struct sim_smtp *smtp;
    struct event *event;

    inet_ntop(target->ipv6 ? AF_INET6 : AF_INET, target->address, address, sizeof address);
    smtp = find_smtp(sim, address);
    if (smtp != NULL && smtp->fails)
        return NULL;
    note_connection(sim, smtp);
    event = schedule(sim, smtp != NULL ? smtp->delay_ms : 10000);
    event->kind = EVENT_PROBED;
    event->on_probed = done;
    event->arg = arg;
    event->smtp = smtp;
    event->probe.result = smtp != NULL ? (uint8_t)smtp->result : FINDINGS_PROBE_UNREACHABLE;
    snprintf(event->failure, sizeof event->failure, "%s",
             smtp != NULL ? smtp->failure : "connection timed out");
    event->probe.failure = event->failure[0] ? event->failure : NULL;
    fill_probe(&event->probe, target);
    event->probed =
        (struct world_probe_result){.local = smtp != NULL && smtp->local, .probe = &event->probe};
    return (struct world_probe *)event;
}

static void probe_cancel(struct world *w, struct world_probe *handle)
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

static bool is_own(struct world *w, const uint8_t *address, bool ipv6)
{
    char text[INET6_ADDRSTRLEN];
    const struct sim_smtp *smtp;

    inet_ntop(ipv6 ? AF_INET6 : AF_INET, address, text, sizeof text);
    smtp = find_smtp(sim_of(w), text);
    return smtp != NULL && smtp->own;
}

/* ---- The shared cache ---- */

static bool shared_is_on(struct world *w)
{
    return sim_of(w)->shared != SIM_SHARED_OFF;
}

/* Something that the server is asked; NULL: there is none. It answers in time, or not at all. */
static struct event *ask_shared(struct sim_world *sim, bool *in_time)
{
    struct event *event;

    *in_time = sim->shared_delay_ms < SIM_SHARED_TIMEOUT_MS;
    if (sim->shared == SIM_SHARED_OFF || sim->shared == SIM_SHARED_DOWN)
        return NULL;
    sim->outstanding++;
    event = schedule(sim, *in_time ? sim->shared_delay_ms : SIM_SHARED_TIMEOUT_MS);
    return event;
}

static struct world_shared *get_row(struct world *w, enum shared_kind kind, const char *name,
                                    world_shared_fn done, void *arg)
{
    struct sim_world *sim = sim_of(w);
    const struct sim_row *row = sim_world_row(sim, kind, name);
    bool in_time;
    struct event *event = ask_shared(sim, &in_time);

    if (event == NULL)
        return NULL;
    sim->rows_asked++;
    event->kind = EVENT_ROW;
    event->on_row = done;
    event->arg = arg;
    event->has_row = row != NULL && in_time && row->ends_at_s > sim->wall_s + sim->now_ms / 1000;
    if (!event->has_row)
        return (struct world_shared *)event;
    event->payload = must_alloc(row->len);
    memcpy(event->payload, row->payload, row->len);
    event->row = (struct shared_row){.kind = kind,
                                     .written_at_s = row->written_at_s,
                                     .ends_at_s = row->ends_at_s,
                                     .payload = event->payload,
                                     .payload_len = row->len};
    return (struct world_shared *)event;
}

static void put_row(struct world *w, enum shared_kind kind, const char *name, const void *payload,
                    size_t len, int64_t ends_at_s)
{
    if (sim_of(w)->shared == SIM_SHARED_UP)
        sim_world_write_row(sim_of(w), kind, name, payload, len, ends_at_s);
}

static struct world_shared *delete_row(struct world *w, enum shared_kind kind, const char *name,
                                       world_shared_deleted_fn done, void *arg)
{
    struct sim_world *sim = sim_of(w);
    struct sim_row *row = sim_world_row(sim, kind, name);
    bool in_time;
    struct event *event = ask_shared(sim, &in_time);

    if (event == NULL)
        return NULL;
    event->kind = EVENT_DELETED;
    event->on_deleted = done;
    event->arg = arg;
    event->gone = in_time && sim->shared == SIM_SHARED_UP;
    if (row != NULL && sim->shared == SIM_SHARED_UP)
        sim_world_delete_row(sim, row);
    return (struct world_shared *)event;
}

static void drop_shared(struct world *w, struct world_shared *handle)
{
    cancel(w, handle);
}

void sim_world_set_shared(struct sim_world *sim, enum sim_shared state, int64_t delay_ms)
{
    sim->shared = state;
    sim->shared_delay_ms = delay_ms;
}

struct sim_row *sim_world_row(const struct sim_world *sim, enum shared_kind kind, const char *name)
{
    for (struct sim_row *row = sim->rows; row != NULL; row = row->next) {
        if (row->kind == kind && strcmp(row->name, name) == 0)
            return row;
    }
    return NULL;
}

struct sim_row *sim_world_rows(const struct sim_world *sim)
{
    return sim->rows;
}

void sim_world_write_row(struct sim_world *sim, enum shared_kind kind, const char *name,
                         const void *payload, size_t len, int64_t ends_at_s)
{
    struct sim_row *row = sim_world_row(sim, kind, name);

    if (row == NULL) {
        row = must_alloc(sizeof *row);
        row->kind = kind;
        snprintf(row->name, sizeof row->name, "%s", name);
        row->next = sim->rows;
        sim->rows = row;
    }
    free(row->payload);
    row->payload = must_alloc(len);
    memcpy(row->payload, payload, len);
    row->len = len;
    row->written_at_s = sim->wall_s + sim->now_ms / 1000;
    row->ends_at_s = ends_at_s;
}

void sim_world_delete_row(struct sim_world *sim, struct sim_row *row)
{
    struct sim_row **at = &sim->rows;

    while (*at != row)
        at = &(*at)->next;
    *at = row->next;
    free(row->payload);
    free(row);
}

void sim_world_share_policy(struct sim_world *sim, const char *domain, const char *id,
                            const char *body, int64_t fetched_at_s, int64_t ends_at_s)
{
    struct shared_policy policy = {
        .fetched_at_s = fetched_at_s, .body = body, .body_len = strlen(body)};
    uint8_t *payload;
    size_t len;

    snprintf(policy.domain, sizeof policy.domain, "%s", domain);
    snprintf(policy.id, sizeof policy.id, "%s", id);
    if (shared_policy_write(&policy, &payload, &len) < 0) {
        fprintf(stderr, "cannot write a policy of %s\n", domain);
        exit(99);
    }
    sim_world_write_row(sim, SHARED_POLICY, domain, payload, len, ends_at_s);
    free(payload);
}

unsigned sim_world_shared_asked(const struct sim_world *sim)
{
    return sim->rows_asked;
}

unsigned sim_world_shared_found(const struct sim_world *sim, enum shared_reject reject)
{
    return sim->rows_found[reject];
}

static void answer_row(struct event *event)
{
    struct sim_world *sim = event->sim;
    enum shared_reject reject = event->on_row(event->has_row ? &event->row : NULL, event->arg);

    if (event->has_row)
        sim->rows_found[reject]++;
}

static const struct world_ops ops = {
    .query = query,
    .query_cancel = query_cancel,
    .check = check,
    .check_cancel = check_cancel,
    .fetch_prepare = fetch_prepare,
    .fetch_go = fetch_go,
    .fetch_cancel = fetch_cancel,
    .probe = probe,
    .probe_cancel = probe_cancel,
    .is_own = is_own,
    .shared_is_on = shared_is_on,
    .shared_get = get_row,
    .shared_put = put_row,
    .shared_delete = delete_row,
    .shared_drop = drop_shared,
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
    while (sim->dns != NULL) {
        struct sim_dns *next = sim->dns->next;
        empty_dns(sim->dns);
        free(sim->dns);
        sim->dns = next;
    }
    while (sim->https != NULL) {
        struct sim_https *next = sim->https->next;
        free(sim->https->body);
        free(sim->https);
        sim->https = next;
    }
    while (sim->rows != NULL)
        sim_world_delete_row(sim, sim->rows);
    while (sim->smtp != NULL) {
        struct sim_smtp *next = sim->smtp->next;
        free(sim->smtp);
        sim->smtp = next;
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

    if (d == NULL) {
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

    if (h == NULL) {
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

struct sim_smtp *sim_world_smtp(struct sim_world *sim, const char *address)
{
    struct sim_smtp *s = find_smtp(sim, address);

    if (s != NULL)
        return s;
    s = must_alloc(sizeof *s);
    snprintf(s->address, sizeof s->address, "%s", address);
    s->delay_ms = SIM_DELAY_MS;
    s->next = sim->smtp;
    sim->smtp = s;
    return s;
}

unsigned sim_world_connected(struct sim_world *sim, const char *address)
{
    return address != NULL ? sim_world_smtp(sim, address)->connected : sim->connected;
}

unsigned sim_world_at_once(struct sim_world *sim, const char *address)
{
    return address != NULL ? sim_world_smtp(sim, address)->at_once : sim->at_once;
}

void sim_world_delay(struct sim_world *sim, const char *name, uint16_t type, int64_t delay_ms)
{
    struct sim_dns *d = find_dns(sim, name, type);

    if (d != NULL)
        d->delay_ms = delay_ms;
}

void sim_world_https_delay(struct sim_world *sim, const char *domain, int64_t delay_ms)
{
    struct sim_https *h = find_https(sim, domain);

    if (h != NULL)
        h->delay_ms = delay_ms;
}

unsigned sim_world_asked(const struct sim_world *sim, const char *name, uint16_t type)
{
    const struct sim_dns *d = name != NULL ? find_dns(sim, name, type) : NULL;
    unsigned total = 0;

    if (name != NULL)
        return d != NULL ? d->asked : 0;
    if (type)
        return sim->asked_by_type[type];
    for (size_t i = 0; i < 65536; i++)
        total += sim->asked_by_type[i];
    return total;
}

unsigned sim_world_fetched(const struct sim_world *sim, const char *domain)
{
    const struct sim_https *h = find_https(sim, domain);

    return h != NULL ? h->fetched : 0;
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
    case EVENT_PROBED:
        connection_end(event);
        event->on_probed(&event->probed, event->arg);
        break;
    case EVENT_ROW:
        answer_row(event);
        break;
    case EVENT_DELETED:
        event->on_deleted(event->gone, event->arg);
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
