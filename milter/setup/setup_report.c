/*
 * Findings of the set-up check: setup_add appends one, setup_remedy and setup_command complete the
 * last, setup_follow_begin puts what is added next below it; when all are there setup_print writes
 * them as text or JSON and setup_exit_code says what they come to.
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

static const char *keep_finding_text(struct setup_report *report, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static bool copy_text(char *out, size_t size, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

/* Returns whether it is whole. */
static bool copy_text(char *out, size_t size, const char *format, va_list args)
{
    int len = vsnprintf(out, size, format, args);

    for (char *c = out; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    return len >= 0 && (size_t)len < size;
}

/* The text in the report's memory, NULL when there is none left. */
static const char *keep_finding_text(struct setup_report *report, const char *format, va_list args)
{
    char text[TEXT_MAX];

    (void)copy_text(text, sizeof(text), format, args);
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
    const char *text = keep_finding_text(report, format, args);
    va_end(args);
    report->items = items;
    items[report->count++] = (struct setup_finding){.state = state,
                                                    .name = name,
                                                    .text = text != NULL ? text : "out of memory",
                                                    .cause = report->cause};
}

/* The finding that a remedy is for, NULL if there is none, or it follows from another. */
static struct setup_finding *last_cause(struct setup_report *report)
{
    struct setup_finding *last = report->count > 0 ? &report->items[report->count - 1] : NULL;

    return last != NULL && last->cause == 0 ? last : NULL;
}

void setup_remedy(struct setup_report *report, const char *format, ...)
{
    va_list args;
    struct setup_finding *finding = last_cause(report);

    if (finding == NULL)
        return;
    va_start(args, format);
    finding->remedy = keep_finding_text(report, format, args);
    va_end(args);
}

/* Whether one of the lines is that. */
static bool has_line(const char *lines, const char *line)
{
    size_t len = strlen(line);

    while (lines != NULL && *lines != '\0') {
        size_t next = strcspn(lines, "\n");

        if (next == len && strncmp(lines, line, len) == 0)
            return true;
        lines += next + (lines[next] != '\0');
    }
    return false;
}

/* Adds a line to some, unless they have it. */
static void add_line(struct setup_report *report, const char **lines, const char *line)
{
    char whole[4 * TEXT_MAX];

    if (has_line(*lines, line))
        return;
    size_t len =
        (size_t)snprintf(whole, sizeof(whole), "%s%s\n", *lines != NULL ? *lines : "", line);
    *lines = len < sizeof(whole) ? arena_string(&report->arena, whole) : NULL;
    report->incomplete |= *lines == NULL;
}

/* Adds a command to those of the last cause, or to those that follow them. */
__attribute__((format(printf, 3, 0))) static void
add_command(struct setup_report *report, bool reload, const char *format, va_list args)
{
    char line[TEXT_MAX], checked[2 * TEXT_MAX];
    struct setup_finding *finding = last_cause(report);

    if (finding == NULL)
        return;
    if (!copy_text(line, sizeof(line), format, args)) /* cut off within quotes it would do harm */
        snprintf(line, sizeof(line), "# a command of more than %d characters is left out here",
                 TEXT_MAX);
    bool check = report->broken != 0 && strncmp(line, "systemctl ", 10) == 0;
    if (check)
        snprintf(checked, sizeof(checked), "requiretls-milter -t -c %s && %s",
                 setup_word(report, report->config_path), line);
    add_line(report, reload ? &finding->reloads : &finding->commands, check ? checked : line);
}

void setup_command(struct setup_report *report, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_command(report, false, format, args);
    va_end(args);
}

void setup_command_reload(struct setup_report *report, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_command(report, true, format, args);
    va_end(args);
}

const char *setup_word(struct setup_report *report, const char *text)
{
    static const char escaped[] = "'\\''";
    size_t quotes = 0, at = 0;

    for (const char *c = text; *c != '\0'; c++)
        quotes += *c == '\'';
    char *word = arena_zalloc(&report->arena, strlen(text) + quotes * (sizeof(escaped) - 2) + 3);
    if (word == NULL) {
        report->incomplete = true;
        return "''";
    }
    word[at++] = '\'';
    for (; *text != '\0'; text++) {
        size_t len = *text == '\'' ? sizeof(escaped) - 1 : 1;

        memcpy(word + at, len > 1 ? escaped : text, len);
        at += len;
    }
    word[at++] = '\'';
    word[at] = '\0';
    return word;
}

void setup_follow_begin(struct setup_report *report)
{
    report->cause = report->count;
}

void setup_follow_broken(struct setup_report *report)
{
    report->cause = report->broken;
}

void setup_follow_end(struct setup_report *report)
{
    report->cause = 0;
}

/* What follows from another finding is not counted. */
static size_t count_of(const struct setup_report *report, enum setup_state state)
{
    size_t count = 0;

    for (size_t i = 0; i < report->count; i++)
        count += report->items[i].state == state && report->items[i].cause == 0;
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

static void json_lines(struct json *json, const char *lines)
{
    char line[2 * TEXT_MAX];

    while (lines != NULL && *lines != '\0') {
        size_t len = strcspn(lines, "\n");

        snprintf(line, sizeof(line), "%.*s", (int)len, lines);
        json_string(json, line);
        lines += len + (lines[len] != '\0');
    }
}

static void json_finding(struct json *json, const struct setup_report *report, size_t number)
{
    const struct setup_finding *item = &report->items[number - 1];

    json_object_begin(json);
    json_key(json, "state");
    json_string(json, state_names[item->state]);
    json_key(json, "name");
    json_string(json, item->name);
    json_key(json, "text");
    json_string(json, item->text);
    if (item->cause == 0) {
        json_key(json, "remedy");
        json_string(json, item->remedy);
        json_key(json, "commands");
        json_array_begin(json);
        json_lines(json, item->commands);
        json_lines(json, item->reloads);
        json_array_end(json);
        json_key(json, "follows");
        json_array_begin(json);
        for (size_t i = number; i < report->count; i++) {
            if (report->items[i].cause == number)
                json_finding(json, report, i + 1);
        }
        json_array_end(json);
    }
    json_object_end(json);
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
        if (report->items[i].cause == 0)
            json_finding(&json, report, i + 1);
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

/* Command lines can be pasted as they are: blanks before them mean nothing to a shell. */
static void print_commands(const char *lines, FILE *out)
{
    while (lines != NULL && *lines != '\0') {
        size_t len = strcspn(lines, "\n");

        fprintf(out, "            %.*s\n", (int)len, lines);
        lines += len + (lines[len] != '\0');
    }
}

static void print_finding(const struct setup_report *report, size_t number, FILE *out)
{
    const struct setup_finding *item = &report->items[number - 1];
    bool follows = false;

    fprintf(out, "%-8s %s: %s\n", state_names[item->state], item->name, item->text);
    bool commands = item->commands != NULL || item->reloads != NULL;
    if (item->remedy != NULL || commands)
        fprintf(out, "         -> %s%s\n", item->remedy != NULL ? item->remedy : "as root",
                commands ? ":" : "");
    print_commands(item->commands, out);
    print_commands(item->reloads, out);
    for (size_t i = number; i < report->count; i++) {
        if (report->items[i].cause != number)
            continue;
        if (!follows)
            fputs("         from this follows:\n", out);
        follows = true;
        fprintf(out, "            %s: %s\n", report->items[i].name, report->items[i].text);
    }
}

static void print_text(const struct setup_report *report, FILE *out)
{
    size_t errors = count_of(report, SETUP_ERROR), warnings = count_of(report, SETUP_WARNING);
    size_t unknown = count_of(report, SETUP_UNKNOWN);

    for (size_t i = 0; i < report->count; i++) {
        if (report->items[i].cause == 0)
            print_finding(report, i + 1, out);
    }
    if (report->incomplete)
        fputs("unknown  out of memory: there is more than what is shown\n", out);
    if (errors + warnings + unknown == 0 && !report->incomplete)
        fputs("all in order\n", out);
    else
        fprintf(out, "%zu errors, %zu warnings, %zu not known\n", errors, warnings, unknown);
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
