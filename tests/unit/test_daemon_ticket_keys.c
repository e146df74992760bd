/*
 * Who makes the file with the keys of tickets, who only reads it, and what is said of one that
 * cannot be read.
 */
#include "config_text.h"
#include "daemon/daemon_internal.h"
#include "ticket/ticket_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILTER "[route direct]\nmethod = header\nagent = yes\n"
#define ALONE "[milter]\nsocket =\n[socketmap]\nlisten =\n"
#define AGENT ALONE "[deliver a]\nlisten = unix:/a\ntickets = yes\n"

struct world {
    char dir[64], path[80];
    char errors[1000], warnings[1000];
    bool awaits;
};

static void begin(struct world *w)
{
    memset(w, 0, sizeof(*w));
    strcpy(w->dir, "/tmp/test_daemon_keys.XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof(w->path), "%s/ticket.key", w->dir);
}

static void end(struct world *w)
{
    unlink(w->path);
    assert_int_equal(rmdir(w->dir), 0);
}

static void on_error(void *arg, const char *message)
{
    struct world *w = arg;

    strcat(strcat(w->errors, message), "\n");
}

static void on_warning(void *arg, const char *message)
{
    struct world *w = arg;

    strcat(strcat(w->warnings, message), "\n");
}

static struct config *configure(const struct world *w, const char *text)
{
    char whole[1000];

    snprintf(whole, sizeof(whole), "[deliver]\nticket_key = %s\n%s", w->path, text);
    return config_from_text(whole, "mail.own.example");
}

static int read_keys(struct world *w, const char *text, struct ticket_keys *out)
{
    struct config *config = configure(w, text);
    int error;

    w->errors[0] = w->warnings[0] = '\0';
    error = daemon_ticket_keys(config, config->milter.socket != NULL, out, on_error, on_warning, w);
    w->awaits = daemon_awaits_ticket_keys(config, config->milter.socket != NULL, out);
    config_unref(config);
    return error;
}

static int check_keys(struct world *w, const char *text)
{
    struct config *config = configure(w, text);
    int error;

    w->errors[0] = w->warnings[0] = '\0';
    error = daemon_check_ticket_keys(config, on_error, on_warning, w);
    config_unref(config);
    return error;
}

static bool is_there(const struct world *w)
{
    return access(w->path, F_OK) == 0;
}

static void says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("`%s`, wanted `%s`", text, part);
}

static void not_needed(void **state)
{
    static const char *const texts[] = {
        "",                            /* nothing leads to an agent */
        "[milter]\nsocket =\n" FILTER, /* no filter, which would write any */
        ALONE "[deliver a]\nlisten = unix:/a\n",
    };
    struct ticket_keys keys;
    struct world w;

    (void)state;
    begin(&w);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        keys.count = 7;
        assert_int_equal(read_keys(&w, texts[i], &keys), 0);
        assert_int_equal(keys.count, 0);
        assert_false(w.awaits);
        assert_int_equal(check_keys(&w, texts[i]), 0);
        assert_string_equal(w.warnings, "");
        assert_false(is_there(&w));
    }
    end(&w);
}

static void filter_makes(void **state)
{
    struct ticket_keys first, second;
    struct stat st;
    struct world w;

    (void)state;
    begin(&w);
    assert_int_equal(check_keys(&w, FILTER), 0);
    assert_string_equal(w.warnings, "");
    assert_false(is_there(&w)); /* -t makes nothing */
    assert_int_equal(read_keys(&w, FILTER, &first), 0);
    assert_int_equal(first.count, 1);
    assert_int_equal(stat(w.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(read_keys(&w, AGENT, &second), 0); /* and the agent reads it */
    assert_false(w.awaits);
    assert_memory_equal(&first, &second, sizeof(first));
    end(&w);
}

/* The agent beside a filter, in one process: that makes it. */
static void both_make(void **state)
{
    struct ticket_keys keys;
    struct world w;

    (void)state;
    begin(&w);
    assert_int_equal(read_keys(&w, "[deliver a]\nlisten = unix:/a\ntickets = yes\n", &keys), 0);
    assert_int_equal(keys.count, 1);
    assert_true(is_there(&w));
    end(&w);
}

static void agent_does_not_make(void **state)
{
    struct ticket_keys keys = {.count = 7};
    char wanted[300];
    struct world w;

    (void)state;
    begin(&w);
    assert_int_equal(read_keys(&w, AGENT, &keys), 0);
    assert_int_equal(keys.count, 0);
    assert_true(w.awaits);
    assert_false(is_there(&w));
    snprintf(wanted, sizeof(wanted),
             ":2: ticket_key: %s: there is none yet: the filter makes it, at its first start",
             w.path);
    says(w.warnings, wanted);
    assert_ptr_equal(strchr(w.warnings, '\n'), w.warnings + strlen(w.warnings) - 1); /* one line */
    assert_string_equal(w.errors, "");
    assert_int_equal(check_keys(&w, AGENT), 0);
    assert_string_equal(w.errors, "");
    says(w.warnings, wanted);
    end(&w);
}

static void cannot_be_read(void **state)
{
    static const char *const texts[] = {FILTER, AGENT};
    struct ticket_keys keys;
    struct world w;

    (void)state;
    begin(&w);
    assert_int_equal(read_keys(&w, FILTER, &keys), 0);
    chmod(w.path, 0644);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(read_keys(&w, texts[i], &keys), -EPERM);
        assert_int_equal(keys.count, 0);
        says(w.errors, "mode 0644");
        assert_int_equal(check_keys(&w, texts[i]), -EPERM);
        says(w.errors, "mode 0644");
        assert_string_equal(w.warnings, "");
    }
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_needed),     cmocka_unit_test(filter_makes),
        cmocka_unit_test(both_make),      cmocka_unit_test(agent_does_not_make),
        cmocka_unit_test(cannot_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
