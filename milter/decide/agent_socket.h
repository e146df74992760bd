/*
 * Which next-hop of the MTA is this daemon's own delivery agent. Pure.
 */
#ifndef MILTER_DECIDE_AGENT_SOCKET_H
#define MILTER_DECIDE_AGENT_SOCKET_H

#include "config/config.h"

/*
 * The [deliver NAME] that the MTA's {rcpt_host} names, or NULL. Postfix writes a next-hop of
 * lmtp(8) as `unix:path` (relative to its queue directory, or within a chroot), `inet:host:port`,
 * `host:port` or `[host]:port`; whatever the transport is called, mail for it leaves this host by
 * SMTP. host NULL: the MTA has not told it. The result belongs to the configuration.
 */
const struct config_deliver_socket *agent_socket_find(const struct config *config,
                                                      const char *host);

#endif
