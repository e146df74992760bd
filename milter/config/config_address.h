/*
 * Addresses of sockets in the configuration. Pure. Each returns NULL when the text is good, else
 * what would have been expected; "" when out of memory.
 */
#ifndef MILTER_CONFIG_CONFIG_ADDRESS_H
#define MILTER_CONFIG_CONFIG_ADDRESS_H

#include "config/config.h"
#include "policy/arena.h"

/* As smfi_setconn(3) takes it: unix:/path, local:/path, inet:port@address, inet6:port@address. */
const char *config_address_milter(const char *text);

/* unix:/path or inet:host:port, an IPv6 address in brackets. Empty: all NULL. */
const char *config_address_listen(struct arena *arena, const char *text,
                                  struct config_address *out);

/* A resolver: 192.0.2.1, 192.0.2.1:5353, 2001:db8::1, [2001:db8::1]:5353, fe80::1%eth0. */
const char *config_address_resolver(const char *text);

/* What to connect from: 192.0.2.1, 2001:db8::1. */
const char *config_address_source(const char *text);

#endif
