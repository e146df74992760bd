/*
 * How root is given up, in two steps: privilege_lower acts as the user while sockets are opened,
 * privilege_drop becomes the user for good. Before them privilege_find_user, and
 * privilege_raise_nofile while the limit may be raised. Errors are a negative errno and a sentence.
 */
#include "base/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int describe_error(int error, char *err, size_t err_size, const char *what, const char *name)
{
    snprintf(err, err_size, "%s %s: %s", what, name, strerror(error));
    return -error;
}

int privilege_find_user(const char *name, struct privilege_user *out, char *err, size_t err_size)
{
    const struct passwd *entry;

    errno = 0;
    entry = getpwnam(name);
    if (entry == NULL) {
        if (errno != 0)
            return describe_error(errno, err, err_size, "user", name);
        snprintf(err, err_size, "there is no user %s", name);
        return -ENOENT;
    }
    out->uid = entry->pw_uid;
    out->gid = entry->pw_gid;
    snprintf(out->name, sizeof(out->name), "%s", name);
    return 0;
}

int privilege_find_group(const char *name, gid_t *out, char *err, size_t err_size)
{
    const struct group *entry;

    errno = 0;
    entry = getgrnam(name);
    if (entry == NULL) {
        if (errno != 0)
            return describe_error(errno, err, err_size, "group", name);
        snprintf(err, err_size, "there is no group %s", name);
        return -ENOENT;
    }
    *out = entry->gr_gid;
    return 0;
}

/* The groups first, while that is still allowed. */
int privilege_lower(const struct privilege_user *user, char *err, size_t err_size)
{
    if (initgroups(user->name, user->gid) != 0)
        return describe_error(errno, err, err_size, "cannot take the groups of", user->name);
    if (setegid(user->gid) != 0 || seteuid(user->uid) != 0)
        return describe_error(errno, err, err_size, "cannot act as", user->name);
    return 0;
}

int privilege_drop(const struct privilege_user *user, char *err, size_t err_size)
{
    if (seteuid(0) != 0)
        return describe_error(errno, err, err_size, "cannot be root to become", user->name);
    if (initgroups(user->name, user->gid) != 0)
        return describe_error(errno, err, err_size, "cannot take the groups of", user->name);
    if (setgid(user->gid) != 0 || setuid(user->uid) != 0)
        return describe_error(errno, err, err_size, "cannot become", user->name);
    if (user->uid != 0 && setuid(0) == 0)
        return describe_error(EPERM, err, err_size, "root could be had back after becoming",
                              user->name);
    return 0;
}

size_t privilege_raise_nofile(size_t wanted)
{
    struct rlimit limit;
    rlim_t before;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    before = limit.rlim_cur;
    if (before == RLIM_INFINITY || before >= wanted)
        return before == RLIM_INFINITY ? wanted : (size_t)before;
    limit.rlim_cur = wanted;
    if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < wanted) {
        struct rlimit higher = {.rlim_cur = wanted, .rlim_max = wanted};

        if (setrlimit(RLIMIT_NOFILE, &higher) == 0) /* only root may */
            return wanted;
        limit.rlim_cur = limit.rlim_max;
    }
    return (size_t)(setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before);
}
