/*
 * What the files of the player share.
 */
#ifndef TESTS_ENGINE_SCENARIO_INTERNAL_H
#define TESTS_ENGINE_SCENARIO_INTERNAL_H

#include "engine/core.h"
#include "scenario.h"
#include "sim_world.h"

#include <stdio.h>

enum { LINE_MAX_LEN = 2000, LABEL_LEN = 32, FINDINGS_TEXT_MAX = 32 * 1024 };

struct asker;

/* One request of a probe. */
struct probing {
    struct asker *asker;
    struct probe_request *request; /* NULL: it is not waited for any more */
};

/* One request of a TLSRPT record. */
struct recording {
    struct asker *asker;
    struct tlsrpt_waiter waiter;
};

/* Those who asked under one label. */
struct asker {
    char label[LABEL_LEN];
    struct core_waiter *waiters;
    struct probing *probing;     /* of probes, else NULL */
    struct recording *recording; /* of TLSRPT records, else NULL */
    char record[LINE_MAX_LEN];   /* the last; "" for none */
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
    size_t err_size;

    struct sim_world *sim;
    struct core *core;
    struct core_settings settings;
    struct asker *askers;
    unsigned sent_before;
    int purge_status; /* of the last; 1: it is not done */
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

int scenario_shared(struct play *play, char *args);
int scenario_shared_policy(struct play *play, char *args);
int scenario_shared_asked(struct play *play, char *args);
int scenario_shared_found(struct play *play, char *args);
int scenario_row(struct play *play, char *args);
int scenario_row_life(struct play *play, char *args);
int scenario_rows(struct play *play, char *args);
int scenario_purged(struct play *play, char *args);
int scenario_another_host(struct play *play, char *args);

int scenario_smtp(struct play *play, char *args);
int scenario_probe(struct play *play, char *args);
int scenario_known(struct play *play, char *args);
int scenario_not_known(struct play *play, char *args);
int scenario_connected(struct play *play, char *args);
int scenario_at_once(struct play *play, char *args);

int scenario_tlsrpt(struct play *play, char *args);
int scenario_record(struct play *play, char *args);

/* engine_done_fn and probe_done_fn of an asker. */
void scenario_done(const struct findings *findings, void *arg);

struct asker *scenario_new_asker(struct play *play, const char *label, size_t count);
struct asker *scenario_asker(struct play *play, const char *label);

#endif
