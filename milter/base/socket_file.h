/*
 * How a unix socket is made so that its owner, group and mode are right, and nobody can have them
 * put on another file.
 *
 * A daemon that was started as root acts as its user already (privilege_lower). It is root again
 * only for what is made where root alone can change the path: in a directory that is root's, as all
 * those above it are. Anywhere else it has its user's rights and no more, so that a link, which
 * that user may have put there, leads to nothing that the user could not do anyhow. No owner or
 * mode is ever changed through a link.
 */
#ifndef MILTER_BASE_SOCKET_FILE_H
#define MILTER_BASE_SOCKET_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What holds between socket_file_begin and socket_file_end. */
struct socket_file {
    const char *path;  /* NULL: a socket without one */
    const char *group; /* NULL: as the directory or the process has it */
    gid_t gid;
    mode_t mode;
    bool lowered; /* root acts as this user */
    bool as_root;
    uid_t uid;
    gid_t gid_before;
    mode_t umask_before;
};

/*
 * Before a socket is looked for, removed or bound at `path` (NULL: one without a path, whose port
 * may be root's). `group` NULL or empty: none is wanted. Both are borrowed until the end. To be
 * followed by socket_file_end, whatever it returns: 0, or a negative errno with a sentence in err.
 * Before there are threads.
 */
int socket_file_begin(struct socket_file *file, const char *path, const char *group, mode_t mode,
                      char *err, size_t err_size);

/* When the socket is bound: sets of owner, group and mode what bind(2) did not. Returns 0, or a
 * negative errno with a sentence in err. */
int socket_file_give(const struct socket_file *file, char *err, size_t err_size);

/* Back to what was before. */
void socket_file_end(const struct socket_file *file);

/* Whether nobody but root can change what `directory` names: each part of the path to it is root's,
 * and writable for others only where they cannot take away what is there (the sticky bit). */
bool socket_file_is_roots(const char *directory);

#endif
