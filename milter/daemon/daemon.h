/* The life of the daemon, from the first line of the configuration to the last message. */
#ifndef MILTER_DAEMON_DAEMON_H
#define MILTER_DAEMON_DAEMON_H

#include <stdbool.h>

struct daemon_options {
    const char *config_path;
    bool config_given; /* the file was named, and must be there */
    bool foreground;
    bool check_only; /* read the configuration, say what is wrong with it, stop */
};

/* Runs until told to stop. Returns the exit status (sysexits.h). */
int daemon_run(const struct daemon_options *options);

#endif
