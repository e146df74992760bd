/*
 * Whether DNS answers can be believed: an engine of our own asks, with the resolvers that the
 * daemon or the MTA would ask, and says in its warnings what is wrong.
 */
#include "setup/setup.h"

#include "policy/clock.h"
#include "policy/engine.h"
#include "setup/setup_edit.h"

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

/* Whether an engine with that configuration finds that its resolvers validate; what it says of them
 * if not is in the inquiry, or in err. */
static bool inquire(struct engine_config config, struct inquiry *inquiry, char *err,
                    size_t err_size)
{
    struct engine *engine;
    bool known = false;

    config.store = NULL;
    config.prefetch = false;
    config.sts_enable = false; /* one name's signature is asked for, nothing else */
    config.sts_ca_file = config.sts_ca_path = NULL;
    config.log = on_log;
    config.log_arg = inquiry;
    clock_cond_init(&inquiry->changed);
    if (engine_new(&config, &engine, err, err_size) == 0) {
        err[0] = '\0';
        known = security_known(engine, &config, inquiry);
        engine_free(engine);
    }
    pthread_cond_destroy(&inquiry->changed);
    return known;
}

/* Whether a resolver on this host validates, whoever asks it now. */
static bool local_validates(const struct engine_config *config)
{
    static const char *const loopback[] = {"127.0.0.1", NULL};
    struct engine_config local = *config;
    struct inquiry inquiry = {.lock = PTHREAD_MUTEX_INITIALIZER};
    char err[300];

    local.resolvers = loopback;
    return inquire(local, &inquiry, err, sizeof(err));
}

/* The commands that have this host ask a resolver of its own. */
static void take_local(const struct config *config, bool configured, struct setup_report *report)
{
    if (local_validates(&config->engine)) {
        setup_remedy(report, "a resolver on this host, 127.0.0.1, validates: have it asked (where "
                             "DHCP or another program writes /etc/resolv.conf, tell that)");
    } else {
        setup_remedy(report, "run a resolver that validates DNSSEC on this host, and have it asked "
                             "(where DHCP or another program writes /etc/resolv.conf, tell that)");
        setup_command(report, "apt-get install unbound");
    }
    if (configured) {
        setup_edit_key(report, "dns", "resolvers", "127.0.0.1");
        setup_edit_done(report, false);
        return;
    }
    setup_command(report,
                  "printf 'nameserver 127.0.0.1\\noptions trust-ad edns0\\n' >/etc/resolv.conf");
}

/* Adds what the resolvers of a configuration are like. Returns whether they are in order. */
static bool check_resolvers(const struct engine_config *config, const char *name, const char *whose,
                            struct setup_report *report)
{
    struct inquiry inquiry = {.lock = PTHREAD_MUTEX_INITIALIZER};
    char err[300];
    bool known = inquire(*config, &inquiry, err, sizeof(err));
    const char *why = err[0] != '\0' ? err : inquiry.warning;

    if (known)
        setup_add(report, SETUP_OK, name, "%s: %s is answered with AD", whose, config->check_name);
    else
        setup_add(report, SETUP_ERROR, name, "%s: %s", whose, why[0] != '\0' ? why : "no answer");
    return known;
}

void setup_check_resolver(const struct config *config, struct setup_report *report)
{
    bool configured = config->engine.resolvers != NULL;

    if (check_resolvers(&config->engine, "resolver", "the filter's resolvers", report))
        return;
    take_local(config, configured, report);
    if (!configured) /* the daemon reads resolv.conf anew by itself, but later */
        setup_edit_done(report, false);
}

void setup_check_mta_resolver(const struct config *config, const char *resolv_conf, bool copy,
                              struct setup_report *report)
{
    struct engine_config engine = config->engine;

    engine.resolvers = NULL;
    engine.resolv_conf = resolv_conf;
    if (check_resolvers(&engine, "mta-resolver", resolv_conf, report) || report->cause != 0)
        return;
    engine.resolv_conf = NULL;
    struct inquiry inquiry = {.lock = PTHREAD_MUTEX_INITIALIZER};
    char err[300];
    if (copy && inquire(engine, &inquiry, err, sizeof(err)))
        setup_remedy(report,
                     "it is an old copy of /etc/resolv.conf, which names one that validates");
    else
        take_local(config, false, report);
    if (copy)
        setup_command(report, "install -m 0644 /etc/resolv.conf %s",
                      setup_word(report, resolv_conf));
}
