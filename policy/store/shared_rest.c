/*
 * The length of the last rest is kept: the next is twice as long.
 */
#include "store/shared_rest.h"

void shared_rest_begin(struct shared_rest *rest, int64_t now_ms)
{
    if (rest->length_ms == 0 || now_ms - rest->until_ms > SHARED_REST_FORGOTTEN_MS)
        rest->length_ms = SHARED_REST_MIN_MS;
    else if (rest->length_ms <= SHARED_REST_MAX_MS / 2)
        rest->length_ms *= 2;
    else
        rest->length_ms = SHARED_REST_MAX_MS;
    rest->until_ms = now_ms + rest->length_ms;
}
