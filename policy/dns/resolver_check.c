/*
 * Who validates: asks each trusted resolver for a signed name and looks at AD (RFC 6840 5.8), at
 * start and from time to time.
 *
 * The SOA is asked for: every zone has one at its apex and signs it, the answer is small, and it is
 * fetched anew when its TTL ends, so that a resolver which cannot validate any more is found out
 * (a DNSKEY or DS may sit in its cache for a day). Not the NS: resolvers keep it from hints and
 * referrals, where it is not signed, and answer it without AD at times. A check_name that is no
 * apex gives a signed denial, which does as well.
 *
 * An answer without AD shows at once that the resolver does not validate. No answer, an error, or
 * what was kept beyond its life must happen twice running: packets get lost.
 *
 * Security as a whole counts as known for half a minute longer than the last resolver has
 * validated: one that is restarted makes nothing unsigned.
 */
#include "dns/resolver_internal.h"

#include "policy/clock.h"

#include <stdio.h>
#include <string.h>
#include <syslog.h>

enum {
    WARN_EVERY_MS = 300000,
    /* So long all that is not validated has failed; then it is of unknown security. */
    LATELY_MAX_MS = 30000,
    SOONER = 16, /* while something is wrong checks come that many times as often */
};

static bool validates_now(const struct server *server)
{
    return server->trusted && server->validates;
}

bool resolver_any_validates(const struct resolver *r)
{
    const struct server *server;

    TAILQ_FOREACH (server, &r->servers, link) {
        if (validates_now(server))
            return true;
    }
    return false;
}

/* How long security still counts as known after the last resolver has ceased to validate. */
static int64_t lately_ms(const struct resolver *r)
{
    int64_t half_ms = r->settings.check_interval_ms / 2;

    return half_ms < LATELY_MAX_MS ? half_ms : LATELY_MAX_MS;
}

bool resolver_security_known(const struct resolver *r)
{
    const struct server *server;
    int64_t ceased_ms = 0;

    TAILQ_FOREACH (server, &r->servers, link) {
        if (validates_now(server))
            return true;
        if (server->ceased_ms > ceased_ms)
            ceased_ms = server->ceased_ms;
    }
    return ceased_ms != 0 && clock_mono_ms() - ceased_ms < lately_ms(r);
}

bool resolver_check_pending(const struct resolver *r)
{
    const struct server *server;

    if (resolver_security_known(r))
        return false;
    TAILQ_FOREACH (server, &r->servers, link) {
        if (server->trusted && !server->checked)
            return true;
    }
    return false;
}

/* ---- What people are told ---- */

/* "127.0.0.1 (timed out), ::1 (no AD)" of the trusted resolvers, or of all. */
static void list_servers(const struct resolver *r, bool trusted, char *out, size_t out_len)
{
    const struct server *server;
    size_t len = 0;

    out[0] = '\0';
    TAILQ_FOREACH (server, &r->servers, link) {
        if (trusted && !server->trusted)
            continue;
        const char *comma = len > 0 ? ", " : "";
        int more = trusted ? snprintf(out + len, out_len - len, "%s%s (%s)", comma,
                                      server->addr.text, server->trouble)
                           : snprintf(out + len, out_len - len, "%s%s", comma, server->addr.text);

        if (more < 0 || (size_t)more >= out_len - len)
            return;
        len += (size_t)more;
    }
}

static void warn_unknown(struct resolver *r)
{
    const char *what = "nothing counts as signed, DANE cannot be used (QUERY: as if nothing were "
                       "signed, temporary for next-hops known to have DANE)";
    const struct server *server;
    bool any_trusted = false;
    char list[300];

    TAILQ_FOREACH (server, &r->servers, link)
        any_trusted |= server->trusted;
    list_servers(r, any_trusted, list, sizeof(list));
    if (any_trusted)
        resolver_log(r, LOG_WARNING,
                     "DNS security is unknown, %s: %s; see that the resolver validates DNSSEC and "
                     "that %s (check_name) is signed",
                     what, list, r->settings.check_name);
    else if (r->settings.trust_ad == ENGINE_TRUST_AD_NO)
        resolver_log(r, LOG_WARNING, "DNS security is unknown, %s: trust_ad = no (resolvers: %s)",
                     what, list);
    else
        resolver_log(r, LOG_WARNING,
                     "DNS security is unknown, %s: no resolver is on this host (%s); run one that "
                     "validates, or set trust_ad = yes if these do and the way to them is safe",
                     what, list);
}

/* Says when security is lost, at most every few minutes, and when it is back. */
static void report_security(struct resolver *r, const struct server *passed)
{
    int64_t now_ms = clock_mono_ms();

    if (resolver_check_pending(r))
        return;
    if (!resolver_security_known(r)) {
        if (r->warned_ms != 0 && now_ms - r->warned_ms < WARN_EVERY_MS)
            return;
        warn_unknown(r);
        r->warned_ms = now_ms;
        r->warned = true;
        return;
    }
    if (passed != NULL && (r->warned || !r->announced))
        resolver_log(r, r->warned ? LOG_NOTICE : LOG_INFO,
                     "DNS security is known%s: %s answers %s with AD", r->warned ? " again" : "",
                     passed->addr.text, r->settings.check_name);
    if (passed != NULL) {
        r->warned = false;
        r->announced = true;
    }
}

/* One resolver stops validating; another may still do so. */
static void report_loss(struct server *server)
{
    struct resolver *r = server->resolver;
    int64_t now_ms = clock_mono_ms();

    if (!resolver_security_known(r) ||
        (server->warned_ms != 0 && now_ms - server->warned_ms < WARN_EVERY_MS))
        return;
    server->warned_ms = now_ms;
    resolver_log(r, LOG_WARNING, "resolver %s does not validate DNSSEC now (%s): %s",
                 server->addr.text, server->trouble,
                 resolver_any_validates(r) ? "others are used" : "lookups fail until it does");
}

/* ---- When ---- */

/* A resolver that never validates is no reason for haste while another does. */
static bool hurry_checks(const struct resolver *r)
{
    const struct server *server;
    bool any_trusted = false;

    TAILQ_FOREACH (server, &r->servers, link) {
        any_trusted |= server->trusted;
        if (server->misses >= RESOLVER_MISSES_DOWN ||
            (validates_now(server) && server->check_misses > 0))
            return true;
    }
    return any_trusted && !resolver_any_validates(r);
}

/* When all are to be checked next. What makes it sooner may come often and at any time, so
 * nothing but the start of a check of all makes it later. */
static void arm_timer(struct resolver *r)
{
    uint32_t delay_ms = (uint32_t)r->settings.check_interval_ms;

    if (hurry_checks(r))
        delay_ms = delay_ms / SOONER + 1;
    delay_ms = delay_ms - delay_ms / 4 + resolver_random(delay_ms / 2 + 1);
    struct timeval delay = {.tv_sec = delay_ms / 1000, .tv_usec = (delay_ms % 1000) * 1000};
    int64_t due_ms = clock_mono_ms() + delay_ms;

    if (evtimer_pending(&r->check_timer, NULL) && r->check_due_ms <= due_ms)
        return;
    if (evtimer_add(&r->check_timer, &delay) == 0)
        r->check_due_ms = due_ms;
}

void resolver_check_server_answers(struct server *server, bool answers)
{
    if (answers)
        server->misses = 0;
    else if (++server->misses == RESOLVER_MISSES_DOWN)
        arm_timer(server->resolver);
}

/* ---- One check ---- */

/* Takes note of a check's end; why is NULL when it was passed. */
static void check_ended(struct server *server, const char *why, bool at_once)
{
    struct resolver *r = server->resolver;
    bool validated = validates_now(server);

    server->checked = true;
    snprintf(server->trouble, sizeof(server->trouble), "%s", why != NULL ? why : "");
    if (why == NULL) {
        server->check_misses = 0;
        server->validates = server->trusted;
        server->ceased_ms = 0;
    } else if (at_once || ++server->check_misses >= 2) {
        server->validates = false;
    }
    if (validated && !server->validates) {
        server->ceased_ms = clock_mono_ms();
        report_loss(server);
    }
    resolver_confirm_checked(server, why == NULL);
    report_security(r, why == NULL && server->trusted ? server : NULL);
    arm_timer(r);
    resolver_wake(r); /* queries may wait for this */
}

static void on_check_answer(struct dns_answer *answer, void *arg)
{
    struct server *server = arg;
    const char *name = server->resolver->settings.check_name;
    char why[sizeof(server->trouble)];

    server->check = NULL;
    evtimer_del(&server->check_timer);
    resolver_check_server_answers(server, answer != NULL);
    if (answer == NULL) {
        check_ended(server, "cannot be reached", false);
    } else if (answer->status == DNS_FAILED) {
        snprintf(why, sizeof(why), "%.40s: %.40s", name, answer->failure);
        check_ended(server, why, false);
    } else if (answer->status == DNS_NXDOMAIN) {
        snprintf(why, sizeof(why), "%.60s does not exist", name);
        check_ended(server, why, false);
    } else if (answer->security == DNS_UNKNOWN) {
        snprintf(why, sizeof(why), "%.60s out of date", name);
        check_ended(server, why, false);
    } else if (answer->security != DNS_SECURE) {
        snprintf(why, sizeof(why), "%.60s without AD", name);
        check_ended(server, why, true);
    } else {
        check_ended(server, NULL, false);
    }
    dns_answer_free(answer);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    (void)fd;
    (void)what;
    upstream_cancel(server->check);
    server->check = NULL;
    resolver_check_server_answers(server, false);
    check_ended(server, "does not answer", false);
}

static void check_start(struct server *server)
{
    struct resolver *r = server->resolver;
    struct timeval delay = {.tv_sec = r->settings.timeout_ms / 1000,
                            .tv_usec = (r->settings.timeout_ms % 1000) * 1000};

    if (server->check != NULL)
        return;
    r->sent_count++;
    server->check_serial++;
    server->check = upstream_ask(server->upstream, r->settings.check_name, DNS_TYPE_SOA,
                                 on_check_answer, server);
    if (server->check == NULL) {
        check_ended(server, "out of memory", false);
        return;
    }
    evtimer_assign(&server->check_timer, r->base, on_timeout, server);
    evtimer_add(&server->check_timer, &delay);
}

void resolver_check_stop(struct server *server)
{
    if (server->check == NULL)
        return;
    upstream_cancel(server->check);
    server->check = NULL;
    evtimer_del(&server->check_timer);
}

void resolver_check_all(struct resolver *r)
{
    struct server *server;

    evtimer_del(&r->check_timer);
    arm_timer(r);
    TAILQ_FOREACH (server, &r->servers, link) {
        if (server->trusted || server->misses > 0)
            check_start(server);
    }
    report_security(r, NULL);
}

void resolver_check_awaited(struct resolver *r)
{
    struct server *server;

    TAILQ_FOREACH (server, &r->servers, link) {
        if (!list_empty(&server->confirms))
            check_start(server);
    }
}
