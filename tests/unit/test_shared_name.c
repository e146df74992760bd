/*
 * Names of the shared cache's servers whose look-up hangs, and which cannot be ended: threads and
 * descriptors are bounded, also where those who asked have given up, and end with the look-ups.
 */
#include "store/shared_name.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ATTEMPTS = 100, PATIENCE_US = 20 * 1000 * 1000, TURN_US = 1000 };

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* held: look-ups hang */

int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **out);

int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **out)
{
    (void)host, (void)port, (void)hints, (void)out;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return EAI_NONAME;
}

/* shared_name_fn */
static void on_name(const struct shared_addresses *addresses, void *arg)
{
    unsigned *calls = arg;

    assert_int_equal(addresses->count, 0);
    ++*calls;
}

static void hanging(void **state)
{
    struct event_base *base = event_base_new();
    struct shared_name *name;
    unsigned started = 0, calls = 0;
    int error = 0;
    (void)state;

    pthread_mutex_lock(&gate);
    for (unsigned i = 0; i < ATTEMPTS; i++) {
        error = shared_name_start(base, "cache.example", "6379", on_name, &calls, &name);
        if (error != 0)
            continue;
        started++;
        shared_name_cancel(name);
    }
    assert_int_equal(error, -EAGAIN);
    assert_int_equal(started, SHARED_NAMES_MAX);
    pthread_mutex_unlock(&gate);

    /* When they are over there is room again. */
    for (unsigned i = 0; i < PATIENCE_US / TURN_US; i++) {
        error = shared_name_start(base, "cache.example", "6379", on_name, &calls, &name);
        if (error == 0)
            break;
        usleep(TURN_US);
    }
    assert_int_equal(error, 0);
    event_base_dispatch(base);
    assert_int_equal(calls, 1);
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(hanging)};

    return cmocka_run_group_tests_name("shared_name", tests, NULL, NULL);
}
