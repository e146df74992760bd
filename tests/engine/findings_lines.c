/*
 * One line per fact.
 */
#include "findings_lines.h"

#include "policy/findings_summary.h"
#include "policy/verdict.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

struct writer {
    char *out;
    size_t len;
    size_t used;
};

__attribute__((format(printf, 2, 3))) static void put(struct writer *w, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(w->out + w->used, w->len - w->used, format, args);
    va_end(args);
    if (n > 0 && w->used + (size_t)n < w->len)
        w->used += (size_t)n;
}

static void put_addresses(struct writer *w, const struct findings_host *h)
{
    const uint8_t *address;
    char text[INET6_ADDRSTRLEN];

    put(w, "addresses %s a=%u aaaa=%u\n", h->name, h->addresses->a_count, h->addresses->aaaa_count);
    for (size_t i = 0; (address = findings_host_a(h, i)) != NULL; i++)
        put(w, "address %s %s %s\n", h->name, inet_ntop(AF_INET, address, text, sizeof text),
            findings_addr_name(h->a));
    for (size_t i = 0; (address = findings_host_aaaa(h, i)) != NULL; i++)
        put(w, "address %s %s %s\n", h->name, inet_ntop(AF_INET6, address, text, sizeof text),
            findings_addr_name(h->aaaa));
}

static void put_probes(struct writer *w, const struct findings_host *h)
{
    char text[INET6_ADDRSTRLEN];

    for (size_t i = 0; i < h->probe_count; i++) {
        const struct findings_probe *p = &h->probes[i];

        inet_ntop(p->family == 6 ? AF_INET6 : AF_INET, p->address, text, sizeof text);
        put(w, "probe %s %s %s\n", h->name, text, findings_probe_result_name(p->result));
        put(w, "probe-port %s %s %u\n", h->name, text, p->port);
        if (p->failure != NULL)
            put(w, "probe-why %s %s %s\n", h->name, text, p->failure);
    }
    put(w, "probes %s %u\n", h->name, h->probe_count);
}

static void put_host(struct writer *w, const struct findings_host *h)
{
    put(w, "host %u %s a=%s aaaa=%s tlsa=%s\n", h->preference, h->name, findings_addr_name(h->a),
        findings_addr_name(h->aaaa), findings_tlsa_state_name(h->tlsa_state));
    if (h->addresses != NULL)
        put_addresses(w, h);
    if (h->tlsa_base != NULL)
        put(w, "base %s %s\n", h->name, h->tlsa_base);
    for (size_t i = 0; i < h->tlsa_count; i++)
        put(w, "tlsa %s %u %u %u %s\n", h->name, h->tlsa[i].usage, h->tlsa[i].selector,
            h->tlsa[i].matching_type, h->tlsa[i].usable ? "usable" : "unusable");
    if (h->sts_match)
        put(w, "match %s\n", h->name);
    if (h->failure != NULL)
        put(w, "why %s %s\n", h->name, h->failure);
    put_probes(w, h);
}

static void put_sts(struct writer *w, const struct findings_sts *sts)
{
    static const char *const states[] = {"pending", "off", "none", "policy", "failed"};

    put(w, "sts %s%s", states[sts->state], sts->late ? " late" : "");
    if (sts->state == FINDINGS_STS_POLICY)
        put(w, " %s %s id=%s", findings_sts_mode_name(sts->mode),
            findings_sts_source_name(sts->source), sts->id);
    if (sts->failure != FINDINGS_STS_FAILURE_NONE)
        put(w, " %s", findings_sts_failure_name(sts->failure));
    put(w, "\n");
    if (sts->state == FINDINGS_STS_POLICY)
        put(w, "id-checked %s\n", sts->id_current ? "yes" : "no");
    if (sts->failure_text != NULL)
        put(w, "sts-why %s\n", sts->failure_text);
}

static void put_verdict(struct writer *w, const struct findings *f, const char *name,
                        enum verdict_level level, unsigned can)
{
    static const char *const bases[] = {"", " dane", " sts", " web-pki", " level"};
    const struct verdict_terms terms = {.level = level, .can = can, .web_pki = true};
    struct verdict v;

    verdict_derive(f, &terms, &v);
    put(w, "%s %s%s", name, verdict_value_name(v.value), bases[v.basis]);
    for (size_t i = 0; i < f->host_count; i++) {
        if (v.hosts & (UINT32_C(1) << i))
            put(w, " %s", f->hosts[i].name);
    }
    put(w, "\n");
    if (level == VERDICT_LEVEL_ENFORCE && v.value != VERDICT_SATISFIED) {
        char why[400];
        put(w, "%s because %s\n", name, verdict_explain(f, &v, why, sizeof why));
    }
}

void findings_lines_write(const struct findings *f, char *out, size_t out_len)
{
    struct writer w = {out, out_len, 0};
    const unsigned native = VERDICT_CAN_DANE | VERDICT_CAN_STS;

    out[0] = '\0';
    put(&w, "complete %s\n", findings_complete(f) ? "yes" : "no");
    put(&w, "summary %s\n", findings_summary_name(findings_summarise(f, NULL)));
    put(&w, "mx %s%s\n", findings_mx_name(f->mx), f->security_known ? "" : " security-unknown");
    if (f->dane_seen)
        put(&w, "dane-seen\n");
    if (f->failure != NULL)
        put(&w, "why %s\n", f->failure);
    for (size_t i = 0; i < f->host_count; i++)
        put_host(&w, &f->hosts[i]);
    put(&w, "hosts %u\n", f->host_count);
    put_sts(&w, &f->sts);
    put(&w, "ttl %u\n", f->ttl_s);
    put_verdict(&w, f, "enforce", VERDICT_LEVEL_ENFORCE, native);
    put_verdict(&w, f, "enforce-pki", VERDICT_LEVEL_ENFORCE, native | VERDICT_CAN_WEB_PKI);
    put_verdict(&w, f, "opportunistic+starttls", VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS, native);
    put_verdict(&w, f, "opportunistic", VERDICT_LEVEL_OPPORTUNISTIC, native);
}
