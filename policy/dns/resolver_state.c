/*
 * What all files of the resolver use of its state: its event for work, its log, and random numbers
 * for jitter.
 */
#include "dns/resolver_internal.h"

#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>

uint32_t resolver_random(uint32_t below)
{
    uint32_t number = 0;

    RAND_bytes((unsigned char *)&number, sizeof(number)); /* of a failure only jitter suffers */
    return below > 0 ? number % below : 0;
}

void resolver_log(const struct resolver *r, int priority, const char *format, ...)
{
    char message[1024];
    va_list args;

    if (r->settings.log == NULL)
        return;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    r->settings.log(r->settings.log_arg, priority, message);
}

void resolver_wake(struct resolver *r)
{
    event_active(&r->work, EV_TIMEOUT, 0);
}
