/*
 * The list of the checks of a Postfix, in the order in which their findings are shown.
 */
#include "setup/postfix/postfix_checks.h"

void setup_postfix_check(struct setup_postfix *postfix, struct setup_report *report)
{
    setup_postfix_milter(postfix, report);
    setup_postfix_scanners(postfix, report);
    setup_postfix_request(postfix, report);
    setup_postfix_marker(postfix, report);
    setup_postfix_bounces(postfix, report);
    setup_postfix_maps(postfix, report);
    setup_postfix_tls(postfix, report);
    setup_postfix_transports(postfix, report);
    setup_postfix_routes(postfix, report);
}
