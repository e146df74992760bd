/*
 * Findings as published: immutable, reference counted, one block of memory each. findings_freeze
 * makes them of a draft, findings_ref and findings_unref count. A cache holds a hundred thousand of
 * them, so every string is stored once and nothing is rounded up.
 */
#include "findings/findings_make.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct frozen {
    atomic_uint refs;
    uint32_t size;
    struct findings findings;
};

static struct frozen *frozen_of(const struct findings *f)
{
    return (struct frozen *)(uintptr_t)((const char *)f - offsetof(struct frozen, findings));
}

const struct findings *findings_ref(const struct findings *f)
{
    atomic_fetch_add_explicit(&frozen_of(f)->refs, 1, memory_order_relaxed);
    return f;
}

void findings_unref(const struct findings *f)
{
    struct frozen *frozen;

    if (f == NULL)
        return;
    frozen = frozen_of(f);
    if (atomic_fetch_sub_explicit(&frozen->refs, 1, memory_order_acq_rel) == 1)
        free(frozen);
}

size_t findings_size(const struct findings *f)
{
    return frozen_of(f)->size;
}

static bool host_complete(const struct findings_host *host)
{
    return host->a != FINDINGS_ADDR_PENDING && host->aaaa != FINDINGS_ADDR_PENDING &&
           host->tlsa_state != FINDINGS_TLSA_PENDING;
}

bool findings_complete(const struct findings *f)
{
    if (f->mx == FINDINGS_MX_PENDING || f->sts.state == FINDINGS_STS_PENDING || f->unchecked)
        return false;
    for (size_t i = 0; i < f->host_count; i++) {
        if (!host_complete(&f->hosts[i]))
            return false;
    }
    return true;
}

size_t findings_addresses_size(size_t a_count, size_t aaaa_count)
{
    return sizeof(struct findings_addresses) + a_count * FINDINGS_A_OCTETS +
           aaaa_count * FINDINGS_AAAA_OCTETS;
}

const uint8_t *findings_host_a(const struct findings_host *host, size_t i)
{
    const struct findings_addresses *from = host->addresses;

    return from != NULL && i < from->a_count ? from->octets + i * FINDINGS_A_OCTETS : NULL;
}

const uint8_t *findings_host_aaaa(const struct findings_host *host, size_t i)
{
    const struct findings_addresses *from = host->addresses;

    if (from == NULL || i >= from->aaaa_count)
        return NULL;
    return from->octets + (size_t)from->a_count * FINDINGS_A_OCTETS + i * FINDINGS_AAAA_OCTETS;
}

/*
 * The block is laid out in one pass that is run twice: first without a block, to learn its size,
 * then to fill it. Parts that need alignment come before the strings.
 */
struct packer {
    char *block; /* NULL in the first pass */
    size_t used;
};

static void *pack_octets(struct packer *p, const void *data, size_t len)
{
    char *at = p->block != NULL ? p->block + p->used : NULL;

    if (at != NULL && len > 0)
        memcpy(at, data, len);
    p->used += len;
    return at;
}

static const char *pack_string(struct packer *p, const char *s, bool lines)
{
    char *at;

    if (s == NULL)
        return NULL;
    at = pack_octets(p, s, strlen(s) + 1);
    for (char *c = at; c != NULL && *c; c++) {
        if ((*c < 0x20 || *c > 0x7e) && !(lines && *c == '\n'))
            *c = '?';
    }
    return at;
}

/* Packs s unless it equals a string that has its place already. */
static const char *pack_shared(struct packer *p, const char *s, const char *other,
                               const char *other_packed)
{
    if (s != NULL && other != NULL && strcmp(s, other) == 0)
        return other_packed;
    return pack_string(p, s, false);
}

static void pack_tlsa(struct packer *p, const struct findings_host *from, struct findings_host *to)
{
    struct findings_tlsa *tlsa = pack_octets(p, from->tlsa, from->tlsa_count * sizeof *from->tlsa);

    if (to != NULL)
        to->tlsa = from->tlsa_count ? tlsa : NULL;
}

/* The probes and their lists of names, without what they point to. */
static void pack_probes(struct packer *p, const struct findings_host *from,
                        struct findings_host *to)
{
    struct findings_probe *probes =
        pack_octets(p, from->probes, from->probe_count * sizeof *from->probes);

    for (size_t i = 0; i < from->probe_count; i++) {
        const struct findings_probe *probe = &from->probes[i];
        const char **names = pack_octets(p, probe->names, probe->name_count * sizeof *names);

        if (probes != NULL)
            probes[i].names = probe->name_count ? names : NULL;
    }
    if (to != NULL)
        to->probes = from->probe_count ? probes : NULL;
}

static void pack_probe_bytes(struct packer *p, const struct findings_probe *from,
                             struct findings_probe *to)
{
    const char *failure = pack_string(p, from->failure, false);
    const char *protocol = pack_string(p, from->protocol, false);
    const char *cipher = pack_string(p, from->cipher, false);
    const char *dane_why = pack_string(p, from->dane_why, false);
    const char *web_pki_why = pack_string(p, from->web_pki_why, false);

    for (size_t i = 0; i < from->name_count; i++) {
        const char *name = pack_string(p, from->names[i], false);
        if (to != NULL)
            ((const char **)(uintptr_t)to->names)[i] = name;
    }
    if (to != NULL) {
        to->failure = failure;
        to->protocol = protocol;
        to->cipher = cipher;
        to->dane_why = dane_why;
        to->web_pki_why = web_pki_why;
    }
}

static const struct findings_addresses *pack_addresses(struct packer *p,
                                                       const struct findings_addresses *from)
{
    if (from == NULL)
        return NULL;
    return pack_octets(p, from, findings_addresses_size(from->a_count, from->aaaa_count));
}

static void pack_host_bytes(struct packer *p, const struct findings *draft,
                            const struct findings *out, const struct findings_host *from,
                            struct findings_host *to)
{
    const char *name =
        pack_shared(p, from->name, draft->nexthop.text, out != NULL ? out->nexthop.text : NULL);
    const char *base = pack_shared(p, from->tlsa_base, from->name, name);
    const char *failure = pack_string(p, from->failure, false);
    const struct findings_addresses *addresses = pack_addresses(p, from->addresses);

    if (to != NULL) {
        to->addresses = addresses;
        to->name = name;
        to->tlsa_base = base;
        to->failure = failure;
    }
    for (size_t i = 0; i < from->tlsa_count; i++) {
        const uint8_t *data = pack_octets(p, from->tlsa[i].data, from->tlsa[i].data_len);
        /* The array was packed by this pass; writing to it before publication is ours to do. */
        if (to != NULL)
            ((struct findings_tlsa *)(uintptr_t)to->tlsa)[i].data = data;
    }
    for (size_t i = 0; i < from->probe_count; i++)
        pack_probe_bytes(p, &from->probes[i],
                         to != NULL ? &((struct findings_probe *)(uintptr_t)to->probes)[i] : NULL);
}

static void pack_sts_bytes(struct packer *p, const struct findings_sts *from,
                           struct findings_sts *to, const char **mx)
{
    const char *id = pack_string(p, from->id, false);
    const char *text = pack_string(p, from->failure_text, false);
    const char *lines = pack_string(p, from->policy_lines, true);

    for (size_t i = 0; i < from->mx_count; i++) {
        const char *pattern = pack_string(p, from->mx[i], false);
        if (mx != NULL)
            mx[i] = pattern;
    }
    if (to != NULL) {
        to->id = id;
        to->failure_text = text;
        to->policy_lines = lines;
        to->mx = from->mx_count ? mx : NULL;
    }
}

static void pack_all(struct packer *p, const struct findings *draft)
{
    struct findings *out;
    struct findings_host *hosts;
    const char **mx;
    const char *name, *text, *failure;

    p->used = offsetof(struct frozen, findings);
    out = pack_octets(p, draft, sizeof *draft);
    hosts = pack_octets(p, draft->hosts, draft->host_count * sizeof *draft->hosts);
    mx = pack_octets(p, draft->sts.mx, draft->sts.mx_count * sizeof *draft->sts.mx);
    for (size_t i = 0; i < draft->host_count; i++) {
        pack_tlsa(p, &draft->hosts[i], hosts != NULL ? &hosts[i] : NULL);
        pack_probes(p, &draft->hosts[i], hosts != NULL ? &hosts[i] : NULL);
    }

    text = pack_string(p, draft->nexthop.text, false);
    name = pack_shared(p, draft->nexthop.name, draft->nexthop.text, text);
    failure = pack_string(p, draft->failure, false);
    if (out != NULL) {
        out->nexthop.text = text;
        out->nexthop.name = name;
        out->failure = failure;
        out->hosts = draft->host_count ? hosts : NULL;
    }
    for (size_t i = 0; i < draft->host_count; i++)
        pack_host_bytes(p, draft, out, &draft->hosts[i], hosts != NULL ? &hosts[i] : NULL);
    pack_sts_bytes(p, &draft->sts, out != NULL ? &out->sts : NULL, mx);
}

const struct findings *findings_freeze(const struct findings *draft)
{
    struct packer p = {NULL, 0};
    struct frozen *frozen;

    pack_all(&p, draft);
    if (p.used > UINT32_MAX)
        return NULL;
    frozen = malloc(p.used < sizeof *frozen ? sizeof *frozen : p.used);
    if (frozen == NULL)
        return NULL;
    atomic_init(&frozen->refs, 1);
    frozen->size = (uint32_t)p.used;
    p.block = (char *)frozen;
    pack_all(&p, draft);
    return &frozen->findings;
}
