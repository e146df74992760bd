/* Addresses of milters, socketmaps and LMTP servers as Postfix and sendmail write them. Pure. */
#ifndef MILTER_SETUP_SETUP_ADDRESS_H
#define MILTER_SETUP_SETUP_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

enum setup_kind { SETUP_MILTER, SETUP_SOCKETMAP, SETUP_LMTP };

struct setup_address {
    enum setup_kind kind;
    char path[256]; /* of a unix socket; relative to the queue directory without `/` in front */
    char host[256]; /* inet only, path is then "" */
    char port[32];
    char map[64];            /* of a socketmap */
    char default_action[32]; /* `{ address, default_action = ... }`, "" if not given */
};

/*
 * One item of smtpd_milters: unix:path, local:path, inet:host:port, inet6:..., with its settings in
 * braces or not. False if it is none of these.
 */
bool setup_address_milter(const char *item, struct setup_address *out);

/* socketmap:unix:path:map or socketmap:inet:host:port:map; false for other tables. */
bool setup_address_socketmap(const char *item, struct setup_address *out);

/* The next-hop of lmtp(8): unix:path, inet:host:port; false for a domain. */
bool setup_address_lmtp(const char *nexthop, struct setup_address *out);

/* As sendmail has it, in S= of a milter or as the text of a socketmap: local:/path,
 * unix:/path, inet:port@host. The map's name is not in it. */
bool setup_address_sendmail(enum setup_kind kind, const char *text, struct setup_address *out);

/* As this project's configuration has [milter] socket: unix:/path, inet:port@host. */
bool setup_address_own(const char *text, struct setup_address *out);

/*
 * The next item of a Postfix list at *cursor, which moves: items are separated by commas and white
 * space, but for those in braces. Returns false at the end; an item longer than `size` is cut.
 */
bool setup_list_next(const char **cursor, char *item, size_t size);

#endif
