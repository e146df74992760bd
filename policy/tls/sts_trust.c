/*
 * Trust in a policy host (RFC 8461 section 3.3, RFC 6125 section 6.4).
 *
 * libcurl takes a common name where a certificate has no subjectAltName; the RFC allows the DNS-ID
 * only. OpenSSL's own host check does that when told never to look at the subject, and it runs as a
 * part of the verification, so the result is a certificate error like any other. Wildcards stand
 * for the whole left-most label. Revocation is not looked at, which the RFC leaves open.
 */
#include "tls/sts_trust.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

static int load_file(X509_STORE *store, const char *ca_file, char *err, size_t err_len)
{
    const char *why = "there are none in it";
    FILE *file = fopen(ca_file, "re");

    if (file != NULL)
        fclose(file);
    else
        why = strerror(errno);
    if (file != NULL && X509_STORE_load_file(store, ca_file) == 1)
        return 0;
    snprintf(err, err_len, "%s: cannot load CA certificates: %s", ca_file, why);
    return -EINVAL;
}

/* OpenSSL reads the directory when it needs to, and says nothing if it is not there. */
static int load_path(X509_STORE *store, const char *ca_path, char *err, size_t err_len)
{
    const char *why = "out of memory";
    DIR *dir = opendir(ca_path);

    if (dir != NULL)
        closedir(dir);
    else
        why = strerror(errno);
    if (dir != NULL && X509_STORE_load_path(store, ca_path) == 1)
        return 0;
    snprintf(err, err_len, "%s: not a directory of CA certificates: %s", ca_path, why);
    return -EINVAL;
}

static int load_authorities(X509_STORE *store, const char *ca_file, const char *ca_path, char *err,
                            size_t err_len)
{
    int r = 0;

    if (ca_file == NULL && ca_path == NULL && X509_STORE_set_default_paths(store) != 1) {
        snprintf(err, err_len, "cannot load the system's CA certificates");
        return -EINVAL;
    }
    if (ca_file != NULL)
        r = load_file(store, ca_file, err, err_len);
    if (r == 0 && ca_path != NULL)
        r = load_path(store, ca_path, err, err_len);
    return r;
}

int sts_trust_load(const char *ca_file, const char *ca_path, X509_STORE **out, char *err,
                   size_t err_len)
{
    X509_STORE *store;
    int r;

    ERR_set_mark();
    store = X509_STORE_new();
    if (store == NULL) {
        snprintf(err, err_len, "out of memory");
        r = -ENOMEM;
    } else {
        r = load_authorities(store, ca_file, ca_path, err, err_len);
    }
    ERR_pop_to_mark();
    if (r != 0) {
        X509_STORE_free(store);
        return r;
    }
    *out = store;
    return 0;
}

static pthread_once_t closed_once = PTHREAD_ONCE_INIT;
static int closed_index; /* of an SSL_CTX: not NULL once the peer has said close_notify */

static void closed_init(void)
{
    closed_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

static void on_tls_info(const SSL *ssl, int where, int value)
{
    static char closed;

    if (where == SSL_CB_READ_ALERT && (value & 0xff) == SSL_AD_CLOSE_NOTIFY)
        SSL_CTX_set_ex_data(SSL_get_SSL_CTX(ssl), closed_index, &closed);
}

bool sts_trust_closed(const SSL_CTX *ctx)
{
    return SSL_CTX_get_ex_data(ctx, closed_index) != NULL;
}

int sts_trust_apply(SSL_CTX *ctx, X509_STORE *store, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);

    /* Not the context's ordinary store: libcurl fills that one, or puts in one it has kept from an
     * earlier connection, after this function has returned. */
    if (SSL_CTX_set1_verify_cert_store(ctx, store) != 1)
        return -ENOMEM;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    /* A resumed session would skip the certificate. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
                                               X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    pthread_once(&closed_once, closed_init);
    SSL_CTX_set_info_callback(ctx, on_tls_info);
    if (X509_VERIFY_PARAM_set1_host(param, host, 0) != 1)
        return -ENOMEM;
    return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 ? 0 : -ENOMEM;
}
