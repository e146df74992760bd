/*
 * The connection to a policy host of which a stranger names the addresses: many at which nobody
 * answers take few descriptors, and keep none that answers from being found.
 */
#include "sts/sts_connect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    FULL_MAX = 8, /* connections that fill a queue of length 0 */
    DESCRIPTORS_MAX = 4,
};

struct outcome {
    struct event_base *base;
    struct sts_connect *connect;
    unsigned called;
    int fd, error;
    int descriptors, most; /* open before, and at most meanwhile */
};

static int listener(const char *address, uint16_t port, int backlog)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(inet_pton(AF_INET, address, &in.sin_addr), 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in in;
    socklen_t size = sizeof(in);

    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &size), 0);
    return ntohs(in.sin_port);
}

/* Connects until the queue is full, so that nobody answers any more. */
static void fill(int fd, int fillers[FULL_MAX])
{
    struct sockaddr_in in;
    socklen_t size = sizeof(in);

    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &size), 0);
    for (int i = 0; i < FULL_MAX; i++) {
        struct pollfd waits = {.events = POLLOUT};

        fillers[i] = waits.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fillers[i], (struct sockaddr *)&in, sizeof(in));
        poll(&waits, 1, 50);
    }
}

static int count_descriptors(void)
{
    int count = 0;

    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void on_done(int fd, int error, bool local, void *arg)
{
    struct outcome *outcome = arg;

    assert_false(local);
    outcome->called++;
    outcome->fd = fd;
    outcome->error = error;
    sts_connect_free(outcome->connect);
    outcome->connect = NULL;
    event_base_loopbreak(outcome->base);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct outcome *outcome = arg;
    int now = count_descriptors() - outcome->descriptors;

    (void)fd;
    (void)what;
    if (now > outcome->most)
        outcome->most = now;
}

static void on_end(evutil_socket_t fd, short what, void *arg)
{
    struct outcome *outcome = arg;

    (void)fd;
    (void)what;
    event_base_loopbreak(outcome->base);
}

static void run(const struct sts_addresses *addresses, uint16_t port, int seconds,
                struct outcome *out)
{
    static const struct timeval tick = {.tv_usec = 20000};
    struct timeval end = {.tv_sec = seconds};
    struct event *on_ticks, *on_ends;

    memset(out, 0, sizeof(*out));
    out->fd = -1;
    out->base = event_base_new();
    on_ticks = event_new(out->base, -1, EV_PERSIST, on_tick, out);
    on_ends = evtimer_new(out->base, on_end, out);
    out->descriptors = count_descriptors();
    out->connect = sts_connect_new(out->base, addresses, port, on_done, out);
    event_add(on_ticks, &tick);
    event_add(on_ends, &end);
    event_base_dispatch(out->base);
    sts_connect_free(out->connect);
    event_free(on_ticks);
    event_free(on_ends);
    event_base_free(out->base);
}

static void many_at_which_nobody_answers(void **state)
{
    struct sts_addresses addresses = {.count = STS_ADDRESSES_MAX};
    int full = listener("127.0.0.1", 0, 0), good, fillers[FULL_MAX];
    uint16_t port = port_of(full);
    struct outcome outcome;
    (void)state;

    good = listener("127.0.0.2", port, 5);
    fill(full, fillers);
    for (size_t i = 0; i < STS_ADDRESSES_MAX; i++)
        addresses.list[i] = (struct sts_address){AF_INET, {127, 0, 0, 1}};
    addresses.list[STS_ADDRESSES_MAX - 1].octets[3] = 2;
    run(&addresses, port, 20, &outcome);
    assert_int_equal(outcome.called, 1);
    assert_true(outcome.fd >= 0);
    assert_true(outcome.most >= 2 && outcome.most <= DESCRIPTORS_MAX);
    close(outcome.fd);
    for (int i = 0; i < FULL_MAX; i++)
        close(fillers[i]);
    close(full);
    close(good);
}

/* Each is refused at once, and the last one's error is told. */
static void nobody_at_all(void **state)
{
    struct sts_addresses addresses = {.count = STS_ADDRESSES_MAX};
    int fd = listener("127.0.0.1", 0, 1), before;
    uint16_t port = port_of(fd);
    struct outcome outcome;
    (void)state;

    close(fd);
    before = count_descriptors();
    for (size_t i = 0; i < STS_ADDRESSES_MAX; i++)
        addresses.list[i] = (struct sts_address){AF_INET, {127, 0, 0, 1}};
    run(&addresses, port, 20, &outcome);
    assert_int_equal(outcome.called, 1);
    assert_int_equal(outcome.fd, -1);
    assert_int_equal(outcome.error, ECONNREFUSED);
    assert_int_equal(count_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_at_which_nobody_answers),
        cmocka_unit_test(nobody_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
