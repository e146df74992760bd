/*
 * The queue ids of messages that this host is to know again: when they bounce, and when a second
 * smtpd brings them back.
 */
#include "message_internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

bool message_has_been_here(const struct message *m, const char *value)
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

void message_remember(const struct message *m, const char *queue_id, bool require)
{
    struct seen_ids *seen = runtime_seen_ids(m->runtime);

    if (queue_id == NULL)
        return;
    if (require)
        seen_ids_add(seen, queue_id);
    else
        seen_ids_remove(seen, queue_id);
}

void message_remember_reinjected(const struct message *m, const char *queue_id)
{
    char key[SEEN_IDS_LEN_MAX + 2];

    snprintf(key, sizeof(key), ">%s", queue_id != NULL ? queue_id : "");
    seen_ids_add(runtime_seen_ids(m->runtime), key);
}
