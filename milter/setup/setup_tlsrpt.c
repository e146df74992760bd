/*
 * The socket of the collector of TLS reports, as the delivery agent's user finds it: whether it is
 * there, is one for datagrams, and may be written to. Nothing is sent: a collector counts what it
 * gets.
 */
#include "setup/setup.h"
#include "setup/setup_run.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { LOOK_MS = 10000 };

/* Into an int: 0, or the errno of what the user may not do. */
static void look_at_socket(const void *path, void *result)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), *error = result;

    *error = ENAMETOOLONG;
    if (strlen(path) < sizeof(address.sun_path)) {
        strcpy(address.sun_path, path);
        *error =
            fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : errno;
    }
    if (fd >= 0)
        close(fd);
}

static const char *reason_of(int error)
{
    switch (error) {
    case ENOENT:
        return "there is no such file: the collector does not run";
    case ECONNREFUSED:
        return "nobody listens there: the collector does not run";
    case EPROTOTYPE:
        return "it takes no datagrams: that is another program's socket";
    default:
        return strerror(error);
    }
}

void setup_check_tlsrpt(const struct config *config, const struct setup_who *who,
                        struct setup_report *report)
{
    static const char name[] = "tlsrpt-socket";
    const char *path = config->deliver.tlsrpt_socket;
    int error = 0, tried;

    if (path == NULL)
        return;
    tried = setup_as(who, look_at_socket, path, &error, sizeof(error), LOOK_MS);
    if (tried != 0) {
        setup_add(report, SETUP_UNKNOWN, name, "%s: %s", path, strerror(-tried));
        setup_remedy(report, "run this check as root");
    } else if (error == 0) {
        setup_add(report, SETUP_OK, name, "%s can write to the collector of TLS reports",
                  who->name);
    } else {
        setup_add(report, SETUP_WARNING, name,
                  "%s: the user %s cannot write there: %s: TLS reports "
                  "are lost",
                  path, who->name, reason_of(error));
        setup_remedy(report, error == EACCES
                                 ? "give the user a group that may write to the collector's socket"
                                 : "start the collector, or correct socket in [tlsrpt]");
    }
}
