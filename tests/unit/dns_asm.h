/*
 * Writes DNS messages from text, so that tests show what is on the wire. Tokens, parted by blanks:
 *
 *   81a0            octets in hex
 *   #3 ##3600       16 and 32 bits in decimal
 *   example.org.    a name, uncompressed; `.` is the root
 *   @12             a compression pointer
 *   "text"          a character string with its length octet (no blanks or escapes)
 *   A MX TXT OPT .. a type; IN a class
 *   { .. }          RDATA, with its length before it; x*300 after a hex token repeats it
 */
#ifndef TESTS_UNIT_DNS_ASM_H
#define TESTS_UNIT_DNS_ASM_H

#include <stddef.h>
#include <stdint.h>

/* Returns the length; a token that is none of these fails the test. */
size_t dns_asm(const char *text, uint8_t *out, size_t out_len);

#endif
