/*
 * The lines about TLSRPT records: who asks for one (tlsrpt), and what they were told (record).
 */
#include "scenario_internal.h"

#include <stdlib.h>
#include <string.h>

/* tlsrpt_record_fn */
static void on_record(const char *record, void *arg)
{
    struct asker *asker = ((struct recording *)arg)->asker;

    snprintf(asker->record, sizeof asker->record, "%s", record != NULL ? record : "");
    scenario_done(NULL, asker);
}

int scenario_tlsrpt(struct play *play, char *args)
{
    char domain[SIM_NAME_MAX], label[LABEL_LEN];
    struct asker *asker;
    size_t count = 1;

    if (sscanf(args, "%299s as %31s times %zu", domain, label, &count) < 2)
        return scenario_fail(play, "tlsrpt DOMAIN as LABEL [times N]");
    asker = scenario_new_asker(play, label, count);
    asker->recording = calloc(count, sizeof *asker->recording);
    if (asker->recording == NULL)
        exit(99);
    for (size_t i = 0; i < count; i++) {
        struct recording *recording = &asker->recording[i];
        const char *record;

        recording->asker = asker;
        recording->waiter = (struct tlsrpt_waiter){.done = on_record, .arg = recording};
        if (tlsrpt_lookups_ask(core_tlsrpt(play->core), domain, &recording->waiter, &record) != 0)
            on_record(record, recording);
    }
    return 0;
}

int scenario_record(struct play *play, char *args)
{
    char label[LABEL_LEN];
    long long at_ms = 0;
    struct asker *asker;
    int used = 0;

    if (sscanf(args, "%31s at %lld %n", label, &at_ms, &used) != 2 &&
        sscanf(args, "%31s %n", label, &used) != 1)
        return scenario_fail(play, "record LABEL waiting, or record LABEL at MS RECORD");
    asker = scenario_asker(play, label);
    args += used;
    if (asker == NULL || asker->recording == NULL)
        return scenario_fail(play, "nobody asked as %s", label);
    if (strcmp(args, "waiting") == 0)
        return asker->answered == 0 ? 0 : scenario_fail(play, "%s was answered", label);
    if (asker->answered != asker->count)
        return scenario_fail(play, "%zu of %zu were answered as %s", asker->answered, asker->count,
                             label);
    if (asker->last_ms - asker->asked_ms != at_ms || asker->first_ms != asker->last_ms)
        return scenario_fail(play, "%s was answered after %lld ms", label,
                             (long long)(asker->last_ms - asker->asked_ms));
    if (strcmp(args, asker->record) == 0 || (strcmp(args, "none") == 0 && asker->record[0] == '\0'))
        return 0;
    return scenario_fail(play, "%s was told \"%s\"", label, asker->record);
}
