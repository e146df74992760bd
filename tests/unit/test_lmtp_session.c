/*
 * LMTP sessions: what the client says, what the server answers, and which events its owner sees;
 * whatever pieces the octets come in.
 */
#include "deliver/lmtp_session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HELLO "LHLO c\r\n"
#define EXTENSIONS                                                                                 \
    "250-mx\r\n250-PIPELINING\r\n250-SIZE 100\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n"      \
    "250-ENHANCEDSTATUSCODES\r\n250 REQUIRETLS\r\n"
#define LONG50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define LONG500 LONG50 LONG50 LONG50 LONG50 LONG50 LONG50 LONG50 LONG50 LONG50 LONG50

/* The owner accepts everything but senders and recipients that are a code, which it answers with.
 * `events`: M for MAIL, R for RCPT, D for DATA, the content in brackets, ! for the message, - for a
 * transaction that was given up, Q for the end. */
static const struct {
    const char *name;
    const char *client;
    const char *server; /* after the greeting */
    const char *events;
} cases[] = {
    {"nothing", "", "", ""},
    {"hello", HELLO, EXTENSIONS, ""},
    {"quit", "QUIT\r\n", "221\r\n", "Q"},
    {"what follows QUIT is not read", "QUIT\r\nNOOP\r\n", "221\r\n", "Q"},
    {"EHLO", "EHLO c\r\nHELO c\r\n", "500\r\n500\r\n", ""},
    {"MAIL before LHLO", "MAIL FROM:<>\r\n", "503\r\n", ""},
    {"RCPT before MAIL", HELLO "RCPT TO:<a>\r\n", EXTENSIONS "503\r\n", ""},
    {"DATA before MAIL", HELLO "DATA\r\n", EXTENSIONS "503\r\n", ""},
    {"DATA without recipients", HELLO "MAIL FROM:<>\r\nRCPT TO:<550>\r\nDATA\r\nNOOP\r\n",
     EXTENSIONS "250\r\n550\r\n503\r\n250\r\n", "MR"},
    {"nested MAIL", HELLO "MAIL FROM:<>\r\nMAIL FROM:<>\r\n", EXTENSIONS "250\r\n503\r\n", "M"},
    {"MAIL refused", HELLO "MAIL FROM:<451>\r\nRCPT TO:<a>\r\nDATA\r\nMAIL FROM:<>\r\n",
     EXTENSIONS "451\r\n503\r\n503\r\n250\r\n", "MM"},
    {"a message", HELLO "MAIL FROM:<>\r\nRCPT TO:<a>\r\nDATA\r\na\r\n..b\r\n.\r\nQUIT\r\n",
     EXTENSIONS "250\r\n250\r\n354\r\n250 1\r\n221\r\n", "MRD[a\r\n.b\r\n]!Q"},
    {"an empty message", HELLO "MAIL FROM:<>\r\nRCPT TO:<a>\r\nDATA\r\n.\r\n",
     EXTENSIONS "250\r\n250\r\n354\r\n250 1\r\n", "MRD[]!"},
    {"a reply for each recipient that was accepted",
     HELLO "MAIL FROM:<>\r\nRCPT TO:<a>\r\nRCPT TO:<550>\r\nRCPT TO:<b>\r\nDATA\r\na\r\n.\r\n",
     EXTENSIONS "250\r\n250\r\n550\r\n250\r\n354\r\n250 1\r\n250 2\r\n", "MRRRD[a\r\n]!"},
    {"two messages",
     HELLO "MAIL FROM:<>\r\nRCPT TO:<a>\r\nDATA\r\na\r\n.\r\n"
           "MAIL FROM:<>\r\nRCPT TO:<b>\r\nRCPT TO:<c>\r\nDATA\r\n.b\r\n.\r\n",
     EXTENSIONS "250\r\n250\r\n354\r\n250 1\r\n250\r\n250\r\n250\r\n354\r\n250 1\r\n250 2\r\n",
     "MRD[a\r\n]!MRRD[b\r\n]!"},
    {"RSET", HELLO "RSET\r\nMAIL FROM:<>\r\nRCPT TO:<a>\r\nRSET\r\nDATA\r\nMAIL FROM:<>\r\n",
     EXTENSIONS "250\r\n250\r\n250\r\n250\r\n503\r\n250\r\n", "MR-M"},
    {"RSET before LHLO", "RSET\r\nMAIL FROM:<>\r\n", "250\r\n503\r\n", ""},
    {"LHLO ends a transaction", HELLO "MAIL FROM:<>\r\n" HELLO "RCPT TO:<a>\r\n",
     EXTENSIONS "250\r\n" EXTENSIONS "503\r\n", "M-"},
    {"QUIT in a transaction", HELLO "MAIL FROM:<>\r\nQUIT\r\n", EXTENSIONS "250\r\n221\r\n", "M-Q"},
    {"NOOP and VRFY in a transaction", HELLO "MAIL FROM:<>\r\nNOOP\r\nVRFY a\r\nRCPT TO:<a>\r\n",
     EXTENSIONS "250\r\n250\r\n252\r\n250\r\n", "MR"},
    {"DATA refused", HELLO "MAIL FROM:<d@451>\r\nRCPT TO:<a>\r\nDATA\r\nNOOP\r\nRSET\r\n",
     EXTENSIONS "250\r\n250\r\n451\r\n250\r\n250\r\n", "MRD-"},
    {"421 to MAIL", HELLO "MAIL FROM:<421>\r\nNOOP\r\n", EXTENSIONS "421\r\n", "MQ"},
    {"SIZE at the limit", HELLO "MAIL FROM:<> SIZE=100\r\n", EXTENSIONS "250\r\n", "M"},
    {"SIZE beyond it", HELLO "MAIL FROM:<> SIZE=101\r\n", EXTENSIONS "552\r\n", ""},
    {"SMTPUTF8 of MAIL counts for RCPT",
     HELLO "MAIL FROM:<> SMTPUTF8\r\nRCPT TO:<\xc3\xa4>\r\nRSET\r\n"
           "MAIL FROM:<>\r\nRCPT TO:<\xc3\xa4>\r\n",
     EXTENSIONS "250\r\n250\r\n250\r\n250\r\n553\r\n", "MR-M"},
    {"a line that LF ends", "LHLO c\nNOOP\r\n", "500\r\n250\r\n", ""},
    {"CR in a line", "NOOP a\rb\r\nNOOP\r\n", "500\r\n250\r\n", ""},
    {"an empty line", "\r\n", "500\r\n", ""},
    {"a long line", "NOOP " LONG500 LONG500 LONG500 LONG500 "\r\nQUIT\r\n", "250\r\n221\r\n", "Q"},
    {"a line that is too long", "NOOP " LONG500 LONG500 LONG500 LONG500 LONG50 "\r\nNOOP\r\n",
     "500\r\n250\r\n", ""},
    {"a very long line is no command at its end",
     LONG500 LONG500 LONG500 LONG500 LONG500 LONG500 "QUIT\r\n", "500\r\n", ""},
    {"an end of data that is none",
     HELLO "MAIL FROM:<>\r\nRCPT TO:<a>\r\nDATA\r\na\n.\nMAIL FROM:<b>\n.\r\n\n.\r\n.\r\n",
     EXTENSIONS "250\r\n250\r\n354\r\n250 1\r\n", "MRD[a . MAIL FROM:<b> .\r\n .\r\n]!"},
};

struct run {
    struct lmtp_session session;
    char events[400];
    bool in_content;
    size_t results;
};

static void note(struct run *run, const char *text, size_t len)
{
    size_t at = strlen(run->events);

    assert_true(at + len < sizeof(run->events));
    memcpy(run->events + at, text, len);
    run->events[at + len] = '\0';
}

/* What an address is a code of; else `otherwise`. */
static int code_of(const char *address, int otherwise)
{
    int code = atoi(address);

    return code != 0 ? code : otherwise;
}

static void answer(struct run *run, int code, const char *text)
{
    const struct lmtp_reply reply = {code, "", text};

    lmtp_session_answer(&run->session, &reply);
}

static void on_message(struct run *run)
{
    char number[12];

    if (run->in_content)
        note(run, "]!", 2);
    run->in_content = false;
    run->results = 0;
    while (run->session.state == LMTP_STATE_RESULTS) {
        snprintf(number, sizeof(number), "%zu", ++run->results);
        answer(run, 250, number);
    }
}

static void on_event(struct run *run, enum lmtp_event event, const struct lmtp_piece *piece)
{
    const struct lmtp_command *command = &run->session.command;
    static bool refuse_data;

    switch (event) {
    case LMTP_EVENT_MAIL:
        note(run, "M", 1);
        refuse_data = strcmp(command->mail.sender, "d@451") == 0;
        answer(run, code_of(command->mail.sender, 250), "");
        break;
    case LMTP_EVENT_RCPT:
        note(run, "R", 1);
        answer(run, code_of(command->rcpt.address, 250), "");
        break;
    case LMTP_EVENT_DATA:
        note(run, "D", 1);
        answer(run, refuse_data ? 451 : 354, "");
        break;
    case LMTP_EVENT_CONTENT:
        if (!run->in_content)
            note(run, "[", 1);
        run->in_content = true;
        note(run, piece->octets, piece->len);
        break;
    case LMTP_EVENT_MESSAGE:
        on_message(run);
        break;
    case LMTP_EVENT_RESET:
        note(run, "-", 1);
        break;
    case LMTP_EVENT_QUIT:
        note(run, "Q", 1);
        break;
    case LMTP_EVENT_NONE:
        break;
    }
}

/* The replies as `code text`: enhanced codes and sentences of the session's own are left out. */
static void shorten(const struct octets *out, char *to)
{
    const char *at = out->buf, *end = out->buf + out->len;

    *to = '\0';
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)(line_end - at) - 1;

        assert_int_equal(line_end[-1], '\r');
        if (strncmp(at, "220 ", 4) == 0)
            ;
        else if (at[3] == '-' || strncmp(at, "250 REQUIRETLS", 14) == 0)
            sprintf(to + strlen(to), "%.*s\r\n", (int)len, at);
        else if (len == 5 && at[4] >= '0' && at[4] <= '9')
            sprintf(to + strlen(to), "%.5s\r\n", at);
        else
            sprintf(to + strlen(to), "%.3s\r\n", at);
        at = line_end + 1;
    }
}

static void play(const char *client, size_t piece_len, struct run *run, char *server)
{
    struct lmtp_piece *piece = malloc(sizeof(*piece));
    size_t len = strlen(client);

    memset(run, 0, sizeof(*run));
    lmtp_session_init(&run->session, "mx", 100);
    for (size_t at = 0; at < len; at += piece_len) {
        size_t given = piece_len < len - at ? piece_len : len - at, taken = 0, used;
        char *copy = malloc(given);
        enum lmtp_event event;

        memcpy(copy, client + at, given);
        do {
            event = lmtp_session_input(&run->session, copy + taken, given - taken, &used, piece);
            taken += used;
            on_event(run, event, piece);
        } while (event != LMTP_EVENT_NONE);
        assert_true(taken == given || run->session.state == LMTP_STATE_CLOSED);
        free(copy);
    }
    assert_false(run->session.no_memory);
    assert_memory_equal(run->session.out.buf, "220 mx ", 7);
    shorten(&run->session.out, server);
    lmtp_session_fini(&run->session);
    free(piece);
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = strlen(cases[i].client);

        for (size_t piece = 1; piece <= len; piece += piece < 200 ? 1 : 97) {
            char server[2000];
            struct run run;

            play(cases[i].client, piece, &run, server);
            if (strcmp(server, cases[i].server) != 0 || strcmp(run.events, cases[i].events) != 0)
                fail_msg("%s, in pieces of %zu:\n%s\nevents %s", cases[i].name, piece, server,
                         run.events);
        }
    }
}

/* The first recipient beyond the limit is 452, the message goes to the others. */
static void test_many_recipients(void **state)
{
    static const char one[] = "RCPT TO:<a>\r\n";
    char *client = calloc(1, 2000 + (LMTP_RCPTS_MAX + 1) * sizeof(one)), *at = client;
    struct lmtp_piece *piece = malloc(sizeof(*piece));
    enum lmtp_event event;
    size_t count = 0;
    struct run run = {.results = 0};

    (void)state;
    strcpy(client, HELLO "MAIL FROM:<>\r\n");
    for (size_t i = 0; i <= LMTP_RCPTS_MAX; i++)
        strcat(client, one);
    strcat(client, "DATA\r\n.\r\n");
    lmtp_session_init(&run.session, "mx", 0);
    do {
        size_t used;

        event = lmtp_session_input(&run.session, at, strlen(at), &used, piece);
        at += used;
        run.events[0] = '\0';
        on_event(&run, event, piece);
        count += event == LMTP_EVENT_RCPT;
    } while (event != LMTP_EVENT_NONE);
    assert_int_equal(count, LMTP_RCPTS_MAX);
    assert_int_equal(run.results, LMTP_RCPTS_MAX);
    assert_int_equal(run.session.state, LMTP_STATE_READY);
    assert_true(octets_add(&run.session.out, "", 1));
    assert_non_null(strstr(run.session.out.buf, "\r\n452 4.5.3 too many recipients\r\n354 "));
    assert_non_null(strstr(run.session.out.buf, "\r\n250-SIZE\r\n"));
    lmtp_session_fini(&run.session);
    free(piece);
    free(client);
}

/* While results are awaited nothing is read, and what was sent ahead is left. */
static void test_waits(void **state)
{
    static const char client[] =
        HELLO "MAIL FROM:<>\r\nRCPT TO:<a>\r\nRCPT TO:<b>\r\nDATA\r\n.\r\nNOOP\r\n";
    struct lmtp_piece *piece = malloc(sizeof(*piece));
    enum lmtp_event event;
    struct run run;
    size_t at = 0, used;

    (void)state;
    memset(&run, 0, sizeof(run));
    lmtp_session_init(&run.session, "mx", 0);
    do {
        event = lmtp_session_input(&run.session, client + at, strlen(client) - at, &used, piece);
        at += used;
        if (event != LMTP_EVENT_MESSAGE)
            on_event(&run, event, piece);
    } while (event != LMTP_EVENT_NONE);
    assert_string_equal(client + at, "NOOP\r\n");
    answer(&run, 250, "1");
    event = lmtp_session_input(&run.session, client + at, strlen(client) - at, &used, piece);
    assert_int_equal(event, LMTP_EVENT_NONE);
    assert_int_equal(used, 0);
    answer(&run, 450, "2");
    lmtp_session_input(&run.session, client + at, strlen(client) - at, &used, piece);
    assert_int_equal(used, 6);
    lmtp_session_fini(&run.session);
    free(piece);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_many_recipients),
        cmocka_unit_test(test_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
