/*
 * Makes situations from a number. Most servers are good but for one thing, or the agent would never
 * come to what is behind it; most next-hops have something to demand.
 */
#include "situation.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *const names_of_hosts[HOSTS_MAX] = {"mx.example.org", "mx.example.net",
                                               "m2.example.org"};

static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static unsigned below(uint64_t *state, unsigned bound)
{
    return (unsigned)(next(state) % bound);
}

static bool one_in(uint64_t *state, unsigned of)
{
    return below(state, of) == 0;
}

static int pick(uint64_t *state, const int *values, size_t count)
{
    return values[below(state, (unsigned)count)];
}

#define PICK(state_, ...)                                                                          \
    pick(state_, (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static enum leaf good_leaf(uint64_t *r, size_t host)
{
    static const enum leaf good[HOSTS_MAX][2] = {
        {LEAF_FIRST, LEAF_BOTH}, {LEAF_SECOND, LEAF_BOTH}, {LEAF_WILDCARD, LEAF_WILDCARD}};

    return good[host][below(r, 2)];
}

static unsigned some_offers(uint64_t *r)
{
    unsigned offers =
        OFFER_PIPELINING | OFFER_8BITMIME | OFFER_SMTPUTF8 | OFFER_DSN | OFFER_REQUIRETLS;

    if (one_in(r, 3))
        offers &= ~(unsigned)OFFER_REQUIRETLS;
    if (one_in(r, 6))
        offers &= ~(unsigned)OFFER_PIPELINING;
    if (one_in(r, 6))
        offers &= ~(unsigned)OFFER_8BITMIME;
    if (one_in(r, 6))
        offers &= ~(unsigned)OFFER_SMTPUTF8;
    if (one_in(r, 4))
        offers &= ~(unsigned)OFFER_DSN;
    if (one_in(r, 16))
        offers |= OFFER_SIZE_SMALL;
    return offers;
}

static void make_script(uint64_t *r, size_t host, struct script *s)
{
    *s = (struct script){.exists = true,
                         .greeting = 220,
                         .ehlo = 250,
                         .starttls = 220,
                         .ehlo_tls = 250,
                         .mail = 250,
                         .rcpt = 250,
                         .data = 354,
                         .dot = 250,
                         .leaf = good_leaf(r, host)};
    s->offers = OFFER_STARTTLS | some_offers(r);
    s->offers_tls = some_offers(r);
    if (one_in(r, 3))
        s->leaf = (enum leaf)below(r, LEAVES);
    switch (below(r, 24)) {
    case 0:
        s->unreachable = true;
        break;
    case 1:
        s->greeting = PICK(r, 421, 450, 554, CLOSES, GARBAGE);
        break;
    case 2:
        s->ehlo = PICK(r, 421, 450, 502, 550, CLOSES);
        break;
    case 3:
    case 4:
        s->offers &= ~(unsigned)OFFER_STARTTLS;
        break;
    case 5:
    case 6:
        s->starttls = PICK(r, 454, 502, 554, 421, CLOSES);
        break;
    case 7:
        s->injects = true;
        break;
    case 8:
        s->handshake = one_in(r, 2) ? HANDSHAKE_GARBAGE : HANDSHAKE_CLOSES;
        break;
    case 9:
        s->old_tls = true;
        break;
    case 10:
        s->ehlo_tls = PICK(r, 421, 450, CLOSES);
        break;
    case 11:
        s->mail = PICK(r, 421, 450, 550, CLOSES);
        break;
    case 12:
        s->rcpt = PICK(r, 450, 550, CLOSES);
        break;
    case 13:
        s->data = PICK(r, 451, 554, CLOSES);
        break;
    case 14:
        s->dot = PICK(r, 451, 550, CLOSES);
        break;
    case 15:
        if (one_in(r, 8))
            s->greeting = SILENT;
        else if (one_in(r, 8))
            s->starttls = SILENT;
        break;
    default:
        break;
    }
}

static void make_host(uint64_t *r, const struct situation *s, size_t number, struct host *host)
{
    unsigned families = below(r, 5);

    *host = (struct host){.preference = 10 * below(r, 2), .secure = s->mx != MX_INSECURE};
    if (one_in(r, 8))
        host->secure = !host->secure;
    if (one_in(r, 14))
        host->found = one_in(r, 2) ? FOUND_ABSENT : FOUND_FAILED;
    host->match = !one_in(r, 4);
    for (unsigned family = 0; family < FAMILIES && host->found == FOUND; family++) {
        make_script(r, s->host_count == 1 && s->mx >= MX_ABSENT ? 2 : number,
                    &host->scripts[family]);
        host->scripts[family].exists = families >= 2 || families == family;
    }
    if (!host->secure || s->unknown || host->found != FOUND)
        return;
    host->tlsa = (enum tlsa)PICK(r, TLSA_NONE, TLSA_NONE, TLSA_USABLE, TLSA_USABLE, TLSA_USABLE,
                                 TLSA_UNUSABLE, TLSA_FAILED);
    if (s->mx == MX_INSECURE && host->tlsa == TLSA_FAILED)
        host->tlsa = TLSA_NONE; /* nobody asks there */
    host->tlsa_is_ta = one_in(r, 3);
    host->tlsa_of = host->scripts[families >= 2 || families == 0 ? IPV4 : IPV6].leaf;
    if (one_in(r, 6))
        host->tlsa_of = (enum leaf)below(r, LEAVES);
}

static void make_asked(uint64_t *r, struct asked *asked)
{
    *asked = (struct asked){
        .request = (enum request)PICK(r, REQUEST_NONE, REQUEST_OPTIONAL, REQUEST_REQUIRE,
                                      REQUEST_REQUIRE, REQUEST_REQUIRE, REQUEST_REQUIRE),
        .level = (enum level)PICK(r, LEVEL_ENFORCE, LEVEL_ENFORCE, LEVEL_ENFORCE, LEVEL_ENFORCE,
                                  LEVEL_STARTTLS, LEVEL_OPPORTUNISTIC, LEVEL_DISABLE),
        .offer = !one_in(r, 4),
        .null_sender = one_in(r, 12),
        .needs_8bitmime = one_in(r, 8),
        .needs_smtputf8 = one_in(r, 10),
        .rcpts = 1 + below(r, RCPTS_MAX),
    };
    if (one_in(r, 5))
        asked->fallback = one_in(r, 2) ? FALL_BACK_ENCRYPT : FALL_BACK_MAY;
}

/* The second message demands more of a server that has a connection for the first. */
static void make_pair(uint64_t *r, struct asked asked[DELIVERIES])
{
    asked[0] = asked[1] = (struct asked){.request = REQUEST_REQUIRE, .rcpts = 1};
    asked[0].level = one_in(r, 4) ? LEVEL_OPPORTUNISTIC : LEVEL_STARTTLS;
    asked[1].level = LEVEL_ENFORCE;
    asked[1].offer = one_in(r, 3);
}

/* Most preferred first, as findings have them. */
static void sort_hosts(struct situation *s)
{
    for (size_t i = 1; i < s->host_count; i++) {
        for (size_t k = i; k > 0 && s->hosts[k].preference < s->hosts[k - 1].preference; k--) {
            unsigned preference = s->hosts[k].preference;

            /* A host keeps its name, and with it what its certificates are good for. */
            s->hosts[k].preference = s->hosts[k - 1].preference;
            s->hosts[k - 1].preference = preference;
        }
    }
}

void situation_make(uint64_t seed, unsigned number, struct situation *out)
{
    uint64_t state = seed + number * UINT64_C(0x2545f4914f6cdd1d), *r = &state;

    memset(out, 0, sizeof(*out));
    out->number = number;
    out->unknown = one_in(r, 20);
    out->mx = (enum mx)PICK(r, MX_SECURE, MX_SECURE, MX_SECURE, MX_INSECURE, MX_INSECURE, MX_ABSENT,
                            MX_NOT_ASKED);
    out->sts = (enum sts)PICK(r, STS_NONE, STS_NONE, STS_ENFORCE, STS_ENFORCE, STS_ENFORCE_STALE,
                              STS_TESTING, STS_FAILED);
    if (out->mx == MX_NOT_ASKED || out->mx == MX_ABSENT)
        out->sts = STS_NONE;
    if (out->unknown && out->mx != MX_NOT_ASKED)
        out->mx = MX_INSECURE;
    out->host_count = out->mx == MX_SECURE || out->mx == MX_INSECURE ? 1 + below(r, HOSTS_MAX) : 1;
    for (size_t i = 0; i < out->host_count; i++)
        make_host(r, out, i, &out->hosts[i]);
    sort_hosts(out);
    for (size_t i = 0; i < DELIVERIES; i++)
        make_asked(r, &out->asked[i]);
    if (one_in(r, 4))
        make_pair(r, out->asked);
}

/* ---- text ---- */

static void add(char *out, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void add(char *out, size_t size, const char *format, ...)
{
    size_t len = strlen(out);
    va_list args;

    va_start(args, format);
    vsnprintf(out + len, size - len, format, args);
    va_end(args);
}

static void add_script(const struct script *s, unsigned family, char *out, size_t size)
{
    if (!s->exists)
        return;
    add(out, size,
        "\n    IPv%d%s: %d EHLO %d offers %02x STARTTLS %d%s handshake %d leaf %d%s, "
        "EHLO %d offers %02x, MAIL %d RCPT %d DATA %d . %d",
        family == IPV4 ? 4 : 6, s->unreachable ? " unreachable" : "", s->greeting, s->ehlo,
        s->offers, s->starttls, s->injects ? " injects" : "", s->handshake, s->leaf,
        s->old_tls ? " TLS 1.1" : "", s->ehlo_tls, s->offers_tls, s->mail, s->rcpt, s->data,
        s->dot);
}

const char *situation_text(const struct situation *s, unsigned delivery, char *out, size_t size)
{
    static const char *const requests[] = {"none", "optional", "require"};
    static const char *const levels[] = {"enforce", "starttls", "opportunistic", "disable"};
    static const char *const mxs[] = {"secure", "insecure", "absent", "[host]"};
    static const char *const policies[] = {"none", "enforce", "enforce stale", "testing", "failed"};
    static const char *const records[] = {"none", "usable", "unusable", "failed"};
    const struct asked *a = &s->asked[delivery];

    out[0] = '\0';
    add(out, size, "situation %u, message %u: %s %s%s fallback %d%s%s%s; mx %s%s, sts %s",
        s->number, delivery, requests[a->request], levels[a->level], a->offer ? " offer" : "",
        a->fallback, a->null_sender ? " from <>" : "", a->needs_8bitmime ? " 8BITMIME" : "",
        a->needs_smtputf8 ? " SMTPUTF8" : "", mxs[s->mx], s->unknown ? ", unknown" : "",
        policies[s->sts]);
    for (size_t i = 0; i < s->host_count; i++) {
        const struct host *h = &s->hosts[i];

        add(out, size, "\n  host %zu, %u: found %d%s, tlsa %s of %d%s%s", i, h->preference,
            h->found, h->secure ? " secure" : "", records[h->tlsa], h->tlsa_of,
            h->tlsa_is_ta ? " ta" : "", h->match ? ", match" : "");
        for (unsigned family = 0; family < FAMILIES; family++)
            add_script(&h->scripts[family], family, out, size);
    }
    return out;
}
