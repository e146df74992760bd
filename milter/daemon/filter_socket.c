/*
 * libmilter opens the socket but knows neither mode nor owner, unlinks whatever has the name of the
 * socket, and leaves a unix socket behind when it was opened as root.
 */
#include "daemon/filter_socket.h"

#include "base/socket_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <libmilter/mfapi.h>

/* libmilter's own default of 20 drops connections when a busy MTA opens many at once. */
enum { BACKLOG = 512 };

/* What was opened: to remove that and nothing else, and to connect to it. */
static struct {
    int fd;
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    dev_t device;
    ino_t inode;
} opened = {.fd = -1};

/* The path of a unix socket, NULL for others. */
static const char *path_of(const char *address)
{
    static const char *const prefixes[] = {"unix:", "local:"};

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        size_t len = strlen(prefixes[i]);

        if (strncmp(address, prefixes[i], len) == 0)
            return address + len;
    }
    return address[0] == '/' ? address : NULL;
}

static bool somebody_listens(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    bool answered;
    int fd;

    memcpy(addr.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    answered = connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 || errno == EAGAIN;
    close(fd);
    return answered;
}

static int check_unix(const char *address, const char *path, char *err, size_t err_size)
{
    struct stat st;

    if (strlen(path) >= sizeof(opened.path)) {
        snprintf(err, err_size, "cannot open the socket %s: its path is too long", address);
        return -ENAMETOOLONG;
    }
    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
        snprintf(err, err_size, "cannot open the socket %s: a file of that name is no socket",
                 address);
        return -ENOTSOCK;
    }
    if (somebody_listens(path)) {
        snprintf(err, err_size, "cannot open the socket %s: another process listens there",
                 address);
        return -EADDRINUSE;
    }
    return 0;
}

/* The descriptor that the next socket will have; no other thread may exist. */
static int next_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (fd >= 0)
        close(fd);
    return fd;
}

static bool is_listening(int fd)
{
    int answer = 0;
    socklen_t len = sizeof(answer);

    return fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &answer, &len) == 0 && answer != 0;
}

void filter_socket_nudge(void)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);
    int fd;

    if (opened.fd < 0 || getsockname(opened.fd, (struct sockaddr *)&addr, &len) != 0)
        return;
    fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    (void)!connect(fd, (const struct sockaddr *)&addr, len); /* refused: others come, or nobody */
    close(fd);
}

static void remember_path(const char *path)
{
    struct stat st;

    if (lstat(path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return;
    memcpy(opened.path, path, strlen(path) + 1);
    opened.device = st.st_dev;
    opened.inode = st.st_ino;
}

/* With the rights of socket_file_begin. */
static int open_there(const char *address, const char *path, char *err, size_t err_size)
{
    int fd, error;

    if (path != NULL && (error = check_unix(address, path, err, err_size)) != 0)
        return error;
    smfi_setbacklog(BACKLOG);
    fd = next_descriptor();
    errno = 0;
    if (smfi_setconn((char *)(uintptr_t)address) != MI_SUCCESS ||
        smfi_opensocket(true) != MI_SUCCESS) {
        error = errno != 0 ? -errno : -EIO;
        snprintf(err, err_size, "cannot open the socket %s: %s", address,
                 errno != 0 ? strerror(-error) : "see what libmilter has written to syslog");
        return error;
    }
    if (is_listening(fd))
        opened.fd = fd; /* libmilter does not tell */
    if (path != NULL)
        remember_path(path);
    return 0;
}

int filter_socket_open(const struct config_milter *config, char *err, size_t err_size)
{
    const char *path = path_of(config->socket);
    struct socket_file file;
    char why[400];
    int error = socket_file_begin(&file, path, path != NULL ? config->socket_group : NULL,
                                  config->socket_mode, why, sizeof(why));

    if (error != 0)
        snprintf(err, err_size, "[milter] socket_group: %s", why);
    if (error == 0)
        error = open_there(config->socket, path, err, err_size);
    if (error == 0 && path != NULL)
        error = socket_file_give(&file, err, err_size);
    socket_file_end(&file);
    return error;
}

void filter_socket_remove(void)
{
    struct stat st;

    if (opened.path[0] != '\0' && lstat(opened.path, &st) == 0 && st.st_dev == opened.device &&
        st.st_ino == opened.inode)
        unlink(opened.path);
    opened.path[0] = '\0';
}
