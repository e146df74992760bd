#include "s_client.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/pem.h>

enum { MAX_ARGS = 48, TLSA_TEXT = 4096 };

extern char **environ;

/* A command line, and room for what is made up for it. */
struct command {
    char *args[MAX_ARGS];
    size_t count;
};

static void add(struct command *command, const char *arg)
{
    assert_true(command->count + 1 < MAX_ARGS);
    command->args[command->count] = strdup(arg);
    assert_non_null(command->args[command->count++]);
}

static void add_all(struct command *command, const char *const *args)
{
    for (; *args != NULL; args++)
        add(command, *args);
}

static void command_fini(struct command *command)
{
    for (size_t i = 0; i < command->count; i++)
        free(command->args[i]);
}

/* Its input is empty; what it says is not wanted. */
static pid_t spawn(struct command *command)
{
    posix_spawn_file_actions_t files;
    pid_t pid;

    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    assert_int_equal(posix_spawnp(&pid, "openssl", &files, NULL, command->args, environ), 0);
    posix_spawn_file_actions_destroy(&files);
    command_fini(command);
    return pid;
}

static void write_pem(const char *name, const enum cert_id *ids, size_t count)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    for (size_t i = 0; i < count && ids[i] != CERT_NONE; i++)
        assert_int_equal(PEM_write_X509(file, certs_get(ids[i])), 1);
    assert_int_equal(fclose(file), 0);
}

static void write_key(enum cert_id id)
{
    FILE *file = fopen("key.pem", "w");

    assert_non_null(file);
    assert_int_equal(PEM_write_PrivateKey(file, certs_key(id), NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(file), 0);
}

/* Whether the server has come as far as to listen. */
static bool listens(void)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool made;

    assert_true(fd >= 0);
    made = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
    close(fd);
    return made;
}

static pid_t start_server(const struct tls_server_terms *terms)
{
    static const char *const first[] = {"openssl",    "s_server",    "-unix",
                                        "socket",     "-quiet",      "-no-CAfile",
                                        "-no-CApath", "-no-CAstore", NULL};
    static const char *const certificate[] = {"-cipher", "ALL:@SECLEVEL=0", "-cert", "leaf.pem",
                                              "-key",    "key.pem",         NULL};
    static const char *const chain[] = {"-cert_chain", "chain.pem", NULL};
    static const char *const anonymous[] = {"-nocert", "-cipher", "aNULL:@SECLEVEL=0", "-tls1_2",
                                            NULL};
    struct command command = {.count = 0};
    pid_t pid;

    add_all(&command, first);
    if (terms->leaf == CERT_NONE) {
        add_all(&command, anonymous);
    } else {
        write_pem("leaf.pem", &terms->leaf, 1);
        write_pem("chain.pem", terms->chain, 3);
        write_key(terms->leaf);
        add_all(&command, certificate);
        if (terms->chain[0] != CERT_NONE)
            add_all(&command, chain);
        if (terms->max_version == TLS1_VERSION)
            add(&command, "-tls1");
        else if (terms->max_version == TLS1_1_VERSION)
            add(&command, "-tls1_1");
        else if (terms->max_version == TLS1_2_VERSION)
            add(&command, "-tls1_2");
    }
    pid = spawn(&command);
    for (int i = 0; i < 3000 && !listens(); i++)
        usleep(10 * 1000);
    return pid;
}

static void add_record(struct command *command, const struct findings_tlsa *tlsa)
{
    char text[TLSA_TEXT];
    size_t len = (size_t)snprintf(text, sizeof(text), "%u %u %u ", tlsa->usage, tlsa->selector,
                                  tlsa->matching_type);

    for (size_t i = 0; i < tlsa->data_len && len + 2 < sizeof(text); i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%02x", tlsa->data[i]);
    add(command, "-dane_tlsa_rrdata");
    add(command, text);
}

static void add_verification(struct command *command, const struct tls_demand *demand,
                             const char *name)
{
    static const enum cert_id root = CERT_ROOT;
    static const char *const ca[] = {"-verify_return_error", "-CAfile", "root.pem", "-servername",
                                     NULL};

    write_pem("root.pem", &root, 1);
    add_all(command, ca);
    add(command, name);
    if (demand->kind == TLS_DEMAND_DANE)
        add(command, "-dane_ee_no_namechecks");
    add(command, demand->kind == TLS_DEMAND_DANE ? "-dane_tlsa_domain" : "-verify_hostname");
    add(command, name);
    for (size_t i = 0; i < demand->tlsa_count; i++) {
        if (demand->tlsa[i].usable && demand->tlsa[i].usage >= 2)
            add_record(command, &demand->tlsa[i]);
    }
}

/* name: NULL where nothing is verified. */
static bool run_client(const struct tls_demand *demand, const char *name)
{
    static const char *const first[] = {"openssl",    "s_client",    "-unix", "socket",
                                        "-no-CApath", "-no-CAstore", NULL};
    static const char *const anything[] = {"-cipher", "ALL:@SECLEVEL=0", NULL};
    struct command command = {.count = 0};
    int status;
    pid_t pid;

    add_all(&command, first);
    if (name != NULL)
        add_verification(&command, demand, name);
    if (demand->kind == TLS_DEMAND_MAY)
        add_all(&command, anything);
    pid = spawn(&command);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) == 0;
}

bool s_client_accepts(const struct tls_demand *demand, const struct tls_server_terms *server)
{
    static const char *const made[] = {"leaf.pem", "chain.pem", "key.pem", "root.pem", "socket"};
    char directory[] = "/tmp/test_s_client_XXXXXX", before[4096];
    bool accepted;
    pid_t pid;

    assert_non_null(getcwd(before, sizeof(before)));
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    pid = start_server(server);
    accepted = run_client(demand, demand->name_count > 0 ? demand->names[0] : NULL);
    for (size_t i = 1; i < demand->name_count && !accepted; i++)
        accepted = run_client(demand, demand->names[i]);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
        unlink(made[i]);
    assert_int_equal(chdir(before), 0);
    rmdir(directory);
    return accepted;
}
