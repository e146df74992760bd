/*
 * The parts of requiretls-query: names in, one JSON object for each, text or JSON out. The object
 * is the same whether the tool looked up for itself or the daemon was asked, and the text shows
 * what the object says.
 */
#ifndef MILTER_QUERY_QUERY_H
#define MILTER_QUERY_QUERY_H

#include "base/exit_code.h"
#include "base/json_read.h"
#include "config/config.h"
#include "query/query_options.h"

#include <pthread.h>
#include <stdio.h>

/* One name of the command line. */
struct query_name {
    const char *given;     /* borrowed */
    const char *recipient; /* the address, if it is one; borrowed; else NULL */
    struct nexthop nexthop;
    struct rules_settings settings;
    const char *request_by; /* who makes the request, if no rule does; else NULL */
    /* The answer; set once, with the lock of the set held. */
    bool done;
    char *json; /* NULL: none, for the reason in failure */
    size_t json_len;
    char failure[256];
    const struct findings *findings; /* local lookups only; a reference */
    char decision[1024];             /* what the filter would do, "" if that is not known */
};

/* All names; filled in by a source on threads of its own, read in order by the main thread. */
struct query_set {
    struct query_name *names;
    size_t count;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* CLOCK_MONOTONIC */
    size_t done;
};

int query_set_init(struct query_set *set, size_t count); /* 0 or -ENOMEM */
void query_set_fini(struct query_set *set);

/* Stores an answer: json and the reference to findings become the set's; json NULL: failure says
 * why. Any thread. */
void query_set_finish(struct query_set *set, size_t index, char *json, size_t json_len,
                      const struct findings *findings, const char *failure);

/* Waits at most timeout_ms for one name; returns whether it is done. */
bool query_set_wait(struct query_set *set, size_t index, int timeout_ms);

/*
 * Sources. Start returns 0 or a negative errno with a message in err, and begins to look up all
 * names of the set, with `probe` to connect to their servers too; stop returns when no thread of it
 * is left.
 */
struct query_local;
int query_local_start(struct config *config, struct query_set *set, bool probe,
                      struct query_local **out, char *err, size_t err_size);
void query_local_stop(struct query_local *local);

struct query_remote;
int query_remote_start(const char *address, struct query_set *set, struct query_remote **out,
                       char *err, size_t err_size);
void query_remote_stop(struct query_remote *remote);

/* Parses a name or address of the command line. 0 or -EINVAL. Pure. */
int query_name_parse(const char *given, struct query_name *out);

/* Evaluates the rules for a message as the options describe it. Pure. */
void query_explain_evaluate(const struct config *config, const struct query_options *options,
                            struct query_name *name);
/* Decides for the recipient, once its findings are there; sets `decision`. Pure. */
void query_explain_decide(const struct config *config, const struct query_options *options,
                          struct query_name *name);
/* The value of each setting and the rule behind it, as text or as the value of a JSON key. */
void query_explain_text(FILE *out, const struct query_name *name);
struct json;
void query_explain_json(struct json *json, const struct query_name *name);

/* Prints an object for people; `unicode` is the name with U-labels, or NULL. */
void query_text(FILE *out, const struct json_value *object, const char *unicode);

/* For query_text: the probes of a host. */
void query_text_probes(FILE *out, const struct json_value *host);

/* Says so, if no server of the object was probed. */
void query_text_unprobed(FILE *out, const struct json_value *object);

/* The exit code for one object, and of two together. Pure. */
int query_exit_code(const struct json_value *object);
int query_worst(int a, int b);

#endif
