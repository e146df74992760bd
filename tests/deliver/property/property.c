/*
 * The delivery agent against thousands of generated situations, with real connections and
 * handshakes. Two things must hold of each message: no server was told anything of it that the
 * model does not allow, and the reply is one that the model has.
 *
 *     property DIRECTORY FIRST COUNT [SEED]
 *
 * DIRECTORY is for the configuration. Run by tests/deliver/property/run, which makes the network
 * namespace.
 */
#include "model.h"
#include "servers.h"

#include "config/config.h"
#include "deliver/agent.h"
#include "findings/findings_make.h"
#include "policy/clock.h"
#include "policy/engine_probe.h"
#include "policy/engine_tlsrpt.h"
#include "tls_certs.h"
#include "tls_pair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { AT_ONCE = 48, REPORTS_MAX = 20 };

static struct situation *situations;
static unsigned first, count, next_situation, running, failures, told, fallbacks;
static unsigned answers_sent, answers_deferred, answers_bounced;
static struct config *config;
static struct agent *agent;
static struct event_base *base;
static struct content *content;

static void die(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

/* ---- findings of a situation ---- */

static uint8_t tlsa_data[LEAVES][64], ta_data[64];
static size_t tlsa_len[LEAVES], ta_len;

static void make_tlsa(void)
{
    static const enum cert_id ids[LEAVES] = {
        CERT_MX,      CERT_OTHER_NAME, CERT_SECOND,   CERT_WILDCARD, CERT_CN,
        CERT_NEXTHOP, CERT_EXPIRED,    CERT_OTHER_CA, CERT_SELF,
    };

    for (size_t i = 0; i < LEAVES; i++)
        tlsa_len[i] = certs_tlsa(ids[i], 1, 1, tlsa_data[i]);
    ta_len = certs_tlsa(CERT_INTERMEDIATE, 1, 1, ta_data);
}

struct draft {
    struct findings findings;
    struct findings_host hosts[HOSTS_MAX];
    struct findings_tlsa tlsa[HOSTS_MAX];
    uint8_t addresses[HOSTS_MAX][64] __attribute__((aligned(8)));
    struct nexthop nexthop;
    const char *patterns[1];
};

static void set_tlsa(const struct host *host, struct findings_tlsa *out)
{
    *out = (struct findings_tlsa){.usage = 3,
                                  .selector = 1,
                                  .matching_type = 1,
                                  .usable = true,
                                  .data = tlsa_data[host->tlsa_of],
                                  .data_len = (uint16_t)tlsa_len[host->tlsa_of]};
    if (host->tlsa_is_ta) {
        out->usage = 2;
        out->data = ta_data;
        out->data_len = (uint16_t)ta_len;
    }
    if (host->tlsa == TLSA_UNUSABLE) {
        out->usage = 1;
        out->usable = false;
    }
}

static void set_addresses(const struct situation *s, size_t number, struct draft *draft)
{
    const struct host *host = &s->hosts[number];
    struct findings_addresses *addresses = (struct findings_addresses *)draft->addresses[number];
    uint8_t octets[16], state = host->secure ? FINDINGS_ADDR_SECURE : FINDINGS_ADDR_INSECURE;
    struct findings_host *out = &draft->hosts[number];

    out->a = out->aaaa = host->found == FOUND_FAILED ? FINDINGS_ADDR_FAILED : FINDINGS_ADDR_ABSENT;
    if (host->found != FOUND)
        return;
    if (host->scripts[IPV4].exists) {
        servers_address(s, number, IPV4, octets);
        memcpy(addresses->octets, octets, 4);
        addresses->a_count = 1;
        out->a = state;
    }
    if (host->scripts[IPV6].exists) {
        servers_address(s, number, IPV6, octets);
        memcpy(addresses->octets + 4 * addresses->a_count, octets, 16);
        addresses->aaaa_count = 1;
        out->aaaa = state;
    }
    out->addresses = addresses;
}

static void set_host(const struct situation *s, size_t number, struct draft *draft)
{
    static const enum findings_tlsa_state states[] = {[TLSA_NONE] = FINDINGS_TLSA_NONE,
                                                      [TLSA_USABLE] = FINDINGS_TLSA_USABLE,
                                                      [TLSA_UNUSABLE] = FINDINGS_TLSA_UNUSABLE,
                                                      [TLSA_FAILED] = FINDINGS_TLSA_FAILED};
    const struct host *host = &s->hosts[number];
    struct findings_host *out = &draft->hosts[number];

    *out = (struct findings_host){
        .name = s->mx >= MX_ABSENT ? draft->nexthop.name : names_of_hosts[number],
        .preference = (uint16_t)host->preference,
        .tlsa_state = (uint8_t)states[host->tlsa],
        .sts_match = host->match && s->sts != STS_NONE && s->sts != STS_FAILED,
    };
    set_addresses(s, number, draft);
    if (host->tlsa == TLSA_USABLE || host->tlsa == TLSA_UNUSABLE) {
        set_tlsa(host, &draft->tlsa[number]);
        out->tlsa = &draft->tlsa[number];
        out->tlsa_count = 1;
        out->tlsa_base = out->name;
    }
    if (host->found == FOUND_FAILED || host->tlsa == TLSA_FAILED)
        out->failure = "SERVFAIL";
}

static void set_sts(const struct situation *s, struct draft *draft)
{
    struct findings_sts *sts = &draft->findings.sts;

    sts->state = s->sts == STS_NONE     ? FINDINGS_STS_NONE
                 : s->sts == STS_FAILED ? FINDINGS_STS_FAILED
                                        : FINDINGS_STS_POLICY;
    if (sts->state != FINDINGS_STS_POLICY)
        return;
    sts->mode = s->sts == STS_TESTING ? FINDINGS_STS_MODE_TESTING : FINDINGS_STS_MODE_ENFORCE;
    sts->id = "1";
    sts->id_current = s->sts != STS_ENFORCE_STALE;
    sts->max_age_s = 86400;
    draft->patterns[0] = "*.example.org";
    sts->mx = draft->patterns;
    sts->mx_count = 1;
}

static void make_nexthop(const struct situation *s, struct nexthop *out)
{
    char text[64];

    snprintf(text, sizeof(text), s->mx == MX_NOT_ASKED ? "[s%u.example.org]" : "s%u.example.org",
             s->number);
    if (nexthop_parse(text, out) != 0)
        die("a next-hop that is none");
}

static const struct findings *findings_of(const struct situation *s)
{
    static const enum findings_mx mxs[] = {[MX_SECURE] = FINDINGS_MX_SECURE,
                                           [MX_INSECURE] = FINDINGS_MX_INSECURE,
                                           [MX_ABSENT] = FINDINGS_MX_ABSENT,
                                           [MX_NOT_ASKED] = FINDINGS_MX_NOT_ASKED};
    struct draft draft = {.findings = {.mx = (uint8_t)mxs[s->mx], .security_known = !s->unknown}};
    struct findings *f = &draft.findings;

    make_nexthop(s, &draft.nexthop);
    f->nexthop = (struct findings_nexthop){.name = draft.nexthop.name,
                                           .text = draft.nexthop.text,
                                           .port = draft.nexthop.port,
                                           .kind = (uint8_t)draft.nexthop.kind};
    f->hosts = draft.hosts;
    f->host_count = (uint16_t)s->host_count;
    f->made_at_ms = clock_mono_ms();
    f->ttl_s = 3600;
    for (size_t i = 0; i < s->host_count; i++)
        set_host(s, i, &draft);
    set_sts(s, &draft);
    return findings_freeze(f);
}

/* ---- the engine: what the situations say, at once ---- */

const struct findings *engine_cached(struct engine *engine, const struct nexthop *nexthop)
{
    unsigned number = (unsigned)strtoul(nexthop->name + 1, NULL, 10);
    (void)engine;

    return findings_of(&situations[number - first]);
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

int engine_lookup(struct engine *engine, const struct nexthop *nexthop, engine_enough_fn enough,
                  engine_done_fn done, void *arg, struct engine_request **out)
{
    (void)engine, (void)nexthop, (void)enough, (void)done, (void)arg, (void)out;
    return -ENOMEM;
}

void engine_cancel(struct engine *engine, struct engine_request *request)
{
    (void)engine, (void)request;
}

int engine_tlsrpt(struct engine *engine, const char *domain, engine_tlsrpt_fn done, void *arg,
                  struct engine_tlsrpt_request **out)
{
    (void)engine, (void)domain, (void)done, (void)arg, (void)out;
    return -ENOMEM;
}

void engine_tlsrpt_cancel(struct engine *engine, struct engine_tlsrpt_request *request)
{
    (void)engine, (void)request;
}

/* ---- one message ---- */

struct run {
    struct situation *situation;
    unsigned delivery;
    struct treatment treatment;
    struct smtp_mail mail;
    struct smtp_rcpt rcpts[RCPTS_MAX];
    char addresses[RCPTS_MAX][32], sender[32];
    struct outcome outcome;
    struct delivery *handle;
};

static struct result {
    int code;
    char enhanced[16], text[OUTCOME_TEXT_MAX];
    bool fell_back;
} (*results)[DELIVERIES];

static void begin(struct run *run);

static void report(const struct situation *s, unsigned delivery, const char *what)
{
    struct result *result = &results[s->number - first][delivery];
    char text[4096];
    struct model model;

    failures++;
    if (++told > REPORTS_MAX)
        return;
    model_make(s, delivery, &model);
    printf("FAIL %s\n%s\n  reply: %d %s %s%s\n  the model has:", what,
           situation_text(s, delivery, text, sizeof(text)), result->code, result->enhanced,
           result->text, result->fell_back ? " (fell back)" : "");
    for (size_t i = 0; i < model.answer_count; i++)
        printf(" `%s`", model.answers[i]);
    printf("%s\n", model.may_fall_back ? " (falls back)" : "");
}

/* delivery_done_fn */
static void on_done(const struct delivery_result *of, size_t rcpt_count, void *arg)
{
    struct run *run = arg;
    struct result *result = &results[run->situation->number - first][run->delivery];

    result->code = of[0].outcome.code;
    result->fell_back = of[0].fell_back;
    snprintf(result->enhanced, sizeof(result->enhanced), "%s", of[0].outcome.enhanced);
    snprintf(result->text, sizeof(result->text), "%s", of[0].outcome.text);
    if (rcpt_count != run->mail.rcpt_count || of[0].outcome.code != of[rcpt_count - 1].outcome.code)
        report(run->situation, run->delivery, "recipients differ");
    running--;
    if (++run->delivery < DELIVERIES) {
        begin(run);
        return;
    }
    free(run);
    if (running == 0 && next_situation == count)
        event_base_loopbreak(base);
}

static void set_treatment(const struct situation *s, const struct asked *asked,
                          struct treatment *out)
{
    static const enum decide_request requests[] = {[REQUEST_NONE] = DECIDE_REQUEST_NONE,
                                                   [REQUEST_OPTIONAL] = DECIDE_REQUEST_OPTIONAL,
                                                   [REQUEST_REQUIRE] = DECIDE_REQUEST_REQUIRE};
    static const enum verdict_level levels[] = {[LEVEL_ENFORCE] = VERDICT_LEVEL_ENFORCE,
                                                [LEVEL_STARTTLS] =
                                                    VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS,
                                                [LEVEL_OPPORTUNISTIC] = VERDICT_LEVEL_OPPORTUNISTIC,
                                                [LEVEL_DISABLE] = VERDICT_LEVEL_DISABLE};
    static const enum config_fallback fallbacks_of[] = {[FALL_BACK_NOT] = CONFIG_FALLBACK_NONE,
                                                        [FALL_BACK_ENCRYPT] =
                                                            CONFIG_FALLBACK_ENCRYPT,
                                                        [FALL_BACK_MAY] = CONFIG_FALLBACK_MAY};

    *out = (struct treatment){.request = requests[asked->request],
                              .level = levels[asked->level],
                              .require_offer = asked->offer,
                              .fallback = fallbacks_of[asked->fallback],
                              .helo_name = config->deliver.helo_name,
                              .source = &config->deliver.source};
    make_nexthop(s, &out->nexthop);
}

static void begin(struct run *run)
{
    const struct asked *asked = &run->situation->asked[run->delivery];
    struct delivery_request request = {.treatment = &run->treatment,
                                       .mail = &run->mail,
                                       .content = content,
                                       .config = config,
                                       .done = on_done,
                                       .arg = run};

    set_treatment(run->situation, asked, &run->treatment);
    snprintf(run->sender, sizeof(run->sender), "%s",
             asked->null_sender   ? ""
             : run->delivery == 0 ? "d0@example.com"
                                  : "d1@example.com");
    for (unsigned i = 0; i < asked->rcpts; i++) {
        snprintf(run->addresses[i], sizeof(run->addresses[i]), "d%u%u@example.net", run->delivery,
                 i);
        run->rcpts[i] = (struct smtp_rcpt){.address = run->addresses[i]};
    }
    run->mail = (struct smtp_mail){
        .sender = run->sender,
        .size = strlen(servers_content),
        .body = asked->needs_8bitmime ? SMTP_BODY_8BITMIME : SMTP_BODY_UNSPECIFIED,
        .smtputf8 = asked->needs_smtputf8,
        .rcpts = run->rcpts,
        .rcpt_count = asked->rcpts,
    };
    running++;
    if (delivery_start(agent, &request, &run->handle) != 0)
        die("delivery_start failed");
}

/* event_callback_fn: as many at once as there is room for. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;

    while (running < AT_ONCE && next_situation < count) {
        struct run *run = calloc(1, sizeof(*run));

        if (run == NULL)
            die("out of memory");
        run->situation = &situations[next_situation++];
        begin(run);
    }
}

/* ---- judgement ---- */

static const char *wrong_with(const struct seen *seen, const struct allowed *allowed)
{
    if (seen->mails + seen->others + seen->contents + seen->octets == 0)
        return NULL;
    if (!allowed->mail)
        return "A SERVER WAS TOLD OF THE MESSAGE THAT DOES NOT MEET THE DEMAND";
    if (seen->mails_in_clear > 0 && !allowed->in_clear)
        return "IT WAS SAID WITHOUT TLS";
    if (seen->mails_in_clear < seen->mails && !allowed->in_tls)
        return "it was said in TLS";
    if (seen->mails_requiretls > 0 && !allowed->requiretls && !allowed->may_requiretls)
        return "REQUIRETLS was said";
    if (seen->mails_requiretls < seen->mails && allowed->requiretls && !allowed->may_requiretls)
        return "REQUIRETLS WAS NOT SAID";
    if (seen->mails_ret_hdrs < seen->mails && allowed->ret_hdrs && !allowed->may_ret_hdrs)
        return "RET=HDRS was not said";
    if (seen->mails_ret_hdrs > 0 && !allowed->ret_hdrs && !allowed->may_ret_hdrs)
        return "RET=HDRS was said";
    if (seen->others > 0)
        return "a command out of turn";
    return seen->changed > 0 ? "the message was changed" : NULL;
}

static void count_answer(int code)
{
    answers_sent += code < 300;
    answers_deferred += code >= 300 && code < 500;
    answers_bounced += code >= 500;
}

/* At least one server has taken a message that was sent, and none one that was not, but where the
 * reply to its end was a refusal or was lost. */
static const char *wrong_with_copies(const struct situation *s, unsigned delivery, int code)
{
    unsigned taken = 0;

    for (size_t host = 0; host < s->host_count; host++) {
        for (unsigned family = 0; family < FAMILIES; family++) {
            if (s->hosts[host].scripts[family].dot == 250)
                taken += s->seen[delivery][host][family].contents;
        }
    }
    if (code < 300 && taken != 1)
        return taken == 0 ? "SENT, AND NO SERVER HAS IT" : "sent more than once";
    return code >= 300 && taken > 0 ? "a server has taken it, and it was not told so" : NULL;
}

/* Over both messages: a host that counts for neither. */
static bool is_connected_for_nothing(const struct situation *s)
{
    struct model models[DELIVERIES];
    bool wrong = false;

    for (unsigned i = 0; i < DELIVERIES; i++)
        model_make(s, i, &models[i]);
    for (size_t host = 0; host < s->host_count; host++) {
        for (unsigned family = 0; family < FAMILIES; family++)
            wrong |= s->connected[host][family] > 0 && !models[0].allowed[host][family].connected &&
                     !models[1].allowed[host][family].connected;
    }
    return wrong;
}

static void judge(const struct situation *s, unsigned delivery)
{
    struct result *result = &results[s->number - first][delivery];
    struct model model;
    const char *wrong = NULL;

    model_make(s, delivery, &model);
    for (size_t host = 0; host < HOSTS_MAX && wrong == NULL; host++) {
        for (unsigned family = 0; family < FAMILIES && wrong == NULL; family++)
            wrong = wrong_with(&s->seen[delivery][host][family], &model.allowed[host][family]);
    }
    if (wrong == NULL)
        wrong = wrong_with_copies(s, delivery, result->code);
    if (wrong == NULL && delivery == 0 && is_connected_for_nothing(s))
        wrong = "a host that does not count was connected to";
    if (wrong == NULL && !model_accepts(&model, result->code, result->enhanced))
        wrong = "another reply";
    if (wrong == NULL && result->fell_back != model.may_fall_back)
        wrong = "another fallback";
    count_answer(result->code);
    fallbacks += result->fell_back;
    if (wrong != NULL)
        report(s, delivery, wrong);
}

/* config_report_fn */
static void on_report(void *arg, const char *message)
{
    (void)arg;
    fprintf(stderr, "%s\n", message);
}

static char ca_file[64];

static struct config *read_config(const char *directory)
{
    char path[256];
    struct config *loaded;
    FILE *file;

    snprintf(path, sizeof(path), "%s/property.conf", directory);
    certs_write(CERT_ROOT, ca_file, sizeof(ca_file));
    file = fopen(path, "w");
    if (file == NULL)
        die("the configuration cannot be written");
    fprintf(file,
            "[deliver]\nport = %d\nca_file = %s\ncommand_timeout = 15s\nsetup_timeout = 5m\n"
            "connect_timeout = 5s\nmax_addresses = 20\nper_host = 20\nmax_sessions = 500\n"
            "idle = 1s\n[log]\ntarget = stderr\nlevel = error\n",
            SERVERS_PORT, ca_file);
    fclose(file);
    if (config_load(path, "client.example", on_report, on_report, NULL, &loaded) != 0)
        die("the configuration cannot be read");
    return loaded;
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 4 ? strtoull(argv[4], NULL, 10) : 1;
    struct event *tick;
    const struct timeval often = {.tv_usec = 2000};
    struct metrics *metrics;
    char err[256];

    if (argc < 4)
        die("usage: property DIRECTORY FIRST COUNT [SEED]");
    signal(SIGPIPE, SIG_IGN);
    first = (unsigned)strtoul(argv[2], NULL, 10);
    count = (unsigned)strtoul(argv[3], NULL, 10);
    situations = calloc(count, sizeof(*situations));
    results = calloc(count, sizeof(*results));
    if (metrics_new(&metrics) != 0)
        die("out of memory");
    base = event_base_new();
    content = content_new("/tmp", CONTENT_MEMORY_MAX);
    if (situations == NULL || results == NULL || base == NULL || content == NULL)
        die("out of memory");
    if (content_write(content, servers_content, strlen(servers_content)) != 0)
        die("content");
    for (unsigned i = 0; i < count; i++)
        situation_make(seed, first + i, &situations[i]);
    config = read_config(argv[1]);
    make_tlsa();
    servers_start(situations, first, count);
    if (agent_new(base, config, NULL, metrics, &agent, err, sizeof(err)) != 0)
        die(err);
    tick = event_new(base, -1, EV_PERSIST, on_tick, NULL);
    event_add(tick, &often);
    event_base_dispatch(base);
    event_free(tick);
    agent_free(agent);
    unlink(ca_file);
    metrics_free(metrics);
    content_unref(content);
    config_unref(config);
    event_base_free(base);
    servers_settle();
    for (unsigned i = 0; i < count; i++) {
        for (unsigned k = 0; k < DELIVERIES; k++)
            judge(&situations[i], k);
    }
    printf("%u messages: %u sent, %u deferred, %u bounced, %u fell back\n", DELIVERIES * count,
           answers_sent, answers_deferred, answers_bounced, fallbacks);
    printf("%u passed, %u failed\n", DELIVERIES * count - failures, failures);
    return failures > 0;
}
