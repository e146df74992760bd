/* Giving up root, and limits that only root or the start of the process may change. */
#ifndef MILTER_BASE_PRIVILEGE_H
#define MILTER_BASE_PRIVILEGE_H

#include <stddef.h>
#include <sys/types.h>

struct privilege_user {
    uid_t uid;
    gid_t gid;
    char name[64];
};

/* Each returns 0, or a negative errno with a sentence in err. */
int privilege_find_user(const char *name, struct privilege_user *out, char *err, size_t err_size);
int privilege_find_group(const char *name, gid_t *out, char *err, size_t err_size);

/* Root acts as the user, with its groups, until privilege_drop; socket_file.h has what may raise it
 * again in between. Call before threads exist. */
int privilege_lower(const struct privilege_user *user, char *err, size_t err_size);

/* Root, lowered or not, becomes the user with its supplementary groups, for good. Call before
 * threads exist. */
int privilege_drop(const struct privilege_user *user, char *err, size_t err_size);

/*
 * Raises the limit of open descriptors as far as it goes, to `wanted` at most. Returns the limit
 * now in force. libmilter spins without a word when accept(2) finds no descriptor.
 */
size_t privilege_raise_nofile(size_t wanted);

#endif
