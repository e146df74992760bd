/*
 * Hosts into classes. host_class_of() judges one by its lookups: first whether it has an address in
 * one family, whatever happened to the other, then its TLSA records. host_classes_derive() does so
 * for all hosts of a next-hop, takes out those that our own MTA does not go to (RFC 5321 section
 * 5.1), and says whether TLSA records bind at all.
 */
#include "policy/host_class.h"

#include <string.h>

static bool family_found(uint8_t family)
{
    return family == FINDINGS_ADDR_SECURE || family == FINDINGS_ADDR_INSECURE;
}

enum host_class host_class_of(const struct findings_host *host)
{
    if (!family_found(host->a) && !family_found(host->aaaa)) {
        if (host->a == FINDINGS_ADDR_ABSENT && host->aaaa == FINDINGS_ADDR_ABSENT)
            return HOST_CLASS_ABSENT;
        if (host->a == FINDINGS_ADDR_PENDING || host->aaaa == FINDINGS_ADDR_PENDING)
            return HOST_CLASS_ADDRESS_PENDING;
        return HOST_CLASS_ADDRESS_FAILED;
    }
    switch ((enum findings_tlsa_state)host->tlsa_state) {
    case FINDINGS_TLSA_PENDING:
        return HOST_CLASS_TLSA_PENDING;
    case FINDINGS_TLSA_NONE:
        return HOST_CLASS_PLAIN;
    case FINDINGS_TLSA_USABLE:
        return HOST_CLASS_DANE;
    case FINDINGS_TLSA_UNUSABLE:
        return HOST_CLASS_UNUSABLE;
    case FINDINGS_TLSA_FAILED:
    default:
        return HOST_CLASS_TLSA_FAILED;
    }
}

static bool is_own_name(const char *name, const struct verdict_terms *terms)
{
    for (size_t n = 0; n < terms->my_name_count; n++) {
        if (strcmp(name, terms->my_names[n]) == 0)
            return true;
    }
    return false;
}

/* How many hosts, from the first, are preferred over ourselves. */
static size_t preferred_hosts(const struct findings *f, const struct verdict_terms *terms)
{
    if (terms == NULL || f->mx == FINDINGS_MX_NOT_ASKED)
        return f->host_count;
    for (size_t i = 0; i < f->host_count; i++) {
        if (!is_own_name(f->hosts[i].name, terms))
            continue;
        while (i > 0 && f->hosts[i - 1].preference >= f->hosts[i].preference)
            i--;
        return i;
    }
    return f->host_count;
}

void host_classes_derive(const struct findings *f, const struct verdict_terms *terms,
                         struct host_classes *out)
{
    size_t preferred = preferred_hosts(f, terms);

    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < f->host_count && i < FINDINGS_MAX_HOSTS; i++) {
        uint32_t bit = UINT32_C(1) << i;
        enum host_class class = host_class_of(&f->hosts[i]);

        if (f->host_count > FINDINGS_MAX_HOSTS)
            class = HOST_CLASS_ADDRESS_FAILED;
        else if (i >= preferred)
            class = HOST_CLASS_NOT_PREFERRED;
        out->of[class] |= bit;
        if (class != HOST_CLASS_ABSENT && class != HOST_CLASS_NOT_PREFERRED)
            out->counted |= bit;
        if (f->hosts[i].sts_match)
            out->sts_match |= bit;
    }
    out->best_mx = f->host_count > 0 && preferred == 0;
    out->tlsa_binds = f->mx != FINDINGS_MX_INSECURE;
}

bool host_classes_dane_only(const struct findings *f, const struct host_classes *classes)
{
    bool forbidden =
        f->sts.state == FINDINGS_STS_POLICY && f->sts.mode == FINDINGS_STS_MODE_ENFORCE;

    return forbidden || (classes->counted & ~classes->of[HOST_CLASS_DANE]) == 0;
}
