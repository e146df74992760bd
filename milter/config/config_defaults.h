/*
 * What the configuration says when the file does not: set before the file is read.
 */
#ifndef MILTER_CONFIG_CONFIG_DEFAULTS_H
#define MILTER_CONFIG_CONFIG_DEFAULTS_H

#include "config/config.h"
#include "policy/arena.h"

/* `config` is zeroed memory; strings and lists are taken from the arena. `host_name` is this
 * host's; one that is no domain name counts as localhost. False: out of memory. */
bool config_defaults(struct config *config, struct arena *arena, const char *host_name);

/* Fills in what a [deliver NAME] has where it says nothing. Returns its argument. */
struct config_deliver_socket *config_default_deliver_socket(struct config_deliver_socket *s);

#endif
