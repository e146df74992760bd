/*
 * Signals as numbers to be read. The main thread alone takes them: libmilter's thread for signals,
 * which would stop the filter in the middle of its sessions, is put to sleep (see signals.c).
 */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <stdbool.h>

/* SIGNALS_FILTER_ENDED is what signals_post may add to the signal numbers. */
enum { SIGNALS_NONE = 0, SIGNALS_FILTER_ENDED = 200 };

/* Blocks all signals for the threads to be started. Returns 0 or a negative errno. */
int signals_block(void);

/* Takes SIGTERM, SIGINT, SIGHUP and SIGUSR1 in the calling thread, which must be the main one;
 * call when all threads have been started. */
void signals_take(void);

/* The next signal, or SIGNALS_NONE after timeout_ms (-1: wait for ever). Main thread. */
int signals_next(int timeout_ms);

void signals_post(int number); /* any thread */

#endif
