/*
 * The time-outs of an SMTP connection (RFC 5321 section 4.5.3.2): smtp_transport_timeouts once,
 * smtp_transport_watch_time after each step, smtp_transport_is_late when time has passed. One timer
 * runs at a time, that of what the session waits for; it begins anew with each step of the session.
 * Beside it there is the limit for everything.
 */
#include "policy/clock.h"
#include "smtp/smtp_transport_internal.h"

static int64_t with_default(int64_t configured_ms, int64_t default_ms)
{
    return configured_ms > 0 ? configured_ms : default_ms;
}

void smtp_transport_timeouts(struct smtp_transport *t, const struct smtp_timeouts *timeouts)
{
    const int64_t minute = 60000;

    t->timeout_ms[TIMER_CONNECT] = with_default(timeouts->connect_ms, 30000);
    t->timeout_ms[SMTP_TIMER_GREETING] = with_default(timeouts->greeting_ms, 5 * minute);
    t->timeout_ms[SMTP_TIMER_COMMAND] = with_default(timeouts->command_ms, 5 * minute);
    t->timeout_ms[SMTP_TIMER_TLS] = with_default(timeouts->tls_ms, 5 * minute);
    t->timeout_ms[SMTP_TIMER_DATA_BEGIN] = with_default(timeouts->data_begin_ms, 2 * minute);
    t->timeout_ms[SMTP_TIMER_DATA_BLOCK] = with_default(timeouts->data_block_ms, 3 * minute);
    t->timeout_ms[SMTP_TIMER_DATA_END] = with_default(timeouts->data_end_ms, 10 * minute);
    t->timeout_ms[SMTP_TIMER_QUIT] = with_default(timeouts->quit_ms, 5000);
    t->limit_ms = t->due_ms = t->armed_ms = INT64_MAX;
}

/* While the caller has the content, no time of the server's passes. */
static unsigned timer_of(struct smtp_transport *t)
{
    const char *octets;

    if (t->connection != SMTP_CONNECTION_OPEN)
        return SMTP_TIMER_NONE;
    if (!t->connected)
        return TIMER_CONNECT;
    if (smtp_session_need(t->session) == SMTP_NEED_CONTENT &&
        smtp_session_output(t->session, &octets) == 0)
        return SMTP_TIMER_NONE;
    return smtp_session_timer(t->session);
}

static bool arm(struct smtp_transport *t)
{
    int64_t at_ms = t->due_ms < t->limit_ms ? t->due_ms : t->limit_ms;
    int64_t left_ms;
    struct timeval left;

    if (t->connection != SMTP_CONNECTION_OPEN)
        at_ms = INT64_MAX;
    if (at_ms == t->armed_ms)
        return true;
    t->armed_ms = at_ms;
    if (at_ms == INT64_MAX)
        return event_del(t->on_time) == 0;
    left_ms = at_ms - clock_awake_ms();
    if (left_ms < 0)
        left_ms = 0;
    left = (struct timeval){.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
    if (event_add(t->on_time, &left) == 0)
        return true;
    t->armed_ms = INT64_MAX;
    return false;
}

bool smtp_transport_watch_time(struct smtp_transport *t)
{
    unsigned timer = timer_of(t), step = smtp_session_step(t->session);

    if (step != t->step)
        t->stream.octets = 0;
    if (timer != t->timer || step != t->step) {
        t->due_ms = timer == SMTP_TIMER_NONE ? INT64_MAX : clock_awake_ms() + t->timeout_ms[timer];
        t->timer = timer;
        t->step = step;
    }
    return arm(t);
}

bool smtp_transport_is_late(const struct smtp_transport *t)
{
    int64_t now_ms = clock_awake_ms();

    return now_ms >= t->due_ms || now_ms >= t->limit_ms;
}
