/*
 * The SMTP client of the engine for tests/smtp/run: probes and messages to one address each, many
 * at once. Reads a job a line, and prints a line when it is done, fields by blanks, the last to the
 * end of the line:
 *
 *     probe ID ADDRESS PORT DEMAND TIMEOUT
 *       ID probe RESULT MS local=B starttls=B requiretls=B pipelining=B dane=CHECK web_pki=CHECK
 *           protocol=P names=N text=...
 *     send ID ADDRESS PORT DEMAND TLS TIMEOUT LIMIT OCTETS MESSAGES END SOURCE
 *       ID send OUTCOME-OF-RECIPIENT MS connection=N outcome=N state=... text=...
 *     cancel ID
 *     status                            (peak: since the last time)
 *       status rss=KB peak=KB fds=N jobs=N
 *
 * DEMAND is web:NAME, dane:NAME:SHA256-OF-SPKI, encrypt or may; times are in milliseconds; TLS is
 * never, offered or required; TIMEOUT is that of each step, LIMIT of all; END is quit, or wait: the
 * connection is kept, or pause: the content comes three times TIMEOUT after the server is ready for
 * it; SOURCE is an address of IPv4 or -. It ends with its input.
 *
 * on_line() reads a line, obey() begins its job: probes here, messages in smtp_send.c. What they
 * have in common is in smtp_job.c.
 */
#include "policy/clock.h"
#include "policy/tls_client.h"
#include "probe/probe_client.h"
#include "smtp_job.h"
#include "smtp_send.h"

#include <dirent.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_MAX = 13 };

static struct event_base *base;
static struct ca_store *ca_store;
static struct tls_client *tls_client;
static struct evbuffer *input;
static struct event *on_input;

/* world_probe_fn */
static void on_probe(const struct world_probe_result *result, void *arg)
{
    const struct findings_probe *probe = result->probe;
    struct job *job = arg;

    printf("%s probe %s %lld local=%d starttls=%d requiretls=%d pipelining=%d dane=%s web_pki=%s "
           "protocol=%s names=%u text=%s\n",
           job->id, findings_probe_result_name(probe->result),
           (long long)(clock_awake_ms() - job->begun_ms), result->local, probe->starttls,
           probe->requiretls, probe->pipelining, findings_probe_check_name(probe->dane),
           findings_probe_check_name(probe->web_pki),
           probe->protocol != NULL ? probe->protocol : "-", probe->name_count,
           probe->failure != NULL ? probe->failure : "");
    fflush(stdout);
    job_remove(job);
}

/* One client for each time-out: they are few. */
static struct probe_client *client_for(int64_t timeout_ms)
{
    static struct {
        int64_t timeout_ms;
        struct probe_client *client;
    } clients[16];
    char err[200] = "";

    for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
        const struct probe_client_config config = {.helo_name = "client.test",
                                                   .timeout_ms = timeout_ms};

        if (clients[i].client == NULL) {
            clients[i].timeout_ms = timeout_ms;
            if (probe_client_new(base, ca_store, &config, &clients[i].client, err, sizeof(err)) !=
                0)
                die(err);
        }
        if (clients[i].timeout_ms == timeout_ms)
            return clients[i].client;
    }
    die("too many time-outs");
    return NULL;
}

static void begin_probe(char *words[])
{
    struct job *job = job_add(base, words);

    job->probe = probe_client_start(client_for(atoll(words[5])), &job->target, on_probe, job);
    if (job->probe == NULL)
        die("no memory");
}

static void cancel(const char *id)
{
    struct job *job = job_find(id);

    if (job != NULL)
        job_cancel(job);
}

static long field_of_status(const char *name)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[200];
    long value = 0;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            value = atol(line + strlen(name));
    if (file != NULL)
        fclose(file);
    return value;
}

static unsigned descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    while (dir != NULL && readdir(dir) != NULL)
        count++;
    if (dir != NULL)
        closedir(dir);
    return count;
}

/* So that `peak` is what it was since the last time. */
static void forget_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");

    if (file == NULL)
        return;
    fputs("5", file);
    fclose(file);
}

static void status(void)
{
    printf("status rss=%ld peak=%ld fds=%u jobs=%u\n", field_of_status("VmRSS:"),
           field_of_status("VmHWM:"), descriptors(), job_count());
    fflush(stdout);
    forget_peak();
}

static void obey(char *line)
{
    char *words[WORDS_MAX] = {NULL}, *rest = line;
    size_t count = 0;

    while (count < WORDS_MAX && (words[count] = strtok_r(NULL, " ", &rest)) != NULL)
        count++;
    if (count == 6 && strcmp(words[0], "probe") == 0)
        begin_probe(words);
    else if (count == 12 && strcmp(words[0], "send") == 0)
        smtp_send(base, tls_client, words);
    else if (count == 2 && strcmp(words[0], "cancel") == 0)
        cancel(words[1]);
    else if (count == 1 && strcmp(words[0], "status") == 0)
        status();
    else
        die("no such job");
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

int main(int argc, char **argv)
{
    char err[200] = "";

    if (argc != 2)
        die("usage: smtp_client CA_FILE");
    base = event_base_new();
    input = evbuffer_new();
    if (base == NULL || input == NULL || ca_store_new(argv[1], NULL, &ca_store, err, sizeof(err)) ||
        tls_client_new(ca_store, 10, &tls_client) != 0)
        die(err);
    on_input = event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, on_line, NULL);
    event_add(on_input, NULL);
    event_base_dispatch(base);
    for (struct job *job; (job = job_find(NULL)) != NULL;)
        job_cancel(job);
    event_free(on_input);
    evbuffer_free(input);
    return 0; /* what is global is left to the system */
}
