/*
 * Fuzzes the configuration file: the reader, the keys, the rules. Besides the sanitizers' findings
 * a crash is: a value that is not the whole rest of its line; an error without a message or a
 * message with control characters; a rule's setting that is said to be decided and changes when
 * more is known.
 */
#include "config/config.h"
#include "config/ini_reader.h"
#include "decide/rules.h"
#include "decide/rules_check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    abort();
}

/* --- the reader ------------------------------------------------------------------------------- */

struct input {
    const char *text;
    size_t len;
    unsigned errors;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The line of that number, from 1, without its end and blanks around it. */
static const char *find_line(const struct input *input, unsigned line, size_t *len)
{
    const char *p = input->text, *end = input->text + input->len, *stop;

    for (; line > 1; line--) {
        p = memchr(p, '\n', (size_t)(end - p));
        if (p == NULL)
            fail("a line that is not there");
        p++;
    }
    stop = memchr(p, '\n', (size_t)(end - p));
    if (stop == NULL)
        stop = end;
    if (stop > p && stop[-1] == '\r')
        stop--;
    while (p < stop && is_blank(*p))
        p++;
    while (stop > p && is_blank(stop[-1]))
        stop--;
    *len = (size_t)(stop - p);
    return p;
}

static bool on_section(void *arg, const char *section, unsigned line)
{
    size_t len, section_len = strlen(section);
    const char *text = find_line(arg, line, &len);

    if (len != section_len + 2 || memcmp(text + 1, section, section_len) != 0)
        fail("a section cut or joined");
    return section[0] != '!'; /* some are unknown */
}

static void on_value(void *arg, const char *key, const char *value, bool continued, unsigned line)
{
    size_t len, key_len = strlen(key), value_len = strlen(value);
    const char *text = find_line(arg, line, &len), *end = text + len;

    if (!continued) {
        if (len < key_len || memcmp(text, key, key_len) != 0)
            fail("a key cut or joined");
        text += key_len;
        while (text < end && is_blank(*text))
            text++;
        if (text == end || *text++ != '=')
            fail("a key without its '='");
        while (text < end && is_blank(*text))
            text++;
    }
    if ((size_t)(end - text) != value_len || memcmp(text, value, value_len) != 0)
        fail("a value cut or joined");
}

static void check_message(const char *message)
{
    for (; *message != '\0'; message++)
        if ((unsigned char)*message < ' ' || *message == 0x7f)
            fail("a control character in a message");
}

static void on_reader_error(void *arg, unsigned line, const char *message)
{
    struct input *input = arg;

    (void)line, (void)message;
    input->errors++;
}

static void fuzz_reader(const uint8_t *data, size_t size)
{
    struct input input = {.text = (const char *)data, .len = size};
    const struct ini_reader_events events = {on_section, on_value, on_reader_error, &input};
    FILE *stream = fmemopen((void *)(uintptr_t)data, size, "r");
    int status;

    if (stream == NULL)
        return;
    status = ini_reader_parse(stream, &events);
    fclose(stream);
    if ((status == 0) != (input.errors == 0))
        fail("the reader's result and its errors differ");
}

/* --- the configuration ------------------------------------------------------------------------ */

static void on_report(void *arg, const char *message)
{
    ++*(unsigned *)arg;
    check_message(message);
    if (strncmp(message, "/proc/self/fd/", strlen("/proc/self/fd/")) != 0)
        fail("a message without the file's name");
}

static int load(const uint8_t *data, size_t size, struct config **out)
{
    int fd = memfd_create("config", MFD_CLOEXEC), status;
    unsigned errors = 0, warnings = 0;
    char path[64];

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        fail("no file to read");
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    status = config_load(path, "mail.example.org", on_report, on_report, &warnings, out);
    if (status != 0 && warnings == 0)
        fail("an error without a message");
    errors = 0;
    if (status == 0) {
        rules_check(*out, on_report, &warnings);
        (void)rules_check_enforced(*out, on_report, on_report, &warnings);
        struct config *again;

        if (config_load(path, "mail.example.org", on_report, NULL, &errors, &again) != 0 ||
            errors != 0)
            fail("an error in a good file");
        config_unref(again);
    }
    close(fd);
    return status;
}

/* A value of every setting, to be compared. */
static intptr_t value_of(const struct rules_settings *s, int setting)
{
    switch ((enum config_setting)setting) {
    case CONFIG_SETTING_REQUEST:
        return s->request;
    case CONFIG_SETTING_LEVEL:
        return s->level;
    case CONFIG_SETTING_FALLBACK:
        return s->fallback;
    case CONFIG_SETTING_ON_UNSATISFIED:
        return s->on_unsatisfied;
    case CONFIG_SETTING_ON_UNDECIDED:
        return s->on_undecided;
    case CONFIG_SETTING_MIXED:
        return s->mixed;
    case CONFIG_SETTING_REQUIRE_OFFER:
        return s->require_offer;
    case CONFIG_SETTING_ROUTE:
        return (intptr_t)s->route;
    case CONFIG_SETTING_OPTIONAL_ROUTE:
        return (intptr_t)s->optional_route;
    case CONFIG_SETTING_TLS_POLICY:
        return (intptr_t)s->tls_policy;
    case CONFIG_SETTING_HELO_NAME:
        return (intptr_t)s->helo_name;
    case CONFIG_SETTING_SOURCE:
        return (intptr_t)s->source;
    case CONFIG_SETTING_COUNT:
        break;
    }
    return 0;
}

static void check_partial(const struct config *config, struct rules_facts facts)
{
    static const unsigned masks[] = {CONFIG_FACT_SENDER, ~(unsigned)CONFIG_FACT_HEADER,
                                     ~(unsigned)(CONFIG_FACT_HEADER | CONFIG_FACT_RECIPIENT), 0};
    struct rules_settings all, some;
    bool undecided;

    rules_evaluate(config, &facts, &all);
    if (all.undecided != 0 || all.route == NULL || all.optional_route == NULL)
        fail("undecided although all is known, or no route");
    for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
        facts.known = masks[i];
        rules_evaluate(config, &facts, &some);
        for (int s = 0; s < CONFIG_SETTING_COUNT; s++)
            /* The level of the built-in rules depends on the next-hop. */
            if ((some.undecided & (1u << s)) == 0 && value_of(&some, s) != value_of(&all, s) &&
                !(s == CONFIG_SETTING_LEVEL && some.origin[s].built_in))
                fail("a decided setting changed");
        if (rules_request(config, &facts, &undecided, NULL) != some.request ||
            undecided != ((some.undecided >> CONFIG_SETTING_REQUEST) & 1))
            fail("rules_request and rules_evaluate differ");
    }
}

static void check_rules(const struct config *config)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    const struct rules_header headers[] = {{"Sensitivity", " company-\r\n confidential"},
                                           {"Subject", "a b c"}};
    struct nexthop nexthop;
    struct rules_facts facts = {.known = ~0u,
                                .client_address = (struct sockaddr *)&in,
                                .client_name = "mx.example.net",
                                .authenticated = "alice",
                                .tls = true,
                                .sender = "alice@example.org",
                                .recipient = "bob@b\xc3\xbc"
                                             "cher.example",
                                .mailer = "smtp",
                                .nexthop = &nexthop,
                                .daemon = "MTA",
                                .headers = headers,
                                .header_count = 2};
    struct rules_settings out;

    if (nexthop_parse("[192.0.2.1]", &nexthop) != 0)
        fail("no next-hop");
    inet_pton(AF_INET, "192.0.2.7", &in.sin_addr);
    check_partial(config, facts);
    rules_evaluate_nexthop(config, &nexthop, &out);
    if (nexthop_parse("example.com", &nexthop) != 0)
        fail("no next-hop");
    facts.client_address = NULL;
    facts.client_name = facts.authenticated = NULL;
    facts.sender = "";
    facts.header_count = 0;
    check_partial(config, facts);
    rules_evaluate_nexthop(config, &nexthop, &out);
    if (out.undecided != 0)
        fail("undecided for a next-hop alone");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *config = NULL;

    if (size == 0)
        return 0;
    fuzz_reader(data, size);
    if (load(data, size, &config) == 0)
        check_rules(config);
    config_unref(config);
    return 0;
}
