/*
 * A server of the shared cache as the configuration writes it (policy/shared_server.h). Pure.
 */
#ifndef POLICY_STORE_SHARED_URL_H
#define POLICY_STORE_SHARED_URL_H

#include <stddef.h>
#include <sys/un.h>

enum {
    SHARED_HOST_MAX = 253, /* octets of a name: RFC 1035 section 2.3.4 */
    SHARED_DB_MAX = 9999,
    SHARED_URL_MAX = 300, /* octets of the text */
};

struct shared_url {
    char text[SHARED_URL_MAX + 1];  /* as configured, for people */
    char host[SHARED_HOST_MAX + 1]; /* a name or an address without brackets; "": `path` counts */
    char port[6];                   /* decimal */
    unsigned db;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* Returns 0; or -EINVAL with a message in err, which does not repeat a password. */
int shared_url_parse(const char *text, struct shared_url *out, char *err, size_t err_size);

#endif
