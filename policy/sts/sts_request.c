/*
 * One HTTPS request for an MTA-STS policy file (RFC 8461 section 3.3): sts_connect.c makes the
 * connection, tls_client.c verifies the host, http_response.c reads what it says, sts_result.c says
 * what came of it. Called back from the event loop, on_connected() and on_socket() go through enum
 * step in its order; request_settle() ends it with its result, FETCH_OK or why not.
 *
 * What a policy host could do to us, and what is done about it here: answer too much (header and
 * body are counted as they come), lead elsewhere (a redirect is no policy), hide behind another's
 * certificate (nothing is asked of a host that was not verified). Each request has a connection and
 * a TLS session of its own; neither outlives it.
 */
#include "sts/sts_request.h"

#include "policy/nexthop.h"
#include "smtp/smtp_stream.h"
#include "sts/http_response.h"
#include "sts/sts_connect.h"
#include "sts/sts_result.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    READ_SIZE = 16384, /* a TLS record */
    /* Octets from the network beyond those of header and body: certificates, and what TLS adds. */
    TLS_MAX = 512 * 1024,
};

enum step {
    STEP_CONNECT, /* entered first */
    STEP_TLS,     /* from STEP_CONNECT: the handshake */
    STEP_ASK,     /* from STEP_TLS: the host is verified, the request is written */
    STEP_ANSWER,  /* from STEP_ASK: until the response is whole */
};

struct sts_request {
    struct event_base *base;
    struct tls_client *tls_client;
    sts_request_done_fn done;
    void *arg;
    const char *host;
    uint16_t port;

    enum step step;
    struct event *connect_deadline;   /* NULL after STEP_TLS */
    struct sts_connect *connect;      /* NULL after STEP_CONNECT */
    struct smtp_stream stream;        /* from STEP_TLS on */
    struct tls_connection *tls;       /* likewise; or NULL */
    struct event *on_read, *on_write; /* likewise */
    bool watches_read, watches_write;
    char ask[NEXTHOP_NAME_MAX + 256];
    size_t ask_len, asked;
    struct http_response response;

    struct sts_result result;
};

static void remove_event(struct event **event)
{
    if (*event != NULL)
        event_free(*event);
    *event = NULL;
}

/* Ends the request, which may be freed now. */
static void request_settle(struct sts_request *request)
{
    request->done(&request->result.fetch, request->arg);
}

static void settle_local(struct sts_request *request)
{
    sts_result_local(&request->result);
    request_settle(request);
}

/* After something was read. Returns whether the request has ended. */
static bool judge(struct sts_request *request, enum http_response_status status)
{
    if (!sts_result_response(&request->response, status, &request->result))
        return false;
    request_settle(request);
    return true;
}

/* Returns whether the request has ended. */
static bool on_lost(struct sts_request *request)
{
    if (request->stream.error == ENOMEM)
        settle_local(request);
    else
        judge(request, http_response_end(&request->response, request->stream.ended));
    return true;
}

/* Reads all that is there: OpenSSL may hold some of it, for which the socket is not ready again. */
static bool read_answer(struct sts_request *request)
{
    char octets[READ_SIZE];
    size_t len;

    for (;;) {
        switch (smtp_stream_read(&request->stream, octets, sizeof(octets), &len)) {
        case SMTP_STREAM_DONE:
            if (judge(request, http_response_read(&request->response, octets, len)))
                return true;
            break;
        case SMTP_STREAM_AGAIN:
            return false;
        case SMTP_STREAM_LOST:
        default:
            return on_lost(request);
        }
    }
}

/* Returns whether the request has ended. */
static bool ask(struct sts_request *request)
{
    size_t written;

    while (request->asked < request->ask_len) {
        switch (smtp_stream_write(&request->stream, request->ask + request->asked,
                                  request->ask_len - request->asked, &written)) {
        case SMTP_STREAM_DONE:
            request->asked += written;
            break;
        case SMTP_STREAM_AGAIN:
            return false;
        case SMTP_STREAM_LOST:
        default:
            return on_lost(request);
        }
    }
    request->step = STEP_ANSWER;
    return SSL_has_pending(tls_connection_ssl(request->tls)) != 0 && read_answer(request);
}

/* Returns whether the request has ended. */
static bool shake(struct sts_request *request)
{
    unsigned long openssl_error = 0;
    enum smtp_stream_status status = smtp_stream_handshake(&request->stream, &openssl_error);
    struct tls_peer peer;

    if (status == SMTP_STREAM_AGAIN)
        return false;
    tls_connection_finish(request->tls, openssl_error, &peer);
    if (status != SMTP_STREAM_DONE || !peer.met) {
        sts_result_not_verified(&peer.proof, &request->result);
        request_settle(request);
        return true;
    }
    remove_event(&request->connect_deadline);
    request->step = STEP_ASK;
    return ask(request);
}

static int watch(struct event *event, bool wanted, bool *is_watched)
{
    if (wanted == *is_watched)
        return 0;
    *is_watched = wanted;
    return wanted ? event_add(event, NULL) : event_del(event);
}

static int watch_socket(struct sts_request *request)
{
    const struct smtp_stream *stream = &request->stream;
    bool asks = request->step == STEP_ASK;
    int error = watch(request->on_read, !asks || stream->write_on_read, &request->watches_read);

    return error != 0
               ? error
               : watch(request->on_write, asks ? !stream->write_on_read : stream->read_on_write,
                       &request->watches_write);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct sts_request *request = arg;
    bool ended = false;

    (void)fd;
    (void)what;
    if (request->step == STEP_TLS)
        ended = shake(request);
    else if (request->step == STEP_ASK)
        ended = ask(request);
    else
        ended = read_answer(request);
    if (!ended && watch_socket(request) != 0)
        settle_local(request);
}

/* 0, or a negative errno: this host cannot, whatever the policy host is. */
static int begin_tls(struct sts_request *request, int fd)
{
    static const unsigned char protocols[] = "\x08http/1.1"; /* RFC 7301 */
    struct tls_demand demand;
    char endpoint[32];
    SSL *ssl;
    int error;

    tls_demand_web_pki(request->host, &demand);
    snprintf(endpoint, sizeof(endpoint), "https:%u", (unsigned)request->port);
    error = tls_connection_new(request->tls_client, &demand, endpoint, &request->tls);
    if (error != 0)
        return error;
    ssl = tls_connection_ssl(request->tls);
    request->on_read = event_new(request->base, fd, EV_READ | EV_PERSIST, on_socket, request);
    request->on_write = event_new(request->base, fd, EV_WRITE | EV_PERSIST, on_socket, request);
    if (request->on_read == NULL || request->on_write == NULL ||
        SSL_set_alpn_protos(ssl, protocols, sizeof(protocols) - 1) != 0 ||
        smtp_stream_start_tls(&request->stream, ssl) != 0) {
        ERR_clear_error();
        return -ENOMEM;
    }
    /* A record at a time would cost a system call for each, and the handshake has many. */
    SSL_set_mode(ssl, SSL_MODE_AUTO_RETRY);
    SSL_set_read_ahead(ssl, 1);
    return 0;
}

static void on_connected(int fd, int os_error, bool local, void *arg)
{
    struct sts_request *request = arg;

    sts_connect_free(request->connect);
    request->connect = NULL;
    if (fd < 0 && local) {
        settle_local(request);
    } else if (fd < 0) {
        sts_result_failed(&request->result, FETCH_FAILED, "cannot connect to the policy host: %s",
                          strerror(os_error));
        request_settle(request);
    } else {
        request->step = STEP_TLS;
        request->stream.fd = fd;
        if (begin_tls(request, fd) != 0)
            settle_local(request);
        else
            on_socket(fd, 0, request);
    }
}

static void on_connect_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct sts_request *request = arg;

    (void)fd;
    (void)what;
    sts_result_failed(&request->result, FETCH_FAILED, "timed out %s", sts_request_step(request));
    request_settle(request);
}

static bool write_ask(struct sts_request *request)
{
    char port[sizeof(":65535")] = "";
    int len;

    if (request->port != 443)
        snprintf(port, sizeof(port), ":%u", (unsigned)request->port);
    len = snprintf(request->ask, sizeof(request->ask),
                   "GET /.well-known/mta-sts.txt HTTP/1.1\r\n"
                   "Host: %s%s\r\n"
                   "User-Agent: requiretls-milter/" POLICY_VERSION "\r\n"
                   "Accept: text/plain\r\n"
                   "Connection: close\r\n\r\n",
                   request->host, port);
    request->ask_len = (size_t)len;
    return len > 0 && (size_t)len < sizeof(request->ask);
}

struct sts_request *sts_request_new(const struct sts_request_terms *terms, sts_request_done_fn done,
                                    void *arg)
{
    struct sts_request *request = calloc(1, sizeof(*request));
    struct timeval tv = {.tv_sec = terms->connect_timeout_ms / 1000,
                         .tv_usec = terms->connect_timeout_ms % 1000 * 1000};

    if (request == NULL)
        return NULL;
    request->base = terms->base;
    request->tls_client = terms->tls_client;
    request->done = done;
    request->arg = arg;
    request->host = terms->host;
    request->port = terms->port;
    request->stream = (struct smtp_stream){
        .fd = -1, .octets_max = TLS_MAX + 2 * (HTTP_RESPONSE_HEAD_MAX + terms->max_policy)};
    http_response_init(&request->response, terms->max_policy);
    request->connect_deadline = evtimer_new(terms->base, on_connect_deadline, request);
    request->connect =
        sts_connect_new(terms->base, terms->addresses, terms->port, on_connected, request);
    if (!write_ask(request) || request->connect_deadline == NULL || request->connect == NULL ||
        event_add(request->connect_deadline, &tv) != 0) {
        sts_request_free(request);
        return NULL;
    }
    return request;
}

void sts_request_free(struct sts_request *request)
{
    if (request == NULL)
        return;
    remove_event(&request->connect_deadline);
    remove_event(&request->on_read);
    remove_event(&request->on_write);
    sts_connect_free(request->connect);
    smtp_stream_close(&request->stream);
    tls_connection_free(request->tls);
    http_response_fini(&request->response);
    free(request);
}

const char *sts_request_step(const struct sts_request *request)
{
    switch (request->step) {
    case STEP_CONNECT:
        return "connecting to the policy host";
    case STEP_TLS:
        return "in the TLS handshake with the policy host";
    case STEP_ASK:
    case STEP_ANSWER:
    default:
        return request->response.head_len > 0 ? "receiving the policy"
                                              : "waiting for the policy host's answer";
    }
}
