/*
 * Usability of a TLSA record for SMTP (RFC 6698 section 4.1, RFC 7671 sections 5 and 9, RFC 7672
 * section 3.1). Pure. Whether a certificate matches a record is left to whoever speaks TLS.
 */
#ifndef POLICY_TLS_TLSA_H
#define POLICY_TLS_TLSA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RFC 7218 */
enum tlsa_usage { TLSA_PKIX_TA = 0, TLSA_PKIX_EE = 1, TLSA_DANE_TA = 2, TLSA_DANE_EE = 3 };
enum tlsa_selector { TLSA_CERT = 0, TLSA_SPKI = 1 };
enum tlsa_matching_type { TLSA_FULL = 0, TLSA_SHA2_256 = 1, TLSA_SHA2_512 = 2 };

/*
 * Whether an SMTP client can authenticate a server by this record. False for anything unknown or
 * malformed, and when out of memory. Any thread; leaves OpenSSL's error queue as it was.
 */
bool tlsa_usable(uint8_t usage, uint8_t selector, uint8_t matching_type, const uint8_t *data,
                 size_t len);

#endif
