/*
 * What the files daemon*.c share: the daemon and what each does for the others. Nobody else
 * includes this. All of it belongs to the main thread.
 */
#ifndef MILTER_DAEMON_DAEMON_INTERNAL_H
#define MILTER_DAEMON_DAEMON_INTERNAL_H

#include "config/config.h"
#include "filter/runtime.h"
#include "ticket/ticket.h"

#include <pthread.h>
#include <stdbool.h>

#define DAEMON_NAME "requiretls-milter"

struct deliver;
struct listeners;
struct observer;
struct shared_files;

struct daemon {
    char *config_path; /* absolute: a daemon's directory is the root */
    char host_name[256];
    bool config_given; /* the file was named, and must be there */
    bool foreground;
    bool few_files;          /* the limit of open files is low */
    bool awaits_keys;        /* the agent has none yet: the filter is to make them */
    bool told_of_bad_keys;   /* while it waits: the file that has come cannot be used */
    struct config *at_start; /* what only a restart changes is as it says; a reference */
    struct runtime *runtime;
    struct engine *engine;
    struct metrics *metrics;
    struct observer *observer;
    struct listeners *listeners; /* socketmap and metrics listeners */
    struct deliver *deliver;     /* the delivery agent; NULL: no [deliver NAME] */
    pthread_t filter;            /* libmilter's, if there is a milter socket; never joined, see
                                    daemon_stop() */
};

/* --- daemon_config.c -------------------------------------------------------------------------- */

/* Where messages about a configuration go; arg is not used. */
void daemon_error_to_stderr(void *arg, const char *message);
void daemon_warning_to_stderr(void *arg, const char *message);
void daemon_error_to_log(void *arg, const char *message);
void daemon_warning_to_log(void *arg, const char *message);

/* As config_load, or as config_load_if_present where no file was named. */
int daemon_read_config(const struct daemon *d, const char *path, config_report_fn on_error,
                       config_report_fn on_warning, struct config **out);

/* The configuration for the start; remembers where the file is for reloads. Tells stderr what is
 * wrong with it. Returns an exit status; at EX_OK *out is the caller's. */
int daemon_load_config(struct daemon *d, const char *path, struct config **out);

/* --- daemon_check.c --------------------------------------------------------------------------- */

/* What the file alone does not show: whether this host has the user, the groups and the files that
 * the configuration names. Tells stderr what is wrong, drops root, returns an exit status. */
int daemon_check_host(const struct config *config);

/* --- daemon_start.c --------------------------------------------------------------------------- */

/* Opens the sockets, drops root, starts the threads. Takes over the reference to the configuration.
 * Returns an exit status; what is not EX_OK was logged, and nothing runs. */
int daemon_start(struct daemon *d, struct config *config);

/* The configuration of the engine; its messages go to the log. Borrows from both. */
void daemon_engine_config(const struct config *config, const struct shared_files *shared,
                          struct engine_config *out);

/* --- daemon_ticket_keys.c --------------------------------------------------------------------- */

/*
 * The keys of tickets, where filter or agent need them; *out has none where neither does, or after
 * an error. `filter`: there is one in this process, which makes the file if there is none; the
 * agent alone only reads it, and that there is none yet is a warning. Returns 0 or a negative
 * errno, after one message to on_error. The caller overwrites *out after use (ticket_keys_forget).
 */
int daemon_ticket_keys(const struct config *config, bool filter, struct ticket_keys *out,
                       config_report_fn on_error, config_report_fn on_warning, void *arg);

/* Whether `keys`, which daemon_ticket_keys gave without an error, lack: the agent is to look for
 * them again (daemon_look_for_ticket_keys). */
bool daemon_awaits_ticket_keys(const struct config *config, bool filter,
                               const struct ticket_keys *keys);

/* With awaits_keys, every DAEMON_KEYS_MS: once they are there the agent has them, and the warning
 * stands no longer. A file that cannot be used is told once. */
void daemon_look_for_ticket_keys(struct daemon *d);
enum { DAEMON_KEYS_MS = 2000 };

/* Whether a socket of the agent has tickets = yes: with a file of keys that cannot be used it does
 * not start. */
bool daemon_agent_wants_tickets(const struct config *config);

/* Whether the file could be read; nothing is made. That the agent has none yet is a warning: the
 * filter makes it. */
int daemon_check_ticket_keys(const struct config *config, config_report_fn on_error,
                             config_report_fn on_warning, void *arg);

/* --- daemon_reload.c -------------------------------------------------------------------------- */

/* Reads the configuration file and puts it in force, or logs why not. */
void daemon_reload(struct daemon *d);

/* --- daemon_stop.c ---------------------------------------------------------------------------- */

/* Lets messages in progress end: those with a request, and those that are being delivered, if they
 * do so within DRAIN_MS, the others at once. */
void daemon_drain(struct daemon *d);

/* Closes what listens and frees what no message can touch; does not return where a message is left
 * over: then the process ends with exit_status. */
void daemon_stop(struct daemon *d, int exit_status);

#endif
