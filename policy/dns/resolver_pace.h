/*
 * Whether the resolver as a whole is slow, or only some destinations are, by how long its answers
 * of late took. Pure: it knows no sockets and no clock. One thread.
 *
 * An answer is prompt when it comes within slow_ms, else late. "Of late" is between one and two
 * times slow_ms.
 */
#ifndef POLICY_DNS_RESOLVER_PACE_H
#define POLICY_DNS_RESOLVER_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct resolver_pace {
    int slow_ms;
    size_t few; /* fewer answers than that say nothing */
    int64_t window_ms;
    size_t prompt[2], late[2]; /* answers in the window that began then, and in the one before */
    int64_t prompt_sent_ms;    /* when the latest query was sent that had a prompt answer */
};

enum resolver_pace_state {
    /* A query that was sent after that time had a prompt answer, and most of late had. */
    RESOLVER_PROMPT,
    /* It answers, but most of late not promptly, or nothing that was sent after that time. */
    RESOLVER_LATE,
    /* Too few answers to tell: all that was asked may be of slow destinations. */
    RESOLVER_QUIET,
};

void resolver_pace_init(struct resolver_pace *pace);
void resolver_pace_configure(struct resolver_pace *pace, size_t slots, int slow_ms);

/* A query that was sent then has been answered. */
void resolver_pace_answered(struct resolver_pace *pace, int64_t sent_ms, int64_t now_ms);

/* A question that is no query of anybody's, asked to find out, had a prompt answer. */
void resolver_pace_probed(struct resolver_pace *pace, int64_t sent_ms);

/* What is to be thought of the resolver by somebody whose query was sent at `sent_ms` and has no
 * answer yet. */
enum resolver_pace_state resolver_pace_since(const struct resolver_pace *pace, int64_t sent_ms,
                                             int64_t now_ms);

#endif
