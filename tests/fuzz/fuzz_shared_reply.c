/*
 * Any octets as what a server of the shared cache sends, in pieces: the first octet says how long
 * they are. Checked is that the replies are the same however they are cut, that none is much longer
 * than it may be, that after an error there is none any more, and that what is told of a reply is
 * printable and never has the password.
 */
#include "store/shared_answer.h"
#include "store/shared_reply.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { MAX_LEN = 600, LINE_SLACK = 1024, PIECE_MAX = 256, COMMANDS = SHARED_COMMAND_DELETE + 1 };

static const char password[] = "secret";

/* What the replies of one run were, so that two runs can be compared. */
struct summary {
    unsigned replies;
    bool long_reply; /* more than MAX_LEN: whether it is an error depends on the pieces */
    uint64_t hash;
    bool failed;
};

static void promise(bool kept)
{
    if (!kept)
        abort();
}

static void add(struct summary *summary, const void *data, size_t len)
{
    const uint8_t *octets = data;

    for (size_t i = 0; i < len; i++)
        summary->hash = (summary->hash ^ octets[i]) * 1099511628211U; /* FNV-1a */
}

static void check_answers(const struct shared_reply *reply)
{
    for (unsigned command = 0; command < COMMANDS; command++) {
        char why[SHARED_WHY_MAX];
        enum shared_answer answer =
            shared_answer_of((enum shared_command)command, reply, password, why);

        promise(memchr(why, '\0', sizeof(why)) != NULL && strstr(why, password) == NULL);
        promise((why[0] != '\0') ==
                    (answer == SHARED_ANSWER_REFUSED || answer == SHARED_ANSWER_BAD) ||
                (reply->type == SHARED_REPLY_ERROR && reply->len == 0));
        for (const char *c = why; *c != '\0'; c++)
            promise(*c >= ' ' && *c <= '~');
        if (answer == SHARED_ANSWER_YES)
            promise(reply->type != SHARED_REPLY_ERROR);
    }
}

static void take_reply(struct summary *summary, const struct shared_reply *reply)
{
    bool has_text = reply->type == SHARED_REPLY_STATUS || reply->type == SHARED_REPLY_ERROR ||
                    reply->type == SHARED_REPLY_STRING;

    summary->replies++;
    add(summary, &reply->type, sizeof(reply->type));
    if (has_text) {
        promise(reply->text[reply->len] == '\0');
        promise(reply->len <= MAX_LEN + LINE_SLACK + PIECE_MAX);
        summary->long_reply |= reply->len > MAX_LEN;
        add(summary, &reply->len, sizeof(reply->len));
        add(summary, reply->text, reply->len);
    } else {
        add(summary, &reply->integer, sizeof(reply->integer));
    }
    check_answers(reply);
}

static struct summary run(const uint8_t *data, size_t len, size_t piece)
{
    struct summary summary = {.hash = 14695981039346656037U};
    struct shared_reader *reader;
    struct shared_reply reply;
    int got = 0;

    promise(shared_reader_new(MAX_LEN, &reader) == 0);
    for (size_t at = 0; at < len && got == 0; at += piece) {
        got = shared_reader_feed(reader, (const char *)data + at,
                                 len - at < piece ? len - at : piece);
        while (got == 0 && (got = shared_reader_next(reader, &reply)) == 1) {
            take_reply(&summary, &reply);
            got = 0;
        }
    }
    summary.failed = got != 0;
    if (summary.failed) {
        promise(got < 0);
        promise(shared_reader_next(reader, &reply) < 0);
    }
    shared_reader_free(reader);
    return summary;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct summary whole, pieces;

    if (len == 0 || !shared_reply_is_built_in())
        return 0;
    pieces = run(data + 1, len - 1, 1 + data[0]);
    whole = run(data + 1, len - 1, 1);
    if (whole.long_reply || pieces.long_reply)
        return 0;
    promise(whole.failed == pieces.failed);
    promise(whole.replies == pieces.replies && whole.hash == pieces.hash);
    return 0;
}
