/*
 * What the files of the resolver share; nobody else includes this. Each uses those before it alone:
 * resolver_state.c, resolver_confirm.c (who waits for a check), resolver_check.c (who validates),
 * resolver_servers.c (whom to ask), resolver_probe.c (whether it is slow), resolver_attempts.c
 * (asking, timers), resolver.c (queries).
 */
#ifndef POLICY_DNS_RESOLVER_INTERNAL_H
#define POLICY_DNS_RESOLVER_INTERNAL_H

#include "base/list.h"
#include "dns/dns_name.h"
#include "dns/resolver.h"
#include "dns/resolver_addr.h"
#include "dns/resolver_queue.h"
#include "dns/upstream.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/queue.h>
#include <sys/stat.h>

enum {
    RESOLVER_SERVERS_MAX = 16, /* resolv.conf(5) uses three; bounds checks and sockets */
    RESOLVER_TRIES_MAX = 100,
    RESOLVER_MISSES_DOWN = 4, /* asked so often without an answer: perhaps it is not there */
};

/* One resolver. Removed ones stay until no query knows them any more. */
struct server {
    TAILQ_ENTRY(server) link; /* in servers, or in gone */
    struct resolver *resolver;
    struct resolver_addr addr;
    struct upstream *upstream;
    unsigned users; /* attempts of queries that are not settled yet, answered ones too; a probe */

    bool trusted;      /* its AD bit is believed */
    bool validates;    /* it passed its last check */
    int64_t ceased_ms; /* when it ceased to validate; 0: it does, or never did, or is not trusted */
    bool checked;      /* a check has ended, well or not, since it was added */
    unsigned misses;   /* asked without an answer since the last one */

    uint32_t id;                /* never used twice; dns_answer.resolver */
    struct upstream_ask *check; /* in flight, else NULL */
    unsigned check_serial;      /* of the check that was begun last */
    struct list confirms;       /* who waits for a check, see resolver_confirm.c */
    struct event check_timer;
    unsigned check_misses; /* checks without any good answer since the last one */
    char trouble[96];      /* why the last check failed; "" when it did not */
    int64_t warned_ms;     /* when its loss was last said; 0: never */
};

TAILQ_HEAD(server_list, server);

/* Own copies of the configuration. */
struct resolver_settings {
    char **resolvers; /* NULL: resolv_conf */
    char *resolv_conf;
    enum engine_trust_ad trust_ad;
    int timeout_ms;
    unsigned tries;
    size_t max_in_flight;
    char *check_name;
    int check_interval_ms;
    void (*log)(void *log_arg, int priority, const char *message);
    void *log_arg;
};

struct resolver {
    struct event_base *base;
    struct resolver_settings settings;

    struct server_list servers; /* in the order of the configuration */
    struct server_list gone;
    uint32_t last_id;        /* of a server */
    struct list confirmed;   /* whose check has ended; to be called back */
    unsigned withdrawn;      /* how often the administrator ceased to trust one of them */
    struct stat conf_stat;   /* of resolv.conf when it was read last */
    int64_t conf_checked_ms; /* when it was looked at last */

    struct event check_timer;
    int64_t check_due_ms; /* when that fires, while it is pending */
    int64_t warned_ms;    /* when "security unknown" was last said; 0: never */
    bool warned;          /* and its return was not said since */
    bool announced;       /* it was said once that security is known */

    struct resolver_queue queue;
    struct event work;    /* calls back what is ready, starts what waits */
    struct event unblock; /* the same, when a query in flight has become slow */
    uint64_t query_count, sent_count;

    struct upstream_ask *probe; /* in flight, else NULL */
    struct server *probed;      /* then: it was sent to that */
    int64_t probe_sent_ms;
};

/* One ask to one server for a query. */
struct resolver_attempt {
    struct resolver_query *query;
    struct server *server;
    struct upstream_ask *ask; /* NULL: answered, failed or given up */
    bool refused;             /* answered with an error: no use to ask that server again */
};

struct resolver_query {
    struct resolver_entry entry;
    struct resolver *resolver;
    resolver_done_fn done;
    void *arg;
    struct dns_answer *answer; /* READY: the answer. Before: the first failure, for its reason */
    struct event timer;        /* of the latest attempt */
    struct resolver_attempt *attempts; /* of `tries`; in the same block of memory */
    unsigned attempt_count, tries;
    bool unreachable; /* some server could not be reached */
    bool barred;      /* a validating server answered with an error */
    uint16_t type;
    char *name; /* in the same block */
};

/* resolver_state.c */
void resolver_wake(struct resolver *r); /* runs the work soon */
uint32_t resolver_random(uint32_t below);
void resolver_log(const struct resolver *r, int priority, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* resolver_settings.c */
int resolver_settings_copy(struct resolver_settings *out, const struct engine_config *config,
                           char *err, size_t err_size);
void resolver_settings_free(struct resolver_settings *settings);

/* resolver_servers.c */
int resolver_servers_load(struct resolver *r, const struct resolver_settings *settings, char *err,
                          size_t err_size);        /* puts what settings name into effect */
void resolver_servers_refresh(struct resolver *r); /* when resolv.conf has changed */
void resolver_servers_free(struct resolver *r);

/* resolver_check.c */
void resolver_check_all(struct resolver *r);     /* starts a check of every trusted resolver now */
void resolver_check_awaited(struct resolver *r); /* starts the checks that somebody waits for */
void resolver_check_stop(struct server *server);
bool resolver_any_validates(const struct resolver *r); /* by its last check */
bool resolver_check_pending(const struct resolver *r); /* queries should wait for the first check */
void resolver_check_server_answers(struct server *server, bool answers); /* to a query */

/* resolver_confirm.c */
void resolver_confirm_checked(struct server *server, bool passed); /* a check has ended */
void resolver_confirm_fail(struct server *server); /* it is trusted no more, or gone */
void resolver_confirm_call_back(struct resolver *r);
void resolver_confirm_drop(struct resolver *r); /* what is still to be called back */

/* resolver_probe.c */
void resolver_probe_start(struct resolver *r, int64_t now_ms);
void resolver_probe_stop(struct resolver *r);

/* resolver_attempts.c */
void resolver_attempts_init(struct resolver_query *query);   /* before any other call */
void resolver_attempts_start(struct resolver_query *query);  /* once; may settle the query */
void resolver_attempts_cancel(struct resolver_query *query); /* those that are outstanding */
/* Settles a query that has been started: cancels its attempts and makes it ready. Takes `answer`;
 * NULL means what is known of its failure. */
void resolver_query_settle(struct resolver_query *query, struct dns_answer *answer);

#endif
