/*
 * Fuzzes what is read of a peer's certificate (DER). Besides the sanitizers' findings a crash is: a
 * name that is not printable ASCII or not ended, more names than there is room for, an error left
 * in OpenSSL's queue, a certificate that is not said to be there.
 */
#include "policy/tls_peer.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const char *name)
{
    if (strnlen(name, TLS_PEER_NAME_MAX) == TLS_PEER_NAME_MAX)
        abort();
    for (; *name != '\0'; name++)
        if (*name < ' ' || *name > '~')
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const unsigned char *at = data;
    struct tls_certificate certificate;
    X509 *x509 = d2i_X509(NULL, &at, (long)size);

    ERR_clear_error();
    if (x509 == NULL)
        return 0;
    memset(&certificate, 0xff, sizeof(certificate));
    tls_certificate_read(x509, &certificate);
    if (!certificate.present || certificate.name_count > TLS_PEER_NAMES || ERR_peek_error() != 0 ||
        (certificate.names_left_out > 0 && certificate.name_count < TLS_PEER_NAMES))
        abort();
    for (size_t i = 0; i < TLS_PEER_NAMES; i++)
        check_name(certificate.names[i]);
    X509_free(x509);
    return 0;
}
