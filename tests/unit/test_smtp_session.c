/*
 * The SMTP client by transcripts: what the server says, what must be said to it, what the caller
 * does, and how it ends. Each transcript is played twice, the octets in one piece and one by one.
 */
#include "policy/smtp_session.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS = 40 };

enum kind {
    END,
    SERVER,  /* these octets come in */
    CLIENT,  /* exactly these are to be written, and are */
    PART,    /* these are to be written first, and are; more follows */
    TLS,     /* the handshake is made, and the server verified */
    TLS_ANY, /* the same, not verified */
    TLS_FAILED,
    MAIL,    /* the transcript's message */
    CONTENT, /* a piece of it */
    DOT,     /* its end */
    RSET,
    QUIT,
    LOST,
    TIMEOUT,
    CANCEL,
};

struct step {
    enum kind kind;
    const char *text;
};

#define S(text)                                                                                    \
    {                                                                                              \
        SERVER, text                                                                               \
    }
#define C(text)                                                                                    \
    {                                                                                              \
        CLIENT, text                                                                               \
    }

struct transcript {
    const char *name;
    const struct smtp_session_config *config;
    const struct smtp_mail *mail;
    struct step steps[STEPS];
    const char *result; /* see describe */
};

/* What a session is made for. */
static const struct smtp_session_config plain = {.helo_name = "me.example", .tls = SMTP_TLS_NEVER};
static const struct smtp_session_config offered = {.helo_name = "me.example",
                                                   .tls = SMTP_TLS_OFFERED};
static const struct smtp_session_config required = {.helo_name = "me.example",
                                                    .tls = SMTP_TLS_REQUIRED};
static const struct smtp_session_config strict = {
    .helo_name = "me.example", .tls = SMTP_TLS_REQUIRED, .requiretls = true};
static const struct smtp_session_config login = {
    .helo_name = "me.example", .tls = SMTP_TLS_REQUIRED, .user = "user", .password = "secret"};

#define TEN(x) x x x x x x x x x x
#define TWELVE "MTIzNDEyMzQxMjM0" /* 123412341234 in base64 */
static const struct smtp_session_config long_login = {.helo_name = "me.example",
                                                      .tls = SMTP_TLS_REQUIRED,
                                                      .user = "user",
                                                      .password = TEN(TEN("1234"))};

/* Messages. */
static const struct smtp_rcpt two_rcpts[] = {{.address = "x@d.example"},
                                             {.address = "y@d.example"}};
static const struct smtp_mail one = {.sender = "a@b.example", .rcpts = two_rcpts, .rcpt_count = 1};
static const struct smtp_mail two = {.sender = "a@b.example", .rcpts = two_rcpts, .rcpt_count = 2};
static const struct smtp_mail secret = {
    .sender = "a@b.example", .requiretls = true, .rcpts = two_rcpts, .rcpt_count = 1};

/* Beginnings that are the same in many transcripts. */
#define GREETED S("220 mx.d.example ESMTP\r\n"), C("EHLO me.example\r\n")
#define READY GREETED, S("250 mx.d.example\r\n")
#define READY_PIPELINING GREETED, S("250-mx.d.example\r\n250 PIPELINING\r\n")
#define STARTED GREETED, S("250-mx\r\n250 STARTTLS\r\n"), C("STARTTLS\r\n"), S("220 go\r\n")
#define SECURED STARTED, {TLS, NULL}, C("EHLO me.example\r\n")
#define FROM "MAIL FROM:<a@b.example>\r\n"
#define RCPT_X "RCPT TO:<x@d.example>\r\n"
#define RCPT_Y "RCPT TO:<y@d.example>\r\n"

static const struct transcript transcripts[] = {
    /* Probes */
    {"probe: all is offered",
     &required,
     NULL,
     {GREETED,
      S("250-mx.d.example\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250 STARTTLS\r\n"),
      C("STARTTLS\r\n"),
      S("220 2.0.0 go ahead\r\n"),
      {TLS_ANY, NULL},
      C("EHLO me.example\r\n"),
      S("250-mx.d.example\r\n250 REQUIRETLS\r\n"),
      {QUIT, NULL},
      C("QUIT\r\n"),
      S("221 2.0.0 bye\r\n")},
     "ended by QUIT, QUIT, 221 2.0.0 bye"},
    {"probe: the connection is lost for QUIT",
     &plain,
     NULL,
     {READY, {QUIT, NULL}, C("QUIT\r\n"), {LOST, NULL}},
     "ended by QUIT, QUIT"},
    {"probe: no answer to QUIT",
     &plain,
     NULL,
     {READY, {QUIT, NULL}, C("QUIT\r\n"), {TIMEOUT, NULL}},
     "ended by QUIT, QUIT"},
    {"probe: QUIT is refused",
     &plain,
     NULL,
     {READY, {QUIT, NULL}, C("QUIT\r\n"), S("502 no\r\n")},
     "ended by QUIT, QUIT, 502 5.0.0 no"},

    /* Greeting, EHLO, HELO */
    {"greeting of several lines",
     &plain,
     NULL,
     {S("220-mx\r\n220-be\r\n220 good\r\n"), C("EHLO me.example\r\n")},
     "none, EHLO, 220 2.0.0 mx be good"},
    {"greeting 554",
     &plain,
     NULL,
     {S("554 5.7.1 go away\r\n"), C("QUIT\r\n")},
     "refused, greeting, 554 5.7.1 go away"},
    {"greeting 450",
     &plain,
     NULL,
     {S("450 later\r\n"), C("QUIT\r\n")},
     "refused, greeting, 450 4.0.0 later"},
    {"greeting 354",
     &plain,
     NULL,
     {S("354 go\r\n"), C("")},
     "malformed or unexpected reply, greeting, 354  go"},
    {"greeting 421",
     &plain,
     NULL,
     {S("421 4.3.2 busy\r\n"), C("")},
     "server closes the connection, greeting, 421 4.3.2 busy"},
    {"EHLO is not known, HELO is",
     &plain,
     &one,
     {GREETED, S("502 what\r\n"), C("HELO me.example\r\n"), S("250 mx\r\n"), {MAIL, NULL}, C(FROM)},
     "none, MAIL, 250 2.0.0 mx; pending"},
    {"EHLO 5yz, HELO 5yz",
     &plain,
     NULL,
     {GREETED, S("550 no\r\n"), C("HELO me.example\r\n"), S("550 no again\r\n"), C("QUIT\r\n")},
     "refused, HELO, 550 5.0.0 no again"},
    {"EHLO 4yz: no HELO",
     &plain,
     NULL,
     {GREETED, S("450 wait\r\n"), C("QUIT\r\n")},
     "refused, EHLO, 450 4.0.0 wait"},
    {"EHLO is not known, TLS is required",
     &required,
     NULL,
     {GREETED, S("502 what\r\n"), C("QUIT\r\n")},
     "refused, EHLO, 502 5.0.0 what"},
    {"EHLO is not known, TLS where offered",
     &offered,
     NULL,
     {GREETED, S("502 what\r\n"), C("HELO me.example\r\n"), S("250 mx\r\n"), C("")},
     "none, idle, 250 2.0.0 mx"},
    {"what a refused EHLO lists is not offered",
     &offered,
     &two,
     {GREETED,
      S("550-no\r\n550-PIPELINING\r\n550 STARTTLS\r\n"),
      C("HELO me.example\r\n"),
      S("250-mx\r\n250 PIPELINING\r\n"),
      {MAIL, NULL},
      C(FROM)},
     "none, MAIL, 250 2.0.0 mx PIPELINING; pending; pending"},
    {"EHLO 354",
     &plain,
     NULL,
     {GREETED, S("354 go\r\n"), C("")},
     "malformed or unexpected reply, EHLO, 354  go"},

    /* STARTTLS */
    {"STARTTLS is not offered, and required",
     &required,
     NULL,
     {GREETED, S("250-mx\r\n250 PIPELINING\r\n"), C("QUIT\r\n")},
     "STARTTLS not offered, EHLO, 250 2.0.0 mx PIPELINING"},
    {"the first line of EHLO is a name",
     &required,
     NULL,
     {GREETED, S("250 STARTTLS\r\n"), C("QUIT\r\n")},
     "STARTTLS not offered, EHLO, 250 2.0.0 STARTTLS"},
    {"STARTTLS is offered, and not wanted",
     &plain,
     NULL,
     {GREETED, S("250-mx\r\n250 STARTTLS\r\n"), C("")},
     "none, idle, 250 2.0.0 mx STARTTLS"},
    {"STARTTLS 454, and required",
     &required,
     NULL,
     {GREETED, S("250-mx\r\n250 STARTTLS\r\n"), C("STARTTLS\r\n"), S("454 4.7.0 not now\r\n"),
      C("QUIT\r\n")},
     "refused, STARTTLS, 454 4.7.0 not now"},
    {"STARTTLS 501, plaintext will do",
     &offered,
     &one,
     {GREETED,
      S("250-mx\r\n250-STARTTLS\r\n250 REQUIRETLS\r\n"),
      C("STARTTLS\r\n"),
      S("501 no\r\n"),
      {MAIL, NULL},
      C(FROM)},
     "none, MAIL, 501 5.0.0 no; pending"},
    {"STARTTLS 421, plaintext would do",
     &offered,
     NULL,
     {GREETED, S("250-mx\r\n250 STARTTLS\r\n"), C("STARTTLS\r\n"), S("421 bye\r\n"), C("")},
     "server closes the connection, STARTTLS, 421 4.0.0 bye"},
    {"STARTTLS 354",
     &offered,
     NULL,
     {GREETED, S("250-mx\r\n250 STARTTLS\r\n"), C("STARTTLS\r\n"), S("354 go\r\n"), C("")},
     "malformed or unexpected reply, STARTTLS, 354  go"},
    {"plaintext behind the 220, in one piece",
     &required,
     NULL,
     {GREETED, S("250-mx\r\n250 STARTTLS\r\n"), C("STARTTLS\r\n"), S("220 go\r\n250 mx\r\n"),
      C("")},
     "plaintext after the reply to STARTTLS, TLS handshake"},
    {"plaintext behind the 220, an octet later",
     &offered,
     NULL,
     {STARTED, S("2"), C("")},
     "plaintext after the reply to STARTTLS, TLS handshake"},
    {"421 behind the 220",
     &required,
     NULL,
     {STARTED, S("421 bye\r\n"), C("")},
     "plaintext after the reply to STARTTLS, TLS handshake"},
    {"the reply to STARTTLS before the command",
     &required,
     NULL,
     {GREETED, S("250-mx\r\n250 STARTTLS\r\n220 go\r\n"), C("")},
     "reply before its command, STARTTLS, 220 2.0.0 go"},
    {"no handshake",
     &offered,
     NULL,
     {STARTED, {TLS_FAILED, NULL}, C("")},
     "TLS handshake failed, TLS handshake"},
    {"connection lost in the handshake",
     &offered,
     NULL,
     {STARTED, {LOST, NULL}, C("")},
     "connection lost, TLS handshake"},
    {"what was offered in plaintext is forgotten",
     &required,
     &two,
     {GREETED,
      S("250-mx\r\n250-PIPELINING\r\n250 STARTTLS\r\n"),
      C("STARTTLS\r\n"),
      S("220 go\r\n"),
      {TLS, NULL},
      C("EHLO me.example\r\n"),
      S("250 mx\r\n"),
      {MAIL, NULL},
      C(FROM)},
     "none, MAIL, 250 2.0.0 mx; pending; pending"},
    {"STARTTLS offered once more is not said again",
     &required,
     NULL,
     {SECURED, S("250-mx\r\n250 STARTTLS\r\n"), C("")},
     "none, idle, 250 2.0.0 mx STARTTLS"},
    {"EHLO is refused after STARTTLS",
     &required,
     NULL,
     {SECURED, S("502 what\r\n"), C("HELO me.example\r\n"), S("250 mx\r\n"), C("")},
     "none, idle, 250 2.0.0 mx"},

    /* REQUIRETLS */
    {"REQUIRETLS is offered after STARTTLS",
     &strict,
     &secret,
     {SECURED,
      S("250-mx\r\n250-DSN\r\n250 REQUIRETLS\r\n"),
      {MAIL, NULL},
      C("MAIL FROM:<a@b.example> RET=HDRS REQUIRETLS\r\n")},
     "none, MAIL, 250 2.0.0 mx DSN REQUIRETLS; pending"},
    {"REQUIRETLS is offered in plaintext only",
     &strict,
     NULL,
     {GREETED,
      S("250-mx\r\n250-REQUIRETLS\r\n250 STARTTLS\r\n"),
      C("STARTTLS\r\n"),
      S("220 go\r\n"),
      {TLS, NULL},
      C("EHLO me.example\r\n"),
      S("250-mx\r\n250 PIPELINING\r\n"),
      C("QUIT\r\n")},
     "REQUIRETLS not offered, EHLO, 250 2.0.0 mx PIPELINING"},
    {"REQUIRETLS is demanded: no HELO",
     &strict,
     NULL,
     {SECURED, S("502 what\r\n"), C("QUIT\r\n")},
     "refused, EHLO, 502 5.0.0 what"},

    /* AUTH */
    {"AUTH PLAIN",
     &login,
     NULL,
     {SECURED, S("250-mx\r\n250 AUTH LOGIN PLAIN\r\n"), C("AUTH PLAIN AHVzZXIAc2VjcmV0\r\n"),
      S("235 2.7.0 welcome\r\n"), C("")},
     "none, idle, 235 2.7.0 welcome"},
    {"AUTH PLAIN is refused",
     &login,
     NULL,
     {SECURED, S("250-mx\r\n250 AUTH=PLAIN\r\n"), C("AUTH PLAIN AHVzZXIAc2VjcmV0\r\n"),
      S("535 5.7.8 no\r\n"), C("QUIT\r\n")},
     "refused, AUTH, 535 5.7.8 no"},
    {"AUTH PLAIN: 334 though the response was given",
     &login,
     NULL,
     {SECURED, S("250-mx\r\n250 AUTH PLAIN\r\n"), C("AUTH PLAIN AHVzZXIAc2VjcmV0\r\n"),
      S("334 \r\n"), C("")},
     "malformed or unexpected reply, AUTH, 334  "},
    {"AUTH PLAIN is not offered",
     &login,
     NULL,
     {SECURED, S("250-mx\r\n250 AUTH LOGIN\r\n"), C("QUIT\r\n")},
     "AUTH PLAIN not offered, EHLO, 250 2.0.0 mx AUTH LOGIN"},
    {"no AUTH to a server that is not verified",
     &login,
     NULL,
     {STARTED,
      {TLS_ANY, NULL},
      C("EHLO me.example\r\n"),
      S("250-mx\r\n250 AUTH PLAIN\r\n"),
      C("QUIT\r\n")},
     "server not verified, no AUTH, EHLO, 250 2.0.0 mx AUTH PLAIN"},
    {"AUTH PLAIN, too long for a command",
     &long_login,
     NULL,
     {SECURED, S("250-mx\r\n250 AUTH PLAIN\r\n"), C("AUTH PLAIN\r\n"), S("334 \r\n"),
      C("AHVzZXIA" TEN(TWELVE) TEN(TWELVE) TEN(TWELVE) TWELVE TWELVE TWELVE "MTIzNA==\r\n"),
      S("235 welcome\r\n"), C("")},
     "none, idle, 235 2.0.0 welcome"},
    {"AUTH PLAIN, too long for a command, is refused",
     &long_login,
     NULL,
     {SECURED, S("250-mx\r\n250 AUTH PLAIN\r\n"), C("AUTH PLAIN\r\n"), S("504 no\r\n"),
      C("QUIT\r\n")},
     "refused, AUTH, 504 5.0.0 no"},

    /* Transactions, one command at a time */
    {"a message",
     &plain,
     &one,
     {READY,
      {MAIL, NULL},
      C(FROM),
      S("250 2.1.0 ok\r\n"),
      C(RCPT_X),
      S("250 2.1.5 ok\r\n"),
      C("DATA\r\n"),
      S("354 go\r\n"),
      {CONTENT, "Subject: a\r\n"},
      {CONTENT, "\r\n.b\n.\r\n"},
      C("Subject: a\r\n\r\n..b .\r\n"),
      {DOT, NULL},
      C(".\r\n"),
      S("250 2.0.0 queued\r\n"),
      C("")},
     "none, idle, 250 2.0.0 queued; sent, end of DATA, 250 2.0.0 queued"},
    {"two messages over one connection",
     &plain,
     &one,
     {READY,           {MAIL, NULL},     C(FROM),        S("250 ok\r\n"), C(RCPT_X),
      S("250 ok\r\n"), C("DATA\r\n"),    S("354 a\r\n"), {CONTENT, "a"},  {DOT, NULL},
      C("a\r\n.\r\n"), S("250 1\r\n"),   {MAIL, NULL},   C(FROM),         S("250 ok\r\n"),
      C(RCPT_X),       S("250 ok\r\n"),  C("DATA\r\n"),  S("354 go\r\n"), {CONTENT, ".\r\n"},
      {DOT, NULL},     C("..\r\n.\r\n"), S("250 2\r\n"), {QUIT, NULL},    C("QUIT\r\n"),
      S("221 bye\r\n")},
     "ended by QUIT, QUIT, 221 2.0.0 bye; sent, end of DATA, 250 2.0.0 2"},
    {"MAIL is refused",
     &plain,
     &two,
     {READY, {MAIL, NULL}, C(FROM), S("550 5.7.1 not you\r\n"), C("")},
     "none, idle, 550 5.7.1 not you; refused, MAIL, 550 5.7.1 not you; refused, MAIL, 550 5.7.1 "
     "not you"},
    {"one of two recipients is refused",
     &plain,
     &two,
     {READY,
      {MAIL, NULL},
      C(FROM),
      S("250 ok\r\n"),
      C(RCPT_X),
      S("550 5.1.1 who\r\n"),
      C(RCPT_Y),
      S("251 forwarded\r\n"),
      C("DATA\r\n"),
      S("354 go\r\n"),
      {DOT, NULL},
      C(".\r\n"),
      S("250 ok\r\n")},
     "none, idle, 250 2.0.0 ok; refused, RCPT, 550 5.1.1 who; sent, end of DATA, 250 2.0.0 ok"},
    {"552 to a recipient counts as 452",
     &plain,
     &two,
     {READY,
      {MAIL, NULL},
      C(FROM),
      S("250 ok\r\n"),
      C(RCPT_X),
      S("552 5.5.3 too many\r\n"),
      C(RCPT_Y),
      S("251 forwarded\r\n"),
      C("DATA\r\n"),
      S("354 go\r\n"),
      {DOT, NULL},
      C(".\r\n"),
      S("250 ok\r\n")},
     "none, idle, 250 2.0.0 ok; refused, RCPT, 452 4.5.3 too many; sent, end of DATA, 250 2.0.0 "
     "ok"},
    {"all recipients are refused: no DATA, and RSET before the next",
     &plain,
     &two,
     {READY,
      {MAIL, NULL},
      C(FROM),
      S("250 ok\r\n"),
      C(RCPT_X),
      S("550 a\r\n"),
      C(RCPT_Y),
      S("452 4.5.3 b\r\n"),
      C(""),
      {MAIL, NULL},
      C("RSET\r\n"),
      S("250 ok\r\n"),
      C(FROM),
      S("250 ok\r\n"),
      C(RCPT_X),
      S("550 c\r\n"),
      C(RCPT_Y),
      S("452 d\r\n"),
      C("")},
     "none, idle, 452 4.0.0 d; refused, RCPT, 550 5.0.0 c; refused, RCPT, 452 4.0.0 d"},
    {"RSET before the next is refused",
     &plain,
     &one,
     {READY,
      {MAIL, NULL},
      C(FROM),
      S("550 no\r\n"),
      {MAIL, NULL},
      C("RSET\r\n"),
      S("500 what\r\n"),
      C("QUIT\r\n")},
     "refused, RSET, 500 5.0.0 what; failed, RSET, 500 5.0.0 what"},
    {"DATA is refused",
     &plain,
     &two,
     {READY,
      {MAIL, NULL},
      C(FROM),
      S("250 ok\r\n"),
      C(RCPT_X),
      S("250 ok\r\n"),
      C(RCPT_Y),
      S("550 5.1.1 who\r\n"),
      C("DATA\r\n"),
      S("451 4.3.0 later\r\n"),
      C("")},
     "none, idle, 451 4.3.0 later; refused, DATA, 451 4.3.0 later; refused, RCPT, 550 5.1.1 who"},
    {"DATA 250 is no acceptance",
     &plain,
     &one,
     {READY,
      {MAIL, NULL},
      C(FROM),
      S("250 ok\r\n"),
      C(RCPT_X),
      S("250 ok\r\n"),
      C("DATA\r\n"),
      S("250 ok\r\n"),
      C("")},
     "malformed or unexpected reply, DATA, 250 2.0.0 ok; failed, DATA, 250 2.0.0 ok"},
    {"MAIL 354 is neither",
     &plain,
     &one,
     {READY, {MAIL, NULL}, C(FROM), S("354 go\r\n"), C("")},
     "malformed or unexpected reply, MAIL, 354  go; failed, MAIL, 354  go"},
    {"the message is refused",
     &plain,
     &one,
     {READY,
      {MAIL, NULL},
      C(FROM),
      S("250 ok\r\n"),
      C(RCPT_X),
      S("250 ok\r\n"),
      C("DATA\r\n"),
      S("354 go\r\n"),
      {DOT, NULL},
      C(".\r\n"),
      S("554 5.6.0 spam\r\n"),
      C(""),
      {MAIL, NULL},
      C("RSET\r\n")},
     "none, RSET, 554 5.6.0 spam; pending"},
    {"354 to the final dot",
     &plain,
     &one,
     {READY,
      {MAIL, NULL},
      C(FROM),
      S("250 ok\r\n"),
      C(RCPT_X),
      S("250 ok\r\n"),
      C("DATA\r\n"),
      S("354 go\r\n"),
      {DOT, NULL},
      C(".\r\n"),
      S("354 more\r\n"),
      C("")},
     "malformed or unexpected reply, end of DATA, 354  more; failed, end of DATA, 354  more"},
    {"RSET keeps a connection",
     &plain,
     NULL,
     {READY, {RSET, NULL}, C("RSET\r\n"), S("250 ok\r\n"), C("")},
     "none, idle, 250 2.0.0 ok"},

    /* Pipelining */
    {"pipelined",
     &plain,
     &two,
     {READY_PIPELINING,
      {MAIL, NULL},
      C(FROM RCPT_X RCPT_Y "DATA\r\n"),
      S("250 a\r\n250 b\r\n550 c\r\n354 go\r\n"),
      {CONTENT, "x"},
      {DOT, NULL},
      C("x\r\n.\r\n"),
      S("250 ok\r\n")},
     "none, idle, 250 2.0.0 ok; sent, end of DATA, 250 2.0.0 ok; refused, RCPT, 550 5.0.0 c"},
    {"pipelined: MAIL is refused, and the rest",
     &plain,
     &two,
     {READY_PIPELINING,
      {MAIL, NULL},
      C(FROM RCPT_X RCPT_Y "DATA\r\n"),
      S("550 a\r\n503 b\r\n503 c\r\n503 d\r\n"),
      C("")},
     "none, idle, 503 5.0.0 d; refused, MAIL, 550 5.0.0 a; refused, MAIL, 550 5.0.0 a"},
    {"pipelined: no recipient, DATA is refused",
     &plain,
     &two,
     {READY_PIPELINING,
      {MAIL, NULL},
      C(FROM RCPT_X RCPT_Y "DATA\r\n"),
      S("250 a\r\n550 b\r\n450 c\r\n554 d\r\n"),
      C("")},
     "none, idle, 554 5.0.0 d; refused, RCPT, 550 5.0.0 b; refused, RCPT, 450 4.0.0 c"},
    {"pipelined: no recipient, and 354: an empty message",
     &plain,
     &one,
     {READY_PIPELINING,
      {MAIL, NULL},
      C(FROM RCPT_X "DATA\r\n"),
      S("250 a\r\n550 b\r\n354 go\r\n"),
      C(".\r\n"),
      S("250 nothing\r\n"),
      C(""),
      {MAIL, NULL},
      C("RSET\r\n" FROM RCPT_X "DATA\r\n"),
      S("250 reset\r\n250 ok\r\n550 c\r\n554 no\r\n")},
     "none, idle, 554 5.0.0 no; refused, RCPT, 550 5.0.0 c"},
    {"pipelined: MAIL is refused, yet RCPT and DATA are not",
     &plain,
     &one,
     {READY_PIPELINING,
      {MAIL, NULL},
      C(FROM RCPT_X "DATA\r\n"),
      S("550 a\r\n250 b\r\n354 go\r\n"),
      C("")},
     "malformed or unexpected reply, DATA, 354  go; refused, MAIL, 550 5.0.0 a"},
    {"pipelined: MAIL is refused, no RCPT, and 354",
     &plain,
     &one,
     {READY_PIPELINING,
      {MAIL, NULL},
      C(FROM RCPT_X "DATA\r\n"),
      S("550 a\r\n503 b\r\n354 go\r\n"),
      C(".\r\n"),
      S("554 c\r\n"),
      C("")},
     "none, idle, 554 5.0.0 c; refused, MAIL, 550 5.0.0 a"},
    {"pipelined: MAIL is refused, and the connection lost",
     &plain,
     &one,
     {READY_PIPELINING,
      {MAIL, NULL},
      C(FROM RCPT_X "DATA\r\n"),
      S("550 5.7.1 a\r\n"),
      {LOST, NULL}},
     "connection lost, RCPT; refused, MAIL, 550 5.7.1 a"},
    {"pipelined: a recipient is refused, then 421",
     &plain,
     &two,
     {READY_PIPELINING,
      {MAIL, NULL},
      C(FROM RCPT_X RCPT_Y "DATA\r\n"),
      S("250 a\r\n550 b\r\n421 c\r\n")},
     "server closes the connection, RCPT, 421 4.0.0 c; refused, RCPT, 550 5.0.0 b; failed, RCPT, "
     "421 4.0.0 c"},
    {"pipelined: the reply to a command that is not written",
     &plain,
     &one,
     {READY_PIPELINING,
      {MAIL, NULL},
      {PART, FROM "RCPT TO:<x@d.example>\r"},
      S("250 a\r\n250 b\r\n"),
      C("")},
     "reply before its command, RCPT, 250 2.0.0 b; failed, RCPT, 250 2.0.0 b"},
    {"pipelined: replies while the rest is written",
     &plain,
     &one,
     {READY_PIPELINING,
      {MAIL, NULL},
      {PART, FROM "RC"},
      S("250 a\r\n"),
      C("PT TO:<x@d.example>\r\nDATA\r\n"),
      S("250 b\r\n354 c\r\n")},
     "none, message content, 354  c; pending"},
    {"pipelined: one reply too many",
     &plain,
     &one,
     {READY_PIPELINING,
      {MAIL, NULL},
      C(FROM RCPT_X "DATA\r\n"),
      S("250 a\r\n250 b\r\n354 c\r\n250 d\r\n"),
      C("")},
     "reply before its command, message content, 250 2.0.0 d; failed, message content, 250 2.0.0 "
     "d"},

    {"pipelined: RSET is refused while the rest is written: no QUIT inside a command",
     &plain,
     &one,
     {READY_PIPELINING,
      {MAIL, NULL},
      C(FROM RCPT_X "DATA\r\n"),
      S("550 a\r\n503 b\r\n503 c\r\n"),
      {MAIL, NULL},
      {PART, "RSET\r\nMAIL FR"},
      S("500 what\r\n"),
      C("")},
     "refused, RSET, 500 5.0.0 what; failed, RSET, 500 5.0.0 what"},

    /* Out of turn */
    {"EHLO's reply with the greeting",
     &plain,
     NULL,
     {S("220 mx\r\n250 mx\r\n"), C("")},
     "reply before its command, EHLO, 250 2.0.0 mx"},
    {"a reply that begins before its command, and ends after it",
     &plain,
     NULL,
     {S("220 mx\r\n2"), C("EHLO me.example\r\n"), S("50 mx\r\n"), C("")},
     "reply before its command, EHLO, 250 2.0.0 mx"},
    {"a reply while idle",
     &plain,
     NULL,
     {READY, S("250 ok\r\n"), C("")},
     "reply before its command, idle, 250 2.0.0 ok"},
    {"421 while idle",
     &plain,
     NULL,
     {READY, S("421 4.4.2 idle too long\r\n"), C("")},
     "server closes the connection, idle, 421 4.4.2 idle too long"},
    {"a reply that began while idle is not MAIL's",
     &plain,
     &one,
     {READY, S("25"), {MAIL, NULL}, C(FROM), S("0 ok\r\n"), C("")},
     "reply before its command, MAIL, 250 2.0.0 ok; failed, MAIL, 250 2.0.0 ok"},
    {"a refusal in the midst of the content",
     &plain,
     &one,
     {READY_PIPELINING,
      {MAIL, NULL},
      C(FROM RCPT_X "DATA\r\n"),
      S("250 a\r\n250 b\r\n354 c\r\n"),
      {CONTENT, "x\r\n"},
      {PART, "x"},
      S("552 5.3.4 too much\r\n"),
      C("")},
     "reply before its command, message content, 552 5.3.4 too much; failed, message content, 552 "
     "5.3.4 too much"},
    {"an acceptance before the final dot is written",
     &plain,
     &one,
     {READY_PIPELINING,
      {MAIL, NULL},
      C(FROM RCPT_X "DATA\r\n"),
      S("250 a\r\n250 b\r\n354 c\r\n"),
      {DOT, NULL},
      {PART, ".\r"},
      S("250 queued\r\n"),
      C("")},
     "reply before its command, message content, 250 2.0.0 queued; failed, message content, 250 "
     "2.0.0 queued"},
    {"cancelled before the final dot is written",
     &plain,
     &one,
     {READY_PIPELINING,
      {MAIL, NULL},
      C(FROM RCPT_X "DATA\r\n"),
      S("250 a\r\n250 b\r\n354 c\r\n"),
      {CONTENT, "x"},
      {DOT, NULL},
      {PART, "x\r\n"},
      {CANCEL, NULL},
      C("")},
     "cancelled, message content; failed, message content"},
    {"lost after the final dot",
     &plain,
     &one,
     {READY_PIPELINING,
      {MAIL, NULL},
      C(FROM RCPT_X "DATA\r\n"),
      S("250 a\r\n250 b\r\n354 c\r\n"),
      {DOT, NULL},
      C(".\r\n"),
      S("250 que"),
      {LOST, NULL}},
     "connection lost, end of DATA; failed, end of DATA"},

    /* Not SMTP */
    {"another protocol",
     &plain,
     NULL,
     {S("SSH-2.0-OpenSSH\r\n"), C("")},
     "malformed or unexpected reply, greeting"},
    {"TLS from the beginning",
     &plain,
     NULL,
     {S("\x15\x03\x01\n"), C("")},
     "malformed or unexpected reply, greeting"},
    {"a continuation with another code",
     &plain,
     NULL,
     {GREETED, S("250-mx\r\n550 no\r\n"), C("")},
     "malformed or unexpected reply, EHLO, 250 2.0.0 mx"},
};

static const char *where(const struct smtp_session *session, const struct step *step)
{
    static char text[200];

    snprintf(text, sizeof(text), "state %s, step %s", smtp_state_name(smtp_session_state(session)),
             step->text != NULL ? step->text : "");
    return text;
}

static void write_out(struct smtp_session *session, const struct step *step, size_t piece,
                      const char *name)
{
    const char *want = step->text, *octets;
    size_t len;

    while (*want != '\0') {
        len = smtp_session_output(session, &octets);
        if (len == 0)
            fail_msg("%s, %s: nothing to write, wanted %s", name, where(session, step), want);
        if (len > piece)
            len = piece;
        if (len > strlen(want))
            len = strlen(want);
        if (memcmp(octets, want, len) != 0)
            fail_msg("%s, %s: writes %.*s", name, where(session, step), (int)len, octets);
        want += len;
        smtp_session_written(session, len);
    }
    len = smtp_session_output(session, &octets);
    if ((len > 0) != (step->kind == PART))
        fail_msg("%s, %s: left to write: %.*s", name, where(session, step), (int)len, octets);
}

static void read_in(struct smtp_session *session, const char *octets, size_t piece)
{
    size_t left = strlen(octets);

    while (left > 0) {
        size_t len = piece < left ? piece : left;
        char *copy = malloc(len);

        memcpy(copy, octets, len);
        smtp_session_input(session, copy, len);
        free(copy);
        octets += len;
        left -= len;
    }
}

static void do_step(struct smtp_session *session, const struct transcript *t,
                    const struct step *step, size_t piece)
{
    switch (step->kind) {
    case END:
        break;
    case SERVER:
        read_in(session, step->text, piece);
        break;
    case CLIENT:
    case PART:
        write_out(session, step, piece, t->name);
        break;
    case TLS:
    case TLS_ANY:
        assert_int_equal(smtp_session_need(session), SMTP_NEED_TLS);
        assert_int_equal(smtp_session_timer(session), SMTP_TIMER_TLS);
        smtp_session_tls_started(session, step->kind == TLS);
        break;
    case TLS_FAILED:
        assert_int_equal(smtp_session_need(session), SMTP_NEED_TLS);
        smtp_session_tls_failed(session);
        break;
    case MAIL:
        assert_int_equal(smtp_session_need(session), SMTP_NEED_COMMAND);
        assert_int_equal(smtp_session_timer(session), SMTP_TIMER_NONE);
        assert_int_equal(smtp_session_mail(session, t->mail), 0);
        break;
    case CONTENT:
        assert_int_equal(smtp_session_need(session), SMTP_NEED_CONTENT);
        smtp_session_content(session, step->text, strlen(step->text));
        break;
    case DOT:
        assert_int_equal(smtp_session_need(session), SMTP_NEED_CONTENT);
        smtp_session_content_end(session);
        break;
    case RSET:
        assert_int_equal(smtp_session_rset(session), 0);
        break;
    case QUIT:
        assert_int_equal(smtp_session_quit(session), 0);
        break;
    case LOST:
        smtp_session_lost(session);
        break;
    case TIMEOUT:
        smtp_session_timeout(session);
        break;
    case CANCEL:
        smtp_session_cancel(session);
        break;
    }
}

static size_t add_reply(char *to, size_t size, const char *what, enum smtp_state state,
                        const struct smtp_reply *reply)
{
    int len;

    if (reply->code == 0)
        len = snprintf(to, size, "%s, %s", what, smtp_state_name(state));
    else
        len = snprintf(to, size, "%s, %s, %d %s %s", what, smtp_state_name(state), reply->code,
                       reply->enhanced, reply->text);
    return (size_t)len < size ? (size_t)len : size - 1;
}

/* `OUTCOME, STATE, REPLY`, then for each recipient the same after a semicolon. */
static void describe(const struct smtp_session *session, const struct smtp_mail *mail, char *to,
                     size_t size)
{
    static const char *const words[] = {"pending", "sent", "refused", "failed"};
    size_t len = add_reply(to, size, smtp_outcome_name(smtp_session_outcome(session)),
                           smtp_session_state(session), smtp_session_reply(session));

    for (size_t i = 0; mail != NULL && i < mail->rcpt_count; i++) {
        struct smtp_rcpt_result result = smtp_session_rcpt_result(session, i);

        len += (size_t)snprintf(to + len, size - len, "; ");
        if (result.status == SMTP_RCPT_PENDING)
            len += (size_t)snprintf(to + len, size - len, "pending");
        else
            len +=
                add_reply(to + len, size - len, words[result.status], result.state, result.reply);
    }
}

/* `piece` is how many octets come and go at once. */
static void play(const struct transcript *t, size_t piece)
{
    struct smtp_session *session;
    char result[1000];

    assert_int_equal(smtp_session_new(t->config, &session), 0);
    for (const struct step *step = t->steps; step->kind != END; step++)
        do_step(session, t, step, piece);
    describe(session, t->mail, result, sizeof(result));
    if (strcmp(result, t->result) != 0)
        fail_msg("%s, pieces of %zu: %s", t->name, piece, result);
    assert_int_equal(smtp_session_need(session) == SMTP_NEED_CLOSE,
                     smtp_session_outcome(session) != SMTP_OUTCOME_NONE);
    smtp_session_free(session);
}

static void test_transcripts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(transcripts) / sizeof(transcripts[0]); i++) {
        play(&transcripts[i], 100000);
        play(&transcripts[i], 1);
    }
}

/* A session with all states but those of refusals; it can be cut anywhere. */
static const struct transcript whole = {"whole session",
                                        &login,
                                        &one,
                                        {GREETED,
                                         S("250-mx\r\n250 STARTTLS\r\n"),
                                         C("STARTTLS\r\n"),
                                         S("220 go\r\n"),
                                         {TLS, NULL},
                                         C("EHLO me.example\r\n"),
                                         S("250-mx\r\n250 AUTH PLAIN\r\n"),
                                         C("AUTH PLAIN AHVzZXIAc2VjcmV0\r\n"),
                                         S("235 ok\r\n"),
                                         {MAIL, NULL},
                                         C(FROM),
                                         S("250 a\r\n"),
                                         C(RCPT_X),
                                         S("250 b\r\n"),
                                         C("DATA\r\n"),
                                         S("354 go\r\n"),
                                         {CONTENT, "x\r\n"},
                                         C("x\r\n"),
                                         {DOT, NULL},
                                         C(".\r\n"),
                                         S("250 queued\r\n"),
                                         {RSET, NULL},
                                         C("RSET\r\n"),
                                         S("250 reset\r\n"),
                                         {QUIT, NULL},
                                         C("QUIT\r\n")},
                                        ""};

enum { BEGUN = 10, QUEUED = 21 }; /* the steps MAIL and the reply to the final dot */

/* The first steps of the whole session. */
static struct smtp_session *begin(size_t steps)
{
    struct smtp_session *session;

    assert_int_equal(smtp_session_new(whole.config, &session), 0);
    for (size_t i = 0; i < steps; i++)
        do_step(session, &whole, &whole.steps[i], 100000);
    return session;
}

static size_t whole_steps(void)
{
    size_t steps = 0;

    while (whole.steps[steps].kind != END)
        steps++;
    return steps;
}

/* It is over with that outcome, its recipient sent if it was before, and nothing follows. */
static void check_over(struct smtp_session *session, enum smtp_outcome outcome, bool sent,
                       bool transaction)
{
    const char *octets;

    assert_int_equal(smtp_session_outcome(session), outcome);
    assert_int_equal(smtp_session_need(session), SMTP_NEED_CLOSE);
    assert_int_equal(smtp_session_timer(session), SMTP_TIMER_NONE);
    assert_int_equal(smtp_session_output(session, &octets), 0);
    if (transaction)
        assert_int_equal(smtp_session_rcpt_result(session, 0).status,
                         sent ? SMTP_RCPT_SENT : SMTP_RCPT_FAILED);
    assert_int_equal(smtp_session_mail(session, &one), -EBUSY);
    assert_int_equal(smtp_session_quit(session), -EBUSY);
    smtp_session_input(session, "250 ok\r\n", 8);
    smtp_session_tls_started(session, true);
    smtp_session_content(session, "x", 1);
    smtp_session_content_end(session);
    smtp_session_lost(session);
    assert_int_equal(smtp_session_outcome(session), outcome);
    assert_int_equal(smtp_session_output(session, &octets), 0);
}

/* What happens in each state, and what comes of it. */
static void test_every_state(void **state)
{
    size_t steps = whole_steps();

    (void)state;
    for (size_t i = 0; i <= steps; i++) {
        for (int event = 0; event < 5; event++) {
            struct smtp_session *session = begin(i);
            enum smtp_state at = smtp_session_state(session);
            bool sent = i > QUEUED, begun = i > BEGUN, written = true;
            const char *octets;

            /* A command is put out and not written yet. */
            if (whole.steps[i].kind == CLIENT && smtp_session_output(session, &octets) > 0)
                written = false;
            switch (event) {
            case 0:
                smtp_session_lost(session);
                check_over(session, at == SMTP_STATE_QUIT ? SMTP_OUTCOME_QUIT : SMTP_OUTCOME_LOST,
                           sent, begun);
                break;
            case 1:
                smtp_session_timeout(session);
                check_over(session,
                           at == SMTP_STATE_QUIT ? SMTP_OUTCOME_QUIT : SMTP_OUTCOME_TIMEOUT, sent,
                           begun);
                break;
            case 2:
                smtp_session_cancel(session);
                check_over(session, SMTP_OUTCOME_CANCELLED, sent, begun);
                break;
            case 3:
                smtp_session_input(session, "421 bye\r\n", 9);
                check_over(session,
                           at == SMTP_STATE_TLS               ? SMTP_OUTCOME_PLAINTEXT
                           : at == SMTP_STATE_QUIT && written ? SMTP_OUTCOME_QUIT
                                                              : SMTP_OUTCOME_CLOSING,
                           sent, begun);
                break;
            case 4:
                if (written && smtp_session_need(session) == SMTP_NEED_IO)
                    break; /* it would be the reply */
                smtp_session_input(session, "250 ok\r\n", 8);
                check_over(session,
                           at == SMTP_STATE_TLS ? SMTP_OUTCOME_PLAINTEXT : SMTP_OUTCOME_EARLY_REPLY,
                           sent, begun);
                break;
            }
            smtp_session_free(session);
        }
    }
}

/* A malformed reply, or one without end, in each state in which the server may speak. */
static void test_every_state_bad_reply(void **state)
{
    static char line[100000];
    size_t steps = whole_steps();

    (void)state;
    memset(line, 'x', sizeof(line));
    for (size_t i = 0; i <= steps; i++) {
        struct smtp_session *session = begin(i);
        bool tls = smtp_session_state(session) == SMTP_STATE_TLS;

        smtp_session_input(session, "25\0", 3);
        check_over(session, tls ? SMTP_OUTCOME_PLAINTEXT : SMTP_OUTCOME_BAD_REPLY, i > QUEUED,
                   i > BEGUN);
        smtp_session_free(session);
        session = begin(i);
        smtp_session_input(session, line, sizeof(line));
        check_over(session, tls ? SMTP_OUTCOME_PLAINTEXT : SMTP_OUTCOME_LONG_REPLY, i > QUEUED,
                   i > BEGUN);
        smtp_session_free(session);
    }
}

static void test_timers(void **state)
{
    static const struct {
        size_t steps;
        enum smtp_timer timer;
    } at[] = {
        {0, SMTP_TIMER_GREETING},    {1, SMTP_TIMER_COMMAND},     {5, SMTP_TIMER_TLS},
        {6, SMTP_TIMER_COMMAND},     {9, SMTP_TIMER_COMMAND},     {10, SMTP_TIMER_NONE},
        {11, SMTP_TIMER_COMMAND},    {13, SMTP_TIMER_COMMAND},    {15, SMTP_TIMER_DATA_BEGIN},
        {17, SMTP_TIMER_DATA_BLOCK}, {19, SMTP_TIMER_DATA_BLOCK}, {20, SMTP_TIMER_DATA_BLOCK},
        {21, SMTP_TIMER_DATA_END},   {22, SMTP_TIMER_NONE},       {23, SMTP_TIMER_COMMAND},
        {26, SMTP_TIMER_QUIT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        struct smtp_session *session = begin(at[i].steps);

        if (smtp_session_timer(session) != at[i].timer)
            fail_msg("after %zu steps: timer %d", at[i].steps, smtp_session_timer(session));
        smtp_session_free(session);
    }
}

/* The timer begins anew with each reply and each written piece, not with each octet read. */
static void test_step(void **state)
{
    struct smtp_session *session = begin(1); /* the greeting */
    const char *octets;
    unsigned step;

    (void)state;
    smtp_session_written(session, smtp_session_output(session, &octets));
    step = smtp_session_step(session);
    read_in(session, "250-a\r\n250 b\r", 1);
    assert_int_equal(smtp_session_step(session), step);
    read_in(session, "\n", 1);
    assert_int_not_equal(smtp_session_step(session), step);
    smtp_session_free(session);

    session = begin(18); /* content is put out */
    smtp_session_output(session, &octets);
    step = smtp_session_step(session);
    smtp_session_written(session, 1);
    assert_int_not_equal(smtp_session_step(session), step);
    smtp_session_free(session);
}

/* More recipients than the output holds at once. */
enum { MANY = 5000 };

static struct smtp_session *begin_many(struct smtp_mail *mail)
{
    static struct smtp_rcpt rcpts[MANY];
    struct smtp_session *session;
    const char *octets;

    for (size_t i = 0; i < MANY; i++)
        rcpts[i].address = "somebody@some.domain.example";
    *mail = (struct smtp_mail){.sender = "a@b", .rcpts = rcpts, .rcpt_count = MANY};
    assert_int_equal(smtp_session_new(&plain, &session), 0);
    read_in(session, "220 a\r\n", 100);
    smtp_session_written(session, smtp_session_output(session, &octets));
    read_in(session, "250-a\r\n250 PIPELINING\r\n", 100);
    assert_int_equal(smtp_session_mail(session, mail), 0);
    return session;
}

/* They are put out as it is written. */
static void test_many_recipients(void **state)
{
    struct smtp_mail mail;
    struct smtp_session *session = begin_many(&mail);
    const char *octets;
    size_t len, total = 0;

    (void)state;
    while ((len = smtp_session_output(session, &octets)) > 0) {
        assert_true(len < 16384);
        len = len > 1000 ? 1000 : len;
        total += len;
        smtp_session_written(session, len);
    }
    assert_int_equal(total, strlen("MAIL FROM:<a@b>\r\nDATA\r\n") +
                                MANY * strlen("RCPT TO:<somebody@some.domain.example>\r\n"));
    read_in(session, "250 a\r\n", 100);
    for (size_t i = 0; i < MANY; i++)
        read_in(session, i % 2 == 0 ? "250 b\r\n" : "452 4.5.3 c\r\n", 100);
    read_in(session, "354 d\r\n", 100);
    smtp_session_content_end(session);
    smtp_session_written(session, smtp_session_output(session, &octets));
    read_in(session, "250 e\r\n", 100);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(smtp_session_rcpt_result(session, i).status,
                         i % 2 == 0 ? SMTP_RCPT_SENT : SMTP_RCPT_REFUSED);
    assert_int_equal(smtp_session_rcpt_result(session, MANY).status, SMTP_RCPT_FAILED);
    smtp_session_free(session);
}

/* MAIL is refused before all of them are put out: no more are, and no DATA. */
static void test_many_recipients_refused(void **state)
{
    struct smtp_mail mail;
    struct smtp_session *session = begin_many(&mail);
    const char *octets;
    size_t commands = 0, len = smtp_session_output(session, &octets);

    (void)state;
    for (size_t i = 0; i < len; i++)
        commands += octets[i] == '\n';
    assert_true(commands < MANY);
    smtp_session_written(session, 100); /* MAIL, and some of RCPT */
    read_in(session, "550 a\r\n", 100);
    assert_int_equal(smtp_session_output(session, &octets), len - 100);
    smtp_session_written(session, len - 100);
    for (size_t i = 1; i < commands; i++) {
        assert_int_equal(smtp_session_need(session), SMTP_NEED_IO);
        read_in(session, "503 b\r\n", 100);
        assert_int_equal(smtp_session_output(session, &octets), 0);
    }
    assert_int_equal(smtp_session_need(session), SMTP_NEED_COMMAND);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(smtp_session_rcpt_result(session, i).reply->code, 550);
    smtp_session_free(session);
}

/* Nothing is said when the message cannot be sent there, or not in this state. */
static void test_mail_errors(void **state)
{
    static const struct smtp_rcpt bad = {.address = "a\r\nDATA"};
    const struct smtp_mail broken = {.sender = "", .rcpts = &bad, .rcpt_count = 1};
    struct smtp_session *session;
    const char *octets;

    (void)state;
    assert_int_equal(smtp_session_new(&plain, &session), 0);
    assert_int_equal(smtp_session_mail(session, &one), -EBUSY);
    assert_int_equal(smtp_session_rset(session), -EBUSY);
    read_in(session, "220 a\r\n", 100);
    smtp_session_written(session, smtp_session_output(session, &octets));
    assert_int_equal(smtp_session_quit(session), -EBUSY);
    /* In plaintext this is not an offer. */
    read_in(session, "250-a\r\n250 REQUIRETLS\r\n", 100);
    assert_int_equal(smtp_session_mail(session, &secret), -EOPNOTSUPP);
    assert_int_equal(smtp_session_mail(session, &broken), -EINVAL);
    assert_int_equal(smtp_session_output(session, &octets), 0);
    assert_int_equal(smtp_session_need(session), SMTP_NEED_COMMAND);
    assert_int_equal(smtp_session_mail(session, &one), 0);
    assert_int_equal(smtp_session_mail(session, &one), -EBUSY);
    smtp_session_free(session);
}

/* What a reply out of turn lists is not offered. */
static void test_early_extensions(void **state)
{
    struct smtp_session *session = begin(0);

    (void)state;
    read_in(session, "220 a\r\n250-a\r\n250 REQUIRETLS\r\n", 100);
    check_over(session, SMTP_OUTCOME_EARLY_REPLY, false, false);
    assert_false(smtp_session_extensions(session)->requiretls);
    smtp_session_free(session);
}

static void test_server_name(void **state)
{
    static const struct {
        const char *replies[2], *name;
    } cases[] = {
        {{"250 mx.example.org\r\n"}, "mx.example.org"},
        {{"250-MX-1_a.example.org hello, me.example [192.0.2.1]\r\n250 DSN\r\n"},
         "MX-1_a.example.org"},
        {{"502 what\r\n", "250 old.example.org at your service\r\n"}, "old.example.org"},
        {{"502 what\r\n"}, ""},
        {{"250 [192.0.2.1]\r\n"}, ""},
        {{"250 hello, me.example\r\n"}, ""},
        {{"250 m\xc3\xbc.example\r\n"}, ""},
        {{"250 \r\n"}, ""},
        {{"250 " TEN(TEN("ab")) TEN("cdef-") "ghi\r\n"}, TEN(TEN("ab")) TEN("cdef-") "ghi"},
        {{"250 " TEN(TEN("ab")) TEN("cdef-") "ghij\r\n"}, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct smtp_session *session;
        const char *octets;

        assert_int_equal(smtp_session_new(&plain, &session), 0);
        assert_string_equal(smtp_session_server_name(session), "");
        read_in(session, "220 greeting.example\r\n", 100);
        for (size_t k = 0; k < 2 && cases[i].replies[k] != NULL; k++) {
            smtp_session_written(session, smtp_session_output(session, &octets));
            read_in(session, cases[i].replies[k], 1000);
        }
        assert_string_equal(smtp_session_server_name(session), cases[i].name);
        smtp_session_free(session);
    }
}

static void test_config(void **state)
{
    static const struct smtp_session_config bad[] = {
        {.helo_name = ""},
        {.helo_name = "a b"},
        {.helo_name = "a\r\nb"},
        {.helo_name = "\xc3\xa4"},
        {.helo_name = "a", .tls = SMTP_TLS_OFFERED, .requiretls = true},
        {.helo_name = "a", .user = "a"},
        {.helo_name = "a", .user = "", .password = "b"},
        {.helo_name = "a", .user = "a", .password = ""},
        {.helo_name = "a", .user = TEN(TEN(TEN("a"))) "a", .password = "b"},
        {.helo_name = "a", .user = "a", .password = TEN(TEN(TEN("b"))) "b"},
    };
    struct smtp_session *session;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(smtp_session_new(&bad[i], &session), -EINVAL);
    smtp_session_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transcripts),
        cmocka_unit_test(test_every_state),
        cmocka_unit_test(test_every_state_bad_reply),
        cmocka_unit_test(test_timers),
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_many_recipients),
        cmocka_unit_test(test_many_recipients_refused),
        cmocka_unit_test(test_mail_errors),
        cmocka_unit_test(test_early_extensions),
        cmocka_unit_test(test_server_name),
        cmocka_unit_test(test_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
