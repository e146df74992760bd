/*
 * Child processes: setup_run runs a program and collects its output; setup_as calls a function in a
 * process that has become another user, in a chroot or not, and takes its result from a pipe.
 */
#include "setup/setup_run.h"

#include "policy/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* postconf prints some 40 kB; a large table of transports is in master.cf, not here. */
enum { OUTPUT_MAX = 4 * 1024 * 1024, ERROR_MAX = 16 * 1024 };

extern char **environ;

/* What came through a pipe so far. */
struct stream {
    int fd; /* -1: at its end */
    char *text;
    size_t len;
    size_t max;
};

static int take_output(struct stream *stream)
{
    enum { PIECE = 16384 };
    char *text = realloc(stream->text, stream->len + PIECE + 1);

    if (text == NULL)
        return -ENOMEM;
    stream->text = text;
    ssize_t got = read(stream->fd, text + stream->len, PIECE);
    if (got < 0)
        return errno == EINTR ? 0 : -errno;
    stream->len += (size_t)got;
    text[stream->len] = '\0';
    if (got == 0) {
        close(stream->fd);
        stream->fd = -1;
    }
    return stream->len > stream->max ? -EMSGSIZE : 0;
}

/* Reads both streams to their ends. */
static int take_all(struct stream streams[2], int64_t deadline_ms)
{
    while (streams[0].fd >= 0 || streams[1].fd >= 0) {
        struct pollfd fds[2] = {{.fd = streams[0].fd, .events = POLLIN},
                                {.fd = streams[1].fd, .events = POLLIN}};
        int64_t left_ms = deadline_ms - clock_awake_ms();

        if (left_ms <= 0)
            return -ETIMEDOUT;
        if (poll(fds, 2, (int)left_ms) < 0 && errno != EINTR)
            return -errno;
        for (int i = 0; i < 2; i++) {
            int error = streams[i].fd >= 0 && fds[i].revents != 0 ? take_output(&streams[i]) : 0;

            if (error != 0)
                return error;
        }
    }
    return 0;
}

/* In the child. The MTA's commands live in sbin, which not everybody has in PATH. */
static void become_program(const char *const *argv, int in, int out, int err)
{
    static const char *const directories[] = {"/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/bin"};
    char path[PATH_MAX];

    if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
        _exit(126);
    /* execvp(3) wants an array that it could write to, and does not. */
    char *const *words = (char *const *)(uintptr_t)argv;
    execvp(argv[0], words);
    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]) && errno == ENOENT; i++) {
        snprintf(path, sizeof(path), "%s/%s", directories[i], argv[0]);
        execv(path, words);
    }
    _exit(errno == ENOENT ? 127 : 126);
}

/* A descriptor to read the input from. A pipe takes some lines at once. */
static int open_input(const char *input)
{
    int fds[2];

    if (input == NULL)
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
        return -1;
    ssize_t written = write(fds[1], input, strlen(input));
    close(fds[1]);
    if (written == (ssize_t)strlen(input) && fcntl(fds[0], F_SETFL, 0) == 0)
        return fds[0];
    close(fds[0]);
    return -1;
}

static void close_all(int fds[5])
{
    for (int i = 0; i < 5; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

static int start_program(const char *const *argv, const char *input, pid_t *pid,
                         struct stream streams[2])
{
    int fds[5] = {-1, -1, -1, -1, -1}; /* out, out, err, err, in */

    if (pipe2(fds, O_CLOEXEC) != 0 || pipe2(fds + 2, O_CLOEXEC) != 0 ||
        (fds[4] = open_input(input)) < 0 || (*pid = fork()) < 0) {
        int error = errno != 0 ? -errno : -EIO;
        close_all(fds);
        return error;
    }
    if (*pid == 0)
        become_program(argv, fds[4], fds[1], fds[3]);
    streams[0] = (struct stream){.fd = fds[0], .max = OUTPUT_MAX};
    streams[1] = (struct stream){.fd = fds[2], .max = ERROR_MAX};
    fds[0] = fds[2] = -1;
    close_all(fds);
    return 0;
}

static int end(pid_t pid, int error)
{
    int status = 0;

    if (error != 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static int judge(const char *program, int error, int wait_status, int *status, char *err,
                 size_t err_size)
{
    if (error == 0 && !WIFEXITED(wait_status))
        error = -EIO;
    if (error == 0 && WEXITSTATUS(wait_status) == 127)
        error = -ENOENT;
    *status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;
    if (error != 0)
        snprintf(err, err_size, "%s: %s", program,
                 error == -EIO        ? "it was killed"
                 : error == -EMSGSIZE ? "it prints more than can be meant"
                                      : strerror(-error));
    return error;
}

/* Postfix's programs write `postmap: warning: ...` of settings that they do not like, and go on. */
static bool is_warning(const char *program, const char *line)
{
    static const char warning[] = ": warning: ";
    size_t len = strlen(program);

    return strncmp(line, program, len) == 0 &&
           strncmp(line + len, warning, sizeof(warning) - 1) == 0;
}

/* The first line of the standard error that is no warning. */
static void copy_complaint(const char *program, const char *text, char *err, size_t err_size)
{
    size_t len = strcspn(text, "\n");

    while (text[len] == '\n' && is_warning(program, text)) {
        text += len + 1;
        len = strcspn(text, "\n");
    }
    snprintf(err, err_size, "%.*s", is_warning(program, text) ? 0 : (int)len, text);
}

int setup_run(const char *const *argv, const char *input, int timeout_ms, char **out, int *status,
              char *err, size_t err_size)
{
    struct stream streams[2] = {{.fd = -1}, {.fd = -1}};
    pid_t pid = -1;
    int error = start_program(argv, input, &pid, streams), wait_status = 0;

    *out = NULL;
    err[0] = '\0';
    if (error == 0) {
        error = take_all(streams, clock_awake_ms() + timeout_ms);
        wait_status = end(pid, error);
    }
    for (int i = 0; i < 2; i++) {
        if (streams[i].fd >= 0)
            close(streams[i].fd);
    }
    if (streams[1].text != NULL)
        copy_complaint(argv[0], streams[1].text, err, err_size);
    free(streams[1].text);
    error = judge(argv[0], error, wait_status, status, err, err_size);
    if (error == 0)
        *out = streams[0].text;
    else
        free(streams[0].text);
    return error;
}

int setup_who_find(const char *user, struct setup_who *out, char *err, size_t err_size)
{
    const struct passwd *entry;

    *out = (struct setup_who){.group_count = sizeof(out->groups) / sizeof(out->groups[0])};
    errno = 0;
    entry = getpwnam(user);
    if (entry == NULL) {
        int error = errno != 0 ? errno : ENOENT;
        snprintf(err, err_size, errno != 0 ? "user %s: %s" : "there is no user %s", user,
                 strerror(error));
        return -error;
    }
    out->uid = entry->pw_uid;
    out->gid = entry->pw_gid;
    snprintf(out->name, sizeof(out->name), "%s", user);
    if (getgrouplist(user, entry->pw_gid, out->groups, &out->group_count) < 0)
        out->group_count = sizeof(out->groups) / sizeof(out->groups[0]);
    return 0;
}

/* In the child, as Postfix's programs do it. */
static int become(const struct setup_who *who)
{
    if (geteuid() != 0)
        return 0;
    if (who->root != NULL && (chroot(who->root) != 0 || chdir("/") != 0))
        return errno;
    if (setgroups((size_t)who->group_count, who->groups) != 0 || setgid(who->gid) != 0 ||
        setuid(who->uid) != 0)
        return errno;
    return 0;
}

static void child(const struct setup_who *who, void (*look)(const void *, void *), const void *arg,
                  void *result, size_t result_size, int fd)
{
    /* Where the user may not go, only relative paths fail; that is for `look` to find out. */
    const char *cwd = who->cwd != NULL ? who->cwd : "/";
    int entered = who->root == NULL && chdir(cwd) != 0 ? errno : 0;
    int error = become(who);

    if (error == 0 && who->root != NULL && chdir(cwd) != 0)
        error = errno;
    if (error == 0)
        error = entered;
    if (error == 0)
        look(arg, result);
    if (write(fd, &error, sizeof(error)) != sizeof(error) ||
        write(fd, result, result_size) != (ssize_t)result_size)
        _exit(1);
    _exit(0);
}

/* What the child writes is at most a page, and so comes in one piece or two. */
static int receive(int fd, char *buf, size_t size, int64_t deadline_ms)
{
    size_t len = 0;

    while (len < size) {
        struct pollfd pollfd = {.fd = fd, .events = POLLIN};
        int64_t left_ms = deadline_ms - clock_awake_ms();

        if (left_ms <= 0)
            return -ETIMEDOUT;
        if (poll(&pollfd, 1, (int)left_ms) <= 0)
            continue;
        ssize_t got = read(fd, buf + len, size - len);
        if (got == 0)
            return -EIO;
        if (got > 0)
            len += (size_t)got;
        else if (errno != EINTR)
            return -errno;
    }
    return 0;
}

int setup_as(const struct setup_who *who, void (*look)(const void *arg, void *result),
             const void *arg, void *result, size_t result_size, int timeout_ms)
{
    int fds[2], error = 0;

    if (geteuid() != 0 && (geteuid() != who->uid || who->root != NULL))
        return -EPERM;
    if (pipe2(fds, O_CLOEXEC) != 0)
        return -errno;
    pid_t pid = fork();
    if (pid == 0)
        child(who, look, arg, result, result_size, fds[1]);
    close(fds[1]);
    if (pid < 0) {
        close(fds[0]);
        return -EAGAIN;
    }
    int64_t deadline_ms = clock_awake_ms() + timeout_ms;
    int received = receive(fds[0], (char *)&error, sizeof(error), deadline_ms);
    if (received == 0)
        received = receive(fds[0], result, result_size, deadline_ms);
    close(fds[0]);
    end(pid, received);
    return received != 0 ? received : -error;
}
