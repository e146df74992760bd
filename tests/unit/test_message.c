/*
 * message.c with recipient.c, decide.c and modify.c: whole messages as transcripts, against the
 * real rules and an engine whose answers are written down.
 */
#include "filter/message.h"

#include "base/log.h"
#include "config_text.h"
#include "fake_engine.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/*
 * A script has one command a line, `=` and what is expected:
 *   mail ADDRESS [PARAM...] [tls] [resolved=ADDRESS] [login=NAME] [client=ADDRESS|local]
 *        [daemon=NAME] [no-body] [mta-requiretls] [f=SENDER]
 *   rcpt ADDRESS [host=HOST] [mailer=NAME] [resolved=ADDRESS] [own=HOST] [PARAM...]
 *   header NAME VALUE      no answer; in VALUE `_` is a blank, `|` a line end
 *   eoh
 *   body NAME              one of the bounces below, in two pieces
 *   eom [no-quarantine] [no-chgfrom] [no-chgbody] [no-rcpt] [broken] [f=SENDER]
 *   release NEXTHOP        no answer: the engine may answer now
 *   draft FINDINGS         no answer: what is known so far of a next-hop that is held, `_` for a
 * blank server HOST RESULTS [known]   no answer: what a probe shows, as in findings_text.h
 *   hold-probes, release-probes, break-probes   no answer
 *   probes                 how many were begun
 *   settle                 no answer: returns when the engine has nothing more to say
 *   close                  no answer: nothing is waited for any more, as when the daemon stops
 * Answers: ok, done, fail, or a reply's code and text; several lines of a refusal joined by " | ";
 * after end-of-message the changes, each after " + ". A blank in HOST is written as `_`.
 */
static const struct message_case {
    const char *name;
    const char *config;
    const char *cached;  /* findings, see findings_text.h; several separated by ';' */
    const char *answers; /* the same, given by lookup only */
    const char *held;    /* the same, after release */
    const char *script;
} cases[] = {
#define NONE "nexthop=none.example mx=insecure host=mx.none.example,10,a=i"
#define DANE "nexthop=dane.example mx=secure host=mx.dane.example,10,a=s,tlsa=usable"
#define STS                                                                                        \
    "nexthop=sts.example mx=insecure host=mx.sts.example,10,a=i,match sts=enforce "                \
    "pat=mx.sts.example"
#define FAILED "nexthop=failed.example mx=failed"
#define NULLMX "nexthop=null.example mx=null"
#define PKI "nexthop=pki.example mx=secure host=mx.pki.example,10,a=s"
#define REFUSED_NONE                                                                               \
    "550 5.7.10 <b@none.example>: Sender requested REQUIRETLS, but none.example publishes "        \
    "neither DANE nor MTA-STS and its MX records are not signed"
#define DEFERRED "; try again later"
    /* --- nothing asked --- */
    {"plain mail is let go at the end of the header", "", NONE, NULL, NULL,
     "mail <a@b.example> = ok\nrcpt <b@none.example> = ok\nheader Subject hi\neoh = done"},
    {"plain mail to a malformed address is the MTA's business", "", NULL, NULL, NULL,
     "mail <a@b.example> = ok\nrcpt <b = ok\neoh = done"},
    {"plain mail asks the engine nothing", "", NULL, NULL, NONE,
     "mail <a@b.example> = ok\nrcpt <b@none.example> = ok\neoh = done"},
    /* --- at MAIL --- */
    {"REQUIRETLS without TLS", "", NULL, NULL, NULL,
     "mail <a@b.example> REQUIRETLS = 530 5.7.10 REQUIRETLS needs an encrypted session: use "
     "STARTTLS"},
    {"the marker without TLS", "", NULL, NULL, NULL,
     "mail <a@b.example> SIZE=00000000000000008689 = 530 5.7.10 REQUIRETLS needs an encrypted "
     "session: use STARTTLS"},
    {"a trusted client needs no TLS", "", DANE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS client=127.0.0.2 = ok\nrcpt <b@dane.example> = ok"},
    {"locally submitted mail needs no TLS", "", DANE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS client=local = ok\nrcpt <b@dane.example> = ok"},
    {"unless it is not trusted", "[milter]\ntrusted_clients = 127.0.0.0/8\n", NULL, NULL, NULL,
     "mail <a@b.example> REQUIRETLS client=local = 530 5.7.10 REQUIRETLS needs an encrypted "
     "session: use STARTTLS"},
    {"REQUIRETLS with a value", "", NULL, NULL, NULL,
     "mail <a@b.example> REQUIRETLS=yes tls = 501 5.5.4 REQUIRETLS takes no value"},
    {"a null sender is not refused for lack of TLS", "", NULL, NULL, NONE,
     "mail <> REQUIRETLS = ok\nrcpt <b@none.example> = ok\neoh = ok\neom = done"},
    {"a tagged sender", "", NULL, NULL, NULL,
     "mail <a@b.example.requiretls.invalid> = 550 5.1.8 Sender address rejected: reserved domain"},
    {"a tagged sender from a trusted client", "", NULL, NULL, NULL,
     "mail <a@b.example.requiretls.invalid> client=127.0.0.1 = 550 5.1.8 Sender address rejected: "
     "reserved domain"},
    {"a tagged sender of locally submitted mail", "", NULL, NULL, NULL,
     "mail <a@b.example.requiretls.invalid> client=local = ok\nrcpt <b@dane.example> = ok\neoh = "
     "ok\neom = 550 5.1.2 An address of this message is in a reserved domain"},
    {"ignored by rule, REQUIRETLS needs no TLS", "[rule x]\nrequest = ignore\n", NULL, NULL, NONE,
     "mail <a@b.example> REQUIRETLS = ok\nrcpt <b@none.example> = ok\neoh = done"},
    /* --- at RCPT --- */
    {"DANE", "", DANE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@dane.example> = ok\neoh = ok\n"
     "eom = done + chgfrom <a@b.example> RET=HDRS"},
    {"DANE, by lookup", "", NULL, DANE, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@dane.example> = ok"},
    {"MTA-STS", "", STS, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@sts.example> = ok"},
    {"nothing published", "", NONE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@none.example> = " REFUSED_NONE},
    {"the marker asks the same", "", NONE, NULL, NULL,
     "mail <a@b.example> SIZE=00000000000000008689 tls = ok\nrcpt <b@none.example> "
     "= " REFUSED_NONE},
    {"a failed lookup", "", FAILED, FAILED, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\n"
     "rcpt <b@failed.example> = 451 4.4.3 <b@failed.example>: Sender requested REQUIRETLS, but "
     "the MX lookup for failed.example failed (SERVFAIL)" DEFERRED},
    {"a null MX", "", NULLMX, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\n"
     "rcpt <b@null.example> = 556 5.1.10 <b@null.example>: null.example accepts no mail (null MX)"},
    {"a domain that does not exist is the MTA's business", "", "nexthop=nx.example mx=nxdomain",
     NULL, NULL, "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@nx.example> = ok"},
    {"locally submitted mail is refused at its end only",
     "[rule dept]\nsender = a@b.example\nrequest = require\n", NONE ";" DANE, NULL, NULL,
     "mail <a@b.example> client=local = ok\nrcpt <b@none.example> = ok\n"
     "rcpt <b@dane.example> = ok\neoh = ok\n"
     "eom = 550 5.7.10 <b@none.example>: This message requires TLS, but none.example publishes "
     "neither DANE nor MTA-STS and its MX records are not signed"},
    {"locally submitted mail is deferred at its end only",
     "[rule dept]\nsender = a@b.example\nrequest = require\n", FAILED, FAILED, NULL,
     "mail <a@b.example> client=local = ok\nrcpt <b@failed.example> = ok\neoh = ok\n"
     "eom = 451 4.4.3 <b@failed.example>: This message requires TLS, but "
     "the MX lookup for failed.example failed (SERVFAIL)" DEFERRED},
    /* --- several next-hops, tried in turn --- */
    {"one of several next-hops is enough", "", NONE ";" DANE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\n"
     "rcpt <b@x.example> host=none.example,_dane.example mailer=smtp = ok\n"
     "rcpt <b@x.example> host=dane.example:none.example mailer=esmtp = ok"},
    {"none of several next-hops will do", "", NONE ";" NULLMX, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\n"
     "rcpt <b@x.example> host=none.example,_null.example mailer=smtp = 550 5.7.10 "
     "<b@x.example>: Sender requested REQUIRETLS, but none.example publishes neither DANE nor "
     "MTA-STS and its MX records are not signed (none of 2 next-hops will do)"},
    {"one of several next-hops is undecided", "", NONE ";" FAILED, FAILED, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\n"
     "rcpt <b@x.example> host=none.example,_failed.example mailer=smtp = 451 4.4.3 <b@x.example>: "
     "Sender requested REQUIRETLS, but the MX lookup for failed.example failed (SERVFAIL) (one of "
     "2 "
     "next-hops)" DEFERRED},
    {"a next-hop that satisfies makes up for one that fails", "", FAILED ";" DANE, FAILED, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\n"
     "rcpt <b@x.example> host=failed.example,_dane.example mailer=smtp = ok"},
    {"a next-hop that hangs does not hold up one that satisfies", "", NULL, DANE, NONE,
     "mail <a@b.example> REQUIRETLS tls = ok\n"
     "rcpt <b@x.example> host=none.example,_dane.example mailer=smtp = ok\neoh = ok\n"
     "eom = done + chgfrom <a@b.example> RET=HDRS"},
    {"the slow one of several next-hops decides at end-of-message", "[milter]\nrcpt_wait = 30ms\n",
     NONE, NULL, DANE,
     "mail <a@b.example> REQUIRETLS tls = ok\n"
     "rcpt <b@x.example> host=none.example,_dane.example mailer=smtp = ok\neoh = ok\n"
     "release dane.example\neom = done + chgfrom <a@b.example> RET=HDRS"},
    {"each of several next-hops has its rules",
     "[rule p]\nnexthop = none.example\nlevel = opportunistic\n", NONE ";" NULLMX, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\n"
     "rcpt <b@x.example> host=null.example,_none.example mailer=smtp = ok"},
    {"what one of several next-hops requires, the copy requires",
     "[rule p]\nnexthop = none.example\nrequest = require\n", NONE ";" NULLMX, NULL, NULL,
     "mail <a@b.example> = ok\n"
     "rcpt <b@x.example> host=null.example,_none.example mailer=smtp = 556 5.1.10 <b@x.example>: "
     "null.example accepts no mail (null MX) (none of 2 next-hops will do)"},
    {"a next-hop that does not exist is passed over", "", "nexthop=nx.example mx=nxdomain;" NONE,
     NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\n"
     "rcpt <b@x.example> host=nx.example,_none.example mailer=smtp = 550 5.7.10 <b@x.example>: "
     "Sender requested REQUIRETLS, but none.example publishes neither DANE nor MTA-STS and its MX "
     "records are not signed (none of 2 next-hops will do)\n"
     "rcpt <b@x.example> host=nx.example,_nx.example mailer=smtp = ok"},
    {"signed, no TLSA, a route without Web PKI", "", PKI, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\n"
     "rcpt <b@pki.example> = 550 5.7.10 <b@pki.example>: Sender requested REQUIRETLS, but "
     "pki.example publishes no TLSA records for its signed MX hosts, and this host's route cannot "
     "use the Web PKI"},
    {"signed, no TLSA, a route that can",
     "[route native]\nmethod = none\ncan = dane, sts, web_pki\n", PKI, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@pki.example> = ok"},
    {"the resolver is not trusted", "",
     "nexthop=none.example mx=insecure unknown host=mx.none.example,10,a=i",
     "nexthop=none.example mx=insecure unknown host=mx.none.example,10,a=i", NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\n"
     "rcpt <b@none.example> = 451 4.4.3 <b@none.example>: Sender requested REQUIRETLS, but no "
     "resolver that validates DNSSEC was there when none.example was looked up, so its security is "
     "unknown" DEFERRED},
    {"an address literal needs no proof", "", NULL, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@[192.0.2.1]> = ok"},
    {"an address literal under a rule that enforces",
     "[rule lit]\nnexthop = 192.0.2.0/24\nlevel = enforce\n", NULL, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\n"
     "rcpt <b@[192.0.2.1]> = 550 5.7.10 <b@[192.0.2.1]>: Sender requested REQUIRETLS, but "
     "[192.0.2.1] is an address and can publish neither DANE nor MTA-STS"},
    {"our own domain needs no proof", "[milter]\nmydomain = own.example\n", NULL, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@own.example> = ok\n"
     "rcpt <b@sub.own.example> = ok"},
    {"an address without domain is ours", "[milter]\nmydomain = own.example\n", NULL, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <postmaster> = ok"},
    {"the MTA's choice of next-hop counts", "", DANE ";" NONE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\n"
     "rcpt <b@none.example> host=dane.example mailer=relay = ok\n"
     "rcpt <b@dane.example> host=none.example mailer=smtp = 550 5.7.10 <b@dane.example>: Sender "
     "requested REQUIRETLS, but none.example publishes neither DANE nor MTA-STS and its MX records "
     "are not signed"},
    {"local mailers", "", NULL, NULL, NONE,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@none.example> host=none.example mailer=local "
     "= "
     "ok\nrcpt <b@none.example> host=5.1.1_User_unknown mailer=error = ok"},
    {"a local mailer under a rule that names it", "[rule m]\nmailer = lmtp\nlevel = enforce\n",
     NONE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@none.example> host=unix:private/x "
     "mailer=lmtp = " REFUSED_NONE},
    {"prose for a host is ignored", "", NONE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@none.example> host=some_prose mailer=smtp "
     "= " REFUSED_NONE},
    {"no domain name", "", NULL, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@exa~mple> = 550 5.1.2 <b@exa~mple>: Sender "
     "requested REQUIRETLS, but the address has no valid domain name"},
    {"a malformed address", "", NULL, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@none.example = 550 5.1.2 <b@none.example>: "
     "Sender "
     "requested "
     "REQUIRETLS, but the address has no valid domain name"},
    {"a hostile address is shown as printable ASCII", "", NONE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <\x1b\xff%s@none.example> = 550 5.7.10 "
     "<\?\?%s@none.example>: Sender requested REQUIRETLS, but none.example publishes neither DANE "
     "nor MTA-STS and its MX records are not signed"},
    {"a tagged recipient", "", NULL, NULL, NULL,
     "mail <a@b.example> = ok\nrcpt <b@dane.example.requiretls.invalid> = 550 5.1.2 "
     "<b@dane.example.requiretls.invalid>: Recipient address rejected: reserved domain"},
    {"a tagged recipient from a trusted client", "", NULL, NULL, NULL,
     "mail <a@b.example> client=127.0.0.1 = ok\nrcpt <b@dane.example.requiretls.invalid> = 550 "
     "5.1.2 <b@dane.example.requiretls.invalid>: Recipient address rejected: reserved domain"},
    {"a tagged recipient, with the marker: what a proxy has handed on", "", NULL, NULL, NULL,
     "mail <> SIZE=00000000000000008689 client=127.0.0.1 = ok\n"
     "rcpt <b@dane.example.requiretls.invalid> = 550 5.1.2 <b@dane.example.requiretls.invalid>: "
     "Recipient address rejected: reserved domain, REQUIRETLS was asked for"},
    {"a tagged recipient of locally submitted mail", "", NULL, NULL, NULL,
     "mail <a@b.example> client=local = ok\nrcpt <b@dane.example.requiretls.invalid> = ok\n"
     "eoh = ok\neom = 550 5.1.2 An address of this message is in a reserved domain"},
    {"a tagged recipient by what the MTA makes of it", "", NULL, NULL, NULL,
     "mail <a@b.example> = ok\n"
     "rcpt <b%n.example.requiretls.invalid@here.example> resolved=b@n.example.requiretls.invalid = "
     "550 5.1.2 <b%n.example.requiretls.invalid@here.example>: Recipient address rejected: "
     "reserved domain\n"
     "rcpt <b@here.example> host=requiretls.invalid mailer=x = 550 5.1.2 <b@here.example>: "
     "Recipient address rejected: reserved domain"},
    {"the mailer of a route", "[route strict]\nmethod = recipient\n[route x]\nmethod = header\n",
     NULL, NULL, NULL,
     "mail <a@b.example> = ok\n"
     "rcpt <b@here.example> mailer=rtlsstrict = 550 5.1.2 <b@here.example>: Recipient address "
     "rejected: reserved domain\n"
     "rcpt <b@here.example> mailer=rtlsx = ok\nrcpt <b@here.example> mailer=rtls = ok"},
    {"a null sender is never refused", "", NONE ";" FAILED, NULL, NULL,
     "mail <> REQUIRETLS tls = ok\nrcpt <b@none.example> = ok\nrcpt <b@failed.example> = ok\n"
     "eoh = ok\neom = done"},
    {"the engine cannot look", "", NULL, NULL, NULL,
     "break none.example\nmail <a@b.example> REQUIRETLS tls = ok\n"
     "rcpt <b@none.example> = 451 4.4.3 <b@none.example>: Sender requested REQUIRETLS, but "
     "none.example cannot be looked up at present" DEFERRED},
    {"the engine cannot even begin", "", NULL, NULL, NULL,
     "break *\nmail <a@b.example> REQUIRETLS tls = ok\n"
     "rcpt <b@none.example> = 451 4.4.3 <b@none.example>: Sender requested REQUIRETLS, but "
     "none.example cannot be looked up at present" DEFERRED},
    {"the daemon stops", "", NULL, NULL, NONE,
     "mail <a@b.example> REQUIRETLS tls = ok\nclose\n"
     "rcpt <b@none.example> = 451 4.3.2 <b@none.example>: Sender requested REQUIRETLS, but this "
     "service is being restarted" DEFERRED},
    /* --- levels, actions, fallback --- */
    {"opportunistic+starttls", "[rule p]\nnexthop = none.example\nlevel = opportunistic+starttls\n",
     NULL, NULL, NONE, "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@none.example> = ok"},
    {"disable", "[default]\nlevel = disable\n", NULL, NULL, NONE,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@none.example> = ok"},
    {"on_unsatisfied = tempfail", "[default]\non_unsatisfied = tempfail\n", NONE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\n"
     "rcpt <b@none.example> = 451 4.7.10 <b@none.example>: Sender requested REQUIRETLS, but "
     "none.example publishes neither DANE nor MTA-STS and its MX records are not signed" DEFERRED},
    {"on_unsatisfied = log", "[default]\non_unsatisfied = log\n", NONE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@none.example> = ok\neoh = ok\n"
     "eom = done + chgfrom <a@b.example> RET=HDRS"},
    {"on_unsatisfied = quarantine", "[default]\non_unsatisfied = quarantine\n", NONE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@none.example> = ok\neoh = ok\n"
     "eom = done + chgfrom <a@b.example> RET=HDRS + quarantine none.example publishes neither DANE "
     "nor MTA-STS and its MX records are not signed"},
    {"quarantine where the MTA cannot", "[default]\non_unsatisfied = quarantine\n", NONE, NULL,
     NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@none.example> = ok\neoh = ok\n"
     "eom no-quarantine = 451 4.7.10 This message cannot be held here: none.example publishes "
     "neither DANE nor MTA-STS and its MX records are not signed"},
    {"on_undecided = log", "[default]\non_undecided = log\n", FAILED, FAILED, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@failed.example> = ok"},
    {"on_undecided = log does not cover want of memory", "[default]\non_undecided = log\n", NULL,
     NULL, NULL,
     "break none.example\nmail <a@b.example> REQUIRETLS tls = ok\n"
     "rcpt <b@none.example> = 451 4.4.3 <b@none.example>: Sender requested REQUIRETLS, but "
     "none.example cannot be looked up at present" DEFERRED},
    {"on_undecided = log does not cover a lookup that cannot begin",
     "[default]\non_undecided = log\n", NULL, NULL, NULL,
     "break *\nmail <a@b.example> REQUIRETLS tls = ok\n"
     "rcpt <b@none.example> = 451 4.4.3 <b@none.example>: Sender requested REQUIRETLS, but "
     "none.example cannot be looked up at present" DEFERRED},
    {"on_undecided = log does not cover a stopping daemon", "[default]\non_undecided = log\n", NULL,
     NULL, NONE,
     "mail <a@b.example> REQUIRETLS tls = ok\nclose\n"
     "rcpt <b@none.example> = 451 4.3.2 <b@none.example>: Sender requested REQUIRETLS, but this "
     "service is being restarted" DEFERRED},
    {"fallback = encrypt",
     "[route native]\nmethod = none\ncan = dane, sts, fallback\n[default]\nfallback = encrypt\n",
     NONE, NULL, NULL, "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@none.example> = ok"},
    {"fallback = may",
     "[route native]\nmethod = none\ncan = dane, sts, fallback\n[default]\nfallback = may\n", NONE,
     NULL, NULL, "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@none.example> = ok"},
    {"fallback over a route that cannot", "[default]\nfallback = may\n", NONE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@none.example> = " REFUSED_NONE},
    {"fallback is not for what failed",
     "[route native]\nmethod = none\ncan = dane, sts, fallback\n[default]\nfallback = may\n",
     FAILED, FAILED, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\n"
     "rcpt <b@failed.example> = 451 4.4.3 <b@failed.example>: Sender requested REQUIRETLS, but "
     "the MX lookup for failed.example failed (SERVFAIL)" DEFERRED},
    {"fallback is not for a null MX",
     "[route native]\nmethod = none\ncan = dane, sts, fallback\n[default]\nfallback = may\n",
     NULLMX, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\n"
     "rcpt <b@null.example> = 556 5.1.10 <b@null.example>: null.example accepts no mail (null MX)"},
    {"a policy of our own that authenticates",
     "[rule p]\nnexthop = none.example\ntls_policy = secure match=mx.none.example\n", NULL, NULL,
     NONE, "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@none.example> = ok"},
    {"a policy of our own that does not",
     "[rule p]\nnexthop = none.example\ntls_policy = encrypt\n", NULL, NULL, NONE,
     "mail <a@b.example> REQUIRETLS tls = ok\n"
     "rcpt <b@none.example> = 550 5.7.10 <b@none.example>: Sender requested REQUIRETLS, but this "
     "host's own policy for none.example (encrypt) does not authenticate its servers"},
    {"an exempt next-hop", "[rule p]\nnexthop = none.example\ntls_policy = skip\n", NULL, NULL,
     NONE, "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@none.example> = ok"},
    /* --- requests by header and rule --- */
    {"TLS-Required: No", "", NONE, NULL, NULL,
     "mail <a@b.example> = ok\nrcpt <b@none.example> = ok\nheader TLS-Required No\neoh = done"},
    {"REQUIRETLS beats TLS-Required", "", NONE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\nheader TLS-Required No\n"
     "rcpt <b@none.example> = " REFUSED_NONE},
    {"Require-TLS-ESMTP of a stranger is not believed, and removed", "", NONE, NULL, NULL,
     "mail <a@b.example> tls = ok\nrcpt <b@none.example> = ok\nheader Require-TLS-ESMTP yes\n"
     "eoh = ok\neom = done + delheader Require-TLS-ESMTP 1"},
    {"all such fields are, whatever they say, also of a bounce", "", NONE, NULL, NULL,
     "mail <> = ok\nrcpt <b@none.example> = ok\nheader Require-TLS-ESMTP no\n"
     "header require-tls-esmtp _yes_\neoh = ok\n"
     "eom = done + delheader Require-TLS-ESMTP 2 + delheader Require-TLS-ESMTP 1"},
#define SIGNED(names) "header DKIM-Signature _v=1;_a=rsa-sha256;|_h=" names ";_b=x\n"
    {"not one that a DKIM-Signature covers", "", NONE, NULL, NULL,
     "mail <a@b.example> tls = ok\nrcpt <b@none.example> = ok\n" SIGNED(
         "from:require-tls-esmtp") "header Require-TLS-ESMTP yes\neoh = done\n"
                                   "mail <a@b.example> tls = ok\nrcpt <b@none.example> = "
                                   "ok\nheader Require-TLS-ESMTP yes\n" SIGNED("From")
                                       SIGNED("Require-TLS-ESMTP_:_To")
                                           SIGNED("TLS-Required") "eoh = done"},
    {"but one that it does not", "", NONE, NULL, NULL,
     "mail <a@b.example> tls = ok\nrcpt <b@none.example> = ok\n" SIGNED(
         "from:tls-required") "header Require-TLS-ESMTP yes\neoh = ok\neom = done + delheader "
                              "Require-TLS-ESMTP 1"},
    {"nor one of a message that requires TLS anyway",
     "[rule r]\nnexthop = dane.example\nrequest = require\n", DANE, NULL, NULL,
     "mail <a@b.example> RET=HDRS tls = ok\nrcpt <b@dane.example> = ok\n"
     "rcpt <b@none.example> = ok\nheader Require-TLS-ESMTP yes\neoh = ok\neom = done"},
    {"nor what Postfix 3.11 writes for the parameter, though that is ignored",
     "[rule i]\nrequest = ignore\n", NONE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@none.example> = ok\n"
     "header Require-TLS-ESMTP yes\neoh = done"},
    {"removed beside a route for TLS-Required: No",
     "[default]\noptional_route = o\n[route o]\nmethod = header\n", NONE, NULL, NULL,
     "mail <a@b.example> = ok\nrcpt <b@none.example> = ok\nheader Require-TLS-ESMTP yes\n"
     "header TLS-Required No\neoh = ok\neom = done + delheader Require-TLS-ESMTP 1 + addheader "
     "X-REQUIRETLS-Route o + delheader X-REQUIRETLS-Route 1"},
    {"nor one that the second smtpd would believe, though it is signed",
     "[default]\noptional_route = o\n[route o]\nmethod = header\nlocal = reinject\n", NONE, NULL,
     NULL,
     "mail <a@b.example> = ok\nrcpt <b@none.example> = ok\nheader Require-TLS-ESMTP yes\n" SIGNED(
         "from:require-tls-esmtp") "header TLS-Required No\neoh = ok\n"
                                   "eom = done + delheader Require-TLS-ESMTP 1 + addheader "
                                   "X-REQUIRETLS-Route o + delheader X-REQUIRETLS-Route 1"},
    {"of an authenticated client it is", "", NONE, NULL, NULL,
     "mail <a@b.example> tls login=bob = ok\nrcpt <b@none.example> = ok\n"
     "header Require-TLS-ESMTP yes\neoh = ok\neom = " REFUSED_NONE},
    {"of locally submitted mail it is", "", NONE, NULL, NULL,
     "mail <a@b.example> client=local = ok\nrcpt <b@none.example> = ok\n"
     "header Require-TLS-ESMTP yes\neoh = ok\neom = " REFUSED_NONE},
    {"accept_header = trusted, authenticated", "[milter]\naccept_header = trusted\n", NONE, NULL,
     NULL,
     "mail <a@b.example> tls login=bob = ok\nrcpt <b@none.example> = ok\n"
     "header Require-TLS-ESMTP yes\neoh = ok\neom = done + delheader Require-TLS-ESMTP 1"},
    {"accept_header = any", "[milter]\naccept_header = any\n", NONE, NULL, NULL,
     "mail <a@b.example> = ok\nrcpt <b@none.example> = ok\n"
     "header Require-TLS-ESMTP yes\neoh = ok\neom = " REFUSED_NONE},
    {"accept_header = no", "[milter]\naccept_header = no\n", NONE, NULL, NULL,
     "mail <a@b.example> client=local = ok\nrcpt <b@none.example> = ok\n"
     "header Require-TLS-ESMTP yes\neoh = ok\neom = done + delheader Require-TLS-ESMTP 1"},
    {"a rule by sender", "[rule d]\nsender = .dept.example\nrequest = require\n", NONE, NULL, NULL,
     "mail <a@x.dept.example> = ok\n"
     "rcpt <b@none.example> = 550 5.7.10 <b@none.example>: This message requires TLS, but "
     "none.example publishes neither DANE nor MTA-STS and its MX records are not signed"},
    {"a rule by recipient", "[rule d]\nrecipient = none.example\nrequest = require\n",
     NONE ";" DANE, NULL, NULL,
     "mail <a@b.example> = ok\nrcpt <b@other.example> = ok\n"
     "rcpt <b@none.example> = 550 5.7.10 <b@none.example>: This message requires TLS, but "
     "none.example publishes neither DANE nor MTA-STS and its MX records are not signed\neoh = "
     "done"},
    {"a rule by address holds for every spelling of it",
     "[rule r]\nrecipient = b@none.example\nrequest = require\n[rule s]\nsender = s@b.example\n"
     "request = require\n",
     NONE, NULL, NULL,
#define MEANT " resolved=b@none.example = 550 5.7.10 <"
#define MISSES                                                                                     \
    ">: This message requires TLS, but none.example publishes neither DANE nor MTA-STS and its "   \
    "MX records are not signed\n"
     "mail <a@b.example> = ok\n"
     "rcpt <\"b\"@none.example>" MEANT "\"b\"@none.example" MISSES
     "rcpt <b%none.example> host=none.example" MEANT "b%none.example" MISSES
     "rcpt <none.example!b> host=none.example" MEANT "none.example!b" MISSES
     "rcpt <b%none.example@here.example> host=none.example" MEANT
     "b%none.example@here.example" MISSES "rcpt <x@none.example> resolved=b@none.example = ok\n"
     "mail <\"s\"@b.example> resolved=s@b.example = ok\n"
     "rcpt <x@none.example> = 550 5.7.10 <x@none.example" MISSES
     "mail <s%b.example> resolved=s@b.example = ok\n"
     "rcpt <x@none.example> = 550 5.7.10 <x@none.example" MISSES},
#undef MEANT
#undef MISSES
    {"a rule by header",
     "[rule c]\nheader = Sensitivity: company-confidential\nrequest = require\n", NONE, NULL, NULL,
     "mail <a@b.example> = ok\nrcpt <b@none.example> = ok\n"
     "header Sensitivity Company-Confidential\neoh = ok\n"
     "eom = 550 5.7.10 <b@none.example>: This message requires TLS, but none.example publishes "
     "neither DANE nor MTA-STS and its MX records are not signed"},
    {"a rule by header that does not match",
     "[rule c]\nheader = Sensitivity: company-confidential\nrequest = require\n", NONE, NULL, NULL,
     "mail <a@b.example> = ok\nrcpt <b@none.example> = ok\nheader Sensitivity personal\neoh = "
     "done"},
    {"a level that depends on the header waits for it",
     "[rule c]\nheader = X-Level: low\nlevel = opportunistic\n", NONE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@none.example> = ok\nheader X-Level low\n"
     "eoh = ok\neom = done + chgfrom <a@b.example> RET=HDRS"},
    {"and holds when the header is not there",
     "[rule c]\nheader = X-Level: low\nlevel = opportunistic\n", NONE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@none.example> = ok\n"
     "eoh = ok\neom = " REFUSED_NONE},
    {"REQUIRETLS beats a rule that says optional", "[rule o]\nrequest = optional\n", NONE, NULL,
     NULL, "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@none.example> = " REFUSED_NONE},
    {"a rule that requires beats TLS-Required: No",
     "[rule r]\nsender = a@b.example\n"
     "request = require\n",
     DANE, NULL, NULL,
     "mail <a@b.example> RET=HDRS tls = ok\nrcpt <b@dane.example> = ok\nheader TLS-Required No\n"
     "eoh = ok\neom = done + delheader TLS-Required 1"},
#define WAIVED "rcpt <b@dane.example> = ok\nheader TLS-Required No\nheader tls-required maybe\n"
#define ASKED "mail <a@b.example> REQUIRETLS RET=HDRS tls"
#define WAIVER_GONE "eom = done + delheader TLS-Required 2 + delheader TLS-Required 1"
    {"what requires TLS waives it no longer, where nobody is told REQUIRETLS", "", DANE, NULL, NULL,
     ASKED " = ok\n" WAIVED "eoh = ok\n" WAIVER_GONE},
    {"unless a DKIM-Signature covers that", "", DANE, NULL, NULL,
     ASKED " = ok\n" WAIVED SIGNED("from:to:|_TLS-Required") "eoh = ok\neom = done"},
    {"where Postfix 3.11 passes REQUIRETLS on, the other is ignored", "", DANE, NULL, NULL,
     ASKED " mta-requiretls = ok\n" WAIVED "eoh = ok\neom = done"},
    {"but at a level below enforce it may not be told",
     "[rule p]\nnexthop = dane.example\nlevel = opportunistic+starttls\n", NULL, NULL, NULL,
     ASKED " mta-requiretls = ok\n" WAIVED "eoh = ok\n" WAIVER_GONE},
    {"nor what a rule asks for, by an MTA that does not know of it",
     "[rule r]\nsender = a@b.example\nrequest = require\n", DANE, NULL, NULL,
     "mail <a@b.example> RET=HDRS tls mta-requiretls = ok\n" WAIVED "eoh = ok\n" WAIVER_GONE},
    {"a route that can requiretls passes it on",
     "[default]\nroute = s\n[route s]\nmethod = header\ncan = dane, requiretls\n", DANE, NULL, NULL,
     ASKED " = ok\n" WAIVED "eoh = ok\neom = done + addheader X-REQUIRETLS-Route s + delheader "
           "X-REQUIRETLS-Route 1"},
#define ONLY_A_RULE                                                                                \
    "[rule r]\nsender = a@b.example\nrequest = require\n[default]\nroute = s\n[route s]\nmethod "  \
    "= "                                                                                           \
    "header\ncan = dane, requiretls\n"
#define OF_A_RULE "mail <a@b.example> RET=HDRS tls mta-requiretls "
#define VIA_S " + addheader X-REQUIRETLS-Route s + delheader X-REQUIRETLS-Route 1"
    {"not where Postfix 3.11 is not told by the header",
     ONLY_A_RULE "local = reinject\n[milter]\nadd_header = no\n", DANE, NULL, NULL,
     OF_A_RULE "= ok\n" WAIVED "eoh = ok\n" WAIVER_GONE VIA_S},
    {"where it is told by that", ONLY_A_RULE "local = reinject\n", DANE, NULL, NULL,
     OF_A_RULE "= ok\n" WAIVED "eoh = ok\neom = done + addheader Require-TLS-ESMTP yes" VIA_S},
    {"what Postfix 3.11 would send with less TLS for TLS-Required: No is deferred",
     ONLY_A_RULE "[rule second]\ndaemon = second\nroute = s\n", DANE, NULL, NULL,
     OF_A_RULE "= ok\n" WAIVED "eoh = ok\neom = fail\n" OF_A_RULE
               "client=127.0.0.1 daemon=second = ok\n" WAIVED "eoh = ok\neom = fail\n" OF_A_RULE
               "client=127.0.0.1 daemon=second = ok\n" WAIVED
               "header Require-TLS-ESMTP yes\neoh = ok\neom = done" VIA_S},
    {"a bounce keeps it", "", DANE, NULL, NULL,
     "mail <> REQUIRETLS tls = ok\n" WAIVED "eoh = ok\neom = done"},
#undef ONLY_A_RULE
#undef OF_A_RULE
#undef VIA_S
#undef SIGNED
#undef WAIVED
#undef ASKED
#undef WAIVER_GONE
    {"a rule may be asked to ignore TLS-Required: No",
     "[rule i]\nrequest = ignore\n[default]\n"
     "optional_route = optional\n[route optional]\nmethod = header\n",
     NONE, NULL, NULL,
     "mail <a@b.example> = ok\nrcpt <b@none.example> = ok\nheader TLS-Required No\neoh = done"},
    {"what a rule requires needs no TLS of the client",
     "[rule r]\nsender = a@b.example\n"
     "request = require\n",
     DANE, NULL, NULL, "mail <a@b.example> = ok\nrcpt <b@dane.example> = ok"},
    {"TLS-Required twice is none", "", NONE, NULL, NULL,
     "mail <a@b.example> = ok\nrcpt <b@none.example> = ok\nheader TLS-Required No\n"
     "header TLS-Required No\neoh = done"},
    {"a null sender waits for nothing", "", NULL, NULL, NONE,
     "mail <> REQUIRETLS tls = ok\nrcpt <b@none.example> = ok\neoh = ok\neom = done"},
    {"optional by rule", "[rule o]\nrequest = optional\n", NONE, NULL, NULL,
     "mail <a@b.example> = ok\nrcpt <b@none.example> = ok\neoh = done"},
/* --- probes: of a client that may cause them, by an MTA that passes REQUIRETLS on --- */
#define ASKS "mail <a@b.example> REQUIRETLS tls mta-requiretls login=alice = ok\n"
#define NO_OFFER                                                                                   \
    "550 5.7.30 <b@dane.example>: Sender requested REQUIRETLS, but the mail server of "            \
    "dane.example does not support REQUIRETLS (mx.dane.example[192.0.2.1])"
    {"probe: a server without REQUIRETLS", "", DANE, NULL, NULL,
     "server mx.dane.example r\n" ASKS "rcpt <b@dane.example> = " NO_OFFER "\nprobes = 1"},
    {"probe: after a lookup", "", NULL, DANE, NULL,
     "server mx.dane.example r\n" ASKS "rcpt <b@dane.example> = " NO_OFFER "\nprobes = 1"},
    {"probe: a server that does all", "", DANE, NULL, NULL,
     "server mx.dane.example o\n" ASKS "rcpt <b@dane.example> = ok\nprobes = 1\neoh = ok\n"
     "eom = done + chgfrom <a@b.example> RET=HDRS\nprobes = 1"},
    {"probe: a wrong certificate", "", DANE, NULL, NULL,
     "server mx.dane.example a\n" ASKS
     "rcpt <b@dane.example> = 550 5.7.10 <b@dane.example>: Sender requested REQUIRETLS, but the "
     "mail server of dane.example cannot be authenticated (mx.dane.example[192.0.2.1]: "
     "certificate has expired)"},
    {"probe: a server that cannot be reached", "", DANE, NULL, NULL,
     "server mx.dane.example u\n" ASKS "rcpt <b@dane.example> = ok\nprobes = 1"},
    {"probe: a client that is neither authenticated nor trusted causes none", "", DANE, NULL, NULL,
     "server mx.dane.example r\nmail <a@b.example> REQUIRETLS tls mta-requiretls = ok\n"
     "rcpt <b@dane.example> = ok\neoh = ok\neom = done + chgfrom <a@b.example> RET=HDRS\n"
     "probes = 0"},
    {"probe: what is known is told to every client", "", DANE, NULL, NULL,
     "server mx.dane.example r known\nmail <a@b.example> REQUIRETLS tls mta-requiretls = ok\n"
     "rcpt <b@dane.example> = " NO_OFFER "\nprobes = 0"},
    {"probe: a trusted client causes one", "", DANE, NULL, NULL,
     "server mx.dane.example r\nmail <a@b.example> REQUIRETLS mta-requiretls client=127.0.0.1 = "
     "ok\nrcpt <b@dane.example> = " NO_OFFER "\nprobes = 1"},
    {"probe: reinjected mail, whoever sent it, causes none",
     "[route strict]\nmethod = header\ncan = dane, requiretls\n"
     "[rule loop]\ndaemon = loop\nrequest = require\nroute = strict\n",
     DANE, NULL, NULL,
     "server mx.dane.example r\n"
     "mail <a@b.example> client=127.0.0.1 daemon=loop = ok\n"
     "rcpt <b@dane.example> = ok\nprobes = 0"},
    {"probe: enable = yes, any client causes one", "[probe]\nenable = yes\n", DANE, NULL, NULL,
     "server mx.dane.example r\nmail <a@b.example> REQUIRETLS tls mta-requiretls = ok\n"
     "rcpt <b@dane.example> = " NO_OFFER "\nprobes = 1"},
    {"probe: enable = no", "[probe]\nenable = no\n", DANE, NULL, NULL,
     "server mx.dane.example r known\n" ASKS "rcpt <b@dane.example> = ok\neoh = ok\n"
     "eom = done + chgfrom <a@b.example> RET=HDRS\nprobes = 0"},
    {"probe: a route that passes no REQUIRETLS on", "", DANE, NULL, NULL,
     "server mx.dane.example r known\nmail <a@b.example> REQUIRETLS tls login=alice = ok\n"
     "rcpt <b@dane.example> = ok\neoh = ok\neom = done + chgfrom <a@b.example> RET=HDRS\n"
     "probes = 0"},
    {"probe: what is unsatisfied is not looked at", "", NONE, NULL, NULL,
     "server mx.none.example o\n" ASKS "rcpt <b@none.example> = " REFUSED_NONE "\nprobes = 0"},
    {"probe: not for a null sender", "", DANE, NULL, NULL,
     "server mx.dane.example r known\nmail <> REQUIRETLS tls mta-requiretls login=alice = ok\n"
     "rcpt <b@dane.example> = ok\nprobes = 0"},
    {"probe: one that is slow at RCPT settles it at end-of-message", "[milter]\nrcpt_wait = 10ms\n",
     DANE, NULL, NULL,
     "server mx.dane.example r\nhold-probes\n" ASKS "rcpt <b@dane.example> = ok\neoh = ok\n"
     "release-probes\neom = " NO_OFFER "\nprobes = 1"},
    {"probe: one that is slow leaves time to the lookup of a later recipient",
     "[milter]\nrcpt_wait = 2s\n", DANE, NONE, NULL,
     "server mx.dane.example r\nhold-probes\n" ASKS "rcpt <b@dane.example> = ok\n"
     "rcpt <b@none.example> = " REFUSED_NONE "\nrelease-probes\neoh = ok\n"
     "eom = " NO_OFFER},
    {"probe: one that is too slow changes nothing", "[milter]\nrcpt_wait = 10ms\neom_wait = 20ms\n",
     DANE, NULL, NULL,
     "server mx.dane.example r\nhold-probes\n" ASKS "rcpt <b@dane.example> = ok\neoh = ok\n"
     "eom = done + chgfrom <a@b.example> RET=HDRS\nprobes = 1"},
    {"probe: the daemon stops at end-of-message", "[milter]\nrcpt_wait = 10ms\n", DANE, NULL, NULL,
     "server mx.dane.example r\nhold-probes\n" ASKS "rcpt <b@dane.example> = ok\neoh = ok\nclose\n"
     "eom = done + chgfrom <a@b.example> RET=HDRS"},
    {"probe: one that the engine cannot make", "", DANE, NULL, NULL,
     "server mx.dane.example r\nbreak-probes\n" ASKS "rcpt <b@dane.example> = ok\nprobes = 1"},
    {"probe: one that the engine cannot begin", "", DANE, NULL, NULL,
     "server mx.dane.example r\nbreak *\n" ASKS "rcpt <b@dane.example> = ok\nprobes = 0"},
#define TWO "nexthop=two.example host=mx1.two.example,10,tlsa=usable host=mx2.two.example,20"
#define TWO_DRAFT                                                                                  \
    "draft nexthop=two.example_host=mx1.two.example,10,tlsa=usable_"                               \
    "host=mx2.two.example,20,a=p,aaaa=p,tlsa=pending\n"
#define NO_OFFER_OF_TWO                                                                            \
    "550 5.7.30 <b@two.example>: Sender requested REQUIRETLS, but the mail servers of "            \
    "two.example do not support REQUIRETLS (mx1.two.example[192.0.2.1])"
    {"probe: a no of one host waits for the lookup of the other", "[milter]\nrcpt_wait = 10ms\n",
     NULL, NULL, TWO ",tlsa=usable",
     TWO_DRAFT "server mx1.two.example r\nserver mx2.two.example r\n" ASKS
               "rcpt <b@two.example> = ok\nsettle\nrelease two.example\neoh = ok\n"
               "eom = " NO_OFFER_OF_TWO "\nprobes = 2"},
    {"probe: the other host does all", "[milter]\nrcpt_wait = 10ms\n", NULL, NULL,
     TWO ",tlsa=usable",
     TWO_DRAFT "server mx1.two.example r\nserver mx2.two.example o\n" ASKS
               "rcpt <b@two.example> = ok\nsettle\nrelease two.example\neoh = ok\n"
               "eom = done + chgfrom <a@b.example> RET=HDRS\nprobes = 2"},
    {"probe: the other host is not found in time", "[milter]\nrcpt_wait = 10ms\neom_wait = 1s\n",
     NULL, NULL, TWO ",tlsa=usable",
     TWO_DRAFT "server mx1.two.example r\nserver mx2.two.example r\n" ASKS
               "rcpt <b@two.example> = ok\nsettle\neoh = ok\n"
               "eom = done + chgfrom <a@b.example> RET=HDRS\nprobes = 1"},
    {"probe: one host that does all waits for no other lookup", "", NULL, NULL, TWO ",tlsa=usable",
     TWO_DRAFT "server mx1.two.example o\n" ASKS "rcpt <b@two.example> = ok\neoh = ok\n"
               "eom = done + chgfrom <a@b.example> RET=HDRS\nprobes = 1"},
    {"probe: what is known of one host waits for the lookup of the other",
     "[milter]\nrcpt_wait = 10ms\n", NULL, NULL, TWO ",tlsa=usable",
     TWO_DRAFT "server mx1.two.example r known\nserver mx2.two.example r known\n" ASKS
               "rcpt <b@two.example> = ok\nsettle\nrelease two.example\neoh = ok\n"
               "eom = " NO_OFFER_OF_TWO "\nprobes = 0"},
    {"probe: where the hosts are not certain they are looked up first",
     "[milter]\nrcpt_wait = 10ms\n", NULL, NULL,
     "nexthop=two.example mx=insecure sts=enforce pat=*.two.example "
     "host=mx1.two.example,10,a=i,match host=mx2.two.example,20,a=i,match",
     "draft nexthop=two.example_mx=insecure_sts=enforce_pat=*.two.example_"
     "host=mx1.two.example,10,a=i,match_host=mx2.two.example,20,a=p,aaaa=p,match\n"
     "server mx1.two.example r\nserver mx2.two.example r\n" ASKS "rcpt <b@two.example> = ok\n"
     "probes = 0\nsettle\nrelease two.example\neoh = ok\neom = " NO_OFFER_OF_TWO "\nprobes = 1"},
    {"probe: one of several next-hops is enough", "", DANE ";" STS, NULL, NULL,
     "server mx.dane.example r\nserver mx.sts.example o\n" ASKS
     "rcpt <b@x.example> host=dane.example,_sts.example mailer=smtp = ok\nprobes = 2"},
    {"probe: none of several next-hops will do", "", DANE ";" STS, NULL, NULL,
     "server mx.dane.example r\nserver mx.sts.example t\n" ASKS
     "rcpt <b@x.example> host=dane.example,_sts.example mailer=smtp = 550 5.7.30 <b@x.example>: "
     "Sender requested REQUIRETLS, but the mail server of dane.example does not support REQUIRETLS "
     "(mx.dane.example[192.0.2.1]) (none of 2 next-hops will do)"},
    {"probe: the rule's fallback",
     "[route strict]\nmethod = header\ncan = dane, requiretls, fallback\n"
     "[default]\nroute = strict\nfallback = encrypt\n",
     DANE, NULL, NULL,
     "server mx.dane.example r\nmail <a@b.example> REQUIRETLS tls login=alice = ok\n"
     "rcpt <b@dane.example> = ok\nprobes = 1"},
    {"probe: not before the header when a rule looks at it",
     "[rule low]\nheader = X-Low: yes\nlevel = opportunistic\n", DANE, NULL, NULL,
     "server mx.dane.example r\n" ASKS "rcpt <b@dane.example> = ok\nprobes = 0\n"
     "header X-Low yes\neoh = ok\neom = done + chgfrom <a@b.example> RET=HDRS\nprobes = 0"},
    {"probe: after the header when a rule looks at it",
     "[rule low]\nheader = X-Low: yes\nlevel = opportunistic\n", DANE, NULL, NULL,
     "server mx.dane.example r\n" ASKS "rcpt <b@dane.example> = ok\nprobes = 0\n"
     "eoh = ok\neom = " NO_OFFER "\nprobes = 1"},
    {"probe: asked for by the header", "[milter]\naccept_header = any\n", DANE, NULL, NULL,
     "server mx.dane.example r\nmail <a@b.example> mta-requiretls login=alice = ok\n"
     "rcpt <b@dane.example> = ok\nprobes = 0\nheader Require-TLS-ESMTP yes\neoh = ok\n"
     "eom = " NO_OFFER "\nprobes = 1"},
    {"probe: known lack of STARTTLS at opportunistic+starttls",
     "[default]\nlevel = opportunistic+starttls\n", NONE ";" DANE, NULL, NULL,
     "server mx.none.example t known\nserver mx.dane.example t\n" ASKS
     "rcpt <b@none.example> = 550 5.7.10 <b@none.example>: Sender requested REQUIRETLS, but the "
     "mail server of none.example does not offer STARTTLS (mx.none.example[192.0.2.1])\n"
     "rcpt <b@dane.example> = ok\nprobes = 0"},
    {"probe: known lack of REQUIRETLS at opportunistic+starttls",
     "[default]\nlevel = opportunistic+starttls\n", NONE, NULL, NULL,
     "server mx.none.example r known\n" ASKS "rcpt <b@none.example> = ok\nprobes = 0"},
    /* --- end-of-message --- */
    {"a slow lookup is left to end-of-message", "[milter]\nrcpt_wait = 10ms\n", NULL, NULL, NONE,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@none.example> = ok\neoh = ok\n"
     "release none.example\neom = " REFUSED_NONE},
    {"one that is too slow for that as well", "[milter]\nrcpt_wait = 10ms\neom_wait = 20ms\n", NULL,
     NULL, NONE,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@none.example> = ok\neoh = ok\n"
     "eom = 451 4.4.3 <b@none.example>: Sender requested REQUIRETLS, but the lookups for "
     "none.example are not finished" DEFERRED},
    {"on_undecided = log covers that",
     "[milter]\nrcpt_wait = 10ms\neom_wait = 20ms\n[default]\non_undecided = log\n", NULL, NULL,
     NONE,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@none.example> = ok\neoh = ok\n"
     "eom = done + chgfrom <a@b.example> RET=HDRS"},
    {"the daemon stops at end-of-message", "[milter]\nrcpt_wait = 10ms\n", NULL, NULL, NONE,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@none.example> = ok\neoh = ok\nclose\n"
     "eom = 451 4.3.2 <b@none.example>: Sender requested REQUIRETLS, but this service is being "
     "restarted" DEFERRED},
    {"mixed = reject names those who are the reason", "[milter]\naccept_header = any\n",
     DANE ";" NONE ";" NULLMX, NULL, NULL,
     "mail <a@b.example> = ok\nrcpt <b@dane.example> = ok\nrcpt <b@none.example> = ok\n"
     "rcpt <b@null.example> = ok\nheader Require-TLS-ESMTP yes\neoh = ok\n"
     "eom = " REFUSED_NONE
     " | 550 5.7.10 <b@null.example>: null.example accepts no mail (null MX) (556 5.1.10)"},
    {"mixed = keep leaves them to an MTA that enforces REQUIRETLS",
     "[milter]\naccept_header = any\n[default]\nmixed = keep\n", DANE ";" NONE, NULL, NULL,
     "mail <a@b.example> mta-requiretls = ok\nrcpt <b@dane.example> = ok\n"
     "rcpt <b@none.example> = ok\nheader Require-TLS-ESMTP yes\neoh = ok\n"
     "eom = done + chgfrom <a@b.example> RET=HDRS"},
    {"mixed = keep needs a route that enforces",
     "[milter]\naccept_header = any\n[default]\nmixed = keep\n", DANE ";" NONE, NULL, NULL,
     "mail <a@b.example> = ok\nrcpt <b@dane.example> = ok\nrcpt <b@none.example> = ok\n"
     "header Require-TLS-ESMTP yes\neoh = ok\neom = " REFUSED_NONE},
    {"mixed = keep, an MTA that does not know what a rule asks for",
     "[rule r]\nheader = X-Secret: yes\nrequest = require\n[default]\nmixed = keep\n",
     DANE ";" NONE, NULL, NULL,
     "mail <a@b.example> mta-requiretls = ok\nrcpt <b@dane.example> = ok\n"
     "rcpt <b@none.example> = ok\nheader X-Secret yes\neoh = ok\n"
     "eom = 550 5.7.10 <b@none.example>: This message requires TLS, but none.example publishes "
     "neither DANE nor MTA-STS and its MX records are not signed"},
    {"mixed = keep, or what a header says that Postfix reads otherwise",
     "[milter]\naccept_header = any\n[default]\nmixed = keep\n", DANE ";" NONE, NULL, NULL,
     "mail <a@b.example> mta-requiretls = ok\nrcpt <b@dane.example> = ok\n"
     "rcpt <b@none.example> = ok\nheader Require-TLS-ESMTP yes_\neoh = ok\neom = " REFUSED_NONE},
    {"mixed = keep, nobody left", "[milter]\naccept_header = any\n[default]\nmixed = keep\n", NONE,
     NULL, NULL,
     "mail <a@b.example> = ok\nrcpt <b@none.example> = ok\nheader Require-TLS-ESMTP yes\neoh = ok\n"
     "eom = " REFUSED_NONE},
    {"mixed = keep does not cover what is undecided",
     "[milter]\naccept_header = any\n[default]\nmixed = keep\n", DANE ";" FAILED, FAILED, NULL,
     "mail <a@b.example> = ok\nrcpt <b@dane.example> = ok\nrcpt <b@failed.example> = ok\n"
     "header Require-TLS-ESMTP yes\neoh = ok\neom = 451 4.4.3 <b@failed.example>: Sender requested "
     "REQUIRETLS, but the MX lookup for failed.example failed (SERVFAIL)" DEFERRED},
    {"mixed = keep, one undecided and nobody good",
     "[milter]\naccept_header = any\n[default]\nmixed = keep\nroute = s\n[route s]\nmethod = "
     "header\n",
     NONE ";" FAILED, FAILED, NULL,
     "mail <a@b.example> = ok\nrcpt <b@none.example> = ok\nrcpt <b@failed.example> = ok\n"
     "header Require-TLS-ESMTP yes\neoh = ok\neom = 451 4.4.3 <b@failed.example>: Sender requested "
     "REQUIRETLS, but the MX lookup for failed.example failed (SERVFAIL)" DEFERRED},
    {"a definite no goes before a deferral", "[milter]\naccept_header = any\n",
     DANE ";" NONE ";" FAILED, FAILED, NULL,
     "mail <a@b.example> = ok\nrcpt <b@failed.example> = ok\nrcpt <b@none.example> = ok\n"
     "header Require-TLS-ESMTP yes\neoh = ok\neom = " REFUSED_NONE},
    {"a null sender by header is not refused", "[milter]\naccept_header = any\n", NONE, NULL, NULL,
     "mail <> = ok\nrcpt <b@none.example> = ok\nheader Require-TLS-ESMTP yes\neoh = ok\neom = "
     "done"},
    /* --- changes --- */
    {"BODY and SMTPUTF8 are repeated for sendmail, which would forget them", "", DANE, NULL, NULL,
     "mail <a@b.example> BODY=8BITMIME SMTPUTF8 ENVID=x REQUIRETLS tls = ok\n"
     "rcpt <b@dane.example> = ok\neoh = ok\n"
     "eom sendmail = done + chgfrom <a@b.example> RET=HDRS ENVID=x BODY=8BITMIME SMTPUTF8\n"
     "mail <a@b.example> BODY=8BITMIME SMTPUTF8 REQUIRETLS tls = ok\n"
     "rcpt <b@dane.example> = ok\neoh = ok\neom = done + chgfrom <a@b.example> RET=HDRS\n"
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@dane.example> = ok\neoh = ok\n"
     "eom sendmail = done + chgfrom <a@b.example> RET=HDRS"},
    {"so are AUTH and BY, as they were", "", DANE, NULL, NULL,
     "mail <a@b.example> AUTH=a+3Db@c.example BY=120;R REQUIRETLS tls = ok\n"
     "rcpt <b@dane.example> = ok\neoh = ok\n"
     "eom sendmail = done + chgfrom <a@b.example> RET=HDRS AUTH=a+3Db@c.example BY=120;R\n"
     "mail <a@b.example> AUTH=<> BY=bad=\x01 ENVID=x REQUIRETLS tls = ok\n"
     "rcpt <b@dane.example> = ok\neoh = ok\n"
     "eom sendmail = done + chgfrom <a@b.example> RET=HDRS ENVID=x AUTH=<>\n"
     "mail <a@b.example> AUTH=<> REQUIRETLS tls = ok\nrcpt <b@dane.example> = ok\neoh = ok\n"
     "eom = done + chgfrom <a@b.example> RET=HDRS"},
    {"the sender stays as an earlier filter has set it", "", DANE, NULL, NULL,
     "mail <a@b.example> f=a@b.example REQUIRETLS tls = ok\nrcpt <b@dane.example> = ok\neoh = ok\n"
     "eom f=srs0+x@own.example = done + chgfrom <srs0+x@own.example> RET=HDRS\n"
     "mail <a@b.example> f=a@b.example REQUIRETLS tls = ok\nrcpt <b@dane.example> = ok\neoh = ok\n"
     "eom f=a@b.example = done + chgfrom <a@b.example> RET=HDRS\n"
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@dane.example> = ok\neoh = ok\n"
     "eom f=a@b.example.local = done + chgfrom <a@b.example> RET=HDRS\n"
     "mail <a@b.example> f=a@b.example REQUIRETLS tls = ok\nrcpt <b@dane.example> = ok\neoh = ok\n"
     "eom f=<x@y> = done + chgfrom <a@b.example> RET=HDRS"},
    {"RET=FULL is disregarded, ENVID kept", "", DANE, NULL, NULL,
     "mail <a@b.example> RET=FULL ENVID=x+3D1 REQUIRETLS tls = ok\nrcpt <b@dane.example> = ok\n"
     "eoh = ok\neom = done + chgfrom <a@b.example> RET=HDRS ENVID=x+3D1"},
    {"RET=HDRS is left alone", "", DANE, NULL, NULL,
     "mail <a@b.example> RET=HDRS ENVID=x REQUIRETLS tls = ok\nrcpt <b@dane.example> = ok\n"
     "eoh = ok\neom = done"},
    {"an MTA that cannot change the sender", "", DANE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@dane.example> = ok\n"
     "eoh = ok\neom no-chgfrom = done"},
    {"a change that fails", "", DANE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS tls = ok\nrcpt <b@dane.example> = ok\n"
     "eoh = ok\neom broken = fail"},
    {"add_header = yes", "[milter]\nadd_header = yes\n", DANE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS RET=HDRS tls = ok\nrcpt <b@dane.example> = ok\n"
     "eoh = ok\neom = done + addheader Require-TLS-ESMTP yes"},
    {"add_header = yes, it is there", "[milter]\nadd_header = yes\n", DANE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS RET=HDRS tls = ok\nrcpt <b@dane.example> = ok\n"
     "header Require-TLS-ESMTP yes\neoh = ok\neom = done"},
    {"add_header = yes, nobody asked", "[milter]\nadd_header = yes\n", DANE, NULL, NULL,
     "mail <a@b.example> tls = ok\nrcpt <b@dane.example> = ok\neoh = done"},
    {"add_header = yes, not to a bounce", "[milter]\nadd_header = yes\n", DANE, NULL, NULL,
     "mail <> REQUIRETLS tls = ok\nrcpt <b@dane.example> = ok\neoh = ok\neom = done"},
    {"add_header = yes, by rule, for one recipient of two",
     "[milter]\nadd_header = yes\n[rule d]\nnexthop = dane.example\nrequest = require\n", DANE,
     NULL, NULL,
     "mail <a@b.example> RET=HDRS tls = ok\nrcpt <b@dane.example> = ok\nrcpt <b@none.example> = "
     "ok\n"
     "eoh = ok\neom = done + addheader Require-TLS-ESMTP yes"},
    {"add_header = no", "[milter]\nadd_header = no\n", DANE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS RET=HDRS tls = ok\nrcpt <b@dane.example> = ok\n"
     "eoh = ok\neom = done"},
    {"add_header = reinject, no route that re-injects", "", DANE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS RET=HDRS tls = ok\nrcpt <b@dane.example> = ok\n"
     "eoh = ok\neom = done"},
    {"forged routing headers of a bounce go", "", NULL, NULL, NULL,
     "mail <> = ok\nrcpt <b@none.example> = ok\nheader X-REQUIRETLS-Route strict\n"
     "eoh = ok\neom = done + delheader X-REQUIRETLS-Route 1"},
    {"forged routing headers of a local client go", "", NULL, NULL, NULL,
     "mail <a@b.example> client=local = ok\nrcpt <b@none.example> = ok\n"
     "header X-REQUIRETLS-Route strict\neoh = ok\neom = done + delheader X-REQUIRETLS-Route 1"},
    {"forged routing headers go", "", NULL, NULL, NULL,
     "mail <a@b.example> = ok\nrcpt <b@none.example> = ok\nheader X-REQUIRETLS-Route strict\n"
     "header x-requiretls-route optional\neoh = ok\n"
     "eom = done + delheader X-REQUIRETLS-Route 2 + delheader X-REQUIRETLS-Route 1"},
/* --- bounces --- */
#define BOUNCE "header Content-Type multipart/report;boundary=B\neoh = ok\n"
    {"our own bounce of REQUIRETLS mail loses the body", "", NULL, NULL, NULL,
     "mail <> client=local = ok\nrcpt a@b.example = ok\nheader Content-Length 99\n" BOUNCE
     "body require = ok\neom = done + body headers + delheader Content-Length 1 + addheader "
     "MIME-Version 1.0"},
    {"the same with an empty reverse-path as Postfix gives it", "", NULL, NULL, NULL,
     "mail - client=local = ok\nrcpt a@b.example = ok\nheader MIME-Version 1.0\n" BOUNCE
     "body require = ok\neom = done + body headers"},
    {"its original is known by the queue id", "", DANE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS RET=HDRS tls = ok\nrcpt <b@dane.example> = ok\neoh = ok\n"
     "eom = done\n"
     "mail <> client=local = ok\nrcpt a@b.example = ok\nheader MIME-Version 1.0\n" BOUNCE
     "body queue-id = ok\neom = done + body queue-id-headers"},
    {"the queue id is of another message by now", "", DANE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS RET=HDRS tls = ok\nrcpt <b@dane.example> = ok\neoh = ok\n"
     "eom = done\n"
     "mail <a@b.example> tls = ok\nrcpt <b@dane.example> = ok\neoh = done\n"
     "mail <> client=local = ok\nrcpt a@b.example = ok\n" BOUNCE "body queue-id = ok\neom = done"},
    {"a bounce of other mail stays as it is", "", NULL, NULL, NULL,
     "mail <> client=local = ok\nrcpt a@b.example = ok\n" BOUNCE "body plain = ok\neom = done"},
    {"a bounce of mail with TLS-Required: No gets the same", "", NULL, NULL, NULL,
     "mail <> client=local = ok\nrcpt a@b.example = ok\n" BOUNCE
     "body optional = ok\neom = done + addheader TLS-Required No"},
    {"unless it has one", "", NULL, NULL, NULL,
     "mail <> client=local = ok\nrcpt a@b.example = ok\nheader TLS-Required No\n" BOUNCE
     "body optional = ok\neom = done"},
    {"other locally submitted mail is let go", "", NULL, NULL, NULL,
     "mail <> client=local = ok\nrcpt a@b.example = ok\nheader Content-Type text/plain\neoh = "
     "done"},
    {"mail with a reverse-path is no bounce", "", NULL, NULL, NULL,
     "mail <x@b.example> client=local = ok\nrcpt a@b.example = ok\nheader Content-Type "
     "multipart/report;boundary=B\neoh = done"},
    {"a relayed bounce is not ours", "", NULL, NULL, NULL,
     "mail <> = ok\nrcpt <a@b.example> = ok\nheader Content-Type "
     "multipart/report;boundary=B\neoh = done"},
    {"a relayed bounce, redact_dsn = all", "[milter]\nredact_dsn = all\n", NULL, NULL, NULL,
     "mail <> = ok\nrcpt <a@b.example> = ok\nheader MIME-Version 1.0\n" BOUNCE
     "body require = ok\neom = done + body headers"},
    {"redact_dsn = no", "[milter]\nredact_dsn = no\n", NULL, NULL, NULL,
     "mail <> client=local = ok\nrcpt a@b.example = ok\nheader Content-Type "
     "multipart/report;boundary=B\neoh = done"},
    {"an MTA that cannot replace the body", "", NULL, NULL, NULL,
     "mail <> client=local = ok\nrcpt a@b.example = ok\n" BOUNCE
     "body require = ok\neom no-chgbody = fail"},
    {"such an MTA, and a bounce that would lose a ticket alone", "", NULL, NULL, NULL,
     "mail <> client=local = ok\nrcpt a@b.example = ok\n" BOUNCE
     "body ticket = ok\neom no-chgbody = done"},
    {"a bounce that loses a ticket alone", "", NULL, NULL, NULL,
     "mail <> client=local = ok\nrcpt a@b.example = ok\n" BOUNCE
     "body ticket = ok\neom = done + body plain + addheader MIME-Version 1.0"},
    {"a body that cannot be replaced", "", NULL, NULL, NULL,
     "mail <> client=local = ok\nrcpt a@b.example = ok\n" BOUNCE
     "body require = ok\neom broken = fail"},
    {"a connection that hands over no bodies, older than the configuration", "", NULL, NULL, NULL,
     "mail <> client=local no-body = fail"},
    {"the body of other mail that goes on is declined", "", DANE, NULL, NULL,
     "mail <a@b.example> REQUIRETLS RET=HDRS tls = ok\nrcpt <b@dane.example> = ok\neoh = ok\n"
     "body require = done\neom = done"},
#undef BOUNCE
/* --- routes --- */
#define HEADER                                                                                     \
    "[default]\nroute = strict\noptional_route = optional\n[route strict]\nmethod = "              \
    "header\n[route optional]\nmethod = header\n"
#define TAG                                                                                        \
    "[default]\nroute = strict\noptional_route = optional\n[route strict]\nmethod = "              \
    "recipient\n[route optional]\nmethod = recipient\n"
#define TAG_REINJECT                                                                               \
    "[default]\nroute = strict\noptional_route = optional\n[route strict]\nmethod = "              \
    "recipient\nlocal = reinject\n[route optional]\nmethod = recipient\nlocal = reinject\n"
#define NO_FORM                                                                                    \
    "550 5.7.10 This message requires TLS, and a recipient's address is in a form that cannot be " \
    "held to that: write it as user@domain"
#define ASK "mail <a@b.example> REQUIRETLS RET=HDRS tls = ok\n"
#define VIA(value) " + addheader X-REQUIRETLS-Route " value " + delheader X-REQUIRETLS-Route 1"
#define MARK(address, params) " + addrcpt " address " " params " + delrcpt "
    {"by header", HEADER, DANE, NULL, NULL,
     ASK "rcpt <b@dane.example> = ok\nrcpt <c@dane.example> mailer=smtp host=dane.example = ok\n"
         "eoh = ok\neom = done" VIA("strict")},
    {"by header, forged ones go first", HEADER, DANE, NULL, NULL,
     ASK "rcpt <b@dane.example> = ok\nheader X-REQUIRETLS-Route optional\neoh = ok\n"
         "eom = done + delheader X-REQUIRETLS-Route 1" VIA("strict")},
    {"by header, to a smart host", HEADER,
     "nexthop=[relay.example]:587 mx=not-asked host=relay.example,0,a=s,tlsa=usable", NULL, NULL,
     ASK "rcpt <b@dane.example> mailer=relay host=[relay.example]:587 = ok\n"
         "rcpt <b@none.example> mailer=relay host=[relay.example]:587 = ok\n"
         "eoh = ok\neom = done" VIA("strict [relay.example]:587")},
    {"by header, at level opportunistic+starttls another way",
     "[default]\nroute = strict\n[route strict]\nmethod = header\nstarttls = encrypt\n[route "
     "encrypt]\nmethod = header\n[rule x]\nnexthop = none.example\nlevel = "
     "opportunistic+starttls\n",
     DANE, NULL, NULL,
     ASK "rcpt <b@none.example> = ok\neoh = ok\neom = done" VIA(
         "encrypt") "\n" ASK "rcpt <b@dane.example> = ok\neoh = ok\neom = done" VIA("strict")},
#define LOWER                                                                                      \
    "[rule p]\nnexthop = none.example\nlevel = opportunistic\n[default]\nroute = strict\n"         \
    "[route strict]\nmethod = header\n"
    {"no way for a lower level: the strictest of several next-hops holds for all", LOWER,
     NONE ";" NULLMX ";" DANE, NULL, NULL,
     ASK "rcpt <b@x.example> host=none.example,_null.example mailer=smtp = 550 5.7.10 "
         "<b@x.example>: Sender requested REQUIRETLS, but none.example publishes neither DANE nor "
         "MTA-STS and its MX records are not signed (none of 2 next-hops will do)\n"
         "rcpt <b@x.example> host=none.example,_dane.example mailer=smtp = ok\neoh = ok\n"
         "eom = done" VIA("strict dane.example")},
    {"no way for a lower level, which all of several next-hops have",
     LOWER "[rule q]\nnexthop = null.example\nlevel = disable\n", NONE ";" NULLMX, NULL, NULL,
     ASK "rcpt <b@x.example> host=none.example,_null.example mailer=smtp = ok\neoh = ok\n"
         "eom = done"},
    {"a way for a lower level takes one of several next-hops alone",
     LOWER "opportunistic = may\n[route may]\nmethod = header\n", NONE ";" DANE, NULL, NULL,
     ASK "rcpt <b@x.example> host=none.example,_dane.example mailer=smtp = ok\neoh = ok\n"
         "eom = done" VIA("may none.example")},
#define FALLS                                                                                      \
    "[default]\nroute = strict\n[route strict]\nmethod = header\ncan = dane, sts, fallback\n"
#define MAY(nexthops) "[rule p]\nnexthop = " nexthops "\nfallback = may\n"
    {"fallback to no route: not while one of several next-hops may not", FALLS MAY("none.example"),
     NONE ";" NULLMX ";" DANE, NULL, NULL,
     ASK "rcpt <b@x.example> host=none.example,_null.example mailer=smtp = 550 5.7.10 "
         "<b@x.example>: Sender requested REQUIRETLS, but none.example publishes neither DANE nor "
         "MTA-STS and its MX records are not signed (none of 2 next-hops will do)\n"
         "rcpt <b@x.example> host=none.example,_dane.example mailer=smtp = ok\neoh = ok\n"
         "eom = done" VIA("strict dane.example")},
    {"fallback to no route, which all of several next-hops may",
     FALLS MAY("none.example, null.example"), NONE ";" NULLMX, NULL, NULL,
     ASK "rcpt <b@x.example> host=none.example,_null.example mailer=smtp = ok\neoh = ok\n"
         "eom = done"},
    {"fallback to a route takes one of several next-hops alone",
     FALLS "opportunistic = may\n[route may]\nmethod = header\n" MAY("none.example"),
     NONE ";" NULLMX, NULL, NULL,
     ASK "rcpt <b@x.example> host=none.example,_null.example mailer=smtp = ok\neoh = ok\n"
         "eom = done" VIA("may none.example")},
    {"by header, an exempt next-hop goes as at level opportunistic",
     "[default]\nroute = strict\n[route strict]\nmethod = header\nopportunistic = may\n[route "
     "may]\nmethod = header\n[rule x]\nnexthop = none.example\ntls_policy = skip\n",
     NONE, NULL, NULL, ASK "rcpt <b@none.example> = ok\neoh = ok\neom = done" VIA("may")},
    {"by header, an exempt next-hop where the route names no other",
     "[default]\nroute = strict\n[route strict]\nmethod = header\n[rule x]\n"
     "nexthop = none.example\ntls_policy = skip\n",
     NONE, NULL, NULL, ASK "rcpt <b@none.example> = ok\neoh = ok\neom = done" VIA("strict")},
    {"by header, at level opportunistic its own way, or none",
     "[default]\nroute = strict\n[route strict]\nmethod = header\nopportunistic = may\n[route "
     "may]\nmethod = header\n[rule x]\nnexthop = none.example\nlevel = opportunistic\n"
     "[rule y]\nsender = y@b.example\nroute = may\n",
     DANE, NULL, NULL,
     ASK "rcpt <b@none.example> = ok\neoh = ok\neom = done" VIA(
         "may") "\n"
                "mail <y@b.example> REQUIRETLS RET=HDRS tls = ok\nrcpt <b@none.example> = ok\neoh "
                "= ok\n"
                "eom = done"},
    {"by header, another at home: a marked recipient", HEADER, DANE, NULL, NULL,
     ASK "rcpt <b@dane.example> NOTIFY=FAILURE ORCPT=rfc822;x@y.example = ok\n"
         "rcpt <me@here.example> mailer=local host=here.example = ok\neoh = ok\neom = done" MARK(
             "<b@dane.example.requiretls.invalid>",
             "NOTIFY=FAILURE ORCPT=rfc822;x@y.example") "<b@dane.example>"},
    {"by header, another at home: refused",
     HEADER
     "[route x]\nmethod = header\nlocal = refuse\n[rule x]\nsender = a@b.example\nroute = x\n",
     DANE, NULL, NULL,
     ASK
     "rcpt <b@dane.example> = ok\nrcpt <me@here.example> mailer=local = ok\neoh = ok\n"
     "eom = 550 5.7.10 This message requires TLS, but its recipients take different ways: send it "
     "to each separately"},
    {"re-injected, with what stays at home",
     "[default]\nroute = again\n[route again]\nmethod = header\nlocal = reinject\n", DANE, NULL,
     NULL,
     ASK "rcpt <b@dane.example> = ok\nrcpt <me@here.example> mailer=local = ok\neoh = ok\n"
         "eom = done + addheader Require-TLS-ESMTP yes" VIA("again")},
    {"re-injected at level opportunistic, not at disable",
     "[default]\nroute = again\n[route again]\nmethod = header\nlocal = reinject\n"
     "[rule x]\nnexthop = none.example\nlevel = opportunistic\n"
     "[rule y]\nnexthop = dane.example\nlevel = disable\n",
     DANE, NULL, NULL,
     ASK "rcpt <b@none.example> = ok\neoh = ok\n"
         "eom = done + addheader Require-TLS-ESMTP yes" VIA(
             "again") "\n" ASK "rcpt <b@dane.example> = ok\neoh = ok\neom = done"},
    {"re-injected, the header made what Postfix reads",
     "[milter]\naccept_header = any\n[default]\nroute = again\n[route again]\nmethod = "
     "header\nlocal = "
     "reinject\n",
     DANE, NULL, NULL,
#define READ(value, change)                                                                        \
    "mail <a@b.example> RET=HDRS = ok\nrcpt <b@dane.example> = ok\nheader "                        \
    "Require-TLS-ESMTP " value "\neoh = ok\neom = done" change VIA("again") "\n"
#define MADE(n) " + chgheader Require-TLS-ESMTP " n " yes"
     READ("yes_", MADE("1")) READ("yes|_", MADE("1")) READ("__yes", MADE("1"))
         READ("Yes", MADE("1")) READ("no\nheader Require-TLS-ESMTP yes_", MADE("2")) READ("yes", "")
             READ("_yes", "") READ("yes_\nheader Require-TLS-ESMTP yes", "") ASK
     "rcpt <b@dane.example> = ok\nheader Require-TLS-ESMTP no\neoh = ok\n"
     "eom = done + addheader Require-TLS-ESMTP yes" VIA("again")},
#undef READ
#undef MADE
    {"an MTA that would discard a bounce takes it by a route that demands nothing",
     "[default]\nroute = strict\n[route strict]\nmethod = header\nlocal = refuse\n"
     "opportunistic = may\n[route may]\nmethod = header\nlocal = refuse\n",
     NULL, NULL, NONE,
     "mail <> REQUIRETLS tls mta-requiretls = ok\nrcpt <b@none.example> = ok\neoh = ok\n"
     "eom = done" VIA(
         "may") "\n"
                "mail <> tls mta-requiretls client=127.0.0.1 = ok\nrcpt <b@none.example> = ok\n"
                "header Require-TLS-ESMTP yes\neoh = ok\neom = done" VIA(
                    "may") "\n"
                           "mail <> tls mta-requiretls REQUIRETLS = ok\nrcpt <b@none.example> = "
                           "ok\n"
                           "rcpt <me@here.example> mailer=local = ok\neoh = ok\neom = done\n"
                           "mail <> tls REQUIRETLS = ok\nrcpt <b@none.example> = ok\neoh = ok\neom "
                           "= done"},
    {"such a bounce by header alone, in any form that Postfix may read",
     "[milter]\naccept_header = any\n[default]\nroute = again\n[route again]\nmethod = header\n"
     "local = reinject\n",
     NULL, NULL, NONE,
     "mail <> tls mta-requiretls = ok\nrcpt <b@none.example> = ok\n"
     "header Require-TLS-ESMTP YES\neoh = ok\neom = done" VIA("again")},
    {"such a bounce is re-injected, with what stays at home",
     "[default]\nroute = again\n[route again]\nmethod = header\nlocal = reinject\n", NULL, NULL,
     NONE,
     "mail <> REQUIRETLS tls mta-requiretls = ok\nrcpt <b@none.example> = ok\n"
     "rcpt <me@here.example> mailer=error = ok\neoh = ok\neom = done" VIA("again")},
    {"by a rule for the second smtpd as well, whose request the header must bear out",
     "[rule out]\ndaemon = second\nrequest = require\nroute = strict\n[route strict]\nmethod = "
     "header\nopportunistic = may\n[route may]\nmethod = header\n",
     NULL, NULL, NONE,
     "mail <> mta-requiretls client=127.0.0.1 daemon=second = ok\nrcpt <b@none.example> = ok\n"
     "header Require-TLS-ESMTP yes\neoh = ok\neom = done" VIA(
         "may") "\n"
                "mail <> mta-requiretls client=127.0.0.1 daemon=second = ok\nrcpt <b@none.example> "
                "= ok\n"
                "eoh = ok\neom = done"},
    {"one recipient's copy requires TLS, another's waives it: all require it",
     "[milter]\naccept_header = any\n[default]\nroute = again\noptional_route = again2\n[route "
     "again]\n"
     "method = header\nlocal = reinject\n[route again2]\nmethod = header\nlocal = reinject\n"
     "[rule r]\nnexthop = dane.example\nrequest = require\n",
     DANE ";" STS ";" NONE, NULL, NULL,
     "mail <a@b.example> RET=HDRS = ok\nrcpt <b@dane.example> = ok\nrcpt <b@sts.example> = ok\n"
     "header TLS-Required No\neoh = ok\neom = done + delheader TLS-Required 1 + addheader "
     "Require-TLS-ESMTP yes" VIA("again") "\n"
                                          "mail <a@b.example> = ok\nrcpt <b@none.example> = "
                                          "ok\nrcpt <b@dane.example> = ok\n"
                                          "header TLS-Required No\neoh = ok\neom = 550 5.7.10 "
                                          "<b@none.example>: This message requires "
                                          "TLS, but none.example publishes neither DANE nor "
                                          "MTA-STS and its MX records are not signed"},
    {"reinjected, though all are delivered locally: they may be aliases",
     "[default]\nroute = again\noptional_route = again2\n[route again]\nmethod = header\nlocal = "
     "reinject\n[route again2]\nmethod = header\nlocal = reinject\n",
     DANE, NULL, NULL,
     ASK "rcpt <me@here.example> mailer=error host=5.1.1_x = ok\neoh = ok\n"
         "eom = done + addheader Require-TLS-ESMTP yes" VIA(
             "again") "\nmail <a@b.example> = ok\nrcpt <me@here.example> mailer=local = ok\n"
                      "header TLS-Required No\neoh = ok\neom = done" VIA(
                          "again2") "\n"
                                    "mail <> REQUIRETLS tls = ok\nrcpt <me@here.example> "
                                    "mailer=local = ok\neoh = ok\n"
                                    "eom = done\n"
                                    "mail <> = ok\nrcpt <me@here.example> mailer=local = "
                                    "ok\nheader TLS-Required No\neoh = "
                                    "done"},
/* Reinjected once, so that its queue id is known. */
#define AGAIN                                                                                      \
    "[default]\nroute = again\n[route again]\nmethod = header\nlocal = reinject\n[milter]\n"       \
    "accept_header = any\n"
#define OUT "[rule out]\ndaemon = second\nroute = strict\n[route strict]\nmethod = header\n"
#define ONCE                                                                                       \
    ASK "rcpt <b@dane.example> = ok\neoh = ok\n"                                                   \
        "eom = done + addheader Require-TLS-ESMTP yes" VIA("again") "\n"
#define BACK "mail <a@b.example> RET=HDRS "
#define TO " = ok\nrcpt <b@dane.example> = ok\n"
#define SEEN                                                                                       \
    "header Received from_x_by_y_(Postfix)_with_ESMTP_id_4bXyZ_for_<b@dane.example>;_date\n"       \
    "header Require-TLS-ESMTP yes\neoh = ok\neom = "
    {"reinjected, by a listener whose rule has an exit route: no mail loop", AGAIN OUT, DANE, NULL,
     NULL, ONCE BACK "client=127.0.0.1 daemon=second" TO SEEN "done" VIA("strict")},
    {"reinjected, by a listener for which no rule has an exit route", AGAIN, DANE, NULL, NULL,
     ONCE BACK "client=127.0.0.1 daemon=second" TO SEEN "fail"},
    {"the same by way of ::1", AGAIN, DANE, NULL, NULL,
     ONCE BACK "client=::1 daemon=second" TO SEEN "fail"},
    {"the same where the MTA enforces REQUIRETLS itself", AGAIN, DANE, NULL, NULL,
     ONCE BACK "client=127.0.0.1 daemon=second mta-requiretls" TO SEEN "done"},
    {"the same where it may not have believed the header",
     "[default]\nroute = again\n[route again]\nmethod = header\nlocal = reinject\n[rule x]\n"
     "sender = a@b.example\nrequest = require\n",
     DANE, NULL, NULL, ONCE BACK "client=127.0.0.1 daemon=second mta-requiretls" TO SEEN "fail"},
    {"the same, what stays here and bounces excepted", AGAIN, DANE, NULL, NULL,
     ONCE BACK "client=127.0.0.1 = ok\nrcpt <me@here.example> mailer=local = ok\n" SEEN
               "done\nmail <> client=127.0.0.1 = ok\nrcpt <b@none.example> = ok\n" SEEN "done"},
    {"the same for a domain that does not exist yet", AGAIN, DANE ";nexthop=nx.example mx=nxdomain",
     NULL, NULL, ONCE BACK "client=127.0.0.1 = ok\nrcpt <b@nx.example> = ok\n" SEEN "fail"},
    {"reinjected, and the rule with an exit route is not the recipient's",
     AGAIN "[rule first]\nnexthop = dane.example\nroute = again\n" OUT, DANE, NULL, NULL,
     BACK "client=127.0.0.1 daemon=second mta-requiretls" TO SEEN "fail"},
    {"a stranger cannot feign a Received field of ours", AGAIN, DANE, NULL, NULL,
     ONCE BACK "tls" TO SEEN "done" VIA("again")},
    {"nor can sendmail(1)", AGAIN, DANE, NULL, NULL,
     ONCE BACK "client=local" TO SEEN "done" VIA("again")},
    {"nor can a trusted client", AGAIN "trusted_clients = 192.0.2.0/24\n", DANE, NULL, NULL,
     ONCE BACK "tls" TO SEEN "done" VIA("again")},
    {"a listener's name is nothing without this host for its client",
     AGAIN "[rule first]\nnexthop = dane.example\nroute = again\n" OUT, DANE, NULL, NULL,
     BACK "daemon=second" TO SEEN "done" VIA("again")},
    {"a listener behind a content filter is no exit listener",
     AGAIN "[rule filtered]\ndaemon = filtered\nroute = again\n" OUT, DANE, NULL, NULL,
     BACK "client=127.0.0.1 daemon=filtered" TO SEEN "done" VIA("again")},
#undef AGAIN
#undef OUT
#undef ONCE
#undef BACK
#undef TO
#undef SEEN
    {"by recipient, with local delivery: it may be an alias",
     "[default]\nroute = strict\n[route strict]\nmethod = recipient\nlocal = reinject\n", DANE,
     NULL, NULL,
     ASK
     "rcpt <b@dane.example> = ok\nrcpt <me@here.example> mailer=local = ok\n"
     "rcpt <root> mailer=local resolved=root own=h.example = ok\neoh = ok\neom = done + addrcpt "
     "<b@dane.example.requiretls.invalid> ORCPT=rfc822;b@dane.example + delrcpt "
     "<b@dane.example> + addrcpt <me@here.example.requiretls.invalid> "
     "ORCPT=rfc822;me@here.example + delrcpt <me@here.example> + addrcpt "
     "<root@h.example.requiretls.invalid> ORCPT=rfc822;root@h.example + delrcpt <root>"},
    {"by recipient", TAG, DANE ";" STS, NULL, NULL,
     ASK "rcpt <b@dane.example> = ok\nrcpt <b+x@sts.example> NOTIFY=NEVER = ok\neoh = ok\neom = "
         "done" MARK(
             "<b@dane.example.requiretls.invalid>",
             "ORCPT=rfc822;b@dane.example") "<b@dane.example>" MARK("<b+x@sts.example.requiretls."
                                                                    "invalid>",
                                                                    "NOTIFY=NEVER "
                                                                    "ORCPT=rfc822;b+2Bx@sts."
                                                                    "example") "<b+x@sts.example>"},
    {"by recipient, a quoted local part", TAG, DANE, NULL, NULL,
     ASK "rcpt <\"b@c\\\"=\"@dane.example> = ok\neoh = ok\neom = done" MARK(
         "<\"b@c\\\"=\"@dane.example.requiretls.invalid>",
         "ORCPT=rfc822;\"b@c\\\"+3D\"@dane.example") "<\"b@c\\\"=\"@dane.example>"},
    {"by recipient, not ASCII", TAG,
     "nexthop=xn--dne-9ka.example mx=secure host=mx.dane.example,10,a=s,tlsa=usable", NULL, NULL,
     ASK "rcpt <b\xc3\xa9@d\xc3\xa0ne.example> = ok\neoh = ok\neom = done" MARK(
         "<b\xc3\xa9@d\xc3\xa0ne.example.requiretls.invalid>",
         "ORCPT=utf-8;b\\x{E9}@d\\x{E0}ne.example") "<b\xc3\xa9@d\xc3\xa0ne.example>"},
    {"by recipient, one of our own and a literal need no route",
     TAG "[milter]\nmydomain = own.example\n", DANE, NULL, NULL,
     ASK "rcpt <b@[192.0.2.1]> = ok\nrcpt <b@own.example> = ok\neoh = ok\neom = done"},
    {"by recipient, an MTA that cannot", TAG, DANE, NULL, NULL,
     ASK "rcpt <b@dane.example> = ok\neoh = ok\neom no-rcpt = fail"},
    {"a change of recipients that fails", TAG, DANE, NULL, NULL,
     ASK "rcpt <b@dane.example> = ok\neoh = ok\neom broken = fail"},
    {"a name without a domain is marked as one of this host", TAG_REINJECT, NULL, NULL, NULL,
     ASK "rcpt <forward> mailer=local resolved=forward own=mx.here.example = ok\neoh = ok\n"
         "eom = done" MARK("<forward@mx.here.example.requiretls.invalid>",
                           "ORCPT=rfc822;forward@mx.here.example") "<forward>"},
    {"a name at an address of this host is, too", TAG_REINJECT, NULL, NULL, NULL,
     ASK "rcpt <f@[192.0.2.25]> mailer=local resolved=f own=mx.here.example = ok\neoh = ok\n"
         "eom = done" MARK("<f@mx.here.example.requiretls.invalid>",
                           "ORCPT=rfc822;f@[192.0.2.25]") "<f@[192.0.2.25]>"},
    {"a name without a domain, as the MTA completes it", TAG_REINJECT, DANE, NULL, NULL,
     ASK
     "rcpt <b%dane.example> host=dane.example resolved=b@dane.example own=mx.here.example = ok\n"
     "eoh = ok\neom = done" MARK("<b@dane.example.requiretls.invalid>",
                                 "ORCPT=rfc822;b@dane.example") "<b%dane.example>"},
    {"a local name of which the MTA says nothing", TAG_REINJECT, NULL, NULL, NULL,
     ASK "rcpt <forward> mailer=local = ok\neoh = ok\neom = " NO_FORM},
    {"a local name, and no name of this host", TAG_REINJECT, NULL, NULL, NULL,
     ASK "rcpt <forward> mailer=local resolved=forward = ok\neoh = ok\neom = " NO_FORM},
    {"an address that is not written as user@domain", TAG_REINJECT, DANE, NULL, NULL,
     ASK "rcpt Bob,<b@dane.example> host=dane.example resolved=b@dane.example own=h.example = ok\n"
         "eoh = ok\neom = " NO_FORM},
    {"the same in mail that asks for nothing, or for none", TAG_REINJECT, DANE, NULL, NULL,
     "mail <a@b.example> = ok\nrcpt <forward> mailer=local = ok\neoh = done\n"
     "mail <a@b.example> = ok\nrcpt <forward> mailer=local = ok\nheader TLS-Required No\n"
     "eoh = ok\neom = done"},
    {"TLS-Required: No by header", HEADER, NULL, NULL, NULL,
     "mail <a@b.example> = ok\nrcpt <b@none.example> = ok\nheader TLS-Required No\neoh = ok\n"
     "eom = done" VIA("optional")},
    {"TLS-Required: No by recipient", TAG, NULL, NULL, NULL,
     "mail <a@b.example> = ok\nrcpt <b@none.example> = ok\nheader TLS-Required No\neoh = ok\n"
     "eom = done" MARK("<b@none.example.optional.requiretls.invalid>",
                       "ORCPT=rfc822;b@none.example") "<b@none.example>"},
    {"different routes by header: marked each for its own",
     HEADER "[rule r]\nnexthop = dane.example\nroute = optional\n", DANE ";" STS, NULL, NULL,
     ASK "rcpt <b@sts.example> = ok\nrcpt <b@dane.example> = ok\neoh = ok\neom = done" MARK(
         "<b@sts.example.requiretls.invalid>",
         "ORCPT=rfc822;b@sts.example") "<b@sts.example>" MARK("<b@dane.example.optional.requiretls."
                                                              "invalid>",
                                                              "ORCPT=rfc822;b@dane.example") "<b@"
                                                                                             "dane."
                                                                                             "examp"
                                                                                             "le>"},
    {"different next-hops by header: marked", HEADER,
     DANE "; nexthop=[relay.example] mx=not-asked host=relay.example,0,a=s,tlsa=usable", NULL, NULL,
     ASK
     "rcpt <b@dane.example> = ok\nrcpt <b@none.example> mailer=smtp host=[relay.example] = ok\n"
     "eoh = ok\neom = done" MARK(
         "<b@dane.example.requiretls.invalid>",
         "ORCPT=rfc822;b@dane.example") "<b@dane.example>" MARK("<b@none.example.requiretls."
                                                                "invalid>",
                                                                "ORCPT=rfc822;b@none.example") "<b@"
                                                                                               "non"
                                                                                               "e."
                                                                                               "exa"
                                                                                               "mpl"
                                                                                               "e"
                                                                                               ">"},
    {"one recipient that nobody asks TLS for is left alone",
     HEADER "[rule r]\nnexthop = dane.example\nrequest = require\n", DANE, NULL, NULL,
     "mail <a@b.example> RET=HDRS = ok\nrcpt <b@none.example> = ok\nrcpt <b@dane.example> = ok\n"
     "eoh = ok\neom = done" MARK("<b@dane.example.requiretls.invalid>",
                                 "ORCPT=rfc822;b@dane.example") "<b@dane.example>"},
    {"a bounce is on no strict route", HEADER, NULL, NULL, NULL,
     "mail <> REQUIRETLS tls = ok\nrcpt <b@none.example> = ok\neoh = ok\neom = done"},
    {"a bounce of mail with TLS-Required: No takes the optional one", HEADER, NULL, NULL, NULL,
     "mail <> client=local = ok\nrcpt a@none.example = ok\nheader Content-Type "
     "multipart/report;boundary=B\neoh = ok\nbody optional = ok\neom = done" VIA(
         "optional") " + addheader TLS-Required No"},
    {"on_unsatisfied = log puts nothing on a strict route",
     HEADER "[rule l]\nsender = a@b.example\non_unsatisfied = log\n", NONE, NULL, NULL,
     ASK "rcpt <b@none.example> = ok\neoh = ok\neom = done"},
    {"mixed = keep: the strict route bounces it",
     "[milter]\naccept_header = any\n" HEADER "[rule k]\nsender = a@b.example\nmixed = keep\n",
     DANE ";" NONE, NULL, NULL,
     "mail <a@b.example> RET=HDRS = ok\nrcpt <b@dane.example> = ok\nrcpt <b@none.example> = ok\n"
     "header Require-TLS-ESMTP yes\neoh = ok\neom = done" VIA("strict")},
    {"mail that asks nothing", TAG, NULL, NULL, NULL,
     "mail <a@b.example> = ok\nrcpt <b@none.example> = ok\neoh = done"},
#undef HEADER
#undef TAG
#undef ASK
#undef VIA
#undef MARK
#undef NONE
};

#define PART "--B\r\nContent-Type: "
#define SECRET "\r\nA secret line.\r\n"
#define RETURNED "message/rfc822\r\n\r\nSubject: x\r\n"
#define HEADERS "text/rfc822-headers\r\n\r\nSubject: x\r\n"
#define ID PART "message/delivery-status\r\n\r\nX-Postfix-Queue-ID: 4bXyZ\r\n\r\n"
static const struct body {
    const char *name;
    const char *text;
} bodies[] = {
    {"plain", PART RETURNED SECRET "--B--\r\n"},
    {"require", PART RETURNED "Require-TLS-ESMTP: yes\r\n" SECRET "--B--\r\n"},
    {"headers", PART HEADERS "Require-TLS-ESMTP: yes\r\n\r\n--B--\r\n"},
    {"optional", PART RETURNED "TLS-Required: No\r\n" SECRET "--B--\r\n"},
    {"ticket", PART RETURNED "X-REQUIRETLS-Ticket: 1 q\r\n" SECRET "--B--\r\n"},
    {"queue-id", ID PART RETURNED SECRET "--B--\r\n"},
    {"queue-id-headers", ID PART HEADERS "\r\n--B--\r\n"},
};
#undef PART
#undef SECRET
#undef RETURNED
#undef HEADERS
#undef ID

struct scene {
    const struct message_case *c;
    struct engine *engine;
    struct runtime *runtime;
    struct message *message;
    struct sockaddr_storage client;
    char daemon[32];
    char got[4096]; /* the last answer */
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

/* --- the MTA at end-of-message --- */

struct mta {
    struct scene *scene;
    char changes[2048];
    char body[2048];
    bool broken;
};

static bool change(struct mta *mta, const char *what, const char *a, const char *b)
{
    size_t len = strlen(mta->changes);

    snprintf(mta->changes + len, sizeof(mta->changes) - len, " + %s %s%s%s", what, a, *b ? " " : "",
             b);
    return !mta->broken;
}

static bool on_progress(void *arg)
{
    (void)arg;
    return true;
}

static bool on_add(void *arg, const char *name, const char *value)
{
    return change(arg, "addheader", name, value);
}

static bool on_change(void *arg, const char *name, unsigned index, const char *value)
{
    char text[32];

    snprintf(text, sizeof(text), "%u %s", index, value);
    return change(arg, "chgheader", name, text);
}

static bool on_delete(void *arg, const char *name, unsigned index)
{
    char number[16];

    snprintf(number, sizeof(number), "%u", index);
    return change(arg, "delheader", name, number);
}

static bool on_change_from(void *arg, const char *sender, const char *params)
{
    return change(arg, "chgfrom", sender, params);
}

static bool on_quarantine(void *arg, const char *reason)
{
    return change(arg, "quarantine", reason, "");
}

static bool on_add_recipient(void *arg, const char *address, const char *params)
{
    return change(arg, "addrcpt", address, params);
}

static bool on_delete_recipient(void *arg, const char *address)
{
    return change(arg, "delrcpt", address, "");
}

static bool on_replace_body(void *arg, const char *data, size_t len)
{
    struct mta *mta = arg;
    size_t before = strlen(mta->body);

    assert_true(before + len < sizeof(mta->body));
    memcpy(mta->body + before, data, len);
    mta->body[before + len] = '\0';
    return !mta->broken;
}

/* The new body by its name. */
static void note_body(struct mta *mta)
{
    const char *name = "?";

    if (mta->body[0] == '\0')
        return;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        if (strcmp(bodies[i].text, mta->body) == 0)
            name = bodies[i].name;
    }
    if (strcmp(name, "?") == 0)
        print_message("# %s\n", mta->body);
    note(mta->scene, " + body %s", name);
}

/* --- commands --- */

static void note_reply(struct scene *s, const struct reply *reply)
{
    note(s, "%d %s %s", reply->code, reply->status, reply->text);
}

static void note_step(struct scene *s, enum message_step step, const struct reply *reply)
{
    switch (step) {
    case MESSAGE_CONTINUE:
        note(s, "ok");
        break;
    case MESSAGE_DONE:
        note(s, "done");
        break;
    case MESSAGE_REFUSE:
        note_reply(s, reply);
        break;
    case MESSAGE_FAIL:
        note(s, "fail");
        break;
    }
}

static void set_client(struct scene *s, const char *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, address, &in.sin_addr) == 1) {
        memcpy(&s->client, &in, sizeof(in));
        return;
    }
    assert_int_equal(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
    memcpy(&s->client, &in6, sizeof(in6));
}

static void do_mail(struct scene *s, char **words, size_t count)
{
    struct message_client client = {.address = (struct sockaddr *)&s->client, .sends_body = true};
    struct message_mail mail = {.sender = words[0]};
    const char *params[16];
    size_t used = 0;
    struct reply reply;

    set_client(s, "192.0.2.9");
    for (size_t i = 1; i < count; i++) {
        if (strcmp(words[i], "tls") == 0)
            mail.tls = true;
        else if (strncmp(words[i], "resolved=", 9) == 0)
            mail.resolved = words[i] + 9;
        else if (strncmp(words[i], "login=", 6) == 0)
            mail.login = words[i] + 6;
        else if (strcmp(words[i], "client=local") == 0)
            client.address = NULL;
        else if (strcmp(words[i], "no-body") == 0)
            client.sends_body = false;
        else if (strncmp(words[i], "client=", 7) == 0)
            set_client(s, words[i] + 7);
        else if (strncmp(words[i], "daemon=", 7) == 0)
            client.daemon = strcpy(s->daemon, words[i] + 7);
        else if (strcmp(words[i], "mta-requiretls") == 0)
            client.mta_requiretls = true;
        else if (strncmp(words[i], "f=", 2) == 0)
            mail.sender_now = words[i] + 2;
        else
            params[used++] = words[i];
    }
    params[used] = NULL;
    mail.params = params;
    if (strcmp(mail.sender, "-") == 0)
        mail.sender = "";
    message_free(s->message);
    note_step(s, message_begin(s->runtime, &client, &mail, &reply, &s->message), &reply);
}

static void do_rcpt(struct scene *s, char **words, size_t count)
{
    const char *params[16] = {NULL};
    struct message_recipient recipient = {.address = words[0], .params = params};
    struct reply reply;
    size_t used = 0;

    for (size_t i = 1; i < count; i++) {
        if (strncmp(words[i], "host=", 5) == 0) {
            recipient.host = words[i] + 5;
            for (char *p = words[i]; *p != '\0'; p++)
                *p = *p == '_' ? ' ' : *p;
        } else if (strncmp(words[i], "mailer=", 7) == 0) {
            recipient.mailer = words[i] + 7;
        } else if (strncmp(words[i], "resolved=", 9) == 0) {
            recipient.resolved = words[i] + 9;
        } else if (strncmp(words[i], "own=", 4) == 0) {
            recipient.own_host = words[i] + 4;
        } else {
            params[used++] = words[i];
        }
    }
    note_step(s, message_rcpt(s->message, &recipient, &reply), &reply);
}

static void do_eom(struct scene *s, char **words, size_t count)
{
    struct mta mta = {.scene = s};
    struct message_ops ops = {
        .can_quarantine = true,
        .can_change_from = true,
        .progress = on_progress,
        .add_header = on_add,
        .delete_header = on_delete,
        .change_header = on_change,
        .change_from = on_change_from,
        .can_replace_body = true,
        .can_change_recipients = true,
        .add_recipient = on_add_recipient,
        .delete_recipient = on_delete_recipient,
        .quarantine = on_quarantine,
        .replace_body = on_replace_body,
        .arg = &mta,
    };
    struct message_refusal refusal = {.count = 0};
    enum message_step step;

    for (size_t i = 0; i < count; i++) {
        if (strncmp(words[i], "f=", 2) == 0)
            ops.sender_now = words[i] + 2;
        else if (strcmp(words[i], "no-quarantine") == 0)
            ops.can_quarantine = false;
        else if (strcmp(words[i], "no-chgfrom") == 0)
            ops.can_change_from = false;
        else if (strcmp(words[i], "sendmail") == 0)
            ops.forgets_parameters = true;
        else if (strcmp(words[i], "no-chgbody") == 0)
            ops.can_replace_body = false;
        else if (strcmp(words[i], "no-rcpt") == 0)
            ops.can_change_recipients = false;
        else if (strcmp(words[i], "broken") == 0)
            mta.broken = true;
    }
    step = message_eom(s->message, "4bXyZ", &ops, &refusal);
    if (step == MESSAGE_REFUSE) {
        for (size_t i = 0; i < refusal.count; i++) {
            note(s, "%s", i > 0 ? " | " : "");
            note_reply(s, &refusal.lines[i]);
        }
        assert_string_equal(mta.changes, "");
    } else {
        note_step(s, step, NULL);
        if (step == MESSAGE_DONE) {
            note_body(&mta);
            note(s, "%s", mta.changes);
        }
    }
}

static void do_body(struct scene *s, const char *name)
{
    enum message_step step;

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        size_t half = strlen(bodies[i].text) / 2;

        if (strcmp(bodies[i].name, name) != 0)
            continue;
        step = message_body(s->message, bodies[i].text, half);
        if (step == MESSAGE_CONTINUE)
            step = message_body(s->message, bodies[i].text + half, strlen(bodies[i].text + half));
        note_step(s, step, NULL);
        return;
    }
    fail_msg("no body %s", name);
}

/* A blank in the value is written as `_`. */
static void do_header(struct scene *s, const char *name, char *value)
{
    for (char *p = value; *p != '\0'; p++)
        *p = *p == '_' ? ' ' : *p == '|' ? '\n' : *p;
    message_header(s->message, name, value);
}

static void do_draft(struct scene *s, char *spec)
{
    for (char *p = spec; *p != '\0'; p++)
        *p = *p == '_' ? ' ' : *p;
    fake_engine_draft(s->engine, spec);
}

static void do_command(struct scene *s, char *line)
{
    char *words[16] = {NULL}, *save = NULL, *word;
    size_t count = 0;

    for (word = strtok_r(line, " ", &save); word != NULL && count < 16;
         word = strtok_r(NULL, " ", &save))
        words[count++] = word;
    s->got[0] = '\0';
    if (strcmp(words[0], "mail") == 0)
        do_mail(s, words + 1, count - 1);
    else if (strcmp(words[0], "rcpt") == 0)
        do_rcpt(s, words + 1, count - 1);
    else if (strcmp(words[0], "header") == 0)
        do_header(s, words[1], words[2]);
    else if (strcmp(words[0], "eoh") == 0)
        note_step(s, message_eoh(s->message, "4bXyZ"), NULL);
    else if (strcmp(words[0], "body") == 0)
        do_body(s, words[1]);
    else if (strcmp(words[0], "eom") == 0)
        do_eom(s, words + 1, count - 1);
    else if (strcmp(words[0], "release") == 0)
        fake_engine_release(s->engine, words[1]);
    else if (strcmp(words[0], "break") == 0)
        fake_engine_break(s->engine, words[1]);
    else if (strcmp(words[0], "draft") == 0)
        do_draft(s, words[1]);
    else if (strcmp(words[0], "server") == 0)
        fake_engine_server(s->engine, words[1], words[2], count > 3);
    else if (strcmp(words[0], "hold-probes") == 0 || strcmp(words[0], "release-probes") == 0)
        fake_engine_hold_probes(s->engine, words[0][0] == 'h');
    else if (strcmp(words[0], "break-probes") == 0)
        fake_engine_break_probes(s->engine);
    else if (strcmp(words[0], "settle") == 0)
        fake_engine_settle(s->engine);
    else if (strcmp(words[0], "probes") == 0)
        note(s, "%u", fake_engine_probes(s->engine));
    else if (strcmp(words[0], "close") == 0)
        wait_limiter_close(runtime_limiter(s->runtime));
    else
        fail_msg("no command %s", words[0]);
}

static enum message_step rcpt(struct message *message, const char *address, struct reply *reply)
{
    static const char *const none[] = {NULL};
    struct message_recipient recipient = {.address = address, .params = none};

    return message_rcpt(message, &recipient, reply);
}

static struct config *load(const char *text)
{
    return config_from_text(text, "mail.own.example");
}

static void prepare(struct engine *engine, const char *specs,
                    void (*add)(struct engine *, const char *))
{
    char *copy = strdup(specs != NULL ? specs : ""), *save = NULL;

    for (char *spec = strtok_r(copy, ";", &save); spec != NULL; spec = strtok_r(NULL, ";", &save))
        add(engine, spec);
    free(copy);
}

static void run_case(void **state)
{
    struct scene s = {.c = *state};
    struct config *config = load(s.c->config);
    char *script = strdup(s.c->script), *save = NULL;

    log_configure(&config->log, "test_message", false);
    s.engine = fake_engine_new();
    prepare(s.engine, s.c->cached, fake_engine_cache);
    prepare(s.engine, s.c->answers, fake_engine_answer);
    prepare(s.engine, s.c->held, fake_engine_hold);
    assert_int_equal(runtime_new(config, &s.runtime), 0);
    runtime_set_engine(s.runtime, s.engine);
    for (char *line = strtok_r(script, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char *expected = strstr(line, " = ");

        if (expected != NULL) {
            *expected = '\0';
            expected += 3;
        }
        print_message("# %s\n", line);
        do_command(&s, line);
        assert_string_equal(s.got, expected != NULL ? expected : "");
    }
    message_free(s.message);
    assert_int_equal(fake_engine_outstanding(s.engine), 0);
    assert_int_equal(runtime_drain(s.runtime, 0), 0);
    runtime_free(s.runtime);
    engine_free(s.engine);
    free(script);
}

/* --- what does not fit a transcript --- */

static struct message *begin(struct runtime *runtime, const struct message_client *client,
                             const char *sender)
{
    static const char *const params[] = {"REQUIRETLS", NULL};
    struct message_mail mail = {.sender = sender, .params = params, .tls = true};
    struct message *message;
    struct reply reply;

    assert_int_equal(message_begin(runtime, client, &mail, &reply, &message), MESSAGE_CONTINUE);
    return message;
}

/* Names as many recipients as fit, and counts the others. */
static void names_some_of_many(void **state)
{
    struct scene s = {.c = NULL};
    struct mta mta = {.scene = &s};
    struct message_ops ops = {.progress = on_progress, .arg = &mta};
    struct message_client client = {.address = NULL, .sends_body = true};
    struct message_refusal refusal;
    struct config *config = load("[rule h]\nheader = X: y\nlevel = disable\n");
    char address[64];
    struct reply reply;

    (void)state;
    s.engine = fake_engine_new();
    fake_engine_cache(s.engine, "nexthop=none.example mx=insecure host=mx.none.example,10,a=i");
    assert_int_equal(runtime_new(config, &s.runtime), 0);
    runtime_set_engine(s.runtime, s.engine);
    s.message = begin(s.runtime, &client, "<a@b.example>");
    for (unsigned i = 0; i < 20; i++) {
        snprintf(address, sizeof(address), "<u%u@none.example>", i);
        assert_int_equal(rcpt(s.message, address, &reply), MESSAGE_CONTINUE);
    }
    assert_int_equal(message_eoh(s.message, NULL), MESSAGE_CONTINUE);
    assert_int_equal(message_eom(s.message, NULL, &ops, &refusal), MESSAGE_REFUSE);
    assert_int_equal(refusal.count, MESSAGE_LINES_MAX);
    assert_string_equal(refusal.lines[MESSAGE_LINES_MAX - 1].text, "and 13 more recipients");
    message_free(s.message);
    runtime_free(s.runtime);
    engine_free(s.engine);
}

static const struct sockaddr_in far_client = {.sin_family = AF_INET, .sin_port = 1};

static void limits_recipients(void **state)
{
    struct scene s = {.c = NULL};
    struct message_client client = {.address = (const struct sockaddr *)&far_client,
                                    .sends_body = true};
    unsigned taken = 0;
    struct reply reply;

    (void)state;
    s.engine = fake_engine_new();
    assert_int_equal(runtime_new(load(""), &s.runtime), 0);
    runtime_set_engine(s.runtime, s.engine);
    s.message = begin(s.runtime, &client, "<>");
    while (rcpt(s.message, "<b@none.example>", &reply) == MESSAGE_CONTINUE && taken <= 10000)
        taken++;
    assert_int_equal(taken, 10000);
    assert_int_equal(reply.code, 452);
    message_free(s.message);
    runtime_free(s.runtime);
    engine_free(s.engine);
}

/* More header fields than can be kept, where a rule looks at them: what it would have said is not
 * known, so the message is deferred. */
static void never_takes_lost_headers_for_absent(void **state)
{
    struct scene s = {.c = NULL};
    struct message_client client = {.address = NULL, .sends_body = true};
    struct reply reply;

    (void)state;
    s.engine = fake_engine_new();
    assert_int_equal(runtime_new(load("[rule h]\nheader = X: y\nrequest = require\n"), &s.runtime),
                     0);
    runtime_set_engine(s.runtime, s.engine);
    s.message = begin(s.runtime, &client, "<>");
    assert_int_equal(rcpt(s.message, "<b@none.example>", &reply), MESSAGE_CONTINUE);
    for (unsigned i = 0; i < 1000; i++)
        message_header(s.message, "Y", "y"); /* no rule looks at these */
    for (unsigned i = 0; i < 501; i++)
        message_header(s.message, "X", "n");
    assert_int_equal(message_eoh(s.message, NULL), MESSAGE_FAIL);
    message_free(s.message);
    runtime_free(s.runtime);
    engine_free(s.engine);
}

/* A message goes on with the configuration that it began with. */
static void keeps_its_configuration(void **state)
{
    struct scene s = {.c = NULL};
    struct message_client client = {.address = (const struct sockaddr *)&far_client,
                                    .sends_body = true};
    struct message *first, *second;
    struct reply reply;

    (void)state;
    s.engine = fake_engine_new();
    fake_engine_cache(s.engine, "nexthop=none.example mx=insecure host=mx.none.example,10,a=i");
    assert_int_equal(runtime_new(load("[default]\nlevel = disable\n"), &s.runtime), 0);
    runtime_set_engine(s.runtime, s.engine);
    first = begin(s.runtime, &client, "<a@b.example>");
    runtime_swap_config(s.runtime, load(""));
    second = begin(s.runtime, &client, "<a@b.example>");
    assert_int_equal(rcpt(first, "<b@none.example>", &reply), MESSAGE_CONTINUE);
    assert_int_equal(rcpt(second, "<b@none.example>", &reply), MESSAGE_REFUSE);
    message_free(first);
    message_free(second);
    runtime_free(s.runtime);
    engine_free(s.engine);
}

static void no_message_begins_while_draining(void **state)
{
    struct message_mail mail = {.sender = "<a@b.example>", .params = (const char *const[]){NULL}};
    struct message_client client = {.address = NULL, .sends_body = true};
    struct runtime *runtime;
    struct message *first, *second;
    struct reply reply;

    (void)state;
    assert_int_equal(runtime_new(load(""), &runtime), 0);
    first = begin(runtime, &client, "<a@b.example>");
    assert_int_equal(runtime_messages(runtime), 1);
    assert_int_equal(runtime_drain(runtime, 10), 1);
    assert_int_equal(message_begin(runtime, &client, &mail, &reply, &second), MESSAGE_REFUSE);
    assert_null(second);
    assert_int_equal(reply.code, 451);
    message_free(first);
    assert_int_equal(runtime_drain(runtime, 60000), 0);
    assert_int_equal(runtime_messages(runtime), 0);
    runtime_free(runtime);
}

static void a_message_without_a_request_is_not_awaited(void **state)
{
    struct message_mail mail = {.sender = "<a@b.example>", .params = (const char *const[]){NULL}};
    struct message_client client = {.address = NULL, .sends_body = true};
    struct runtime *runtime;
    struct message *message;
    struct reply reply;

    (void)state;
    assert_int_equal(runtime_new(load(""), &runtime), 0);
    assert_int_equal(message_begin(runtime, &client, &mail, &reply, &message), MESSAGE_CONTINUE);
    assert_int_equal(runtime_drain(runtime, 60000), 0);
    assert_int_equal(runtime_messages(runtime), 1);
    message_free(message);
    assert_int_equal(runtime_messages(runtime), 0);
    runtime_free(runtime);
}

int main(void)
{
    enum { COUNT = sizeof cases / sizeof cases[0] };
    struct CMUnitTest tests[COUNT + 6] = {
        cmocka_unit_test(names_some_of_many),
        cmocka_unit_test(limits_recipients),
        cmocka_unit_test(never_takes_lost_headers_for_absent),
        cmocka_unit_test(keeps_its_configuration),
        cmocka_unit_test(no_message_begins_while_draining),
        cmocka_unit_test(a_message_without_a_request_is_not_awaited),
    };

    for (size_t i = 0; i < COUNT; i++) {
        tests[i + 6].name = cases[i].name;
        tests[i + 6].test_func = run_case;
        tests[i + 6].initial_state = (void *)(uintptr_t)&cases[i];
    }
    return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
