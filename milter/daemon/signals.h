/*
 * Signals as numbers to be read. The main thread alone takes them: libmilter's thread for signals,
 * which would stop the filter in the middle of its sessions, is put to sleep (see signals.c).
 */
#ifndef MILTER_DAEMON_SIGNALS_H
#define MILTER_DAEMON_SIGNALS_H

/* SIGNALS_FILTER_ENDED is what signals_filter_ended adds to the signal numbers. */
enum { SIGNALS_NONE = 0, SIGNALS_FILTER_ENDED = 200 };

/* Blocks all signals, for the threads to be started. From now on those that signals_next knows are
 * kept for it. Call in the main thread, before there are others. Returns 0 or a negative errno. */
int signals_block(void);

/* Lets the calling thread, which must be the main one, have the signals that signals_next does not
 * know; call when all threads have been started. */
void signals_take(void);

/* The next of SIGTERM, SIGINT, SIGHUP and SIGUSR1, SIGNALS_FILTER_ENDED, or SIGNALS_NONE after
 * timeout_ms (-1: wait for ever). Main thread. */
int signals_next(int timeout_ms);

void signals_filter_ended(void); /* any thread */

#endif
