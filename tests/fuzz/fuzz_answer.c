/*
 * Any findings, with any octets where names, patterns and lines of a peer stand, as answers of
 * every map and as JSON. Checked is that the answer reads for Postfix as what it was meant to be:
 * printable, with balanced braces, nothing but the attributes that may be there, never an empty
 * match.
 */
#include "answer/findings_json.h"
#include "base/json_read.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void promise(bool kept)
{
    if (!kept)
        abort();
}

struct input {
    const uint8_t *data;
    size_t len;
    char *strings[256]; /* to be freed */
    size_t string_count;
};

static uint8_t take(struct input *in)
{
    if (in->len == 0)
        return 0;
    in->len--;
    return *in->data++;
}

/* Octets up to the next zero. */
static const char *take_string(struct input *in)
{
    const uint8_t *end = in->len ? memchr(in->data, 0, in->len) : NULL;
    size_t len = end != NULL ? (size_t)(end - in->data) : in->len;
    if (in->string_count == sizeof(in->strings) / sizeof(in->strings[0]))
        return "";
    char *copy = malloc(len + 1);
    if (len > 0)
        memcpy(copy, in->data, len);
    copy[len] = '\0';
    in->strings[in->string_count++] = copy;
    in->data += len + (end != NULL ? 1 : 0);
    in->len -= len + (end != NULL ? 1 : 0);
    return copy;
}

static const char *optional_string(struct input *in)
{
    return take(in) & 1 ? take_string(in) : NULL;
}

static void make_hosts(struct input *in, struct findings *f, struct findings_host *hosts)
{
    static const struct findings_tlsa tlsa = {
        .usage = 3, .data_len = 1, .data = (const uint8_t *)"x"};
    f->hosts = hosts;
    f->host_count = take(in) % (FINDINGS_MAX_HOSTS + 1);
    for (size_t i = 0; i < f->host_count; i++) {
        hosts[i] = (struct findings_host){.a = take(in) % 6,
                                          .aaaa = take(in) % 6,
                                          .tlsa_state = take(in) % 6,
                                          .preference = (uint16_t)(i * 10),
                                          .sts_match = take(in) & 1,
                                          .tlsa = &tlsa,
                                          .tlsa_count = 1};
        hosts[i].name = take_string(in);
        hosts[i].failure = optional_string(in);
    }
}

static void make_sts(struct input *in, struct findings_sts *sts, const char **patterns)
{
    sts->state = take(in) % 6;
    sts->mode = take(in) % 4;
    sts->source = take(in) % 3;
    sts->id_current = take(in) & 1;
    sts->id = optional_string(in);
    sts->failure_text = optional_string(in);
    sts->policy_lines = optional_string(in);
    sts->mx = patterns;
    sts->mx_count = take(in) % 64;
    for (size_t i = 0; i < sts->mx_count; i++)
        patterns[i] = take_string(in);
}

static bool starts(const char *text, size_t len, const char *with)
{
    return len > strlen(with) && strncmp(text, with, strlen(with)) == 0;
}

static bool is(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && memcmp(text, word, len) == 0;
}

static void check_match(const char *list, size_t len)
{
    promise(len > 0);
    for (size_t at = 0; at <= len;) {
        size_t item = 0;
        while (at + item < len && list[at + item] != ':')
            item++;
        promise(item > 0);
        promise(!is(list + at, item, "nexthop") && !is(list + at, item, "hostname") &&
                !is(list + at, item, "dot-nexthop"));
        at += item + 1;
    }
}

/* Reads the policy as Postfix does: words between blanks and commas, braces keep words together. */
static void check_secure(const char *text)
{
    unsigned words = 0, matches = 0;
    for (size_t at = 0; text[at];) {
        size_t len = 0;
        int level = 0;
        for (; text[at + len]; len++) {
            char c = text[at + len];
            if (c == '{')
                level++;
            else if (c == '}')
                promise(--level >= 0);
            else if (level == 0 && (c == ' ' || c == ',' || c == '\t'))
                break;
        }
        const char *word = text + at;
        promise(level == 0 && len > 0);
        if (words == 0) {
            promise(is(word, len, "secure"));
        } else if (starts(word, len, "match=")) {
            matches++;
            check_match(word + 6, len - 6);
        } else if (starts(word, len, "{ policy_string = ")) {
            promise(word[len - 2] == ' ' && word[len - 1] == '}' && len > 20);
            promise(memchr(word + 1, '{', len - 2) == NULL && memchr(word, '}', len - 1) == NULL);
        } else {
            promise(is(word, len, "servername=hostname") || is(word, len, "policy_type=sts") ||
                    is(word, len, "policy_failure=validation-failure") ||
                    starts(word, len, "policy_domain=") || starts(word, len, "mx_host_pattern="));
            promise(memchr(word, '{', len) == NULL && memchr(word, '}', len) == NULL);
        }
        words++;
        at += len + (text[at + len] ? 1 : 0);
    }
    promise(matches == 1);
}

static void check_answer(enum answer_kind kind, const char *text, size_t size)
{
    for (const char *c = text; *c; c++)
        promise(*c >= 0x20 && *c < 0x7f);
    promise(kind == ANSWER_OK || kind == ANSWER_TEMP ? *text != '\0' || size == 1 : *text == '\0');
    if (kind == ANSWER_OK && strncmp(text, "secure", 6) == 0)
        check_secure(text);
}

static void check_json(const struct findings *f, const struct nexthop *nexthop,
                       const struct answer_terms *answer)
{
    struct findings_json_terms terms = {.answer = *answer, .verdict = answer->enforce};
    struct json json;
    struct json_doc *doc;
    const char *text;
    size_t len;
    json_init(&json, FINDINGS_JSON_MAX);
    findings_json(&json, nexthop, f, &terms);
    promise(json_finish(&json, &text, &len) == 0);
    promise(json_read(text, len, &doc) == 0);
    json_doc_free(doc);
    json_fini(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static char text[ANSWER_MAX];
    struct input in = {.data = data, .len = len};
    struct findings_host hosts[FINDINGS_MAX_HOSTS];
    const char *patterns[64];
    struct nexthop nexthop;
    struct findings f = {0};
    struct answer_terms terms = {
        .enforce = {.can = VERDICT_CAN_DANE | VERDICT_CAN_STS | VERDICT_CAN_WEB_PKI}};
    uint8_t flags = take(&in);
    size_t small;
    terms.enforce.web_pki = flags & 1;
    terms.enforce.accept_testing = flags & 2;
    terms.tlsrpt = flags & 4;
    f.security_known = !(flags & 8);
    if (nexthop_parse(flags & 16 ? "[relay.example.org]" : "example.org", &nexthop) < 0)
        abort();
    f.nexthop = (struct findings_nexthop){
        .name = nexthop.name, .text = nexthop.text, .kind = (uint8_t)nexthop.kind};
    small = 1 + (size_t)take(&in) * 4;
    f.mx = take(&in) % 9;
    f.failure = optional_string(&in);
    make_sts(&in, &f.sts, patterns);
    make_hosts(&in, &f, hosts);
    for (unsigned map = 0; map < ANSWER_MAPS; map++) {
        const size_t sizes[] = {ANSWER_MAX, small};
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            enum answer_kind kind = answer_derive(&f, &terms, (enum answer_map)map, text, sizes[i]);
            promise(strlen(text) < sizes[i]);
            check_answer(kind, text, sizes[i]);
        }
    }
    check_json(&f, &nexthop, &terms);
    for (size_t i = 0; i < in.string_count; i++)
        free(in.strings[i]);
    return 0;
}
