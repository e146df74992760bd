/* See log.h. */
#include "log.h"

#include "json.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_LEN = 2000 }; /* syslog daemons cut at 2 to 8 kB */

static struct {
    pthread_mutex_t lock; /* of syslog's reopening and of lines on stderr */
    char ident[64];
    atomic_bool syslog;
    atomic_bool json;
    atomic_int level;
    int facility;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER,
           .ident = "requiretls-milter",
           .level = LOG_INFO,
           .facility = LOG_MAIL};

void log_configure(const struct config_log *config, const char *ident, bool daemon)
{
    bool to_syslog =
        config->target == CONFIG_LOG_SYSLOG || (config->target == CONFIG_LOG_AUTO && daemon);

    pthread_mutex_lock(&state.lock);
    snprintf(state.ident, sizeof(state.ident), "%s", ident);
    state.facility = config->facility;
    atomic_store(&state.level, config->level);
    atomic_store(&state.json, config->format == CONFIG_LOG_JSON);
    if (to_syslog)
        openlog(state.ident, LOG_PID | LOG_NDELAY, state.facility);
    atomic_store(&state.syslog, to_syslog);
    pthread_mutex_unlock(&state.lock);
}

bool log_wanted(int priority)
{
    return priority <= atomic_load_explicit(&state.level, memory_order_relaxed);
}

bool log_is_json(void)
{
    return atomic_load_explicit(&state.json, memory_order_relaxed);
}

static void timestamp(char *out, size_t out_len)
{
    struct timespec now;
    struct tm tm;
    size_t n;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    n = strftime(out, out_len, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, out_len - n, ".%03ldZ", now.tv_nsec / 1000000);
}

/* One write per line: lines of several threads do not mix. */
static void write_stderr(const char *line)
{
    char whole[LINE_MAX_LEN + 160];
    char when[40];
    int n;

    timestamp(when, sizeof(when));
    if (log_is_json())
        n = snprintf(whole, sizeof(whole), "%s\n", line);
    else
        n = snprintf(whole, sizeof(whole), "%s %s[%d]: %s\n", when, state.ident, (int)getpid(),
                     line);
    if (n >= (int)sizeof(whole)) {
        n = (int)sizeof(whole) - 1;
        whole[n - 1] = '\n';
    }
    for (const char *p = whole; n > 0;) {
        ssize_t done = write(STDERR_FILENO, p, (size_t)n);

        if (done < 0 && errno != EINTR)
            return; /* there is nowhere to say it */
        if (done > 0) {
            p += done;
            n -= (int)done;
        }
    }
}

static void emit(int priority, const char *line)
{
    pthread_mutex_lock(&state.lock);
    if (atomic_load_explicit(&state.syslog, memory_order_relaxed))
        syslog(state.facility | priority, "%s", line);
    else
        write_stderr(line);
    pthread_mutex_unlock(&state.lock);
}

static const char *priority_name(int priority)
{
    switch (priority) {
    case LOG_ERR:
        return "error";
    case LOG_WARNING:
        return "warning";
    case LOG_DEBUG:
        return "debug";
    default:
        return "info";
    }
}

/* A plain message as a JSON object. */
static void emit_json(int priority, const char *text)
{
    struct json json;
    const char *line;
    char when[40];
    size_t len;

    timestamp(when, sizeof(when));
    json_init(&json, 4 * LINE_MAX_LEN);
    json_object_begin(&json);
    json_key(&json, "time");
    json_string(&json, when);
    json_key(&json, "level");
    json_string(&json, priority_name(priority));
    json_key(&json, "message");
    json_string(&json, text);
    json_object_end(&json);
    emit(priority, json_finish(&json, &line, &len) == 0 ? line : text);
    json_fini(&json);
}

void log_msg(int priority, const char *format, ...)
{
    static const char *const words[] = {"error: ", "warning: ", "", "debug: "};
    char line[LINE_MAX_LEN];
    const char *word = words[priority <= LOG_ERR       ? 0
                             : priority == LOG_WARNING ? 1
                             : priority == LOG_DEBUG   ? 3
                                                       : 2];
    size_t n = strlen(word);
    va_list args;

    if (!log_wanted(priority))
        return;
    memcpy(line, word, n);
    va_start(args, format);
    vsnprintf(line + n, sizeof(line) - n, format, args);
    va_end(args);
    if (log_is_json())
        emit_json(priority, line + n);
    else
        emit(priority, line);
}

void log_line(int priority, const char *text, const char *json)
{
    if (log_wanted(priority))
        emit(priority, log_is_json() ? json : text);
}

const char *log_quote(const char *text, char *out, size_t out_len)
{
    size_t n = 0;

    for (; text != NULL && *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = c >= ' ' && c < 0x7f && c != '\\';

        if (n + (plain ? 1 : 4) + sizeof("...") > out_len) {
            snprintf(out + n, out_len - n, "...");
            return out;
        }
        if (plain)
            out[n++] = (char)c;
        else
            n += (size_t)sprintf(out + n, "\\x%02x", c);
    }
    out[n] = '\0';
    return out;
}
