/*
 * Any octets as what a socketmap client sends: framing and requests, as socketmap_conn.c reads
 * them. Checked are the bounds, and that a frame does not depend on how its octets arrive.
 */
#include "base/netstring.h"
#include "serve/socketmap_request.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void promise(bool kept)
{
    if (!kept)
        abort();
}

static void check_request(const char *data, size_t len)
{
    struct socketmap_request request;
    char text[4096];
    socketmap_request_parse(data, len, &request);
    promise((unsigned)request.command < SOCKETMAP_COMMANDS);
    promise((unsigned)request.map < ANSWER_MAPS);
    switch (request.command) {
    case SOCKETMAP_ANSWER:
    case SOCKETMAP_JSON:
    case SOCKETMAP_PURGE: {
        /* The next-hop is canonical: parsing its text gives it again. */
        struct nexthop again;
        promise(nexthop_parse(request.nexthop.text, &again) == 0);
        promise(strcmp(again.text, request.nexthop.text) == 0);
        for (const char *c = again.text; *c; c++)
            promise(*c > 0x20 && *c < 0x7f);
        break;
    }
    case SOCKETMAP_NO_KEY:
        /* What demands something of a next-hop demands it of such a key too. */
        promise((answer_no_nexthop(request.map, text, sizeof(text)) == ANSWER_OK) ==
                (request.map == ANSWER_ENFORCE || request.map == ANSWER_ENFORCE_PKI ||
                 request.map == ANSWER_OPPORTUNISTIC_STARTTLS || request.map == ANSWER_REQUIRETLS));
        break;
    case SOCKETMAP_DUMP:
    case SOCKETMAP_STATUS:
    case SOCKETMAP_NOTHING:
    case SOCKETMAP_UNKNOWN:
    case SOCKETMAP_COMMANDS:
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
    const char *data = (const char *)octets;
    size_t at = 0;
    while (at < len) {
        const char *frame, *early;
        size_t frame_len, used, early_len, early_used;
        enum netstring_result result =
            netstring_read(data + at, len - at, SOCKETMAP_REQUEST_MAX, &frame, &frame_len, &used);
        if (result != NETSTRING_OK)
            break;
        promise(frame_len <= SOCKETMAP_REQUEST_MAX && used <= len - at);
        promise(frame > data + at && frame + frame_len + 1 == data + at + used);
        for (size_t i = 0; i < used; i++)
            promise(netstring_read(data + at, i, SOCKETMAP_REQUEST_MAX, &early, &early_len,
                                   &early_used) == NETSTRING_MORE);
        check_request(frame, frame_len);
        at += used;
    }
    /* The rest without frame, so that requests are reached without a right length. */
    if (len - at <= SOCKETMAP_REQUEST_MAX)
        check_request(data + at, len - at);
    return 0;
}
