/*
 * The response of an HTTP/1.1 server to one GET (RFC 9112), octet by octet: status, Content-Type
 * and body. Pure, but for the memory of the body.
 *
 * Strict where two readers could differ: a length that is no plain number or given twice with two
 * values, a length beside a transfer coding, a coding but chunked, a line without a colon, NUL and
 * a lone CR are errors. Bounded: whatever is not body counts against HTTP_RESPONSE_HEAD_MAX, also
 * interim responses, chunk sizes and trailers.
 *
 * Why not libevent's evhttp, or libcurl: evhttp of libevent 2.1 crashes when some of its
 * allocations fail, takes others for errors of the server, asks before the server can be verified,
 * and knows no interim response but 100, and that one not always. libcurl makes a new SSL_CTX for
 * each connection, which costs more processor time than all else but the handshake.
 */
#ifndef POLICY_STS_HTTP_RESPONSE_H
#define POLICY_STS_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_RESPONSE_HEAD_MAX = 64 * 1024, /* octets of all lines together */
    HTTP_RESPONSE_LINE_KEPT = 512, /* of each line; what follows counts, but is not looked at */
};

enum http_response_status {
    HTTP_RESPONSE_MORE,          /* all octets are read, and it goes on */
    HTTP_RESPONSE_DONE,          /* it is whole */
    HTTP_RESPONSE_BAD,           /* no HTTP/1 response, or an ambiguous one */
    HTTP_RESPONSE_HEAD_TOO_LONG, /* HTTP_RESPONSE_HEAD_MAX */
    HTTP_RESPONSE_BODY_TOO_LONG, /* as it says, or as it is */
    HTTP_RESPONSE_CUT,           /* the connection ended before it was whole */
    HTTP_RESPONSE_NO_MEMORY,
};

struct http_response {
    bool has_head; /* the next three are valid */
    unsigned code; /* 100 to 999, and no interim one but 101 */
    bool has_content_type;
    char content_type[HTTP_RESPONSE_LINE_KEPT + 1]; /* as sent */

    char *body; /* so far; NULL: nothing */
    size_t body_len;
    size_t body_max; /* as http_response_init was told */

    /* of http_response.c alone */
    enum http_response_status status;
    unsigned state;
    size_t body_room;
    unsigned minor; /* of the HTTP version */
    bool chunked, has_length;
    bool last_counts; /* the last field was one of those that are read */
    uint64_t left;    /* octets of the body or the chunk that are to come */
    size_t head_len;  /* octets of all lines */
    size_t line_len;
    bool line_cr; /* the last octet of the line was CR */
    char line[HTTP_RESPONSE_LINE_KEPT + 1];
};

/* body_max: octets of the body. */
void http_response_init(struct http_response *response, size_t body_max);
void http_response_fini(struct http_response *response); /* twice is allowed */

/*
 * Reads what the server has sent next. After another status than MORE octets are ignored, and the
 * status stays. has_head may be true with each of them, and is looked at first: the body of a
 * response that is of no use does not matter.
 */
enum http_response_status http_response_read(struct http_response *response, const char *octets,
                                             size_t len);

/*
 * The connection has ended; by_peer: as TLS's close_notify says, which nobody between can make up.
 * A body that ends with the connection is whole only then (RFC 9112 section 9.8). Never MORE.
 */
enum http_response_status http_response_end(struct http_response *response, bool by_peer);

#endif
