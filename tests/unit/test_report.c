/* The lines and the counters of deliveries: a recipient's, a fallback's, the administrator's. */
#include "base/log.h"
#include "base/metrics.h"
#include "deliver/report_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct delivery_relay relay(void)
{
    return (struct delivery_relay){.host = "mx.example.org",
                                   .address = "192.0.2.1",
                                   .port = 25,
                                   .tls = "dane/requiretls",
                                   .auth = "Verified",
                                   .level = "dane-only",
                                   .protocol = "TLSv1.3",
                                   .cipher = "TLS_AES_256_GCM_SHA384"};
}

static struct treatment treatment(void)
{
    return (struct treatment){.request = DECIDE_REQUEST_REQUIRE,
                              .level = VERDICT_LEVEL_ENFORCE,
                              .nexthop = {.text = "example.org"},
                              .queue_id = "4bZ1"};
}

static struct delivery_result result(const struct treatment *t, const struct delivery_relay *r)
{
    return (struct delivery_result){.outcome = {.status = OUTCOME_SENT,
                                                .code = 250,
                                                .enhanced = "2.0.0",
                                                .text = "mx.example.org[192.0.2.1] said: ok"},
                                    .treatment = t,
                                    .relay = r};
}

static void test_sent(void **state)
{
    struct treatment t = treatment();
    struct delivery_relay r = relay();
    struct delivery_result sent = result(&t, &r);
    struct report_recipient recipient = {"bob@example.org", &sent, 0.3149};
    char out[LOG_LINE_MAX];
    char *json;

    (void)state;
    assert_string_equal(report_line_recipient(&recipient, out),
                        "4bZ1: to=<bob@example.org>, relay=mx.example.org[192.0.2.1]:25, "
                        "nexthop=example.org, request=require, level=enforce, tls=dane/requiretls, "
                        "protocol=TLSv1.3, delay=0.31, dsn=2.0.0, status=sent (250 2.0.0 ok)");
    json = report_line_recipient_json(&recipient);
    assert_string_equal(
        json, "{\"queue_id\":\"4bZ1\",\"to\":\"bob@example.org\","
              "\"relay\":\"mx.example.org[192.0.2.1]:25\",\"nexthop\":\"example.org\","
              "\"request\":\"require\",\"level\":\"enforce\",\"tls\":\"dane/requiretls\","
              "\"protocol\":\"TLSv1.3\",\"cipher\":\"TLS_AES_256_GCM_SHA384\",\"delay_ms\":314,"
              "\"dsn\":\"2.0.0\",\"status\":\"sent\",\"reply\":\"250 2.0.0 ok\"}");
    free(json);

    /* the words of another server stay marked as such */
    strcpy(sent.outcome.text, "mx2.example.org[192.0.2.2] said: ok");
    assert_non_null(strstr(report_line_recipient(&recipient, out),
                           "status=sent (250 2.0.0 mx2.example.org[192.0.2.2] said: ok)"));
}

static void test_not_sent(void **state)
{
    struct treatment t = treatment();
    struct delivery_relay r = relay();
    struct delivery_result not_sent = result(&t, &r);
    struct report_recipient recipient = {"bob@example.org", &not_sent, 12};
    char out[LOG_LINE_MAX];

    (void)state;
    not_sent.outcome = (struct outcome){.status = OUTCOME_BOUNCED,
                                        .code = 550,
                                        .enhanced = "5.1.1",
                                        .text = "mx.example.org[192.0.2.1] said: who?"};
    assert_string_equal(report_line_recipient(&recipient, out),
                        "4bZ1: to=<bob@example.org>, relay=mx.example.org[192.0.2.1]:25, "
                        "nexthop=example.org, request=require, level=enforce, tls=dane/requiretls, "
                        "protocol=TLSv1.3, delay=12.00, dsn=5.1.1, status=bounced "
                        "(550 5.1.1 mx.example.org[192.0.2.1] said: who?)");

    /* no server was reached, what is asked is no `require`, the queue id is not known */
    memset(&r, 0, sizeof(r));
    t.request = DECIDE_REQUEST_NONE;
    t.queue_id[0] = '\0';
    not_sent.outcome = (struct outcome){.status = OUTCOME_DEFERRED,
                                        .code = 451,
                                        .enhanced = "4.4.1",
                                        .text = "no server could be reached"};
    assert_string_equal(report_line_recipient(&recipient, out),
                        "-: to=<bob@example.org>, relay=none, nexthop=example.org, request=none, "
                        "delay=12.00, dsn=4.4.1, status=deferred "
                        "(451 4.4.1 no server could be reached)");

    /* nothing was begun */
    not_sent.treatment = NULL;
    not_sent.relay = NULL;
    assert_string_equal(report_line_recipient(&recipient, out),
                        "-: to=<bob@example.org>, relay=none, delay=12.00, dsn=4.4.1, "
                        "status=deferred (451 4.4.1 no server could be reached)");
}

static void test_fallback(void **state)
{
    struct treatment before = treatment(), after = treatment();
    const struct outcome why = {.status = OUTCOME_BOUNCED,
                                .code = 550,
                                .enhanced = "5.7.10",
                                .text = "the \"certificate\" does not match"};
    struct delivery_relay r = relay();
    struct delivery_result sent;
    struct report_recipient recipient = {"bob@example.org", &sent, 1};
    char out[LOG_LINE_MAX];
    char *json;

    (void)state;
    after.level = VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS;
    assert_string_equal(report_line_fallback(&before, &after, &why, out),
                        "4bZ1: nexthop=example.org, request=require, level=enforce, "
                        "fallback=opportunistic+starttls, "
                        "reason=\"550 5.7.10 the 'certificate' does not match\"");
    json = report_line_fallback_json(&before, &after, &why);
    assert_string_equal(json, "{\"queue_id\":\"4bZ1\",\"nexthop\":\"example.org\","
                              "\"request\":\"require\",\"level\":\"enforce\","
                              "\"fallback\":\"opportunistic+starttls\","
                              "\"reason\":\"550 5.7.10 the \\\"certificate\\\" does not match\"}");
    free(json);

    sent = result(&after, &r);
    sent.fell_back = true;
    sent.level_before = VERDICT_LEVEL_ENFORCE;
    assert_non_null(strstr(report_line_recipient(&recipient, out),
                           "level=enforce, fallback=opportunistic+starttls, tls="));
}

/* With the example of Postfix's tlsfallback branch. */
static void test_transfer(void **state)
{
    static const char template[] =
        "tlsaudit: relay=${relay}${auth?, auth=${auth}}${level?, level=${level}}"
        "${policy?, policy=${policy}}${protocol?, protocol=${protocol}}"
        "${cipher?, cipher=${cipher}}";
    struct delivery_relay r = relay();
    char out[LOG_LINE_MAX];

    (void)state;
    assert_string_equal(report_line_transfer(template, &r, out),
                        "tlsaudit: relay=mx.example.org[192.0.2.1]:25, auth=Verified, "
                        "level=dane-only, protocol=TLSv1.3, cipher=TLS_AES_256_GCM_SHA384");
    r.auth = "Untrusted";
    r.policy = "dane-only";
    r.level = "encrypt";
    assert_string_equal(report_line_transfer(template, &r, out),
                        "tlsaudit: relay=mx.example.org[192.0.2.1]:25, auth=Untrusted, "
                        "level=encrypt, policy=dane-only, protocol=TLSv1.3, "
                        "cipher=TLS_AES_256_GCM_SHA384");
    r = (struct delivery_relay){.host = "mx.example.org",
                                .address = "2001:db8::1",
                                .port = 2525,
                                .auth = "Cleartext",
                                .level = "may"};
    assert_string_equal(report_line_transfer(template, &r, out),
                        "tlsaudit: relay=mx.example.org[2001:db8::1]:2525, auth=Cleartext, "
                        "level=may");
    assert_string_equal(report_line_transfer("${cipher}", &r, out), "");
}

/* An address and a server's words that would have the line say something else. */
static void test_hostile(void **state)
{
    static char address[2000];
    struct treatment t = treatment();
    struct delivery_relay r = relay();
    struct delivery_result sent = result(&t, &r);
    struct report_recipient recipient = {address, &sent, 0};
    char out[LOG_LINE_MAX];
    const char *status;

    (void)state;
    strcpy(address, "\"x>, status=sent\"@\n\xff");
    strcpy(sent.outcome.text, "no\r\n4bZ2: to=<a@b>");
    sent.outcome.status = OUTCOME_BOUNCED;
    report_line_recipient(&recipient, out);
    assert_non_null(strstr(out, "to=<\"x\\x3e,\\x20status=sent\"@\\x0a\\xff>, relay="));
    assert_non_null(strstr(out, "status=bounced (250 2.0.0 no\\x0d\\x0a4bZ2: to=<a@b>)"));

    /* the longest of everything leaves the status in the line */
    memset(address, '<', sizeof(address) - 1);
    memset(r.host, 'h', sizeof(r.host) - 1);
    memset(r.tls, 't', sizeof(r.tls) - 1);
    memset(t.queue_id, ' ', sizeof(t.queue_id) - 1);
    memset(t.nexthop.text, 'n', sizeof(t.nexthop.text) - 1);
    memset(sent.outcome.text, 'w', sizeof(sent.outcome.text) - 1);
    report_line_recipient(&recipient, out);
    assert_true(strlen(out) < LOG_LINE_MAX);
    status = strstr(out, "status=bounced (250 2.0.0 www");
    assert_non_null(status);
    assert_string_equal(status + strlen(status) - 2, "w)");
}

static void test_digest_and_auth(void **state)
{
    uint8_t sha256[TLS_SHA256_LEN] = {0x0a, 0xb1};
    char out[REPORT_DIGEST_MAX];
    struct tls_peer peer = {.established = true, .met = true};

    (void)state;
    sha256[31] = 0xff;
    report_digest(sha256, out);
    assert_int_equal(strlen(out), 95);
    assert_memory_equal(out, "0A:B1:00:", 9);
    assert_string_equal(out + 92, ":FF");

    assert_string_equal(report_auth(NULL), "Cleartext");
    assert_string_equal(report_auth(&peer), "Anonymous");
    peer.certificate.present = true;
    assert_string_equal(report_auth(&peer), "Untrusted");
    peer.auth = TLS_AUTH_DANE;
    assert_string_equal(report_auth(&peer), "Verified");
    peer.met = false;
    peer.auth = TLS_AUTH_NONE;
    peer.proof.why = TLS_WHY_NAME;
    assert_string_equal(report_auth(&peer), "Trusted");
    peer.proof.why = TLS_WHY_UNTRUSTED;
    assert_string_equal(report_auth(&peer), "Untrusted");
    peer.established = false;
    assert_string_equal(report_auth(&peer), "Cleartext");
}

static char *written(struct metrics *metrics)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    metrics_write(metrics, NULL, &(struct metrics_gauges){.store_up = true}, out);
    fclose(out);
    return text;
}

static void test_metrics(void **state)
{
    struct treatment t = treatment();
    struct delivery_relay r = relay();
    struct delivery_result sent = result(&t, &r);
    struct metrics *metrics;
    char *text;

    (void)state;
    assert_int_equal(metrics_new(&metrics), 0);
    log_configure(&(struct log_settings){.target = LOG_TARGET_STDERR, .level = LOG_ERR}, "test",
                  false);
    report_recipient(metrics, &(struct report_recipient){"bob@example.org", &sent, 0.3});
    report_recipient(metrics, &(struct report_recipient){"bob@example.org", &sent, 700});
    sent.outcome.status = OUTCOME_DEFERRED;
    sent.treatment = NULL;
    report_recipient(metrics, &(struct report_recipient){"bob@example.org", &sent, 0});
    metrics_tls_session(metrics, TLS_DEMAND_DANE, TLS_WHY_NOTHING);
    metrics_tls_session(metrics, TLS_DEMAND_STS, TLS_WHY_EXPIRED);
    metrics_tls_session(metrics, TLS_DEMAND_ENCRYPT, METRICS_TLS_NO_STARTTLS);
    metrics_tls_session(metrics, TLS_DEMAND_DANE, METRICS_TLS_RESULTS);
    metrics_connection_moved(metrics, METRICS_CONNECTION_NONE, METRICS_CONNECTION_SETUP);
    metrics_connection_moved(metrics, METRICS_CONNECTION_NONE, METRICS_CONNECTION_SETUP);
    metrics_connection_moved(metrics, METRICS_CONNECTION_SETUP, METRICS_CONNECTION_ACTIVE);
    metrics_connection_moved(metrics, METRICS_CONNECTION_ACTIVE, METRICS_CONNECTION_IDLE);
    metrics_connection_moved(metrics, METRICS_CONNECTION_SETUP, METRICS_CONNECTION_NONE);
    metrics_lmtp_session_begun(metrics);
    metrics_lmtp_session_begun(metrics);
    metrics_lmtp_session_over(metrics);
    assert_int_equal(metrics_connections(metrics, METRICS_CONNECTION_IDLE), 1);
    assert_int_equal(metrics_connections(metrics, METRICS_CONNECTION_SETUP), 0);
    assert_int_equal(metrics_lmtp_sessions(metrics), 1);

    text = written(metrics);
    static const char *const expected[] = {
        "requiretls_deliveries_total{request=\"require\",status=\"sent\"} 2\n",
        "requiretls_deliveries_total{request=\"none\",status=\"deferred\"} 1\n",
        "requiretls_deliveries_total{request=\"optional\",status=\"bounced\"} 0\n",
        "requiretls_delivery_seconds_bucket{le=\"0.050\"} 1\n",
        "requiretls_delivery_seconds_bucket{le=\"0.250\"} 1\n",
        "requiretls_delivery_seconds_bucket{le=\"0.500\"} 2\n",
        "requiretls_delivery_seconds_bucket{le=\"600.000\"} 2\n",
        "requiretls_delivery_seconds_bucket{le=\"+Inf\"} 3\n",
        "requiretls_delivery_seconds_sum 700.300\n",
        "requiretls_delivery_seconds_count 3\n",
        "requiretls_tls_sessions_total{auth=\"dane\",result=\"ok\"} 1\n",
        "requiretls_tls_sessions_total{auth=\"sts\",result=\"expired\"} 1\n",
        "requiretls_tls_sessions_total{auth=\"encrypt\",result=\"no-starttls\"} 1\n",
        "requiretls_connections{state=\"setup\"} 0\n",
        "requiretls_connections{state=\"active\"} 0\n",
        "requiretls_connections{state=\"idle\"} 1\n",
        "requiretls_lmtp_sessions 1\n",
    };
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        if (strstr(text, expected[i]) == NULL)
            fail_msg("not there: %s", expected[i]);
    assert_null(strstr(text, "(null)"));
    free(text);
    metrics_free(metrics);
}

/* What goes to the log: one line for each, in the form that is configured. */
static void test_logged(void **state)
{
    struct treatment before = treatment(), after = treatment();
    struct delivery_relay r = relay();
    struct delivery_result sent = result(&after, &r);
    struct log_settings settings = {.target = LOG_TARGET_STDERR, .level = LOG_INFO};
    char read_back[8000] = "";
    int pipe_ends[2], saved = dup(STDERR_FILENO);

    (void)state;
    after.level = VERDICT_LEVEL_OPPORTUNISTIC;
    assert_int_equal(pipe(pipe_ends), 0);
    dup2(pipe_ends[1], STDERR_FILENO);
    for (int json = 0; json < 2; json++) {
        settings.format = json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT;
        log_configure(&settings, "test", false);
        report_recipient(NULL, &(struct report_recipient){"bob@example.org", &sent, 0});
        report_fallback(&before, &after, &sent.outcome);
        report_transfer("audit $relay", "4bZ1", &r);
        report_transfer("$policy", "4bZ1", &r); /* empty: no line */
        report_transfer(NULL, "4bZ1", &r);
    }
    report_transfer("last", "", &r);
    dup2(saved, STDERR_FILENO);
    assert_true(read(pipe_ends[0], read_back, sizeof(read_back) - 1) > 0);
    settings.format = LOG_FORMAT_TEXT;
    log_configure(&settings, "test", false);

    static const char *const expected[] = {
        ": 4bZ1: to=<bob@example.org>, relay=",
        ": 4bZ1: nexthop=example.org, request=require, level=enforce, fallback=opportunistic, ",
        ": 4bZ1: audit mx.example.org[192.0.2.1]:25\n",
        "\"priority\":\"info\",\"queue_id\":\"4bZ1\",\"to\":\"bob@example.org\"",
        "\"priority\":\"warning\",\"queue_id\":\"4bZ1\",\"nexthop\":\"example.org\"",
        "\"queue_id\":\"4bZ1\",\"audit\":\"audit mx.example.org[192.0.2.1]:25\"}\n",
        "\"queue_id\":\"-\",\"audit\":\"last\"}\n",
    };
    const char *at = read_back;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        at = strstr(at, expected[i]);
        if (at == NULL)
            fail_msg("not there, or not in order: %s in %s", expected[i], read_back);
        at = strchr(at, '\n');
        assert_non_null(at);
    }
    assert_string_equal(at, "\n");
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    close(saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sent),     cmocka_unit_test(test_not_sent),
        cmocka_unit_test(test_fallback), cmocka_unit_test(test_transfer),
        cmocka_unit_test(test_hostile),  cmocka_unit_test(test_digest_and_auth),
        cmocka_unit_test(test_metrics),  cmocka_unit_test(test_logged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
