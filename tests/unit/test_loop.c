/*
 * A thread with an event loop, and how other threads wake it: no wakeup is lost, many are one, and
 * a start that fails leaves nothing behind.
 */
#include "policy/loop.h"
#include "policy/wakeup.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 8, SENDS = 20000, HELD_SENDS = 1000 };

/* pthread_create of the programs under test; fails while no_threads is set. */
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *),
                          void *arg);
static bool no_threads;

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *),
                          void *arg)
{
    return no_threads ? EAGAIN : __real_pthread_create(thread, attr, main, arg);
}

struct bench {
    struct loop *loop;
    struct wakeup *wakeup;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under the lock. */
    unsigned left;   /* behind by others, to be found by the loop's thread */
    unsigned found;  /* of them */
    unsigned calls;  /* of on_wakeup */
    bool hold;       /* on_wakeup does not return while this is set */
    bool ended;      /* on_end was called */
    bool elsewhere;  /* a function was called on another thread than the loop's */
    bool signals_in; /* the loop's thread would take signals */
    char name[16];   /* of the thread */
};

static void on_wakeup(void *arg)
{
    struct bench *b = arg;
    sigset_t blocked;

    pthread_mutex_lock(&b->lock);
    b->calls++;
    b->found += b->left;
    b->left = 0;
    b->elsewhere |= !loop_is_current(b->loop);
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    b->signals_in |= !sigismember(&blocked, SIGTERM) || !sigismember(&blocked, SIGUSR1);
    pthread_getname_np(pthread_self(), b->name, sizeof(b->name));
    pthread_cond_broadcast(&b->changed);
    while (b->hold)
        pthread_cond_wait(&b->changed, &b->lock);
    pthread_mutex_unlock(&b->lock);
}

static void on_end(void *arg)
{
    struct bench *b = arg;

    pthread_mutex_lock(&b->lock);
    b->ended = true;
    b->elsewhere |= !loop_is_current(b->loop);
    pthread_mutex_unlock(&b->lock);
}

static void bench_init(struct bench *b)
{
    *b = (struct bench){0};
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->changed, NULL);
    assert_int_equal(loop_new("bench", on_end, b, &b->loop), 0);
    assert_int_equal(wakeup_new(loop_base(b->loop), on_wakeup, b, &b->wakeup), 0);
}

static void bench_fini(struct bench *b)
{
    loop_stop(b->loop);
    assert_false(b->elsewhere);
    assert_false(b->signals_in);
    wakeup_free(b->wakeup);
    loop_free(b->loop);
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->lock);
}

static void wait_found(struct bench *b, unsigned found)
{
    pthread_mutex_lock(&b->lock);
    while (b->found < found)
        pthread_cond_wait(&b->changed, &b->lock);
    pthread_mutex_unlock(&b->lock);
}

static void leave(struct bench *b)
{
    pthread_mutex_lock(&b->lock);
    b->left++;
    pthread_mutex_unlock(&b->lock);
    wakeup_send(b->wakeup);
}

static void *leave_many(void *arg)
{
    for (unsigned i = 0; i < SENDS; i++)
        leave(arg);
    return NULL;
}

/* Were one lost, this test would not end. */
static void no_wakeup_is_lost(void **state)
{
    pthread_t threads[THREADS];
    struct bench b;

    (void)state;
    bench_init(&b);
    assert_int_equal(loop_start(b.loop), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, leave_many, &b), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    wait_found(&b, THREADS * SENDS);
    assert_string_equal(b.name, "bench");
    assert_false(loop_is_current(b.loop));
    bench_fini(&b);
    assert_true(b.ended);
}

static void many_are_one_call(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    assert_int_equal(loop_start(b.loop), 0);
    b.hold = true;
    leave(&b);
    wait_found(&b, 1);
    for (unsigned i = 0; i < HELD_SENDS; i++)
        leave(&b);
    pthread_mutex_lock(&b.lock);
    b.hold = false;
    pthread_cond_broadcast(&b.changed);
    pthread_mutex_unlock(&b.lock);
    wait_found(&b, 1 + HELD_SENDS);
    bench_fini(&b);
    assert_int_equal(b.calls, 2);
}

static void sent_before_the_start(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    leave(&b);
    leave(&b);
    assert_int_equal(b.calls, 0);
    assert_int_equal(loop_start(b.loop), 0);
    wait_found(&b, 2);
    bench_fini(&b);
    assert_int_equal(b.calls, 1);
}

static void on_time(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    leave(arg); /* from the loop's own thread */
}

static void events_of_its_own(void **state)
{
    const struct timeval soon = {.tv_usec = 1000};
    struct event *event;
    struct bench b;

    (void)state;
    bench_init(&b);
    event = event_new(loop_base(b.loop), -1, EV_PERSIST, on_time, &b);
    assert_non_null(event);
    assert_int_equal(event_add(event, &soon), 0);
    assert_int_equal(loop_start(b.loop), 0);
    wait_found(&b, 3);
    loop_stop(b.loop);
    loop_stop(b.loop); /* nothing */
    event_free(event);
    bench_fini(&b);
}

/* Also while others wake it all the time. */
static void stopped_under_wakeups(void **state)
{
    pthread_t thread;
    struct bench b;

    (void)state;
    for (int round = 0; round < 20; round++) {
        bench_init(&b);
        assert_int_equal(loop_start(b.loop), 0);
        assert_int_equal(pthread_create(&thread, NULL, leave_many, &b), 0);
        loop_stop(b.loop);
        assert_true(b.ended);
        pthread_join(thread, NULL);
        bench_fini(&b);
    }
}

static void no_thread_left(void **state)
{
    sigset_t before, after;
    struct bench b;

    (void)state;
    bench_init(&b);
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    no_threads = true;
    assert_int_equal(loop_start(b.loop), -EAGAIN);
    no_threads = false;
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    assert_int_equal(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
    loop_stop(b.loop); /* nothing */
    assert_false(b.ended);
    assert_int_equal(loop_start(b.loop), 0);
    leave(&b);
    wait_found(&b, 1);
    bench_fini(&b);
    assert_true(b.ended);
}

static void never_started(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    leave(&b);
    bench_fini(&b);
    assert_int_equal(b.calls, 0);
    assert_false(b.ended);
    loop_free(NULL);
    wakeup_free(NULL);
}

static int descriptors_left(rlim_t count)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = count;
    return setrlimit(RLIMIT_NOFILE, &limit);
}

/* At each number of descriptors the call fails as a whole, and gives back those that it had. */
static void no_descriptor_left(void **state)
{
    struct rlimit limit;
    struct wakeup *wakeup;
    struct loop *loop;
    int first = dup(STDIN_FILENO), failed = 0, error = -1;

    (void)state;
    close(first);
    getrlimit(RLIMIT_NOFILE, &limit);
    for (rlim_t room = 0; error < 0; room++) {
        assert_int_equal(descriptors_left((rlim_t)first + room), 0);
        error = loop_new("bench", NULL, NULL, &loop);
        if (error < 0) {
            assert_int_equal(error, -EMFILE);
            assert_int_equal(dup(STDIN_FILENO), room > 0 ? first : -1);
            close(first);
            failed++;
        }
    }
    assert_true(failed >= 2);
    assert_int_equal(wakeup_new(loop_base(loop), on_wakeup, NULL, &wakeup), -EMFILE);
    setrlimit(RLIMIT_NOFILE, &limit);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_wakeup_is_lost),     cmocka_unit_test(many_are_one_call),
        cmocka_unit_test(sent_before_the_start), cmocka_unit_test(events_of_its_own),
        cmocka_unit_test(stopped_under_wakeups), cmocka_unit_test(no_thread_left),
        cmocka_unit_test(never_started),         cmocka_unit_test(no_descriptor_left),
    };

    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
