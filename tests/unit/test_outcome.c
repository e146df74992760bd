/*
 * outcome.c: the reply when no host is left, over all combinations of attempts, against a model
 * that is written from the table alone; what a connection has shown; a server's own words.
 */
#include "deliver/outcome.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- the model ---- */

/* A row: when every host that counts was reached and said so, else, below enforce. How far it came
 * is the row's number. */
static const struct row {
    enum outcome_failure failure;
    enum smtp_lack lack;
    const char *permanent, *temporary, *below, *below_permanent;
} rows[] = {
    {OUTCOME_NOT_TRIED, 0, NULL, "451 4.3.2", "451 4.3.2", NULL},
    {OUTCOME_LOCAL, 0, NULL, "451 4.3.0", "451 4.3.0", NULL},
    {OUTCOME_NOT_REACHED, 0, NULL, "451 4.4.1", "451 4.4.1", NULL},
    {OUTCOME_TIMEOUT, 0, NULL, "451 4.4.2", "451 4.4.2", NULL},
    {OUTCOME_LOST, 0, NULL, "451 4.4.2", "451 4.4.2", NULL},
    {OUTCOME_REFUSED, 0, NULL, "451 4.7.1", "451 4.7.1", NULL},
    {OUTCOME_NO_STARTTLS, 0, "550 5.7.30", "451 4.7.30", "451 4.7.4", NULL},
    {OUTCOME_STARTTLS_4XX, 0, NULL, "451 4.7.10", "451 4.7.5", NULL},
    {OUTCOME_STARTTLS_5XX, 0, "550 5.7.10", "451 4.7.10", "451 4.7.5", NULL},
    {OUTCOME_HANDSHAKE, 0, NULL, "451 4.7.5", "451 4.7.5", NULL},
    {OUTCOME_NOT_VERIFIED, 0, "550 5.7.10", "451 4.7.10", "451 4.7.5", NULL},
    {OUTCOME_NO_REQUIRETLS, 0, "550 5.7.30", "451 4.7.30", "451 4.7.30", NULL},
    {OUTCOME_NO_AUTH, 0, NULL, "451 4.7.0", "451 4.7.0", NULL},
    {OUTCOME_AUTH_REFUSED, 0, NULL, "451 4.7.0", "451 4.7.0", NULL},
    {OUTCOME_LACK, SMTP_LACK_SMTPUTF8, "550 5.6.7", "451 4.6.7", "451 4.6.7", "550 5.6.7"},
    {OUTCOME_LACK, SMTP_LACK_8BITMIME, "554 5.6.3", "451 4.6.3", "451 4.6.3", "554 5.6.3"},
    {OUTCOME_LACK, SMTP_LACK_SIZE, "552 5.3.4", "451 4.3.4", "451 4.3.4", "552 5.3.4"},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]), KINDS = 2 * ROWS };

struct tried {
    size_t row;
    bool definite;
    size_t host;
};

struct situation {
    enum verdict_level level;
    bool exempt, firm;
    unsigned hosts;
};

static bool enforced(const struct situation *s)
{
    return s->level == VERDICT_LEVEL_ENFORCE && !s->exempt;
}

static bool is_definite_no(const struct tried *tried, const struct situation *s)
{
    const struct row *row = &rows[tried->row];

    return tried->definite && (enforced(s) ? row->permanent : row->below_permanent) != NULL;
}

/* Host by host: it was reached, and every time it was it said no. */
static bool model_host_says_no(const struct tried *tried, size_t count, size_t host,
                               const struct situation *s)
{
    unsigned no = 0, else_reached = 0;

    for (size_t i = 0; i < count; i++) {
        enum outcome_failure failure = rows[tried[i].row].failure;

        if (tried[i].host != host || failure == OUTCOME_NOT_TRIED || failure == OUTCOME_NOT_REACHED)
            continue;
        if (is_definite_no(&tried[i], s))
            no++;
        else
            else_reached++;
    }
    return no > 0 && else_reached == 0;
}

static const char *model(const struct tried *tried, size_t count, const struct situation *s)
{
    bool permanent = s->firm;
    size_t told = 0;

    for (size_t host = 0; host < 3; host++) {
        if (s->hosts >> host & 1)
            permanent = permanent && model_host_says_no(tried, count, host, s);
    }
    for (size_t i = 1; i < count; i++) {
        size_t here = rows[tried[i].row].failure, before = rows[tried[told].row].failure;

        if (here >= before)
            told = i;
    }
    if (enforced(s))
        return permanent ? rows[tried[told].row].permanent : rows[tried[told].row].temporary;
    return permanent ? rows[tried[told].row].below_permanent : rows[tried[told].row].below;
}

/* ---- */

static const struct smtp_reply refusal = {
    .code = 554, .enhanced = "5.7.1", .enhanced_given = true, .text = "go away"};

static void set_attempt(const struct tried *tried, struct outcome_attempt *out)
{
    *out = (struct outcome_attempt){.host = tried->host,
                                    .failure = rows[tried->row].failure,
                                    .definite = tried->definite,
                                    .lack = rows[tried->row].lack,
                                    .relay = "mx.example.org[192.0.2.1]:25",
                                    .text = "what was seen"};
    if (out->failure == OUTCOME_REFUSED)
        out->reply = refusal;
}

static void check(const struct tried *tried, size_t count, const struct situation *s)
{
    const struct treatment_demands demands = {
        .level = s->level,
        .requiretls = s->level == VERDICT_LEVEL_ENFORCE ? TREATMENT_REQUIRETLS_DEMANDED
                                                        : TREATMENT_REQUIRETLS_NOT_SAID,
        .by = s->exempt ? TREATMENT_POLICY_EXEMPT : TREATMENT_POLICY_NONE};
    const struct treatment_plan plan = {.hosts = s->hosts, .firm = s->firm};
    static const struct nexthop nexthop = {.text = "example.org"};
    const char *wanted;
    struct outcome_attempt attempts[3];
    struct outcome out;
    char got[64];

    for (size_t i = 0; i < count; i++) {
        if ((s->hosts >> tried[i].host & 1) == 0)
            return; /* no other host is tried */
        set_attempt(&tried[i], &attempts[i]);
    }
    wanted = model(tried, count, s);
    outcome_of_attempts(attempts, count, &demands, &plan, &nexthop, &out);
    snprintf(got, sizeof(got), "%d %s", out.code, out.enhanced);
    if (strcmp(got, wanted) != 0)
        fail_msg("%d at level %d, %u hosts, firm %d: %s, not %s", (int)count, s->level, s->hosts,
                 s->firm, got, wanted);
    assert_int_equal(out.status, out.code >= 500 ? OUTCOME_BOUNCED : OUTCOME_DEFERRED);
    assert_non_null(strstr(out.text, "mx.example.org[192.0.2.1]"));
}

static const struct situation situations[] = {
    {VERDICT_LEVEL_ENFORCE, false, true, 1},
    {VERDICT_LEVEL_ENFORCE, false, true, 3},
    {VERDICT_LEVEL_ENFORCE, false, false, 1},
    {VERDICT_LEVEL_ENFORCE, false, false, 3},
    {VERDICT_LEVEL_ENFORCE, true, true, 3},
    {VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS, false, true, 1},
    {VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS, false, true, 3},
    {VERDICT_LEVEL_OPPORTUNISTIC, false, true, 1},
    {VERDICT_LEVEL_OPPORTUNISTIC, false, false, 3},
};

enum { SITUATIONS = sizeof(situations) / sizeof(situations[0]) };

static struct tried tried_of(unsigned number)
{
    return (struct tried){
        .row = number % ROWS, .definite = number / ROWS % 2 != 0, .host = number / KINDS};
}

/* One attempt, and two, of every kind at two hosts. */
static void test_two_attempts(void **state)
{
    enum { ALL = 2 * KINDS };

    (void)state;
    for (size_t s = 0; s < SITUATIONS; s++) {
        for (unsigned a = 0; a < ALL; a++) {
            struct tried tried[2] = {tried_of(a)};

            check(tried, 1, &situations[s]);
            for (unsigned b = 0; b < ALL; b++) {
                tried[1] = tried_of(b);
                check(tried, 2, &situations[s]);
            }
        }
    }
}

static void test_three_attempts(void **state)
{
    (void)state;
    for (size_t s = 0; s < SITUATIONS; s++) {
        for (unsigned i = 0; i < ROWS * ROWS * ROWS * 8; i++) {
            unsigned kinds = i / 8;
            const struct tried tried[3] = {
                {kinds % ROWS, true, i & 1},
                {kinds / ROWS % ROWS, true, i >> 1 & 1},
                {kinds / ROWS / ROWS, true, i >> 2 & 1},
            };

            check(tried, 3, &situations[s]);
        }
    }
}

/* At enforce a message comes back for good by what servers have shown alone if each of them has. */
static void test_no_attempt(void **state)
{
    const struct treatment_demands demands = {.level = VERDICT_LEVEL_ENFORCE};
    const struct treatment_plan plan = {.hosts = 1, .firm = true};
    static const struct nexthop nexthop = {.text = "example.org"};
    struct outcome out;

    (void)state;
    outcome_of_attempts(NULL, 0, &demands, &plan, &nexthop, &out);
    assert_int_equal(out.status, OUTCOME_DEFERRED);
    assert_string_equal(out.enhanced, "4.4.1");
    assert_false(outcome_may_fall_back(NULL, 0, &demands, &plan));
}

/* ---- texts of attempts ---- */

static const struct text_case {
    enum outcome_failure failure;
    enum smtp_lack lack;
    const char *text, *wanted;
} texts[] = {
    {OUTCOME_NOT_REACHED, 0, "no connection: Connection refused",
     "mx.example.org[192.0.2.1]:25 cannot be reached: no connection: Connection refused"},
    {OUTCOME_NOT_REACHED, 0, "", "mx.example.org[192.0.2.1]:25 cannot be reached"},
    {OUTCOME_REFUSED, 0, "", "mx.example.org[192.0.2.1] said: 554 5.7.1 go away"},
    {OUTCOME_NO_STARTTLS, 0, "EHLO: no STARTTLS",
     "This message requires TLS, but mx.example.org[192.0.2.1]:25 does not offer STARTTLS"},
    {OUTCOME_STARTTLS_5XX, 0, "STARTTLS: 502 no",
     "This message requires TLS, but mx.example.org[192.0.2.1]:25 refuses STARTTLS: STARTTLS: 502 "
     "no"},
    {OUTCOME_NOT_VERIFIED, 0, "certificate not trusted",
     "This message requires TLS, but mx.example.org[192.0.2.1]:25 cannot be authenticated: "
     "certificate not trusted"},
    {OUTCOME_NO_REQUIRETLS, 0, "x",
     "This message requires TLS, but mx.example.org[192.0.2.1]:25 does not support REQUIRETLS"},
    {OUTCOME_LACK, SMTP_LACK_SMTPUTF8, "x",
     "mx.example.org[192.0.2.1]:25 does not support SMTPUTF8, which the message needs"},
    {OUTCOME_LACK, SMTP_LACK_SIZE, "x",
     "mx.example.org[192.0.2.1]:25 takes no message of this size"},
};

static void test_texts(void **state)
{
    const struct treatment_demands demands = {.level = VERDICT_LEVEL_ENFORCE,
                                              .requiretls = TREATMENT_REQUIRETLS_DEMANDED};
    const struct treatment_plan plan = {.hosts = 1, .firm = true};
    static const struct nexthop nexthop = {.text = "example.org"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct outcome_attempt attempt = {.failure = texts[i].failure,
                                          .lack = texts[i].lack,
                                          .relay = "mx.example.org[192.0.2.1]:25"};
        struct outcome out;

        snprintf(attempt.text, sizeof(attempt.text), "%s", texts[i].text);
        if (attempt.failure == OUTCOME_REFUSED)
            attempt.reply = refusal;
        outcome_of_attempts(&attempt, 1, &demands, &plan, &nexthop, &out);
        assert_string_equal(out.text, texts[i].wanted);
    }
}

/* What a server says fits into a reply line of 512 octets, and has no octet that is not printable.
 */
static void test_hostile_words(void **state)
{
    const struct treatment_demands demands = {.level = VERDICT_LEVEL_ENFORCE};
    const struct treatment_plan plan = {.hosts = 1, .firm = true};
    static const struct nexthop nexthop = {.text = "example.org"};
    struct outcome_attempt attempt = {.failure = OUTCOME_REFUSED, .reply = {.code = 550}};
    struct outcome out;

    (void)state;
    memset(attempt.relay, 'a', sizeof(attempt.relay) - 1);
    memset(attempt.reply.text, '\n', sizeof(attempt.reply.text) - 1);
    outcome_of_attempts(&attempt, 1, &demands, &plan, &nexthop, &out);
    assert_true(strlen("550 5.7.10 ") + strlen(out.text) + 2 <= 512);
    for (const char *c = out.text; *c != '\0'; c++)
        assert_true(*c >= ' ' && *c <= '~');
    assert_string_equal(out.enhanced, "4.0.0");
}

/* ---- one connection ---- */

#define OPEN SMTP_CONNECTION_OPEN
#define CLOSED SMTP_CONNECTION_CLOSED

static const struct seen_case {
    const char *name;
    enum smtp_connection connection;
    enum smtp_outcome session;
    enum smtp_state state;
    int code;
    bool pipelining;
    int why;       /* -1: no handshake; TLS_WHY_NOTHING: met */
    bool finished; /* the handshake */
    enum smtp_lack lack;
    enum outcome_failure wanted;
    bool definite;
} seen_cases[] = {
#define NO_TLS -1, false, SMTP_LACK_NONE
#define MET TLS_WHY_NOTHING, true, SMTP_LACK_NONE
    {"no connection", SMTP_CONNECTION_NOT_MADE, SMTP_OUTCOME_LOST, SMTP_STATE_GREETING, 0, false,
     NO_TLS, OUTCOME_NOT_REACHED, false},
    {"no descriptors", SMTP_CONNECTION_LOCAL, SMTP_OUTCOME_LOST, SMTP_STATE_GREETING, 0, false,
     NO_TLS, OUTCOME_LOCAL, false},
    {"greeting 554", CLOSED, SMTP_OUTCOME_REFUSED, SMTP_STATE_GREETING, 554, false, NO_TLS,
     OUTCOME_REFUSED, false},
    {"EHLO 421", CLOSED, SMTP_OUTCOME_CLOSING, SMTP_STATE_EHLO, 421, false, NO_TLS, OUTCOME_REFUSED,
     false},
    {"STARTTLS 421", CLOSED, SMTP_OUTCOME_CLOSING, SMTP_STATE_STARTTLS, 421, true, NO_TLS,
     OUTCOME_REFUSED, false},
    {"no STARTTLS", CLOSED, SMTP_OUTCOME_NO_STARTTLS, SMTP_STATE_EHLO, 250, true, NO_TLS,
     OUTCOME_NO_STARTTLS, true},
    {"no STARTTLS, of little that is offered", CLOSED, SMTP_OUTCOME_NO_STARTTLS, SMTP_STATE_EHLO,
     250, false, NO_TLS, OUTCOME_NO_STARTTLS, false},
    {"STARTTLS 454", CLOSED, SMTP_OUTCOME_REFUSED, SMTP_STATE_STARTTLS, 454, true, NO_TLS,
     OUTCOME_STARTTLS_4XX, false},
    {"STARTTLS 502", CLOSED, SMTP_OUTCOME_REFUSED, SMTP_STATE_STARTTLS, 502, true, NO_TLS,
     OUTCOME_STARTTLS_5XX, true},
    {"plaintext behind the 220", CLOSED, SMTP_OUTCOME_PLAINTEXT, SMTP_STATE_TLS, 220, true, NO_TLS,
     OUTCOME_HANDSHAKE, false},
    {"handshake broken", CLOSED, SMTP_OUTCOME_TLS_FAILED, SMTP_STATE_TLS, 220, true,
     TLS_WHY_HANDSHAKE, false, SMTP_LACK_NONE, OUTCOME_HANDSHAKE, false},
    {"TLS too old", CLOSED, SMTP_OUTCOME_TLS_FAILED, SMTP_STATE_TLS, 220, true, TLS_WHY_PROTOCOL,
     false, SMTP_LACK_NONE, OUTCOME_NOT_VERIFIED, true},
    {"handshake without memory", CLOSED, SMTP_OUTCOME_TLS_FAILED, SMTP_STATE_TLS, 220, true,
     TLS_WHY_LOCAL, false, SMTP_LACK_NONE, OUTCOME_LOCAL, false},
    {"another name", OPEN, SMTP_OUTCOME_NONE, SMTP_STATE_TLS, 220, true, TLS_WHY_NAME, true,
     SMTP_LACK_NONE, OUTCOME_NOT_VERIFIED, true},
    {"no TLSA match, given up by QUIT", CLOSED, SMTP_OUTCOME_QUIT, SMTP_STATE_QUIT, 221, true,
     TLS_WHY_NO_TLSA_MATCH, true, SMTP_LACK_NONE, OUTCOME_NOT_VERIFIED, true},
    {"another name, and the server broke off", CLOSED, SMTP_OUTCOME_LOST, SMTP_STATE_TLS, 0, true,
     TLS_WHY_NAME, true, SMTP_LACK_NONE, OUTCOME_NOT_VERIFIED, true},
    {"no fingerprint matches", OPEN, SMTP_OUTCOME_NONE, SMTP_STATE_TLS, 220, true,
     TLS_WHY_NO_FINGERPRINT_MATCH, true, SMTP_LACK_NONE, OUTCOME_NOT_VERIFIED, true},
    {"no CA is loaded", OPEN, SMTP_OUTCOME_NONE, SMTP_STATE_TLS, 220, true, TLS_WHY_LOCAL, true,
     SMTP_LACK_NONE, OUTCOME_NOT_VERIFIED, false},
    {"no REQUIRETLS", CLOSED, SMTP_OUTCOME_NO_REQUIRETLS, SMTP_STATE_EHLO, 250, true, MET,
     OUTCOME_NO_REQUIRETLS, true},
    {"no REQUIRETLS, of little that is offered", CLOSED, SMTP_OUTCOME_NO_REQUIRETLS,
     SMTP_STATE_EHLO, 250, false, MET, OUTCOME_NO_REQUIRETLS, false},
    {"EHLO 502 after STARTTLS", CLOSED, SMTP_OUTCOME_REFUSED, SMTP_STATE_EHLO, 502, true, MET,
     OUTCOME_REFUSED, false},
    {"AUTH not offered", CLOSED, SMTP_OUTCOME_NO_AUTH, SMTP_STATE_EHLO, 250, true, MET,
     OUTCOME_NO_AUTH, false},
    {"AUTH, and nothing is verified", CLOSED, SMTP_OUTCOME_AUTH_NOT_VERIFIED, SMTP_STATE_EHLO, 250,
     true, MET, OUTCOME_NO_AUTH, false},
    {"AUTH 535", CLOSED, SMTP_OUTCOME_REFUSED, SMTP_STATE_AUTH, 535, true, MET,
     OUTCOME_AUTH_REFUSED, false},
    {"AUTH 535 after 334", CLOSED, SMTP_OUTCOME_REFUSED, SMTP_STATE_AUTH_RESPONSE, 535, true, MET,
     OUTCOME_AUTH_REFUSED, false},
    {"greeting too late", CLOSED, SMTP_OUTCOME_TIMEOUT, SMTP_STATE_GREETING, 0, false, NO_TLS,
     OUTCOME_TIMEOUT, false},
    {"lost in EHLO", CLOSED, SMTP_OUTCOME_LOST, SMTP_STATE_EHLO, 0, false, NO_TLS, OUTCOME_LOST,
     false},
    {"no SMTP", CLOSED, SMTP_OUTCOME_BAD_REPLY, SMTP_STATE_GREETING, 0, false, NO_TLS, OUTCOME_LOST,
     false},
    {"a reply without end", CLOSED, SMTP_OUTCOME_LONG_REPLY, SMTP_STATE_EHLO, 250, false, NO_TLS,
     OUTCOME_LOST, false},
    {"a reply to nothing", CLOSED, SMTP_OUTCOME_EARLY_REPLY, SMTP_STATE_EHLO, 250, false, NO_TLS,
     OUTCOME_LOST, false},
    {"no memory", CLOSED, SMTP_OUTCOME_NO_MEMORY, SMTP_STATE_EHLO, 0, false, NO_TLS, OUTCOME_LOCAL,
     false},
    {"lacks SMTPUTF8", OPEN, SMTP_OUTCOME_NONE, SMTP_STATE_READY, 250, true, TLS_WHY_NOTHING, true,
     SMTP_LACK_SMTPUTF8, OUTCOME_LACK, true},
    {"lacks SMTPUTF8, of little that is offered", OPEN, SMTP_OUTCOME_NONE, SMTP_STATE_READY, 250,
     false, -1, false, SMTP_LACK_SMTPUTF8, OUTCOME_LACK, false},
    {"too large", CLOSED, SMTP_OUTCOME_QUIT, SMTP_STATE_QUIT, 221, true, -1, false, SMTP_LACK_SIZE,
     OUTCOME_LACK, true},
    {"lacks REQUIRETLS", OPEN, SMTP_OUTCOME_NONE, SMTP_STATE_READY, 250, true, TLS_WHY_NOTHING,
     true, SMTP_LACK_REQUIRETLS, OUTCOME_NO_REQUIRETLS, true},
    {"given up for no reason", CLOSED, SMTP_OUTCOME_CANCELLED, SMTP_STATE_READY, 0, true, MET,
     OUTCOME_LOCAL, false},
    {"MAIL 421", CLOSED, SMTP_OUTCOME_CLOSING, SMTP_STATE_MAIL, 421, true, MET, OUTCOME_REFUSED,
     false},
    {"lost in RCPT", CLOSED, SMTP_OUTCOME_LOST, SMTP_STATE_RCPT, 0, true, MET, OUTCOME_LOST, false},
};

static void test_seen(void **state)
{
    const struct seen_case *c = *state;
    const struct smtp_reply reply = {.code = c->code, .text = "words"};
    const struct smtp_extensions extensions = {.pipelining = c->pipelining};
    const struct tls_peer peer = {.met = c->why == TLS_WHY_NOTHING,
                                  .established = c->finished,
                                  .proof = {.why = (enum tls_why)c->why}};
    char text[64];
    const struct outcome_seen seen = {.connection = c->connection,
                                      .session = c->session,
                                      .state = c->state,
                                      .reply = &reply,
                                      .extensions = &extensions,
                                      .peer = c->why >= 0 ? &peer : NULL,
                                      .lack = c->lack,
                                      .text = text};
    struct outcome_attempt attempt = {.host = 7, .relay = "relay"};

    snprintf(text, sizeof(text), "%s%sa text",
             c->state == SMTP_STATE_STARTTLS || c->state == SMTP_STATE_TLS
                 ? smtp_state_name(c->state)
                 : "",
             c->state == SMTP_STATE_STARTTLS || c->state == SMTP_STATE_TLS ? ": " : "");
    outcome_of_connection(&seen, &attempt);
    assert_int_equal(attempt.failure, c->wanted);
    assert_int_equal(attempt.definite, c->definite);
    assert_int_equal(attempt.lack, attempt.failure == OUTCOME_LACK ? c->lack : SMTP_LACK_NONE);
    assert_int_equal(attempt.host, 7);
    assert_string_equal(attempt.relay, "relay");
    if (attempt.failure == OUTCOME_REFUSED)
        assert_int_equal(attempt.reply.code, c->code);
    assert_string_equal(attempt.text, attempt.failure == OUTCOME_NOT_VERIFIED
                                          ? tls_why_text((enum tls_why)c->why)
                                          : "a text");
}

/* TLS that was offered and not had could have offered more. */
static void test_lack_in_plaintext(void **state)
{
    const struct smtp_extensions extensions = {.pipelining = true, .starttls = true};
    const struct tls_peer peer = {.met = true, .established = true};
    struct outcome_seen seen = {
        .state = SMTP_STATE_READY, .extensions = &extensions, .lack = SMTP_LACK_SIZE, .text = ""};
    struct outcome_attempt attempt;

    (void)state;
    outcome_of_connection(&seen, &attempt);
    assert_int_equal(attempt.failure, OUTCOME_LACK);
    assert_false(attempt.definite);
    seen.peer = &peer;
    outcome_of_connection(&seen, &attempt);
    assert_true(attempt.definite);
}

/* ---- a server's word for a recipient ---- */

static const struct rcpt_case {
    enum smtp_rcpt_status status;
    enum smtp_state state;
    int code;
    const char *enhanced; /* NULL: not given */
    enum smtp_outcome session;
    const char *wanted;
} rcpt_cases[] = {
    {SMTP_RCPT_SENT, SMTP_STATE_DOT, 250, NULL, 0, "250 2.0.0 mx[192.0.2.1] said: words"},
    {SMTP_RCPT_SENT, SMTP_STATE_DOT, 250, "2.6.0", 0, "250 2.6.0 mx[192.0.2.1] said: words"},
    {SMTP_RCPT_REFUSED, SMTP_STATE_RCPT, 550, "5.1.1", 0,
     "550 5.1.1 mx[192.0.2.1] said: words (in reply to RCPT)"},
    {SMTP_RCPT_REFUSED, SMTP_STATE_RCPT, 550, NULL, 0,
     "550 5.0.0 mx[192.0.2.1] said: words (in reply to RCPT)"},
    {SMTP_RCPT_REFUSED, SMTP_STATE_RCPT, 450, "4.2.0", 0,
     "450 4.2.0 mx[192.0.2.1] said: words (in reply to RCPT)"},
    /* The class is that of the code. */
    {SMTP_RCPT_REFUSED, SMTP_STATE_RCPT, 550, "4.1.1", 0,
     "550 5.1.1 mx[192.0.2.1] said: words (in reply to RCPT)"},
    {SMTP_RCPT_REFUSED, SMTP_STATE_MAIL, 450, "5.7.1", 0,
     "450 4.7.1 mx[192.0.2.1] said: words (in reply to MAIL)"},
    {SMTP_RCPT_REFUSED, SMTP_STATE_DOT, 571, NULL, 0,
     "571 5.0.0 mx[192.0.2.1] said: words (in reply to end of DATA)"},
    /* 421 is between this host and the server. */
    {SMTP_RCPT_REFUSED, SMTP_STATE_RCPT, 421, "4.3.2", SMTP_OUTCOME_CLOSING,
     "451 4.3.2 mx[192.0.2.1] said: 421 words (in reply to RCPT)"},
    {SMTP_RCPT_FAILED, SMTP_STATE_RCPT, 421, "4.3.2", SMTP_OUTCOME_CLOSING,
     "451 4.3.2 mx[192.0.2.1] said: 421 words (in reply to RCPT)"},
    {SMTP_RCPT_FAILED, SMTP_STATE_CONTENT, 0, NULL, SMTP_OUTCOME_LOST,
     "451 4.4.2 mx[192.0.2.1]: message content: connection lost"},
    {SMTP_RCPT_FAILED, SMTP_STATE_DOT, 0, NULL, SMTP_OUTCOME_TIMEOUT,
     "451 4.4.2 mx[192.0.2.1]: end of DATA: timed out; the message may be sent more than once"},
    {SMTP_RCPT_FAILED, SMTP_STATE_RCPT, 0, NULL, SMTP_OUTCOME_NO_MEMORY,
     "451 4.3.0 mx[192.0.2.1]: RCPT: out of memory"},
    {SMTP_RCPT_PENDING, SMTP_STATE_RCPT, 0, NULL, SMTP_OUTCOME_NONE,
     "451 4.4.2 mx[192.0.2.1]: RCPT: the transaction is not over"},
    /* What is impossible is a temporary failure, and never sent. */
    {SMTP_RCPT_SENT, SMTP_STATE_DOT, 0, NULL, SMTP_OUTCOME_NONE, "451"},
    {SMTP_RCPT_SENT, SMTP_STATE_DOT, 354, NULL, SMTP_OUTCOME_NONE, "451"},
    {SMTP_RCPT_SENT, SMTP_STATE_DOT, 550, NULL, SMTP_OUTCOME_NONE, "451"},
    {SMTP_RCPT_REFUSED, SMTP_STATE_RCPT, 250, NULL, SMTP_OUTCOME_NONE, "451"},
    {SMTP_RCPT_REFUSED, SMTP_STATE_RCPT, 0, NULL, SMTP_OUTCOME_NONE, "451"},
};

static void test_rcpt(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rcpt_cases) / sizeof(rcpt_cases[0]); i++) {
        const struct rcpt_case *c = &rcpt_cases[i];
        struct smtp_reply reply = {
            .code = c->code, .enhanced_given = c->enhanced != NULL, .text = "words"};
        const struct smtp_rcpt_result result = {
            .status = c->status, .state = c->state, .reply = &reply};
        struct outcome out;
        char got[700];

        snprintf(reply.enhanced, sizeof(reply.enhanced), "%s",
                 c->enhanced != NULL ? c->enhanced : "");
        if (c->enhanced == NULL && c->code != 0)
            snprintf(reply.enhanced, sizeof(reply.enhanced), "%c.0.0", (char)('0' + c->code / 100));
        outcome_of_rcpt(&result, c->session, &reply, "mx[192.0.2.1]", &out);
        snprintf(got, sizeof(got), "%d %s %s", out.code, out.enhanced, out.text);
        if (strncmp(got, c->wanted, strlen(c->wanted)) != 0)
            fail_msg("%s, not %s", got, c->wanted);
        if (strlen(c->wanted) > 3)
            assert_string_equal(got, c->wanted);
        assert_int_equal(out.status, out.code < 300   ? OUTCOME_SENT
                                     : out.code < 500 ? OUTCOME_DEFERRED
                                                      : OUTCOME_BOUNCED);
    }
}

static void test_local(void **state)
{
    struct outcome out;

    (void)state;
    outcome_local(451, "4.3.5", "the ticket has expired\n", &out);
    assert_int_equal(out.status, OUTCOME_DEFERRED);
    assert_string_equal(out.text, "the ticket has expired?");
}

int main(void)
{
    const struct CMUnitTest others[] = {
        cmocka_unit_test(test_two_attempts),  cmocka_unit_test(test_three_attempts),
        cmocka_unit_test(test_no_attempt),    cmocka_unit_test(test_texts),
        cmocka_unit_test(test_hostile_words), cmocka_unit_test(test_rcpt),
        cmocka_unit_test(test_local),         cmocka_unit_test(test_lack_in_plaintext),
    };
    enum {
        CASES = sizeof(seen_cases) / sizeof(seen_cases[0]),
        OTHERS = sizeof(others) / sizeof(others[0])
    };
    static struct CMUnitTest tests[CASES + OTHERS];

    for (size_t i = 0; i < CASES; i++)
        tests[i] = (struct CMUnitTest){.name = seen_cases[i].name,
                                       .test_func = test_seen,
                                       .initial_state = (void *)(uintptr_t)&seen_cases[i]};
    memcpy(&tests[CASES], others, sizeof(others));
    return cmocka_run_group_tests_name("outcome", tests, NULL, NULL);
}
