/*
 * Socket calls and OpenSSL of an SMTP connection: smtp_stream_connect and smtp_stream_connected,
 * then smtp_stream_read and smtp_stream_write; smtp_stream_start_tls and smtp_stream_handshake make
 * it TLS; smtp_stream_close ends it. Each gives one of three results, DONE, AGAIN or LOST, and
 * never waits.
 *
 * OpenSSL reads and writes by a BIO of its own here, which bounds how much it reads: in one call it
 * would go on for as long as a peer sends what is no application data. It sends without SIGPIPE.
 */
#include "smtp/smtp_stream.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum {
    RECORD_MAX = 16384, /* octets of a TLS record; what is written in one call */
    READS_MAX = 64,     /* of OpenSSL in one call: it has two for a record */
};

static socklen_t address_size(const struct sockaddr *address)
{
    return address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                          : sizeof(struct sockaddr_in);
}

static int bind_source(int fd, const struct sockaddr *source)
{
    int on = 1;

#ifdef IP_BIND_ADDRESS_NO_PORT
    /* The port is chosen with the destination: else they run out sooner. Also for IPv6. */
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
#endif
    (void)on;
    return bind(fd, source, address_size(source)) == 0 ? 0 : -errno;
}

static bool is_shortage(int error)
{
    return error == ENOMEM || error == ENOBUFS || error == EMFILE || error == ENFILE;
}

/* 0 or a negative errno; `local` too. */
static int connect_from(struct smtp_stream *stream, int fd, const struct sockaddr *address,
                        const struct sockaddr *source)
{
    int error = source != NULL ? bind_source(fd, source) : 0;

    stream->local = error != 0;
    if (error == 0 && connect(fd, address, address_size(address)) != 0 && errno != EINPROGRESS) {
        error = -errno;
        stream->local = is_shortage(errno);
    }
    return error;
}

int smtp_stream_connect(struct smtp_stream *stream, const struct sockaddr *address,
                        const struct sockaddr *source)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1, error;

    if (fd < 0) {
        error = -errno;
        stream->local = is_shortage(errno);
        return error;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    error = connect_from(stream, fd, address, source);
    if (error == 0)
        stream->fd = fd;
    else
        close(fd);
    return error;
}

int smtp_stream_connected(const struct smtp_stream *stream)
{
    int error = 0;
    socklen_t size = sizeof(error);

    if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return -errno;
    return -error;
}

static bool is_again(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/* As recv; what is beyond octets_max is an error. */
static ssize_t receive(struct smtp_stream *stream, void *octets, size_t size)
{
    ssize_t got;

    if (stream->octets >= stream->octets_max) {
        errno = EMSGSIZE;
        return -1;
    }
    got = recv(stream->fd, octets, size, 0);
    if (got > 0)
        stream->octets += (size_t)got;
    return got;
}

/* A server that writes its session tickets and then its reply to EHLO holds the reply back until
 * the tickets are acknowledged (RFC 896), which the system would do 40 ms later. */
static void acknowledge(int fd)
{
#ifdef TCP_QUICKACK
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
#else
    (void)fd;
#endif
}

/* BIO_meth_set_read */
static int bio_read(BIO *bio, char *octets, int size)
{
    struct smtp_stream *stream = BIO_get_data(bio);
    ssize_t got;

    BIO_clear_retry_flags(bio);
    if (stream->reads == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    stream->reads--;
    got = receive(stream, octets, (size_t)size);
    if (got > 0)
        acknowledge(stream->fd);
    else if (got < 0 && is_again(errno))
        BIO_set_retry_read(bio);
    else
        stream->error = got < 0 ? errno : 0;
    return (int)got;
}

/* BIO_meth_set_write */
static int bio_write(BIO *bio, const char *octets, int len)
{
    struct smtp_stream *stream = BIO_get_data(bio);
    ssize_t sent;

    BIO_clear_retry_flags(bio);
    sent = send(stream->fd, octets, (size_t)len, MSG_NOSIGNAL);
    if (sent < 0 && is_again(errno))
        BIO_set_retry_write(bio);
    else if (sent < 0)
        stream->error = errno;
    return (int)sent;
}

/* BIO_meth_set_ctrl: nothing is kept back here. */
static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static pthread_once_t method_once = PTHREAD_ONCE_INIT;
static BIO_METHOD *method; /* NULL: no memory */

static void method_init(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "smtp_stream");
    if (method == NULL)
        return;
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
}

int smtp_stream_start_tls(struct smtp_stream *stream, SSL *ssl)
{
    BIO *bio;

    pthread_once(&method_once, method_init);
    bio = method != NULL ? BIO_new(method) : NULL;
    if (bio == NULL)
        return -ENOMEM;
    BIO_set_data(bio, stream);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    /* One record a call: others have their turn on this thread too. */
    SSL_clear_mode(ssl, SSL_MODE_AUTO_RETRY);
    stream->ssl = ssl;
    return 0;
}

/* Before each call of OpenSSL, whose errors tell nothing if older ones are still there. */
static void prepare_call(struct smtp_stream *stream)
{
    ERR_clear_error();
    stream->reads = READS_MAX;
    stream->error = 0;
}

/* The first error of OpenSSL's queue, or that memory is lacking, wherever that stands in it.
 * Empties the queue. */
static unsigned long take_openssl_error(void)
{
    unsigned long first = ERR_peek_error(), error;

    while ((error = ERR_get_error()) != 0) {
        if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
            first = error;
    }
    return first;
}

/* The one place that reads OpenSSL's result. `other`: it needs the socket for the reverse of what
 * it was asked for. */
static enum smtp_stream_status status_of(struct smtp_stream *stream, int result, int other_error,
                                         bool *other, unsigned long *openssl_error)
{
    int error = SSL_get_error(stream->ssl, result);

    *other = error == other_error;
    stream->ended = error == SSL_ERROR_ZERO_RETURN;
    *openssl_error = take_openssl_error();
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return SMTP_STREAM_AGAIN;
    if (ERR_GET_REASON(*openssl_error) == ERR_R_MALLOC_FAILURE)
        stream->error = ENOMEM;
    return SMTP_STREAM_LOST;
}

enum smtp_stream_status smtp_stream_handshake(struct smtp_stream *stream,
                                              unsigned long *openssl_error)
{
    enum smtp_stream_status status;
    int result;

    prepare_call(stream);
    result = SSL_connect(stream->ssl);
    stream->read_on_write = false;
    if (result == 1)
        return SMTP_STREAM_DONE;
    status = status_of(stream, result, SSL_ERROR_WANT_WRITE, &stream->read_on_write, openssl_error);
    if (status == SMTP_STREAM_LOST && *openssl_error == 0 && stream->error != 0)
        *openssl_error = (unsigned long)ERR_SYSTEM_FLAG | (unsigned long)stream->error;
    return status;
}

static enum smtp_stream_status read_tls(struct smtp_stream *stream, char *octets, size_t size,
                                        size_t *len)
{
    unsigned long openssl_error;
    int result;

    prepare_call(stream);
    result = SSL_read_ex(stream->ssl, octets, size, len);
    stream->read_on_write = false;
    if (result == 1)
        return SMTP_STREAM_DONE;
    return status_of(stream, result, SSL_ERROR_WANT_WRITE, &stream->read_on_write, &openssl_error);
}

enum smtp_stream_status smtp_stream_read(struct smtp_stream *stream, char *octets, size_t size,
                                         size_t *len)
{
    ssize_t got;

    *len = 0;
    if (stream->ssl != NULL)
        return read_tls(stream, octets, size, len);
    got = receive(stream, octets, size);
    if (got > 0) {
        *len = (size_t)got;
        return SMTP_STREAM_DONE;
    }
    if (got < 0 && is_again(errno))
        return SMTP_STREAM_AGAIN;
    stream->error = got < 0 ? errno : 0;
    return SMTP_STREAM_LOST;
}

static enum smtp_stream_status write_tls(struct smtp_stream *stream, const char *octets, size_t len,
                                         size_t *written)
{
    unsigned long openssl_error;
    int result;

    prepare_call(stream);
    result = SSL_write_ex(stream->ssl, octets, len < RECORD_MAX ? len : RECORD_MAX, written);
    stream->write_on_read = false;
    if (result == 1)
        return SMTP_STREAM_DONE;
    return status_of(stream, result, SSL_ERROR_WANT_READ, &stream->write_on_read, &openssl_error);
}

static enum smtp_stream_status write_plain(struct smtp_stream *stream, const char *octets,
                                           size_t len, size_t *written)
{
    ssize_t sent = send(stream->fd, octets, len, MSG_NOSIGNAL);

    if (sent >= 0) {
        *written = (size_t)sent;
        return SMTP_STREAM_DONE;
    }
    if (is_again(errno))
        return SMTP_STREAM_AGAIN;
    stream->error = errno;
    return SMTP_STREAM_LOST;
}

enum smtp_stream_status smtp_stream_write(struct smtp_stream *stream, const char *octets,
                                          size_t len, size_t *written)
{
    *written = 0;
    return stream->ssl != NULL ? write_tls(stream, octets, len, written)
                               : write_plain(stream, octets, len, written);
}

void smtp_stream_close(struct smtp_stream *stream)
{
    if (stream->fd < 0)
        return;
    if (stream->ssl != NULL && SSL_is_init_finished(stream->ssl) != 0) {
        prepare_call(stream);
        SSL_shutdown(stream->ssl);
        ERR_clear_error();
    }
    stream->ssl = NULL;
    close(stream->fd);
    stream->fd = -1;
}
