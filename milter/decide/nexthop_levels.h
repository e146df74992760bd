/* The levels of a recipient for which the MTA has several next-hops. Pure: no I/O. */
#ifndef MILTER_DECIDE_NEXTHOP_LEVELS_H
#define MILTER_DECIDE_NEXTHOP_LEVELS_H

#include "decide/rules.h"

#include <stddef.h>

/*
 * Raises the level of next-hops from which the MTA could go on to one at a higher level, with
 * nothing that would hold the message to that there; so too the level to which mail may fall back.
 * settings[i] is what the rules say of each. Any thread.
 */
void nexthop_levels_raise(struct rules_settings *const *settings, size_t count);

#endif
