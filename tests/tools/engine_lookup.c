/*
 * Looks next-hops up with the real engine and prints its findings in plain lines; for use by hand
 * and in the lab:
 *
 *   engine_lookup [-r RESOLVER] [-a CA_FILE] [-p HTTPS_PORT] [-t yes|no] [-c NAME] [-e] [-s] [-P]
 *                 [-w NEXTHOP] NEXTHOP...
 *
 * -e stops at the first findings that settle the verdict at level enforce; -w looks a next-hop up
 * before the clock starts, so that the resolver has been checked, as in a daemon that has been
 * running; -s says at the end how many questions were asked; -P then probes the servers, as for
 * mail that requires TLS on a route that can pass REQUIRETLS on, and prints findings when that is
 * settled.
 */
#include "policy/clock.h"
#include "policy/engine.h"
#include "policy/engine_probe.h"
#include "policy/findings_summary.h"
#include "policy/verdict.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct verdict_terms terms = {
    .level = VERDICT_LEVEL_ENFORCE,
    .can = VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_WEB_PKI | VERDICT_CAN_REQUIRETLS,
    .web_pki = true,
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int outstanding;
static int64_t started_ms;
static const struct findings *looked_up; /* the last one, of -P */

static void print_findings(const struct findings *f)
{
    struct verdict verdict;
    char why[512];

    printf("%s: %s, mx %s%s%s%s%s, ttl %u, %lld ms\n", f->nexthop.text,
           findings_summary_name(findings_summarise(f, NULL)), findings_mx_name(f->mx),
           f->security_known ? "" : " (security unknown)", f->failure != NULL ? " (" : "",
           f->failure != NULL ? f->failure : "", f->failure != NULL ? ")" : "", f->ttl_s,
           (long long)(clock_mono_ms() - started_ms));
    for (size_t i = 0; i < f->host_count; i++) {
        const struct findings_host *h = &f->hosts[i];
        printf("  %u %s: a %s, aaaa %s, tlsa %s%s%s%s%s%s\n", h->preference, h->name,
               findings_addr_name(h->a), findings_addr_name(h->aaaa),
               findings_tlsa_state_name(h->tlsa_state), h->tlsa_base != NULL ? " at " : "",
               h->tlsa_base != NULL ? h->tlsa_base : "", h->sts_match ? ", sts match" : "",
               h->failure != NULL ? ", failure " : "", h->failure != NULL ? h->failure : "");
        for (size_t j = 0; j < h->probe_count; j++)
            printf("    probe: %s%s%s\n", findings_probe_result_name(h->probes[j].result),
                   h->probes[j].failure != NULL ? ", " : "",
                   h->probes[j].failure != NULL ? h->probes[j].failure : "");
    }
    printf("  sts: %s %s %s id %s failure %s %s\n",
           f->sts.state == FINDINGS_STS_POLICY    ? "policy"
           : f->sts.state == FINDINGS_STS_NONE    ? "none"
           : f->sts.state == FINDINGS_STS_FAILED  ? "failed"
           : f->sts.state == FINDINGS_STS_PENDING ? "pending"
                                                  : "off",
           findings_sts_mode_name(f->sts.mode), findings_sts_source_name(f->sts.source),
           f->sts.id != NULL ? f->sts.id : "-", findings_sts_failure_name(f->sts.failure),
           f->sts.failure_text != NULL ? f->sts.failure_text : "");
    verdict_derive(f, &terms, &verdict);
    printf("  enforce: %s, %s\n", verdict_value_name(verdict.value),
           verdict_explain(f, &verdict, why, sizeof why));
}

/* Keeps the findings for the probe, which no callback may begin. */
static void on_looked_up(const struct findings *f, void *arg)
{
    (void)arg;

    pthread_mutex_lock(&lock);
    if (f != NULL)
        looked_up = findings_ref(f);
    outstanding--;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static bool on_enough(const struct findings *f, void *arg)
{
    struct verdict verdict;
    (void)arg;

    verdict_derive(f, &terms, &verdict);
    return verdict.value != VERDICT_PENDING;
}

static void on_done(const struct findings *f, void *arg)
{
    pthread_mutex_lock(&lock);
    if (f != NULL)
        print_findings(f);
    else
        printf("%s: no findings\n", (const char *)arg);
    outstanding--;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static void on_log(void *arg, int priority, const char *message)
{
    (void)arg;
    fprintf(stderr, "log %d: %s\n", priority, message);
}

static void on_warm(const struct findings *f, void *arg)
{
    (void)f;
    (void)arg;

    pthread_mutex_lock(&lock);
    outstanding--;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static void look_up(struct engine *engine, const char *name, engine_enough_fn enough,
                    engine_done_fn done)
{
    struct nexthop nexthop;

    pthread_mutex_lock(&lock);
    outstanding++;
    pthread_mutex_unlock(&lock);
    if (nexthop_parse(name, &nexthop) < 0 ||
        engine_lookup(engine, &nexthop, enough, done, (void *)(uintptr_t)name, NULL) < 0)
        done(NULL, (void *)(uintptr_t)name);
}

static void await_all(void)
{
    pthread_mutex_lock(&lock);
    while (outstanding > 0)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void probe(struct engine *engine, const char *name, engine_enough_fn enough)
{
    const struct findings *f;

    look_up(engine, name, enough, on_looked_up);
    await_all();
    f = looked_up;
    looked_up = NULL;
    outstanding++;
    if (f == NULL || engine_probe(engine, f, &terms, on_done, (void *)(uintptr_t)name, NULL) < 0)
        on_done(NULL, (void *)(uintptr_t)name);
    findings_unref(f);
    await_all();
}

static void print_stats(struct engine *engine, const struct engine_stats *before)
{
    struct engine_stats stats;

    engine_get_stats(engine, &stats);
    printf("questions %llu, fetches %llu\n",
           (unsigned long long)(stats.dns_queries - before->dns_queries),
           (unsigned long long)(stats.sts_fetches - before->sts_fetches));
}

int main(int argc, char **argv)
{
    const char *resolvers[2] = {NULL, NULL};
    struct engine_config config;
    struct engine *engine;
    char err[256];
    const char *warm = NULL;
    struct engine_stats before;
    bool early = false, say_stats = false, probes = false;
    int opt;

    engine_config_init(&config);
    config.log = on_log;
    while ((opt = getopt(argc, argv, "r:a:p:t:c:w:esP")) != -1) {
        if (opt == 'r') {
            resolvers[0] = optarg;
            config.resolvers = resolvers;
        } else if (opt == 'a') {
            config.sts_ca_file = optarg;
        } else if (opt == 'p') {
            config.sts_port = (uint16_t)atoi(optarg);
        } else if (opt == 't') {
            config.trust_ad = optarg[0] == 'y' ? ENGINE_TRUST_AD_YES : ENGINE_TRUST_AD_NO;
        } else if (opt == 'c') {
            config.check_name = optarg;
        } else if (opt == 'e') {
            early = true;
        } else if (opt == 'w') {
            warm = optarg;
        } else if (opt == 's') {
            say_stats = true;
        } else if (opt == 'P') {
            probes = true;
        } else {
            return 64;
        }
    }
    if (engine_new(&config, &engine, err, sizeof err) < 0) {
        fprintf(stderr, "engine: %s\n", err);
        return 1;
    }
    if (warm != NULL) {
        look_up(engine, warm, NULL, on_warm);
        await_all();
    }
    engine_get_stats(engine, &before);
    started_ms = clock_mono_ms();
    for (int i = optind; i < argc; i++) {
        if (probes)
            probe(engine, argv[i], early ? on_enough : NULL);
        else
            look_up(engine, argv[i], early ? on_enough : NULL, on_done);
    }
    await_all();
    if (say_stats)
        print_stats(engine, &before);
    engine_free(engine);
    return 0;
}
