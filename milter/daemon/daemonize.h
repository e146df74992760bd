/* Becoming a daemon: the process that was started waits until the daemon is ready, or has failed.
 */
#ifndef MILTER_DAEMON_DAEMONIZE_H
#define MILTER_DAEMON_DAEMONIZE_H

/*
 * Forks. Returns in the child only, 0 or a negative errno (then there was no fork); the parent
 * waits for daemonize_report and exits with what it says, or with EX_SOFTWARE when the child dies
 * first. Call before threads exist.
 */
int daemonize_begin(void);

/* Tells the parent the exit status, once; the child then lets go of the terminal. Does nothing
 * without a parent that waits. */
void daemonize_report(int exit_status);

#endif
