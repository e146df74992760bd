/*
 * Tickets in the header of a returned message: they are between this host's filter and its delivery
 * agent, and no business of who gets the bounce. Pure.
 */
#ifndef MILTER_DSN_DSN_TICKET_H
#define MILTER_DSN_DSN_TICKET_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the line, given from its beginning, belongs to a ticket field: begins or continues one.
 * To be asked of each line of a header in turn; *within is whether the last one did, false before
 * the first. */
bool dsn_ticket_line(bool *within, const char *line, size_t len);

#endif
