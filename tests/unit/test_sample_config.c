/*
 * The sample configuration: as it stands, and with every key and example taken out of its comment,
 * it loads without an error or a warning, and its keys say what the defaults are. Sample and manual
 * page have all keys.
 */
#include "config/config.h"
#include "config/config_keys.h"
#include "decide/rules_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SAMPLE ETC_DIR "/requiretls-milter.conf"
#define MANUAL ETC_DIR "/man/requiretls-milter.conf.5"

static void on_report(void *arg, const char *message)
{
    print_error("%s\n", message);
    ++*(unsigned *)arg;
}

static struct config *load(const char *path)
{
    struct config *config = NULL;
    unsigned reports = 0;

    assert_int_equal(config_load(path, "mail.example.org", on_report, on_report, &reports, &config),
                     0);
    assert_int_equal(reports, 0);
    return config;
}

static void test_as_it_stands(void **state)
{
    struct config *config = load(SAMPLE);

    (void)state;
    assert_int_equal(config->rule_count, 0);
    config_unref(config);
}

/* `#key = value`, `#[rule x]` and the indented continuation lose their mark, prose does not. */
static void uncomment(FILE *from, FILE *to)
{
    char line[1000];

    while (fgets(line, sizeof(line), from) != NULL) {
        const char *key = line + 1;
        size_t len = strspn(key, "abcdefghijklmnopqrstuvwxyz_");
        bool is_key = line[0] == '#' && len > 0 && strncmp(key + len, " =", 2) == 0;
        bool is_rule = strncmp(line, "#[", 2) == 0;
        bool is_more = strncmp(line, "#    ", 5) == 0;

        fputs(is_key || is_rule || is_more ? key : line, to);
    }
}

static void assert_deliver_equal(const struct config_deliver *a, const struct config_deliver *b)
{
    assert_string_equal(a->ticket_key, b->ticket_key);
    assert_int_equal(a->ticket_life_s, b->ticket_life_s);
    assert_int_equal(a->max_message, b->max_message);
    assert_string_equal(a->helo_name, b->helo_name);
    assert_int_equal(a->source.count, b->source.count);
    assert_int_equal(a->port, b->port);
    assert_int_equal(a->max_sessions, b->max_sessions);
    assert_int_equal(a->per_host, b->per_host);
    assert_int_equal(a->max_addresses, b->max_addresses);
    assert_int_equal(a->idle_ms, b->idle_ms);
    assert_int_equal(a->reuse, b->reuse);
    assert_int_equal(a->connect_timeout_ms, b->connect_timeout_ms);
    assert_int_equal(a->command_timeout_ms, b->command_timeout_ms);
    assert_int_equal(a->setup_timeout_ms, b->setup_timeout_ms);
    assert_int_equal(a->data_timeout_ms, b->data_timeout_ms);
    assert_null(a->ca_file);
    assert_null(a->ca_path);
    assert_null(a->credentials);
    assert_null(a->audit_template);
    assert_null(a->tlsrpt_socket);
}

static void test_every_key(void **state)
{
    char path[] = "/tmp/test_sample_config.XXXXXX";
    int fd = mkstemp(path);
    FILE *from = fopen(SAMPLE, "re");
    FILE *to = fdopen(fd, "we");
    struct config *sample, *defaults;

    (void)state;
    assert_non_null(from);
    assert_non_null(to);
    uncomment(from, to);
    fclose(from);
    fclose(to);
    sample = load(path);
    defaults = load("/dev/null");
    unlink(path);

    assert_true(sample->rule_count >= 6);
    assert_int_equal(rules_check_enforced(sample, on_report, on_report, &(unsigned){0}), 0);
    assert_int_equal(sample->milter.rcpt_wait_ms, defaults->milter.rcpt_wait_ms);
    assert_int_equal(sample->milter.eom_wait_ms, defaults->milter.eom_wait_ms);
    assert_int_equal(sample->milter.max_waiting, defaults->milter.max_waiting);
    assert_int_equal(sample->milter.local_mailers.count, defaults->milter.local_mailers.count);
    assert_int_equal(sample->milter.trusted_client_count, defaults->milter.trusted_client_count);
    assert_int_equal(sample->milter.trusted_local, defaults->milter.trusted_local);
    assert_string_equal(sample->milter.marker, defaults->milter.marker);
    assert_string_equal(sample->milter.socket, defaults->milter.socket);
    assert_string_equal(sample->milter.tag, defaults->milter.tag);
    assert_int_equal(sample->engine.dns_timeout_ms, defaults->engine.dns_timeout_ms);
    assert_int_equal(sample->engine.dns_tries, defaults->engine.dns_tries);
    assert_int_equal(sample->engine.check_interval_ms, defaults->engine.check_interval_ms);
    assert_string_equal(sample->engine.check_name, defaults->engine.check_name);
    assert_int_equal(sample->engine.sts_timeout_ms, defaults->engine.sts_timeout_ms);
    assert_int_equal(sample->engine.sts_connect_timeout_ms,
                     defaults->engine.sts_connect_timeout_ms);
    assert_int_equal(sample->engine.sts_max_policy, defaults->engine.sts_max_policy);
    assert_int_equal(sample->engine.sts_min_retry_ms, defaults->engine.sts_min_retry_ms);
    assert_int_equal(sample->engine.sts_give_up_ms, defaults->engine.sts_give_up_ms);
    assert_int_equal(sample->engine.sts_refresh_ms, defaults->engine.sts_refresh_ms);
    assert_int_equal(sample->engine.max_domains, defaults->engine.max_domains);
    assert_int_equal(sample->engine.max_memory, defaults->engine.max_memory);
    assert_int_equal(sample->engine.negative_ttl_ms, defaults->engine.negative_ttl_ms);
    assert_int_equal(sample->engine.max_ttl_ms, defaults->engine.max_ttl_ms);
    assert_string_equal(sample->engine.store, defaults->engine.store);
    assert_int_equal(sample->socketmap.max_connections, defaults->socketmap.max_connections);
    assert_string_equal(sample->socketmap.listen[0].text, defaults->socketmap.listen[0].text);
    assert_deliver_equal(&sample->deliver, &defaults->deliver);
    assert_int_equal(sample->deliver.socket_count, 1);
    config_unref(sample);
    config_unref(defaults);
}

/* What the snippets for MTAs come with has nothing that `requiretls-milter -t` calls wrong. */
static void test_snippets(void **state)
{
    static const char *const files[] = {
        "postfix-3.11/requiretls-milter.conf",
        "postfix-3.11/requiretls-milter-with-agent.conf",
        "postfix-3.11/requiretls-deliver.conf",
        "postfix-older/requiretls-milter.conf",
        "postfix-older/requiretls-deliver.conf",
        "postfix-older/requiretls-milter-without-agent.conf",
        "sendmail/requiretls-milter.conf",
        "exim/requiretls-deliver.conf",
        "sendmail/requiretls-deliver.conf",
        "requiretls-deliver.conf",
        "debian/requiretls-milter.conf",
        "debian/requiretls-deliver.conf",
    };
    char path[400];

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        unsigned reports = 0;
        struct config *config;

        snprintf(path, sizeof(path), "%s/%s", ETC_DIR, files[i]);
        config = load(path);
        rules_check(config, on_report, &reports);
        assert_int_equal(rules_check_enforced(config, on_report, on_report, &reports), 0);
        assert_int_equal(reports, 0);
        config_unref(config);
    }
}

static char *read_all(const char *path)
{
    static char text[131072];
    FILE *file = fopen(path, "re");
    size_t len;

    assert_non_null(file);
    len = fread(text, 1, sizeof(text) - 1, file);
    assert_true(len > 0 && len < sizeof(text) - 1);
    text[len] = '\0';
    fclose(file);
    return text;
}

/* Those of routes and rules are not in the sample one by one. */
static void test_sample_has_all_keys(void **state)
{
    const char *sample = read_all(SAMPLE);
    char line[100];

    (void)state;
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];

        if (key->section == CONFIG_SECTION_ROUTE || key->section == CONFIG_SECTION_RULE)
            continue;
        snprintf(line, sizeof(line), "\n#%s =", key->name);
        if (strstr(sample, line) == NULL)
            print_error("%s is not in the sample\n", key->name);
        assert_non_null(strstr(sample, line));
    }
}

static void test_manual_has_all_keys(void **state)
{
    static const char *const headings[] = {
        "[milter]",  "[dns]",       "[mta_sts]",    "[dane]",      "[probe]",
        "[cache]",   "[socketmap]", "[metrics]",    "[log]",       "[default]",
        "[deliver]", "[tlsrpt]",    "[route NAME]", "[rule NAME]", "[deliver NAME]",
    };
    const char *manual = read_all(MANUAL);

    (void)state;
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        const char *from, *next, *at;
        char text[100];

        snprintf(text, sizeof(text), "\n.Ss %s\n", headings[key->section]);
        from = strstr(manual, text);
        assert_non_null(from);
        next = strstr(from + 1, "\n.Ss ");
        /* What a rule shares with [default] is described there. */
        if (key->section == CONFIG_SECTION_RULE &&
            config_key_find(CONFIG_SECTION_DEFAULT, key->name) != NULL)
            continue;
        snprintf(text, sizeof(text), "\n.It Ic %s\n", key->name);
        at = strstr(from, text);
        if (at == NULL || (next != NULL && at > next))
            print_error("%s is not in the manual's %s\n", key->name, headings[key->section]);
        assert_true(at != NULL && (next == NULL || at < next));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_it_stands),
        cmocka_unit_test(test_every_key),
        cmocka_unit_test(test_snippets),
        cmocka_unit_test(test_sample_has_all_keys),
        cmocka_unit_test(test_manual_has_all_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
