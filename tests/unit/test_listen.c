/*
 * Listening sockets, and others who want the same path: at the end a daemon removes its own socket
 * only. For programs linked with --wrap=close.
 */
#include "serve/listen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaces_what_nobody_listens_on_only),
        cmocka_unit_test(leaves_what_took_its_place),
        cmocka_unit_test(leaves_what_takes_its_place_at_once),
    };
    return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
