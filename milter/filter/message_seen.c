/*
 * What this host is to recognise: reinjected messages, by their listener; and by their queue ids
 * those that bounce, and those that were reinjected though no rule expects them.
 */
#include "filter/message_internal.h"

#include "decide/rules_match.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

bool message_is_from_loopback(const struct message *m)
{
    const struct sockaddr *address = m->client.address;

    if (address != NULL && address->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, address, sizeof(in));
        return ntohl(in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    if (address != NULL && address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, address, sizeof(in6));
        return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr) &&
                in6.sin6_addr.s6_addr[12] == IN_LOOPBACKNET);
    }
    return false;
}

/* A rule for the listener that reinjects does not count: it is for one that comes before,
 * as behind a content filter. */
bool message_is_by_exit_listener(const struct message *m)
{
    if (!m->loopback || m->client.daemon == NULL)
        return false;
    for (size_t i = 0; i < m->config->rule_count; i++) {
        const struct config_rule *rule = &m->config->rules[i];

        if (rule->route != NULL && !config_route_reinjects(rule->route) &&
            rules_names_daemon(rule, m->client.daemon))
            return true;
    }
    return false;
}

bool message_was_reinjected(const struct message *m, const char *value)
{
    static const char blanks[] = " \t\r\n";
    char key[SEEN_IDS_LEN_MAX + 1];
    bool is_id = false;

    for (value += strspn(value, blanks); *value != '\0'; value += strspn(value, blanks)) {
        size_t len = strcspn(value, " \t\r\n;");

        if (is_id) {
            snprintf(key, sizeof(key), ">%.*s", (int)(len < 64 ? len : 64), value);
            return seen_ids_contains(runtime_seen_ids(m->runtime), key);
        }
        is_id = len == 2 && strncasecmp(value, "id", 2) == 0;
        value += len > 0 ? len : 1;
    }
    return false;
}

/* What the disk has not taken by then is left to it: mail does not wait for a slow one. */
enum { KEPT_MS = 100 };

void message_remember_early(const struct message *m, const char *queue_id)
{
    for (size_t i = 0; queue_id != NULL && i < m->recipient_count; i++) {
        if (m->recipients[i].asked.request == DECIDE_REQUEST_REQUIRE) {
            seen_ids_add(runtime_seen_ids(m->runtime), queue_id);
            return;
        }
    }
}

void message_remember(const struct message *m, const char *queue_id, bool require)
{
    struct seen_ids *seen = runtime_seen_ids(m->runtime);

    if (queue_id == NULL)
        return;
    if (!require) {
        seen_ids_remove(seen, queue_id);
        return;
    }
    seen_ids_add(seen, queue_id);
    (void)seen_ids_wait_kept(seen, queue_id, KEPT_MS);
}

void message_remember_reinjected(const struct message *m, const char *queue_id)
{
    char key[SEEN_IDS_LEN_MAX + 2];

    snprintf(key, sizeof(key), ">%s", queue_id != NULL ? queue_id : "");
    seen_ids_add(runtime_seen_ids(m->runtime), key);
}
