/*
 * tlsrpt_report() makes what is told of a connection (tlsrpt_session.c) and asks the engine for the
 * record of its domain. on_record(), on the engine's thread, writes the object (tlsrpt_write.c) and
 * hands it over, if there is a record; the report is freed by the agent's thread, later, as it has
 * the request. Nothing here waits, and nothing depends on it: what cannot be done is left out.
 *
 * The socket is made when it is needed first and connected to nobody, as the collector may come and
 * go.
 */
#include "deliver/tlsrpt.h"

#include "base/log.h"
#include "deliver/tlsrpt_session.h"
#include "policy/clock.h"
#include "policy/engine_tlsrpt.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    /* Reports whose record is not known yet, or that wait to be freed; bounds memory while the
     * resolver is slow. */
    REPORTS_MAX = 2000,
    /* Between two warnings. */
    WARN_MS = 10 * 60 * 1000,
};

/* A connection whose domain's record is looked up. */
struct report {
    TAILQ_ENTRY(report) link;
    struct tlsrpt *tlsrpt;
    struct engine_tlsrpt_request *request;
    const struct findings *findings; /* a reference, for strings of the session */
    struct arena arena;
    struct tlsrpt_session session;
    atomic_bool done; /* the callback has returned from all but its last line */
};

struct tlsrpt {
    struct engine *engine;   /* borrowed */
    struct metrics *metrics; /* borrowed; NULL is allowed */

    /* The agent's thread. */
    TAILQ_HEAD(reports, report) reports;
    size_t report_count;

    /* The engine's thread. */
    char datagram[TLSRPT_DATAGRAM_MAX];

    pthread_mutex_t lock;       /* of what follows */
    struct sockaddr_un address; /* "" : off */
    int fd;                     /* -1: not made yet */
    uint64_t lost;              /* since the last warning */
    int64_t warn_ms;            /* when the next may be given */
};

static void report_fini(struct report *report)
{
    findings_unref(report->findings);
    report->findings = NULL;
    arena_fini(&report->arena);
}

/* Waits for a callback that is running. */
static void report_free(struct report *report)
{
    struct tlsrpt *tlsrpt = report->tlsrpt;

    engine_tlsrpt_cancel(tlsrpt->engine, report->request);
    TAILQ_REMOVE(&tlsrpt->reports, report, link);
    tlsrpt->report_count--;
    report_fini(report);
    free(report);
}

int tlsrpt_new(const char *path, struct engine *engine, struct metrics *metrics,
               struct tlsrpt **out)
{
    struct tlsrpt *tlsrpt = calloc(1, sizeof(*tlsrpt));

    if (tlsrpt == NULL)
        return -ENOMEM;
    tlsrpt->engine = engine;
    tlsrpt->metrics = metrics;
    tlsrpt->fd = -1;
    TAILQ_INIT(&tlsrpt->reports);
    pthread_mutex_init(&tlsrpt->lock, NULL);
    tlsrpt_set_path(tlsrpt, path);
    *out = tlsrpt;
    return 0;
}

void tlsrpt_free(struct tlsrpt *tlsrpt)
{
    struct report *report;

    if (tlsrpt == NULL)
        return;
    while ((report = TAILQ_FIRST(&tlsrpt->reports)) != NULL)
        report_free(report);
    metrics_set_standing(tlsrpt->metrics, STANDING_TLSRPT_DOWN, false);
    if (tlsrpt->fd >= 0)
        close(tlsrpt->fd);
    pthread_mutex_destroy(&tlsrpt->lock);
    free(tlsrpt);
}

void tlsrpt_set_path(struct tlsrpt *tlsrpt, const char *path)
{
    size_t len = path != NULL ? strlen(path) : 0;

    if (len >= sizeof(tlsrpt->address.sun_path)) {
        log_msg(LOG_ERR, "[tlsrpt] socket: the path is longer than %zu octets: no TLS reports",
                sizeof(tlsrpt->address.sun_path) - 1);
        len = 0;
    }
    pthread_mutex_lock(&tlsrpt->lock);
    memset(&tlsrpt->address, 0, sizeof(tlsrpt->address));
    tlsrpt->address.sun_family = AF_UNIX;
    if (len > 0)
        memcpy(tlsrpt->address.sun_path, path, len);
    else
        metrics_set_standing(tlsrpt->metrics, STANDING_TLSRPT_DOWN, false);
    pthread_mutex_unlock(&tlsrpt->lock);
}

bool tlsrpt_is_on(const struct tlsrpt *tlsrpt)
{
    return tlsrpt != NULL && tlsrpt->address.sun_path[0] != '\0'; /* its own thread alone sets it */
}

/* With the lock held: a negative errno or 0. */
static int hand_over(struct tlsrpt *tlsrpt, size_t len)
{
    const struct sockaddr *address = (const struct sockaddr *)&tlsrpt->address;

    if (tlsrpt->fd < 0)
        tlsrpt->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (tlsrpt->fd < 0 || sendto(tlsrpt->fd, tlsrpt->datagram, len, MSG_DONTWAIT | MSG_NOSIGNAL,
                                 address, sizeof(tlsrpt->address)) < 0)
        return -errno;
    return 0;
}

/* With the lock held. */
static void note_lost(struct tlsrpt *tlsrpt, const char *why)
{
    int64_t now_ms = clock_mono_ms();
    char path[256];

    tlsrpt->lost++;
    metrics_set_standing(tlsrpt->metrics, STANDING_TLSRPT_DOWN, true);
    if (now_ms < tlsrpt->warn_ms)
        return;
    tlsrpt->warn_ms = now_ms + WARN_MS;
    log_msg(LOG_WARNING, "TLSRPT: %llu sessions could not be told to the collector at %s: %s",
            (unsigned long long)tlsrpt->lost,
            log_quote(tlsrpt->address.sun_path, path, sizeof(path)), why);
    tlsrpt->lost = 0;
}

/* On the engine's thread. */
static void send_session(struct tlsrpt *tlsrpt, const struct tlsrpt_session *session)
{
    size_t len = tlsrpt_write(session, tlsrpt->datagram, sizeof(tlsrpt->datagram));
    int error;

    if (len == 0) /* the domain's doing: TLSA records of many kilobytes */
        return;
    pthread_mutex_lock(&tlsrpt->lock);
    if (tlsrpt->address.sun_path[0] != '\0') {
        error = hand_over(tlsrpt, len);
        if (error < 0)
            note_lost(tlsrpt, strerror(-error));
        else
            metrics_set_standing(tlsrpt->metrics, STANDING_TLSRPT_DOWN, false);
    }
    pthread_mutex_unlock(&tlsrpt->lock);
}

/* engine_tlsrpt_fn */
static void on_record(const char *record, void *arg)
{
    struct report *report = arg;

    if (record != NULL) {
        report->session.record = record;
        send_session(report->tlsrpt, &report->session);
    }
    report_fini(report);
    atomic_store(&report->done, true);
}

/* Frees those that are done: as they come, and all of them when there are many. */
static void reap(struct tlsrpt *tlsrpt)
{
    bool all = tlsrpt->report_count >= REPORTS_MAX;
    struct report *report = TAILQ_FIRST(&tlsrpt->reports), *next;

    for (; report != NULL && (all || atomic_load(&report->done)); report = next) {
        next = TAILQ_NEXT(report, link);
        if (atomic_load(&report->done))
            report_free(report);
    }
}

static int look_up(struct tlsrpt *tlsrpt, struct report *report)
{
    int error =
        engine_tlsrpt(tlsrpt->engine, report->session.domain, on_record, report, &report->request);

    if (error == 0) {
        TAILQ_INSERT_TAIL(&tlsrpt->reports, report, link);
        tlsrpt->report_count++;
    }
    return error;
}

static int report_connection(struct tlsrpt *tlsrpt, const struct tlsrpt_facts *facts)
{
    struct report *report = calloc(1, sizeof(*report));
    enum tlsrpt_status status;
    int error = 0;

    if (report == NULL)
        return -ENOMEM;
    report->tlsrpt = tlsrpt;
    status = tlsrpt_session_of(facts, &report->arena, &report->session);
    report->findings = findings_ref(facts->findings);
    if (status == TLSRPT_TOLD)
        error = look_up(tlsrpt, report);
    if (status == TLSRPT_NO_MEMORY)
        error = -ENOMEM;
    if (status != TLSRPT_TOLD || error < 0) {
        report_fini(report);
        free(report);
    }
    return error;
}

static void verify_web_pki(const struct tlsrpt_facts *facts, const struct smtp_transport *transport,
                           struct tls_proof *out)
{
    const struct tls_connection *tls = smtp_transport_tls(transport);
    struct tls_demand demand;

    *out = (struct tls_proof){.why = TLS_WHY_LOCAL};
    tls_demand_web_pki(facts->findings->hosts[facts->host].name, &demand);
    if (tls != NULL && demand.kind == TLS_DEMAND_WEB_PKI)
        tls_connection_verify(tls, &demand, out);
}

void tlsrpt_report(struct tlsrpt *tlsrpt, const struct tlsrpt_facts *given,
                   const struct smtp_transport *transport)
{
    struct tlsrpt_facts facts = *given;
    char source[SMTP_ADDRESS_TEXT_MAX + 1], address[SMTP_ADDRESS_TEXT_MAX + 1];
    struct tls_proof proof;
    int error;

    if (!tlsrpt_is_on(tlsrpt))
        return;
    reap(tlsrpt);
    if (transport != NULL) {
        struct smtp_session *session = smtp_transport_session(transport);

        smtp_transport_endpoints(transport, source, address);
        facts.connection = smtp_transport_connection(transport);
        facts.state = smtp_session_state(session);
        facts.outcome = smtp_session_outcome(session);
        facts.peer = smtp_transport_peer(transport);
        facts.helo_name = smtp_session_server_name(session);
        facts.source_address = source;
        facts.address = address;
        if (tlsrpt_wants_web_pki(&facts)) {
            verify_web_pki(&facts, transport, &proof);
            facts.web_pki = &proof;
        }
    }
    error = tlsrpt->report_count < REPORTS_MAX ? report_connection(tlsrpt, &facts) : -EBUSY;
    if (error < 0) {
        pthread_mutex_lock(&tlsrpt->lock);
        note_lost(tlsrpt, strerror(-error));
        pthread_mutex_unlock(&tlsrpt->lock);
    }
}
