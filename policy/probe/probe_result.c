/*
 * Results of probes. probe_result_new copies one, strings cut; probe_result_encode and
 * probe_result_decode write and read the record that the store has of it. A record is numbers in
 * network byte order, then strings that end with NUL; it begins with its version, and one that
 * another version wrote, or that is not as it must be, is no result.
 */
#include "probe/probe_result.h"

#include "base/buf.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    VERSION = 1, /* raised when a record changes */
    STRINGS = 5,
    HAS_STARTTLS = 1 << 0,
    HAS_REQUIRETLS = 1 << 1,
    HAS_PIPELINING = 1 << 2,
    HAS_SPKI = 1 << 3,
    HAS_ALL = (1 << 4) - 1,
};

struct probe_result {
    atomic_uint refs;
    uint32_t octets;
    struct findings_probe probe;
    const char *names[]; /* then the strings */
};

static void strings_of(const struct findings_probe *probe, const char *out[STRINGS])
{
    out[0] = probe->failure;
    out[1] = probe->protocol;
    out[2] = probe->cipher;
    out[3] = probe->dane_why;
    out[4] = probe->web_pki_why;
}

static void set_strings(struct findings_probe *probe, const char *const strings[STRINGS])
{
    probe->failure = strings[0];
    probe->protocol = strings[1];
    probe->cipher = strings[2];
    probe->dane_why = strings[3];
    probe->web_pki_why = strings[4];
}

static size_t string_room(const char *s)
{
    return s != NULL ? strnlen(s, PROBE_RESULT_STRING_MAX) + 1 : 0;
}

static const char *copy_string(char **to, const char *s)
{
    size_t room = string_room(s);
    char *at = *to;

    if (s == NULL)
        return NULL;
    memcpy(at, s, room - 1);
    at[room - 1] = '\0';
    *to += room;
    return at;
}

static size_t names_kept(const struct findings_probe *probe)
{
    return probe->name_count < FINDINGS_MAX_PROBE_NAMES ? probe->name_count
                                                        : FINDINGS_MAX_PROBE_NAMES;
}

struct probe_result *probe_result_new(const struct findings_probe *probe, int64_t checked_at_s)
{
    size_t count = names_kept(probe);
    size_t octets = sizeof(struct probe_result) + count * sizeof(char *);
    const char *strings[STRINGS];
    struct probe_result *result;
    char *to;

    strings_of(probe, strings);
    for (size_t i = 0; i < STRINGS; i++)
        octets += string_room(strings[i]);
    for (size_t i = 0; i < count; i++)
        octets += string_room(probe->names[i]);
    result = malloc(octets);
    if (result == NULL)
        return NULL;
    atomic_init(&result->refs, 1);
    result->octets = (uint32_t)octets;
    result->probe = *probe;
    result->probe.checked_at_s = checked_at_s;
    to = (char *)(result->names + count);
    for (size_t i = 0; i < STRINGS; i++)
        strings[i] = copy_string(&to, strings[i]);
    set_strings(&result->probe, strings);
    for (size_t i = 0; i < count; i++)
        result->names[i] = copy_string(&to, probe->names[i]);
    result->probe.name_count = (uint8_t)count;
    result->probe.names = count > 0 ? result->names : NULL;
    return result;
}

struct probe_result *probe_result_ref(struct probe_result *result)
{
    atomic_fetch_add_explicit(&result->refs, 1, memory_order_relaxed);
    return result;
}

void probe_result_unref(struct probe_result *result)
{
    if (result != NULL && atomic_fetch_sub_explicit(&result->refs, 1, memory_order_acq_rel) == 1)
        free(result);
}

const struct findings_probe *probe_result_probe(const struct probe_result *result)
{
    return &result->probe;
}

size_t probe_result_octets(const struct probe_result *result)
{
    return result->octets;
}

bool probe_result_is_definite(unsigned result)
{
    return result == FINDINGS_PROBE_OK || result == FINDINGS_PROBE_NO_STARTTLS ||
           result == FINDINGS_PROBE_NOT_AUTHENTICATED || result == FINDINGS_PROBE_NO_REQUIRETLS;
}

bool probe_result_is_for_all(unsigned result)
{
    return result == FINDINGS_PROBE_NO_STARTTLS || result == FINDINGS_PROBE_UNREACHABLE;
}

/* ---- Records ---- */

static void put_number(uint8_t **to, uint64_t number, unsigned octets)
{
    while (octets-- > 0)
        *(*to)++ = (uint8_t)(number >> 8 * octets);
}

static void put_octets(uint8_t **to, const void *data, size_t len)
{
    memcpy(*to, data, len);
    *to += len;
}

size_t probe_result_encode(const struct probe_result *result,
                           uint8_t record[PROBE_RESULT_RECORD_MAX])
{
    const struct findings_probe *p = &result->probe;
    const char *strings[STRINGS];
    uint8_t *to = record, present = 0;

    strings_of(p, strings);
    for (unsigned i = 0; i < STRINGS; i++)
        present |= (uint8_t)((strings[i] != NULL) << i);
    put_number(&to, VERSION, 1);
    put_number(&to, p->result, 1);
    put_number(&to, p->family, 1);
    put_number(&to, p->dane, 1);
    put_number(&to, p->web_pki, 1);
    put_number(&to,
               (p->starttls ? HAS_STARTTLS : 0U) | (p->requiretls ? HAS_REQUIRETLS : 0U) |
                   (p->pipelining ? HAS_PIPELINING : 0U) | (p->has_spki ? HAS_SPKI : 0U),
               1);
    put_number(&to, p->port, 2);
    put_number(&to, (uint64_t)p->checked_at_s, 8);
    put_number(&to, (uint64_t)p->not_after_s, 8);
    put_octets(&to, p->address, sizeof(p->address));
    put_octets(&to, p->spki_sha256, sizeof(p->spki_sha256));
    put_number(&to, present, 1);
    put_number(&to, p->name_count, 1);
    for (unsigned i = 0; i < STRINGS; i++) {
        if (strings[i] != NULL)
            put_octets(&to, strings[i], strlen(strings[i]) + 1);
    }
    for (unsigned i = 0; i < p->name_count; i++)
        put_octets(&to, p->names[i], strlen(p->names[i]) + 1);
    return (size_t)(to - record);
}

static int64_t get_time(struct buf *b)
{
    uint64_t high = buf_u32(b);

    return (int64_t)(high << 32 | buf_u32(b));
}

static void get_octets(struct buf *b, void *out, size_t len)
{
    const uint8_t *at = buf_bytes(b, len);

    if (at != NULL)
        memcpy(out, at, len);
}

/* Borrowed from the record, where it ends with NUL. */
static const char *get_string(struct buf *b)
{
    const uint8_t *at = b->data + b->pos;
    const uint8_t *end = b->bad ? NULL : memchr(at, '\0', buf_left(b));

    if (end == NULL) {
        b->bad = true;
        return NULL;
    }
    b->pos += (size_t)(end - at) + 1;
    return (const char *)at;
}

static void get_numbers(struct buf *b, struct findings_probe *p)
{
    uint8_t has;

    b->bad |= buf_u8(b) != VERSION;
    p->result = buf_u8(b);
    p->family = buf_u8(b);
    p->dane = buf_u8(b);
    p->web_pki = buf_u8(b);
    has = buf_u8(b);
    p->starttls = (has & HAS_STARTTLS) != 0;
    p->requiretls = (has & HAS_REQUIRETLS) != 0;
    p->pipelining = (has & HAS_PIPELINING) != 0;
    p->has_spki = (has & HAS_SPKI) != 0;
    p->port = buf_u16(b);
    p->checked_at_s = get_time(b);
    p->not_after_s = get_time(b);
    get_octets(b, p->address, sizeof(p->address));
    get_octets(b, p->spki_sha256, sizeof(p->spki_sha256));
    b->bad |= p->result > FINDINGS_PROBE_FAILED || (p->family != 4 && p->family != 6) ||
              p->dane > FINDINGS_PROBE_CHECK_FAILED || p->web_pki > FINDINGS_PROBE_CHECK_FAILED ||
              (has & ~HAS_ALL) != 0;
}

struct probe_result *probe_result_decode(const uint8_t *record, size_t len)
{
    const char *names[FINDINGS_MAX_PROBE_NAMES], *strings[STRINGS] = {NULL};
    struct findings_probe probe = {.names = names};
    struct buf b;
    uint8_t present;

    buf_init(&b, record, len);
    get_numbers(&b, &probe);
    present = buf_u8(&b);
    probe.name_count = buf_u8(&b);
    if (probe.name_count > FINDINGS_MAX_PROBE_NAMES || present >> STRINGS != 0)
        return NULL;
    for (unsigned i = 0; i < STRINGS; i++) {
        if ((present >> i & 1) != 0)
            strings[i] = get_string(&b);
    }
    for (unsigned i = 0; i < probe.name_count; i++)
        names[i] = get_string(&b);
    if (b.bad || buf_left(&b) != 0)
        return NULL;
    set_strings(&probe, strings);
    return probe_result_new(&probe, probe.checked_at_s);
}
