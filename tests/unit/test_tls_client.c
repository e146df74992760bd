/*
 * The TLS client against servers of every kind, with real handshakes in memory: who is
 * authenticated, and what is said of those who are not. RFC 7671, RFC 7672 section 3, RFC 8461
 * section 4.2, RFC 6125 section 6.4.
 */
#include "policy/tls_client.h"
#include "tls/tls_verify.h"

#include "s_client.h"
#include "tls_certs.h"
#include "tls_pair.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>

enum { MAX_RECORDS = 3 };

#define MX "mx.example.org"
#define ENDPOINT "192.0.2.1:25"

struct record {
    uint8_t usage, selector, matching_type;
    enum cert_id of;
    bool unusable; /* as the findings say */
};

struct kind_of_server {
    const char *name;
    enum tls_demand_kind kind;
    const char *names[TLS_DEMAND_NAMES]; /* none: MX */
    struct record records[MAX_RECORDS];
    struct tls_server_terms server;
    enum tls_why why;
    enum tls_auth auth;
    bool s_client_differs; /* it takes the CN for a name, and parts of labels for wildcards */
};

/* A server's certificate with all that is behind it; without the root, as most have it. */
#define CHAIN(leaf_)                                                                               \
    {                                                                                              \
        .leaf = (leaf_), .chain = { CERT_INTERMEDIATE }                                            \
    }
#define WHOLE(leaf_)                                                                               \
    {                                                                                              \
        .leaf = (leaf_), .chain = { CERT_INTERMEDIATE, CERT_ROOT }                                 \
    }
#define ALONE(leaf_)                                                                               \
    {                                                                                              \
        .leaf = (leaf_)                                                                            \
    }
#define WEB_PKI TLS_DEMAND_WEB_PKI
#define DANE TLS_DEMAND_DANE
#define NAMES TLS_DEMAND_POLICY_NAMES
#define FINGERPRINT TLS_DEMAND_POLICY_FINGERPRINT

static const struct kind_of_server servers[] = {
    /* Web PKI */
    {"pki: good", WEB_PKI, .server = CHAIN(CERT_MX), .auth = TLS_AUTH_WEB_PKI},
    {"pki: MTA-STS, good", TLS_DEMAND_STS, .server = CHAIN(CERT_MX), .auth = TLS_AUTH_STS},
    {"pki: the root is sent too", WEB_PKI, .server = WHOLE(CERT_MX), .auth = TLS_AUTH_WEB_PKI},
    {"pki: TLS 1.2", WEB_PKI, .server = {CERT_MX, {CERT_INTERMEDIATE}, TLS1_2_VERSION},
     .auth = TLS_AUTH_WEB_PKI},
    {"pki: the second DNS-ID", WEB_PKI, .server = CHAIN(CERT_SECOND), .auth = TLS_AUTH_WEB_PKI},
    {"pki: the last of many DNS-IDs", WEB_PKI, .server = CHAIN(CERT_MANY),
     .auth = TLS_AUTH_WEB_PKI},
    {"pki: wildcard for the whole label", WEB_PKI, .server = CHAIN(CERT_WILDCARD),
     .auth = TLS_AUTH_WEB_PKI},
    {"pki: wildcard for part of a label", WEB_PKI, .server = CHAIN(CERT_PARTIAL),
     .why = TLS_WHY_NAME, .s_client_differs = true},
    {"pki: wildcard for no label",
     WEB_PKI,
     {"example.org"},
     .server = CHAIN(CERT_WILDCARD),
     .why = TLS_WHY_NAME},
    {"pki: wildcard for two labels",
     WEB_PKI,
     {"a.mx.example.org"},
     .server = CHAIN(CERT_WILDCARD),
     .why = TLS_WHY_NAME},
    {"pki: another name", WEB_PKI, .server = CHAIN(CERT_OTHER_NAME), .why = TLS_WHY_NAME},
    {"pki: the next-hop's name is not the host's", WEB_PKI, .server = CHAIN(CERT_NEXTHOP),
     .why = TLS_WHY_NAME},
    {"pki: only a CN", WEB_PKI, .server = CHAIN(CERT_CN), .why = TLS_WHY_NAME,
     .s_client_differs = true},
    {"pki: MTA-STS, only a CN", TLS_DEMAND_STS, .server = CHAIN(CERT_CN), .why = TLS_WHY_NAME,
     .s_client_differs = true},
    {"pki: the CN beside another DNS-ID", WEB_PKI, .server = CHAIN(CERT_CN_AND_OTHER),
     .why = TLS_WHY_NAME},
    {"pki: NUL inside the DNS-ID", WEB_PKI, .server = CHAIN(CERT_NUL), .why = TLS_WHY_NAME},
    {"pki: expired", WEB_PKI, .server = CHAIN(CERT_EXPIRED), .why = TLS_WHY_EXPIRED},
    {"pki: not yet valid", WEB_PKI, .server = CHAIN(CERT_FUTURE), .why = TLS_WHY_EXPIRED},
    {"pki: expired intermediate", WEB_PKI, .server = {CERT_UNDER_OLD, {CERT_OLD_INTERMEDIATE}},
     .why = TLS_WHY_EXPIRED},
    {"pki: another CA", WEB_PKI, .server = {CERT_OTHER_CA, {CERT_OTHER_ROOT}},
     .why = TLS_WHY_UNTRUSTED},
    {"pki: self-signed", WEB_PKI, .server = ALONE(CERT_SELF), .why = TLS_WHY_UNTRUSTED},
    {"pki: intermediate not sent", WEB_PKI, .server = ALONE(CERT_MX), .why = TLS_WHY_UNTRUSTED},
    {"pki: issued by what is no CA", WEB_PKI,
     .server = {CERT_UNDER_LEAF, {CERT_MX, CERT_INTERMEDIATE}}, .why = TLS_WHY_UNTRUSTED},
    {"pki: for clients only", WEB_PKI, .server = CHAIN(CERT_CLIENT), .why = TLS_WHY_UNTRUSTED},
    {"pki: RSA of 1024 bits", WEB_PKI, .server = CHAIN(CERT_WEAK), .why = TLS_WHY_WEAK},
    {"pki: TLS 1.1 only", WEB_PKI, .server = {CERT_MX, {CERT_INTERMEDIATE}, TLS1_1_VERSION},
     .why = TLS_WHY_PROTOCOL},
    {"pki: anonymous ciphers only", WEB_PKI, .server = {CERT_NONE}, .why = TLS_WHY_HANDSHAKE},

    /* DANE-EE(3): neither names nor dates nor CAs count */
    {"ee: 3 1 1", DANE, .records = {{3, 1, 1, CERT_MX}}, .server = CHAIN(CERT_MX),
     .auth = TLS_AUTH_DANE},
    {"ee: 3 1 2", DANE, .records = {{3, 1, 2, CERT_MX}}, .server = CHAIN(CERT_MX),
     .auth = TLS_AUTH_DANE},
    {"ee: 3 1 0", DANE, .records = {{3, 1, 0, CERT_MX}}, .server = CHAIN(CERT_MX),
     .auth = TLS_AUTH_DANE},
    {"ee: 3 0 0", DANE, .records = {{3, 0, 0, CERT_MX}}, .server = CHAIN(CERT_MX),
     .auth = TLS_AUTH_DANE},
    {"ee: 3 0 1", DANE, .records = {{3, 0, 1, CERT_MX}}, .server = CHAIN(CERT_MX),
     .auth = TLS_AUTH_DANE},
    {"ee: 3 0 2", DANE, .records = {{3, 0, 2, CERT_MX}}, .server = CHAIN(CERT_MX),
     .auth = TLS_AUTH_DANE},
    {"ee: TLS 1.2", DANE, .records = {{3, 1, 1, CERT_MX}},
     .server = {CERT_MX, {CERT_INTERMEDIATE}, TLS1_2_VERSION}, .auth = TLS_AUTH_DANE},
    {"ee: another name", DANE, .records = {{3, 1, 1, CERT_OTHER_NAME}},
     .server = CHAIN(CERT_OTHER_NAME), .auth = TLS_AUTH_DANE},
    {"ee: expired", DANE, .records = {{3, 1, 1, CERT_EXPIRED}}, .server = CHAIN(CERT_EXPIRED),
     .auth = TLS_AUTH_DANE},
    {"ee: not yet valid", DANE, .records = {{3, 0, 1, CERT_FUTURE}}, .server = CHAIN(CERT_FUTURE),
     .auth = TLS_AUTH_DANE},
    {"ee: self-signed, expired, nameless", DANE, .records = {{3, 1, 1, CERT_SELF}},
     .server = ALONE(CERT_SELF), .auth = TLS_AUTH_DANE},
    {"ee: another CA", DANE, .records = {{3, 1, 1, CERT_OTHER_CA}}, .server = ALONE(CERT_OTHER_CA),
     .auth = TLS_AUTH_DANE},
    {"ee: another key, though the Web PKI is content", DANE, .records = {{3, 1, 1, CERT_SECOND}},
     .server = CHAIN(CERT_MX), .why = TLS_WHY_NO_TLSA_MATCH},
    {"ee: 3 0 1 of another certificate", DANE, .records = {{3, 0, 1, CERT_SECOND}},
     .server = CHAIN(CERT_MX), .why = TLS_WHY_NO_TLSA_MATCH},
    {"ee: the key of the CA", DANE, .records = {{3, 1, 1, CERT_INTERMEDIATE}},
     .server = CHAIN(CERT_MX), .why = TLS_WHY_NO_TLSA_MATCH},
    {"ee: TLS 1.1 only", DANE, .records = {{3, 1, 1, CERT_MX}},
     .server = {CERT_MX, {CERT_INTERMEDIATE}, TLS1_1_VERSION}, .why = TLS_WHY_PROTOCOL},

    /* Several records */
    {"several: the last matches", DANE,
     .records = {{3, 1, 1, CERT_SECOND}, {3, 1, 1, CERT_SELF}, {3, 1, 1, CERT_MX}},
     .server = CHAIN(CERT_MX), .auth = TLS_AUTH_DANE},
    {"several: none matches", DANE,
     .records = {{3, 1, 1, CERT_SECOND}, {3, 0, 1, CERT_SELF}, {2, 0, 1, CERT_OTHER_ROOT}},
     .server = CHAIN(CERT_MX), .why = TLS_WHY_NO_TLSA_MATCH},
    {"several: DANE-EE fails, DANE-TA matches", DANE,
     .records = {{3, 1, 1, CERT_SECOND}, {2, 0, 1, CERT_INTERMEDIATE}}, .server = CHAIN(CERT_MX),
     .auth = TLS_AUTH_DANE},
    {"several: DANE-TA fails, DANE-EE matches", DANE,
     .records = {{2, 0, 1, CERT_OTHER_ROOT}, {3, 1, 1, CERT_EXPIRED}},
     .server = CHAIN(CERT_EXPIRED), .auth = TLS_AUTH_DANE},
    {"agility: SHA2-512 of another key, SHA2-256 of this", DANE,
     .records = {{3, 1, 1, CERT_MX}, {3, 1, 2, CERT_SECOND}}, .server = CHAIN(CERT_MX),
     .why = TLS_WHY_NO_TLSA_MATCH},
    {"agility: SHA2-512 of this key, SHA2-256 of another", DANE,
     .records = {{3, 1, 1, CERT_SECOND}, {3, 1, 2, CERT_MX}}, .server = CHAIN(CERT_MX),
     .auth = TLS_AUTH_DANE},
    {"agility: for each selector of its own", DANE,
     .records = {{3, 1, 1, CERT_MX}, {3, 0, 2, CERT_SECOND}}, .server = CHAIN(CERT_MX),
     .auth = TLS_AUTH_DANE},
    {"agility: Full is no digest", DANE, .records = {{3, 1, 2, CERT_SECOND}, {3, 1, 0, CERT_MX}},
     .server = CHAIN(CERT_MX), .auth = TLS_AUTH_DANE},
    {"agility: an unusable SHA2-512 does not count", DANE,
     .records = {{3, 1, 1, CERT_MX}, {3, 1, 2, CERT_SECOND, .unusable = true}},
     .server = CHAIN(CERT_MX), .auth = TLS_AUTH_DANE},
    {"unusable: the record that would match", DANE,
     .records = {{3, 1, 1, CERT_MX, .unusable = true}, {3, 1, 1, CERT_SECOND}},
     .server = CHAIN(CERT_MX), .why = TLS_WHY_NO_TLSA_MATCH},
    {"unusable: PKIX-EE beside another key", DANE,
     .records = {{1, 1, 1, CERT_MX}, {3, 1, 1, CERT_SECOND}}, .server = CHAIN(CERT_MX),
     .why = TLS_WHY_NO_TLSA_MATCH},

    /* DANE-TA(2) */
    {"ta: 2 0 1, anchor in the chain", DANE, .records = {{2, 0, 1, CERT_ROOT}},
     .server = WHOLE(CERT_MX), .auth = TLS_AUTH_DANE},
    {"ta: 2 1 1, anchor in the chain", DANE, .records = {{2, 1, 1, CERT_ROOT}},
     .server = WHOLE(CERT_MX), .auth = TLS_AUTH_DANE},
    {"ta: 2 1 2, the intermediate", DANE, .records = {{2, 1, 2, CERT_INTERMEDIATE}},
     .server = CHAIN(CERT_MX), .auth = TLS_AUTH_DANE},
    {"ta: a CA that nobody else trusts", DANE, .records = {{2, 0, 1, CERT_OTHER_ROOT}},
     .server = {CERT_OTHER_CA, {CERT_OTHER_ROOT}}, .auth = TLS_AUTH_DANE},
    {"ta: 2 0 1, anchor not sent, though the CA store has it", DANE,
     .records = {{2, 0, 1, CERT_ROOT}}, .server = CHAIN(CERT_MX), .why = TLS_WHY_NO_TLSA_MATCH},
    {"ta: 2 0 0, anchor not sent", DANE, .records = {{2, 0, 0, CERT_OTHER_ROOT}},
     .server = ALONE(CERT_OTHER_CA), .auth = TLS_AUTH_DANE},
    {"ta: 2 1 0, anchor not sent", DANE, .records = {{2, 1, 0, CERT_OTHER_ROOT}},
     .server = ALONE(CERT_OTHER_CA), .auth = TLS_AUTH_DANE},
    {"ta: another CA", DANE, .records = {{2, 0, 1, CERT_OTHER_ROOT}}, .server = WHOLE(CERT_MX),
     .why = TLS_WHY_NO_TLSA_MATCH},
    {"ta: the certificate itself is no anchor", DANE, .records = {{2, 1, 1, CERT_MX}},
     .server = CHAIN(CERT_MX), .why = TLS_WHY_NO_TLSA_MATCH},
    {"ta: another name", DANE, .records = {{2, 0, 1, CERT_ROOT}}, .server = WHOLE(CERT_OTHER_NAME),
     .why = TLS_WHY_NAME},
    {"ta: the next-hop's name",
     DANE,
     {MX, "example.org"},
     .records = {{2, 0, 1, CERT_ROOT}},
     .server = WHOLE(CERT_NEXTHOP),
     .auth = TLS_AUTH_DANE},
    {"ta: the next-hop's name, unsigned MX records",
     DANE,
     {MX},
     .records = {{2, 0, 1, CERT_ROOT}},
     .server = WHOLE(CERT_NEXTHOP),
     .why = TLS_WHY_NAME},
    {"ta: only a CN", DANE, .records = {{2, 0, 1, CERT_ROOT}}, .server = WHOLE(CERT_CN),
     .auth = TLS_AUTH_DANE},
    {"ta: the CN beside another DNS-ID", DANE, .records = {{2, 0, 1, CERT_ROOT}},
     .server = WHOLE(CERT_CN_AND_OTHER), .why = TLS_WHY_NAME},
    {"ta: wildcard for the whole label", DANE, .records = {{2, 0, 1, CERT_ROOT}},
     .server = WHOLE(CERT_WILDCARD), .auth = TLS_AUTH_DANE},
    {"ta: wildcard for part of a label", DANE, .records = {{2, 0, 1, CERT_ROOT}},
     .server = WHOLE(CERT_PARTIAL), .why = TLS_WHY_NAME, .s_client_differs = true},
    {"ta: expired", DANE, .records = {{2, 0, 1, CERT_ROOT}}, .server = WHOLE(CERT_EXPIRED),
     .why = TLS_WHY_EXPIRED},
    {"ta: issued by what is no CA", DANE, .records = {{2, 1, 1, CERT_INTERMEDIATE}},
     .server = {CERT_UNDER_LEAF, {CERT_MX, CERT_INTERMEDIATE}}, .why = TLS_WHY_UNTRUSTED},

    /* An administrator's policy: names, one with a leading dot stands for all below it */
    {"names: the host", NAMES, .server = CHAIN(CERT_MX), .auth = TLS_AUTH_WEB_PKI},
    {"names: the second of them",
     NAMES,
     {"relay.example.net", MX},
     .server = CHAIN(CERT_MX),
     .auth = TLS_AUTH_WEB_PKI},
    {"names: none of them",
     NAMES,
     {"relay.example.net", "example.org"},
     .server = CHAIN(CERT_MX),
     .why = TLS_WHY_NAME},
    {"names: below a domain",
     NAMES,
     {"example.org", ".example.org"},
     .server = CHAIN(CERT_MX),
     .auth = TLS_AUTH_WEB_PKI},
    {"names: two labels below a domain",
     NAMES,
     {"org.example", ".org"},
     .server = CHAIN(CERT_MX),
     .auth = TLS_AUTH_WEB_PKI},
    {"names: below another domain",
     NAMES,
     {"example.net", ".example.net"},
     .server = CHAIN(CERT_MX),
     .why = TLS_WHY_NAME},
    {"names: not below itself",
     NAMES,
     {"a.example", ".mx.example.org"},
     .server = CHAIN(CERT_MX),
     .why = TLS_WHY_NAME},
    {"names: a wildcard below a domain",
     NAMES,
     {"example.org", ".example.org"},
     .server = CHAIN(CERT_WILDCARD),
     .auth = TLS_AUTH_WEB_PKI},
    {"names: only a CN", NAMES, .server = CHAIN(CERT_CN), .auth = TLS_AUTH_WEB_PKI},
    {"names: the CN beside another DNS-ID", NAMES, .server = CHAIN(CERT_CN_AND_OTHER),
     .why = TLS_WHY_NAME},
    {"names: expired", NAMES, .server = CHAIN(CERT_EXPIRED), .why = TLS_WHY_EXPIRED},
    {"names: another CA", NAMES, .server = {CERT_OTHER_CA, {CERT_OTHER_ROOT}},
     .why = TLS_WHY_UNTRUSTED},
    {"names: TLS 1.1 only", NAMES, .server = {CERT_MX, {CERT_INTERMEDIATE}, TLS1_1_VERSION},
     .why = TLS_WHY_PROTOCOL},

    /* The same: fingerprints of the certificate or of its key */
    {"fingerprint: the key", FINGERPRINT, .records = {{3, 0, 1, CERT_SECOND}, {3, 1, 1, CERT_MX}},
     .server = CHAIN(CERT_MX), .auth = TLS_AUTH_FINGERPRINT},
    {"fingerprint: the certificate", FINGERPRINT, .records = {{3, 0, 1, CERT_MX}},
     .server = CHAIN(CERT_MX), .auth = TLS_AUTH_FINGERPRINT},
    {"fingerprint: self-signed, expired, nameless", FINGERPRINT, .records = {{3, 0, 1, CERT_SELF}},
     .server = ALONE(CERT_SELF), .auth = TLS_AUTH_FINGERPRINT},
    {"fingerprint: of another, though the Web PKI is content", FINGERPRINT,
     .records = {{3, 0, 1, CERT_SECOND}, {3, 1, 1, CERT_SECOND}}, .server = CHAIN(CERT_MX),
     .why = TLS_WHY_NO_FINGERPRINT_MATCH},
    {"fingerprint: of the CA", FINGERPRINT, .records = {{3, 0, 1, CERT_INTERMEDIATE}},
     .server = CHAIN(CERT_MX), .why = TLS_WHY_NO_FINGERPRINT_MATCH},
    {"fingerprint: TLS 1.1 only", FINGERPRINT, .records = {{3, 1, 1, CERT_MX}},
     .server = {CERT_MX, {CERT_INTERMEDIATE}, TLS1_1_VERSION}, .why = TLS_WHY_PROTOCOL},

    /* Nothing is verified */
    {"encrypt: self-signed, expired", TLS_DEMAND_ENCRYPT, .server = ALONE(CERT_SELF)},
    {"encrypt: another name", TLS_DEMAND_ENCRYPT, .server = CHAIN(CERT_OTHER_NAME)},
    {"encrypt: TLS 1.1 only", TLS_DEMAND_ENCRYPT,
     .server = {CERT_MX, {CERT_INTERMEDIATE}, TLS1_1_VERSION}, .why = TLS_WHY_PROTOCOL},
    {"may: self-signed, expired", TLS_DEMAND_MAY, .server = ALONE(CERT_SELF)},
    {"may: TLS 1.1 only", TLS_DEMAND_MAY, .server = {CERT_MX, {CERT_INTERMEDIATE}, TLS1_1_VERSION}},
    {"may: TLS 1.0 only", TLS_DEMAND_MAY, .server = {CERT_MX, {CERT_INTERMEDIATE}, TLS1_VERSION}},
    {"may: anonymous ciphers only", TLS_DEMAND_MAY, .server = {CERT_NONE}},
};

enum { SERVERS = sizeof(servers) / sizeof(servers[0]) };

static struct ca_store *ca_store;
static struct tls_client *client;

static uint8_t tlsa_data[MAX_RECORDS][2048];
static struct findings_tlsa tlsa[MAX_RECORDS];

static void set_records(struct tls_demand *demand, const struct record *records)
{
    for (size_t i = 0; i < MAX_RECORDS && records[i].of != CERT_NONE; i++) {
        tlsa[i] = (struct findings_tlsa){
            .usage = records[i].usage,
            .selector = records[i].selector,
            .matching_type = records[i].matching_type,
            .usable = !records[i].unusable,
            .data = tlsa_data[i],
            .data_len = (uint16_t)certs_tlsa(records[i].of, records[i].selector,
                                             records[i].matching_type, tlsa_data[i]),
        };
        demand->tlsa_count++;
    }
    demand->tlsa = tlsa;
}

static bool is_verified(enum tls_demand_kind kind)
{
    return kind != TLS_DEMAND_MAY && kind != TLS_DEMAND_ENCRYPT;
}

static struct tls_demand demand_of(const struct kind_of_server *of)
{
    struct tls_demand demand = {.kind = of->kind};

    if (!is_verified(of->kind))
        return demand;
    if (of->kind == FINGERPRINT) {
        snprintf(demand.server_name, sizeof(demand.server_name), "%s", MX);
        set_records(&demand, of->records);
        return demand;
    }
    snprintf(demand.names[demand.name_count++], sizeof(demand.names[0]), "%s",
             of->names[0] != NULL ? of->names[0] : MX);
    for (size_t i = 1; i < TLS_DEMAND_NAMES && of->names[i] != NULL; i++)
        snprintf(demand.names[demand.name_count++], sizeof(demand.names[0]), "%s", of->names[i]);
    set_records(&demand, of->records);
    return demand;
}

static void test_server(void **state)
{
    const struct kind_of_server *of = *state;
    struct tls_demand demand = demand_of(of);
    SSL_CTX *server = tls_pair_server(&of->server);
    bool handshake = of->why != TLS_WHY_PROTOCOL && of->why != TLS_WHY_HANDSHAKE;
    struct tls_pair pair;
    struct tls_peer peer;

    tls_pair_connect(&pair, client, &demand, ENDPOINT, server);
    tls_connection_finish(pair.client, pair.error, &peer);
    assert_int_equal(ERR_peek_error(), 0);
    assert_int_equal(peer.proof.why, of->why);
    assert_int_equal(peer.auth, of->auth);
    assert_int_equal(peer.met, of->why == TLS_WHY_NOTHING);
    assert_int_equal(peer.established, handshake);
    assert_int_equal(peer.certificate.present, handshake && of->server.leaf != CERT_NONE);
    assert_int_equal(peer.proof.reason[0] == '\0', of->why == TLS_WHY_NOTHING);
    assert_string_equal(pair.sni, !is_verified(of->kind) || !handshake ? pair.sni
                                  : of->kind == FINGERPRINT            ? demand.server_name
                                                                       : demand.names[0]);
    if (!is_verified(of->kind))
        assert_string_equal(pair.sni, "");
    tls_pair_free(&pair);
    SSL_CTX_free(server);
}

/* The openssl program comes to the same. */
static void test_agrees(void **state)
{
    const struct kind_of_server *of = *state;
    struct tls_demand demand = demand_of(of);
    bool met = of->why == TLS_WHY_NOTHING;

    assert_int_equal(s_client_accepts(&demand, &of->server), met != of->s_client_differs);
}

static void test_description(void **state)
{
    const struct tls_server_terms terms = CHAIN(CERT_MANY);
    struct tls_demand demand;
    SSL_CTX *server = tls_pair_server(&terms);
    struct tls_peer peer;
    uint8_t data[2048];
    int64_t left_s;

    (void)state;
    tls_demand_web_pki(MX, &demand);
    tls_pair_try(client, &demand, ENDPOINT, server, &peer);
    assert_true(peer.met);
    assert_string_equal(peer.protocol, "TLSv1.3");
    assert_string_equal(peer.cipher, "TLS_AES_256_GCM_SHA384");
    assert_false(peer.resumed);
    assert_int_equal(peer.certificate.name_count, TLS_PEER_NAMES);
    assert_int_equal(peer.certificate.names_left_out, 20 - TLS_PEER_NAMES);
    assert_string_equal(peer.certificate.names[1], "mx1???.example.net");
    left_s = peer.certificate.not_after_s - (int64_t)time(NULL);
    assert_true(left_s > 29 * 24 * 3600 && left_s <= 30 * 24 * 3600);
    assert_true(peer.certificate.not_before_s < (int64_t)time(NULL));
    certs_tlsa(CERT_MANY, 0, 1, data);
    assert_memory_equal(peer.certificate.sha256, data, TLS_SHA256_LEN);
    certs_tlsa(CERT_MANY, 1, 1, data);
    assert_memory_equal(peer.certificate.spki_sha256, data, TLS_SHA256_LEN);
    SSL_CTX_free(server);
}

static void test_cn_is_told_where_there_is_no_dns_id(void **state)
{
    const struct tls_server_terms terms = CHAIN(CERT_CN), both = CHAIN(CERT_CN_AND_OTHER);
    struct tls_demand demand = {.kind = TLS_DEMAND_ENCRYPT};
    SSL_CTX *server = tls_pair_server(&terms), *other = tls_pair_server(&both);
    struct tls_peer peer;

    (void)state;
    tls_pair_try(client, &demand, ENDPOINT, server, &peer);
    assert_int_equal(peer.certificate.name_count, 1);
    assert_string_equal(peer.certificate.names[0], MX);
    tls_pair_try(client, &demand, ENDPOINT, other, &peer);
    assert_int_equal(peer.certificate.name_count, 1);
    assert_string_equal(peer.certificate.names[0], "mx.example.net");
    SSL_CTX_free(server);
    SSL_CTX_free(other);
}

static void test_record_that_matched(void **state)
{
    static const struct kind_of_server of = {
        .kind = DANE,
        .records = {{3, 1, 1, CERT_SECOND}, {3, 0, 2, CERT_SELF}, {2, 1, 2, CERT_ROOT}},
        .server = WHOLE(CERT_MX)};
    struct tls_demand demand = demand_of(&of);
    SSL_CTX *server = tls_pair_server(&of.server);
    struct tls_peer peer;

    (void)state;
    tls_pair_try(client, &demand, ENDPOINT, server, &peer);
    assert_true(peer.met);
    assert_int_equal(peer.tlsa_usage, 2);
    assert_int_equal(peer.tlsa_selector, 1);
    assert_int_equal(peer.tlsa_matching_type, 2);
    SSL_CTX_free(server);
}

/* What a probe tells of the Web PKI beside DANE, and the other way nothing changes. */
static void test_web_pki_beside_dane(void **state)
{
    static const struct kind_of_server of = {
        .kind = DANE, .records = {{3, 1, 1, CERT_OTHER_NAME}}, .server = CHAIN(CERT_OTHER_NAME)};
    struct tls_demand demand = demand_of(&of), web_pki, other = demand;
    SSL_CTX *server = tls_pair_server(&of.server);
    struct tls_proof proof;
    struct tls_pair pair;
    struct tls_peer peer;

    (void)state;
    tls_pair_connect(&pair, client, &demand, ENDPOINT, server);
    tls_demand_web_pki(MX, &web_pki);
    tls_connection_verify(pair.client, &web_pki, &proof);
    assert_int_equal(proof.why, TLS_WHY_NAME);
    tls_demand_web_pki("mx.example.net", &web_pki);
    tls_connection_verify(pair.client, &web_pki, &proof);
    assert_int_equal(proof.why, TLS_WHY_NOTHING);
    other.kind = TLS_DEMAND_MAY;
    tls_connection_verify(pair.client, &other, &proof);
    assert_int_equal(proof.why, TLS_WHY_LOCAL);
    tls_connection_finish(pair.client, pair.error, &peer);
    assert_true(peer.met);
    assert_int_equal(peer.auth, TLS_AUTH_DANE);
    tls_pair_free(&pair);
    SSL_CTX_free(server);
}

/* A server without a certificate is refused in the handshake; should that be passed, here. */
static void test_no_certificate(void **state)
{
    static const struct kind_of_server of = {
        .kind = DANE, .records = {{3, 1, 1, CERT_MX}}, .server = {CERT_NONE}};
    struct tls_demand demand = demand_of(&of);
    SSL_CTX *server = tls_pair_server(&of.server);
    struct tls_connection *connection;
    SSL *peer_ssl = SSL_new(server), *ssl;
    struct tls_peer peer;
    BIO *near, *far;

    (void)state;
    assert_int_equal(tls_connection_new(client, &demand, ENDPOINT, &connection), 0);
    ssl = tls_connection_ssl(connection);
    SSL_set_security_level(ssl, 0);
    assert_int_equal(SSL_set_cipher_list(ssl, "aNULL"), 1);
    BIO_new_bio_pair(&near, 65536, &far, 65536);
    SSL_set_bio(ssl, near, near);
    SSL_set_bio(peer_ssl, far, far);
    SSL_set_accept_state(peer_ssl);
    for (int i = 0; i < 8; i++) {
        SSL_connect(ssl);
        SSL_do_handshake(peer_ssl);
    }
    ERR_clear_error();
    assert_true(SSL_is_init_finished(ssl));
    tls_connection_finish(connection, 0, &peer);
    assert_false(peer.met);
    assert_true(peer.established);
    assert_int_equal(peer.proof.why, TLS_WHY_NO_CERTIFICATE);
    tls_connection_free(connection);
    SSL_free(peer_ssl);
    SSL_CTX_free(server);
}

/* What an SMTP server may do instead of a handshake. */
static void test_broken_handshakes(void **state)
{
    static const char *const said[] = {"554 5.7.0 no TLS today\r\n", "\x15\x03\x01\x00\x02\x02\x28",
                                       "\x16\x03\x03\x00\x02\xff\xff", ""};
    struct tls_demand demand;
    struct tls_connection *connection;
    struct tls_peer peer;
    BIO *near, *far;

    (void)state;
    tls_demand_web_pki(MX, &demand);
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        size_t len = i == 1 ? 7 : i == 2 ? 7 : strlen(said[i]);

        assert_int_equal(tls_connection_new(client, &demand, ENDPOINT, &connection), 0);
        BIO_new_bio_pair(&near, 65536, &far, 65536);
        SSL_set_bio(tls_connection_ssl(connection), near, near);
        SSL_connect(tls_connection_ssl(connection));
        if (len > 0)
            assert_int_equal(BIO_write(far, said[i], (int)len), (int)len);
        BIO_shutdown_wr(far);
        ERR_clear_error();
        SSL_connect(tls_connection_ssl(connection));
        tls_connection_finish(connection, ERR_peek_error(), &peer);
        assert_false(peer.met);
        assert_false(peer.established);
        assert_int_equal(peer.proof.why, TLS_WHY_HANDSHAKE);
        assert_true(peer.proof.reason[0] != '\0');
        assert_false(tls_why_definite(peer.proof.why));
        ERR_clear_error();
        tls_connection_free(connection);
        BIO_free(far);
    }
}

static void test_errors_of_the_handshake(void **state)
{
    static const struct {
        unsigned lib, reason;
        enum tls_why why;
        const char *text;
    } cases[] = {
        {ERR_LIB_SYS, ECONNRESET, TLS_WHY_HANDSHAKE, "Connection reset by peer"},
        {ERR_LIB_SYS, ENOBUFS, TLS_WHY_LOCAL, "No buffer space available"},
        {ERR_LIB_SYS, ENOMEM, TLS_WHY_LOCAL, "Cannot allocate memory"},
        {ERR_LIB_SYS, EPERM, TLS_WHY_LOCAL, "Operation not permitted"},
        {ERR_LIB_SYS, ENETDOWN, TLS_WHY_LOCAL, "Network is down"},
        {ERR_LIB_SYS, ENETUNREACH, TLS_WHY_LOCAL, "Network is unreachable"},
        {ERR_LIB_SYS, EHOSTUNREACH, TLS_WHY_LOCAL, "No route to host"},
        {ERR_LIB_SSL, SSL_R_UNEXPECTED_MESSAGE, TLS_WHY_HANDSHAKE, "unexpected message"},
        {ERR_LIB_SSL, SSL_R_UNSUPPORTED_PROTOCOL, TLS_WHY_PROTOCOL, "unsupported protocol"},
        {ERR_LIB_SSL, SSL_R_NO_PROTOCOLS_AVAILABLE, TLS_WHY_LOCAL, "no protocols available"},
        {ERR_LIB_SSL, 4000, TLS_WHY_HANDSHAKE, "TLS handshake failed"},
        {ERR_LIB_EVP, SSL_R_UNSUPPORTED_PROTOCOL, TLS_WHY_HANDSHAKE, NULL},
    };
    struct tls_proof proof;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned long error = cases[i].lib == ERR_LIB_SYS
                                  ? ERR_SYSTEM_FLAG | cases[i].reason
                                  : ERR_PACK(cases[i].lib, 0, cases[i].reason);

        tls_verify_no_handshake(error, &proof);
        assert_int_equal(proof.why, cases[i].why);
        if (cases[i].text != NULL)
            assert_string_equal(proof.reason, cases[i].text);
    }
    tls_verify_no_handshake(0, &proof);
    assert_int_equal(proof.why, TLS_WHY_HANDSHAKE);
    assert_string_equal(proof.reason, "connection closed during the TLS handshake");
}

/* Before the handshake nothing is met, whatever is asked. */
static void test_finish_too_soon(void **state)
{
    struct tls_demand demand = {.kind = TLS_DEMAND_MAY}, web_pki;
    struct tls_connection *connection;
    struct tls_proof proof;
    struct tls_peer peer;

    (void)state;
    assert_int_equal(tls_connection_new(client, &demand, ENDPOINT, &connection), 0);
    tls_connection_finish(connection, 0, &peer);
    assert_false(peer.met);
    assert_int_equal(peer.proof.why, TLS_WHY_HANDSHAKE);
    tls_demand_web_pki(MX, &web_pki);
    tls_connection_verify(connection, &web_pki, &proof);
    assert_int_equal(proof.why, TLS_WHY_LOCAL);
    tls_connection_free(connection);
}

/* A demand that nobody could be held to makes no connection. */
static void test_demands_without_substance(void **state)
{
    static const struct kind_of_server good = {.kind = DANE, .records = {{3, 1, 1, CERT_MX}}};
    struct tls_demand demand = {.kind = TLS_DEMAND_NOT_USED};
    struct tls_connection *connection = NULL;

    (void)state;
    assert_int_equal(tls_connection_new(client, &demand, ENDPOINT, &connection), -EINVAL);
    demand.kind = TLS_DEMAND_WEB_PKI;
    assert_int_equal(tls_connection_new(client, &demand, ENDPOINT, &connection), -EINVAL);
    demand.kind = NAMES;
    strcpy(demand.server_name, MX);
    assert_int_equal(tls_connection_new(client, &demand, ENDPOINT, &connection), -EINVAL);
    demand.kind = FINGERPRINT;
    assert_int_equal(tls_connection_new(client, &demand, ENDPOINT, &connection), -EINVAL);
    demand = demand_of(&good);
    demand.tlsa_count = 0;
    assert_int_equal(tls_connection_new(client, &demand, ENDPOINT, &connection), -EINVAL);
    demand = demand_of(&good);
    tlsa[0].usable = false;
    assert_int_equal(tls_connection_new(client, &demand, ENDPOINT, &connection), -EINVAL);
    demand = demand_of(&good);
    tlsa[0].usage = 1; /* PKIX-EE */
    assert_int_equal(tls_connection_new(client, &demand, ENDPOINT, &connection), -EINVAL);
    demand = demand_of(&good);
    tlsa[0].data_len = 31;
    assert_int_equal(tls_connection_new(client, &demand, ENDPOINT, &connection), -EINVAL);
    assert_null(connection);
    assert_int_equal(ERR_peek_error(), 0);
}

/* Without a CA certificate a chain that ends nowhere says nothing of the server. */
static void test_no_ca_certificates(void **state)
{
    const struct tls_server_terms terms = CHAIN(CERT_MX);
    struct tls_demand demand;
    struct tls_client *without;
    struct ca_store *empty;
    SSL_CTX *server = tls_pair_server(&terms);
    char path[] = "/tmp/test_tls_XXXXXX", err[256];
    struct tls_peer peer;

    (void)state;
    assert_non_null(mkdtemp(path));
    assert_int_equal(ca_store_new(NULL, path, &empty, err, sizeof(err)), 0);
    assert_int_equal(tls_client_new(empty, 0, &without), 0);
    tls_demand_web_pki(MX, &demand);
    tls_pair_try(without, &demand, ENDPOINT, server, &peer);
    assert_false(peer.met);
    assert_int_equal(peer.proof.why, TLS_WHY_LOCAL);
    assert_false(tls_why_definite(peer.proof.why));
    tls_client_free(without);
    ca_store_free(empty);
    SSL_CTX_free(server);
    rmdir(path);
}

/* For what is public: another cipher suite, the same verification. */
static void test_prefer_quick(void **state)
{
    const struct tls_server_terms terms = {
        .leaf = CERT_MX, .chain = {CERT_INTERMEDIATE}, .max_version = TLS1_3_VERSION};
    struct tls_client *quick;
    struct tls_demand demand;
    SSL_CTX *server = tls_pair_server(&terms);
    struct tls_peer peer;

    (void)state;
    assert_int_equal(tls_client_new(ca_store, 0, &quick), 0);
    tls_demand_web_pki(MX, &demand);
    tls_pair_try(quick, &demand, ENDPOINT, server, &peer);
    assert_string_equal(peer.cipher, "TLS_AES_256_GCM_SHA384");
    tls_client_prefer_quick(quick);
    tls_pair_try(quick, &demand, ENDPOINT, server, &peer);
    assert_true(peer.met);
    assert_string_equal(peer.cipher, "TLS_AES_128_GCM_SHA256");
    tls_demand_web_pki("other.example.net", &demand);
    tls_pair_try(quick, &demand, ENDPOINT, server, &peer);
    assert_false(peer.met);
    assert_int_equal(ERR_peek_error(), 0);
    tls_client_free(quick);
    SSL_CTX_free(server);
}

/* OpenSSL's own result is an error until the chain was verified. */
static void test_no_result_before_verification(void **state)
{
    const struct tls_server_terms terms = CHAIN(CERT_MX);
    SSL_CTX *server = tls_pair_server(&terms);
    struct tls_demand demand;
    struct tls_pair pair;

    (void)state;
    tls_demand_web_pki(MX, &demand);
    tls_pair_connect(&pair, client, &demand, ENDPOINT, server);
    assert_int_equal(SSL_get_verify_result(tls_connection_ssl(pair.client)),
                     X509_V_ERR_APPLICATION_VERIFICATION);
    tls_pair_free(&pair);
    SSL_CTX_free(server);
}

/* OpenSSL goes by the Web PKI where it was given no TLSA record; that is not DANE. */
static void test_dane_without_records(void **state)
{
    const struct tls_server_terms terms = CHAIN(CERT_MX);
    SSL_CTX *server = tls_pair_server(&terms);
    struct tls_demand demand;
    struct tls_proof proof;
    struct tls_pair pair;

    (void)state;
    tls_demand_web_pki(MX, &demand);
    tls_pair_connect(&pair, client, &demand, ENDPOINT, server);
    demand.kind = TLS_DEMAND_DANE;
    tls_verify(tls_connection_ssl(pair.client), ca_store_certificates(ca_store), &demand, &proof);
    assert_int_equal(proof.why, TLS_WHY_NO_TLSA_MATCH);
    demand.kind = 99;
    tls_verify(tls_connection_ssl(pair.client), ca_store_certificates(ca_store), &demand, &proof);
    assert_int_equal(proof.why, TLS_WHY_LOCAL);
    tls_pair_free(&pair);
    SSL_CTX_free(server);
}

/* Another certificate in the middle of a connection would be one that nobody has verified. */
static void test_no_renegotiation(void **state)
{
    const struct tls_server_terms terms = {
        .leaf = CERT_MX, .chain = {CERT_INTERMEDIATE}, .max_version = TLS1_2_VERSION};
    SSL_CTX *server = tls_pair_server(&terms);
    struct tls_demand demand;
    struct tls_pair pair;
    char octet[8];
    SSL *ssl;

    (void)state;
    tls_demand_web_pki(MX, &demand);
    tls_pair_connect(&pair, client, &demand, ENDPOINT, server);
    ssl = tls_connection_ssl(pair.client);
    assert_int_equal(SSL_read(ssl, octet, sizeof(octet)), 2); /* the rest of the greeting */
    assert_int_equal(SSL_renegotiate(pair.server), 1);
    SSL_do_handshake(pair.server);
    assert_true(SSL_read(ssl, octet, sizeof(octet)) <= 0);
    assert_int_equal(SSL_num_renegotiations(ssl), 0);
    assert_true(SSL_is_init_finished(ssl));
    ERR_clear_error();
    tls_pair_free(&pair);
    SSL_CTX_free(server);
}

static void test_words(void **state)
{
    (void)state;
    for (int why = TLS_WHY_NOTHING; why <= TLS_WHY_LOCAL; why++)
        assert_string_not_equal(tls_why_text(why), "unknown");
    assert_string_equal(tls_why_text(99), "unknown");
    assert_null(tls_why_result_type(99));
    assert_false(tls_why_definite(99));
    assert_string_equal(tls_why_result_type(TLS_WHY_NAME), "certificate-host-mismatch");
    assert_string_equal(tls_why_result_type(TLS_WHY_EXPIRED), "certificate-expired");
    assert_string_equal(tls_why_result_type(TLS_WHY_UNTRUSTED), "certificate-not-trusted");
    assert_string_equal(tls_why_result_type(TLS_WHY_NO_TLSA_MATCH), "validation-failure");
    assert_string_equal(tls_auth_name(TLS_AUTH_DANE), "dane");
    assert_string_equal(tls_auth_name(99), "unknown");
}

static int setup(void **state)
{
    char name[64], err[256];
    int error;

    (void)state;
    certs_write(CERT_ROOT, name, sizeof(name));
    error = ca_store_new(name, NULL, &ca_store, err, sizeof(err));
    unlink(name);
    return error != 0 ? error : tls_client_new(ca_store, 0, &client);
}

static int teardown(void **state)
{
    (void)state;
    tls_client_free(client);
    ca_store_free(ca_store);
    certs_free();
    return 0;
}

int main(void)
{
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(test_description),
        cmocka_unit_test(test_cn_is_told_where_there_is_no_dns_id),
        cmocka_unit_test(test_record_that_matched),
        cmocka_unit_test(test_web_pki_beside_dane),
        cmocka_unit_test(test_no_certificate),
        cmocka_unit_test(test_broken_handshakes),
        cmocka_unit_test(test_errors_of_the_handshake),
        cmocka_unit_test(test_finish_too_soon),
        cmocka_unit_test(test_demands_without_substance),
        cmocka_unit_test(test_no_ca_certificates),
        cmocka_unit_test(test_prefer_quick),
        cmocka_unit_test(test_no_result_before_verification),
        cmocka_unit_test(test_dane_without_records),
        cmocka_unit_test(test_no_renegotiation),
        cmocka_unit_test(test_words),
    };
    enum { OTHERS = sizeof(others) / sizeof(others[0]) };
    static struct CMUnitTest tests[2 * SERVERS + OTHERS];
    static char names[SERVERS][80];
    size_t count = 0;

    for (size_t i = 0; i < SERVERS; i++) {
        void *of = (void *)(uintptr_t)&servers[i];

        snprintf(names[i], sizeof(names[i]), "s_client, %s", servers[i].name);
        tests[count++] = (struct CMUnitTest){
            .name = servers[i].name, .test_func = test_server, .initial_state = of};
        /* s_client has neither several names nor fingerprints. */
        if (servers[i].kind != NAMES && servers[i].kind != FINGERPRINT)
            tests[count++] = (struct CMUnitTest){
                .name = names[i], .test_func = test_agrees, .initial_state = of};
    }
    memcpy(&tests[count], others, sizeof(others));
    return _cmocka_run_group_tests("tls_client", tests, count + OTHERS, setup, teardown);
}
