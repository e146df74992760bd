/*
 * What the parts of the real world are configured with, of the engine's configuration. Strings and
 * lists are borrowed from it.
 */
#ifndef POLICY_ENGINE_WORLD_SETTINGS_H
#define POLICY_ENGINE_WORLD_SETTINGS_H

#include "policy/engine_config.h"
#include "probe/probe_client.h"
#include "store/shared.h"

struct shared_config world_settings_shared(const struct engine_config *config);
bool world_settings_share(const struct engine_config *config); /* whether there is a server */

struct probe_client_config world_settings_probe(const struct engine_config *config);

#endif
