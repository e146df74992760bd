/*
 * Probes the servers of many next-hops at once with the real engine; for the lab and by hand:
 *
 *   probe_load -r RESOLVER [-a CA_FILE] [-c CALLERS] [-m PER_MINUTE] < NEXTHOPS
 *
 * Reads one name a line, looks all of them up, and when that is done asks for the probe of each
 * CALLERS times (1), in their order. Prints for each answer `name verdict milliseconds result...`,
 * and then what was counted.
 */
#include "load.h"
#include "policy/clock.h"
#include "policy/engine_probe.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    LOOKUPS_MAX = 50, /* at a time: how much the resolver can take is not what is tested */
};

static const struct verdict_terms terms = {
    .level = VERDICT_LEVEL_ENFORCE,
    .can = VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_WEB_PKI | VERDICT_CAN_REQUIRETLS,
    .web_pki = true,
};

/* One next-hop; of all its requests the last answer is printed, with the longest time. */
struct name {
    const struct nexthop *nexthop;
    const struct findings *found;
    int64_t asked_ms, took_ms;
};

static struct name *names;
static size_t name_count;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* for the names */

/* engine_done_fn, of lookups and of probes */
static void on_done(const struct findings *f, void *arg)
{
    struct name *name = arg;

    pthread_mutex_lock(&lock);
    if (f != NULL) {
        findings_unref(name->found);
        name->found = findings_ref(f);
    }
    name->took_ms = clock_mono_ms() - name->asked_ms;
    pthread_mutex_unlock(&lock);
    load_done();
}

static void look_up(struct engine *engine, struct name *name)
{
    load_begin(LOOKUPS_MAX);
    if (engine_lookup(engine, name->nexthop, NULL, on_done, name, NULL) < 0)
        on_done(NULL, name);
}

/* What was looked up is what is probed for, also when an answer has come meanwhile. */
static void probe(struct engine *engine, struct name *name, int callers)
{
    const struct findings *f = name->found != NULL ? findings_ref(name->found) : NULL;

    name->asked_ms = clock_mono_ms();
    for (int i = 0; i < callers; i++) {
        load_begin(0);
        if (f == NULL || engine_probe(engine, f, &terms, on_done, name, NULL) < 0)
            on_done(NULL, name);
    }
    findings_unref(f);
}

static void print(const struct name *name)
{
    struct verdict verdict = {.value = VERDICT_UNDECIDED};

    if (name->found != NULL)
        verdict_derive(name->found, &terms, &verdict);
    printf("%s %s %lld", name->nexthop->text, verdict_value_name(verdict.value),
           (long long)name->took_ms);
    for (size_t i = 0; name->found != NULL && i < name->found->host_count; i++) {
        const struct findings_host *host = &name->found->hosts[i];

        for (size_t p = 0; p < host->probe_count; p++)
            printf(" %s", findings_probe_result_name(host->probes[p].result));
    }
    printf("\n");
}

static bool read_names(struct nexthop **nexthops)
{
    if (!load_read_names(nexthops, &name_count))
        return false;
    names = calloc(name_count + 1, sizeof(*names));
    for (size_t i = 0; names != NULL && i < name_count; i++)
        names[i].nexthop = &(*nexthops)[i];
    return names != NULL;
}

static void run(struct engine *engine, int callers)
{
    struct engine_stats stats;
    int64_t began_ms = clock_mono_ms(), lookups_ms;

    for (size_t i = 0; i < name_count; i++)
        look_up(engine, &names[i]);
    load_await_all();
    lookups_ms = clock_mono_ms() - began_ms;
    began_ms = clock_mono_ms();
    for (size_t i = 0; i < name_count; i++)
        probe(engine, &names[i], callers);
    load_await_all();
    for (size_t i = 0; i < name_count; i++)
        print(&names[i]);
    engine_get_stats(engine, &stats);
    printf("lookups_ms=%lld ms=%lld probes=%llu left_out=%llu rests=%d\n", (long long)lookups_ms,
           (long long)(clock_mono_ms() - began_ms), (unsigned long long)stats.probes,
           (unsigned long long)stats.probes_left_out, stats.probe_rests);
}

static void on_log(void *arg, int priority, const char *message)
{
    (void)arg;
    (void)priority;
    fprintf(stderr, "%s\n", message);
}

int main(int argc, char **argv)
{
    struct engine_config config;
    struct nexthop *nexthops;
    struct engine *engine;
    int callers = 1, opt;

    load_config_init(&config);
    config.log = on_log;
    while ((opt = getopt(argc, argv, "r:a:c:m:")) != -1) {
        if (opt == 'c')
            callers = atoi(optarg);
        else if (opt == 'm')
            config.probe_per_minute = atoi(optarg);
        else if (!load_option(&config, opt, optarg))
            return 64;
    }
    if (!read_names(&nexthops))
        return 64;
    engine = load_engine_new(&config);
    if (engine == NULL)
        return 1;
    run(engine, callers);
    engine_free(engine);
    for (size_t i = 0; i < name_count; i++)
        findings_unref(names[i].found);
    free(names);
    free(nexthops);
    return 0;
}
