/*
 * The log on stderr: format, level, long lines, many threads at once, and a reload meanwhile. What
 * stderr got is read back from a file.
 */
#include "base/log.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct log_settings text_log = {LOG_TARGET_AUTO, LOG_FORMAT_TEXT, LOG_MAIL, LOG_INFO};
static const struct log_settings json_log = {LOG_TARGET_STDERR, LOG_FORMAT_JSON, LOG_MAIL,
                                             LOG_INFO};

static FILE *captured;
static int saved_stderr;

static void capture(void)
{
    captured = tmpfile();
    assert_non_null(captured);
    saved_stderr = dup(STDERR_FILENO);
    assert_true(dup2(fileno(captured), STDERR_FILENO) >= 0);
}

/* What was written since; to be freed. */
static char *release(void)
{
    char *text;
    long len;

    assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
    close(saved_stderr);
    fseek(captured, 0, SEEK_END);
    len = ftell(captured);
    rewind(captured);
    text = calloc(1, (size_t)len + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)len, captured), len);
    fclose(captured);
    return text;
}

/* A line of format text without its time and process id. */
static void assert_line(const char *line, const char *rest)
{
    const char *mark = strstr(line, "]: ");

    assert_non_null(mark);
    assert_string_equal(mark + 3, rest);
}

static void test_text(void **state)
{
    char *text;
    int year, month, day, hour, minute, second, ms, used = 0;

    (void)state;
    log_configure(&text_log, "test", false);
    capture();
    log_msg(LOG_INFO, "a %d", 1);
    text = release();
    assert_int_equal(sscanf(text, "%d-%d-%dT%d:%d:%d.%dZ test[%*d]: %n", &year, &month, &day, &hour,
                            &minute, &second, &ms, &used),
                     7);
    assert_string_equal(text + used, "a 1\n");
    free(text);
}

static void test_levels(void **state)
{
    static const struct {
        int priority;
        const char *line;
    } cases[] = {{LOG_ERR, "error: x\n"},
                 {LOG_WARNING, "warning: x\n"},
                 {LOG_INFO, "x\n"},
                 {LOG_DEBUG, "debug: x\n"}};

    (void)state;
    for (int level = 0; level < 4; level++) {
        struct log_settings config = text_log;

        config.level = cases[level].priority;
        log_configure(&config, "test", false);
        for (int i = 0; i < 4; i++) {
            char *text;

            capture();
            log_msg(cases[i].priority, "x");
            text = release();
            assert_int_equal(log_wanted(cases[i].priority), i <= level);
            if (i <= level)
                assert_line(text, cases[i].line);
            else
                assert_string_equal(text, "");
            free(text);
        }
    }
}

static void test_json(void **state)
{
    char *text;

    (void)state;
    log_configure(&json_log, "test", true);
    assert_true(log_is_json());
    capture();
    log_msg(LOG_WARNING, "a \"b\"\x01");
    text = release();
    assert_int_equal(strncmp(text, "{\"time\":\"", 9), 0);
    assert_non_null(
        strstr(text, "Z\",\"priority\":\"warning\",\"message\":\"a \\\"b\\\"\\u0001\"}\n"));
    free(text);

    capture();
    log_line(LOG_INFO, "text", "{\"queue_id\":\"1\"}");
    text = release();
    assert_non_null(strstr(text, "Z\",\"priority\":\"info\",\"queue_id\":\"1\"}\n"));
    free(text);

    capture();
    log_line(LOG_INFO, "text", NULL); /* out of memory for the object */
    text = release();
    assert_non_null(strstr(text, "Z\",\"priority\":\"info\",\"message\":\"text\"}\n"));
    free(text);
}

/* The journal's own header is enough: it has the time, the name and the process id. Its stream is
 * known by device and inode, since stderr may lead elsewhere than where the service manager had it.
 */
static void test_journal(void **state)
{
    struct stat st;
    char stream[60], *text;

    (void)state;
    capture();
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_early(LOG_ERR, "early");
    log_early(LOG_WARNING, "early");
    log_configure(&text_log, "test", false);
    log_msg(LOG_ERR, "a");
    log_msg(LOG_WARNING, "b");
    log_line(LOG_INFO, "c", NULL);
    text = release();
    assert_string_equal(text, "<3>error: early\n<4>warning: early\n<3>error: a\n<4>warning: b\n"
                              "<6>c\n");
    free(text);

    capture();
    setenv("JOURNAL_STREAM", "1:1", 1); /* not this file's */
    log_configure(&text_log, "test", false);
    log_early(LOG_WARNING, "early");
    log_msg(LOG_WARNING, "b");
    text = release();
    unsetenv("JOURNAL_STREAM");
    assert_int_equal(strncmp(text, "test: warning: early\n", 21), 0);
    assert_line(text + 21, "warning: b\n");
    free(text);
}

static void test_journal_json(void **state)
{
    struct stat st;
    char stream[60], *text;

    (void)state;
    capture();
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_configure(&json_log, "test", false);
    log_msg(LOG_WARNING, "b");
    text = release();
    unsetenv("JOURNAL_STREAM");
    assert_int_equal(strncmp(text, "<4>{\"time\":", 11), 0);
    free(text);
}

static void test_long(void **state)
{
    static char message[100001], object[6100];
    char *text;

    (void)state;
    memset(message, 'm', sizeof(message) - 1);
    log_configure(&text_log, "test", false);
    capture();
    log_msg(LOG_INFO, "%s", message);
    text = release();
    assert_true(strlen(text) < 2200);
    assert_int_equal(text[strlen(text) - 1], '\n');
    free(text);

    /* An object is never cut: it would be none. */
    log_configure(&json_log, "test", false);
    snprintf(object, sizeof(object), "{\"a\":\"%.6000s\"}", message);
    capture();
    log_line(LOG_INFO, "text", object);
    text = release();
    assert_true(strlen(text) > 6000);
    assert_string_equal(text + strlen(text) - 5, "mm\"}\n");
    free(text);
}

enum { THREADS = 8, LINES = 200 };

static void *log_lines(void *arg)
{
    for (int i = 0; i < LINES; i++) {
        log_msg(LOG_INFO, "thread %d line %d end", *(int *)arg, i);
        if (i % 50 == 0)
            log_configure(&text_log, "test", false); /* as a reload does */
    }
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t threads[THREADS];
    int numbers[THREADS], next[THREADS] = {0};
    char *text, *rest, *line;

    (void)state;
    log_configure(&text_log, "test", false);
    capture();
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, log_lines, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    text = release();
    for (line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        int thread, number, used = 0;
        const char *mark = strstr(line, "]: ");

        assert_non_null(mark);
        sscanf(mark, "]: thread %d line %d end%n", &thread, &number, &used);
        assert_int_equal(used, strlen(mark)); /* whole, and nothing of another */
        assert_true(thread >= 0 && thread < THREADS);
        assert_int_equal(number, next[thread]++);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(next[i], LINES);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),         cmocka_unit_test(test_levels),
        cmocka_unit_test(test_json),         cmocka_unit_test(test_long),
        cmocka_unit_test(test_threads),      cmocka_unit_test(test_journal),
        cmocka_unit_test(test_journal_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
