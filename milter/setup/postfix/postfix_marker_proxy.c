/*
 * Whether a proxy between two smtpds hands the filter's marker on: setup_postfix_proxies gives each
 * proxy behind a service that takes REQUIRETLS a message that the filter refuses with words that
 * tell whether it saw the request. Before Postfix 3.11 alone. Pure, but for that message, which a
 * function in struct setup_postfix sends.
 */
#include "setup/postfix/postfix_checks.h"

#include "decide/reply.h"
#include "setup/postfix/postfix_remedy.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define FILTER "smtpd_command_filter"

/* The filter refuses a recipient with its tag, and says whether the message asks for REQUIRETLS. */
static void judge_proxy(const struct setup_postfix *postfix, const struct postconf_service *service,
                        const char *proxy, int code, const char *text, struct setup_report *report)
{
    static const char finding[] = "proxy-marker";
    bool refused = code >= 400 && strstr(text, REPLY_RESERVED) != NULL;

    if (refused && strstr(text, REPLY_RESERVED_ASKED) != NULL) {
        setup_add(report, SETUP_OK, finding, "%s hands MAIL on as it comes", proxy);
    } else if (refused) {
        setup_add(report, SETUP_ERROR, finding,
                  "%s: %s writes a MAIL of its own, in which the filter's marker is lost: what %s "
                  "took with REQUIRETLS leaves as any other mail",
                  service->id, proxy, service->id);
        setup_remedy(report,
                     "have it refused there; or the scanner as content_filter, as " PROJECT_DOC_DIR
                     "/PLACEMENT shows");
        setup_postfix_set_own(postfix, service, FILTER, "", report);
        setup_postfix_reload(postfix, report);
    } else {
        setup_add(report, SETUP_UNKNOWN, finding,
                  "%s: whether %s hands MAIL on as it comes: it says `%d %.200s` to a message that "
                  "the filter behind it refuses",
                  service->id, proxy, code, text);
        setup_remedy(report, "if it writes a MAIL of its own, as amavisd does");
        setup_postfix_set_own(postfix, service, FILTER, "", report);
        setup_postfix_reload(postfix, report);
    }
}

static void check_proxy(const struct setup_postfix *postfix, const struct postconf_service *service,
                        struct setup_report *report)
{
    const char *proxy = postconf_get(&postfix->conf, service, "smtpd_proxy_filter");
    const struct config_milter *milter = &postfix->config->milter;
    char where[320], recipient[320], text[1024];

    snprintf(recipient, sizeof(recipient), "setup-check@example.org.%s", milter->tag);
    if (strncasecmp(proxy, "unix:", 5) == 0 && proxy[5] != '/')
        snprintf(where, sizeof(where), "unix:%s/%s", postfix->mta.queue, proxy + 5);
    else
        snprintf(where, sizeof(where), "%s", proxy);
    int code = postfix->proxy(where, milter->marker, recipient, text, sizeof(text));
    if (code >= 0) {
        judge_proxy(postfix, service, proxy, code, text, report);
        return;
    }
    setup_add(report, SETUP_UNKNOWN, "proxy-marker",
              "%s: whether %s hands MAIL on as it comes: it cannot be tried: %s", service->id,
              proxy, strerror(-code));
    setup_remedy(report, "start it, and run this check again");
}

/* Whether an earlier service hands its mail, with the marker in it, to the same proxy. */
static bool tried_before(const struct setup_postfix *postfix,
                         const struct postconf_service *service)
{
    const char *proxy = postconf_get(&postfix->conf, service, "smtpd_proxy_filter");
    const struct postconf_service *other = NULL;

    while ((other = setup_postfix_next(postfix, other, "smtpd")) != service) {
        if (strcmp(postconf_get(&postfix->conf, other, "smtpd_proxy_filter"), proxy) == 0 &&
            setup_postfix_takes(postfix, other))
            return true;
    }
    return false;
}

void setup_postfix_proxies(const struct setup_postfix *postfix, struct setup_report *report)
{
    const struct postconf_service *service = NULL;

    if (postfix->conf.version >= POSTCONF_REQUIRETLS)
        return; /* which says it to a proxy in the header */
    while ((service = setup_postfix_next(postfix, service, "smtpd")) != NULL) {
        if (setup_postfix_proxied(postfix, service) && setup_postfix_takes(postfix, service) &&
            !tried_before(postfix, service))
            check_proxy(postfix, service, report);
    }
}
