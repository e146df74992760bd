/*
 * Findings of the set-up check: setup_add appends one, setup_remedy completes the last, and when
 * all are there setup_print writes them as text or JSON and setup_exit_code says what they come to.
 */
#include "setup/setup_report.h"

#include "base/exit_code.h"
#include "base/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* One finding quotes at most a few paths and settings. */
enum { TEXT_MAX = 4000, JSON_MAX = 1024 * 1024 };

static const char *const state_names[] = {
    [SETUP_OK] = "ok",
    [SETUP_WARNING] = "warning",
    [SETUP_ERROR] = "error",
    [SETUP_UNKNOWN] = "unknown",
};

static const char *keep_text(struct setup_report *report, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* The text in the report's memory, NULL when there is none left. */
static const char *keep_text(struct setup_report *report, const char *format, va_list args)
{
    char text[TEXT_MAX];

    vsnprintf(text, sizeof(text), format, args);
    for (char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    const char *kept = arena_string(&report->arena, text);
    report->incomplete |= kept == NULL;
    return kept;
}

void setup_add(struct setup_report *report, enum setup_state state, const char *name,
               const char *format, ...)
{
    va_list args;
    struct setup_finding *items =
        arena_grow(&report->arena, report->items, report->count, sizeof(*items));

    if (items == NULL) {
        report->incomplete = true;
        return;
    }
    va_start(args, format);
    const char *text = keep_text(report, format, args);
    va_end(args);
    report->items = items;
    items[report->count++] = (struct setup_finding){
        .state = state, .name = name, .text = text != NULL ? text : "out of memory"};
}

void setup_remedy(struct setup_report *report, const char *format, ...)
{
    va_list args;

    if (report->count == 0)
        return;
    va_start(args, format);
    report->items[report->count - 1].remedy = keep_text(report, format, args);
    va_end(args);
}

static size_t count_of(const struct setup_report *report, enum setup_state state)
{
    size_t count = 0;

    for (size_t i = 0; i < report->count; i++)
        count += report->items[i].state == state;
    return count;
}

int setup_exit_code(const struct setup_report *report)
{
    if (count_of(report, SETUP_ERROR) > 0)
        return QUERY_EXIT_UNSATISFIED;
    if (report->incomplete || count_of(report, SETUP_UNKNOWN) > 0)
        return QUERY_EXIT_UNDECIDED;
    return QUERY_EXIT_SATISFIED;
}

static int print_json(const struct setup_report *report, FILE *out)
{
    struct json json;
    const char *text;
    int error;

    json_init(&json, JSON_MAX);
    json_object_begin(&json);
    json_key(&json, "findings");
    json_array_begin(&json);
    for (size_t i = 0; i < report->count; i++) {
        const struct setup_finding *item = &report->items[i];

        json_object_begin(&json);
        json_key(&json, "state");
        json_string(&json, state_names[item->state]);
        json_key(&json, "name");
        json_string(&json, item->name);
        json_key(&json, "text");
        json_string(&json, item->text);
        json_key(&json, "remedy");
        json_string(&json, item->remedy);
        json_object_end(&json);
    }
    json_array_end(&json);
    json_key(&json, "errors");
    json_int(&json, (int64_t)count_of(report, SETUP_ERROR));
    json_key(&json, "warnings");
    json_int(&json, (int64_t)count_of(report, SETUP_WARNING));
    json_key(&json, "unknown");
    json_int(&json, (int64_t)count_of(report, SETUP_UNKNOWN));
    json_object_end(&json);
    error = json_finish(&json, &text, NULL);
    if (error == 0 && fprintf(out, "%s\n", text) < 0)
        error = -EIO;
    json_fini(&json);
    return error;
}

static void print_text(const struct setup_report *report, FILE *out)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct setup_finding *item = &report->items[i];

        fprintf(out, "%-8s %s: %s\n", state_names[item->state], item->name, item->text);
        if (item->remedy != NULL)
            fprintf(out, "         -> %s\n", item->remedy);
    }
    if (report->incomplete)
        fputs("unknown  out of memory: there is more than what is shown\n", out);
    fprintf(out, "%zu errors, %zu warnings, %zu not known\n", count_of(report, SETUP_ERROR),
            count_of(report, SETUP_WARNING), count_of(report, SETUP_UNKNOWN));
}

int setup_print(const struct setup_report *report, bool json, FILE *out)
{
    if (json)
        return print_json(report, out);
    print_text(report, out);
    return ferror(out) ? -EIO : 0;
}

void setup_report_fini(struct setup_report *report)
{
    arena_fini(&report->arena);
    *report = (struct setup_report){0};
}
