#include "smtp_child.h"

#include "tls_pair.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The server's side of a connection. */
struct served {
    int fd;
    SSL *ssl;
    atomic_uint *taken;
    char line[2048];
};

static void say(struct served *served, const char *text)
{
    if (served->ssl != NULL)
        SSL_write(served->ssl, text, (int)strlen(text));
    else if (send(served->fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        _exit(1);
}

/* A line without its end; false: the client has gone. */
static bool hear(struct served *served)
{
    size_t len = 0;

    while (len < sizeof(served->line) - 1) {
        char *to = &served->line[len];
        ssize_t got =
            served->ssl != NULL ? SSL_read(served->ssl, to, 1) : recv(served->fd, to, 1, 0);

        if (got <= 0)
            return false;
        if (*to == '\n')
            break;
        len++;
    }
    served->line[len] = '\0';
    return true;
}

static void serve_messages(struct served *served)
{
    bool content = false;

    while (hear(served)) {
        if (content) {
            content = strcmp(served->line, ".\r") != 0;
            if (content)
                continue;
            atomic_fetch_add(served->taken, 1);
            say(served, "250 2.0.0 taken\r\n");
        } else if (strncmp(served->line, "DATA", 4) == 0) {
            say(served, "354 go\r\n");
            content = true;
        } else if (strncmp(served->line, "QUIT", 4) == 0) {
            say(served, "221 bye\r\n");
            return;
        } else {
            say(served, "250 ok\r\n");
        }
    }
}

static void serve(struct served *served, SSL_CTX *ctx)
{
    say(served, "220 mx\r\n");
    if (!hear(served))
        return;
    say(served, "250-mx\r\n250-PIPELINING\r\n250 STARTTLS\r\n");
    if (!hear(served))
        return;
    say(served, "220 go\r\n");
    served->ssl = SSL_new(ctx);
    SSL_set_fd(served->ssl, served->fd);
    if (SSL_accept(served->ssl) == 1 && hear(served)) {
        say(served, "250-mx\r\n250-PIPELINING\r\n250 REQUIRETLS\r\n");
        serve_messages(served);
    }
}

static void run(int listening, const struct smtp_child *child)
{
    const struct tls_server_terms terms = {.leaf = child->leaf, .chain = {CERT_INTERMEDIATE}};
    SSL_CTX *ctx = tls_pair_server(&terms);

    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        const struct timeval wait = {.tv_sec = 5};
        struct served served = {.fd = accept(listening, NULL, NULL), .taken = child->taken};
        int on = 1;

        if (served.fd >= 0 && fork() == 0) {
            setsockopt(served.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
            setsockopt(served.fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
            serve(&served, ctx);
            _exit(0);
        }
        close(served.fd);
    }
}

static void need(bool done, const char *what)
{
    if (done)
        return;
    perror(what);
    abort();
}

void smtp_child_start(struct smtp_child *child)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t size = sizeof(child->address);

    child->address.sin_family = AF_INET;
    child->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    need(bind(fd, (const struct sockaddr *)&child->address, size) == 0, "bind");
    need(listen(fd, 100) == 0, "listen");
    need(getsockname(fd, (struct sockaddr *)&child->address, &size) == 0, "getsockname");
    child->taken = mmap(NULL, sizeof(*child->taken), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    need(child->taken != MAP_FAILED, "mmap");
    atomic_init(child->taken, 0);
    certs_get(child->leaf);
    child->pid = fork();
    need(child->pid >= 0, "fork");
    if (child->pid == 0)
        run(fd, child);
    close(fd);
}

void smtp_child_stop(struct smtp_child *child)
{
    kill(child->pid, SIGKILL);
    waitpid(child->pid, NULL, 0);
    munmap(child->taken, sizeof(*child->taken));
}
