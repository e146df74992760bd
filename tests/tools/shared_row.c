/*
 * Rows of the shared cache by the program's own code, for tests that have another: a request a
 * line, an answer a line. Octets are in hexadecimal, "-" is none of them.
 *
 *   key KEY                                                   one more; the first signs
 *   write KIND NAME WRITTEN ENDS PAYLOAD                      the row, or "error N"
 *   read KIND NAME NOW MAX ROW                                "ok WRITTEN ENDS PAYLOAD", or the
 * reason write-policy DOMAIN ID FETCHED BODY                       the payload, or "error N"
 *   read-policy DOMAIN NOW MAX PAYLOAD                        "ok ID FETCHED BODY", or the reason
 *   read-probe PAYLOAD                                        "ok" and what it holds, or "none"
 */
#include "store/shared_row.h"
#include "probe/probe_result.h"
#include "store/shared_policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 6 };

struct octets {
    uint8_t *data; /* with a NUL behind it, which is not counted */
    size_t len;
};

static struct shared_mac_keys keys;

static void die(const char *why)
{
    fprintf(stderr, "shared_row: %s\n", why);
    exit(2);
}

static struct octets from_hex(const char *hex)
{
    size_t len = strcmp(hex, "-") == 0 ? 0 : strlen(hex) / 2;
    struct octets out = {calloc(1, len + 1), len};
    unsigned octet;

    if (out.data == NULL)
        die("no memory");
    for (size_t i = 0; i < len; i++) {
        if (sscanf(hex + 2 * i, "%2x", &octet) != 1)
            die("no hexadecimal digits");
        out.data[i] = (uint8_t)octet;
    }
    return out;
}

static void print_hex(const void *data, size_t len)
{
    const uint8_t *octets = data;

    if (len == 0)
        putchar('-');
    for (size_t i = 0; i < len; i++)
        printf("%02x", octets[i]);
}

static void print_written(int error, uint8_t *octets, size_t len)
{
    if (error != 0)
        printf("error %d", error);
    else
        print_hex(octets, len);
    free(octets);
}

static void add_key(char *const words[WORDS])
{
    struct octets key = from_hex(words[1]);

    if (keys.count == SHARED_MAC_KEYS_MAX || key.len > SHARED_MAC_KEY_MAX)
        die("too many keys, or one too long");
    memcpy(keys.keys[keys.count], key.data, key.len);
    keys.lens[keys.count++] = key.len;
    free(key.data);
    printf("ok");
}

static void write_row(char *const words[WORDS])
{
    struct octets name = from_hex(words[2]), payload = from_hex(words[5]);
    const struct shared_row row = {.kind = (enum shared_kind)atoi(words[1]),
                                   .written_at_s = atoll(words[3]),
                                   .ends_at_s = atoll(words[4]),
                                   .payload = payload.data,
                                   .payload_len = payload.len};
    uint8_t *out;
    size_t len;
    int error = shared_row_write(&keys, (const char *)name.data, &row, &out, &len);

    print_written(error, out, len);
    free(name.data);
    free(payload.data);
}

static void read_row(char *const words[WORDS])
{
    struct octets name = from_hex(words[2]), octets = from_hex(words[5]);
    struct shared_row row;
    enum shared_reject result =
        shared_row_read(&keys, (enum shared_kind)atoi(words[1]), (const char *)name.data,
                        octets.data, octets.len, (size_t)atoll(words[4]), atoll(words[3]), &row);

    printf("%s", shared_reject_name(result));
    if (result == SHARED_OK) {
        printf(" %lld %lld ", (long long)row.written_at_s, (long long)row.ends_at_s);
        print_hex(row.payload, row.payload_len);
    }
    free(name.data);
    free(octets.data);
}

static void write_policy(char *const words[WORDS])
{
    struct octets domain = from_hex(words[1]), id = from_hex(words[2]), body = from_hex(words[4]);
    struct shared_policy policy = {
        .fetched_at_s = atoll(words[3]), .body = (const char *)body.data, .body_len = body.len};
    uint8_t *out;
    size_t len;
    int error;

    snprintf(policy.domain, sizeof(policy.domain), "%s", (const char *)domain.data);
    snprintf(policy.id, sizeof(policy.id), "%s", (const char *)id.data);
    error = shared_policy_write(&policy, &out, &len);
    print_written(error, out, len);
    free(domain.data);
    free(id.data);
    free(body.data);
}

static void read_policy(char *const words[WORDS])
{
    struct octets domain = from_hex(words[1]), payload = from_hex(words[4]);
    struct shared_policy policy;
    enum shared_reject result =
        shared_policy_read(payload.data, payload.len, (const char *)domain.data,
                           (size_t)atoll(words[3]), atoll(words[2]), &policy);

    printf("%s", shared_reject_name(result));
    if (result == SHARED_OK) {
        printf(" %s %lld ", policy.id, (long long)policy.fetched_at_s);
        print_hex(policy.body, policy.body_len);
    }
    free(domain.data);
    free(payload.data);
}

static const char *text(const char *s)
{
    return s != NULL ? s : "(none)";
}

static void read_probe(char *const words[WORDS])
{
    struct octets payload = from_hex(words[1]);
    struct probe_result *result = probe_result_decode(payload.data, payload.len);
    const struct findings_probe *p;

    free(payload.data);
    if (result == NULL) {
        printf("none");
        return;
    }
    p = probe_result_probe(result);
    printf("ok|%s|%s|%s|%d|%d|%d|%d|%d|%lld|%lld|%d|", findings_probe_result_name(p->result),
           findings_probe_check_name(p->dane), findings_probe_check_name(p->web_pki), p->starttls,
           p->requiretls, p->pipelining, p->has_spki, p->port, (long long)p->checked_at_s,
           (long long)p->not_after_s, p->family);
    print_hex(p->address, sizeof(p->address));
    putchar('|');
    print_hex(p->spki_sha256, sizeof(p->spki_sha256));
    printf("|%s|%s|%s|%s|%s", text(p->failure), text(p->protocol), text(p->cipher),
           text(p->dane_why), text(p->web_pki_why));
    for (unsigned i = 0; i < p->name_count; i++)
        printf("|%s", p->names[i]);
    probe_result_unref(result);
}

static const struct request {
    const char *name;
    unsigned words;
    void (*run)(char *const words[WORDS]);
} requests[] = {
    {"key", 2, add_key},
    {"write", 6, write_row},
    {"read", 6, read_row},
    {"write-policy", 5, write_policy},
    {"read-policy", 5, read_policy},
    {"read-probe", 2, read_probe},
};

static void run(char *line)
{
    char *words[WORDS] = {NULL}, *rest = NULL;
    unsigned count = 0;

    for (char *word = strtok_r(line, " \n", &rest); word != NULL && count < WORDS;
         word = strtok_r(NULL, " \n", &rest))
        words[count++] = word;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        if (count == requests[i].words && strcmp(words[0], requests[i].name) == 0) {
            requests[i].run(words);
            putchar('\n');
            fflush(stdout);
            return;
        }
    }
    die("no such request");
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, stdin) > 0)
        run(line);
    free(line);
    return 0;
}
