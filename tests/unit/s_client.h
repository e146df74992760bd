/*
 * The openssl program in the place of the TLS client under test: `openssl s_client` against
 * `openssl s_server`, over a unix socket. Any failure to get an answer aborts the test.
 */
#ifndef TESTS_UNIT_S_CLIENT_H
#define TESTS_UNIT_S_CLIENT_H

#include "policy/tls_demand.h"
#include "tls_pair.h"

/* Whether it accepts the server for one of the demand's names, by itself; the CA is CERT_ROOT. */
bool s_client_accepts(const struct tls_demand *demand, const struct tls_server_terms *server);

#endif
