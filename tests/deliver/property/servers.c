/*
 * servers_start() makes the listeners; each connection is served by serve(): greeting, then
 * commands one after the other as the script of its address has it. Whatever of a message is said
 * to a server is noted before it answers.
 */
#include "servers.h"

#include "tls_certs.h"
#include "tls_pair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

const char servers_content[] = "From: a@example.com\r\nSubject: test\r\n\r\n.dot\r\nthe end\r\n";

static struct situation *situations;
static unsigned first_number, situation_count;
static SSL_CTX *contexts[LEAVES][2];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned connections;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- addresses ---- */

void servers_address(const struct situation *s, size_t host, unsigned family, uint8_t out[16])
{
    static const uint8_t local[16] = {0xfd, 0x00, 0x00, 0x25}, nowhere[16] = {0xfd, 0, 0, 0x26};
    bool unreachable = s->hosts[host].scripts[family].unreachable;
    uint32_t id = (s->number - first_number) * 4 + (uint32_t)host;

    memset(out, 0, 16);
    if (family == IPV6) {
        memcpy(out, unreachable ? nowhere : local, 16);
        out[12] = 1;
        out[13] = (uint8_t)(id >> 16);
        out[14] = (uint8_t)(id >> 8);
        out[15] = (uint8_t)id;
        return;
    }
    out[0] = unreachable ? 10 : 127;
    out[1] = (uint8_t)(1 + (id >> 16));
    out[2] = (uint8_t)(id >> 8);
    out[3] = (uint8_t)id;
}

struct session {
    int fd;
    SSL *ssl;
    struct situation *situation;
    const struct script *script;
    size_t host;
    unsigned family;
    int delivery; /* -1: not known yet */
    bool has_mail, requiretls, hdrs;
    char buffer[4096];
    size_t len, at;
};

static bool find_script(struct session *session)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    uint32_t id;

    if (getsockname(session->fd, (struct sockaddr *)&address, &len) != 0)
        return false;
    if (address.ss_family == AF_INET) {
        uint32_t ip = ntohl(((struct sockaddr_in *)&address)->sin_addr.s_addr);

        id = (ip & 0xffffff) - 0x10000;
        session->family = IPV4;
    } else {
        const uint8_t *ip = ((struct sockaddr_in6 *)&address)->sin6_addr.s6_addr;

        id = (uint32_t)ip[13] << 16 | (uint32_t)ip[14] << 8 | ip[15];
        session->family = IPV6;
    }
    if (id / 4 >= situation_count)
        return false;
    session->situation = &situations[id / 4];
    session->host = id % 4;
    session->script = &session->situation->hosts[session->host].scripts[session->family];
    return true;
}

/* ---- octets ---- */

static void put(struct session *session, const char *text)
{
    size_t len = strlen(text);

    if (session->ssl != NULL)
        SSL_write(session->ssl, text, (int)len);
    else if (send(session->fd, text, len, MSG_NOSIGNAL) < 0)
        return;
}

static int get(struct session *session)
{
    ssize_t got;

    if (session->at < session->len)
        return (unsigned char)session->buffer[session->at++];
    got = session->ssl != NULL ? SSL_read(session->ssl, session->buffer, sizeof(session->buffer))
                               : recv(session->fd, session->buffer, sizeof(session->buffer), 0);
    if (got <= 0)
        return -1;
    session->len = (size_t)got;
    session->at = 1;
    return (unsigned char)session->buffer[0];
}

/* Without its line end; false: the connection is over. */
static bool get_line(struct session *session, char *line, size_t size)
{
    size_t len = 0;
    int c;

    while ((c = get(session)) >= 0 && c != '\n') {
        if (len + 1 < size && c != '\r')
            line[len++] = (char)c;
    }
    line[len] = '\0';
    return c >= 0;
}

static void drain(struct session *session)
{
    while (get(session) >= 0)
        ;
}

/* False: the session is over. */
static bool reply(struct session *session, int code)
{
    char text[64];

    if (code == CLOSES)
        return false;
    if (code == SILENT) {
        drain(session);
        return false;
    }
    if (code == GARBAGE)
        snprintf(text, sizeof(text), "\x16\x03 hello\r\n");
    else
        snprintf(text, sizeof(text), "%d as the script has it\r\n", code);
    put(session, text);
    return code != 421 && code != GARBAGE;
}

static void offer(struct session *session, unsigned offers)
{
    static const struct {
        unsigned bit;
        const char *keyword;
    } all[] = {{OFFER_STARTTLS, "STARTTLS"},    {OFFER_PIPELINING, "PIPELINING"},
               {OFFER_8BITMIME, "8BITMIME"},    {OFFER_SMTPUTF8, "SMTPUTF8"},
               {OFFER_SIZE_SMALL, "SIZE 10"},   {OFFER_DSN, "DSN"},
               {OFFER_REQUIRETLS, "REQUIRETLS"}};
    char text[256] = "";

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if ((offers & all[i].bit) != 0)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "250-%s\r\n",
                     all[i].keyword);
    }
    put(session, text);
    put(session, "250 HELP\r\n");
}

/* ---- TLS ---- */

/* Plaintext behind the reply is in one piece with it, or it could come too late to be seen. */
static bool start_tls(struct session *session)
{
    const struct script *script = session->script;

    if (script->starttls != 220)
        return reply(session, script->starttls);
    put(session, script->injects ? "220 go\r\n250 injected\r\n" : "220 go\r\n");
    if (script->handshake == HANDSHAKE_CLOSES)
        return false;
    if (script->handshake == HANDSHAKE_GARBAGE) {
        get(session);
        put(session, "554 5.7.0 no TLS today\r\n");
        drain(session);
        return false;
    }
    session->ssl = SSL_new(contexts[script->leaf][script->old_tls]);
    SSL_set_fd(session->ssl, session->fd);
    session->at = session->len = 0;
    return SSL_accept(session->ssl) == 1;
}

/* ---- what is told ---- */

static struct seen *seen_of(struct session *session)
{
    return &session->situation->seen[session->delivery > 0 ? session->delivery : 0][session->host]
                                    [session->family];
}

/* The delivery is known by the addresses, d0@ and d1@. */
static void note_delivery(struct session *session, const char *line)
{
    const char *at = strstr(line, "<d");

    if (at != NULL && (at[2] == '0' || at[2] == '1') && session->delivery < 0)
        session->delivery = at[2] - '0';
}

static void note_mail(struct session *session)
{
    struct seen *seen = seen_of(session);

    seen->mails++;
    seen->mails_in_clear += session->ssl == NULL;
    seen->mails_requiretls += session->requiretls;
    seen->mails_ret_hdrs += session->hdrs;
}

/* The null sender's delivery is known by RCPT alone, which follows in any case. */
static void on_mail(struct session *session, const char *line)
{
    session->has_mail = true;
    session->delivery = -1;
    session->requiretls = strstr(line, " REQUIRETLS") != NULL;
    session->hdrs = strstr(line, " RET=HDRS") != NULL;
    note_delivery(session, line);
    if (session->delivery >= 0) {
        pthread_mutex_lock(&lock);
        note_mail(session);
        pthread_mutex_unlock(&lock);
    }
}

static void on_rcpt(struct session *session, const char *line)
{
    bool known = session->delivery >= 0;

    note_delivery(session, line);
    pthread_mutex_lock(&lock);
    if (!session->has_mail)
        seen_of(session)->others++;
    else if (!known)
        note_mail(session);
    pthread_mutex_unlock(&lock);
}

/* Up to the line with a dot alone. False: the connection is over. */
static bool read_content(struct session *session)
{
    char text[256] = "", line[200];
    struct seen *seen = seen_of(session);

    while (get_line(session, line, sizeof(line))) {
        if (strcmp(line, ".") == 0) {
            pthread_mutex_lock(&lock);
            seen->contents++;
            seen->changed += strcmp(text, servers_content) != 0;
            pthread_mutex_unlock(&lock);
            return true;
        }
        pthread_mutex_lock(&lock);
        seen->octets += (unsigned)strlen(line) + 2;
        pthread_mutex_unlock(&lock);
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\r\n",
                 line[0] == '.' ? line + 1 : line);
    }
    return false;
}

/* ---- a session ---- */

static bool is_command(const char *line, const char *command)
{
    return strncasecmp(line, command, strlen(command)) == 0;
}

/* How far the transaction is: a refused MAIL refuses RCPT too. */
struct transaction {
    bool mail, rcpt;
};

static bool on_data(struct session *session, struct transaction *transaction)
{
    if (!transaction->rcpt)
        return reply(session, 503);
    if (session->script->data != 354)
        return reply(session, session->script->data);
    put(session, "354 go on\r\n");
    return read_content(session) && reply(session, session->script->dot);
}

static bool on_command(struct session *session, struct transaction *transaction, const char *line)
{
    const struct script *script = session->script;
    bool tls = session->ssl != NULL;
    int ehlo = tls ? script->ehlo_tls : script->ehlo;

    if (is_command(line, "EHLO")) {
        if (ehlo != 250)
            return reply(session, ehlo);
        put(session, "250-server.example\r\n");
        offer(session, tls ? script->offers_tls : script->offers);
        return true;
    }
    if (is_command(line, "STARTTLS"))
        return start_tls(session);
    if (is_command(line, "MAIL")) {
        on_mail(session, line);
        transaction->rcpt = false;
        transaction->mail = script->mail == 250;
        return reply(session, script->mail);
    }
    if (is_command(line, "RCPT")) {
        on_rcpt(session, line);
        if (!transaction->mail)
            return reply(session, 503);
        transaction->rcpt |= script->rcpt == 250;
        return reply(session, script->rcpt);
    }
    if (is_command(line, "DATA"))
        return on_data(session, transaction);
    if (is_command(line, "QUIT")) {
        put(session, "221 bye\r\n");
        return false;
    }
    return reply(session, 250); /* HELO, RSET */
}

static void serve(struct session *session)
{
    struct transaction transaction = {false, false};
    char line[1200];

    if (session->script->greeting != 220) {
        if (reply(session, session->script->greeting))
            drain(session);
        return;
    }
    put(session, "220 server.example\r\n");
    while (get_line(session, line, sizeof(line)) && on_command(session, &transaction, line))
        ;
}

/* What is left to be read when a socket is closed would take back the last replies. */
static void hang_up(struct session *session)
{
    const struct timeval time = {.tv_sec = 5};
    char rest[512];

    if (session->ssl != NULL) {
        SSL_shutdown(session->ssl);
        SSL_free(session->ssl);
    }
    shutdown(session->fd, SHUT_WR);
    setsockopt(session->fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
    while (recv(session->fd, rest, sizeof(rest), 0) > 0)
        ;
    close(session->fd);
}

static void *run_session(void *arg)
{
    struct session *session = arg;

    if (find_script(session)) {
        pthread_mutex_lock(&lock);
        session->situation->connected[session->host][session->family]++;
        pthread_mutex_unlock(&lock);
        serve(session);
    }
    hang_up(session);
    free(session);
    pthread_mutex_lock(&lock);
    connections--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void *run_listener(void *arg)
{
    int listener = (int)(intptr_t)arg, fd;
    pthread_attr_t attributes;
    pthread_t thread;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 256 * 1024);
    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        struct session *session = calloc(1, sizeof(*session));

        if (session == NULL)
            die("calloc");
        session->fd = fd;
        session->delivery = -1;
        pthread_mutex_lock(&lock);
        connections++;
        pthread_mutex_unlock(&lock);
        if (pthread_create(&thread, &attributes, run_session, session) != 0)
            die("pthread_create");
    }
    die("accept");
    return NULL;
}

static void make_contexts(void)
{
    static const enum cert_id ids[LEAVES] = {
        [LEAF_FIRST] = CERT_MX,        [LEAF_SECOND] = CERT_OTHER_NAME,
        [LEAF_BOTH] = CERT_SECOND,     [LEAF_WILDCARD] = CERT_WILDCARD,
        [LEAF_CN] = CERT_CN,           [LEAF_NEXTHOP] = CERT_NEXTHOP,
        [LEAF_EXPIRED] = CERT_EXPIRED, [LEAF_UNTRUSTED] = CERT_OTHER_CA,
        [LEAF_SELF] = CERT_SELF,
    };

    for (size_t i = 0; i < LEAVES; i++) {
        for (int old = 0; old < 2; old++) {
            struct tls_server_terms terms = {.leaf = ids[i],
                                             .max_version = old ? TLS1_1_VERSION : 0};

            if (i != LEAF_UNTRUSTED && i != LEAF_SELF)
                terms.chain[0] = CERT_INTERMEDIATE;
            contexts[i][old] = tls_pair_server(&terms);
        }
    }
}

static int listen_at(const struct sockaddr *address, socklen_t len)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    if (fd < 0)
        die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (address->sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    if (bind(fd, address, len) != 0 || listen(fd, 1024) != 0)
        die("listen");
    return fd;
}

void servers_start(struct situation *all, unsigned first, unsigned count)
{
    const struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(SERVERS_PORT)};
    const struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(SERVERS_PORT)};
    const int fds[] = {listen_at((const struct sockaddr *)&ipv4, sizeof(ipv4)),
                       listen_at((const struct sockaddr *)&ipv6, sizeof(ipv6))};
    pthread_t thread;

    situations = all;
    first_number = first;
    situation_count = count;
    make_contexts();
    for (size_t i = 0; i < 2; i++) {
        if (pthread_create(&thread, NULL, run_listener, (void *)(intptr_t)fds[i]) != 0)
            die("pthread_create");
        pthread_detach(thread);
    }
}

void servers_settle(void)
{
    pthread_mutex_lock(&lock);
    while (connections > 0)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}
