/*
 * Remedies in Postfix's configuration as command lines: postconf -e for main.cf, postconf -P for a
 * service, tables of the installed snippets, and last setup_postfix_reload. Pure.
 */
#include "setup/postfix/postfix_remedy.h"

#include "base/text.h"
#include "config/config_rule.h"
#include "setup/setup_edit.h"

#include <stdio.h>
#include <string.h>

/* ` -c DIR`, if it is not Postfix's own. */
static const char *config_option(const struct setup_postfix *postfix, struct setup_report *report,
                                 char *out, size_t size)
{
    out[0] = '\0';
    if (postfix->config_dir != NULL)
        snprintf(out, size, " -c %s", setup_word(report, postfix->config_dir));
    return out;
}

static void add_setting(const struct setup_postfix *postfix, const char *option,
                        const char *setting, struct setup_report *report)
{
    char directory[300];

    setup_command(report, "postconf%s %s %s",
                  config_option(postfix, report, directory, sizeof(directory)), option,
                  setup_word(report, setting));
}

/* postconf(1) takes no blanks in what it writes to master.cf; lists need none after their commas.
 */
static void without_blanks(const char *value, char *out, size_t size)
{
    size_t len = 0;

    for (; *value != '\0' && len + 1 < size; value++) {
        if (*value != ' ' || len == 0 || out[len - 1] != ',')
            out[len++] = *value;
    }
    out[len] = '\0';
}

void setup_postfix_set_own(const struct setup_postfix *postfix,
                           const struct postconf_service *service, const char *parameter,
                           const char *value, struct setup_report *report)
{
    char setting[2000], dense[1500];

    without_blanks(value, dense, sizeof(dense));
    if (strpbrk(dense, " \t") != NULL) {
        setup_command(report, "# in master.cf, the service %s: -o { %s = %s }", service->id,
                      parameter, value);
        return;
    }
    snprintf(setting, sizeof(setting), "%s/%s=%s", service->id, parameter, dense);
    add_setting(postfix, "-P", setting, report);
}

void setup_postfix_set(const struct setup_postfix *postfix, const struct postconf_service *service,
                       const char *parameter, const char *value, struct setup_report *report)
{
    char setting[2000];

    if (strcmp(setup_postfix_place(service, parameter), "main.cf") != 0) {
        setup_postfix_set_own(postfix, service, parameter, value, report);
        return;
    }
    snprintf(setting, sizeof(setting), "%s = %s", parameter, value);
    add_setting(postfix, "-e", setting, report);
}

void setup_postfix_unset(const struct setup_postfix *postfix, const char *parameter,
                         struct setup_report *report)
{
    add_setting(postfix, "-X", parameter, report);
}

void setup_postfix_reload(const struct setup_postfix *postfix, struct setup_report *report)
{
    char directory[300];

    setup_command_reload(report, "postfix%s reload",
                         config_option(postfix, report, directory, sizeof(directory)));
}

static const char *config_directory(const struct setup_postfix *postfix)
{
    const char *directory = postconf_get(&postfix->conf, NULL, "config_directory");

    return directory[0] != '\0' ? directory : "/etc/postfix";
}

const char *setup_postfix_snippets(const struct setup_postfix *postfix)
{
    return postfix->conf.version >= POSTCONF_REQUIRETLS ? PROJECT_EXAMPLES_DIR "/postfix-3.11"
                                                        : PROJECT_EXAMPLES_DIR "/postfix-older";
}

const char *setup_postfix_table(const struct setup_postfix *postfix, const char *table, char *out,
                                size_t size)
{
    snprintf(out, size, "regexp:%s/%s", config_directory(postfix), table);
    return out;
}

void setup_postfix_install(const struct setup_postfix *postfix, const char *table,
                           struct setup_report *report)
{
    setup_command(report, "install -m 0644 %s/%s %s", setup_postfix_snippets(postfix), table,
                  setup_word(report, config_directory(postfix)));
}

const char *setup_postfix_with_us(const struct setup_postfix *postfix, const char *milters,
                                  char *out, size_t size)
{
    char item[300];
    struct text list;

    text_init(&list, out, size);
    text_add(&list, setup_own_name(&postfix->mta, SETUP_MILTER, item, sizeof(item)));
    while (setup_list_next(&milters, item, sizeof(item))) {
        struct setup_address address;

        if (strstr(item, "requiretls") != NULL || !setup_address_milter(item, &address))
            continue;
        text_add(&list, ", ");
        text_add(&list, item);
    }
    return out;
}

/* A list with another map in the item that has that address. Returns whether there is one. */
static bool change_map(const struct setup_address *address, const char *list, const char *map,
                       char *out, size_t size)
{
    char item[1024];
    struct text text;
    bool any = false;

    text_init(&text, out, size);
    while (setup_list_next(&list, item, sizeof(item))) {
        struct setup_address found;
        bool same =
            setup_address_socketmap(item, &found) && memcmp(&found, address, sizeof(found)) == 0;

        text_add(&text, text.len > 0 ? ", " : "");
        text_add_n(&text, item, strlen(item) - (same ? strlen(found.map) : 0));
        text_add(&text, same ? map : "");
        any |= same;
    }
    return any;
}

void setup_postfix_rename_map(const struct setup_postfix *postfix, const struct setup_use *use,
                              const char *map, struct setup_report *report)
{
    char list[2000];
    const struct postconf_service *service = NULL;

    while ((service = setup_postfix_next(postfix, service, "smtp")) != NULL) {
        const char *value = postconf_get(&postfix->conf, service, use->parameter);

        if (change_map(&use->address, value, map, list, sizeof(list)))
            setup_postfix_set(postfix, service, use->parameter, list, report);
    }
    setup_postfix_reload(postfix, report);
}

/* The routes of the snippet's configuration, and the rules that lead to them. */
void setup_postfix_take_routes(const struct setup_postfix *postfix, struct setup_report *report)
{
    const struct config *config = postfix->config;
    const char *snippets = setup_postfix_snippets(postfix);
    char table[400], master[400];

    /* `native` is built in. */
    if (config->route_count > 1 || config->rule_count > 0 || config->defaults->sets != 0 ||
        config->defaults->route != NULL || config->defaults->optional_route != NULL ||
        postconf_service(&postfix->conf, "requiretls", "unix") != NULL)
        return;
    setup_postfix_install(postfix, "requiretls_*", report);
    snprintf(master, sizeof(master), "%s/master.cf", config_directory(postfix));
    const char *word = setup_word(report, master);
    setup_command(report, "grep -q '^requiretls[[:blank:]]' %s || { echo; cat %s/master.cf; } >>%s",
                  word, snippets, word);
    setup_postfix_set(postfix, NULL, "milter_header_checks",
                      setup_postfix_table(postfix, "requiretls_routes", table, sizeof(table)),
                      report);
    setup_postfix_set(postfix, NULL, "requiretls-loop_destination_recipient_limit", "1", report);
    if (postfix->conf.version < POSTCONF_REQUIRETLS)
        setup_edit_key(report, "milter", "add_header", "no");
    /* Routes that need nothing but this daemon and Postfix: the delivery agent is another service.
     */
    setup_edit_routes(report,
                      postfix->conf.version >= POSTCONF_REQUIRETLS ? PROJECT_EXAMPLES_DIR
                          "/postfix-3.11/requiretls-milter.conf"
                                                                   : PROJECT_EXAMPLES_DIR
                          "/postfix-older/requiretls-milter-without-agent.conf",
                      "loop", "loop-optional");
    setup_edit_done(report, true);
    setup_postfix_reload(postfix, report);
}
