/*
 * Whether DNS answers can be believed: an engine of our own asks, with the resolvers that the
 * daemon or the MTA would ask, and says in its warnings what is wrong.
 */
#include "setup/setup.h"

#include "policy/clock.h"
#include "policy/engine.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

enum {
    /* Beyond what the configuration allows one question: something else is wrong then. */
    MARGIN_MS = 5000,
    /* Whatever it allows, who runs the check is to get an answer. */
    WAIT_MAX_MS = 60 * 1000,
};

struct inquiry {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* CLOCK_MONOTONIC */
    bool done;
    char warning[800]; /* the last one that is about us */
};

static void on_log(void *arg, int priority, const char *message)
{
    struct inquiry *inquiry = arg;

    if (priority > LOG_WARNING)
        return;
    pthread_mutex_lock(&inquiry->lock);
    snprintf(inquiry->warning, sizeof(inquiry->warning), "%s", message);
    pthread_mutex_unlock(&inquiry->lock);
}

static void on_inquiry_done(const struct findings *findings, void *arg)
{
    struct inquiry *inquiry = arg;

    (void)findings;
    pthread_mutex_lock(&inquiry->lock);
    inquiry->done = true;
    pthread_cond_signal(&inquiry->changed);
    pthread_mutex_unlock(&inquiry->lock);
}

static void wait_until_done(struct inquiry *inquiry, const struct engine_config *config)
{
    int64_t limit_ms = (int64_t)config->dns_timeout_ms * config->dns_tries + MARGIN_MS;
    struct timespec until;

    if (limit_ms > WAIT_MAX_MS)
        limit_ms = WAIT_MAX_MS;
    until = clock_cond_time(clock_awake_ms() + limit_ms);
    pthread_mutex_lock(&inquiry->lock);
    while (!inquiry->done && pthread_cond_timedwait(&inquiry->changed, &inquiry->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&inquiry->lock);
}

/* Looks up check_name, and tells whether the security of answers is then known. */
static bool security_known(struct engine *engine, const struct engine_config *config,
                           struct inquiry *inquiry)
{
    struct nexthop nexthop;
    struct engine_request *request;

    if (nexthop_parse(config->check_name, &nexthop) != 0 ||
        engine_lookup(engine, &nexthop, NULL, on_inquiry_done, inquiry, &request) != 0)
        return engine_security_known(engine);
    wait_until_done(inquiry, config);
    engine_cancel(engine, request);
    return engine_security_known(engine);
}

/* Adds what an engine with that configuration finds out of its resolvers; `whose` they are. */
static void inquire(struct engine_config config, const char *name, const char *whose,
                    const char *remedy, struct setup_report *report)
{
    struct inquiry inquiry = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct engine *engine;
    char err[300];

    config.store = NULL;
    config.prefetch = false;
    config.sts_enable = false; /* one name's signature is asked for, nothing else */
    config.sts_ca_file = config.sts_ca_path = NULL;
    config.log = on_log;
    config.log_arg = &inquiry;
    clock_cond_init(&inquiry.changed);
    if (engine_new(&config, &engine, err, sizeof(err)) != 0) {
        setup_add(report, SETUP_ERROR, name, "%s: %s", whose, err);
    } else if (security_known(engine, &config, &inquiry)) {
        setup_add(report, SETUP_OK, name, "%s: %s is answered with AD", whose, config.check_name);
        engine_free(engine);
    } else {
        engine_free(engine);
        setup_add(report, SETUP_ERROR, name, "%s: %s", whose,
                  inquiry.warning[0] != '\0' ? inquiry.warning : "no answer");
        setup_remedy(report, "%s", remedy);
    }
    pthread_cond_destroy(&inquiry.changed);
}

void setup_check_resolver(const struct config *config, struct setup_report *report)
{
    inquire(
        config->engine, "resolver", "the filter's resolvers",
        "run a resolver that validates DNSSEC on this host (unbound, knot-resolver) and name it "
        "in /etc/resolv.conf, or in `resolvers` of [dns]",
        report);
}

void setup_check_mta_resolver(const struct config *config, const char *resolv_conf,
                              struct setup_report *report)
{
    struct engine_config engine = config->engine;

    engine.resolvers = NULL;
    engine.resolv_conf = resolv_conf;
    inquire(engine, "mta-resolver", resolv_conf,
            "the MTA asks the resolvers of this file when it delivers: name one that validates on "
            "this host; a copy in a chroot is made anew when Postfix is restarted",
            report);
}
