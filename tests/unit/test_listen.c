/*
 * Listening sockets, and others who want the same path: at the end a daemon removes its own socket
 * only. For programs linked with --wrap=close.
 */
#include "net/listen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct place {
    char dir[64];
    char path[80];
    char text[100];
    struct config_address address;
};

static void begin(struct place *p)
{
    strcpy(p->dir, "/tmp/test_listen.XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->path, sizeof(p->path), "%s/socket", p->dir);
    snprintf(p->text, sizeof(p->text), "unix:%s", p->path);
    p->address = (struct config_address){.text = p->text, .path = p->path};
}

static void end(struct place *p)
{
    assert_int_equal(rmdir(p->dir), 0); /* and so the socket is gone */
}

static void open_there(const struct place *p, struct listen_set *out)
{
    char err[200];

    if (listen_open(&p->address, 0600, NULL, out, err, sizeof(err)) < 0)
        fail_msg("%s", err);
}

static bool somebody_answers(const struct place *p)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    bool answers;

    strcpy(addr.sun_path, p->path);
    answers = connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0;
    close(fd);
    return answers;
}

static void replaces_what_nobody_listens_on_only(void **state)
{
    struct listen_set first, second;
    struct place p;
    char err[200];

    (void)state;
    begin(&p);
    open_there(&p, &first);
    assert_int_equal(listen_open(&p.address, 0600, NULL, &second, err, sizeof(err)), -EADDRINUSE);
    assert_non_null(strstr(err, p.text));
    assert_true(somebody_answers(&p));
    shutdown(first.fds[0], SHUT_RD); /* as if its owner had died */
    assert_false(somebody_answers(&p));
    open_there(&p, &second);
    assert_true(somebody_answers(&p));
    listen_close(&second);
    listen_close(&first);
    end(&p);
}

/* Somebody has removed the socket, and another daemon was started. */
static void leaves_what_took_its_place(void **state)
{
    struct listen_set first, second;
    struct place p;

    (void)state;
    begin(&p);
    open_there(&p, &first);
    assert_int_equal(unlink(p.path), 0);
    open_there(&p, &second);
    listen_close(&first);
    assert_true(somebody_answers(&p));
    listen_close(&second);
    end(&p);
}

static struct {
    const struct place *place; /* NULL: nobody waits */
    int fd;
    struct listen_set set;
} next_daemon;

int __real_close(int fd);
int __wrap_close(int fd);

int __wrap_close(int fd)
{
    int result = __real_close(fd);

    if (next_daemon.place != NULL && fd == next_daemon.fd) {
        const struct place *place = next_daemon.place;

        next_daemon.place = NULL;
        open_there(place, &next_daemon.set);
    }
    return result;
}

/* Another daemon waits for the moment when nobody listens there any more. */
static void leaves_what_takes_its_place_at_once(void **state)
{
    struct listen_set first;
    struct place p;

    (void)state;
    begin(&p);
    open_there(&p, &first);
    next_daemon.fd = first.fds[0];
    next_daemon.place = &p;
    listen_close(&first);
    assert_null(next_daemon.place);
    assert_true(somebody_answers(&p));
    listen_close(&next_daemon.set);
    end(&p);
}

/* As a service manager does it, for a process of that number. */
static int keep_socket(const struct place *p, pid_t pid)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    char text[20];

    strcpy(addr.sun_path, p->path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(fd, 5), 0);
    snprintf(text, sizeof(text), "%ld", (long)pid);
    setenv("LISTEN_PID", text, 1);
    setenv("LISTEN_FDS", "60", 1);
    return fd;
}

static void let_go(const struct place *p, int fd)
{
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    close(fd);
    assert_int_equal(unlink(p->path), 0);
}

static void takes_what_the_service_manager_keeps(void **state)
{
    struct listen_set set, second;
    struct place p;
    char err[200];

    (void)state;
    begin(&p);
    int fd = keep_socket(&p, getpid());
    int kept = dup(fd); /* the manager's own */
    open_there(&p, &set);
    assert_int_equal(set.count, 1);
    assert_true(set.fds[0] == fd || set.fds[0] == kept);
    assert_true((fcntl(set.fds[0], F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(set.fds[0], F_GETFD) & FD_CLOEXEC) != 0);
    int others = set.fds[0] == fd ? kept : fd;
    assert_int_equal(fcntl(others, F_SETFD, FD_CLOEXEC), 0); /* not one of those handed to us */
    assert_int_equal(listen_open(&p.address, 0600, NULL, &second, err, sizeof(err)), -EADDRINUSE);
    listen_close(&set);
    assert_true(somebody_answers(&p)); /* by the manager's; who connects now waits */
    let_go(&p, others);
    end(&p);
}

static void takes_nothing_that_is_for_another(void **state)
{
    struct listen_set set;
    struct place p, other;
    char err[200];

    (void)state;
    begin(&p);
    int fd = keep_socket(&p, getpid() + 1); /* LISTEN_PID of a parent */
    assert_int_equal(listen_open(&p.address, 0600, NULL, &set, err, sizeof(err)), -EADDRINUSE);
    let_go(&p, fd);
    fd = keep_socket(&p, getpid());
    begin(&other); /* another path than that of the configuration */
    open_there(&other, &set);
    assert_int_not_equal(set.fds[0], fd);
    assert_non_null(set.path);
    listen_close(&set);
    end(&other);
    let_go(&p, fd);
    end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaces_what_nobody_listens_on_only),
        cmocka_unit_test(leaves_what_took_its_place),
        cmocka_unit_test(leaves_what_takes_its_place_at_once),
        cmocka_unit_test(takes_what_the_service_manager_keeps),
        cmocka_unit_test(takes_nothing_that_is_for_another),
    };
    return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
