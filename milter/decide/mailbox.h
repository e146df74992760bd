/*
 * Addresses that a routing tag can be added to. RFC 5321 section 4.1.2. Pure: no I/O.
 */
#ifndef MILTER_DECIDE_MAILBOX_H
#define MILTER_DECIDE_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether the address is `local-part@domain` exactly as RFC 5321 section 4.1.2 has it, with UTF-8
 * allowed (RFC 6531) and one dot at the end: no comment, blank, bracket, comma, colon or second
 * address that an MTA would read in its own way. An address literal is none.
 */
bool mailbox_is_plain(const char *address);

/*
 * Writes the address as a plain one: as it is; else, where it has no domain or an address literal,
 * what the MTA has made of it (`resolved`, {rcpt_addr}); and where that is a name of this host
 * without a domain, its local part at `host`, this host's own name ({j}). resolved and host may be
 * NULL. Returns false when that gives no plain address of less than out_len octets; out is then
 * empty.
 */
bool mailbox_qualify(const char *address, const char *resolved, const char *host, char *out,
                     size_t out_len);

/*
 * The address that rules look at: one of several spellings (a quoted local part that need not be
 * quoted, `user%domain`, `domain!user`, no domain) is taken for what the MTA has made of it.
 * resolved: that; NULL: the MTA does not tell. Returns one of the two, never NULL.
 */
const char *mailbox_meant(const char *address, const char *resolved);

#endif
