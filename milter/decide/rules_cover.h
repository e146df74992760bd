/*
 * Whether one rule matches whatever another one does, by their matchers alone. Pure.
 */
#ifndef MILTER_DECIDE_RULES_COVER_H
#define MILTER_DECIDE_RULES_COVER_H

#include "config/config_rule.h"

enum rules_cover {
    RULES_COVER_NONE, /* no mail matches both */
    RULES_COVER_PART, /* some may match both, but not all, by any number of rules of this result */
    RULES_COVER_SOME, /* it cannot be known */
    RULES_COVER_ALL,  /* all mail that matches the one matches the other */
};

/* How much of what `rule` matches `by` matches too. */
enum rules_cover rules_cover(const struct config_rule *by, const struct config_rule *rule);

#endif
