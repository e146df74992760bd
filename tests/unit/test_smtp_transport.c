/*
 * The transport of the SMTP client: a peer that sends without end has its share of a thread and no
 * more. Without memory, in the transport and in the probe: each allocation of theirs and of
 * libevent fails once, and every few of OpenSSL's; nothing hangs, no definite word is said of a
 * server, and no message counts as sent that was not. Servers are child processes.
 */
#include "policy/clock.h"
#include "policy/smtp_transport.h"
#include "probe/probe_client.h"
#include "smtp/smtp_stream.h"
#include "smtp_child.h"
#include "tls_certs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <sys/socket.h>

enum { NEVER = -1, MOST = 20000, STRIDE = 5, LIMIT_MS = 5000 };

/* Whose allocation fails. */
enum whose { OURS, OPENSSLS };

static int allocations_left = NEVER; /* the one after these fails, and no other */
static enum whose whose;
static bool failed;

static bool fails(enum whose asking)
{
    if (asking != whose || allocations_left == NEVER || allocations_left-- > 0)
        return false;
    failed = true;
    return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
char *__wrap_strdup(const char *s);

void *__wrap_malloc(size_t size)
{
    return fails(OURS) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails(OURS) ? NULL : __real_calloc(count, size);
}

char *__wrap_strdup(const char *s)
{
    return fails(OURS) ? NULL : __real_strdup(s);
}

static void *event_realloc(void *old, size_t size)
{
    return fails(OURS) ? NULL : realloc(old, size);
}

static void *openssl_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails(OPENSSLS) ? NULL : __real_malloc(size);
}

static void *openssl_realloc(void *old, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails(OPENSSLS) ? NULL : realloc(old, size);
}

static void openssl_free(void *old, const char *file, int line)
{
    (void)file;
    (void)line;
    free(old);
}

static struct smtp_child good = {.leaf = CERT_MX}, other = {.leaf = CERT_OTHER_NAME};

static struct event_base *base;
static struct ca_store *ca_store;
static struct tls_client *tls_client;
static struct probe_client *probe_client;

static char said[200]; /* of the last probe */

static void begin_failing(enum whose of_whom, int n)
{
    failed = false;
    whose = of_whom;
    allocations_left = n;
}

/* world_probe_fn */
static void on_probe(const struct world_probe_result *result, void *arg)
{
    allocations_left = NEVER;
    snprintf(said, sizeof(said), "%s",
             result->probe->failure != NULL ? result->probe->failure : "");
    *(int *)arg = result->probe->result;
    event_base_loopbreak(base);
}

/* The result, or -1: it was not begun. */
static int probe(const struct smtp_child *server)
{
    struct tls_demand demand;
    const struct world_probe_target target = {
        .host = "mx.example.org",
        .address = (const uint8_t *)&server->address.sin_addr,
        .port = ntohs(server->address.sin_port),
        .demand = &demand,
        .web_pki_name = "mx.example.org",
    };
    int result = -1;

    tls_demand_web_pki("mx.example.org", &demand);
    if (probe_client_start(probe_client, &target, on_probe, &result) != NULL)
        event_base_dispatch(base);
    return result;
}

static void probe_all(enum whose of_whom, int stride, const struct smtp_child *server, int without)
{
    int n = 0, result;

    do {
        int64_t begun_ms = clock_awake_ms();

        begin_failing(of_whom, n);
        result = probe(server);
        allocations_left = NEVER;
        ERR_clear_error();
        if (result != without && result != FINDINGS_PROBE_FAILED && result != -1)
            fail_msg("allocation %d: %s: %s", n, findings_probe_result_name((unsigned)result),
                     said);
        if (clock_awake_ms() - begun_ms >= LIMIT_MS)
            fail_msg("allocation %d: until the limit", n);
        n += stride;
    } while (failed && n < MOST);
    assert_true(n > 5 && n < MOST);
    assert_int_equal(result, without);
}

static void test_probe(void **state)
{
    (void)state;
    probe_all(OURS, 1, &good, FINDINGS_PROBE_OK);
    probe_all(OURS, 1, &other, FINDINGS_PROBE_NOT_AUTHENTICATED);
}

static void test_probe_openssl(void **state)
{
    (void)state;
    probe_all(OPENSSLS, STRIDE, &good, FINDINGS_PROBE_OK);
}

struct sending {
    unsigned pieces;
    bool said;
    struct smtp_rcpt_result result;
};

static const struct smtp_rcpt rcpts[] = {{.address = "a@mx.example.org"}};
static const struct smtp_mail mail = {.sender = "b@c.example", .rcpts = rcpts, .rcpt_count = 1};

/* smtp_turn_fn */
static void on_turn(struct smtp_transport *transport, enum smtp_turn turn, void *arg)
{
    static const char piece[SMTP_TRANSPORT_PIECE] = "text\r\n";
    struct smtp_session *session = smtp_transport_session(transport);
    struct sending *sending = arg;

    if (turn == SMTP_TURN_OVER) {
        sending->result = smtp_session_rcpt_result(session, 0);
        allocations_left = NEVER;
        event_base_loopbreak(base);
        return;
    }
    if (turn == SMTP_TURN_PEER && !smtp_transport_peer(transport)->met) {
        smtp_session_cancel(session);
    } else if (turn == SMTP_TURN_COMMAND) {
        if (sending->said || smtp_session_mail(session, &mail) != 0)
            smtp_session_quit(session);
        sending->said = true;
    } else if (turn == SMTP_TURN_CONTENT) {
        if (sending->pieces++ < 3)
            smtp_session_content(session, piece, sizeof(piece));
        else
            smtp_session_content_end(session);
    }
    smtp_transport_go(transport);
}

/* Whether the message counts as sent. */
static bool send_message(void)
{
    struct tls_demand demand;
    struct sending sending = {0};
    struct smtp_transport *transport = NULL;
    const struct smtp_transport_config config = {
        .base = base,
        .address = (const struct sockaddr *)&good.address,
        .smtp = {.helo_name = "d.example", .tls = SMTP_TLS_REQUIRED},
        .tls_client = tls_client,
        .demand = &demand,
        .limit_ms = LIMIT_MS,
        .on_turn = on_turn,
        .arg = &sending,
    };

    tls_demand_web_pki("mx.example.org", &demand);
    if (smtp_transport_new(&config, &transport) != 0)
        return false;
    event_base_dispatch(base);
    if (sending.result.status == SMTP_RCPT_SENT) {
        char source[SMTP_ADDRESS_TEXT_MAX + 1], address[SMTP_ADDRESS_TEXT_MAX + 1];

        smtp_transport_endpoints(transport, source, address);
        assert_string_equal(source, "127.0.0.1");
        assert_string_equal(address, "127.0.0.1");
    }
    smtp_transport_free(transport);
    return sending.result.status == SMTP_RCPT_SENT;
}

static void send_all(enum whose of_whom, int stride)
{
    int n = 0;
    bool sent;

    do {
        int64_t begun_ms = clock_awake_ms();

        begin_failing(of_whom, n);
        sent = send_message();
        allocations_left = NEVER;
        ERR_clear_error();
        if (clock_awake_ms() - begun_ms >= LIMIT_MS)
            fail_msg("allocation %d: until the limit", n);
        n += stride;
    } while (failed && n < MOST);
    assert_true(n > 5 && n < MOST);
    assert_true(sent);
}

static void test_message(void **state)
{
    (void)state;
    send_all(OURS, 1);
}

static void test_message_openssl(void **state)
{
    (void)state;
    send_all(OPENSSLS, STRIDE);
}

/* A server that takes a connection and breaks it off at once was reached. */
static void test_reset(void **state)
{
    const struct linger at_once = {.l_onoff = 1};
    struct smtp_child server = {.address = {.sin_family = AF_INET}};
    struct tls_demand demand = {.kind = TLS_DEMAND_ENCRYPT};
    struct world_probe_target target = {.address = (const uint8_t *)&server.address.sin_addr,
                                        .demand = &demand};
    socklen_t size = sizeof(server.address);
    int fd = socket(AF_INET, SOCK_STREAM, 0), result = -1, accepted;

    (void)state;
    server.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (const struct sockaddr *)&server.address, size), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&server.address, &size), 0);
    target.port = ntohs(server.address.sin_port);
    assert_non_null(probe_client_start(probe_client, &target, on_probe, &result));
    accepted = accept(fd, NULL, NULL);
    setsockopt(accepted, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(accepted);
    close(fd);
    event_base_dispatch(base);
    assert_int_equal(result, FINDINGS_PROBE_FAILED);
    assert_string_equal(said, "greeting: connection lost: Connection reset by peer");
}

/* In one call OpenSSL does not go on for as long as a peer sends HelloRequests: others on the
 * thread have their turn. */
static void test_flood(void **state)
{
    static const char hello_request[] = {0x16, 3, 3, 0, 4, 0, 0, 0, 0};
    struct smtp_stream stream = {.fd = -1, .octets_max = SMTP_TRANSPORT_OCTETS_MAX};
    unsigned long openssl_error = 0;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    stream.fd = fds[0];
    for (unsigned i = 0; i < 1000; i++)
        if (write(fds[1], hello_request, sizeof(hello_request)) < 0)
            break;
    assert_int_equal(smtp_stream_start_tls(&stream, ssl), 0);
    assert_int_equal(smtp_stream_handshake(&stream, &openssl_error), SMTP_STREAM_AGAIN);
    assert_int_equal(smtp_stream_handshake(&stream, &openssl_error), SMTP_STREAM_AGAIN);
    assert_true(stream.octets > 100 && stream.octets < 1000);
    smtp_stream_close(&stream);
    close(fds[1]);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
}

static int setup(void **state)
{
    const struct probe_client_config config = {.helo_name = "d.example", .timeout_ms = LIMIT_MS};
    char name[64], err[256];
    int error;

    (void)state;
    certs_write(CERT_ROOT, name, sizeof(name));
    error = ca_store_new(name, NULL, &ca_store, err, sizeof(err));
    unlink(name);
    certs_get(CERT_MX);
    certs_get(CERT_OTHER_NAME);
    smtp_child_start(&good);
    smtp_child_start(&other);
    base = event_base_new();
    if (error == 0)
        error = tls_client_new(ca_store, 10, &tls_client);
    if (error == 0)
        error = probe_client_new(base, ca_store, &config, &probe_client, err, sizeof(err));
    return error;
}

static int teardown(void **state)
{
    (void)state;
    probe_client_free(probe_client);
    tls_client_free(tls_client);
    ca_store_free(ca_store);
    event_base_free(base);
    smtp_child_stop(&good);
    smtp_child_stop(&other);
    certs_free();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reset),   cmocka_unit_test(test_flood),
        cmocka_unit_test(test_probe),   cmocka_unit_test(test_probe_openssl),
        cmocka_unit_test(test_message), cmocka_unit_test(test_message_openssl),
    };

    if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1)
        return 1;
    event_set_mem_functions(__wrap_malloc, event_realloc, free);
    return cmocka_run_group_tests(tests, setup, teardown);
}
