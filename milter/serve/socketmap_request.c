/*
 * Socketmap requests as Postfix (socketmap_table(5)) and sendmail (socket map) send them: a map
 * name, one blank, a key. Keys of Postfix are next-hops and, for plain domains, their parents with
 * a dot before them; keys of sendmail are domains (FEATURE(`sts')), next-hops that may end with a
 * dot (etc/sendmail) or addresses behind a word (access_db).
 */
#include "serve/socketmap_request.h"

#include <string.h>
#include <strings.h>

/*
 * sendmail asks the access map for many things; only the requirement for a recipient, by its whole
 * address, is ours. It asks for parent domains as well when that is not found: they must not be
 * answered, since subdomains inherit nothing.
 */
static char *access_domain(char *key)
{
    static const char prefix[] = "TLS_Rcpt:";
    size_t prefix_len = sizeof(prefix) - 1;
    if (strncasecmp(key, prefix, prefix_len) != 0)
        return NULL;
    char *at = strrchr(key + prefix_len, '@');
    return at != NULL && at > key + prefix_len && at[1] != '\0' ? at + 1 : NULL;
}

static void parse_key(char *key, struct socketmap_request *out)
{
    if (out->map == ANSWER_ACCESS) {
        key = access_domain(key);
        if (key == NULL) {
            out->command = SOCKETMAP_NOTHING;
            return;
        }
    }
    if (key[0] == '.') {
        /* Nobody asks enforce_pki for parents: there it is no next-hop. */
        out->command = out->map == ANSWER_ENFORCE_PKI ? SOCKETMAP_NO_KEY : SOCKETMAP_NOTHING;
        return;
    }
    if (nexthop_parse(key, &out->nexthop) < 0)
        out->command = SOCKETMAP_NO_KEY;
}

static enum socketmap_command command_of(const char *name, size_t len, enum answer_map *map)
{
    static const struct {
        const char *name;
        enum socketmap_command command;
    } commands[] = {{"JSON", SOCKETMAP_JSON},
                    {"PURGE", SOCKETMAP_PURGE},
                    {"DUMP", SOCKETMAP_DUMP},
                    {"STATUS", SOCKETMAP_STATUS}};
    if (answer_map_parse(name, len, map) == 0)
        return SOCKETMAP_ANSWER;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strlen(commands[i].name) == len && strncasecmp(commands[i].name, name, len) == 0)
            return commands[i].command;
    }
    return SOCKETMAP_UNKNOWN;
}

void socketmap_request_parse(const char *data, size_t len, struct socketmap_request *out)
{
    char key[SOCKETMAP_REQUEST_MAX + 1];
    const char *blank = memchr(data, ' ', len);
    size_t name_len = blank != NULL ? (size_t)(blank - data) : len;
    size_t key_len = blank != NULL ? len - name_len - 1 : 0;
    out->map = ANSWER_QUERY; /* the next-hop is set where the command has one */
    out->command = command_of(data, name_len, &out->map);
    if (out->command == SOCKETMAP_UNKNOWN || out->command == SOCKETMAP_DUMP ||
        out->command == SOCKETMAP_STATUS)
        return;
    if (key_len > SOCKETMAP_REQUEST_MAX || memchr(data, '\0', len) != NULL) {
        out->command = SOCKETMAP_NO_KEY;
        return;
    }
    if (key_len > 0)
        memcpy(key, blank + 1, key_len);
    key[key_len] = '\0';
    parse_key(key, out);
}
