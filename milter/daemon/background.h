/* Becoming a daemon: the process that was started waits until the daemon is ready, or has failed.
 */
#ifndef MILTER_DAEMON_BACKGROUND_H
#define MILTER_DAEMON_BACKGROUND_H

/*
 * Forks. Returns in the child only, 0 or a negative errno (then there was no fork); the parent
 * waits for background_report and exits with what it says, or with EX_SOFTWARE when the child dies
 * first. Call before threads exist.
 */
int background_begin(void);

/* Tells the parent the exit status, once; the child then lets go of the terminal. Does nothing
 * without a parent that waits. */
void background_report(int exit_status);

#endif
