/*
 * agent_connection_take looks for a kept connection with the key of what is wanted, and makes one
 * if there is none. The key is a text that holds all that was demanded of the connection, so two
 * wishes share one only if neither would be given less than it asks for. While a connection is
 * kept, its turns come to on_turn_while_kept here; it ends when its time is over, by a QUIT that is
 * not waited for, or when the server closes it.
 *
 * Where there is no room for a connection others wait in the line of agent_limits.h: one of them is
 * woken when a connection is kept or dropped, and when another has left the line and there is room
 * for more. Until it has tried nobody who comes later is given a connection to that address.
 */
#include "deliver/agent_connections.h"

#include "deliver/agent_connection_key.h"
#include "deliver/agent_demand.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <openssl/crypto.h>

/* Kept ones at most; then the one that was kept for longest makes room. */
enum { KEPT_MAX = 500 };

struct agent_connection {
    TAILQ_ENTRY(agent_connection) link; /* of the kept ones */
    struct agent_connections *all;
    bool is_kept;
    char *key; /* NULL: it is never kept */
    size_t key_len;
    char endpoint[DELIVERY_ENDPOINT_MAX];
    struct smtp_transport *transport;
    struct treatment_demands demands; /* that `demand` may refer to */
    struct treatment_connection demand;
    const struct findings *findings; /* with a reference: the demand's records are theirs */
    enum metrics_connection state;
    unsigned messages, messages_max;
    int64_t idle_ms;
    struct event *on_idle;
};

TAILQ_HEAD(kept, agent_connection);

struct agent_connections {
    struct agent_connections_config config;
    struct kept kept; /* the longest kept first */
    size_t kept_count;
};

struct agent_connections *agent_connections_new(const struct agent_connections_config *config)
{
    struct agent_connections *all = calloc(1, sizeof(*all));

    if (all == NULL)
        return NULL;
    all->config = *config;
    TAILQ_INIT(&all->kept);
    return all;
}

void agent_connections_flush(struct agent_connections *all)
{
    struct agent_connection *connection;

    while ((connection = TAILQ_FIRST(&all->kept)) != NULL)
        agent_connection_drop(connection);
}

void agent_connections_free(struct agent_connections *all)
{
    if (all == NULL)
        return;
    agent_connections_flush(all);
    free(all);
}

static void move(struct agent_connection *connection, enum metrics_connection to)
{
    if (to == connection->state)
        return;
    metrics_connection_moved(connection->all->config.metrics, connection->state, to);
    connection->state = to;
}

static void unkeep(struct agent_connection *connection)
{
    if (!connection->is_kept)
        return;
    connection->is_kept = false;
    TAILQ_REMOVE(&connection->all->kept, connection, link);
    connection->all->kept_count--;
    event_del(connection->on_idle);
}

/* Its slot is free then; nobody is woken. */
static void destroy(struct agent_connection *connection)
{
    unkeep(connection);
    move(connection, METRICS_CONNECTION_NONE);
    if (connection->transport != NULL)
        smtp_transport_free(connection->transport);
    if (connection->on_idle != NULL)
        event_free(connection->on_idle);
    agent_limits_release(connection->all->config.limits, AGENT_LIMITS_ADDRESS,
                         connection->endpoint);
    if (connection->key != NULL)
        OPENSSL_clear_free(connection->key, connection->key_len + 1); /* a password is in it */
    findings_unref(connection->findings);
    free(connection);
}

void agent_connection_drop(struct agent_connection *connection)
{
    char endpoint[DELIVERY_ENDPOINT_MAX];
    struct agent_limits *limits;

    if (connection == NULL)
        return;
    limits = connection->all->config.limits;
    memcpy(endpoint, connection->endpoint, sizeof(endpoint));
    destroy(connection);
    agent_limits_wake(limits, AGENT_LIMITS_ADDRESS, endpoint);
}

/* ---- New ones ---- */

/* event_callback_fn */
static void on_idle(evutil_socket_t fd, short what, void *arg)
{
    struct agent_connection *connection = arg;
    (void)fd;
    (void)what;

    smtp_session_quit(smtp_transport_session(connection->transport));
    smtp_transport_close(connection->transport);
    agent_connection_drop(connection);
}

static int begin(struct agent_connection *connection, const struct agent_connection_wish *wish)
{
    const struct agent_connections_config *config = &connection->all->config;
    const struct treatment_connection *demand = &connection->demand;
    struct sockaddr_storage address;
    struct smtp_transport_config transport = {
        .base = config->base,
        .address = (const struct sockaddr *)&address,
        .source = wish->source,
        .smtp = {.helo_name = wish->helo_name,
                 .tls = demand->smtp_tls,
                 .requiretls = demand->requiretls,
                 .user = wish->user,
                 .password = wish->password},
        .tls_client = config->tls_client,
        .demand = &demand->tls,
        .timeouts = wish->timeouts,
        .limit_ms = wish->limit_ms,
        .on_turn = wish->on_turn,
        .arg = wish->arg,
    };

    delivery_target_sockaddr(wish->target, wish->port, &address);
    connection->on_idle = evtimer_new(config->base, on_idle, connection);
    if (connection->on_idle == NULL)
        return -ENOMEM;
    return smtp_transport_new(&transport, &connection->transport);
}

static struct agent_connection *find_kept(struct agent_connections *all, const char *endpoint,
                                          const char *key)
{
    struct agent_connection *connection;

    /* The last one kept is the least likely to have been closed meanwhile. */
    TAILQ_FOREACH_REVERSE(connection, &all->kept, kept, link)
    {
        if (strcmp(connection->endpoint, endpoint) == 0 &&
            (key == NULL || strcmp(connection->key, key) == 0))
            break;
    }
    return connection;
}

/* One more connection to the address, where need be in the place of one that is kept for others. */
static int take_slot(struct agent_connections *all, const char *endpoint, unsigned per_host)
{
    int error = agent_limits_take(all->config.limits, AGENT_LIMITS_ADDRESS, endpoint, per_host);
    struct agent_connection *other = error == -EBUSY ? find_kept(all, endpoint, NULL) : NULL;

    if (other == NULL)
        return error;
    destroy(other);
    return agent_limits_take(all->config.limits, AGENT_LIMITS_ADDRESS, endpoint, per_host);
}

/* Those who wait come first. */
static bool is_in_turn(const struct agent_connections *all,
                       const struct agent_connection_wish *wish, const char *endpoint)
{
    return wish->fresh || (wish->wait != NULL && wish->wait->woken) ||
           !agent_limits_has_line(all->config.limits, AGENT_LIMITS_ADDRESS, endpoint);
}

/* Frees what has no slot yet. */
static void discard(struct agent_connection *connection)
{
    findings_unref(connection->findings);
    if (connection->key != NULL)
        OPENSSL_clear_free(connection->key, connection->key_len + 1);
    free(connection);
}

static void take_kept(struct agent_connection *kept, const struct agent_connection_wish *wish)
{
    unkeep(kept);
    move(kept, METRICS_CONNECTION_SETUP);
    smtp_transport_owner(kept->transport, wish->on_turn, wish->arg);
    smtp_transport_limit(kept->transport, wish->limit_ms);
}

static struct agent_connection *candidate_new(struct agent_connections *all,
                                              const struct agent_connection_wish *wish, int *error)
{
    struct agent_connection *connection = calloc(1, sizeof(*connection));

    *error = -ENOMEM;
    if (connection == NULL)
        return NULL;
    connection->all = all;
    connection->state = METRICS_CONNECTION_NONE;
    connection->messages_max = wish->reuse;
    connection->idle_ms = wish->idle_ms;
    delivery_target_endpoint(wish->target, wish->port, connection->endpoint);
    connection->demands = *wish->demands;
    connection->findings = findings_ref(wish->findings);
    *error = agent_demand(wish, &connection->demands, &connection->demand);
    if (*error == 0)
        *error = agent_connection_key(wish, &connection->demand, connection->endpoint,
                                      ca_store_generation(all->config.ca_store), &connection->key,
                                      &connection->key_len);
    if (*error == 0)
        return connection;
    discard(connection);
    return NULL;
}

int agent_connection_take(struct agent_connections *all, const struct agent_connection_wish *wish,
                          struct agent_connection **out, bool *reused)
{
    struct agent_connection *connection, *kept;
    int error;

    *reused = false;
    ca_store_refresh(all->config.ca_store);
    connection = candidate_new(all, wish, &error);
    if (connection == NULL)
        return error;
    if (!is_in_turn(all, wish, connection->endpoint)) {
        discard(connection);
        return -EBUSY;
    }
    if (wish->wait != NULL)
        wish->wait->woken = false;
    kept = wish->fresh ? NULL : find_kept(all, connection->endpoint, connection->key);
    if (kept == NULL)
        error = take_slot(all, connection->endpoint, wish->per_host);
    if (kept != NULL || error != 0) {
        discard(connection);
        if (kept == NULL)
            return error;
        take_kept(kept, wish);
        *reused = true;
        *out = kept;
        return 0;
    }
    error = begin(connection, wish);
    if (error != 0) {
        agent_connection_drop(connection);
        return error;
    }
    move(connection, METRICS_CONNECTION_SETUP);
    *out = connection;
    return 0;
}

/* ---- Those who wait for one ---- */

static void wake_if_room(struct agent_connections *all, const char *endpoint, unsigned per_host)
{
    if (agent_limits_taken(all->config.limits, AGENT_LIMITS_ADDRESS, endpoint) < per_host ||
        find_kept(all, endpoint, NULL) != NULL)
        agent_limits_wake(all->config.limits, AGENT_LIMITS_ADDRESS, endpoint);
}

int agent_connections_wait(struct agent_connections *all, const struct delivery_target *target,
                           uint16_t port, unsigned per_host, struct agent_limits_wait *wait)
{
    char endpoint[DELIVERY_ENDPOINT_MAX];
    int error;

    delivery_target_endpoint(target, port, endpoint);
    error = agent_limits_join(all->config.limits, AGENT_LIMITS_ADDRESS, endpoint, wait);
    if (error == 0)
        wake_if_room(all, endpoint, per_host);
    return error;
}

void agent_connections_leave(struct agent_connections *all, unsigned per_host,
                             struct agent_limits_wait *wait)
{
    char endpoint[DELIVERY_ENDPOINT_MAX];

    if (wait->entry == NULL)
        return;
    snprintf(endpoint, sizeof(endpoint), "%s", agent_limits_name(wait));
    agent_limits_leave(all->config.limits, wait);
    wake_if_room(all, endpoint, per_host);
}

/* ---- Those that are there ---- */

/* smtp_turn_fn */
static void on_turn_while_kept(struct smtp_transport *transport, enum smtp_turn turn, void *arg)
{
    (void)transport;

    if (turn == SMTP_TURN_OVER)
        agent_connection_drop(arg);
}

bool agent_connection_allows(const struct agent_connection *connection)
{
    const struct tls_peer *peer = smtp_transport_peer(connection->transport);
    bool has_tls = smtp_session_has_tls(smtp_transport_session(connection->transport));

    if (has_tls)
        return peer != NULL && peer->established && peer->met;
    return connection->demand.tls.kind == TLS_DEMAND_MAY &&
           connection->demand.smtp_tls != SMTP_TLS_REQUIRED && !connection->demand.requiretls;
}

static bool may_be_kept(const struct agent_connection *connection)
{
    const struct smtp_session *session = smtp_transport_session(connection->transport);

    return connection->idle_ms > 0 && connection->messages < connection->messages_max &&
           smtp_session_outcome(session) == SMTP_OUTCOME_NONE &&
           smtp_session_state(session) == SMTP_STATE_READY && smtp_session_has_tls(session) &&
           agent_connection_allows(connection);
}

static void make_room(struct agent_connections *all)
{
    if (all->kept_count >= KEPT_MAX)
        agent_connection_drop(TAILQ_FIRST(&all->kept));
}

void agent_connection_keep(struct agent_connection *connection)
{
    struct agent_connections *all = connection->all;
    struct timeval time = {.tv_sec = connection->idle_ms / 1000,
                           .tv_usec = connection->idle_ms % 1000 * 1000};

    if (!may_be_kept(connection) || event_add(connection->on_idle, &time) != 0) {
        on_idle(-1, 0, connection);
        return;
    }
    make_room(all);
    smtp_transport_owner(connection->transport, on_turn_while_kept, connection);
    smtp_transport_limit(connection->transport, 0);
    move(connection, METRICS_CONNECTION_IDLE);
    connection->is_kept = true;
    TAILQ_INSERT_TAIL(&all->kept, connection, link);
    all->kept_count++;
    agent_limits_wake(all->config.limits, AGENT_LIMITS_ADDRESS, connection->endpoint);
}

void agent_connection_used(struct agent_connection *connection)
{
    connection->messages++;
    move(connection, METRICS_CONNECTION_ACTIVE);
}

struct smtp_transport *agent_connection_transport(const struct agent_connection *connection)
{
    return connection->transport;
}

const struct treatment_connection *
agent_connection_demand(const struct agent_connection *connection)
{
    return &connection->demand;
}
