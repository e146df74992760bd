#include "redis_server.h"

#include <dirent.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { START_TRIES = 2000, TRY_US = 5000, WORDS_MAX = 16 };

static void spawn(struct redis_server *server)
{
    const char *args[] = {"redis-server",
                          "--port",
                          server->port,
                          "--bind",
                          "127.0.0.1",
                          "--unixsocket",
                          server->path,
                          "--dir",
                          server->dir,
                          "--save",
                          "",
                          "--daemonize",
                          "no",
                          "--loglevel",
                          "warning",
                          "--repl-diskless-sync-delay",
                          "0",
                          server->password != NULL ? "--requirepass" : NULL,
                          server->password,
                          NULL};
    char *argv[sizeof(args) / sizeof(args[0])];

    memcpy(argv, args, sizeof(argv));
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid > 0)
        return;
    /* It does not outlive a test that fails. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(open("/dev/null", O_RDWR), 0);
    dup2(0, 1);
    execvp(argv[0], argv);
    _exit(127);
}

static redisContext *try_open(const struct redis_server *server)
{
    redisContext *c = redisConnectUnix(server->path);
    redisReply *reply;

    if (c != NULL && c->err != 0) {
        redisFree(c);
        c = NULL;
    }
    if (c == NULL || server->password == NULL)
        return c;
    reply = redisCommand(c, "AUTH %s", server->password);
    assert_non_null(reply);
    freeReplyObject(reply);
    return c;
}

static void await(const struct redis_server *server)
{
    for (int i = 0; i < START_TRIES; i++) {
        redisContext *c = try_open(server);

        if (c != NULL) {
            redisFree(c);
            return;
        }
        assert_int_equal(waitpid(server->pid, NULL, WNOHANG), 0);
        usleep(TRY_US);
    }
    fail_msg("redis-server does not start");
}

void redis_server_start(struct redis_server *server, const char *port, const char *password)
{
    *server =
        (struct redis_server){.dir = "/tmp/test_shared.XXXXXX", .port = port, .password = password};
    assert_non_null(mkdtemp(server->dir));
    snprintf(server->path, sizeof(server->path), "%s/socket", server->dir);
    snprintf(server->url, sizeof(server->url), "unix:%s", server->path);
    spawn(server);
    await(server);
}

void redis_server_kill(struct redis_server *server)
{
    if (server->pid == 0)
        return;
    kill(server->pid, SIGKILL);
    assert_int_equal(waitpid(server->pid, NULL, 0), server->pid);
    server->pid = 0;
}

void redis_server_restart(struct redis_server *server)
{
    redis_server_kill(server);
    unlink(server->path);
    spawn(server);
    await(server);
}

void redis_server_signal(const struct redis_server *server, int signal)
{
    assert_int_equal(kill(server->pid, signal), 0);
}

static redisContext *open_it(const struct redis_server *server)
{
    redisContext *c = try_open(server);

    assert_non_null(c);
    return c;
}

const char *redis_server_do(const struct redis_server *server, const char *command)
{
    static char answer[512];
    char copy[256], *rest = copy;
    const char *words[WORDS_MAX];
    redisContext *c = open_it(server);
    redisReply *reply;
    int count = 0;

    snprintf(copy, sizeof(copy), "%s", command);
    while (count < WORDS_MAX && (words[count] = strsep(&rest, " ")) != NULL)
        count++;
    reply = redisCommandArgv(c, count, words, NULL);
    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_INTEGER)
        snprintf(answer, sizeof(answer), "%lld", reply->integer);
    else
        snprintf(answer, sizeof(answer), "%s", reply->str != NULL ? reply->str : "(nil)");
    freeReplyObject(reply);
    redisFree(c);
    return answer;
}

void redis_server_set(const struct redis_server *server, const char *key, const void *octets,
                      size_t len)
{
    redisContext *c = open_it(server);
    redisReply *reply = redisCommand(c, "SET %s %b", key, octets, len);

    assert_non_null(reply);
    assert_string_equal(reply->str, "OK");
    freeReplyObject(reply);
    redisFree(c);
}

size_t redis_server_get(const struct redis_server *server, const char *key, void *out, size_t size)
{
    redisContext *c = open_it(server);
    redisReply *reply = redisCommand(c, "GET %s", key);
    size_t len;

    assert_non_null(reply);
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    len = reply->len < size ? reply->len : size;
    memcpy(out, reply->str, len);
    freeReplyObject(reply);
    redisFree(c);
    return len;
}

/* With what a replica has written. */
static void remove_files(const char *dir)
{
    DIR *entries = opendir(dir);
    const struct dirent *entry;

    assert_non_null(entries);
    while ((entry = readdir(entries)) != NULL)
        unlinkat(dirfd(entries), entry->d_name, 0);
    closedir(entries);
}

void redis_server_end(struct redis_server *server)
{
    redis_server_kill(server);
    remove_files(server->dir);
    assert_int_equal(rmdir(server->dir), 0);
}
