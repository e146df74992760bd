/*
 * The content of a message as it follows DATA (RFC 5321 sections 2.3.8, 4.1.1.4 and 4.5.2), in
 * pieces. Pure.
 */
#ifndef POLICY_SMTP_SMTP_DATA_H
#define POLICY_SMTP_SMTP_DATA_H

#include "policy/smtp_out.h"

#include <stdbool.h>

struct smtp_data {
    bool inside_line; /* the last octet was not the end of a line */
    bool cr;          /* the last octet was a CR, of which it is not known yet whether LF follows */
};

/* Before the first piece of a message. */
void smtp_data_init(struct smtp_data *data);

/*
 * Appends a piece, at most twice as long and an octet. A dot at the begin of a line is doubled. The
 * only line end is CRLF: a CR or LF that stands alone becomes a blank, also where the pieces are
 * cut between the two. A lack of memory is noted in `out`.
 */
void smtp_data_piece(struct smtp_data *data, struct smtp_out *out, const char *octets, size_t len);

/* Ends the last line if need be, and the message: a line with a dot alone. */
void smtp_data_end(const struct smtp_data *data, struct smtp_out *out);

#endif
