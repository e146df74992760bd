/*
 * Tickets in whole messages: who gets one, what is in it, what becomes of those that come in, and
 * that no message leaves for the delivery agent without one.
 */
#include "base/log.h"
#include "config_text.h"
#include "fake_engine.h"
#include "filter/message.h"
#include "policy/clock.h"
#include "ticket/ticket.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct ticket_keys our_key = {.keys = {"0123456789abcdef0123456789abcde"}, .count = 1};

#define DANE "nexthop=dane.example mx=secure host=mx.dane.example,10,a=s,tlsa=usable"
#define NONE "nexthop=none.example mx=insecure host=mx.none.example,10,a=i"
#define PKI "nexthop=[relay.example]:26 mx=absent host=relay.example,0,a=i"

/* The snippets' second pass, with the agent as what the exit routes lead to. */
#define AGENT                                                                                      \
    "[default]\nroute = loop\noptional_route = loop-optional\n"                                    \
    "[route loop]\nmethod = header\nlocal = reinject\n"                                            \
    "can = dane, sts, web_pki, fallback, requiretls\n"                                             \
    "[route loop-optional]\nmethod = header\nlocal = reinject\n"                                   \
    "[rule loop]\ndaemon = loop\nrequest = require\nroute = strict\n"                              \
    "[rule loop-optional]\ndaemon = loop-optional\nroute = strict\noptional_route = optional\n"    \
    "[route strict]\nmethod = header\nlocal = refuse\nagent = yes\n"                               \
    "[route optional]\nmethod = header\nlocal = refuse\nagent = yes\n"
/* At the first pass. */
#define DIRECT                                                                                     \
    "[default]\nroute = strict\noptional_route = optional\n"                                       \
    "[route strict]\nmethod = header\nlocal = refuse\nagent = yes\n"                               \
    "[route optional]\nmethod = header\nlocal = refuse\nagent = yes\n"
#define SOCKETS                                                                                    \
    "[deliver queue]\nlisten = unix:/var/spool/postfix/requiretls/deliver.sock\ntickets = yes\n"   \
    "[deliver all]\nlisten = inet:127.0.0.1:8691\n"                                                \
    "[deliver hub]\nlisten = inet:[::1]:8692\nnexthop = [hub.example]:587\n"

#define ROUTE(name) " +X-REQUIRETLS-Route: " name " -X-REQUIRETLS-Route/1"
#define STRICT ROUTE("strict")
#define OPTIONAL ROUTE("optional")

enum { LIST = 8 };

/*
 * mail: sender and parameters. rcpt: address, host=, mailer=, resolved=; `_` for a blank. header:
 * the value of a ticket is `ours RECIPIENT [SENDER]`, a valid one, `old RECIPIENT`, a valid one of
 * long ago, or what it says. expected: the step, then tickets as `RECIPIENT(TERMS)`, other fields
 * as `+NAME: VALUE`, those deleted as `-NAME/NUMBER`, parameters of the sender.
 */
static const struct ticket_case {
    const char *name;
    const char *config;
    const char *cached;
    const char *daemon; /* the client is this host then */
    const char *mail;
    const char *rcpt[LIST];
    const char *header[LIST][2];
    const char *f; /* the sender as an earlier filter has left it */
    const char *expected;
} cases[] = {
    /* --- what is in it --- */
    {.name = "require, by the second pass",
     .config = AGENT,
     .cached = DANE,
     .daemon = "loop",
     .mail = "<a@b.example> RET=HDRS",
     .rcpt = {"<c@dane.example>"},
     .expected = "done c@dane.example(4bXyZ require enforce offer none dane.example)" STRICT},
    {.name = "the MTA's next-hop",
     .config = AGENT,
     .cached = PKI,
     .daemon = "loop",
     .mail = "<a@b.example> RET=HDRS",
     .rcpt = {"<c@dane.example> host=[relay.example]:26 mailer=smtp"},
     .expected = "done c@dane.example(4bXyZ require enforce offer none [relay.example]:26)" STRICT},
    {.name = "optional, by the second pass",
     .config = AGENT,
     .cached = NONE,
     .daemon = "loop-optional",
     .mail = "<a@b.example>",
     .rcpt = {"<c@none.example>"},
     .header = {{"TLS-Required", "No"}},
     .expected = "done c@none.example(4bXyZ optional opportunistic - none none.example)" OPTIONAL},
    {.name = "the first pass writes none",
     .config = AGENT,
     .cached = DANE,
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<c@dane.example>"},
     .expected = "done +Require-TLS-ESMTP: yes" ROUTE("loop")},
    {.name = "a level below",
     .config = "[rule low]\nnexthop = none.example\nlevel = opportunistic+starttls\n" DIRECT,
     .cached = NONE,
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<c@none.example>"},
     .expected =
         "done c@none.example(4bXyZ require opportunistic+starttls - none none.example)" STRICT},
    {.name = "opportunistic: the agent passes REQUIRETLS on where it is offered",
     .config = "[rule low]\nnexthop = none.example\nlevel = opportunistic\n" DIRECT,
     .cached = NONE,
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<c@none.example>"},
     .expected = "done c@none.example(4bXyZ require opportunistic - none none.example)" STRICT},
    {.name = "disable: as any other mail",
     .config = "[rule low]\nnexthop = none.example\nlevel = disable\n" DIRECT,
     .cached = NONE,
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<c@none.example>"},
     .expected = "done"},
    {.name = "a fallback that the delivery may use",
     .config = DIRECT "[rule fall]\nnexthop = dane.example\nfallback = encrypt\n",
     .cached = DANE,
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<c@dane.example>"},
     .expected = "done c@dane.example(4bXyZ require enforce offer encrypt dane.example)" STRICT},
    {.name = "a fallback that was decided already",
     .config = DIRECT "[rule fall]\nnexthop = none.example\nfallback = may\n",
     .cached = NONE,
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<c@none.example>"},
     .expected = "done c@none.example(4bXyZ require opportunistic - none none.example)" STRICT},
    {.name = "a route without fallback",
     .config = "[route strict]\nmethod = header\nlocal = refuse\nagent = yes\n"
               "can = dane, sts, requiretls\n[default]\nroute = strict\nfallback = may\n",
     .cached = DANE,
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<c@dane.example>"},
     .expected = "done c@dane.example(4bXyZ require enforce offer none dane.example)" STRICT},
    {.name = "require_offer = no",
     .config = DIRECT "[rule any]\nrequire_offer = no\n",
     .cached = DANE,
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<c@dane.example>"},
     .expected = "done c@dane.example(4bXyZ require enforce - none dane.example)" STRICT},
    {.name = "TLS-Required goes where REQUIRETLS may not be said",
     .config = DIRECT "[rule any]\nrequire_offer = no\n",
     .cached = DANE,
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<c@dane.example>"},
     .header = {{"TLS-Required", "No"}},
     .expected = "done -TLS-Required/1 c@dane.example(4bXyZ require enforce - none "
                 "dane.example)" STRICT},
    {.name = "and stays where REQUIRETLS is",
     .config = DIRECT,
     .cached = DANE,
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<c@dane.example>"},
     .header = {{"TLS-Required", "No"}},
     .expected = "done c@dane.example(4bXyZ require enforce offer none dane.example)" STRICT},
    {.name = "what is only to be logged takes no route that would hold it up",
     .config = DIRECT "[rule log]\nnexthop = none.example\non_unsatisfied = log\n",
     .cached = NONE,
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<c@none.example>"},
     .expected = "done"},
    {.name = "exempt by tls_policy = skip",
     .config = DIRECT "[rule skip]\nnexthop = none.example\ntls_policy = skip\n",
     .cached = NONE,
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<c@none.example>"},
     .expected = "done c@none.example(4bXyZ require opportunistic - none none.example)" STRICT},
    {.name = "asked for by a rule",
     .config = DIRECT "[rule r]\nsender = a@b.example\nrequest = require\n",
     .cached = DANE,
     .mail = "<a@b.example> RET=HDRS",
     .rcpt = {"<c@dane.example>"},
     .expected = "done c@dane.example(4bXyZ require enforce offer none dane.example)" STRICT},
    {.name = "a bounce of an MTA that might discard it",
     .config = DIRECT "[milter]\nredact_dsn = no\naccept_header = any\n",
     .cached = NONE,
     .mail = "<> mta-requiretls REQUIRETLS",
     .rcpt = {"<c@none.example>"},
     .expected = "done c@none.example(4bXyZ require opportunistic - none none.example)" STRICT},
    {.name = "of several next-hops the one that the decision rests on",
     .config = DIRECT "[rule low]\nnexthop = none.example\nlevel = opportunistic\n",
     .cached = PKI,
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<c@x.example> host=[relay.example]:26,none.example mailer=smtp",
              "<d@x.example> host=[hub.example],none.example mailer=smtp"},
     .expected = "done c@x.example(4bXyZ require enforce offer none [relay.example]:26)"
                 " d@x.example(4bXyZ require opportunistic - none none.example)" STRICT},
    {.name = "of several next-hops none past the agent to another",
     .config = DIRECT "[rule low]\nnexthop = none.example\nlevel = disable\n",
     .cached = PKI ";" NONE,
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<d@x.example> host=none.example,[relay.example]:26 mailer=smtp"},
     .expected = "done d@x.example(4bXyZ require enforce offer none [relay.example]:26)" STRICT},
    {.name = "nor without the route that reinjects",
     .config = AGENT "[rule low]\nnexthop = none.example\nlevel = disable\n",
     .cached = NONE ";nexthop=dane.example mx=insecure host=mx.dane.example,10,a=i",
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<d@x.example> host=none.example,dane.example mailer=smtp"},
     .expected = "550 5.7.10"},
    /* --- whom it is for --- */
    {.name = "one for each recipient, each with its next-hop",
     .config = DIRECT,
     .cached = DANE ";" PKI,
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<c@dane.example>", "<d@dane.example>",
              "<e@x.example> host=[relay.example]:26 mailer=relay"},
     .expected = "done c@dane.example(4bXyZ require enforce offer none dane.example)"
                 " d@dane.example(4bXyZ require enforce offer none dane.example)"
                 " e@x.example(4bXyZ require enforce offer none [relay.example]:26)" STRICT},
    {.name = "the address that the MTA makes of it",
     .config = DIRECT,
     .cached = DANE,
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<c%dane.example@own.example> resolved=c@dane.example host=dane.example"},
     .expected = "done c@dane.example(4bXyZ require enforce offer none dane.example)" STRICT},
    {.name = "with a tag, the address without it",
     .config = "[default]\nroute = strict\n[route strict]\nmethod = recipient\nagent = yes\n",
     .cached = DANE,
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<c@dane.example>"},
     .expected = "done c@dane.example(4bXyZ require enforce offer none dane.example) "
                 "addrcpt <c@dane.example.requiretls.invalid> delrcpt <c@dane.example>"},
    {.name = "local recipients get none",
     .config = "[default]\nroute = strict\n[route strict]\nmethod = recipient\nagent = yes\n",
     .cached = DANE,
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<c@dane.example>", "<l@own.example> mailer=local host=own.example"},
     .expected = "done c@dane.example(4bXyZ require enforce offer none dane.example) "
                 "addrcpt <c@dane.example.requiretls.invalid> delrcpt <c@dane.example>"},
    {.name = "the sender as an earlier filter has left it",
     .config = DIRECT,
     .cached = DANE,
     .mail = "<a@b.example> REQUIRETLS f=a@b.example",
     .rcpt = {"<c@dane.example>"},
     .f = "srs@own.example",
     .expected = "done chgfrom <srs@own.example> "
                 "c@dane.example(4bXyZ require enforce offer none dane.example)" STRICT},
    {.name = "a route without the agent",
     .config = "[default]\nroute = strict\n[route strict]\nmethod = header\nlocal = refuse\n",
     .cached = DANE,
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<c@dane.example>"},
     .expected = "done" STRICT},
    {.name = "a route that is not taken, as a local recipient is there",
     .config = DIRECT,
     .cached = NONE,
     .mail = "<a@b.example>",
     .rcpt = {"<c@none.example>", "<l@own.example> mailer=local host=own.example"},
     .header = {{"TLS-Required", "No"}},
     .expected = "done"},
    {.name = "a tag instead of the field, as a local recipient is there",
     .config = "[default]\nroute = strict\n"
               "[route strict]\nmethod = header\nlocal = recipient\nagent = yes\n",
     .cached = DANE,
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<c@dane.example>", "<l@own.example> mailer=local host=own.example"},
     .expected = "done c@dane.example(4bXyZ require enforce offer none dane.example) "
                 "addrcpt <c@dane.example.requiretls.invalid> delrcpt <c@dane.example>"},
    {.name = "nothing asked",
     .config = DIRECT,
     .mail = "<a@b.example>",
     .rcpt = {"<c@dane.example>"},
     .expected = "at once"},
    /* --- those that come in --- */
    {.name = "a ticket from outside is removed from mail that asks for nothing",
     .mail = "<a@b.example>",
     .config = "",
     .rcpt = {"<c@dane.example>"},
     .header = {{"X-REQUIRETLS-Ticket", "forged"}, {"x-requiretls-ticket", "ours c@dane.example"}},
     .expected = "done -X-REQUIRETLS-Ticket/2 -X-REQUIRETLS-Ticket/1"},
    {.name = "and from mail that gets one",
     .config = DIRECT,
     .cached = DANE,
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<c@dane.example>"},
     .header = {{"X-REQUIRETLS-Ticket", "ours c@dane.example"}},
     .expected = "done -X-REQUIRETLS-Ticket/1 "
                 "c@dane.example(4bXyZ require enforce offer none dane.example)" STRICT},
    {.name = "reinjected mail gets new ones",
     .config = AGENT,
     .cached = DANE,
     .daemon = "loop",
     .mail = "<a@b.example> RET=HDRS",
     .rcpt = {"<c@dane.example>"},
     .header = {{"X-REQUIRETLS-Ticket", "ours c@dane.example"}},
     .expected = "done -X-REQUIRETLS-Ticket/1 "
                 "c@dane.example(4bXyZ require enforce offer none dane.example)" STRICT},
    {.name = "reinjected mail about which nothing is decided keeps its own",
     .config = AGENT,
     .daemon = "loop-optional",
     .mail = "<a@b.example>",
     .rcpt = {"<c@dane.example>"},
     .header = {{"X-REQUIRETLS-Ticket", "forged"},
                {"X-REQUIRETLS-Ticket", "ours c@dane.example"},
                {"X-REQUIRETLS-Ticket", "ours d@dane.example"},
                {"X-REQUIRETLS-Ticket", "ours c@dane.example z@b.example"},
                {"X-REQUIRETLS-Ticket", "old c@dane.example"}},
     .expected = "done -X-REQUIRETLS-Ticket/5 -X-REQUIRETLS-Ticket/4 -X-REQUIRETLS-Ticket/3 "
                 "-X-REQUIRETLS-Ticket/1"},
    {.name = "not what another request has brought",
     .config = AGENT "[rule no]\nrecipient = c@none.example\noptional_route = native\n",
     .daemon = "loop-optional",
     .mail = "<a@b.example>",
     .rcpt = {"<c@dane.example>"},
     .header = {{"TLS-Required", "No"}, {"X-REQUIRETLS-Ticket", "ours c@dane.example"}},
     .expected = "done -X-REQUIRETLS-Ticket/1 "
                 "c@dane.example(4bXyZ optional opportunistic - none dane.example)" OPTIONAL},
    /* --- the MTA's own next-hop is the agent --- */
    {.name = "a socket of ours is no local mailer, whatever the transport is called",
     .config = SOCKETS,
     .cached = NONE,
     .mail = "<a@b.example> REQUIRETLS",
     .rcpt = {"<c@none.example> host=unix:requiretls/deliver.sock mailer=lmtp"},
     .expected = "550 5.7.10"},
    {.name = "its next-hop is the recipient's domain",
     .config = SOCKETS,
     .cached = DANE,
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<c@dane.example> host=unix:requiretls/deliver.sock mailer=lmtp"},
     .expected = "done c@dane.example(4bXyZ require enforce offer none dane.example)"},
    {.name = "a rule with require_offer = no holds there too",
     .config = "[default]\nrequire_offer = no\n" SOCKETS,
     .cached = DANE,
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<c@dane.example> host=unix:requiretls/deliver.sock mailer=lmtp"},
     .expected = "done c@dane.example(4bXyZ require enforce - none dane.example)"},
    {.name = "what a rule asks for the ticket says as well",
     .config = "[rule asks]\nsender = a@b.example\nrequest = require\n" SOCKETS,
     .cached = DANE,
     .mail = "<a@b.example> RET=HDRS",
     .rcpt = {"<c@dane.example> host=unix:requiretls/deliver.sock mailer=lmtp"},
     .expected = "done c@dane.example(4bXyZ require enforce offer none dane.example)"},
    {.name = "mail that asks for nothing needs a ticket there",
     .config = SOCKETS,
     .mail = "<a@b.example>",
     .rcpt = {"<c@dane.example> host=unix:requiretls/deliver.sock mailer=lmtp",
              "<c@own.example> host=own.example mailer=local"},
     .expected = "done c@dane.example(4bXyZ none opportunistic - none dane.example)"},
    {.name = "and none where the socket asks for none",
     .config = SOCKETS,
     .mail = "<a@b.example>",
     .rcpt = {"<c@dane.example> host=inet:127.0.0.1:8691 mailer=lmtp"},
     .expected = "at once"},
    {.name = "an address of ours is no literal next-hop",
     .config = SOCKETS,
     .cached = NONE,
     .mail = "<a@b.example> REQUIRETLS",
     .rcpt = {"<c@none.example> host=[127.0.0.1]:8691 mailer=smtp"},
     .expected = "550 5.7.10"},
    {.name = "the socket's own next-hop",
     .config = SOCKETS,
     .cached = "nexthop=[hub.example]:587 mx=absent host=hub.example,0,a=s,tlsa=usable",
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<c@none.example> host=[::1]:8692 mailer=lmtp"},
     .expected = "done"},
    {.name = "another socket is local",
     .config = SOCKETS,
     .cached = NONE,
     .mail = "<a@b.example> REQUIRETLS RET=HDRS",
     .rcpt = {"<c@none.example> host=unix:private/dovecot-lmtp mailer=lmtp"},
     .expected = "done"},
};

/* --- the MTA --------------------------------------------------------------------------------- */

struct scene {
    const struct ticket_case *c;
    char sender[100]; /* as the agent will see it */
    char got[4096];
};

static void note(struct scene *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void note(struct scene *s, const char *format, ...)
{
    size_t len = strlen(s->got);
    va_list args;

    va_start(args, format);
    vsnprintf(s->got + len, sizeof(s->got) - len, format, args);
    va_end(args);
}

static bool on_progress(void *arg)
{
    (void)arg;
    return true;
}

/* The address that the agent will see. */
static void recipient_of(const char *rcpt, char out[100])
{
    const char *resolved = strstr(rcpt, "resolved=");

    if (resolved != NULL)
        snprintf(out, 100, "%.*s", (int)strcspn(resolved + 9, " "), resolved + 9);
    else
        snprintf(out, 100, "%.*s", (int)strcspn(rcpt + 1, ">"), rcpt + 1);
}

static void note_ticket(struct scene *s, const char *value)
{
    static const char *const requests[] = {"none", "optional", "require"};
    static const char *const fallbacks[] = {"none", "encrypt", "may"};
    unsigned valid = 0;

    for (size_t i = 0; i < LIST && s->c->rcpt[i] != NULL; i++) {
        char recipient[100];
        struct ticket_envelope envelope = {.sender = s->sender, .recipient = recipient};
        struct ticket t;

        recipient_of(s->c->rcpt[i], recipient);
        if (ticket_read(value, strlen(value), &envelope, &our_key, clock_wall_s(), 5, &t) !=
            TICKET_VALID)
            continue;
        valid++;
        note(s, " %s(%s %s %s %s %s %s)", recipient, t.queue_id, requests[t.request],
             verdict_level_name(t.level), t.require_offer ? "offer" : "-", fallbacks[t.fallback],
             t.nexthop);
    }
    assert_int_equal(valid, 1);
}

static bool on_add(void *arg, const char *name, const char *value)
{
    if (strcmp(name, TICKET_HEADER) == 0)
        note_ticket(arg, value);
    else
        note(arg, " +%s: %s", name, value);
    return true;
}

static bool on_delete(void *arg, const char *name, unsigned index)
{
    note(arg, " -%s/%u", name, index);
    return true;
}

static bool on_change_from(void *arg, const char *sender, const char *params)
{
    (void)params;
    note(arg, " chgfrom %s", sender);
    return true;
}

static bool on_add_recipient(void *arg, const char *address, const char *params)
{
    (void)params;
    note(arg, " addrcpt %s", address);
    return true;
}

static bool on_delete_recipient(void *arg, const char *address)
{
    note(arg, " delrcpt %s", address);
    return true;
}

/* --- a message ------------------------------------------------------------------------------- */

static void set_value(char *word, const char *name, const char **value)
{
    size_t len = strlen(name);

    if (strncmp(word, name, len) == 0)
        *value = word + len;
}

static enum message_step do_mail(struct scene *s, struct runtime *runtime,
                                 struct message_client *client, struct reply *reply,
                                 struct message **message)
{
    char *copy = strdup(s->c->mail), *save = NULL;
    const char *params[8] = {NULL};
    struct message_mail mail = {
        .sender = strtok_r(copy, " ", &save), .params = params, .tls = true};
    enum message_step step;
    size_t count = 0;

    for (char *word; (word = strtok_r(NULL, " ", &save)) != NULL;) {
        if (strcmp(word, "mta-requiretls") == 0)
            client->mta_requiretls = true;
        else if (word[0] == 'f' && word[1] == '=')
            mail.sender_now = word + 2;
        else
            params[count++] = word;
    }
    snprintf(s->sender, sizeof(s->sender), "%.*s", (int)strcspn(mail.sender + 1, ">"),
             mail.sender + 1);
    if (s->c->f != NULL)
        snprintf(s->sender, sizeof(s->sender), "%s", s->c->f);
    step = message_begin(runtime, client, &mail, reply, message);
    free(copy);
    return step;
}

static enum message_step do_rcpt(struct message *message, const char *text, struct reply *reply)
{
    static const char *const none[] = {NULL};
    char *copy = strdup(text), *save = NULL;
    struct message_recipient r = {.address = strtok_r(copy, " ", &save), .params = none};
    enum message_step step;

    for (char *word; (word = strtok_r(NULL, " ", &save)) != NULL;) {
        set_value(word, "host=", &r.host);
        set_value(word, "mailer=", &r.mailer);
        set_value(word, "resolved=", &r.resolved);
    }
    step = message_rcpt(message, &r, reply);
    free(copy);
    return step;
}

static void do_header(struct scene *s, struct message *message, const char *name, const char *value)
{
    struct ticket t = {.made_at_s = clock_wall_s(), .nexthop = "dane.example"};
    char kind[16] = "", recipient[100] = "", sender[100], text[TICKET_TEXT_MAX + 1];
    struct ticket_envelope envelope = {.sender = sender, .recipient = recipient};

    strcpy(sender, s->sender);
    sscanf(value, "%15s %99s %99s", kind, recipient, sender);
    if (strcmp(kind, "old") == 0)
        t.made_at_s -= 40 * 86400;
    if (strcmp(kind, "ours") == 0 || strcmp(kind, "old") == 0) {
        assert_int_equal(ticket_write(&t, &envelope, &our_key, text), 0);
        value = text;
    }
    message_header(message, name, value);
}

static void do_eom(struct scene *s, struct message *message)
{
    struct message_ops ops = {
        .can_change_from = true,
        .can_change_recipients = true,
        .sender_now = s->c->f,
        .progress = on_progress,
        .add_header = on_add,
        .delete_header = on_delete,
        .change_from = on_change_from,
        .add_recipient = on_add_recipient,
        .delete_recipient = on_delete_recipient,
        .arg = s,
    };
    struct message_refusal refusal;

    note(s, "done");
    if (message_eom(message, "4bXyZ", &ops, &refusal) != MESSAGE_DONE) {
        assert_string_equal(s->got, "done"); /* nothing of it was changed */
        snprintf(s->got, sizeof(s->got), "%d %s", refusal.lines[0].code, refusal.lines[0].status);
    }
}

static void run_message(struct scene *s, struct runtime *runtime)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = 1};
    struct message_client client = {.address = (struct sockaddr *)&address, .daemon = s->c->daemon};
    struct message *message = NULL;
    enum message_step step;
    struct reply reply;

    inet_pton(AF_INET, s->c->daemon != NULL ? "127.0.0.1" : "192.0.2.9", &address.sin_addr);
    step = do_mail(s, runtime, &client, &reply, &message);
    for (size_t i = 0; i < LIST && s->c->rcpt[i] != NULL && step == MESSAGE_CONTINUE; i++)
        step = do_rcpt(message, s->c->rcpt[i], &reply);
    if (step != MESSAGE_CONTINUE) {
        note(s, "%d %s", reply.code, reply.status);
        message_free(message);
        return;
    }
    for (size_t i = 0; i < LIST && s->c->header[i][0] != NULL; i++)
        do_header(s, message, s->c->header[i][0], s->c->header[i][1]);
    if (message_eoh(message, "4bXyZ") == MESSAGE_DONE)
        note(s, "at once");
    else
        do_eom(s, message);
    message_free(message);
}

static void run_with(const struct ticket_case *c, const struct ticket_keys *keys,
                     const char *expected)
{
    struct config *config = config_from_text(c->config, "mail.own.example");
    char *copy = strdup(c->cached != NULL ? c->cached : ""), *save = NULL;
    struct engine *engine = fake_engine_new();
    struct scene s = {.c = c};
    struct runtime *runtime;

    log_configure(&config->log, "test_message_ticket", false);
    for (char *spec = strtok_r(copy, ";", &save); spec != NULL; spec = strtok_r(NULL, ";", &save))
        fake_engine_cache(engine, spec);
    free(copy);
    assert_int_equal(runtime_new(config, &runtime), 0);
    runtime_set_engine(runtime, engine);
    runtime_set_ticket_keys(runtime, keys);
    run_message(&s, runtime);
    runtime_free(runtime);
    engine_free(engine);
    assert_string_equal(s.got, expected);
}

static void run_case(void **state)
{
    const struct ticket_case *c = *state;

    run_with(c, &our_key, c->expected);
}

/* What would have got a ticket is deferred; what would not, is as before. */
static void without_a_key(void **state)
{
    static const struct ticket_keys no_key = {.count = 0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool has = strstr(cases[i].expected, "(4bXyZ") != NULL;

        if (strstr(cases[i].name, "keeps its own") != NULL)
            continue; /* without a key none is valid */
        print_message("# %s\n", cases[i].name);
        run_with(&cases[i], &no_key, has ? "451 4.3.5" : cases[i].expected);
    }
}

/* --- limits ---------------------------------------------------------------------------------- */

struct limits {
    struct engine *engine;
    struct runtime *runtime;
    struct sockaddr_in address;
    struct message_client client;
    struct message *message;
};

static void begin_limits(struct limits *l, const char *config_text, bool asks)
{
    static const char *const params[] = {"REQUIRETLS", "RET=HDRS", NULL};
    const struct message_mail mail = {
        .sender = "<a@b.example>", .params = params + (asks ? 0 : 2), .tls = true};
    struct config *config = config_from_text(config_text, "mail.own.example");
    struct reply reply;

    log_configure(&config->log, "test_message_ticket", false);
    *l = (struct limits){.engine = fake_engine_new(),
                         .address = {.sin_family = AF_INET, .sin_port = 1}};
    l->client.address = (struct sockaddr *)&l->address;
    fake_engine_cache(l->engine, DANE);
    assert_int_equal(runtime_new(config, &l->runtime), 0);
    runtime_set_engine(l->runtime, l->engine);
    runtime_set_ticket_keys(l->runtime, &our_key);
    assert_int_equal(message_begin(l->runtime, &l->client, &mail, &reply, &l->message),
                     MESSAGE_CONTINUE);
}

static void end_limits(struct limits *l)
{
    message_free(l->message);
    runtime_free(l->runtime);
    engine_free(l->engine);
}

static bool count_tickets(void *arg, const char *name, const char *value)
{
    (void)value;
    *(size_t *)arg += strcmp(name, TICKET_HEADER) == 0;
    return true;
}

static bool delete_any(void *arg, const char *name, unsigned index)
{
    (void)arg;
    (void)name;
    (void)index;
    return true;
}

/* One more than the agent looks at: at RCPT the client is told to split the message; where the
 * route is known at the end of the header only, the message is deferred. */
static void too_many_recipients(void **state)
{
    struct message_refusal refusal;
    size_t written = 0;
    struct message_ops ops = {
        .add_header = count_tickets, .delete_header = delete_any, .arg = &written};
    struct limits l;
    struct reply reply;

    (void)state;
    begin_limits(&l, DIRECT, true);
    for (int i = 0; i < TICKETS_MAX; i++)
        assert_int_equal(do_rcpt(l.message, "<c@dane.example>", &reply), MESSAGE_CONTINUE);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(do_rcpt(l.message, "<c@dane.example>", &reply), MESSAGE_REFUSE);
        assert_int_equal(reply.code, 452);
        assert_string_equal(reply.status, "4.5.3");
    }
    assert_int_equal(do_rcpt(l.message, "<l@own.example> mailer=local", &reply), MESSAGE_CONTINUE);
    assert_int_equal(message_eoh(l.message, "4bXyZ"), MESSAGE_CONTINUE);
    /* the local one has another way: refused for that, not for their number */
    assert_int_equal(message_eom(l.message, "4bXyZ", &ops, &refusal), MESSAGE_REFUSE);
    assert_string_equal(refusal.lines[0].status, "5.7.10");
    end_limits(&l);

    for (int more = 0; more < 2; more++) {
        begin_limits(&l, DIRECT, false);
        for (int i = 0; i < TICKETS_MAX + more; i++)
            assert_int_equal(do_rcpt(l.message, "<c@dane.example>", &reply), MESSAGE_CONTINUE);
        message_header(l.message, "TLS-Required", "No");
        assert_int_equal(message_eoh(l.message, "4bXyZ"), MESSAGE_CONTINUE);
        assert_int_equal(message_eom(l.message, "4bXyZ", &ops, &refusal),
                         more != 0 ? MESSAGE_REFUSE : MESSAGE_DONE);
        if (more != 0)
            assert_string_equal(refusal.lines[0].status, "4.5.3");
        assert_int_equal(written, TICKETS_MAX);
        end_limits(&l);
    }
}

static void too_many_forged_ones(void **state)
{
    struct limits l;
    struct reply reply;

    (void)state;
    for (int more = 0; more < 2; more++) {
        begin_limits(&l, "", false);
        assert_int_equal(do_rcpt(l.message, "<c@dane.example>", &reply), MESSAGE_CONTINUE);
        for (int i = 0; i < 500 + more; i++) {
            message_header(l.message, TICKET_HEADER, "x");
            if (i < 500)
                message_header(l.message, "X-REQUIRETLS-Route", "x");
        }
        assert_int_equal(message_eoh(l.message, "4bXyZ"),
                         more != 0 ? MESSAGE_FAIL : MESSAGE_CONTINUE);
        end_limits(&l);
    }
}

int main(void)
{
    enum { CASES = sizeof(cases) / sizeof(cases[0]) };
    static struct CMUnitTest tests[CASES + 3];

    for (size_t i = 0; i < CASES; i++)
        tests[i] = (struct CMUnitTest){.name = cases[i].name,
                                       .test_func = run_case,
                                       .initial_state = (void *)(uintptr_t)&cases[i]};
    tests[CASES] = (struct CMUnitTest)cmocka_unit_test(without_a_key);
    tests[CASES + 1] = (struct CMUnitTest)cmocka_unit_test(too_many_recipients);
    tests[CASES + 2] = (struct CMUnitTest)cmocka_unit_test(too_many_forged_ones);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
