/*
 * A TCP connection that does not block, in plaintext or with TLS: its descriptor, and for which
 * events it waits. For smtp_transport.c, and for the fetch of MTA-STS policies. One thread.
 */
#ifndef POLICY_SMTP_SMTP_STREAM_H
#define POLICY_SMTP_SMTP_STREAM_H

#include <stdbool.h>

#include <openssl/ssl.h>
#include <sys/socket.h>

struct smtp_stream {
    int fd;             /* -1: none */
    SSL *ssl;           /* borrowed until smtp_stream_close; NULL: plaintext */
    size_t octets;      /* received; the owner sets it to 0 */
    size_t octets_max;  /* beyond this it is an error, EMSGSIZE */
    unsigned reads;     /* that OpenSSL may still do in this call */
    int error;          /* a positive errno, if one was the cause of SMTP_STREAM_LOST; ENOMEM also
                           when OpenSSL lacked memory */
    bool local;         /* smtp_stream_connect failed for something that is of this host */
    bool read_on_write; /* reading, or the handshake, goes on when the socket can be written */
    bool write_on_read; /* and the reverse */
    bool ended;         /* SMTP_STREAM_LOST with TLS: the peer said close_notify, so that nothing is
                           missing of what it sent */
};

enum smtp_stream_status {
    SMTP_STREAM_DONE,  /* some octets, or the handshake */
    SMTP_STREAM_AGAIN, /* when the socket is ready */
    SMTP_STREAM_LOST,  /* closed by the peer, or an error */
};

/* 0: being connected, the socket can be written once that is settled; or a negative errno. `source`
 * NULL: the system chooses. */
int smtp_stream_connect(struct smtp_stream *stream, const struct sockaddr *address,
                        const struct sockaddr *source);
/* Then: 0, or the negative errno of the attempt. */
int smtp_stream_connected(const struct smtp_stream *stream);

/* At most `size` octets; `len` is how many, 1 or more with SMTP_STREAM_DONE. */
enum smtp_stream_status smtp_stream_read(struct smtp_stream *stream, char *octets, size_t size,
                                         size_t *len);
/* Some of the octets. After SMTP_STREAM_AGAIN the next call has the same, and perhaps more. */
enum smtp_stream_status smtp_stream_write(struct smtp_stream *stream, const char *octets,
                                          size_t len, size_t *written);

/* From now on TLS. 0 or -ENOMEM. */
int smtp_stream_start_tls(struct smtp_stream *stream, SSL *ssl);
/* openssl_error, after SMTP_STREAM_LOST: the first that OpenSSL has, or that it lacked memory; 0:
 * closed. */
enum smtp_stream_status smtp_stream_handshake(struct smtp_stream *stream,
                                              unsigned long *openssl_error);

void smtp_stream_close(struct smtp_stream *stream); /* says close_notify if it can be had at once */

#endif
