/*
 * The list of the checks of a Postfix, in the order in which their findings are shown, with what
 * each needs to know of the daemon's configuration. setup_postfix_check makes most of them,
 * setup_postfix_check_late, after it, the others.
 */
#include "setup/postfix/postfix_checks.h"

#include "setup/setup.h"

enum {
    SOCKETS = CONFIG_PART_SOCKETS,
    MILTER = CONFIG_PART_MILTER,
    RULES = CONFIG_PART_RULES,
};

void setup_postfix_check(struct setup_postfix *postfix, struct setup_report *report)
{
    static const struct {
        void (*check)(struct setup_postfix *postfix, struct setup_report *report);
        unsigned parts;
        bool maps; /* it looks for the socketmap */
        const char *names;
    } checks[] = {
        {setup_postfix_milter, SOCKETS, false,
         "milter-service, milter-socket, milter-default-action"},
        {setup_postfix_scanners, SOCKETS | MILTER | RULES, false, "content-filter, proxy-filter"},
        {setup_postfix_request, 0, false, ""},
        {setup_postfix_marker, SOCKETS | MILTER | RULES, false, "marker, marker-swallowed"},
        {setup_postfix_bounces, SOCKETS | MILTER, false, "bounces, non-smtpd-milters"},
        {setup_postfix_maps, SOCKETS | CONFIG_PART_SOCKETMAP | CONFIG_PART_LOOKUPS | RULES, true,
         "map-name, map-policy, requiretls-policy"},
        {setup_postfix_tls, 0, false, ""},
        {setup_postfix_transports, MILTER, false, "local-mailers"},
        {setup_postfix_routes, SOCKETS | MILTER | RULES, true, "route"},
        {setup_postfix_probing, CONFIG_PART_PROBE, false, "probe"},
    };
    /* What answers as the filter is it, whatever the file says of sockets. */
    unsigned answered = setup_postfix_is_asked(postfix) ? SOCKETS : 0;

    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        unsigned parts = checks[i].parts & ~(checks[i].maps ? 0 : answered);

        if (setup_can_examine(postfix->config, parts, checks[i].names, report))
            checks[i].check(postfix, report);
    }
}

void setup_postfix_check_late(const struct setup_postfix *postfix, struct setup_report *report)
{
    if (setup_can_examine(postfix->config, MILTER | RULES, "route-native", report))
        setup_postfix_native(postfix, report);
    if (setup_can_examine(postfix->config, SOCKETS | MILTER, "proxy-marker", report))
        setup_postfix_proxies(postfix, report);
}
