/*
 * Makes an answer of a DNS response. RFC 1035 (CNAME), RFC 2308 (denial), RFC 7505 (null MX).
 * dns_message.c reads the frame, dns_record.c each record, dns_query.c writes queries; what the
 * AD bit means is the caller's to say; whom to ask, and how often, is resolver_attempts.c's.
 *
 * Two passes over the answer section: the first collects the CNAMEs and sums up the space that the
 * records need, the second copies the RRset at the end of the CNAME chain. Every doubt makes the
 * whole answer DNS_FAILED.
 *
 * MX hosts with octets that no host name has (dns_name.h) are left out of the answer: such a host
 * cannot exist, one of them must not spoil the others, and its bytes must not get any further. If
 * nothing else is left the answer has failed: "no MX" would be a lie that makes the domain itself
 * the host.
 */
#include "dns/dns_answer.h"

#include "dns/dns_message.h"
#include "dns/dns_record.h"

#include <stdlib.h>
#include <string.h>

enum {
    /* Longer chains are refused by resolvers too; bounds the search for the chain's end. */
    ALIASES_MAX = 16,
    /* Bounds memory and the search for duplicates; far above what any mail domain has. */
    RECORDS_MAX = 512,
};

struct alias {
    char owner[DNS_NAME_MAX + 1];
    char target[DNS_NAME_MAX + 1]; /* "" when it is unusable: the chain ends in failure */
    bool usable;
    uint32_t ttl_s;
};

/* What the first pass found. */
struct found {
    uint16_t type; /* asked for */
    struct alias aliases[ALIASES_MAX];
    size_t alias_count;
    size_t match_count; /* records of the type asked for, of any owner */
    size_t text_len;    /* octets that their names and data need */
    const char *canonical;
    uint32_t chain_ttl_s;
};

/* The answer and what it points to, in one piece of memory. */
struct owned_answer {
    struct dns_answer answer;
    char *text; /* room for the next text */
};

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static const char *add_alias(struct found *f, struct dns_rr *rr)
{
    char target[DNS_NAME_MAX + 1];
    enum dns_name_status status = dns_message_last_name(&rr->rdata, target);

    if (status == DNS_NAME_BAD)
        return "malformed CNAME record";
    if (!rr->owner_usable)
        return NULL; /* no name of ours can lead there */
    for (size_t i = 0; i < f->alias_count; i++) {
        struct alias *known = &f->aliases[i];

        if (strcmp(known->owner, rr->owner) != 0)
            continue;
        if (status != DNS_NAME_OK || !known->usable || strcmp(known->target, target) != 0)
            return "several CNAME records at one name";
        known->ttl_s = min_u32(known->ttl_s, rr->ttl_s);
        return NULL;
    }
    if (f->alias_count == ALIASES_MAX)
        return "CNAME chain too long";
    struct alias *alias = &f->aliases[f->alias_count++];

    strcpy(alias->owner, rr->owner);
    strcpy(alias->target, target);
    alias->usable = status == DNS_NAME_OK;
    alias->ttl_s = rr->ttl_s;
    return NULL;
}

/* First pass. Returns NULL, or what is wrong with the answer section. */
static const char *collect_records(struct found *f, const struct dns_message *m)
{
    struct buf b = m->answer;

    for (unsigned i = 0; i < m->answer_count; i++) {
        struct dns_rr rr;
        const char *wrong = NULL;
        size_t text_len = 0;

        dns_message_rr(&b, &rr);
        if (rr.class != DNS_CLASS_IN)
            continue;
        if (rr.type == f->type) {
            wrong = dns_record_measure(f->type, &rr, &text_len);
            f->match_count++;
            f->text_len += text_len;
        } else if (rr.type == DNS_TYPE_CNAME) {
            wrong = add_alias(f, &rr);
        }
        if (wrong != NULL)
            return wrong;
    }
    return f->match_count > RECORDS_MAX ? "too many records" : NULL;
}

/* Finds the end of the CNAME chain, whatever the order of its records. */
static const char *follow_chain(struct found *f, const char *name)
{
    size_t steps = 0;
    size_t i = 0;

    f->canonical = name;
    f->chain_ttl_s = UINT32_MAX;
    while (i < f->alias_count) {
        const struct alias *alias = &f->aliases[i++];

        if (strcmp(alias->owner, f->canonical) != 0)
            continue;
        if (!alias->usable)
            return "CNAME to an impossible name";
        if (++steps > f->alias_count)
            return "CNAME loop";
        f->canonical = alias->target;
        f->chain_ttl_s = min_u32(f->chain_ttl_s, alias->ttl_s);
        i = 0;
    }
    return NULL;
}

static const char *keep_text(struct owned_answer *own, const char *text)
{
    size_t len = strlen(text) + 1;
    char *at = memcpy(own->text, text, len);

    own->text += len;
    return at;
}

/* Second pass: copies the RRset at the chain's end. Returns NULL, or what is wrong with it. */
static const char *copy_records(const struct found *f, const struct dns_message *m,
                                struct owned_answer *own, struct dns_record *records)
{
    struct dns_answer *answer = &own->answer;
    struct buf b = m->answer;
    size_t impossible = 0;

    for (unsigned i = 0; i < m->answer_count; i++) {
        struct dns_rr rr;
        size_t known = 0;

        dns_message_rr(&b, &rr);
        if (rr.class != DNS_CLASS_IN || rr.type != f->type || !rr.owner_usable ||
            strcmp(rr.owner, f->canonical) != 0)
            continue;
        answer->ttl_s = min_u32(answer->ttl_s, rr.ttl_s);
        struct dns_record *record = &records[answer->count];

        if (!dns_record_read(f->type, &rr.rdata, &own->text, record)) {
            impossible++;
            continue;
        }
        while (known < answer->count && !dns_record_equal(f->type, &records[known], record))
            known++;
        if (known == answer->count)
            answer->count++;
    }
    if (answer->count == 0 && impossible > 0)
        return "no possible host name";
    if (answer->count > 1 && f->type == DNS_TYPE_CNAME)
        return "several CNAME records at one name";
    return NULL;
}

/* Turns what was found into a status. Returns NULL, or why there is none. */
static const char *conclude_status(const struct dns_message *m, struct dns_answer *answer)
{
    bool nxdomain = m->rcode == DNS_RCODE_NXDOMAIN;

    if (answer->count > 0) {
        answer->status = DNS_FOUND;
        return nxdomain ? "records of a name that does not exist" : NULL;
    }
    /* A delegation in the place of a denial: that server does not resolve (RFC 2308 2.2). */
    if (!nxdomain && m->referral)
        return "referral instead of an answer";
    answer->status = nxdomain ? DNS_NXDOMAIN : DNS_NODATA;
    /* Without an SOA a denial is not to be kept (RFC 2308 section 5). */
    answer->ttl_s = m->has_soa ? min_u32(answer->ttl_s, m->denial_ttl_s) : 0;
    return NULL;
}

static struct owned_answer *owned_new(size_t record_count, size_t text_len)
{
    size_t records_len = record_count * sizeof(struct dns_record);
    struct owned_answer *own = calloc(1, sizeof(*own) + records_len + text_len);

    if (own == NULL)
        return NULL;
    struct dns_record *records = (struct dns_record *)(own + 1);

    own->answer.records = records;
    own->text = (char *)(records + record_count);
    return own;
}

static struct dns_answer *failed_answer(const char *name, const char *reason)
{
    struct owned_answer *own = owned_new(0, strlen(name) + strlen(reason) + 2);

    if (own == NULL)
        return NULL;
    own->answer.status = DNS_FAILED;
    own->answer.security = DNS_UNKNOWN;
    own->answer.canonical = keep_text(own, name);
    own->answer.failure = keep_text(own, reason);
    return &own->answer;
}

struct dns_answer *dns_answer_failed(const char *reason)
{
    return failed_answer("", reason);
}

static enum dns_security security_of(const struct dns_message *m, enum dns_security with_ad,
                                     enum dns_security without_ad)
{
    if (m->ad)
        return with_ad;
    /* What a resolver kept beyond its life may have been signed since: not proven insecure. */
    return m->stale ? DNS_UNKNOWN : without_ad;
}

struct dns_answer *dns_answer_parse(const uint8_t *message, size_t len, const char *name,
                                    uint16_t type, enum dns_security with_ad,
                                    enum dns_security without_ad)
{
    char asked[DNS_NAME_MAX + 1];
    struct dns_message m;
    struct found f = {.type = type};

    if (dns_name_normalise(name, asked) < 0)
        return failed_answer("", "not a domain name");
    const char *wrong = dns_message_scan(&m, message, len, asked, type);

    /* A server's error is the better reason; such a message is often cut short besides. */
    if (m.response && m.rcode != DNS_RCODE_NOERROR && m.rcode != DNS_RCODE_NXDOMAIN)
        wrong = dns_message_rcode_text(&m);
    if (wrong != NULL || (wrong = collect_records(&f, &m)) != NULL ||
        (wrong = follow_chain(&f, asked)) != NULL)
        return failed_answer(asked, wrong);

    size_t canonical_len = strlen(f.canonical) + 1;
    struct owned_answer *own = owned_new(f.match_count, canonical_len + f.text_len);

    if (own == NULL)
        return NULL;
    struct dns_answer *answer = &own->answer;

    answer->canonical = keep_text(own, f.canonical);
    answer->alias = f.canonical != asked;
    answer->ttl_s = f.chain_ttl_s;
    answer->security = security_of(&m, with_ad, without_ad);
    if ((wrong = copy_records(&f, &m, own, (struct dns_record *)(own + 1))) != NULL ||
        (wrong = conclude_status(&m, answer)) != NULL) {
        dns_answer_free(answer);
        return failed_answer(asked, wrong);
    }
    return answer;
}

void dns_answer_free(struct dns_answer *answer)
{
    free(answer); /* the first member of its owned_answer */
}
