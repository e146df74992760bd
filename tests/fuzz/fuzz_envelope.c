/*
 * Any octets as what an MTA says of a recipient: three strings, parted by zero octets, are the
 * address, {rcpt_host} and {rcpt_mailer}. Checked are the promises of envelope.h, nexthop.h and
 * mailbox.h: next-hops are canonical and plain addresses are what an MTA cannot read otherwise.
 */
#include "decide/envelope.h"
#include "decide/mailbox.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { STRINGS = 3 };

static void promise(bool kept)
{
    if (!kept)
        abort();
}

static void check_nexthop(const struct nexthop *nexthop)
{
    struct nexthop again;

    promise(strlen(nexthop->name) <= NEXTHOP_NAME_MAX && nexthop->name[0] != '\0');
    promise(nexthop->kind <= NEXTHOP_LITERAL);
    for (const char *c = nexthop->text; *c != '\0'; c++)
        promise(*c > 0x20 && *c < 0x7f && (*c < 'A' || *c > 'Z' || nexthop->text[0] == '['));
    promise(nexthop_parse(nexthop->text, &again) == 0);
    promise(strcmp(again.text, nexthop->text) == 0 && again.port == nexthop->port &&
            again.kind == nexthop->kind && strcmp(again.name, nexthop->name) == 0);
}

static void check_mailbox(const char *address, const char *resolved)
{
    char out[200];
    const char *meant = mailbox_meant(address, resolved);

    promise(meant == address || meant == resolved);
    promise(mailbox_meant(address, NULL) == address);
    if (mailbox_is_plain(address)) {
        promise(strchr(address, '@') != NULL);
        promise(strpbrk(address, "\r\n") == NULL);
    }
    if (mailbox_qualify(address, resolved, "mx.example.org", out, sizeof(out)))
        promise(mailbox_is_plain(out));
    else
        promise(out[0] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char tag[] = "requiretls.invalid";
    char *copy = malloc(len + STRINGS), *strings[STRINGS];
    struct envelope_address address;
    struct envelope_nexthops nexthops;
    struct nexthop nexthop;
    size_t at = 0;

    if (copy == NULL)
        return 0;
    if (len > 0)
        memcpy(copy, data, len);
    memset(copy + len, 0, STRINGS);
    for (size_t i = 0; i < STRINGS; i++) {
        strings[i] = copy + at;
        at += strlen(strings[i]) + (at + strlen(strings[i]) < len + STRINGS - 1);
    }
    if (envelope_parse(strings[0], &address) == 0) {
        promise(strlen(address.text) <= ENVELOPE_ADDRESS_MAX);
        promise(address.domain == NULL ||
                (address.domain > address.text && address.domain[-1] == '@' &&
                 address.domain <= address.text + strlen(address.text)));
        check_mailbox(address.text, strings[1]);
        envelope_is_tagged(address.domain, tag);
        int error = envelope_nexthops(address.domain, strings[1], strings[2], &nexthops);
        promise(nexthops.count <= ENVELOPE_NEXTHOPS_MAX && (error == 0) == (nexthops.count > 0));
        for (size_t i = 0; i < nexthops.count; i++)
            check_nexthop(&nexthops.items[i]);
    }
    if (nexthop_parse(strings[1], &nexthop) == 0)
        check_nexthop(&nexthop);
    if (nexthop_from_domain(strings[2], &nexthop) == 0) {
        check_nexthop(&nexthop);
        promise(nexthop.port == NEXTHOP_PORT_DEFAULT);
    }
    free(copy);
    return 0;
}
