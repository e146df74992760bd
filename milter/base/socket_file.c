/*
 * Unix sockets, made by a process that may be root. The calls in their order:
 *
 *   socket_file_begin  takes the rights and the umask that bind(2) is to have
 *   socket_file_give   looks at what was bound; mends its group, its mode and, where root made it,
 *                      its owner, the owner last: from then on another may change it
 *   socket_file_end    takes all of it back
 *
 * The umask and the effective group give a new socket its mode and its group, in a directory
 * without the set-group-ID bit; where one has that bit, the socket has the directory's group, and a
 * daemon that is not in the group needs no right to give it.
 */
#include "base/socket_file.h"

#include "base/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One part of a path: itself, not what it points to. */
static bool is_roots(const char *path)
{
    struct stat st;

    if (lstat(path, &st) != 0 || st.st_uid != 0)
        return false;
    if (S_ISLNK(st.st_mode))
        return true;
    return S_ISDIR(st.st_mode) && ((st.st_mode & (S_IWGRP | S_IWOTH)) == 0 || st.st_mode & S_ISVTX);
}

/* All parts of an absolute path, from the root directory on. */
static bool are_roots(const char *path)
{
    char part[PATH_MAX];
    size_t len = strlen(path);

    if (path[0] != '/' || len >= sizeof(part) || !is_roots("/"))
        return false;
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (!is_roots(part))
            return false;
    }
    return true;
}

bool socket_file_is_roots(const char *directory)
{
    char real[PATH_MAX];

    return are_roots(directory) && realpath(directory, real) != NULL && are_roots(real);
}

static bool is_in_roots(const char *path)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash != NULL ? (size_t)(slash - path) : 0;

    if (slash == NULL || len >= sizeof(directory))
        return false;
    memcpy(directory, path, len);
    directory[len] = '\0';
    return socket_file_is_roots(len > 0 ? directory : "/");
}

static int describe_errno(char *err, size_t err_size, const char *what)
{
    int error = errno;

    snprintf(err, err_size, "%s: %s", what, strerror(error));
    return -error;
}

int socket_file_begin(struct socket_file *file, const char *path, const char *group, mode_t mode,
                      char *err, size_t err_size)
{
    int error;

    *file = (struct socket_file){
        .path = path,
        .group = group != NULL && group[0] != '\0' ? group : NULL,
        .gid = (gid_t)-1,
        .mode = mode,
        .uid = geteuid(),
        .gid_before = getegid(),
        .umask_before = umask(~mode & 0777),
    };
    file->lowered = file->uid != 0 && getuid() == 0;
    if (file->group != NULL &&
        (error = privilege_find_group(file->group, &file->gid, err, err_size)) != 0)
        return error;
    if (!file->lowered)
        return 0;
    if (seteuid(0) != 0)
        return describe_errno(err, err_size, "cannot act as root");
    if (file->gid != (gid_t)-1 && setegid(file->gid) != 0)
        return describe_errno(err, err_size, "cannot take the socket's group");
    file->as_root = path == NULL || is_in_roots(path);
    if (!file->as_root && seteuid(file->uid) != 0)
        return describe_errno(err, err_size, "cannot act as the daemon's user");
    return 0;
}

static int report_failed_call(const struct socket_file *file, const char *what, char *err,
                              size_t err_size)
{
    char text[300];

    snprintf(text, sizeof(text), "cannot give %s %s", file->path, what);
    return describe_errno(err, err_size, text);
}

int socket_file_give(const struct socket_file *file, char *err, size_t err_size)
{
    struct stat st;
    char group[100];

    if (lstat(file->path, &st) != 0)
        return report_failed_call(file, "owner and mode", err, err_size);
    if (!S_ISSOCK(st.st_mode)) {
        errno = ENOTSOCK; /* somebody was quicker */
        return report_failed_call(file, "owner and mode", err, err_size);
    }
    if (file->gid != (gid_t)-1 && st.st_gid != file->gid &&
        lchown(file->path, (uid_t)-1, file->gid) != 0) {
        snprintf(group, sizeof(group), "the group %.80s", file->group);
        return report_failed_call(file, group, err, err_size);
    }
    /* Where an ACL of the directory stands in for the umask. */
    if ((st.st_mode & 07777) != file->mode &&
        fchmodat(AT_FDCWD, file->path, file->mode, AT_SYMLINK_NOFOLLOW) != 0)
        return report_failed_call(file, "its mode", err, err_size);
    /* The user must be able to connect as well, see filter_socket_nudge. */
    if (file->as_root && lchown(file->path, file->uid, (gid_t)-1) != 0)
        return report_failed_call(file, "its owner", err, err_size);
    return 0;
}

void socket_file_end(const struct socket_file *file)
{
    umask(file->umask_before);
    if (!file->lowered)
        return;
    /* Never to go on with more rights than before. */
    if (seteuid(0) != 0 || setegid(file->gid_before) != 0 || seteuid(file->uid) != 0)
        abort();
}
