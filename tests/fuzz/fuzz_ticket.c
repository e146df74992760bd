/*
 * Any octets as a ticket: the first line is the sender, the second the recipient, the rest the
 * field's value. Checked is that a ticket which is valid has no other text than the one that it is
 * written with; that of others nothing is told; and that a ticket made for the two addresses is
 * valid for them, but for no longer recipient, and with no other key.
 */
#include "ticket/ticket.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { NOW_S = 1764407000, LIFE_S = 86400 };

static const struct ticket_keys right = {.keys = {"0123456789abcdef0123456789abcde"}, .count = 1};
static const struct ticket_keys wrong = {.keys = {"0123456789abcdef0123456789abcdE"}, .count = 1};

static void promise(bool kept)
{
    if (!kept)
        abort();
}

/* Cuts the first line off, as a string. */
static char *take_line(char **rest)
{
    char *line = *rest, *end = strchr(line, '\n');

    *rest = end != NULL ? end + 1 : line + strlen(line);
    if (end != NULL)
        *end = '\0';
    return line;
}

static void check_value(const char *value, size_t len, const struct ticket_envelope *envelope)
{
    const struct ticket nothing = {.queue_id = ""};
    char again[TICKET_TEXT_MAX + 1];
    const char *found;
    struct ticket ticket;

    if (ticket_read(value, len, envelope, &right, NOW_S, LIFE_S, &ticket) != TICKET_VALID) {
        promise(memcmp(&ticket, &nothing, sizeof(ticket)) == 0);
        return;
    }
    promise(ticket_write(&ticket, envelope, &right, again) == 0);
    found = memmem(value, len, again, strlen(again));
    promise(found != NULL);
    for (const char *p = value; p < value + len; p++)
        promise((p >= found && p < found + strlen(again)) || strchr(" \t\r\n", *p) != NULL);
    promise(ticket_read(value, len, envelope, &wrong, NOW_S, LIFE_S, &ticket) == TICKET_FORGED);
}

static void check_envelope(const struct ticket_envelope *envelope)
{
    struct ticket ticket = {.queue_id = "4bXYZ", .nexthop = "example.org", .made_at_s = NOW_S};
    char text[TICKET_TEXT_MAX + 1], *longer;
    struct ticket_envelope other = *envelope;
    size_t len = strlen(envelope->recipient);
    struct ticket out;

    if (ticket_write(&ticket, envelope, &right, text) != 0)
        return;
    promise(ticket_read(text, strlen(text), envelope, &right, NOW_S, LIFE_S, &out) == TICKET_VALID);
    promise(ticket_read(text, strlen(text), envelope, &wrong, NOW_S, LIFE_S, &out) ==
            TICKET_FORGED);
    longer = malloc(len + 2);
    promise(longer != NULL);
    memcpy(longer, envelope->recipient, len);
    strcpy(longer + len, "x");
    other.recipient = longer;
    promise(ticket_read(text, strlen(text), &other, &right, NOW_S, LIFE_S, &out) == TICKET_FORGED);
    free(longer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = malloc(len + 1), *rest = text;
    struct ticket_envelope envelope;

    promise(text != NULL);
    memcpy(text, data, len);
    text[len] = '\0';
    envelope.sender = take_line(&rest);
    envelope.recipient = take_line(&rest);
    check_value(rest, len - (size_t)(rest - text), &envelope);
    check_envelope(&envelope);
    free(text);
    return 0;
}
