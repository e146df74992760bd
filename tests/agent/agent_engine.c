/*
 * agent_engine_add freezes findings into a table, by next-hop. engine_cached answers from it at
 * once; engine_lookup begins a thread that calls back after a moment, or never; engine_cancel waits
 * until a callback has returned.
 */
#include "agent_engine.h"

#include "findings/findings_make.h"
#include "policy/clock.h"
#include "policy/engine_probe.h"
#include "policy/engine_tlsrpt.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ENTRIES_MAX = 2000, ADDRESSES_ROOM = 512 };

struct entry {
    char nexthop[NEXTHOP_TEXT_MAX + 1];
    const struct findings *findings; /* NULL: nothing */
    bool cached, never;
};

struct engine {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct entry entries[ENTRIES_MAX];
    size_t count;
};

struct engine_request {
    struct engine *engine;
    const struct findings *answer;
    engine_enough_fn enough;
    engine_done_fn done;
    void *arg;
    bool running, called, cancelled, given_back;
};

/* ---- What it is told ---- */

struct draft {
    struct findings findings;
    struct findings_host hosts[FINDINGS_MAX_HOSTS];
    char names[FINDINGS_MAX_HOSTS][NEXTHOP_NAME_MAX + 1];
    struct findings_tlsa tlsa[FINDINGS_MAX_HOSTS][4];
    uint8_t digests[FINDINGS_MAX_HOSTS][4][32];
    uint8_t addresses[FINDINGS_MAX_HOSTS][ADDRESSES_ROOM] __attribute__((aligned(8)));
};

static void die(const char *what)
{
    fprintf(stderr, "agent_client: what is %s?\n", what);
    exit(64);
}

static void add_tlsa(struct draft *draft, size_t host, const char *hex)
{
    struct findings_host *h = &draft->hosts[host];
    uint8_t *digest = draft->digests[host][h->tlsa_count];

    for (size_t i = 0; i < 32; i++) {
        unsigned octet = 0;

        if (sscanf(hex + 2 * i, "%2x", &octet) != 1)
            die(hex);
        digest[i] = (uint8_t)octet;
    }
    draft->tlsa[host][h->tlsa_count++] = (struct findings_tlsa){3, 1, 1, true, 32, digest};
    h->tlsa = draft->tlsa[host];
    h->tlsa_base = draft->names[host];
    h->tlsa_state = FINDINGS_TLSA_USABLE;
}

static void add_address(struct draft *draft, size_t host, const char *text)
{
    struct findings_host *h = &draft->hosts[host];
    struct findings_addresses *all = (void *)draft->addresses[host];
    uint8_t address[16];

    if (inet_pton(AF_INET, text, address) == 1) {
        /* IPv4 comes first. */
        memmove(&all->octets[4 * (all->a_count + 1)], &all->octets[4 * all->a_count],
                (size_t)16 * all->aaaa_count);
        memcpy(&all->octets[4 * all->a_count++], address, 4);
        h->a = FINDINGS_ADDR_SECURE;
    } else if (inet_pton(AF_INET6, text, address) == 1) {
        memcpy(&all->octets[4 * all->a_count + 16 * all->aaaa_count++], address, 16);
        h->aaaa = FINDINGS_ADDR_SECURE;
    } else {
        die(text);
    }
    h->addresses = all;
}

static void add_host(struct draft *draft, char *text)
{
    size_t host = draft->findings.host_count++;
    struct findings_host *h = &draft->hosts[host];
    char *save, *word = strtok_r(text, ",", &save);

    snprintf(draft->names[host], sizeof(draft->names[host]), "%s", word);
    *h = (struct findings_host){.name = draft->names[host],
                                .a = FINDINGS_ADDR_ABSENT,
                                .aaaa = FINDINGS_ADDR_ABSENT,
                                .tlsa_state = FINDINGS_TLSA_NONE};
    word = strtok_r(NULL, ",", &save);
    h->preference = (uint16_t)atoi(word);
    while ((word = strtok_r(NULL, ",", &save)) != NULL) {
        if (strncmp(word, "tlsa=", 5) == 0)
            add_tlsa(draft, host, word + 5);
        else if (strcmp(word, "match") == 0)
            h->sts_match = true;
        else if (strcmp(word, "failed") == 0)
            h->a = FINDINGS_ADDR_FAILED;
        else
            add_address(draft, host, word);
    }
}

static uint8_t mx_of(const char *name)
{
    static const struct {
        const char *name;
        enum findings_mx mx;
    } known[] = {
        {"secure", FINDINGS_MX_SECURE},       {"insecure", FINDINGS_MX_INSECURE},
        {"absent", FINDINGS_MX_ABSENT},       {"null", FINDINGS_MX_NULL},
        {"nxdomain", FINDINGS_MX_NXDOMAIN},   {"failed", FINDINGS_MX_FAILED},
        {"not-asked", FINDINGS_MX_NOT_ASKED},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].name, name) == 0)
            return (uint8_t)known[i].mx;
    }
    die(name);
    return 0;
}

void agent_engine_add(struct engine *engine, const char *nexthop, char *words[], size_t count)
{
    static const char *const patterns[] = {"*.test"};
    struct draft *draft = calloc(1, sizeof(*draft));
    struct entry entry = {.cached = false};
    struct nexthop parsed;
    bool nothing = false;
    size_t at = 0;

    if (nexthop_parse(nexthop, &parsed) != 0)
        die(nexthop);
    snprintf(entry.nexthop, sizeof(entry.nexthop), "%s", parsed.text);
    draft->findings = (struct findings){
        .nexthop = {parsed.name, parsed.text, parsed.port, (uint8_t)parsed.kind},
        .mx = FINDINGS_MX_SECURE,
        .security_known = true,
        .hosts = draft->hosts,
        .sts = {.state = FINDINGS_STS_NONE},
        .ttl_s = 3600,
    };
    for (size_t i = 0; i < count; i++) {
        char *word = words[i];

        if (strncmp(word, "mx=", 3) == 0)
            draft->findings.mx = mx_of(word + 3);
        else if (strncmp(word, "host=", 5) == 0)
            add_host(draft, word + 5);
        else if (strcmp(word, "sts=enforce") == 0)
            draft->findings.sts = (struct findings_sts){.state = FINDINGS_STS_POLICY,
                                                        .mode = FINDINGS_STS_MODE_ENFORCE,
                                                        .mx = patterns,
                                                        .mx_count = 1,
                                                        .id_current = true};
        else if (strcmp(word, "unknown") == 0)
            draft->findings.security_known = false;
        else if (strcmp(word, "cached") == 0)
            entry.cached = true;
        else if (strcmp(word, "never") == 0)
            entry.never = true;
        else if (strcmp(word, "nothing") == 0)
            nothing = true;
        else
            die(word);
    }
    entry.findings = nothing ? NULL : findings_freeze(&draft->findings);
    free(draft);
    pthread_mutex_lock(&engine->lock);
    while (at < engine->count && strcmp(engine->entries[at].nexthop, entry.nexthop) != 0)
        at++;
    if (at == ENTRIES_MAX)
        die("one more next-hop");
    if (at == engine->count)
        engine->count++;
    else
        findings_unref(engine->entries[at].findings);
    engine->entries[at] = entry;
    pthread_mutex_unlock(&engine->lock);
}

struct engine *agent_engine_new(void)
{
    struct engine *engine = calloc(1, sizeof(*engine));

    pthread_mutex_init(&engine->lock, NULL);
    pthread_cond_init(&engine->changed, NULL);
    return engine;
}

void agent_engine_free(struct engine *engine)
{
    for (size_t i = 0; i < engine->count; i++)
        findings_unref(engine->entries[i].findings);
    pthread_cond_destroy(&engine->changed);
    pthread_mutex_destroy(&engine->lock);
    free(engine);
}

/* ---- What it is asked ---- */

static const struct entry *find(struct engine *engine, const struct nexthop *nexthop)
{
    for (size_t i = 0; i < engine->count; i++) {
        if (strcmp(engine->entries[i].nexthop, nexthop->text) == 0)
            return &engine->entries[i];
    }
    die(nexthop->text);
    return NULL;
}

const struct findings *engine_cached(struct engine *engine, const struct nexthop *nexthop)
{
    const struct findings *findings = NULL;
    const struct entry *entry;

    pthread_mutex_lock(&engine->lock);
    entry = find(engine, nexthop);
    if (entry->cached)
        findings = findings_ref(entry->findings);
    pthread_mutex_unlock(&engine->lock);
    return findings;
}

static void *answer(void *arg)
{
    struct engine_request *request = arg;
    struct engine *engine = request->engine;
    const struct timespec moment = {.tv_nsec = 20 * 1000 * 1000};
    bool calls;

    nanosleep(&moment, NULL);
    pthread_mutex_lock(&engine->lock);
    calls = !request->cancelled;
    request->running = calls;
    pthread_mutex_unlock(&engine->lock);
    if (calls) {
        if (request->answer != NULL && request->enough != NULL)
            request->enough(request->answer, request->arg);
        request->done(request->answer, request->arg);
    }
    pthread_mutex_lock(&engine->lock);
    request->running = false;
    request->called = true;
    while (!request->given_back)
        pthread_cond_wait(&engine->changed, &engine->lock);
    pthread_mutex_unlock(&engine->lock);
    findings_unref(request->answer);
    free(request);
    return NULL;
}

int engine_lookup(struct engine *engine, const struct nexthop *nexthop, engine_enough_fn enough,
                  engine_done_fn done, void *arg, struct engine_request **out)
{
    struct engine_request *request = calloc(1, sizeof(*request));
    const struct entry *entry;
    pthread_t thread;
    bool never;

    pthread_mutex_lock(&engine->lock);
    entry = find(engine, nexthop);
    *request =
        (struct engine_request){.engine = engine, .enough = enough, .done = done, .arg = arg};
    request->answer = entry->findings != NULL ? findings_ref(entry->findings) : NULL;
    never = entry->never;
    pthread_mutex_unlock(&engine->lock);
    *out = request;
    if (never) {
        request->cancelled = true;
        return 0;
    }
    if (pthread_create(&thread, NULL, answer, request) != 0)
        die("a thread");
    pthread_detach(thread);
    return 0;
}

unsigned engine_probe_configured(struct engine *engine)
{
    (void)engine;
    return 0;
}

void engine_probe_note(struct engine *engine, struct smtp_transport *transport,
                       const struct engine_probe_peer *peer, unsigned configured)
{
    (void)engine;
    (void)transport;
    (void)peer;
    (void)configured;
}

void engine_cancel(struct engine *engine, struct engine_request *request)
{
    bool never = request->cancelled;

    pthread_mutex_lock(&engine->lock);
    request->cancelled = true;
    pthread_mutex_unlock(&engine->lock);
    for (bool running = true; running;) {
        const struct timespec moment = {.tv_nsec = 1000 * 1000};

        pthread_mutex_lock(&engine->lock);
        running = request->running;
        if (!running && !never) {
            request->given_back = true;
            pthread_cond_broadcast(&engine->changed);
        }
        pthread_mutex_unlock(&engine->lock);
        if (running)
            nanosleep(&moment, NULL);
    }
    if (never) {
        findings_unref(request->answer);
        free(request);
    }
}

void engine_release(struct engine_request *request)
{
    engine_cancel(request->engine, request);
}

/* TLSRPT is off. */
int engine_tlsrpt(struct engine *engine, const char *domain, engine_tlsrpt_fn done, void *arg,
                  struct engine_tlsrpt_request **out)
{
    (void)engine;
    (void)domain;
    (void)done;
    (void)arg;
    (void)out;
    return -ENOMEM;
}

void engine_tlsrpt_cancel(struct engine *engine, struct engine_tlsrpt_request *request)
{
    (void)engine;
    (void)request;
}
