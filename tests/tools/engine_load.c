/*
 * Looks up many next-hops at once with the real engine and says what that took; for the lab and by
 * hand:
 *
 *   engine_load -r RESOLVER [-a CA_FILE] [-c CALLERS] [-o OUTSTANDING] [-m] < NEXTHOPS
 *
 * Reads one name a line and asks for each CALLERS times (1), all at once or OUTSTANDING at a time.
 * The clock starts when the resolver has been checked. Prints a line for each answer, `name summary
 * enforce-verdict`, and then what was counted; with -m instead of the answers the time that
 * engine_cached takes. Memory is in kilobytes, as the kernel counts it for the process.
 */
#include "load.h"
#include "policy/clock.h"
#include "policy/findings_summary.h"
#include "policy/verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CACHED_ROUNDS = 10 };

static const struct verdict_terms terms = {
    .level = VERDICT_LEVEL_ENFORCE,
    .can = VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_WEB_PKI,
    .web_pki = true,
};

static struct nexthop *names;
static size_t name_count;
static size_t answered;
static bool quiet;

static void on_done(const struct findings *f, void *arg)
{
    const struct nexthop *nexthop = arg;
    struct verdict verdict;

    if (f != NULL && !quiet) {
        verdict_derive(f, &terms, &verdict);
        printf("%s %s %s %s\n", nexthop->text, findings_summary_name(findings_summarise(f, NULL)),
               verdict_value_name(verdict.value),
               f->sts.failure_text != NULL ? f->sts.failure_text : "-");
    } else if (!quiet) {
        printf("%s no-findings -\n", nexthop->text);
    }
    answered += f != NULL;
    load_done();
}

static void ask(struct engine *engine, struct nexthop *nexthop, size_t limit)
{
    load_begin(limit);
    if (engine_lookup(engine, nexthop, NULL, on_done, nexthop, NULL) < 0)
        on_done(NULL, nexthop);
}

/* A figure of /proc/self/status: "VmRSS", "VmHWM". */
static long memory_kb(const char *what)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[200];
    long kb = -1;

    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, what, strlen(what)) == 0)
            kb = atol(line + strlen(what) + 1);
    }
    if (file != NULL)
        fclose(file);
    return kb;
}

static void print_stats(struct engine *engine, const struct engine_stats *before, int64_t ms,
                        long rss_kb)
{
    struct engine_stats after;

    engine_get_stats(engine, &after);
    printf("answered=%zu ms=%lld lookups=%llu questions=%llu fetches=%llu\n", answered,
           (long long)ms, (unsigned long long)(after.lookups - before->lookups),
           (unsigned long long)(after.dns_queries - before->dns_queries),
           (unsigned long long)(after.sts_fetches - before->sts_fetches));
    printf("before_kb=%ld after_kb=%ld peak_kb=%ld entries=%zu\n", rss_kb, memory_kb("VmRSS"),
           memory_kb("VmHWM"), after.cache_entries);
}

static void time_cached(struct engine *engine)
{
    int64_t began_ms = clock_mono_ms();
    size_t found = 0;

    for (int round = 0; round < CACHED_ROUNDS; round++) {
        for (size_t i = 0; i < name_count; i++) {
            const struct findings *f = engine_cached(engine, &names[i]);
            found += f != NULL;
            findings_unref(f);
        }
    }
    printf("cached=%zu cached_ns=%lld\n", found / CACHED_ROUNDS,
           (long long)((clock_mono_ms() - began_ms) * 1000000 /
                       (int64_t)(CACHED_ROUNDS * (name_count ? name_count : 1))));
}

int main(int argc, char **argv)
{
    struct engine_config config;
    struct engine_stats before;
    struct engine *engine;
    struct nexthop warm;
    size_t limit = 0;
    int callers = 1, opt;

    load_config_init(&config);
    config.sts_connect_timeout_ms = config.sts_timeout_ms = 60 * 1000;
    while ((opt = getopt(argc, argv, "r:a:c:o:m")) != -1) {
        if (opt == 'c')
            callers = atoi(optarg);
        else if (opt == 'o')
            limit = (size_t)atol(optarg);
        else if (opt == 'm')
            quiet = true;
        else if (!load_option(&config, opt, optarg))
            return 64;
    }
    if (!load_read_names(&names, &name_count) || nexthop_parse("com", &warm) < 0)
        return 64;
    engine = load_engine_new(&config);
    if (engine == NULL)
        return 1;
    bool was_quiet = quiet;
    quiet = true;
    ask(engine, &warm, 0);
    load_await_all();
    quiet = was_quiet;
    answered = 0;

    long rss_kb = memory_kb("VmRSS");
    int64_t began_ms = clock_mono_ms();
    engine_get_stats(engine, &before);
    for (size_t i = 0; i < name_count; i++)
        for (int caller = 0; caller < callers; caller++)
            ask(engine, &names[i], limit);
    load_await_all();
    print_stats(engine, &before, clock_mono_ms() - began_ms, rss_kb);
    if (quiet)
        time_cached(engine);
    engine_free(engine);
    free(names);
    return 0;
}
