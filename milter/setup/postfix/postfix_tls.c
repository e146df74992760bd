/*
 * What Postfix needs to verify others (smtp_dns_support_level, smtp_tls_security_level,
 * authorities) and to be verified (the certificate of smtpd). Pure.
 */
#include "setup/postfix/postfix_checks.h"
#include "setup/postfix/postfix_remedy.h"

#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char system_ca[] = "/etc/ssl/certs/ca-certificates.crt";

/* Services that would say the same, since they have it from main.cf, say it once. */
static bool said(const struct setup_postfix *postfix, const struct postconf_service *service,
                 const char *parameter)
{
    const struct postconf_service *other = NULL;

    if (strcmp(setup_postfix_place(service, parameter), "main.cf") != 0)
        return false;
    while ((other = setup_postfix_next(postfix, other, service->program)) != service) {
        if (strcmp(setup_postfix_place(other, parameter), "main.cf") == 0)
            return true;
    }
    return false;
}

static void check_dns(const struct setup_postfix *postfix, const struct postconf_service *service,
                      struct setup_report *report)
{
    static const char parameter[] = "smtp_dns_support_level";
    const char *level = postconf_get(&postfix->conf, service, parameter);

    if (strcmp(level, "dnssec") == 0 || said(postfix, service, parameter))
        return;
    setup_add(report, SETUP_ERROR, "dns-support-level",
              "%s = %s in %s: Postfix looks at no signature in DNS, DANE is not done", parameter,
              level[0] != '\0' ? level : "(empty)", setup_postfix_place(service, parameter));
    setup_postfix_set(postfix, service, parameter, "dnssec", report);
    setup_postfix_reload(postfix, report);
}

/* Whether the filter tells that service which domains have DANE. */
static bool asks_for_dane(const struct setup_postfix *postfix,
                          const struct postconf_service *service)
{
    return postfix->config->engine.dane_enable &&
           setup_postfix_names_us(postfix, service, "smtp_tls_policy_maps", SETUP_SOCKETMAP, NULL,
                                  NULL);
}

/* Where MTA-STS is looked up too, the map that is missing is the finding (setup_postfix_maps). */
static bool is_without_dane(const struct setup_postfix *postfix,
                            const struct postconf_service *service, const char *level)
{
    const struct config *config = postfix->config;

    return config->in_doubt == 0 && (strcmp(level, "may") == 0 || strcmp(level, "encrypt") == 0) &&
           config->engine.dane_enable && !config->engine.sts_enable &&
           postconf_get(&postfix->conf, service, "smtp_tls_policy_maps")[0] == '\0';
}

static void check_level(const struct setup_postfix *postfix, const struct postconf_service *service,
                        struct setup_report *report)
{
    static const char parameter[] = "smtp_tls_security_level";
    const char *level = postconf_get(&postfix->conf, service, parameter);

    if (strcmp(level, "may") == 0 && asks_for_dane(postfix, service)) {
        if (!said(postfix, service, parameter))
            setup_add(report, SETUP_OK, "tls-security-level",
                      "%s = may in %s is enough: the map says so where a domain has DANE",
                      parameter, setup_postfix_place(service, parameter));
        return;
    }
    if (said(postfix, service, parameter))
        return;
    if (is_without_dane(postfix, service, level)) {
        setup_add(report, SETUP_ERROR, "tls-security-level",
                  "%s = %s in %s, and no map says where a domain has DANE: what was accepted for "
                  "that is not held to it",
                  parameter, level, setup_postfix_place(service, parameter));
        setup_postfix_set(postfix, service, parameter, "dane", report);
        setup_postfix_reload(postfix, report);
    }
    if (level[0] != '\0' && strcmp(level, "none") != 0)
        return;
    setup_add(report, SETUP_ERROR, "tls-security-level", "%s = %s in %s: mail is sent without TLS",
              parameter, level[0] != '\0' ? level : "(empty)",
              setup_postfix_place(service, parameter));
    setup_postfix_set(postfix, service, parameter, "dane", report);
    setup_postfix_reload(postfix, report);
}

static void check_ca_file(const struct setup_postfix *postfix,
                          const struct postconf_service *service, const char *parameter,
                          const char *path, struct setup_report *report)
{
    static const char name[] = "mta-ca";
    int count = postfix->certificates(postfix->certificates_arg, path);

    if (count > 0) {
        setup_add(report, SETUP_OK, name, "%s: %d certificates in %s", parameter, count, path);
        return;
    }
    setup_add(report, SETUP_ERROR, name,
              "%s in %s: %s %s: no certificate of an MTA-STS or Web PKI host can be verified",
              parameter, setup_postfix_place(service, parameter), path,
              count == 0 ? "holds no certificate" : strerror(-count));
    setup_remedy(report, "name the system's authorities (Debian: the package ca-certificates)");
    setup_postfix_set(postfix, service, "smtp_tls_CAfile", system_ca, report);
    setup_postfix_reload(postfix, report);
}

static void check_ca(const struct setup_postfix *postfix, const struct postconf_service *service,
                     struct setup_report *report)
{
    static const char file_parameter[] = "smtp_tls_CAfile", path_parameter[] = "smtp_tls_CApath";
    const char *file = postconf_get(&postfix->conf, service, file_parameter);
    const char *path = postconf_get(&postfix->conf, service, path_parameter);
    char inside[512];

    if (said(postfix, service, file_parameter) && said(postfix, service, path_parameter))
        return;
    if (file[0] != '\0') {
        check_ca_file(postfix, service, file_parameter, file, report);
    } else if (path[0] != '\0') {
        /* Unlike the file, the directory is read from inside the chroot. */
        snprintf(inside, sizeof(inside), "%s%s", service->chroot ? postfix->mta.queue : "", path);
        check_ca_file(postfix, service, path_parameter, inside, report);
    } else if (!postconf_yes(postconf_get(&postfix->conf, service, "tls_append_default_CA"))) {
        setup_add(report, SETUP_ERROR, "mta-ca",
                  "%s is empty in %s: no certificate of an MTA-STS or Web PKI host can be verified",
                  file_parameter, setup_postfix_place(service, file_parameter));
        setup_postfix_set(postfix, service, file_parameter, system_ca, report);
        setup_postfix_reload(postfix, report);
    }
}

static bool offers_tls(const struct setup_postfix *postfix, const struct postconf_service *service)
{
    const struct postconf *conf = &postfix->conf;
    const char *level = postconf_get(conf, service, "smtpd_tls_security_level");

    if (level[0] != '\0')
        return strcmp(level, "none") != 0;
    return postconf_yes(postconf_get(conf, service, "smtpd_use_tls")) ||
           postconf_yes(postconf_get(conf, service, "smtpd_enforce_tls"));
}

/* The first parameter that names smtpd's certificate, and the file; NULL if there is none. */
static const char *certificate(const struct setup_postfix *postfix,
                               const struct postconf_service *service, char *file, size_t size)
{
    static const char *const parameters[] = {"smtpd_tls_chain_files", "smtpd_tls_cert_file",
                                             "smtpd_tls_eccert_file", "smtpd_tls_dcert_file"};

    for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
        const char *value = postconf_get(&postfix->conf, service, parameters[i]);

        while (setup_list_next(&value, file, size)) {
            if (strcmp(file, "none") != 0 &&
                (i > 0 || postfix->certificates(postfix->certificates_arg, file) != 0))
                return parameters[i]; /* the first file of a chain may hold a key alone */
        }
    }
    return NULL;
}

static void check_smtpd(const struct setup_postfix *postfix, const struct postconf_service *service,
                        struct setup_report *report)
{
    static const char name[] = "smtpd-tls";
    char file[512];
    const char *parameter = certificate(postfix, service, file, sizeof(file));
    bool offers = offers_tls(postfix, service);

    if (said(postfix, service, "smtpd_tls_security_level") &&
        said(postfix, service, "smtpd_tls_chain_files") &&
        said(postfix, service, "smtpd_tls_cert_file"))
        return;
    if (!offers || parameter == NULL) {
        setup_add(report, SETUP_ERROR, name,
                  "%s offers no TLS (%s): nobody can ask for REQUIRETLS there", service->id,
                  offers ? "no certificate is set" : "smtpd_tls_security_level");
        setup_remedy(report, "smtpd_tls_security_level = may, and a certificate and its key in "
                             "smtpd_tls_chain_files");
        return;
    }
    int count = postfix->certificates(postfix->certificates_arg, file);
    if (count > 0) {
        setup_add(report, SETUP_OK, name, "%s offers TLS", service->id);
        return;
    }
    setup_add(report, SETUP_ERROR, name, "%s: %s = %s: %s: there is no TLS without it", service->id,
              parameter, file, count == 0 ? "no certificate in it" : strerror(-count));
    setup_remedy(report, "put the certificate there, or correct %s", parameter);
}

/* Others may lead to a content filter, or to whomever else. */
static bool is_ours(const struct setup_postfix *postfix, const struct postconf_service *service)
{
    return setup_postfix_is_default(service) ||
           (setup_postfix_place(service, "smtp_tls_policy_maps") == service->id &&
            setup_postfix_names_us(postfix, service, "smtp_tls_policy_maps", SETUP_SOCKETMAP, NULL,
                                   NULL));
}

void setup_postfix_tls(struct setup_postfix *postfix, struct setup_report *report)
{
    const struct postconf_service *service = NULL;

    while ((service = setup_postfix_next(postfix, service, "smtp")) != NULL) {
        if (!is_ours(postfix, service))
            continue;
        check_dns(postfix, service, report);
        check_level(postfix, service, report);
        check_ca(postfix, service, report);
    }
    while ((service = setup_postfix_next(postfix, service, "smtpd")) != NULL) {
        if (setup_postfix_filtered(postfix, service) && !setup_postfix_is_inner(service))
            check_smtpd(postfix, service, report);
    }
}
