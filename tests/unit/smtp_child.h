/*
 * An SMTP server in a process of its own, which no failing allocation of the test's reaches: it
 * does all that is demanded, with STARTTLS and REQUIRETLS, takes every message, and counts them. A
 * process for each connection.
 */
#ifndef TESTS_UNIT_SMTP_CHILD_H
#define TESTS_UNIT_SMTP_CHILD_H

#include "tls_certs.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/types.h>

struct smtp_child {
    enum cert_id leaf; /* the caller's to set; its issuer is INTERMEDIATE */
    pid_t pid;
    struct sockaddr_in address; /* 127.0.0.1 */
    atomic_uint *taken;         /* messages, whatever became of the reply; shared with the server */
};

/* Any failure ends the test. */
void smtp_child_start(struct smtp_child *child);
void smtp_child_stop(struct smtp_child *child);

#endif
