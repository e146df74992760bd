/*
 * What the owner of a shared cache's configuration and metrics needs of it: the keys of the MACs of
 * its rows, and why a row is rejected. What hosts share, and under which rules, is store/'s and
 * lookup/'s.
 */
#ifndef POLICY_SHARED_CACHE_H
#define POLICY_SHARED_CACHE_H

#include <stddef.h>
#include <stdint.h>

enum {
    SHARED_MAC_KEYS_MAX = 8,
    SHARED_MAC_KEY_MIN = 32, /* octets of a key: RFC 2104 section 3, the output of the hash */
    SHARED_MAC_KEY_MAX = 256,
};

/* Keys, the first of which signs; all of them verify (HMAC-SHA-256, RFC 2104). Its owner overwrites
 * it after use. */
struct shared_mac_keys {
    uint8_t keys[SHARED_MAC_KEYS_MAX][SHARED_MAC_KEY_MAX];
    size_t lens[SHARED_MAC_KEYS_MAX];
    size_t count; /* 0: nothing can be signed, and nothing verifies */
};

/* Why a row that a server of the shared cache had is not used. In the order of the checks: before
 * the MAC is right anybody who can write to the server may be the cause, after it only a host that
 * has a key, or one that replays what such a host wrote. */
enum shared_reject {
    SHARED_OK, /* it is used: no reason */
    SHARED_REJECT_TOO_LARGE,
    SHARED_REJECT_TRUNCATED, /* it is not as long as it says */
    SHARED_REJECT_VERSION,   /* no row, or one that another version of this program wrote */
    SHARED_REJECT_MAC,       /* no key gives its MAC under this row key */
    SHARED_REJECT_KIND,      /* of another kind than is asked for */
    SHARED_REJECT_EXPIRED,
    SHARED_REJECT_FUTURE,  /* written, or fetched, more than 300 s after now */
    SHARED_REJECT_CONTENT, /* what it holds is not what a row of its kind holds */
    SHARED_REJECT_MEMORY,  /* there was no memory to check it */
    SHARED_REJECTS
};

/* The value of a metric's label: "too_large", "mac", ...; "ok" for none. Any thread. */
const char *shared_reject_name(enum shared_reject reject);

#endif
