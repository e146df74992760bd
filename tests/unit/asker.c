/*
 * asker_new, a question to the engine with asker_done, asker_wait, asker_free.
 */
#include "asker.h"

#include <sched.h>
#include <time.h>
#include <unistd.h>

void asker_init(struct asker *a)
{
    *a = (struct asker){0};
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
}

void asker_fini(struct asker *a)
{
    findings_unref(a->findings);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
}

struct asker *asker_new(void)
{
    struct asker *a = malloc(sizeof(*a));

    CHECK(a != NULL);
    asker_init(a);
    return a;
}

void asker_free(struct asker *a)
{
    asker_fini(a);
    free(a);
}

void asker_done(const struct findings *findings, void *arg)
{
    struct asker *a = arg;

    if (a->release_inside)
        engine_release(a->request);
    if (a->cancel_inside)
        engine_cancel(a->engine, a->request);
    pthread_mutex_lock(&a->lock);
    a->calls++;
    a->empty = findings == NULL;
    a->findings = findings != NULL ? findings_ref(findings) : NULL;
    pthread_cond_signal(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

void asker_wait(struct asker *a)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ASKER_WAIT_S;
    pthread_mutex_lock(&a->lock);
    while (a->calls == 0)
        CHECK(pthread_cond_timedwait(&a->changed, &a->lock, &until) == 0);
    pthread_mutex_unlock(&a->lock);
}

void asker_wait_or_not(struct asker *a, unsigned *seed)
{
    switch (rand_r(seed) % 4) {
    case 0:
        break;
    case 1:
        sched_yield();
        break;
    case 2:
        usleep(200);
        break;
    default:
        asker_wait(a);
        break;
    }
}

void asker_run_threads(void *(*main)(void *), void *arg)
{
    pthread_t threads[ASKER_THREADS];

    for (int i = 0; i < ASKER_THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, main, arg) == 0);
    for (int i = 0; i < ASKER_THREADS; i++)
        pthread_join(threads[i], NULL);
}
