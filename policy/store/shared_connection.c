/*
 * on_open says AUTH and SELECT where they are needed and writes an empty row that lives a second,
 * one after the other, each by a command like any other; after the last it is ready. `commands` has
 * those without a reply, the oldest first. fail() ends it: the socket first, so that nothing can be
 * sent any more, then the commands, then the owner.
 */
#include "store/shared_connection.h"

#include "base/list.h"
#include "policy/clock.h"
#include "store/shared_socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Beside the rows of shared_key.h, of no kind. */
static const char CHECK_KEY[] = "requiretls:1:check";

struct shared_connection {
    struct shared_connection_config config;
    struct shared_socket *socket; /* NULL: it is over */
    struct shared_reader *reader;
    struct event *on_time; /* until it is ready, open_ms; then stall_ms of the oldest command */
    struct list commands;
    size_t command_count;
    bool ready;
    bool answered;
    int64_t took_ms; /* the last reply, from its command on */
    bool refuses;
    char refusal[SHARED_WHY_MAX];
};

struct command {
    struct list link;
    enum shared_command command;
    int64_t sent_ms; /* clock_awake_ms */
    shared_connection_fn done;
    void *arg;
};

static void call_all_back(struct shared_connection *c)
{
    struct list *link;

    while ((link = list_shift(&c->commands)) != NULL) {
        struct command *command = list_entry(link, struct command, link);

        c->command_count--;
        if (command->done != NULL)
            command->done(SHARED_ANSWER_BAD, NULL, command->arg);
        free(command);
    }
}

/* The last thing that is done: the connection may be freed in it. */
static void fail(struct shared_connection *c, const char *why)
{
    char text[SHARED_WHY_MAX];

    snprintf(text, sizeof(text), "%s", why);
    shared_socket_free(c->socket);
    c->socket = NULL;
    event_del(c->on_time);
    call_all_back(c);
    c->config.events->on_failed(c, text, c->config.arg);
}

static void arm(struct shared_connection *c, int64_t ms)
{
    struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    event_add(c->on_time, &delay);
}

static int put_words(struct shared_connection *c, const struct shared_word *words, size_t count)
{
    char *octets;
    size_t len;
    int error = shared_command_new(words, count, &octets, &len);

    if (error != 0)
        return error;
    error = shared_socket_send(c->socket, octets, len);
    shared_command_free(octets);
    return error;
}

static bool put_command(struct shared_connection *c, enum shared_command what,
                        const struct shared_word *words, size_t count, shared_connection_fn done,
                        void *arg)
{
    struct command *command;

    if (c->socket == NULL || c->command_count >= SHARED_COMMANDS_MAX ||
        shared_socket_unsent(c->socket) >= SHARED_UNSENT_MAX)
        return false;
    command = calloc(1, sizeof(*command));
    if (command == NULL)
        return false;
    if (put_words(c, words, count) != 0) {
        free(command);
        return false;
    }
    command->command = what;
    command->sent_ms = clock_awake_ms();
    command->done = done;
    command->arg = arg;
    list_append(&c->commands, &command->link);
    c->command_count++;
    if (c->ready && !evtimer_pending(c->on_time, NULL))
        arm(c, c->config.stall_ms);
    return true;
}

/* The steps of the beginning: each sends the next command. What is not sent for want of memory runs
 * into open_ms. */

static struct shared_word word(const char *text)
{
    return (struct shared_word){.octets = text, .len = strlen(text)};
}

static void begin_auth(struct shared_connection *c)
{
    const struct shared_word words[] = {word("AUTH"), word(c->config.password)};

    put_command(c, SHARED_COMMAND_AUTH, words, 2, NULL, NULL);
}

static void begin_select(struct shared_connection *c)
{
    char db[16];
    struct shared_word words[] = {word("SELECT"), {.octets = db}};

    words[1].len = (size_t)snprintf(db, sizeof(db), "%u", c->config.url->db);
    put_command(c, SHARED_COMMAND_SELECT, words, 2, NULL, NULL);
}

static void begin_check(struct shared_connection *c)
{
    const struct shared_word words[] = {word("SET"), word(CHECK_KEY), word(""), word("PX"),
                                        word("1000")};

    put_command(c, SHARED_COMMAND_SET, words, 5, NULL, NULL);
}

/* False: the connection has been freed. */
static bool begin_next(struct shared_connection *c, enum shared_command done)
{
    if (done == SHARED_COMMAND_AUTH && c->config.url->db != 0) {
        begin_select(c);
        return true;
    }
    if (done != SHARED_COMMAND_SET) {
        begin_check(c);
        return true;
    }
    c->ready = true;
    event_del(c->on_time);
    return c->config.events->on_ready(c, c->config.arg);
}

/* on_open of the socket */
static void on_open(void *arg)
{
    struct shared_connection *c = arg;

    if (c->config.password != NULL)
        begin_auth(c);
    else
        begin_next(c, SHARED_COMMAND_AUTH);
}

/* Notes that the server takes no row. */
static void refuse(struct shared_connection *c, const char *why)
{
    bool first = !c->refuses;

    c->refuses = true;
    snprintf(c->refusal, sizeof(c->refusal), "%s", why);
    if (first && c->ready)
        c->config.events->on_refused(c, c->config.arg);
}

static void note_answer(struct shared_connection *c)
{
    bool first = !c->answered;

    c->answered = true;
    if (first)
        c->config.events->on_answered(c, c->config.arg);
}

/* False: the connection is over, and may have been freed. */
static bool take_reply(struct shared_connection *c, const struct shared_reply *reply)
{
    struct list *link = list_shift(&c->commands);
    struct command command;
    enum shared_answer answer;
    char why[SHARED_WHY_MAX];

    if (link == NULL) {
        fail(c, "it answers what was not asked");
        return false;
    }
    command = *list_entry(link, struct command, link);
    free(list_entry(link, struct command, link));
    c->command_count--;
    c->took_ms = clock_awake_ms() - command.sent_ms;
    answer = shared_answer_of(command.command, reply, c->config.password, why);
    if (answer == SHARED_ANSWER_REFUSED)
        refuse(c, why);
    else if (answer != SHARED_ANSWER_BAD && c->ready)
        note_answer(c);
    if (command.done != NULL)
        command.done(answer, reply, command.arg);
    if (answer == SHARED_ANSWER_BAD) {
        fail(c, why);
        return false;
    }
    return command.done != NULL || begin_next(c, command.command);
}

/* on_octets of the socket */
static bool on_octets(const char *octets, size_t len, void *arg)
{
    struct shared_connection *c = arg;
    struct shared_reply reply;
    int error = shared_reader_feed(c->reader, octets, len);

    while (error == 0 && (error = shared_reader_next(c->reader, &reply)) == 1) {
        if (!take_reply(c, &reply))
            return false;
        error = 0;
    }
    if (error == 0)
        return true;
    if (error == -EMSGSIZE)
        fail(c, "it sends more than was asked for");
    else if (error == -EPROTO)
        fail(c, "what it sends is no reply of Redis");
    else
        fail(c, strerror(-error));
    return false;
}

/* on_lost of the socket */
static void on_lost(const char *why, void *arg)
{
    fail(arg, why);
}

/* event_callback_fn */
static void on_time(evutil_socket_t fd, short what, void *arg)
{
    struct shared_connection *c = arg;
    int64_t owed_ms = shared_connection_owed_ms(c);
    char why[SHARED_WHY_MAX];
    (void)fd;
    (void)what;

    if (!c->ready) {
        fail(c, "it does not answer");
    } else if (owed_ms >= c->config.stall_ms) {
        snprintf(why, sizeof(why), "it has not answered for %lld ms", (long long)owed_ms);
        fail(c, why);
    } else if (!list_empty(&c->commands)) {
        arm(c, c->config.stall_ms - owed_ms);
    }
}

static const struct shared_socket_events socket_events = {
    .on_open = on_open,
    .on_octets = on_octets,
    .on_lost = on_lost,
};

int shared_connection_new(const struct shared_connection_config *config,
                          struct shared_connection **out)
{
    struct shared_connection *c = calloc(1, sizeof(*c));
    int error;

    if (c == NULL)
        return -ENOMEM;
    c->config = *config;
    list_init(&c->commands);
    c->on_time = evtimer_new(config->base, on_time, c);
    error = c->on_time != NULL ? shared_reader_new(config->max_value, &c->reader) : -ENOMEM;
    if (error == 0)
        error = shared_socket_new(config->base, config->url, config->open_ms, &socket_events, c,
                                  &c->socket);
    if (error != 0) {
        shared_connection_free(c);
        return error;
    }
    arm(c, config->open_ms);
    *out = c;
    return 0;
}

bool shared_connection_send(struct shared_connection *c, enum shared_command command,
                            const struct shared_word *words, size_t count,
                            shared_connection_fn done, void *arg)
{
    return c->ready && put_command(c, command, words, count, done, arg);
}

const char *shared_connection_refuses(const struct shared_connection *c)
{
    return c->refuses ? c->refusal : NULL;
}

int64_t shared_connection_owed_ms(const struct shared_connection *c)
{
    if (list_empty(&c->commands))
        return 0;
    return clock_awake_ms() - list_entry(c->commands.next, struct command, link)->sent_ms;
}

int64_t shared_connection_took_ms(const struct shared_connection *c)
{
    return c->took_ms;
}

bool shared_connection_has_answered(const struct shared_connection *c)
{
    return c->answered;
}

void shared_connection_free(struct shared_connection *c)
{
    if (c == NULL)
        return;
    shared_socket_free(c->socket);
    c->socket = NULL;
    call_all_back(c);
    if (c->on_time != NULL)
        event_free(c->on_time);
    shared_reader_free(c->reader);
    free(c);
}
