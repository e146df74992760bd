/*
 * [probe] beside Postfix: whether any mail can cause a probe, and whether probes leave from the
 * address that smtp(8) sends from, as servers go by it. Pure.
 */
#include "setup/postfix/postfix_checks.h"

#include "base/text.h"
#include "setup/setup_edit.h"

#include <arpa/inet.h>
#include <string.h>

/* However each is written. */
static bool same_address(int family, const char *a, const char *b)
{
    struct in6_addr x = {0}, y = {0};

    return inet_pton(family, a, &x) == 1 && inet_pton(family, b, &y) == 1 &&
           memcmp(&x, &y, sizeof(x)) == 0;
}

/* The address of that family that the configuration names; NULL: none. */
static const char *source_of(const struct config *config, int family)
{
    for (size_t i = 0; i < config->probe_sources.count; i++) {
        if (same_address(family, config->probe_sources.items[i], config->probe_sources.items[i]))
            return config->probe_sources.items[i];
    }
    return NULL;
}

/* A value of smtp_bind_address or smtp_bind_address6 without brackets; false: there is none. */
static bool read_bind(const char *bind, char *out, size_t size)
{
    if (bind[0] == '[')
        bind++;
    size_t len = strcspn(bind, "]");
    if (len == 0 || len >= size)
        return false;
    memcpy(out, bind, len);
    out[len] = '\0';
    return true;
}

/* One finding for both families: they are one key. */
static void check_sources(const struct setup_postfix *postfix, struct setup_report *report)
{
    static const struct {
        const char *parameter;
        int family;
    } families[] = {{"smtp_bind_address", AF_INET}, {"smtp_bind_address6", AF_INET6}};
    const struct postconf_service *smtp = postconf_service(&postfix->conf, "smtp", "unix");
    char value_text[2 * INET6_ADDRSTRLEN + 2], said_text[400];
    struct text value, said;

    text_init(&value, value_text, sizeof(value_text));
    text_init(&said, said_text, sizeof(said_text));
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        const char *parameter = families[i].parameter;
        const char *source = source_of(postfix->config, families[i].family);
        char address[INET6_ADDRSTRLEN];

        if (read_bind(postconf_get(&postfix->conf, smtp, parameter), address, sizeof(address)) &&
            (source == NULL || !same_address(families[i].family, source, address))) {
            text_addf(&said, "%s%s = %s in %s", said.len > 0 ? ", " : "", parameter, address,
                      setup_postfix_place(smtp, parameter));
            source = address;
        }
        if (source != NULL)
            text_addf(&value, "%s%s", value.len > 0 ? ", " : "", source);
    }
    if (said.len == 0)
        return;
    setup_add(report, SETUP_WARNING, "probe",
              "%s, but probes leave from another address: servers may answer that one otherwise",
              said_text);
    setup_remedy(report, "`source = %s` in [probe]", value_text);
    setup_edit_key(report, "probe", "source", value_text);
    setup_edit_done(report, false);
}

void setup_postfix_probing(struct setup_postfix *postfix, struct setup_report *report)
{
    int version = postfix->conf.version;

    if (version >= POSTCONF_REQUIRETLS || config_has_agent_route(postfix->config)) {
        if (postfix->config->engine.probe_enable == ENGINE_PROBE_NO)
            return;
        check_sources(postfix, report);
    } else if (postfix->config->engine.probe_enable == ENGINE_PROBE_YES) {
        setup_add(report, SETUP_WARNING, "probe",
                  "[probe] enable = yes, but Postfix %d.%d cannot pass REQUIRETLS on: no server is "
                  "ever probed",
                  version / 100, version % 100);
        setup_remedy(report, "leave `enable` in [probe] at its default");
        setup_edit_key(report, "probe", "enable", "auto");
        setup_edit_done(report, false);
    }
}
