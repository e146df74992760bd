/*
 * Whether the resolver as a whole is slow. resolver_pace_answered counts the answers in windows of
 * slow_ms; resolver_pace_since judges by the present window and the one before.
 *
 * A resolver that has more to do than it can answers everything late: whatever is sent to it in
 * addition makes all of it later, until queries time out and are sent once more. Then most answers
 * are late, and none is prompt of those that were sent after the oldest ones. When destinations are
 * slow, what is sent after them for others is answered promptly. When all that is in flight is for
 * slow destinations nothing is answered: then RESOLVER_QUIET asks the caller to find out by a
 * question of its own.
 */
#include "dns/resolver_pace.h"

enum {
    /* One in so many slots: an answer for each of these in a window keeps the slots in use by turns
     * even when every answer is late (none is held for more than 32 times slow_ms). */
    FEW_PART = 32,
};

void resolver_pace_init(struct resolver_pace *pace)
{
    *pace = (struct resolver_pace){.few = 1, .prompt_sent_ms = INT64_MIN};
}

void resolver_pace_configure(struct resolver_pace *pace, size_t slots, int slow_ms)
{
    pace->few = slots / FEW_PART > 0 ? slots / FEW_PART : 1;
    pace->slow_ms = slow_ms;
}

void resolver_pace_probed(struct resolver_pace *pace, int64_t sent_ms)
{
    if (sent_ms > pace->prompt_sent_ms)
        pace->prompt_sent_ms = sent_ms;
}

void resolver_pace_answered(struct resolver_pace *pace, int64_t sent_ms, int64_t now_ms)
{
    int64_t age_ms = now_ms - pace->window_ms;

    if (age_ms >= pace->slow_ms) {
        bool adjoins = age_ms < 2 * (int64_t)pace->slow_ms;

        pace->prompt[1] = adjoins ? pace->prompt[0] : 0;
        pace->late[1] = adjoins ? pace->late[0] : 0;
        pace->prompt[0] = pace->late[0] = 0;
        pace->window_ms = now_ms;
    }
    if (now_ms - sent_ms < pace->slow_ms) {
        pace->prompt[0]++;
        resolver_pace_probed(pace, sent_ms);
    } else {
        pace->late[0]++;
    }
}

enum resolver_pace_state resolver_pace_since(const struct resolver_pace *pace, int64_t sent_ms,
                                             int64_t now_ms)
{
    int64_t age_ms = now_ms - pace->window_ms;
    size_t prompt = 0, late = 0;

    if (age_ms < 2 * (int64_t)pace->slow_ms) {
        prompt = pace->prompt[0];
        late = pace->late[0];
    }
    if (age_ms < pace->slow_ms) {
        prompt += pace->prompt[1];
        late += pace->late[1];
    }
    if (late > prompt && late >= pace->few)
        return RESOLVER_LATE;
    if (pace->prompt_sent_ms > sent_ms)
        return RESOLVER_PROMPT;
    return prompt + late >= pace->few ? RESOLVER_LATE : RESOLVER_QUIET;
}
