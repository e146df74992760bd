/*
 * model_make() goes the way that the manual has: what is demanded at the level in force
 * (phase_begin), what each server does with that demand (try_address), what is told when none is
 * left (tell_failures); and, where `fallback` allows it and no host could meet the demand, the same
 * once more at the lower level. Where the order of attempts is left to chance, all orders count.
 */
#include "model.h"
#include "model_server.h"

#include <stdio.h>
#include <string.h>

static void answer(struct model *out, int code, const char *enhanced)
{
    if (out->answer_count == ANSWERS_MAX)
        return;
    snprintf(out->answers[out->answer_count++], sizeof(out->answers[0]), "%d %s", code, enhanced);
}

/* ---- all servers ---- */

struct course {
    struct tried tried[HOSTS_MAX][FAMILIES];
};

static bool is_tried(const struct phase *p, size_t host, unsigned family)
{
    return host < p->s->host_count && p->of[host] != NOT_USED &&
           p->s->hosts[host].scripts[family].exists;
}

#define FOR_EACH(p_, host_, family_)                                                               \
    for (size_t host_ = 0; host_ < HOSTS_MAX; host_++)                                             \
        for (unsigned family_ = 0; family_ < FAMILIES; family_++)                                  \
            if (is_tried(p_, host_, family_))

static void run(const struct phase *p, struct course *out)
{
    FOR_EACH(p, host, family)
    out->tried[host][family] = try_address(p, host, family);
}

static void allow(const struct phase *p, const struct course *course, struct model *out)
{
    FOR_EACH(p, host, family)
    {
        const struct tried *tried = &course->tried[host][family];
        struct allowed *allowed = &out->allowed[host][family];

        allowed->connected = true;
        if (!tried->said)
            continue;
        if (allowed->mail && allowed->requiretls != tried->said_requiretls)
            allowed->may_requiretls = true;
        if (allowed->mail && allowed->ret_hdrs != tried->said_ret_hdrs)
            allowed->may_ret_hdrs = true;
        allowed->mail = true;
        allowed->in_tls |= tried->said_in_tls;
        allowed->in_clear |= tried->said_in_clear;
        allowed->requiretls = tried->said_requiretls;
        allowed->ret_hdrs = tried->said_ret_hdrs;
        allowed->may_requiretls |= tried->said_both;
        allowed->may_ret_hdrs |= tried->said_both_ret;
    }
}

/* The first answer for good, by preference; of equals any. False: there is none. */
static bool tell_answers(const struct phase *p, const struct course *course, struct model *out)
{
    for (unsigned preference = 0; preference <= 10; preference += 10) {
        bool any = false;

        FOR_EACH(p, host, family)
        {
            const struct tried *tried = &course->tried[host][family];

            if (tried->end != ANSWERED || p->s->hosts[host].preference != preference)
                continue;
            answer(out, tried->code, tried->enhanced);
            any = true;
        }
        if (any)
            return true;
    }
    return false;
}

static bool tell_answers_for_now(const struct phase *p, const struct course *course,
                                 struct model *out)
{
    bool any = false;

    FOR_EACH(p, host, family)
    {
        const struct tried *tried = &course->tried[host][family];

        if (tried->end != ANSWERED_FOR_NOW)
            continue;
        answer(out, tried->code, tried->enhanced);
        any = true;
    }
    return any;
}

/* Whether DNS could make another host one that counts, or another policy be in force by now. */
static bool in_doubt(const struct phase *p)
{
    const struct situation *s = p->s;
    bool dane = false;

    for (size_t i = 0; i < s->host_count; i++)
        dane |= p->of[i] == DANE;
    if (s->unknown || (s->sts == STS_ENFORCE_STALE && !dane))
        return true;
    for (size_t i = 0; i < s->host_count; i++) {
        const struct host *h = &s->hosts[i];
        bool failed = h->found == FOUND_FAILED ||
                      (model_tlsa_binds(s) && h->found == FOUND && h->tlsa == TLSA_FAILED);

        if (!failed)
            continue;
        if (model_tlsa_binds(s) || (model_is_in_force(s) && h->match))
            return true;
        /* A policy that is not known might allow it. */
        if (s->sts == STS_FAILED)
            return true;
    }
    return false;
}

static bool is_permanent(const struct phase *p, const struct course *course, size_t host,
                         bool for_fallback)
{
    bool no = false;

    for (unsigned family = 0; family < FAMILIES; family++) {
        const struct tried *tried = &course->tried[host][family];
        bool demand_unmet = tried->end == NO_STARTTLS || tried->end == STARTTLS_5XX ||
                            tried->end == NOT_VERIFIED || tried->end == NO_REQUIRETLS;
        bool says_no = tried->definite && (p->enforce ? demand_unmet : false);

        if (!is_tried(p, host, family) || tried->end == UNREACHED)
            continue;
        if (for_fallback)
            says_no = says_no || tried->end == NO_HANDSHAKE;
        else
            says_no = says_no || (tried->definite && tried->end == LACKS);
        if (!says_no)
            return false;
        no = true;
    }
    return no;
}

static bool all_say_no(const struct phase *p, const struct course *course, bool for_fallback)
{
    bool any = false;

    for (size_t i = 0; i < p->s->host_count; i++) {
        if (p->of[i] == NOT_USED)
            continue;
        if (!is_permanent(p, course, i, for_fallback))
            return false;
        any = true;
    }
    return any;
}

/* Below enforce only what the message lacks can be permanent. */
static bool lower_in_doubt(const struct phase *p)
{
    const struct situation *s = p->s;
    bool sts = false;

    for (size_t i = 0; i < s->host_count; i++) {
        sts |= p->of[i] == STS;
        if (s->hosts[i].found == FOUND_FAILED ||
            (s->hosts[i].found == FOUND && s->hosts[i].tlsa == TLSA_FAILED))
            return true;
    }
    return sts && s->sts == STS_ENFORCE_STALE;
}

static void tell_failure(const struct phase *p, const struct tried *told, bool permanent,
                         struct model *out)
{
    char enhanced[24];

    switch (told->end) {
    case UNREACHED:
        answer(out, 451, "4.4.1");
        return;
    case TIMED_OUT:
    case BROKE_OFF:
        answer(out, 451, "4.4.2");
        return;
    case REFUSED:
        answer(out, 451, "4.");
        return;
    case NO_STARTTLS:
        answer(out, permanent ? 550 : 451, permanent ? "5.7.30" : p->enforce ? "4.7.30" : "4.7.4");
        return;
    case STARTTLS_4XX:
    case STARTTLS_5XX:
    case NOT_VERIFIED:
        answer(out, permanent ? 550 : 451, permanent ? "5.7.10" : p->enforce ? "4.7.10" : "4.7.5");
        return;
    case NO_HANDSHAKE:
        answer(out, 451, "4.7.5");
        return;
    case NO_REQUIRETLS:
        answer(out, permanent ? 550 : 451, permanent ? "5.7.30" : "4.7.30");
        return;
    case LACKS:
        snprintf(enhanced, sizeof(enhanced), "%d.%s", permanent ? 5 : 4, told->enhanced);
        answer(out,
               !permanent                           ? 451
               : strcmp(told->enhanced, "6.7") == 0 ? 550
               : strcmp(told->enhanced, "6.3") == 0 ? 554
                                                    : 552,
               enhanced);
        return;
    case ANSWERED_FOR_NOW:
    case ANSWERED:
    default:
        return;
    }
}

static void tell_failures(const struct phase *p, const struct course *course, struct model *out)
{
    bool permanent =
        all_say_no(p, course, false) && !(p->enforce ? in_doubt(p) : lower_in_doubt(p));
    enum end farthest = UNREACHED;

    FOR_EACH(p, host, family)
    if (course->tried[host][family].end > farthest)
        farthest = course->tried[host][family].end;
    FOR_EACH(p, host, family)
    if (course->tried[host][family].end == farthest)
        tell_failure(p, &course->tried[host][family], permanent, out);
}

/* ---- no server ---- */

/* At enforce: 5.7.10 only where nothing that may be known later would change it. */
static bool is_unsatisfied(const struct phase *p)
{
    const struct situation *s = p->s;
    bool counted = false;

    for (size_t i = 0; i < s->host_count; i++)
        counted |= s->hosts[i].found != FOUND_ABSENT;
    if (s->unknown || (counted && (s->sts == STS_FAILED || s->sts == STS_ENFORCE_STALE)))
        return false;
    return !in_doubt(p) || !counted;
}

static void tell_no_server(const struct phase *p, struct model *out)
{
    if (p->enforce) {
        if (is_unsatisfied(p))
            answer(out, 550, "5.7.10");
        else
            answer(out, 451, "4.4.3");
        return;
    }
    /* As any mail: no address, none now, or none that the policy has. */
    for (size_t i = 0; i < p->s->host_count; i++) {
        const struct host *h = &p->s->hosts[i];

        if (h->found == FOUND_FAILED || (h->found == FOUND && h->tlsa == TLSA_FAILED)) {
            answer(out, 451, "4.4.3");
            return;
        }
    }
    for (size_t i = 0; i < p->s->host_count; i++) {
        if (p->s->hosts[i].found == FOUND) {
            answer(out, 451, "4.7.5");
            return;
        }
    }
    answer(out, 550, "5.4.4");
}

/* ---- */

/* False: the message is not settled at this level. */
static bool settle(const struct phase *p, struct model *out)
{
    struct course course = {0};
    bool any = false, met = false;
    bool fallback = p->enforce && p->asked->fallback != FALL_BACK_NOT;

    run(p, &course);
    allow(p, &course, out);
    FOR_EACH(p, host, family)
    {
        any = true;
        met |= course.tried[host][family].said;
    }
    for (size_t i = 0; i < p->s->host_count; i++)
        any |= p->of[i] != NOT_USED;
    if (fallback &&
        (any ? !met && all_say_no(p, &course, true) && !in_doubt(p) : is_unsatisfied(p))) {
        out->may_fall_back = true;
        return false;
    }
    if (!any)
        tell_no_server(p, out);
    else if (!tell_answers(p, &course, out) && !tell_answers_for_now(p, &course, out))
        tell_failures(p, &course, out);
    return true;
}

void model_make(const struct situation *s, unsigned delivery, struct model *out)
{
    const struct asked *asked = &s->asked[delivery];
    struct phase phase;

    memset(out, 0, sizeof(*out));
    phase_begin(s, asked, asked->level, &phase);
    if (settle(&phase, out))
        return;
    phase_begin(s, asked, asked->fallback == FALL_BACK_MAY ? LEVEL_OPPORTUNISTIC : LEVEL_STARTTLS,
                &phase);
    settle(&phase, out);
}

bool model_accepts(const struct model *model, int code, const char *enhanced)
{
    char got[24];

    snprintf(got, sizeof(got), "%d %s", code, enhanced);
    for (size_t i = 0; i < model->answer_count; i++) {
        size_t len = strlen(model->answers[i]);

        if (strcmp(got, model->answers[i]) == 0 ||
            (model->answers[i][len - 1] == '.' && strncmp(got, model->answers[i], len) == 0))
            return true;
    }
    return false;
}
