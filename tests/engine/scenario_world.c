/*
 * The lines that say what the world looks like: dns, https.
 */
#include "scenario_internal.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    uint16_t type;
} types[] = {
    {"A", DNS_TYPE_A},   {"AAAA", DNS_TYPE_AAAA}, {"CNAME", DNS_TYPE_CNAME},
    {"MX", DNS_TYPE_MX}, {"TLSA", DNS_TYPE_TLSA}, {"TXT", DNS_TYPE_TXT},
};

static uint16_t type_of(const char *word)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(word, types[i].name) == 0)
            return types[i].type;
    }
    return 0;
}

/* Room for one more record and its text. */
static struct dns_record *add_record(struct sim_dns *d, char **text)
{
    d->records = realloc(d->records, (d->count + 1) * sizeof *d->records);
    d->text = realloc(d->text, (d->count + 1) * SIM_NAME_MAX);
    if (d->records == NULL || d->text == NULL)
        exit(99);
    memset(&d->records[d->count], 0, sizeof *d->records);
    *text = d->text + d->count * SIM_NAME_MAX;
    memset(*text, 0, SIM_NAME_MAX);
    return &d->records[d->count++];
}

static bool add_mx(struct sim_dns *d, const char *word)
{
    unsigned preference, from = 0, to = 0;
    char name[SIM_NAME_MAX], head[SIM_NAME_MAX] = "", tail[SIM_NAME_MAX] = "", *text;

    if (sscanf(word, "%u %299s", &preference, name) != 2)
        return false;
    if (sscanf(name, "%299[^{]{%u..%u}%299s", head, &from, &to, tail) < 3)
        from = to = 0;
    for (unsigned i = from; i <= to; i++) {
        struct dns_record *r = add_record(d, &text);
        r->mx.preference = (uint16_t)preference;
        if (to > 0)
            snprintf(text, SIM_NAME_MAX, "%.100s%u%.100s", head, i, tail);
        else if (strcmp(name, ".") != 0)
            snprintf(text, SIM_NAME_MAX, "%s", name);
    }
    return true;
}

static bool add_tlsa(struct sim_dns *d, const char *word)
{
    unsigned usage, selector, matching;
    char data[16], *text;
    struct dns_record *r;

    if (sscanf(word, "%u %u %u %15s", &usage, &selector, &matching, data) != 4)
        return false;
    r = add_record(d, &text);
    r->tlsa.usage = (uint8_t)usage;
    r->tlsa.selector = (uint8_t)selector;
    r->tlsa.matching_type = (uint8_t)matching;
    r->tlsa.data_len = strcmp(data, "sha256") == 0 ? 32 : strcmp(data, "sha512") == 0 ? 64 : 5;
    memset(text, 0xab, r->tlsa.data_len);
    return true;
}

static bool add_text(struct sim_dns *d, const char *word)
{
    char *text;
    struct dns_record *r;
    size_t len = strlen(word);

    if (len < 2 || word[0] != '"' || word[len - 1] != '"')
        return false;
    r = add_record(d, &text);
    r->txt.len = (uint16_t)(len - 2);
    memcpy(text, word + 1, len - 2);
    return true;
}

/* One address, or as many as `192.0.2.{1..40}` has; the braces count in decimal. */
static bool add_address(struct sim_dns *d, const char *word)
{
    unsigned from = 0, to = 0;
    char head[SIM_NAME_MAX], address[SIM_NAME_MAX], *text;
    bool many = sscanf(word, "%299[^{]{%u..%u}", head, &from, &to) == 3;

    for (unsigned i = from; i <= to; i++) {
        struct dns_record *r = add_record(d, &text);

        snprintf(address, sizeof address, "%.200s", many ? head : word);
        if (many)
            snprintf(address, sizeof address, "%.200s%u", head, i);
        if (inet_pton(d->type == DNS_TYPE_A ? AF_INET : AF_INET6, address, r->a) != 1)
            return false;
    }
    return true;
}

static bool add_any(struct sim_dns *d, const char *word)
{
    char *text;

    switch (d->type) {
    case DNS_TYPE_A:
    case DNS_TYPE_AAAA:
        return add_address(d, word);
    case DNS_TYPE_MX:
        return add_mx(d, word);
    case DNS_TYPE_TLSA:
        return add_tlsa(d, word);
    case DNS_TYPE_TXT:
        return add_text(d, word);
    default:
        add_record(d, &text);
        snprintf(text, SIM_NAME_MAX, "%s", word);
        return true;
    }
}

/* The records point to their text only now that it will not move any more. */
static void settle_text(struct sim_dns *d)
{
    for (size_t i = 0; i < d->count; i++) {
        char *text = d->text + i * SIM_NAME_MAX;
        if (d->type == DNS_TYPE_MX)
            d->records[i].mx.host = text;
        else if (d->type == DNS_TYPE_CNAME)
            d->records[i].cname = text;
        else if (d->type == DNS_TYPE_TXT)
            d->records[i].txt.text = text;
        else if (d->type == DNS_TYPE_TLSA)
            d->records[i].tlsa.data = (const uint8_t *)text;
    }
}

/* Takes `key=value` words off the end of the line. */
static void take_options(char *args, struct sim_dns *d)
{
    char *last;
    long long number;

    while ((last = strrchr(args, ' ')) != NULL) {
        if (sscanf(last + 1, "ttl=%lld", &number) == 1)
            d->ttl_s = (uint32_t)number;
        else if (sscanf(last + 1, "delay=%lld", &number) == 1)
            d->delay_ms = number;
        else if (sscanf(last + 1, "alias=%299s", d->alias) != 1)
            return;
        *last = '\0';
        while (last > args && last[-1] == ' ')
            *--last = '\0';
    }
}

static bool read_records(struct sim_dns *d, char *args)
{
    char *save = NULL;

    for (char *word = strtok_r(args, ",", &save); word != NULL; word = strtok_r(NULL, ",", &save)) {
        size_t len;
        word += strspn(word, " ");
        for (len = strlen(word); len > 0 && word[len - 1] == ' '; len--)
            word[len - 1] = '\0';
        if (!add_any(d, word))
            return false;
    }
    settle_text(d);
    return d->count > 0;
}

int scenario_dns(struct play *play, char *args)
{
    char name[SIM_NAME_MAX], type[8], security[16], rest[LINE_MAX_LEN];
    struct sim_dns *d;
    int used = 0;

    if (sscanf(args, "%299s %7s %15s %n", name, type, security, &used) != 3 || !type_of(type))
        return scenario_fail(play, "dns NAME TYPE ...");
    d = sim_world_dns(play->sim, name, type_of(type));
    args += used;
    if (strcmp(security, "timeout") == 0) {
        d->status = DNS_FAILED;
        d->delay_ms = 6000;
        snprintf(d->failure, sizeof d->failure, "timed out");
        return 0;
    }
    snprintf(rest, sizeof rest, " %s", args); /* a blank first: options may be all there is */
    take_options(rest, d);
    args = rest + strspn(rest, " ");
    if (strcmp(security, "failed") == 0) {
        d->status = DNS_FAILED;
        snprintf(d->failure, sizeof d->failure, "%s", args);
        return *args ? 0 : scenario_fail(play, "failed for what reason?");
    }
    if (strcmp(security, "secure") != 0 && strcmp(security, "insecure") != 0)
        return scenario_fail(play, "%s: secure, insecure, failed or timeout", security);
    d->security = security[0] == 's' ? DNS_SECURE : DNS_INSECURE;
    if (strcmp(args, "nodata") == 0 || strcmp(args, "nxdomain") == 0) {
        d->status = args[1] == 'o' ? DNS_NODATA : DNS_NXDOMAIN;
        return 0;
    }
    return read_records(d, args) ? 0 : scenario_fail(play, "bad records: %s", args);
}

static char *read_body(struct play *play)
{
    char *body = calloc(1, 1);
    size_t len = 0;
    const char *line;

    while (body != NULL && (line = scenario_indented(play)) != NULL) {
        char *more = realloc(body, len + strlen(line) + 3);
        if (more == NULL)
            exit(99);
        body = more;
        len += (size_t)sprintf(body + len, "%s\r\n", line);
    }
    return body;
}

int scenario_https(struct play *play, char *args)
{
    char domain[SIM_NAME_MAX], status[16];
    struct sim_https *h;
    char *delay;
    int used = 0;

    if (sscanf(args, "%299s %15s %n", domain, status, &used) != 2)
        return scenario_fail(play, "https DOMAIN STATUS ...");
    h = sim_world_https(play->sim, domain);
    args += used;
    delay = strstr(args, "delay=");
    if (delay != NULL) {
        h->delay_ms = atoll(delay + 6);
        *delay = '\0';
    }
    for (size_t len = strlen(args); len > 0 && args[len - 1] == ' '; len--)
        args[len - 1] = '\0';
    snprintf(h->failure, sizeof h->failure, "%s", args);
    if (strcmp(status, "ok") == 0) {
        h->status = FETCH_OK;
        h->body = read_body(play);
    } else if (strcmp(status, "refused") == 0) {
        h->status = FETCH_REFUSED;
    } else if (strcmp(status, "webpki") == 0) {
        h->status = FETCH_WEBPKI;
    } else if (strcmp(status, "failed") == 0) {
        h->status = FETCH_FAILED;
    } else if (strcmp(status, "local") == 0) {
        h->status = FETCH_LOCAL;
    } else {
        return scenario_fail(play, "%s: ok, refused, webpki, failed or local", status);
    }
    return 0;
}
