/*
 * What `requiretls-query --check-setup` found out, in the order of the examination: each finding
 * with a name, a sentence, and what to do about it. Collects, prints, and makes the exit code.
 * Not thread-safe.
 */
#ifndef MILTER_SETUP_REPORT_H
#define MILTER_SETUP_REPORT_H

#include "policy/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum setup_state {
    SETUP_OK,      /* looked at, and as it should be */
    SETUP_WARNING, /* works, but not as well as it could, or perhaps not as meant */
    SETUP_ERROR,   /* wrong: what the filter promises does not hold, or mail is held up */
    SETUP_UNKNOWN, /* could not be found out */
};

struct setup_finding {
    enum setup_state state;
    const char *name; /* static: lower case, words joined by `-` */
    const char *text;
    const char *remedy; /* NULL: nothing to do */
};

/* Begin with all zeros. Texts belong to the report. */
struct setup_report {
    struct arena arena;
    struct setup_finding *items;
    size_t count;
    bool incomplete; /* a finding was lost: out of memory */
};

/* Adds a finding. What it quotes may be any text: control characters become `?`. */
void setup_add(struct setup_report *report, enum setup_state state, const char *name,
               const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Says of the last finding what to do. */
void setup_remedy(struct setup_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* 0 if nothing is wrong, 1 if something is, 75 if that could not be found out in full. */
int setup_exit_code(const struct setup_report *report);

/* Lines for people, or one JSON object on one line. 0, or a negative errno. */
int setup_print(const struct setup_report *report, bool json, FILE *out);

void setup_report_fini(struct setup_report *report);

#endif
