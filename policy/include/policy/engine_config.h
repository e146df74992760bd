/*
 * How the engine is configured. engine.h says how the defaults are filled in; every room of policy/
 * may read what it needs of it.
 */
#ifndef POLICY_ENGINE_CONFIG_H
#define POLICY_ENGINE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shared_mac_keys; /* policy/shared_cache.h */

/* Durations in milliseconds. Strings are copied. A list ends with NULL. */
struct engine_config {
    const char *const *resolvers; /* "192.0.2.1", "192.0.2.1:5353", "[::1]:53"; NULL: resolv.conf */
    const char *resolv_conf;      /* NULL: /etc/resolv.conf, re-read when it changes */
    enum engine_trust_ad { ENGINE_TRUST_AD_AUTO, ENGINE_TRUST_AD_YES, ENGINE_TRUST_AD_NO } trust_ad;
    int dns_timeout_ms;      /* of one try, 60 s at most */
    int dns_tries;           /* over all resolvers, 100 at most */
    int dns_max_outstanding; /* queries in flight, but for slow ones; more wait. 0: the default */
    const char *check_name;  /* a signed name: shows whether the resolver validates */
    int check_interval_ms;

    bool sts_enable;
    const char *sts_ca_file; /* NULL: the system's */
    const char *sts_ca_path;
    int sts_connect_timeout_ms;
    int sts_timeout_ms;
    size_t sts_max_policy; /* octets */
    int sts_min_retry_ms;  /* after a failed fetch of the same policy id */
    int sts_give_up_ms;    /* fetches that fail for longer are a definite no (RFC 8461 3.3) */
    int sts_refresh_ms;
    uint16_t sts_port; /* 443; tests only */

    bool dane_enable;

    /* For whom AUTO probes is the caller's to decide; with NO nothing ever connects to a server. */
    enum engine_probe_enable { ENGINE_PROBE_AUTO, ENGINE_PROBE_YES, ENGINE_PROBE_NO } probe_enable;
    int probe_ttl_ms;                 /* how long it counts that a server met the demand */
    int probe_negative_ttl_ms;        /* how long any other result counts */
    int probe_parallel;               /* connections at once, 1 at least; more wait */
    int probe_per_minute;             /* connections begun in a minute, 1 at least; what is beyond
                                         is not looked at */
    int probe_timeout_ms;             /* of one address, from connection to QUIT */
    const char *probe_helo_name;      /* NULL: this host's name */
    const char *const *probe_sources; /* addresses to connect from, one of a family at most; NULL:
                                         the system chooses */
    uint16_t probe_port;              /* where the next-hop names none: 25 */

    const char *store; /* path of the SQLite store for STS policies; NULL: memory only */
    size_t max_domains;
    size_t max_memory; /* octets; at least 1 MiB. A half is for cached findings, a quarter for
                          policies in force, a quarter for large lookups in progress. What probes
                          have shown takes 8 MiB more at most. 0: default */
    int negative_ttl_ms;
    int max_ttl_ms;
    bool prefetch;

    /* What hosts of one site share. */
    const char *const *shared_servers; /* "redis://host:port/db", "unix:/path", in the order they
                                          are tried; NULL: nothing is shared */
    int shared_timeout_ms;             /* how long an answer of theirs is waited for */
    const char *shared_password;       /* what they ask for; NULL: nothing. Never in a message */
    const struct shared_mac_keys *shared_keys; /* of the rows' MACs; copied */

    /* Warnings and errors, one line without newline; called on the engine's threads, also at the
     * same time (and on the caller's during engine_new). NULL: silence. */
    void (*log)(void *log_arg, int priority /* syslog(3) LOG_... */, const char *message);
    void *log_arg;
};

#endif
