/*
 * daemonize_begin forks: the child goes on and becomes the daemon, the parent waits at a pipe for
 * the exit status that daemonize_report writes to it.
 */
#include "daemon/daemonize.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sysexits.h>
#include <unistd.h>

static int parent = -1; /* the pipe's end for writing, in the child */

static void wait_for_child(int fd)
{
    uint8_t status = EX_SOFTWARE;
    ssize_t got;

    do
        got = read(fd, &status, 1);
    while (got < 0 && errno == EINTR);
    _exit(got == 1 ? status : EX_SOFTWARE);
}

int daemonize_begin(void)
{
    int ends[2];
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return -errno;
    child = fork();
    if (child < 0) {
        int error = errno;

        close(ends[0]);
        close(ends[1]);
        return -error;
    }
    if (child > 0) {
        close(ends[1]);
        wait_for_child(ends[0]);
    }
    close(ends[0]);
    parent = ends[1];
    setsid();
    return 0;
}

void daemonize_report(int exit_status)
{
    uint8_t status = (uint8_t)exit_status;
    int null;

    if (parent < 0)
        return;
    (void)!write(parent, &status, 1);
    close(parent);
    parent = -1;
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return;
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    if (null > STDERR_FILENO)
        close(null);
}
