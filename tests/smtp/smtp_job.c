/*
 * The list of the jobs of smtp_client.c: job_add() makes one from the words of its line,
 * job_find() finds it while it runs, job_remove() takes it out when it is done, job_cancel()
 * before.
 */
#include "smtp_job.h"

#include "policy/clock.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct job *jobs;

void die(const char *what)
{
    fprintf(stderr, "smtp_client: %s\n", what);
    exit(1);
}

static void parse_demand(struct job *job, char *text)
{
    char *name = strchr(text, ':'), *hex;

    if (strcmp(text, "encrypt") == 0 || strcmp(text, "may") == 0) {
        job->demand.kind = text[0] == 'e' ? TLS_DEMAND_ENCRYPT : TLS_DEMAND_MAY;
        return;
    }
    if (name == NULL)
        die("no such demand");
    *name++ = '\0';
    hex = strchr(name, ':');
    if (hex != NULL)
        *hex++ = '\0';
    tls_demand_web_pki(name, &job->demand);
    if (strcmp(text, "dane") != 0 || hex == NULL || strlen(hex) != 64)
        return;
    for (size_t i = 0; i < 32; i++) {
        unsigned octet;

        if (sscanf(hex + 2 * i, "%2x", &octet) != 1)
            die("no digest");
        job->tlsa_data[i] = (uint8_t)octet;
    }
    job->tlsa = (struct findings_tlsa){.usage = 3,
                                       .selector = 1,
                                       .matching_type = 1,
                                       .usable = true,
                                       .data_len = 32,
                                       .data = job->tlsa_data};
    job->demand.kind = TLS_DEMAND_DANE;
    job->demand.tlsa = &job->tlsa;
    job->demand.tlsa_count = 1;
}

struct job *job_add(struct event_base *event_base, char *words[])
{
    struct job *job = calloc(1, sizeof(*job));
    bool ipv6 = strchr(words[2], ':') != NULL;

    if (job == NULL || inet_pton(ipv6 ? AF_INET6 : AF_INET, words[2], job->address) != 1)
        die("no address");
    job->base = event_base;
    snprintf(job->id, sizeof(job->id), "%s", words[1]);
    job->begun_ms = clock_awake_ms();
    parse_demand(job, words[4]);
    job->target = (struct world_probe_target){
        .host = "mx.test",
        .address = job->address,
        .ipv6 = ipv6,
        .port = (uint16_t)atoi(words[3]),
        .demand = &job->demand,
        .web_pki_name = "mx.test",
    };
    job->next = jobs;
    jobs = job;
    return job;
}

void job_remove(struct job *job)
{
    struct job **at = &jobs;

    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    if (job->on_pause != NULL)
        event_free(job->on_pause);
    free(job);
}

void job_cancel(struct job *job)
{
    if (job->probe != NULL)
        probe_client_cancel(job->probe);
    smtp_transport_free(job->transport);
    job_remove(job);
}

struct job *job_find(const char *id)
{
    struct job *job = jobs;

    while (job != NULL && id != NULL && strcmp(job->id, id) != 0)
        job = job->next;
    return job;
}

unsigned job_count(void)
{
    unsigned count = 0;

    for (struct job *job = jobs; job != NULL; job = job->next)
        count++;
    return count;
}
