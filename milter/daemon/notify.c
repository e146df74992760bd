/*
 * What systemd is told of the daemon (sd_notify(3)): notify_init once, then READY=1, for each
 * reload RELOADING=1 and READY=1, at the end STOPPING=1. Without NOTIFY_SOCKET each does nothing.
 */
#include "daemon/notify.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Where to send, kept from the start: the environment is not to be read once threads run. */
static struct sockaddr_un manager;
static socklen_t manager_len;

void notify_init(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path != NULL ? strlen(path) : 0;

    if (len > 1 && len < sizeof(manager.sun_path) && (path[0] == '/' || path[0] == '@')) {
        manager.sun_family = AF_UNIX;
        memcpy(manager.sun_path, path, len);
        if (path[0] == '@')
            manager.sun_path[0] = '\0'; /* the abstract namespace */
        manager_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    }
    unsetenv("NOTIFY_SOCKET");
}

static void send_text(const char *text)
{
    int fd;

    if (manager_len == 0)
        return;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)!sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&manager,
                  manager_len);
    close(fd);
}

void notify_ready(void)
{
    send_text("READY=1");
}

void notify_reloading(void)
{
    struct timespec now;
    char text[64];

    /* The manager tells an old READY from the one that ends this reload by the time, by this clock
     * to the microsecond (sd_notify(3)): one cut to milliseconds could lie before the signal. */
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    send_text(text);
}

void notify_stopping(void)
{
    send_text("STOPPING=1");
}
