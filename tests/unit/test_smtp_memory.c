/* The SMTP client without memory: each allocation of a session fails once. */
#include "policy/smtp_session.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
char *__wrap_strdup(const char *s);

static unsigned countdown; /* 0: none fails */

static bool fails(void)
{
    return countdown > 0 && --countdown == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : __real_strdup(s);
}

static const struct smtp_rcpt rcpts[] = {{.address = "a@b.example"}, {.address = "c@b.example"}};
static const struct smtp_mail mail = {.sender = "d@e.example", .rcpts = rcpts, .rcpt_count = 2};

static void answer(struct smtp_session *session, const char *octets)
{
    const char *out;

    smtp_session_written(session, smtp_session_output(session, &out));
    smtp_session_input(session, octets, strlen(octets));
}

/* A message to two recipients, of which one is refused. Whether it came to its end. */
static bool deliver(struct smtp_session *session)
{
    static char content[5000]; /* more than the output has room for at first */
    int error;

    memset(content, '.', sizeof(content));
    answer(session, "220 a\r\n");
    answer(session, "250-a\r\n250 STARTTLS\r\n");
    answer(session, "220 a\r\n");
    smtp_session_tls_started(session, true);
    answer(session, "250-a\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n");
    answer(session, "235 a\r\n");
    error = smtp_session_mail(session, &mail);
    if (error == -ENOMEM) { /* nothing was said */
        const char *out;

        assert_int_equal(smtp_session_output(session, &out), 0);
        assert_int_equal(smtp_session_need(session), SMTP_NEED_COMMAND);
        return false;
    }
    answer(session, "250 a\r\n550 b\r\n250 c\r\n354 d\r\n");
    smtp_session_content(session, content, sizeof(content));
    smtp_session_content_end(session);
    answer(session, "250 e\r\n");
    if (smtp_session_outcome(session) == SMTP_OUTCOME_NONE)
        return true;
    assert_int_equal(smtp_session_outcome(session), SMTP_OUTCOME_NO_MEMORY);
    return false;
}

static void test_each_allocation(void **state)
{
    static const struct smtp_session_config config = {
        .helo_name = "f.example", .tls = SMTP_TLS_REQUIRED, .user = "g", .password = "h"};
    unsigned n = 1;

    (void)state;
    for (bool whole = false; !whole; n++) {
        struct smtp_session *session = NULL;
        int error;

        countdown = n;
        error = smtp_session_new(&config, &session);
        if (error != 0) {
            assert_int_equal(error, -ENOMEM);
            continue;
        }
        whole = deliver(session);
        assert_int_equal(whole, countdown != 0);
        assert_int_equal(smtp_session_rcpt_result(session, 1).status,
                         whole ? SMTP_RCPT_SENT : SMTP_RCPT_FAILED);
        countdown = 0;
        smtp_session_free(session);
    }
    assert_true(n > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
