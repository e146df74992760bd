/*
 * delivery_connect: what is wanted of the connection of an attempt, from the facts of its delivery;
 * delivery_source: the address that it comes from.
 */
#include "deliver/delivery_attempt_internal.h"

#include "policy/clock.h"

#include <arpa/inet.h>
#include <errno.h>

/* RFC 5321 section 4.5.3.2.4 */
enum { DATA_BEGIN_MS = 2 * 60 * 1000 };

const struct sockaddr *delivery_source(const struct config_list *source, bool ipv6,
                                       struct sockaddr_storage *out)
{
    struct delivery_target own = {.ipv6 = ipv6};

    for (size_t i = 0; source != NULL && i < source->count; i++) {
        if (inet_pton(ipv6 ? AF_INET6 : AF_INET, source->items[i], own.address) == 1) {
            delivery_target_sockaddr(&own, 0, out);
            return (const struct sockaddr *)out;
        }
    }
    return NULL;
}

int delivery_connect(struct delivery_attempt *attempt, bool fresh, smtp_turn_fn on_turn)
{
    const struct delivery_attempt_facts *facts = attempt->facts;
    const struct config_deliver *deliver = &facts->config->deliver;
    struct sockaddr_storage source;
    const struct agent_connection_wish wish = {
        .demands = facts->demands,
        .findings = facts->findings,
        .plan = facts->plan,
        .target = &attempt->target,
        .port = facts->port,
        .helo_name = facts->treatment->helo_name,
        .source = delivery_source(facts->treatment->source, attempt->target.ipv6, &source),
        .user = facts->user,
        .password = facts->password,
        .plaintext = attempt->plaintext,
        .fresh = fresh,
        .wait = attempt->wait,
        .per_host = deliver->per_host,
        .reuse = deliver->reuse,
        .idle_ms = deliver->idle_ms,
        .timeouts = {.connect_ms = deliver->connect_timeout_ms,
                     .greeting_ms = deliver->command_timeout_ms,
                     .command_ms = deliver->command_timeout_ms,
                     .tls_ms = deliver->command_timeout_ms,
                     .data_begin_ms = deliver->command_timeout_ms < DATA_BEGIN_MS
                                          ? deliver->command_timeout_ms
                                          : DATA_BEGIN_MS,
                     .data_end_ms = deliver->data_timeout_ms},
        .limit_ms = facts->setup_deadline_ms - clock_awake_ms(),
        .on_turn = on_turn,
        .arg = attempt,
    };

    attempt->told = false;
    attempt->noted = false;
    if (wish.limit_ms <= 0)
        return -ETIMEDOUT;
    return agent_connection_take(facts->connections, &wish, &attempt->connection, &attempt->reused);
}
