/* session.c: who the client is, as MTAs make it out. */
#include "filter/session.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct connect_case {
    const char *title, *name, *address; /* address NULL: the MTA knows none; "unix" */
    uint16_t port;
    bool local;
    const char *client_name; /* NULL: not verified */
} cases[] = {
    {"an SMTP client", "client.example", "192.0.2.1", 40000, false, "client.example"},
    {"one without a name, Postfix", "unknown", "192.0.2.1", 40000, false, NULL},
    {"one without a name, sendmail", "[192.0.2.1]", "192.0.2.1", 40000, false, NULL},
    {"IPv6", "client.example", "2001:db8::1", 40000, false, "client.example"},
    {"SMTP from this host", "localhost", "127.0.0.1", 40000, false, "localhost"},
    {"locally submitted mail, Postfix", "localhost", "127.0.0.1", 0, true, "localhost"},
    {"the same over IPv6", "localhost", "::1", 0, true, "localhost"},
    {"port 0 from elsewhere", "client.example", "192.0.2.1", 0, false, "client.example"},
    {"another loopback address", "localhost", "127.0.0.2", 0, false, "localhost"},
    {"locally submitted mail, sendmail", "localhost", NULL, 0, true, "localhost"},
    {"a client that has gone", "unknown", NULL, 0, false, NULL},
    {"a unix socket", "client.example", "unix", 0, true, "client.example"},
    {"nothing at all", NULL, NULL, 0, false, NULL},
    {"an empty name", "", "192.0.2.1", 1, false, NULL},
};

static void run_case(void **state)
{
    const struct connect_case *c = *state;
    struct negotiate_terms terms = {0};
    struct session *session = session_new(&terms);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(c->port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(c->port)};
    struct sockaddr local = {.sa_family = AF_UNIX};
    const struct sockaddr *address = NULL;

    if (c->address != NULL && strcmp(c->address, "unix") == 0)
        address = &local;
    else if (c->address != NULL && inet_pton(AF_INET, c->address, &in.sin_addr) == 1)
        address = (const struct sockaddr *)&in;
    else if (c->address != NULL && inet_pton(AF_INET6, c->address, &in6.sin6_addr) == 1)
        address = (const struct sockaddr *)&in6;
    /* Twice, as for a second client on the same connection. */
    session_connect(session, "other.example", NULL, "other", "Postfix 3.11.7");
    session_connect(session, c->name, address, "smtpd", "Postfix 3.7.11");
    assert_false(session->client.mta_requiretls);
    assert_int_equal(session->client.address == NULL, c->local);
    assert_string_equal(session->client.daemon, "smtpd");
    if (c->client_name == NULL)
        assert_null(session->client.name);
    else
        assert_string_equal(session->client.name, c->client_name);
    session_free(session);
}

/* The macro v of MTAs that enforce REQUIRETLS themselves, and of others. */
static void an_mta_that_enforces_requiretls(void **state)
{
    static const char *const able[] = {"Postfix 3.11", "Postfix 3.11.7", "Postfix 3.12-20260101",
                                       "Postfix 4.0.1"};
    static const char *const others[] = {
        "Postfix 3.7.11",    "Postfix 3.10.13", "Postfix 2.11.0", "Postfix 3",
        "8.17.1.9/8.17.1.9", "Other 3.11.7",    "3.11.7",         "",
        "Postfix 3.1.1",     "postfix 3.11.7",  "8.18.1",         "Postfix",
        "Postfix 311",       "Postfix -3.11",   "Postfix 3.",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(able) / sizeof(able[0]); i++)
        assert_true(session_mta_requiretls(able[i]));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(session_mta_requiretls(others[i]));
    assert_false(session_mta_requiretls(NULL));
}

/* What libmilter does with j when it has memory for the macros of a command, and when not. */
static void macros_that_are_lost(void **state)
{
    static const char postfix[] = "Postfix 3.7.11";
    const struct negotiate_terms terms = {.macros = true};
    struct session *session = session_new(&terms);
    const char *const at = "connect, MAIL and RCPT, twice"; /* seven places */
    (void)state;

    assert_true(session_macros_arrived(session, SESSION_CONNECT, at, postfix));
    assert_true(session_macros_arrived(session, SESSION_MAIL, at + 1, postfix));
    assert_true(session_macros_arrived(session, SESSION_RCPT, at + 2, postfix));
    assert_true(session_macros_arrived(session, SESSION_RCPT, at + 3, postfix));
    /* Those of the recipient before are still there. */
    assert_false(session_macros_arrived(session, SESSION_RCPT, at + 3, postfix));
    /* The next message; its RCPT may have the memory that the one before had. */
    assert_true(session_macros_arrived(session, SESSION_MAIL, at + 4, postfix));
    assert_true(session_macros_arrived(session, SESSION_RCPT, at + 3, postfix));
    /* Lost: those of the MAIL before, or of connect, are found. */
    assert_false(session_macros_arrived(session, SESSION_MAIL, at + 4, postfix));
    assert_false(session_macros_arrived(session, SESSION_RCPT, at + 4, postfix));
    session_greeted(session);
    assert_false(session_macros_arrived(session, SESSION_MAIL, at, postfix));
    assert_true(session_macros_arrived(session, SESSION_MAIL, at + 4, postfix));
    /* Another client on the same connection; nothing of the one before counts. */
    assert_true(session_macros_arrived(session, SESSION_CONNECT, at + 4, postfix));
    assert_true(session_macros_arrived(session, SESSION_MAIL, at, postfix));
    /* Those of connect were lost: seen at MAIL. */
    assert_true(session_macros_arrived(session, SESSION_CONNECT, NULL, NULL));
    assert_false(session_macros_arrived(session, SESSION_MAIL, at, postfix));
    session_free(session);
}

/* An MTA that is not known for it may send no j, or only once. */
static void macros_of_other_mtas(void **state)
{
    struct negotiate_terms terms = {.macros = true};
    struct session *session = session_new(&terms);
    const char *const j = "mx.example";
    (void)state;

    assert_true(session_macros_arrived(session, SESSION_CONNECT, j, "Mail 1.0"));
    assert_true(session_macros_arrived(session, SESSION_MAIL, j, "Mail 1.0"));
    assert_true(session_macros_arrived(session, SESSION_RCPT, j, "Mail 1.0"));
    session->terms.macros = false;
    assert_true(session_macros_arrived(session, SESSION_CONNECT, j, "8.17.1.9"));
    assert_true(session_macros_arrived(session, SESSION_MAIL, j, "8.17.1.9"));
    session_free(session);
}

int main(void)
{
    enum { COUNT = sizeof cases / sizeof cases[0], OTHERS = 3 };
    struct CMUnitTest tests[COUNT + OTHERS] = {cmocka_unit_test(an_mta_that_enforces_requiretls),
                                               cmocka_unit_test(macros_that_are_lost),
                                               cmocka_unit_test(macros_of_other_mtas)};

    for (size_t i = 0; i < COUNT; i++) {
        tests[i + OTHERS].name = cases[i].title;
        tests[i + OTHERS].test_func = run_case;
        tests[i + OTHERS].initial_state = (void *)(uintptr_t)&cases[i];
    }
    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
