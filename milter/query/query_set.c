/* The names of one run, their answers, and the wait for them in order. */
#include "query/query.h"

#include "policy/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int query_set_init(struct query_set *set, size_t count)
{
    *set = (struct query_set){.count = count};
    set->names = calloc(count ? count : 1, sizeof(*set->names));
    if (set->names == NULL)
        return -ENOMEM;
    pthread_mutex_init(&set->lock, NULL);
    clock_cond_init(&set->changed);
    return 0;
}

void query_set_fini(struct query_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        free(set->names[i].json);
        findings_unref(set->names[i].findings);
    }
    free(set->names);
    pthread_cond_destroy(&set->changed);
    pthread_mutex_destroy(&set->lock);
}

void query_set_finish(struct query_set *set, size_t index, char *json, size_t json_len,
                      const struct findings *findings, const char *failure)
{
    struct query_name *name = &set->names[index];
    pthread_mutex_lock(&set->lock);
    name->json = json;
    name->json_len = json_len;
    name->findings = findings;
    if (json == NULL)
        snprintf(name->failure, sizeof(name->failure), "%s", failure);
    name->done = true;
    set->done++;
    pthread_cond_broadcast(&set->changed);
    pthread_mutex_unlock(&set->lock);
}

bool query_set_wait(struct query_set *set, size_t index, int timeout_ms)
{
    struct timespec until = clock_cond_time(clock_awake_ms() + timeout_ms);
    pthread_mutex_lock(&set->lock);
    while (!set->names[index].done &&
           pthread_cond_timedwait(&set->changed, &set->lock, &until) == 0) {
    }
    bool done = set->names[index].done;
    pthread_mutex_unlock(&set->lock);
    return done;
}

int query_name_parse(const char *given, struct query_name *out)
{
    const char *at = strrchr(given, '@');
    *out = (struct query_name){.given = given};
    if (at != NULL && at > given) {
        out->recipient = given;
        return nexthop_from_domain(at + 1, &out->nexthop);
    }
    return nexthop_parse(given, &out->nexthop);
}

int query_exit_code(const struct json_value *object)
{
    const struct json_value *enforce = json_get(json_get(object, "verdict"), "enforce");
    const char *verdict = json_text(json_get(enforce, "verdict"));
    if (verdict != NULL && strcmp(verdict, "satisfied") == 0)
        return QUERY_EXIT_SATISFIED;
    if (verdict != NULL &&
        (strcmp(verdict, "unsatisfied") == 0 || strcmp(verdict, "not-applicable") == 0))
        return QUERY_EXIT_UNSATISFIED;
    return QUERY_EXIT_UNDECIDED;
}

int query_worst(int a, int b)
{
    if (a == QUERY_EXIT_UNSATISFIED || b == QUERY_EXIT_UNSATISFIED)
        return QUERY_EXIT_UNSATISFIED;
    return a > b ? a : b;
}
