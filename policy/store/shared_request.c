/*
 * A request is in `open` until its reply or its time has come; all have the same time, so the first
 * of the list is the next that is due. One that has been sent keeps its memory until the connection
 * calls back for it, also when it has ended before: `ended`.
 *
 * shared_get and shared_delete make a request and send it, or leave it for shared_requests_send; a
 * reply, or its time, ends it. shared_put makes none.
 *
 * A row is asked for by GETRANGE, by one octet more than the longest that is of use: so a server
 * sends no more than that, whatever others have written there. It answers with an empty string
 * where there is none.
 */
#include "policy/clock.h"
#include "store/shared_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPEN_MAX = 1000,                 /* requests */
    AFTER_LATE_MS = 1000,            /* without a question, to a server that was late */
    LIFE_MAX_S = 366 * 24 * 60 * 60, /* a year is the longest max_age: RFC 8461 section 3.2 */
};

struct shared_request {
    struct list link; /* of `open` */
    struct shared *shared;
    enum shared_command command; /* SHARED_COMMAND_GET or SHARED_COMMAND_DELETE */
    enum shared_kind kind;
    int64_t due_ms; /* clock_awake_ms */
    bool sent;
    bool ended;
    shared_get_fn got;        /* NULL: dropped */
    shared_delete_fn deleted; /* likewise */
    void *arg;
    char name[];
};

static struct shared_word word(const char *text)
{
    return (struct shared_word){.octets = text, .len = strlen(text)};
}

static void count(struct shared *shared, enum engine_shared_result result)
{
    atomic_fetch_add_explicit(&shared->results[result], 1, memory_order_relaxed);
}

static void count_rejected(struct shared *shared, enum shared_reject reason)
{
    atomic_fetch_add_explicit(&shared->rejected[reason], 1, memory_order_relaxed);
}

/* Takes it out of `open`; it is called back after that. */
static void close_request(struct shared_request *request)
{
    list_remove(&request->link);
    request->shared->open_count--;
    request->ended = true;
}

/* What became of a question is told and counted. The caller's word on the payload comes last. */
static void tell_get(struct shared_request *request, const struct shared_row *row,
                     enum engine_shared_result result)
{
    struct shared *shared = request->shared;
    enum shared_reject reject = SHARED_OK;

    close_request(request);
    if (request->got != NULL)
        reject = request->got(row, request->arg);
    if (row != NULL && reject > SHARED_OK && reject < SHARED_REJECTS) {
        count_rejected(shared, reject);
        result = ENGINE_SHARED_REJECTED;
    }
    count(shared, result);
}

static void tell_delete(struct shared_request *request, bool gone)
{
    struct shared *shared = request->shared;

    close_request(request);
    count(shared, gone ? ENGINE_SHARED_WRITTEN : ENGINE_SHARED_NOT_WRITTEN);
    if (request->deleted != NULL)
        request->deleted(gone, request->arg);
}

/* Ends it without an answer. */
static void tell_none(struct shared_request *request, enum engine_shared_result result)
{
    if (request->command == SHARED_COMMAND_GET)
        tell_get(request, NULL, result);
    else
        tell_delete(request, false);
    if (!request->sent)
        free(request);
}

/* Of the first of `open`. */
static void arm(struct shared *shared)
{
    const struct shared_request *first;
    int64_t left_ms;
    struct timeval left;

    if (list_empty(&shared->open))
        return;
    first = list_entry(shared->open.next, struct shared_request, link);
    left_ms = first->due_ms - clock_awake_ms();
    if (left_ms < 0)
        left_ms = 0;
    left = (struct timeval){.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
    event_add(shared->on_time, &left);
}

void shared_requests_on_time(evutil_socket_t fd, short what, void *arg)
{
    struct shared *shared = arg;
    int64_t now_ms = clock_awake_ms();
    (void)fd;
    (void)what;

    while (!list_empty(&shared->open)) {
        struct shared_request *first = list_entry(shared->open.next, struct shared_request, link);

        if (first->due_ms > now_ms)
            break;
        if (first->sent)
            shared->late_ms = now_ms;
        else if (first->due_ms != 0)
            shared->in_vain = true;
        tell_none(first, first->sent ? ENGINE_SHARED_LATE : ENGINE_SHARED_DOWN);
    }
    arm(shared);
}

/* A row that the server has: what it is. */
static void take_row(struct shared_request *request, const struct shared_reply *reply)
{
    struct shared *shared = request->shared;
    struct shared_row row;
    enum shared_reject reject = SHARED_REJECT_TOO_LARGE;

    if (reply->len <= shared_row_max(shared->max_payload))
        reject = shared_row_read(&shared->keys, request->kind, request->name, reply->text,
                                 reply->len, shared->max_payload, clock_wall_s(), &row);
    if (reject == SHARED_OK) {
        tell_get(request, &row, ENGINE_SHARED_FOUND);
        return;
    }
    count_rejected(shared, reject);
    tell_get(request, NULL, ENGINE_SHARED_REJECTED);
}

static void take_answer(struct shared_request *request, enum shared_answer answer,
                        const struct shared_reply *reply)
{
    if (request->command == SHARED_COMMAND_DELETE) {
        tell_delete(request, answer == SHARED_ANSWER_YES);
    } else if (answer == SHARED_ANSWER_NO_ROW) {
        count_rejected(request->shared, SHARED_REJECT_VERSION);
        tell_get(request, NULL, ENGINE_SHARED_REJECTED);
    } else if (answer != SHARED_ANSWER_YES) {
        tell_get(request, NULL, ENGINE_SHARED_FAILED);
    } else if (reply->type == SHARED_REPLY_NIL || reply->len == 0) {
        tell_get(request, NULL, ENGINE_SHARED_MISSING);
    } else {
        take_row(request, reply);
    }
}

/* shared_connection_fn of a request */
static void on_reply(enum shared_answer answer, const struct shared_reply *reply, void *arg)
{
    struct shared_request *request = arg;

    request->sent = false;
    if (!request->ended && request->shared->ending)
        return; /* in `open` still */
    if (!request->ended)
        take_answer(request, answer, reply);
    free(request);
}

static bool send_get(struct shared_connection *c, struct shared_request *request, const char *key)
{
    char last[32];
    struct shared_word words[] = {word("GETRANGE"), word(key), word("0"), {.octets = last}};

    words[3].len =
        (size_t)snprintf(last, sizeof(last), "%zu", shared_row_max(request->shared->max_payload));
    return shared_connection_send(c, SHARED_COMMAND_GET, words, 4, on_reply, request);
}

static bool send_delete(struct shared_connection *c, struct shared_request *request,
                        const char *key)
{
    const struct shared_word words[] = {word("DEL"), word(key)};

    return shared_connection_refuses(c) == NULL &&
           shared_connection_send(c, SHARED_COMMAND_DELETE, words, 2, on_reply, request);
}

static bool send_request(struct shared_connection *c, struct shared_request *request)
{
    char key[SHARED_KEY_MAX + 1];

    if (shared_key_text(request->kind, request->name, key) == 0)
        return false;
    request->sent = request->command == SHARED_COMMAND_GET ? send_get(c, request, key)
                                                           : send_delete(c, request, key);
    return request->sent;
}

/* As what was asked before, until a reply comes in time; but a deletion is worth its time. */
static bool is_late(const struct shared *shared, const struct shared_connection *c,
                    enum shared_command command)
{
    return shared_connection_owed_ms(c) > shared->timeout_ms ||
           (command == SHARED_COMMAND_GET && clock_awake_ms() - shared->late_ms < AFTER_LATE_MS &&
            shared_connection_took_ms(c) >= shared->timeout_ms);
}

/* What ends a request before it has begun, or ENGINE_SHARED_FOUND: nothing does. */
static enum engine_shared_result obstacle(const struct shared *shared, enum shared_command command)
{
    const struct shared_connection *c;

    if (shared->servers == NULL)
        return ENGINE_SHARED_DOWN;
    c = shared_servers_current(shared->servers);
    if (c == NULL && (shared->in_vain || !shared_servers_is_coming(shared->servers)))
        return ENGINE_SHARED_DOWN;
    if (c != NULL && is_late(shared, c, command))
        return ENGINE_SHARED_LATE;
    return shared->open_count < OPEN_MAX ? ENGINE_SHARED_FOUND : ENGINE_SHARED_FAILED;
}

static struct shared_request *request_new(struct shared *shared, enum shared_command command,
                                          enum shared_kind kind, const char *name)
{
    size_t name_len = strlen(name);
    struct shared_request *request = calloc(1, sizeof(*request) + name_len + 1);

    if (request == NULL)
        return NULL;
    request->shared = shared;
    request->command = command;
    request->kind = kind;
    request->due_ms = clock_awake_ms() + shared->timeout_ms;
    memcpy(request->name, name, name_len + 1);
    return request;
}

/* The request, open; or NULL and, in *why, what has ended it. */
static struct shared_request *begin(struct shared *shared, enum shared_command command,
                                    enum shared_kind kind, const char *name,
                                    enum engine_shared_result *why)
{
    struct shared_request *request;
    struct shared_connection *c;
    char key[SHARED_KEY_MAX + 1];

    *why = obstacle(shared, command);
    if (*why != ENGINE_SHARED_FOUND)
        return NULL;
    *why = ENGINE_SHARED_FAILED;
    if (shared_key_text(kind, name, key) == 0)
        return NULL;
    request = request_new(shared, command, kind, name);
    if (request == NULL)
        return NULL;
    c = shared_servers_current(shared->servers);
    if (c != NULL && !send_request(c, request)) {
        free(request);
        return NULL;
    }
    list_append(&shared->open, &request->link);
    shared->open_count++;
    if (!evtimer_pending(shared->on_time, NULL))
        arm(shared);
    return request;
}

struct shared_request *shared_get(struct shared *shared, enum shared_kind kind, const char *name,
                                  shared_get_fn done, void *arg)
{
    enum engine_shared_result why;
    struct shared_request *request = begin(shared, SHARED_COMMAND_GET, kind, name, &why);

    if (request == NULL) {
        if (shared->servers != NULL)
            count(shared, why);
        return NULL;
    }
    request->got = done;
    request->arg = arg;
    return request;
}

struct shared_request *shared_delete(struct shared *shared, enum shared_kind kind, const char *name,
                                     shared_delete_fn done, void *arg)
{
    enum engine_shared_result why;
    struct shared_request *request = begin(shared, SHARED_COMMAND_DELETE, kind, name, &why);

    if (request == NULL) {
        if (shared->servers != NULL)
            count(shared, ENGINE_SHARED_NOT_WRITTEN);
        return NULL;
    }
    request->deleted = done;
    request->arg = arg;
    return request;
}

void shared_drop(struct shared_request *request)
{
    request->got = NULL;
    request->deleted = NULL;
}

/* shared_connection_fn of a row to be written */
static void on_put(enum shared_answer answer, const struct shared_reply *reply, void *arg)
{
    (void)reply;
    count(arg, answer == SHARED_ANSWER_YES ? ENGINE_SHARED_WRITTEN : ENGINE_SHARED_NOT_WRITTEN);
}

/* Whether the row is on its way. */
static bool send_row(struct shared *shared, const char *key, const char *name,
                     const struct shared_row *row)
{
    struct shared_connection *c = shared_servers_current(shared->servers);
    int64_t life_s = row->ends_at_s - row->written_at_s;
    char life[32];
    struct shared_word words[] = {word("SET"), word(key), {0}, word("EX"), {.octets = life}};
    uint8_t *octets;
    bool sent;

    if (c == NULL || shared_connection_refuses(c) != NULL || life_s <= 0)
        return false;
    if (shared_row_write(&shared->keys, name, row, &octets, &words[2].len) != 0)
        return false;
    words[2].octets = octets;
    words[4].len = (size_t)snprintf(life, sizeof(life), "%lld",
                                    (long long)(life_s < LIFE_MAX_S ? life_s : LIFE_MAX_S));
    sent = shared_connection_send(c, SHARED_COMMAND_SET, words, 5, on_put, shared);
    free(octets);
    return sent;
}

void shared_put(struct shared *shared, enum shared_kind kind, const char *name, const void *payload,
                size_t len, int64_t ends_at_s)
{
    const struct shared_row row = {.kind = kind,
                                   .written_at_s = clock_wall_s(),
                                   .ends_at_s = ends_at_s,
                                   .payload = payload,
                                   .payload_len = len};
    char key[SHARED_KEY_MAX + 1];

    if (shared->servers == NULL)
        return;
    if (len > shared->max_payload || shared_key_text(kind, name, key) == 0 ||
        !send_row(shared, key, name, &row))
        count(shared, ENGINE_SHARED_NOT_WRITTEN);
}

void shared_requests_send(struct shared *shared)
{
    struct shared_connection *c = shared_servers_current(shared->servers);

    shared->in_vain = false;
    for (struct list *link = shared->open.next; link != &shared->open; link = link->next) {
        struct shared_request *request = list_entry(link, struct shared_request, link);

        if (!request->sent && c != NULL)
            send_request(c, request);
    }
}

void shared_requests_end_soon(struct shared *shared)
{
    for (struct list *link = shared->open.next; link != &shared->open; link = link->next)
        list_entry(link, struct shared_request, link)->due_ms = 0;
    arm(shared);
}

void shared_requests_free(struct shared *shared)
{
    struct list *link;

    while ((link = list_shift(&shared->open)) != NULL)
        free(list_entry(link, struct shared_request, link));
    shared->open_count = 0;
}
