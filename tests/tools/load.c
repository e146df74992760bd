/*
 * load_config_init and load_option for the command line, load_read_names, load_engine_new; then for
 * each request load_begin, and load_done in its callback; load_await_all.
 */
#include "load.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static size_t outstanding;

bool load_read_names(struct nexthop **out, size_t *count)
{
    char line[NEXTHOP_NAME_MAX + 2];
    size_t room = 0;

    *out = NULL;
    *count = 0;
    while (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (*count == room) {
            room = room > 0 ? 2 * room : 1024;
            struct nexthop *grown = realloc(*out, room * sizeof(**out));
            if (grown == NULL)
                return false;
            *out = grown;
        }
        if (nexthop_parse(line, &(*out)[*count]) < 0) {
            fprintf(stderr, "%s: not a next-hop\n", line);
            return false;
        }
        (*count)++;
    }
    return true;
}

void load_config_init(struct engine_config *config)
{
    engine_config_init(config);
    config->trust_ad = ENGINE_TRUST_AD_YES;
    config->prefetch = false;
    config->dns_timeout_ms = 10 * 1000;
}

bool load_option(struct engine_config *config, int opt, const char *arg)
{
    static const char *resolvers[2];

    if (opt == 'r') {
        resolvers[0] = arg;
        config->resolvers = resolvers;
    } else if (opt == 'a') {
        config->sts_ca_file = arg;
    }
    return opt == 'r' || opt == 'a';
}

struct engine *load_engine_new(const struct engine_config *config)
{
    struct engine *engine;
    char err[256];

    if (engine_new(config, &engine, err, sizeof(err)) == 0)
        return engine;
    fprintf(stderr, "engine: %s\n", err);
    return NULL;
}

void load_begin(size_t limit)
{
    pthread_mutex_lock(&lock);
    while (limit > 0 && outstanding >= limit)
        pthread_cond_wait(&changed, &lock);
    outstanding++;
    pthread_mutex_unlock(&lock);
}

void load_done(void)
{
    pthread_mutex_lock(&lock);
    outstanding--;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

void load_await_all(void)
{
    pthread_mutex_lock(&lock);
    while (outstanding > 0)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}
