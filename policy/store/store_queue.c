/*
 * The changes that wait to be written to the store. Each is copied into one block of memory and put
 * at the end of a list, under a lock; what does not fit the bounds of the list is dropped, and
 * counted. store_writer.c takes the list.
 */
#include "store/store_internal.h"

#include <stdlib.h>
#include <string.h>

enum {
    /* Far above any policy, below what the file takes: nothing queued can ever be unwritable. */
    BODY_MAX = 4 * 1024 * 1024,
};

void store_ops_free(struct store_op *op)
{
    while (op != NULL) {
        struct store_op *next = op->next;

        free(op);
        op = next;
    }
}

static char *append_octets(char **to, const void *data, size_t len)
{
    char *at = *to;

    memcpy(at, data, len);
    at[len] = '\0';
    *to += len + 1;
    return at;
}

/* One allocation: the change and, behind it, all that it points to. */
static struct store_op *op_new(enum store_op_kind kind, const struct store_policy *policy)
{
    static const char none[] = "";
    const char *id = policy->id != NULL ? policy->id : none;
    const char *mx = policy->mx != NULL ? policy->mx : none;
    const char *body = policy->body != NULL ? policy->body : none;
    size_t domain_len = strlen(policy->domain), id_len = strlen(id), mx_len = strlen(mx);
    size_t octets = sizeof(struct store_op) + domain_len + id_len + mx_len + policy->body_len + 4;
    struct store_op *op = malloc(octets);
    char *to;

    if (op == NULL)
        return NULL;
    *op = (struct store_op){.kind = kind, .row = {.policy = *policy}, .octets = octets};
    to = (char *)(op + 1);
    op->row.policy.domain = append_octets(&to, policy->domain, domain_len);
    op->row.policy.id = append_octets(&to, id, id_len);
    op->row.policy.mx = append_octets(&to, mx, mx_len);
    op->row.policy.body = append_octets(&to, body, policy->body_len);
    return op;
}

/* Takes the change over, which may be NULL for want of memory. */
static bool enqueue_op(struct store *store, struct store_op *op)
{
    /* A deletion that is lost would be undone; those may fill the queue twice. */
    bool deletion =
        op != NULL && (op->kind == STORE_OP_DELETE || op->kind == STORE_OP_DANE_FORGOTTEN ||
                       op->kind == STORE_OP_PROBE_DELETE);
    size_t share = deletion ? 2 : 1;

    pthread_mutex_lock(&store->lock);
    if (op == NULL || store->queued >= store->config.max_queued * share ||
        store->queued_octets + op->octets > store->config.max_queued_octets * share) {
        store->dropped++;
        pthread_mutex_unlock(&store->lock);
        free(op);
        return false;
    }
    *store->last = op;
    store->last = &op->next;
    store->queued_octets += op->octets;
    if (store->queued++ == 0)
        pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->lock);
    return true;
}

static bool enqueue_change(struct store *store, enum store_op_kind kind,
                           const struct store_policy *policy)
{
    return enqueue_op(store, policy->body_len <= BODY_MAX ? op_new(kind, policy) : NULL);
}

bool store_put(struct store *store, const struct store_policy *policy)
{
    return enqueue_change(store, STORE_OP_PUT, policy);
}

bool store_delete(struct store *store, const char *domain)
{
    return enqueue_change(store, STORE_OP_DELETE, &(struct store_policy){.domain = domain});
}

bool store_touch(struct store *store, const char *domain, int64_t used_at_s)
{
    return enqueue_change(store, STORE_OP_TOUCH,
                          &(struct store_policy){.domain = domain, .used_at_s = used_at_s});
}

static bool enqueue_dane(struct store *store, enum store_op_kind kind, uint64_t key, int64_t at_s)
{
    struct store_op *op = op_new(kind, &(struct store_policy){.domain = "", .used_at_s = at_s});

    if (op != NULL)
        op->dane_key = key;
    return enqueue_op(store, op);
}

bool store_dane_seen(struct store *store, uint64_t key, int64_t seen_at_s)
{
    return enqueue_dane(store, STORE_OP_DANE_SEEN, key, seen_at_s);
}

bool store_dane_forgotten(struct store *store, uint64_t key)
{
    return enqueue_dane(store, STORE_OP_DANE_FORGOTTEN, key, 0);
}

bool store_dane_over(struct store *store, int64_t from_s, int64_t before_s)
{
    return enqueue_change(
        store, STORE_OP_DANE_OVER,
        &(struct store_policy){.domain = "", .fetched_at_s = from_s, .used_at_s = before_s});
}

bool store_dane_list(struct store *store, const struct store_dane *list, size_t count)
{
    return enqueue_change(store, STORE_OP_DANE_LIST,
                          &(struct store_policy){.domain = "",
                                                 .body = (const char *)list,
                                                 .body_len = count * sizeof(*list)});
}

bool store_probe_put(struct store *store, const struct store_probe *probe)
{
    return enqueue_change(store, STORE_OP_PROBE_PUT,
                          &(struct store_policy){.domain = probe->key,
                                                 .body = (const char *)probe->record,
                                                 .body_len = probe->record_len,
                                                 .used_at_s = probe->ends_at_s});
}

bool store_probe_delete(struct store *store, const char *key)
{
    return enqueue_change(store, STORE_OP_PROBE_DELETE, &(struct store_policy){.domain = key});
}

bool store_has_room(struct store *store)
{
    bool room;

    pthread_mutex_lock(&store->lock);
    room = store->queued < store->config.max_queued / 2 &&
           store->queued_octets < store->config.max_queued_octets / 2;
    pthread_mutex_unlock(&store->lock);
    return room;
}
