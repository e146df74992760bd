/* agent_socket.c: what the MTA calls a next-hop, and which socket of ours that is. */
#include "decide/agent_socket.h"

#include "config_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char sockets[] = "[deliver queue]\n"
                              "listen = unix:/var/spool/postfix/requiretls-deliver/lmtp.sock\n"
                              "[deliver four]\nlisten = inet:127.0.0.1:8691\n"
                              "[deliver six]\nlisten = inet:[::1]:8692\n";

static const struct {
    const char *host;
    const char *name; /* NULL: none of ours */
} cases[] = {
    {"unix:/var/spool/postfix/requiretls-deliver/lmtp.sock", "queue"},
    {"UNIX:/var/spool/postfix/requiretls-deliver/lmtp.sock", "queue"},
    {"unix:requiretls-deliver/lmtp.sock", "queue"},
    {"unix:/requiretls-deliver/lmtp.sock", "queue"}, /* within a chroot */
    {"unix:lmtp.sock", "queue"},
    {"unix:deliver/lmtp.sock", NULL},
    {"unix:mtp.sock", NULL},
    {"unix:other/lmtp.sock", NULL},
    {"unix:/srv/var/spool/postfix/requiretls-deliver/lmtp.sock", NULL},
    {"unix:/var/spool/postfix/requiretls-deliver/lmtp.sock2", NULL},
    {"unix:/var/spool/postfix/requiretls-deliver/", NULL},
    {"unix:", NULL},
    {"requiretls-deliver/lmtp.sock", NULL},
    {"inet:127.0.0.1:8691", "four"},
    {"inet:[127.0.0.1]:8691", "four"},
    {"[127.0.0.1]:8691", "four"},
    {"127.0.0.1:8691", "four"},
    {"localhost:8691", "four"},
    {"inet:LocalHost:8691", "four"},
    {"[localhost]:8692", "six"},
    {"[::1]:8692", "six"},
    {"[IPv6:::1]:8692", "six"},
    {"[ipv6:0:0:0:0:0:0:0:1]:8692", "six"},
    {"inet:[::1]:8692", "six"},
    {"[127.0.0.2]:8691", NULL},
    {"[127.0.0.1]:8692", NULL},
    {"[127.0.0.1]:86911", NULL},
    {"[127.0.0.1]", NULL},
    {"[127.0.0.1]:", NULL},
    {":8691", NULL},
    {"[]:8691", NULL},
    {"[::1]:8691", NULL},
    {"mail.example:8691", NULL},
    {"example.org", NULL},
    {"", NULL},
    {"inet:", NULL},
    {"[a-name-that-is-much-too-long-for-an-address-of-either-family.example.org]:8691", NULL},
};

static void finds(void **state)
{
    struct config *config = config_from_text(sockets, "mail.own.example");

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct config_deliver_socket *got = agent_socket_find(config, cases[i].host);
        const char *name = got != NULL ? got->name : "none";

        if (strcmp(name, cases[i].name != NULL ? cases[i].name : "none") != 0)
            fail_msg("%s: %s", cases[i].host, name);
    }
    assert_null(agent_socket_find(config, NULL));
    config_unref(config);
}

static void without_an_agent(void **state)
{
    struct config *config = config_from_text("", "mail.own.example");

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_null(agent_socket_find(config, cases[i].host));
    config_unref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds),
        cmocka_unit_test(without_an_agent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
