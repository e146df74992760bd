/* What a set-up check found, in one line of words. */
#include "report_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

void report_to_text(const struct setup_report *report, char *out, size_t size)
{
    static const char *const states[] = {"ok", "warning", "error", "unknown"};
    char item[100];

    out[0] = '\0';
    for (size_t i = 0; i < report->count; i++) {
        const struct setup_finding *finding = &report->items[i];

        snprintf(item, sizeof(item), "%s %s;", states[finding->state], finding->name);
        if (finding->state == SETUP_OK || finding->cause != 0 || strstr(out, item) != NULL)
            continue;
        assert_true(finding->remedy != NULL || finding->commands != NULL ||
                    finding->reloads != NULL);
        strncat(out, item, size - strlen(out) - 1);
    }
}
