/*
 * What the load generators have in common: connections, the loop that serves them, the figures at
 * the end. One load per process; whatever goes wrong ends it with a message.
 */
#ifndef TESTS_BENCH_LOAD_H
#define TESTS_BENCH_LOAD_H

#include <stdint.h>

int64_t load_now_ns(void);

/* Prints the program's name, what went wrong and errno, and exits with status 1. */
void load_die(const char *what) __attribute__((noreturn));

/* A connection to the unix socket of that path. client is what load_run() hands over. */
int load_connect(const char *path, void *client);

/* Notes one answer, to what was asked at that time. */
void load_answered(int64_t asked_ns);

/* Calls hear for each connection on which something has come, until length_ns have passed since
 * begin_ns, or hear has called load_stop(); then load_print(). */
void load_run(int64_t begin_ns, int64_t length_ns, void (*hear)(void *client));
void load_stop(void);

/* Prints answers a second since begin_ns, median and 99th percentile of their times in us. */
void load_print(int64_t begin_ns);

#endif
