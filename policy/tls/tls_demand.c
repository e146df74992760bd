/*
 * From a requirement to the demand on one host. tls_demand_of_host() first sees what the
 * requirement's kind makes of the host, then fills in names and records, and takes the demand back
 * (NOT_USED) where they are wanting: a demand without a name or a record would be met by anybody.
 *
 * Names for DANE-TA(2), RFC 7672 section 3.2.2: the TLSA base domain, and the next-hop where it was
 * not an unsigned MX record that led to the host. The alias target of the next-hop, which would be
 * the third, is not among the findings. DANE-EE(3) needs no names (section 3.2.1).
 */
#include "policy/tls_demand.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

static bool in_set(uint32_t set, size_t host)
{
    return (set >> host & 1) != 0;
}

/* False: it is no host name. A leading dot would stand for all names below. */
static bool add_name(struct tls_demand *demand, const char *name)
{
    size_t len = name != NULL ? strnlen(name, NEXTHOP_NAME_MAX + 1) : 0;

    if (len == 0 || len > NEXTHOP_NAME_MAX || name[0] == '.')
        return false;
    for (size_t i = 0; i < demand->name_count; i++) {
        if (strcmp(demand->names[i], name) == 0)
            return true;
    }
    memcpy(demand->names[demand->name_count++], name, len + 1);
    return true;
}

static bool has_usable(const struct findings_host *host)
{
    for (size_t i = 0; i < host->tlsa_count; i++) {
        if (host->tlsa[i].usable)
            return true;
    }
    return false;
}

static bool fill_dane(const struct findings *f, const struct findings_host *host,
                      struct tls_demand *out)
{
    bool by_mx = f->mx != FINDINGS_MX_NOT_ASKED && f->mx != FINDINGS_MX_ABSENT;

    out->tlsa = host->tlsa;
    out->tlsa_count = host->tlsa_count;
    if (!has_usable(host) || !add_name(out, host->tlsa_base))
        return false;
    return (by_mx && f->mx != FINDINGS_MX_SECURE) || add_name(out, f->nexthop.name);
}

/* REQUIREMENT_DANE: DANE of each host that has it, the others as they are. */
static enum tls_demand_kind kind_as_it_is(const struct host_classes *classes, size_t host)
{
    if (in_set(classes->of[HOST_CLASS_UNUSABLE], host))
        return TLS_DEMAND_ENCRYPT;
    return in_set(classes->of[HOST_CLASS_PLAIN], host) ? TLS_DEMAND_MAY : TLS_DEMAND_NOT_USED;
}

/* Records that bind, and are not known: the host is left out (RFC 7672 section 2.1.1). */
static bool may_have_tlsa(const struct host_classes *classes, size_t host)
{
    return classes->tlsa_binds &&
           in_set(classes->of[HOST_CLASS_TLSA_FAILED] | classes->of[HOST_CLASS_TLSA_PENDING], host);
}

static enum tls_demand_kind kind_of_host(const struct host_classes *classes,
                                         const struct requirement *requirement, size_t host)
{
    bool counts = in_set(requirement->hosts, host);

    if (in_set(classes->of[HOST_CLASS_NOT_PREFERRED], host))
        return TLS_DEMAND_NOT_USED; /* RFC 5321 section 5.1: mail would loop */
    switch (requirement->kind) {
    case REQUIREMENT_NONE:
        return TLS_DEMAND_MAY;
    case REQUIREMENT_ENCRYPT:
        return may_have_tlsa(classes, host) ? TLS_DEMAND_NOT_USED : TLS_DEMAND_ENCRYPT;
    case REQUIREMENT_DANE:
        return counts ? TLS_DEMAND_DANE : kind_as_it_is(classes, host);
    case REQUIREMENT_DANE_ONLY:
        return counts ? TLS_DEMAND_DANE : TLS_DEMAND_NOT_USED;
    case REQUIREMENT_STS:
        return counts ? TLS_DEMAND_STS : TLS_DEMAND_NOT_USED;
    case REQUIREMENT_WEB_PKI:
        return counts ? TLS_DEMAND_WEB_PKI : TLS_DEMAND_NOT_USED;
    case REQUIREMENT_PENDING:
    case REQUIREMENT_UNKNOWN:
    case REQUIREMENT_IMPOSSIBLE:
    default:
        return TLS_DEMAND_NOT_USED;
    }
}

/* An address literal is its own only host, which findings do not list. It has no name to verify. */
static enum tls_demand_kind kind_of_literal(const struct requirement *requirement)
{
    switch (requirement->kind) {
    case REQUIREMENT_NONE:
        return TLS_DEMAND_MAY;
    case REQUIREMENT_ENCRYPT:
        return TLS_DEMAND_ENCRYPT;
    case REQUIREMENT_PENDING:
    case REQUIREMENT_UNKNOWN:
    case REQUIREMENT_IMPOSSIBLE:
    case REQUIREMENT_DANE:
    case REQUIREMENT_DANE_ONLY:
    case REQUIREMENT_STS:
    case REQUIREMENT_WEB_PKI:
    default:
        return TLS_DEMAND_NOT_USED;
    }
}

void tls_demand_of_host(const struct findings *f, const struct host_classes *classes,
                        const struct requirement *requirement, size_t host, struct tls_demand *out)
{
    bool filled = true;

    memset(out, 0, sizeof(*out));
    if (f->nexthop.kind == NEXTHOP_LITERAL) {
        out->kind = kind_of_literal(requirement);
        return;
    }
    if (host >= f->host_count || host >= FINDINGS_MAX_HOSTS)
        return;
    out->kind = kind_of_host(classes, requirement, host);
    if (out->kind == TLS_DEMAND_DANE)
        filled = fill_dane(f, &f->hosts[host], out);
    else if (out->kind == TLS_DEMAND_STS || out->kind == TLS_DEMAND_WEB_PKI)
        filled = add_name(out, f->hosts[host].name);
    if (!filled)
        memset(out, 0, sizeof(*out));
}

void tls_demand_web_pki(const char *name, struct tls_demand *out)
{
    memset(out, 0, sizeof(*out));
    if (add_name(out, name))
        out->kind = TLS_DEMAND_WEB_PKI;
}

/* Each part with its length in front, so that no two sequences of parts are the same octets. */
static bool add_part(EVP_MD_CTX *hash, const void *data, size_t len)
{
    uint64_t length = len;

    return EVP_DigestUpdate(hash, &length, sizeof(length)) == 1 &&
           EVP_DigestUpdate(hash, data, len) == 1;
}

static bool add_tlsa(EVP_MD_CTX *hash, const struct findings_tlsa *tlsa)
{
    const uint8_t parameters[] = {tlsa->usage, tlsa->selector, tlsa->matching_type, tlsa->usable};

    return add_part(hash, parameters, sizeof(parameters)) &&
           add_part(hash, tlsa->data, tlsa->data_len);
}

static bool add_demand(EVP_MD_CTX *hash, const struct tls_demand *demand)
{
    const uint64_t numbers[] = {demand->kind, demand->name_count, demand->tlsa_count};
    bool added = add_part(hash, numbers, sizeof(numbers)) &&
                 add_part(hash, demand->server_name, strlen(demand->server_name));

    for (size_t i = 0; i < demand->name_count && added; i++)
        added = add_part(hash, demand->names[i], strlen(demand->names[i]));
    for (size_t i = 0; i < demand->tlsa_count && added; i++)
        added = add_tlsa(hash, &demand->tlsa[i]);
    return added;
}

int tls_demand_key(const struct tls_demand *demand, const char *endpoint, unsigned generation,
                   char key[TLS_DEMAND_KEY_MAX])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool done = hash != NULL && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 &&
                add_demand(hash, demand) && add_part(hash, endpoint, strlen(endpoint)) &&
                add_part(hash, &generation, sizeof(generation)) &&
                EVP_DigestFinal_ex(hash, digest, NULL) == 1;

    EVP_MD_CTX_free(hash);
    if (!done)
        return -ENOMEM;
    for (size_t i = 0; i < (TLS_DEMAND_KEY_MAX - 1) / 2; i++)
        snprintf(&key[2 * i], 3, "%02x", (unsigned)digest[i]);
    return 0;
}
