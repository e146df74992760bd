/*
 * How long a stored policy still lives when it is read back: store_life() takes the clock and what
 * the row says, and returns for how long the policy holds, or that it is expired, or that the clock
 * is in doubt. Pure.
 */
#include "store/store_life.h"

enum {
    DAY_S = 86400,
    CORRECTION_S = DAY_S,
    SWITCHED_OFF_S = 183 * DAY_S,
    GRACE_S = 7 * DAY_S,
    DOUBTS_MAX = 3,
};

/* Protects the arithmetic; no clock says this. */
#define TIME_LIMIT_S ((int64_t)1 << 50)

struct store_life store_life(int64_t now_s, int64_t fetched_at_s, uint32_t max_age_s,
                             unsigned doubts)
{
    struct store_life life = {STORE_LIFE_OVER, 0, fetched_at_s, doubts};
    int64_t age_s;

    if (now_s < -TIME_LIMIT_S || now_s > TIME_LIMIT_S || fetched_at_s < -TIME_LIMIT_S ||
        fetched_at_s > TIME_LIMIT_S)
        return life;
    age_s = now_s - fetched_at_s;
    if (age_s < 0 && age_s >= -CORRECTION_S)
        age_s = 0;
    if (age_s >= 0 && age_s < (int64_t)max_age_s) {
        life.value = STORE_LIFE_ALIVE;
        life.left_s = (uint32_t)(max_age_s - age_s);
    } else if ((age_s < 0 || age_s - (int64_t)max_age_s >= SWITCHED_OFF_S) && max_age_s > 0 &&
               doubts < DOUBTS_MAX) {
        life.value = STORE_LIFE_DOUBTFUL;
        life.left_s = max_age_s < GRACE_S ? max_age_s : GRACE_S;
        life.fetched_at_s = now_s + life.left_s - max_age_s;
        life.doubts = doubts + 1;
    }
    return life;
}
