/*
 * Any text as a server of the shared cache in the configuration. Checked is that what is accepted
 * is either a host with a port or a path, all of it within its bounds, and that what is refused is
 * refused for a reason that has nothing of a URL with a password.
 */
#include "store/shared_url.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void promise(bool kept)
{
    if (!kept)
        abort();
}

static void check_url(const struct shared_url *url, const char *text)
{
    bool has_host = url->host[0] != '\0';
    int port = atoi(url->port);

    promise(strcmp(url->text, text) == 0);
    promise(has_host != (url->path[0] == '/'));
    promise(has_host ? port > 0 && port <= 65535 : url->port[0] == '\0');
    promise(url->db <= SHARED_DB_MAX);
    promise(!has_host || strchr(text, '@') == NULL);
    promise(strlen(url->host) <= SHARED_HOST_MAX && strpbrk(url->host, "/@ \t[]") == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = malloc(len + 1), err[100] = "";
    struct shared_url url;

    promise(text != NULL);
    memcpy(text, data, len);
    text[len] = '\0';
    if (shared_url_parse(text, &url, err, sizeof(err)) == 0)
        check_url(&url, text);
    else
        promise(err[0] != '\0' && strchr(err, '@') == NULL);
    free(text);
    return 0;
}
