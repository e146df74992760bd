#include "dns_asm.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct asm_out {
    uint8_t *out;
    size_t len, max;
};

static void die(const char *what, const char *token)
{
    fprintf(stderr, "dns_asm: %s: %s\n", what, token);
    abort();
}

static void put(struct asm_out *o, const void *data, size_t len)
{
    if (len > o->max - o->len)
        die("message too long", "");
    memcpy(o->out + o->len, data, len);
    o->len += len;
}

static void put_number(struct asm_out *o, unsigned long value, int octets)
{
    while (octets-- > 0) {
        uint8_t octet = (uint8_t)(value >> (8 * octets));

        put(o, &octet, 1);
    }
}

static void put_name(struct asm_out *o, const char *token)
{
    while (*token != '\0' && strcmp(token, ".") != 0) {
        size_t len = strcspn(token, ".");

        put_number(o, len, 1);
        put(o, token, len);
        token += len;
        if (*token == '.')
            token++;
    }
    put_number(o, 0, 1);
}

static void put_hex(struct asm_out *o, const char *token)
{
    const char *times = strchr(token, '*');
    size_t digits = times != NULL ? (size_t)(times - token) : strlen(token);
    unsigned long repeat = times != NULL ? strtoul(times + 1, NULL, 10) : 1;

    if (digits % 2 != 0 || digits != strspn(token, "0123456789abcdefABCDEF"))
        die("no such token", token);
    while (repeat-- > 0) {
        for (size_t i = 0; i < digits; i += 2) {
            char octet[3] = {token[i], token[i + 1], '\0'};

            put_number(o, strtoul(octet, NULL, 16), 1);
        }
    }
}

static int type_number(const char *token)
{
    static const struct {
        const char *name;
        int number;
    } types[] = {
        {"A", 1},     {"NS", 2},     {"CNAME", 5}, {"SOA", 6},    {"MX", 15},   {"TXT", 16},
        {"AAAA", 28}, {"DNAME", 39}, {"OPT", 41},  {"RRSIG", 46}, {"TLSA", 52}, {"IN", 1},
    };

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i].name, token) == 0)
            return types[i].number;
    }
    return -1;
}

size_t dns_asm(const char *text, uint8_t *out, size_t out_len)
{
    struct asm_out o = {.out = out, .max = out_len};
    size_t rdata_at = 0;

    while (*(text += strspn(text, " \n")) != '\0') {
        char token[1024];
        size_t len = strcspn(text, " \n");

        if (len >= sizeof(token))
            die("token too long", text);
        memcpy(token, text, len);
        token[len] = '\0';
        text += len;
        if (strcmp(token, "{") == 0) {
            rdata_at = o.len;
            put_number(&o, 0, 2);
        } else if (strcmp(token, "}") == 0) {
            size_t rdata_len = o.len - rdata_at - 2;

            out[rdata_at] = (uint8_t)(rdata_len >> 8);
            out[rdata_at + 1] = (uint8_t)rdata_len;
        } else if (token[0] == '"') {
            put_number(&o, len - 2, 1);
            put(&o, token + 1, len - 2);
        } else if (strncmp(token, "##", 2) == 0) {
            put_number(&o, strtoul(token + 2, NULL, 10), 4);
        } else if (token[0] == '#') {
            put_number(&o, strtoul(token + 1, NULL, 10), 2);
        } else if (token[0] == '@') {
            put_number(&o, 0xc000 | strtoul(token + 1, NULL, 10), 2);
        } else if (token[len - 1] == '.') {
            put_name(&o, token);
        } else if (type_number(token) >= 0) {
            put_number(&o, (unsigned long)type_number(token), 2);
        } else {
            put_hex(&o, token);
        }
    }
    return o.len;
}
