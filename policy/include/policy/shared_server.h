/*
 * The servers of the shared cache as the configuration writes them, for those who read or check a
 * configuration:
 *
 *   redis://HOST[:PORT][/DB]   HOST is a name, an IPv4 address, or an IPv6 address in brackets; the
 *                              port is 6379, the database 0, if there is none
 *   unix:/PATH                 a socket; database 0
 */
#ifndef POLICY_SHARED_SERVER_H
#define POLICY_SHARED_SERVER_H

#include "policy/engine_health.h"

#include <stddef.h>

/* Whether it is one that this program can use. 0, or -EINVAL (it is none of the above), or -ENOSYS
 * (the program was built without hiredis), with a message in err. No I/O. Any thread. */
int shared_server_check(const char *text, char *err, size_t err_size);

/*
 * Connects to the server, says the password (NULL: none), chooses the database, and sees whether a
 * row can be written: ENGINE_SHARED_CONNECTED, or ENGINE_SHARED_READ_ONLY or _NOT_CONNECTED with
 * the reason in `why`, which never has the password. Waits, at most timeout_ms: for the set-up
 * check. Any thread.
 */
enum engine_shared_health shared_server_try(const char *text, const char *password, int timeout_ms,
                                            char *why, size_t why_size);

#endif
