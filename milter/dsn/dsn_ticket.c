/*
 * Finds the lines of ticket fields in a header that comes line by line (RFC 5322 section 2.2): the
 * field's name in any case, and the lines that continue it.
 */
#include "dsn/dsn_ticket.h"

#include "base/text.h"
#include "dsn/mime_header.h"
#include "ticket/ticket.h"

#include <string.h>
#include <strings.h>

bool dsn_ticket_line(bool *within, const char *line, size_t len)
{
    const size_t name_len = sizeof(TICKET_HEADER) - 1;

    if (len > 0 && text_is_wsp(line[0]))
        return *within;
    *within = len > name_len && strncasecmp(line, TICKET_HEADER, name_len) == 0 &&
              (line[name_len] == ':' || text_is_wsp(line[name_len])) &&
              mime_header_starts_field(line, len);
    return *within;
}
