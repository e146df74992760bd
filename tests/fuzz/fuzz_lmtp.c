/*
 * The LMTP server between a client that says anything and an owner that accepts and refuses: the
 * first octet says what it refuses, the rest is what the client says. Checked:
 *
 *   - events come in an order that makes sense, and what they hold can be said to another server;
 *   - of the content, CR and LF come together alone;
 *   - each command has one reply, the end of the content one for each recipient, and all of them
 *     are whole lines of printable ASCII;
 *   - all of it is the same when the octets come one by one.
 */
#include "deliver/lmtp_session.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct run {
    struct lmtp_session session;
    struct octets said; /* events and content, to be compared */
    unsigned refuses;
    bool in_transaction, in_content, cr, smtputf8;
    size_t accepted;
};

static void promise(bool kept)
{
    if (!kept)
        abort();
}

static void note(struct run *run, const char *text, size_t len)
{
    promise(octets_add(&run->said, text, len));
}

static void answer(struct run *run, unsigned bit, int accepts)
{
    const struct lmtp_reply yes = {accepts, "2.0.0", "yes"}, no = {450, "4.0.0", "no"};

    lmtp_session_answer(&run->session, (run->refuses & bit) != 0 ? &no : &yes);
}

static void on_mail(struct run *run)
{
    static const struct smtp_rcpt somebody = {.address = "a"};
    struct smtp_mail mail = run->session.command.mail;

    promise(!run->in_transaction);
    mail.rcpts = &somebody;
    mail.rcpt_count = 1;
    promise(smtp_mail_check(&mail) == 0);
    note(run, mail.sender, strlen(mail.sender));
    run->smtputf8 = mail.smtputf8;
    run->in_transaction = (run->refuses & 1) == 0;
    run->accepted = 0;
    answer(run, 1, 250);
}

static void on_rcpt(struct run *run)
{
    const struct smtp_rcpt *rcpt = &run->session.command.rcpt;
    const struct smtp_mail mail = {
        .sender = "", .smtputf8 = run->smtputf8, .rcpts = rcpt, .rcpt_count = 1};
    unsigned bit = strlen(rcpt->address) % 2 == 0 ? 2 : 4;

    promise(run->in_transaction && run->accepted < LMTP_RCPTS_MAX);
    promise(smtp_mail_check(&mail) == 0);
    note(run, rcpt->address, strlen(rcpt->address));
    run->accepted += (run->refuses & bit) == 0;
    answer(run, bit, 250);
}

static void on_content(struct run *run, const struct lmtp_piece *piece)
{
    promise(run->in_content && piece->len <= LMTP_PIECE_MAX + 1);
    for (size_t i = 0; i < piece->len; i++) {
        char c = piece->octets[i];

        promise(run->cr == (c == '\n'));
        run->cr = c == '\r';
    }
    note(run, piece->octets, piece->len);
}

static void on_event(struct run *run, enum lmtp_event event, const struct lmtp_piece *piece)
{
    static const char names[] = "?MRD.!-Q";

    if (event != LMTP_EVENT_CONTENT && event != LMTP_EVENT_NONE)
        note(run, &names[event], 1);
    switch (event) {
    case LMTP_EVENT_MAIL:
        on_mail(run);
        break;
    case LMTP_EVENT_RCPT:
        on_rcpt(run);
        break;
    case LMTP_EVENT_DATA:
        promise(run->in_transaction && run->accepted > 0);
        run->in_content = (run->refuses & 8) == 0;
        answer(run, 8, 354);
        break;
    case LMTP_EVENT_CONTENT:
        on_content(run, piece);
        break;
    case LMTP_EVENT_MESSAGE:
        promise(run->in_content && !run->cr);
        run->in_content = run->in_transaction = false;
        for (size_t i = 0; i < run->accepted; i++)
            answer(run, 16, 250);
        promise(lmtp_session_reads(&run->session));
        break;
    case LMTP_EVENT_RESET:
        promise(run->in_transaction && !run->in_content);
        run->in_transaction = false;
        break;
    case LMTP_EVENT_QUIT:
        promise(run->session.state == LMTP_STATE_CLOSED);
        break;
    case LMTP_EVENT_NONE:
        break;
    }
}

static void check_replies(const struct octets *out)
{
    size_t begin = 0;

    promise(out->len >= 2 && memcmp(out->buf + out->len - 2, "\r\n", 2) == 0);
    for (size_t i = 0; i < out->len; i++) {
        char c = out->buf[i];

        if (c == '\r') {
            promise(out->buf[i + 1] == '\n' && i - begin >= 4);
            promise(out->buf[begin] >= '2' && out->buf[begin] <= '5');
            begin = i + 2;
            i++;
        } else {
            promise(c >= ' ' && c < 0x7f);
        }
    }
}

static void play(struct run *run, unsigned refuses, const uint8_t *data, size_t len, size_t piece)
{
    static struct lmtp_piece content;

    *run = (struct run){.refuses = refuses};
    lmtp_session_init(&run->session, "mx", 1000);
    for (size_t at = 0; at < len; at += piece) {
        size_t given = piece < len - at ? piece : len - at, taken = 0, used;
        char *copy = malloc(given);
        enum lmtp_event event;

        promise(copy != NULL);
        memcpy(copy, data + at, given);
        do {
            event = lmtp_session_input(&run->session, copy + taken, given - taken, &used, &content);
            taken += used;
            on_event(run, event, &content);
        } while (event != LMTP_EVENT_NONE);
        promise(taken == given || run->session.state == LMTP_STATE_CLOSED);
        free(copy);
    }
    promise(!run->session.no_memory);
    check_replies(&run->session.out);
}

static bool same(const struct octets *a, const struct octets *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->buf, b->buf, a->len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct run whole, single;

    if (len == 0)
        return 0;
    play(&whole, data[0], data + 1, len - 1, len);
    play(&single, data[0], data + 1, len - 1, 1);
    promise(same(&whole.said, &single.said));
    promise(same(&whole.session.out, &single.session.out));
    octets_fini(&whole.said);
    octets_fini(&single.said);
    lmtp_session_fini(&whole.session);
    lmtp_session_fini(&single.session);
    return 0;
}
