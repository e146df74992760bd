/*
 * What the jobs of smtp_client.c have in common, and the list of them. One thread.
 */
#ifndef TESTS_SMTP_SMTP_JOB_H
#define TESTS_SMTP_SMTP_JOB_H

#include "policy/smtp_transport.h"
#include "policy/tls_demand.h"
#include "probe/probe_client.h"

#include <event2/event.h>

struct job {
    struct job *next;
    struct event_base *base; /* borrowed */
    char id[32];
    int64_t begun_ms;
    uint8_t address[16];
    struct tls_demand demand;
    struct findings_tlsa tlsa;
    uint8_t tlsa_data[32];
    struct world_probe_target target;
    struct world_probe *probe;
    struct smtp_transport *transport;
    size_t octets_left; /* of the message */
    unsigned messages_left;
    size_t octets;
    bool waits;
    int64_t pause_ms;
    struct event *on_pause; /* NULL: not begun */
};

/* Says what is wrong, and ends the program. */
void die(const char *what) __attribute__((noreturn));

/* Adds a job from the first five words of its line; dies when they are not right. */
struct job *job_add(struct event_base *event_base, char *words[]);

void job_remove(struct job *job); /* its probe or transport has ended */
void job_cancel(struct job *job); /* ends them, and removes it */

struct job *job_find(const char *id); /* or NULL; with NULL for id any */
unsigned job_count(void);

#endif
