/*
 * The header of a message that goes through the delivery agent: what it asks for is read, tickets
 * (ticket.h) are taken out, and the place of TLS-Required fields is noted. Pure.
 */
#ifndef MILTER_DELIVER_CONTENT_HEADER_H
#define MILTER_DELIVER_CONTENT_HEADER_H

#include "base/octets.h"
#include "decide/request.h"
#include "deliver/content.h"
#include "policy/arena.h"
#include "ticket/ticket.h"

enum {
    /* A field longer than this is passed on in pieces. Tickets are much shorter. */
    CONTENT_HEADER_FIELD_MAX = 8192,
    /* That are kept: the filter writes no more. All are taken out. */
    CONTENT_HEADER_TICKETS_MAX = TICKETS_MAX,
    /* TLS-Required fields that are kept; a message may have one (RFC 8689 section 3). */
    CONTENT_HEADER_WAIVERS_MAX = CONTENT_PARTS_MAX,
};

struct content_header { /* zero-initialised: before the first octet */
    struct request_header request;
    const char **tickets; /* values, unfolded; belong to the arena */
    size_t ticket_count;
    struct content_part waivers[CONTENT_HEADER_WAIVERS_MAX]; /* TLS-Required fields, in `kept` */
    size_t waiver_count;
    uint64_t kept; /* octets, up to the end of the header */
    bool ended;    /* what follows is kept as it is */
    struct arena arena;
    struct octets field; /* that is being read, as it came */
    enum content_header_part {
        CONTENT_HEADER_COLLECTED, /* in `field` */
        CONTENT_HEADER_PASSED,    /* the rest of a long field, kept */
        CONTENT_HEADER_WAIVER,    /* the rest of a long TLS-Required, kept */
        CONTENT_HEADER_DROPPED,   /* the rest of a long ticket */
    } part;
    bool begun;       /* there was a first octet */
    bool inside_line; /* the last octet was not the end of a line */
};

void content_header_fini(struct content_header *header);

/*
 * Reads a piece of the content (lines end in CRLF, of which no part stands alone), and appends to
 * `kept` what is to be kept of it and of pieces before; some of it may come later. The header ends
 * at the first line that neither begins nor continues a field; from then on all is kept. 0 or
 * -ENOMEM.
 */
int content_header_piece(struct content_header *header, const char *octets, size_t len,
                         struct octets *kept);

/* The content has ended. 0 or -ENOMEM. */
int content_header_end(struct content_header *header, struct octets *kept);

#endif
