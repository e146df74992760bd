/*
 * What a rule or [default] sets, the values of it, and the facts that a rule's matchers look at.
 */
#ifndef MILTER_CONFIG_CONFIG_SETTING_H
#define MILTER_CONFIG_CONFIG_SETTING_H

enum config_request {
    CONFIG_REQUEST_NONE,
    CONFIG_REQUEST_REQUIRE,
    CONFIG_REQUEST_OPTIONAL,
    CONFIG_REQUEST_IGNORE,
    CONFIG_REQUEST_OBSERVE, /* what would be if the message asked, for the log alone */
};
enum config_fallback { CONFIG_FALLBACK_NONE, CONFIG_FALLBACK_ENCRYPT, CONFIG_FALLBACK_MAY };
enum config_action {
    CONFIG_ACTION_REJECT,
    CONFIG_ACTION_TEMPFAIL,
    CONFIG_ACTION_QUARANTINE,
    CONFIG_ACTION_LOG,
};
enum config_mixed { CONFIG_MIXED_REJECT, CONFIG_MIXED_KEEP };
/* Whether REQUIRETLS must be passed on (RFC 8689 section 4.2.1): where the route can; always;
 * never. */
enum config_offer { CONFIG_OFFER_AUTO, CONFIG_OFFER_YES, CONFIG_OFFER_NO };

/* Each setting of a rule; a bit in masks. */
enum config_setting {
    CONFIG_SETTING_REQUEST,
    CONFIG_SETTING_LEVEL,
    CONFIG_SETTING_FALLBACK,
    CONFIG_SETTING_ON_UNSATISFIED,
    CONFIG_SETTING_ON_UNDECIDED,
    CONFIG_SETTING_MIXED,
    CONFIG_SETTING_REQUIRE_OFFER,
    CONFIG_SETTING_ROUTE,
    CONFIG_SETTING_OPTIONAL_ROUTE,
    CONFIG_SETTING_TLS_POLICY,
    CONFIG_SETTING_HELO_NAME, /* this and `source` are of the delivery agent */
    CONFIG_SETTING_SOURCE,
    CONFIG_SETTING_COUNT,
};

/* What a rule may look at; a bit in masks. */
enum config_fact {
    CONFIG_FACT_CLIENT = 1 << 0, /* address and name */
    CONFIG_FACT_AUTHENTICATED = 1 << 1,
    CONFIG_FACT_TLS = 1 << 2,
    CONFIG_FACT_SENDER = 1 << 3,
    CONFIG_FACT_RECIPIENT = 1 << 4, /* recipient, mailer and next-hop are known together */
    CONFIG_FACT_HEADER = 1 << 5,
    CONFIG_FACT_DAEMON = 1 << 6,
};

#endif
