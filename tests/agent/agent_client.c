/*
 * The delivery agent for tests/agent/run, without LMTP: reads a command a line, and prints what
 * became of each delivery, a line for each recipient and one at its end:
 *
 *     findings NEXTHOP WORD...                    (agent_engine.h)
 *     deliver ID NEXTHOP REQUEST LEVEL OFFER FALLBACK SENDER RCPT,RCPT... OCTETS POLICY [8bit]
 * [utf8] ID rcpt N STATUS CODE ENHANCED relay=HOST[ADDRESS]:PORT tls=T level=L fell_back=B text=...
 *       ID done MS
 *     cancel ID
 *     reload FILE
 *     status
 *       status fds=N deliveries=N
 *
 * REQUEST is require, optional or none; OFFER is 1 where the next server must offer REQUIRETLS;
 * FALLBACK is none, encrypt or may; SENDER is <> for the null sender; POLICY is a tls_policy, with
 * commas for blanks, or -. It ends with its input.
 */
#include "agent_engine.h"
#include "base/metrics.h"
#include "deliver/agent.h"
#include "policy/clock.h"

#include <dirent.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

enum { WORDS_MAX = 64, RCPTS_MAX = 100 };

struct job {
    LIST_ENTRY(job) link;
    char id[32];
    struct delivery *delivery;
    struct treatment treatment;
    struct smtp_mail mail;
    struct smtp_rcpt rcpts[RCPTS_MAX];
    char *sender, *rcpt_text, *policy;
    struct content *content;
    int64_t begun_ms;
};

static LIST_HEAD(, job) jobs = LIST_HEAD_INITIALIZER(jobs);
static struct event_base *base;
static struct engine *engine;
static struct metrics *metrics;
static struct agent *agent;
static struct config *config;
static struct evbuffer *input;
static struct event *on_input;

static void die(const char *what)
{
    fprintf(stderr, "agent_client: %s\n", what);
    exit(64);
}

static void job_free(struct job *job)
{
    LIST_REMOVE(job, link);
    content_unref(job->content);
    free(job->sender);
    free(job->rcpt_text);
    free(job->policy);
    free(job);
}

static const char *status_word(enum outcome_status status)
{
    return status == OUTCOME_SENT ? "sent" : status == OUTCOME_DEFERRED ? "deferred" : "bounced";
}

/* delivery_done_fn */
static void on_done(const struct delivery_result *results, size_t count, void *arg)
{
    static const struct delivery_relay none;
    struct job *job = arg;

    for (size_t i = 0; i < count; i++) {
        const struct delivery_result *result = &results[i];
        const struct outcome *outcome = &result->outcome;
        const struct delivery_relay *relay = result->relay != NULL ? result->relay : &none;

        printf(
            "%s rcpt %zu %s %d %s relay=%s[%s]:%u tls=%s auth=%s level=%s fell_back=%d text=%s\n",
            job->id, i, status_word(outcome->status), outcome->code, outcome->enhanced, relay->host,
            relay->address, (unsigned)relay->port, relay->tls,
            relay->auth != NULL ? relay->auth : "-", verdict_level_name(result->treatment->level),
            result->fell_back, outcome->text);
    }
    printf("%s done %lld\n", job->id, (long long)(clock_awake_ms() - job->begun_ms));
    fflush(stdout);
    job_free(job);
}

static struct content *make_content(size_t octets)
{
    static const char line[] =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\r\n";
    struct content *content = content_new("/tmp", CONTENT_MEMORY_MAX);
    char piece[sizeof(line) * 256];
    size_t len = 0;

    while (len + sizeof(line) - 1 <= sizeof(piece)) {
        memcpy(piece + len, line, sizeof(line) - 1);
        len += sizeof(line) - 1;
    }
    for (size_t left = octets; left > 0;) {
        size_t now = left < len ? left : len;

        if (content == NULL || content_write(content, piece, now) != 0)
            die("no content");
        left -= now;
    }
    return content;
}

static void read_treatment(struct job *job, char *words[])
{
    struct treatment *treatment = &job->treatment;

    if (nexthop_parse(words[2], &treatment->nexthop) != 0)
        die(words[2]);
    treatment->request = words[3][0] == 'r'   ? DECIDE_REQUEST_REQUIRE
                         : words[3][0] == 'o' ? DECIDE_REQUEST_OPTIONAL
                                              : DECIDE_REQUEST_NONE;
    if (verdict_level_parse(words[4], &treatment->level) != 0)
        die(words[4]);
    treatment->require_offer = words[5][0] == '1';
    treatment->fallback = words[6][0] == 'e'   ? CONFIG_FALLBACK_ENCRYPT
                          : words[6][0] == 'm' ? CONFIG_FALLBACK_MAY
                                               : CONFIG_FALLBACK_NONE;
    if (strcmp(words[10], "-") != 0)
        job->policy = strdup(words[10]);
    treatment->tls_policy = job->policy;
    treatment->helo_name = config->deliver.helo_name;
    treatment->source = &config->deliver.source;
}

static void deliver(char *words[], size_t count)
{
    struct job *job = calloc(1, sizeof(*job));
    struct delivery_request request = {.treatment = &job->treatment,
                                       .mail = &job->mail,
                                       .config = config,
                                       .done = on_done,
                                       .arg = job};
    char *save, *word;

    if (count < 11)
        die("deliver with too few words");
    LIST_INSERT_HEAD(&jobs, job, link);
    snprintf(job->id, sizeof(job->id), "%s", words[1]);
    job->begun_ms = clock_awake_ms();
    read_treatment(job, words);
    job->sender = strdup(strcmp(words[7], "<>") == 0 ? "" : words[7]);
    job->rcpt_text = strdup(words[8]);
    job->content = make_content((size_t)atoll(words[9]));
    job->mail = (struct smtp_mail){
        .sender = job->sender, .size = content_size(job->content), .rcpts = job->rcpts};
    for (word = strtok_r(job->rcpt_text, ",", &save); word != NULL;
         word = strtok_r(NULL, ",", &save))
        job->rcpts[job->mail.rcpt_count++].address = word;
    for (size_t i = 11; i < count; i++) {
        if (strcmp(words[i], "8bit") == 0)
            job->mail.body = SMTP_BODY_8BITMIME;
        else if (strcmp(words[i], "utf8") == 0)
            job->mail.smtputf8 = true;
    }
    request.content = job->content;
    if (delivery_start(agent, &request, &job->delivery) != 0)
        die("no delivery");
}

static void cancel(const char *id)
{
    struct job *job, *next;

    for (job = LIST_FIRST(&jobs); job != NULL; job = next) {
        next = LIST_NEXT(job, link);
        if (strcmp(id, "all") == 0 || strcmp(job->id, id) == 0) {
            delivery_cancel(job->delivery);
            job_free(job);
        }
    }
}

static void print_status(void)
{
    unsigned fds = 0, deliveries = 0;
    DIR *dir = opendir("/proc/self/fd");
    struct job *job;

    while (dir != NULL && readdir(dir) != NULL)
        fds++;
    if (dir != NULL)
        closedir(dir);
    LIST_FOREACH (job, &jobs, link) {
        deliveries++;
    }
    printf("status fds=%u deliveries=%u\n", fds, deliveries);
    fflush(stdout);
}

/* config_report_fn */
static void on_report(void *arg, const char *message)
{
    (void)arg;

    fprintf(stderr, "agent_client: %s\n", message);
}

static struct config *load(const char *path)
{
    struct config *loaded;

    if (config_load(path, "client.test", on_report, on_report, NULL, &loaded) != 0)
        die("no configuration");
    return loaded;
}

static void reload(const char *path)
{
    struct config *loaded = load(path);
    char err[512];

    if (agent_reload(agent, loaded, err, sizeof(err)) != 0) {
        printf("reload failed %s\n", err);
        config_unref(loaded);
    } else {
        printf("reload done\n");
        config_unref(config);
        config = loaded;
    }
    fflush(stdout);
}

static void obey(char *line)
{
    char *words[WORDS_MAX], *save;
    size_t count = 0;

    for (char *word = strtok_r(line, " ", &save); word != NULL && count < WORDS_MAX;
         word = strtok_r(NULL, " ", &save))
        words[count++] = word;
    if (count >= 2 && strcmp(words[0], "findings") == 0)
        agent_engine_add(engine, words[1], words + 2, count - 2);
    else if (count >= 2 && strcmp(words[0], "deliver") == 0)
        deliver(words, count);
    else if (count == 2 && strcmp(words[0], "cancel") == 0)
        cancel(words[1]);
    else if (count == 2 && strcmp(words[0], "reload") == 0)
        reload(words[1]);
    else if (count == 1 && strcmp(words[0], "status") == 0)
        print_status();
    else
        die(count > 0 ? words[0] : "an empty line");
}

/* event_callback_fn */
static void on_line(evutil_socket_t fd, short what, void *arg)
{
    char *line;
    (void)what;
    (void)arg;

    if (evbuffer_read(input, fd, -1) <= 0) {
        event_base_loopbreak(base);
        return;
    }
    while ((line = evbuffer_readln(input, NULL, EVBUFFER_EOL_LF)) != NULL) {
        obey(line);
        free(line);
    }
}

int main(int argc, char *argv[])
{
    const struct log_settings settings = {.target = LOG_TARGET_STDERR,
                                          .format = LOG_FORMAT_TEXT,
                                          .facility = LOG_MAIL,
                                          .level = LOG_INFO};
    char err[512];

    if (argc != 2)
        die("agent_client CONFIGURATION");
    log_configure(&settings, "agent_client", false);
    config = load(argv[1]);
    base = event_base_new();
    engine = agent_engine_new();
    input = evbuffer_new();
    on_input = event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, on_line, NULL);
    if (base == NULL || input == NULL || on_input == NULL || event_add(on_input, NULL) != 0 ||
        metrics_new(&metrics) != 0)
        die("no memory");
    if (agent_new(base, config, engine, metrics, &agent, err, sizeof(err)) != 0)
        die(err);
    event_base_dispatch(base);
    cancel("all");
    agent_free(agent);
    metrics_free(metrics);
    config_unref(config);
    event_free(on_input);
    evbuffer_free(input);
    event_base_free(base);
    agent_engine_free(engine);
    return 0;
}
