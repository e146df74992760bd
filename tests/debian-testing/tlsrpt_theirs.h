/* Datagrams as libtlsrpt makes them. */
#ifndef TESTS_DEBIAN_TESTING_TLSRPT_THEIRS_H
#define TESTS_DEBIAN_TESTING_TLSRPT_THEIRS_H

#include <stdbool.h>

/* struct tlsrpt_session, without its names: libtlsrpt has the same. NULL is left out. */
struct theirs {
    const char *domain, *record;
    int policy;
    const char *policy_domain;
    const char *const *policy_strings;
    const char *const *mx_hosts;
    int code; /* 0: none */
    const char *source_address, *mx_name, *helo_name, *address, *info, *reason;
    bool failed;
};

/* Sends one to the socket at `path`. 0, or -1 after a message to stderr. */
int theirs_send(const char *path, const struct theirs *session);

/* The version of the library. */
const char *theirs_version(void);

#endif
