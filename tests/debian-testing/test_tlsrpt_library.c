/*
 * Compares what tlsrpt_write writes, octet by octet, with the datagrams that libtlsrpt sends for
 * the same sessions. Built and run by tests/debian-testing/run, as Debian 12 does not have the
 * library. Ends with `N passed, N failed`.
 */
#include "deliver/tlsrpt.h"
#include "tlsrpt_theirs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RECORD "v=TLSRPTv1; rua=mailto:tls@example.org,https://example.org/a?b=c"
#define EVERY_CONTROL                                                                              \
    "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17" \
    "\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f"
#define EVERY_PRINTABLE                                                                            \
    " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwx"  \
    "yz{|}~"

static const char *const one_tlsa[] = {"3 1 1 DEADBEEF", NULL};
static const char *const three_tlsa[] = {"2 0 1 00", "3 1 1 11", "3 1 2 22", NULL};
static const char *const lines[] = {"version: STSv1",    "mode: enforce",  "mx: mx.example.org",
                                    "mx: *.example.org", "max_age: 86400", NULL};
static const char *const odd_lines[] = {EVERY_CONTROL, EVERY_PRINTABLE, "", NULL};
static const char *const patterns[] = {"mx.example.org", "*.example.org", NULL};
static const char *const nothing[] = {NULL};

static const struct {
    const char *name;
    struct tlsrpt_session session;
} cases[] = {
    {"no policy", {.policy = TLSRPT_NO_POLICY}},
    {"no policy, a failure", {.policy = TLSRPT_NO_POLICY, .code = 201, .failed = true}},
    {"TLSA", {.policy = TLSRPT_TLSA, .policy_strings = one_tlsa}},
    {"several TLSA records", {.policy = TLSRPT_TLSA, .policy_strings = three_tlsa}},
    {"TLSA, every detail",
     {.policy = TLSRPT_TLSA,
      .policy_strings = one_tlsa,
      .code = TLSRPT_VALIDATION_FAILURE,
      .source_address = "192.0.2.9",
      .mx_name = "mx.example.org",
      .helo_name = "real.example.org",
      .address = "192.0.2.1",
      .info = "https://example.org/more",
      .reason = "why",
      .failed = true}},
    {"MTA-STS", {.policy = TLSRPT_STS, .policy_strings = lines, .mx_hosts = patterns}},
    {"MTA-STS, some details",
     {.policy = TLSRPT_STS,
      .policy_strings = lines,
      .mx_hosts = patterns,
      .code = TLSRPT_CERTIFICATE_HOST_MISMATCH,
      .source_address = "2001:db8::9",
      .mx_name = "mx.example.org",
      .address = "2001:db8::1",
      .failed = true}},
    {"a policy that was not fetched, and success",
     {.policy = TLSRPT_STS,
      .code = TLSRPT_STS_POLICY_FETCH_ERROR,
      .mx_name = "mx.example.org",
      .reason = "HTTP status 404"}},
    {"patterns alone", {.policy = TLSRPT_STS, .mx_hosts = patterns}},
    {"empty lists", {.policy = TLSRPT_STS, .policy_strings = nothing, .mx_hosts = nothing}},
    {"every code: 203", {.policy = TLSRPT_STS, .code = 203, .failed = true}},
    {"every code: 204", {.policy = TLSRPT_STS, .code = 204, .failed = true}},
    {"every code: 302", {.policy = TLSRPT_STS, .code = 302}},
    {"every code: 303", {.policy = TLSRPT_STS, .code = 303}},
    {"every code: 304", {.policy = TLSRPT_TLSA, .code = 304, .failed = true}},
    {"every code: 305", {.policy = TLSRPT_TLSA, .code = 305, .failed = true}},
    {"every code: 306", {.policy = TLSRPT_TLSA, .code = 306, .failed = true}},
    {"octets that are escaped",
     {.policy = TLSRPT_STS,
      .policy_strings = odd_lines,
      .code = 205,
      .reason = EVERY_CONTROL,
      .info = EVERY_PRINTABLE,
      .failed = true}},
    {"UTF-8",
     {.policy = TLSRPT_NO_POLICY,
      .code = 205,
      .failed = true,
      .reason = "\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"}},
};

static const char *const socket_path = "/tmp/tlsrpt-library.sock";

static int collector_open(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    strcpy(address.sun_path, socket_path);
    unlink(socket_path);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        perror(socket_path);
        exit(2);
    }
    return fd;
}

static struct theirs theirs_of(const struct tlsrpt_session *s)
{
    return (struct theirs){
        .domain = s->domain,
        .record = s->record,
        .policy = (int)s->policy,
        .policy_domain = s->policy_domain,
        .policy_strings = s->policy_strings,
        .mx_hosts = s->mx_hosts,
        .code = (int)s->code,
        .source_address = s->source_address,
        .mx_name = s->mx_name,
        .helo_name = s->helo_name,
        .address = s->address,
        .info = s->info,
        .reason = s->reason,
        .failed = s->failed,
    };
}

/* Whether both write the same. */
static bool compare(int collector, const char *name, struct tlsrpt_session session)
{
    static char ours[TLSRPT_DATAGRAM_MAX], theirs[TLSRPT_DATAGRAM_MAX];
    struct theirs same;
    size_t ours_len;
    ssize_t theirs_len;

    session.domain = session.policy_domain = "example.org";
    session.record = RECORD;
    same = theirs_of(&session);
    ours_len = tlsrpt_write(&session, ours, sizeof ours);
    if (theirs_send(socket_path, &same) < 0)
        return false;
    theirs_len = recv(collector, theirs, sizeof theirs, 0);
    if (ours_len > 0 && theirs_len == (ssize_t)ours_len && memcmp(ours, theirs, ours_len) == 0)
        return true;
    printf("FAIL %s:\n    ours   %.*s\n    theirs %.*s\n", name, (int)ours_len, ours,
           theirs_len > 0 ? (int)theirs_len : 0, theirs);
    return false;
}

int main(void)
{
    int collector = collector_open(), failed = 0, count = (int)(sizeof cases / sizeof cases[0]);

    printf("libtlsrpt %s\n", theirs_version());
    for (int i = 0; i < count; i++)
        failed += !compare(collector, cases[i].name, cases[i].session);
    close(collector);
    unlink(socket_path);
    printf("%d passed, %d failed\n", count - failed, failed);
    return failed != 0;
}
