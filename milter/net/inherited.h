/*
 * Unix sockets that the service manager has opened for us and keeps while we are restarted, so that
 * whoever connects meanwhile waits instead of being refused (sd_listen_fds(3): LISTEN_PID,
 * LISTEN_FDS).
 */
#ifndef MILTER_NET_INHERITED_H
#define MILTER_NET_INHERITED_H

/* The listening stream socket that was inherited for a path; non-blocking, closed by execve(2). -1:
 * none. Each is given out once. One thread at a time. */
int inherited_socket(const char *path);

#endif
