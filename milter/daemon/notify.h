/*
 * Tells the service manager how the daemon is doing: the datagram protocol of sd_notify(3), by
 * hand. Nothing happens when no manager listens.
 */
#ifndef MILTER_DAEMON_NOTIFY_H
#define MILTER_DAEMON_NOTIFY_H

/* Takes NOTIFY_SOCKET out of the environment. Call once, before threads exist. */
void notify_init(void);

/* Each returns at once; a message that cannot be sent is lost. Any thread. */
void notify_ready(void);
void notify_reloading(void); /* to be followed by notify_ready */
void notify_stopping(void);

#endif
