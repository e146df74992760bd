/*
 * What `requiretls-query --check-setup` found out, in the order of the examination: each finding
 * with a name, a sentence, and what to do about it. Collects, prints, and makes the exit code.
 * Not thread-safe.
 */
#ifndef MILTER_SETUP_SETUP_REPORT_H
#define MILTER_SETUP_SETUP_REPORT_H

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
    const char *remedy;   /* a sentence, NULL: none */
    const char *commands; /* lines for a shell of root's, each with its `\n`; NULL: none */
    const char *reloads;  /* lines that come after those */
    size_t cause;         /* of a finding that follows from another: its number, from 1; else 0 */
};

/* Begin with all zeros. Texts belong to the report. */
struct setup_report {
    struct arena arena;
    struct setup_finding *items;
    size_t count;
    size_t cause;    /* of what is added now; 0: it stands for itself */
    size_t broken;   /* the finding that the daemon's configuration has an error; 0: none */
    bool incomplete; /* a finding was lost: out of memory */
    /* The daemon's configuration as it stands in its file, for setup_edit.h; borrowed. */
    const char *config_path; /* NULL: the default */
    const char *config_text; /* NULL: there is no such file */
    bool agent_alone;        /* it is that of the service requiretls-deliver */
};

/* Adds a finding. What it quotes may be any text: control characters become `?`. */
void setup_add(struct setup_report *report, enum setup_state state, const char *name,
               const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Says of the last finding what to do. One that follows from another has no remedy of its own: for
 * it this and setup_command do nothing. */
void setup_remedy(struct setup_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds a command line to those of the last finding, which are to be carried out in their order; one
 * that it has already is not added. Words that come from elsewhere go through setup_word. */
void setup_command(struct setup_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same of a command that comes after all others: what makes a program read what they have
 * changed. With `broken` systemctl is for a configuration that is in order by then: a daemon that
 * was restarted with the error would not start. */
void setup_command_reload(struct setup_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A text as one word of a shell's command line, in the report's memory. */
const char *setup_word(struct setup_report *report, const char *text);

/* What is added from here to setup_follow_end follows from the last finding: it is shown below that
 * one and not counted. Not nested. */
void setup_follow_begin(struct setup_report *report);
/* The same for what follows from the finding `broken`, wherever that stands. */
void setup_follow_broken(struct setup_report *report);
void setup_follow_end(struct setup_report *report);

/* 0 if nothing is wrong, 1 if something is, 75 if that could not be found out in full. */
int setup_exit_code(const struct setup_report *report);

/* Lines for people, or one JSON object on one line. 0, or a negative errno. */
int setup_print(const struct setup_report *report, bool json, FILE *out);

void setup_report_fini(struct setup_report *report);

#endif
