/* Findings for tests from one line of words. */
#include "findings_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static const struct findings_tlsa one_tlsa[] = {
    {.usage = 3,
     .selector = 1,
     .matching_type = 1,
     .usable = true,
     .data_len = 4,
     .data = (const uint8_t *)"\xde\xad\xbe\xef"},
};

static unsigned value_of(const char *const *names, const char *value)
{
    for (unsigned i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], value) == 0)
            return i;
    }
    fail_msg("no such value: %s", value);
    return 0;
}

static uint8_t addr_of(const char *value)
{
    static const char letters[] = "psi-f";
    const char *at = strchr(letters, value[0]);
    if (at == NULL || !value[0])
        fail_msg("no such address state: %s", value);
    return (uint8_t)(at - letters);
}

uint8_t findings_text_probes(const char *letters, struct findings_probe probes[8])
{
    static const char known[] = "otaruf";
    uint8_t count = 0;

    assert_true(strlen(letters) <= 8);
    for (; letters[count] != '\0'; count++) {
        char letter = letters[count];
        const char *at = strchr(known, letter == 'x' ? 't' : letter);

        if (at == NULL)
            fail_msg("no such result of a probe: %c", letter);
        probes[count] = (struct findings_probe){
            .address = {192, 0, 2, (uint8_t)(count + 1)},
            .family = 4,
            .port = 25,
            .checked_at_s = 1700000000,
            .result = (uint8_t)(at - known),
            .starttls = letter == 'x' || strchr("oar", letter) != NULL,
            .failure = letter == 'o'   ? NULL
                       : letter == 'x' ? "502 5.5.1 not today"
                       : letter == 'a' ? "certificate has expired"
                                       : "what was wrong",
        };
    }
    return count;
}

static void add_host(struct findings_text *out, char *spec)
{
    static const char *const states[] = {"pending", "none", "usable", "unusable", "failed", NULL};
    struct findings *f = &out->findings;
    struct findings_host *host = &out->hosts[f->host_count];
    assert_true(f->host_count < FINDINGS_MAX_HOSTS);
    f->host_count++;
    *host = (struct findings_host){.a = FINDINGS_ADDR_SECURE,
                                   .aaaa = FINDINGS_ADDR_ABSENT,
                                   .tlsa_state = FINDINGS_TLSA_NONE,
                                   .probes = out->probes[f->host_count - 1],
                                   .preference = 10};
    char *rest = spec;
    host->name = strsep(&rest, ",");
    for (char *part; (part = strsep(&rest, ","));) {
        if (part[0] >= '0' && part[0] <= '9')
            host->preference = (uint16_t)atoi(part);
        else if (strncmp(part, "a=", 2) == 0)
            host->a = addr_of(part + 2);
        else if (strncmp(part, "aaaa=", 5) == 0)
            host->aaaa = addr_of(part + 5);
        else if (strncmp(part, "tlsa=", 5) == 0)
            host->tlsa_state = (uint8_t)value_of(states, part + 5);
        else if (strcmp(part, "match") == 0)
            host->sts_match = true;
        else if (strncmp(part, "probe=", 6) == 0)
            host->probe_count = findings_text_probes(part + 6, out->probes[f->host_count - 1]);
        else
            fail_msg("no such part of a host: %s", part);
    }
    if (host->tlsa_state == FINDINGS_TLSA_USABLE || host->tlsa_state == FINDINGS_TLSA_UNUSABLE) {
        host->tlsa = one_tlsa;
        host->tlsa_count = 1;
        host->tlsa_base = host->name;
    }
    if (host->tlsa_state == FINDINGS_TLSA_FAILED)
        host->failure = "TLSA: SERVFAIL";
    if (host->a == FINDINGS_ADDR_FAILED || host->aaaa == FINDINGS_ADDR_FAILED)
        host->failure = "address: timed out";
}

static void set_nexthop(struct findings_text *out, const char *value)
{
    assert_int_equal(nexthop_parse(value, &out->nexthop), 0);
    out->findings.nexthop = (struct findings_nexthop){.name = out->nexthop.name,
                                                      .text = out->nexthop.text,
                                                      .port = out->nexthop.port,
                                                      .kind = (uint8_t)out->nexthop.kind};
}

static void set_sts(struct findings_text *out, const char *value)
{
    static const char *const states[] = {"pending", "off", "none", "policy", "failed", NULL};
    static const char *const modes[] = {"mode-none", "testing", "enforce", NULL};
    struct findings_sts *sts = &out->findings.sts;
    if (strcmp(value, "enforce") != 0 && strcmp(value, "testing") != 0 &&
        strcmp(value, "mode-none") != 0) {
        sts->state = (uint8_t)value_of(states, value);
        if (sts->state == FINDINGS_STS_NONE)
            sts->failure = FINDINGS_STS_NO_RECORD;
        return;
    }
    sts->state = FINDINGS_STS_POLICY;
    sts->mode = (uint8_t)value_of(modes, value);
    sts->failure = FINDINGS_STS_FAILURE_NONE;
    sts->id = "20260101";
    sts->id_current = true;
    sts->max_age_s = 604800;
    sts->fetched_at_s = 1700000000;
}

static void set_stale(struct findings_sts *sts)
{
    sts->source = FINDINGS_STS_CACHED_FAILED;
    sts->failure = FINDINGS_STS_FETCH_ERROR;
    sts->id_current = false;
}

void findings_from_text(const char *spec, struct findings_text *out)
{
    static const char *const mx[] = {"pending", "not-asked", "secure", "insecure", "absent",
                                     "null",    "nxdomain",  "failed", NULL};
    memset(out, 0, sizeof(*out));
    struct findings *f = &out->findings;
    f->mx = FINDINGS_MX_SECURE;
    f->security_known = true;
    f->hosts = out->hosts;
    f->sts.mx = out->patterns;
    f->ttl_s = 300;
    set_sts(out, "none");
    set_nexthop(out, "example.org");
    assert_true(strlen(spec) < sizeof(out->words));
    strcpy(out->words, spec);
    char *rest = out->words;
    for (char *word; (word = strsep(&rest, " "));) {
        if (!*word)
            continue;
        char *value = strchr(word, '=');
        value = value != NULL ? value + 1 : word + strlen(word);
        if (strncmp(word, "nexthop=", 8) == 0)
            set_nexthop(out, value);
        else if (strncmp(word, "mx=", 3) == 0)
            f->mx = (uint8_t)value_of(mx, value);
        else if (strncmp(word, "host=", 5) == 0)
            add_host(out, value);
        else if (strncmp(word, "sts=", 4) == 0)
            set_sts(out, value);
        else if (strncmp(word, "pat=", 4) == 0)
            out->patterns[f->sts.mx_count++] = value;
        else if (strcmp(word, "late") == 0)
            f->sts.late = true;
        else if (strcmp(word, "stale") == 0)
            set_stale(&f->sts);
        else if (strcmp(word, "unknown") == 0)
            f->security_known = false;
        else if (strcmp(word, "unchecked") == 0)
            f->unchecked = true;
        else if (strcmp(word, "dane-seen") == 0)
            f->dane_seen = true;
        else
            fail_msg("no such word: %s", word);
    }
    if (f->mx == FINDINGS_MX_FAILED)
        f->failure = "SERVFAIL";
}
