/*
 * What the files of the player share.
 */
#ifndef SCENARIO_INTERNAL_H
#define SCENARIO_INTERNAL_H

#include "engine/core.h"
#include "scenario.h"
#include "sim_world.h"

#include <stdio.h>

enum { LINE_MAX_LEN = 2000, LABEL_LEN = 32, FINDINGS_TEXT_MAX = 32 * 1024 };

/* Those who asked under one label. */
struct asker {
    char label[LABEL_LEN];
    struct core_waiter *waiters;
    size_t count;
    size_t answered;
    int64_t asked_ms;
    int64_t first_ms, last_ms; /* when the first and the last were answered */
    const struct findings *findings;
    struct play *play;
    struct asker *next;
};

struct play {
    const char *path;
    FILE *file;
    unsigned line_number;
    char line[LINE_MAX_LEN];
    bool have_line; /* `line` was read ahead */
    bool verbose;
    char *err;
    size_t err_len;

    struct sim_world *sim;
    struct core *core;
    struct core_settings settings;
    struct asker *askers;
    unsigned sent_before;
    char log[8192];
};

/* Both return -1. */
__attribute__((format(printf, 2, 3))) int scenario_fail(struct play *play, const char *format, ...);

/* The next line if it is indented, without the indentation; else NULL. */
const char *scenario_indented(struct play *play);

/* The commands; the arguments are what follows the command's word. 0 or -1. */
int scenario_dns(struct play *play, char *args);
int scenario_https(struct play *play, char *args);
int scenario_expect(struct play *play, char *args);
int scenario_cached(struct play *play, char *args);
int scenario_compare(struct play *play, const struct findings *findings);

struct asker *scenario_asker(struct play *play, const char *label);

#endif
