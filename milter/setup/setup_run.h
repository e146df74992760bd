/*
 * Runs programs of the MTA, and looks at files as another user sees them: everything that the
 * set-up check does outside of its own process. With no thread but the caller's.
 */
#ifndef MILTER_SETUP_SETUP_RUN_H
#define MILTER_SETUP_SETUP_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Runs argv[0], found by PATH and in the directories of system programs, without a shell; `input`,
 * at most some lines, on its standard input, NULL for nothing. Returns 0 with its whole output in
 * `out` (terminated, to be freed), its exit status, and the first line that it wrote to the
 * standard error in err, but for its warnings (`postmap: warning: ...`), "" if none; or a negative
 * errno with a sentence in err: -ENOENT no such program, -ETIMEDOUT, -EMSGSIZE for more output than
 * can be meant, -EIO if it was killed.
 */
int setup_run(const char *const *argv, const char *input, int timeout_ms, char **out, int *status,
              char *err, size_t err_size);

/* Who looks, and from where. */
struct setup_who {
    uid_t uid;
    gid_t gid;
    gid_t groups[64]; /* supplementary groups, gid included */
    int group_count;
    char name[64];
    const char *root; /* of a chroot, NULL: none; borrowed */
    const char *cwd;  /* inside of it, NULL: `/`; borrowed */
};

/* Finds a user with its groups. 0, or a negative errno with a sentence in err. */
int setup_who_find(const char *user, struct setup_who *out, char *err, size_t err_size);

/*
 * Calls `look` in a process that is that user in that place, and copies what it has put in
 * `result` (result_size octets, at most a page) back. Returns 0; a negative errno: -EPERM if we
 * are neither root nor that user, -ETIMEDOUT, or what could not be done to become the user.
 */
int setup_as(const struct setup_who *who, void (*look)(const void *arg, void *result),
             const void *arg, void *result, size_t result_size, int timeout_ms);

#endif
