/*
 * Writes lines to syslog or stderr, as text or JSON. log_configure chooses; before it everything
 * goes to stderr as text. What cannot be written is lost.
 * Each line has one header: syslog's own; the journal's, where stderr leads there, and then the
 * priority as sd-daemon(3) has it; else time, ident and process id.
 */
#include "base/log.h"

#include "base/json.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_LEN = 2000 }; /* syslog daemons cut at 2 to 8 kB */

static struct {
    pthread_mutex_t lock; /* of syslog's reopening and of lines on stderr */
    char ident[64];
    atomic_bool syslog;
    atomic_bool json;
    atomic_bool journal; /* stderr is the journal */
    atomic_bool echo;    /* errors to stderr too */
    atomic_int level;
    int facility;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER,
           .ident = "requiretls-milter",
           .level = LOG_INFO,
           .facility = LOG_MAIL};

/* systemd.exec(5): JOURNAL_STREAM names the journal's socket, which stderr may be no longer. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;
    int used = 0;

    return stream != NULL && sscanf(stream, "%llu:%llu%n", &device, &inode, &used) == 2 &&
           stream[used] == '\0' && fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device &&
           st.st_ino == inode;
}

void log_configure(const struct log_settings *settings, const char *ident, bool daemon)
{
    bool to_syslog =
        settings->target == LOG_TARGET_SYSLOG || (settings->target == LOG_TARGET_AUTO && daemon);

    pthread_mutex_lock(&state.lock);
    snprintf(state.ident, sizeof(state.ident), "%s", ident);
    state.facility = settings->facility;
    atomic_store(&state.level, settings->level);
    atomic_store(&state.json, settings->format == LOG_FORMAT_JSON);
    if (to_syslog)
        openlog(state.ident, LOG_PID | LOG_NDELAY, state.facility);
    atomic_store(&state.syslog, to_syslog);
    atomic_store(&state.journal, stderr_is_journal());
    pthread_mutex_unlock(&state.lock);
}

void log_echo_errors(bool on)
{
    atomic_store(&state.echo, on);
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

/* In one piece, so that lines of several processes do not mix either. What cannot be written is
 * lost: there is nowhere to say it. */
static void write_pieces(struct iovec *pieces, int count)
{
    while (count > 0) {
        ssize_t done = writev(STDERR_FILENO, pieces, count);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return;
        for (; count > 0 && (size_t)done >= pieces->iov_len; pieces++, count--)
            done -= (ssize_t)pieces->iov_len;
        if (count > 0) {
            pieces->iov_base = (char *)pieces->iov_base + done;
            pieces->iov_len -= (size_t)done;
        }
    }
}

static void write_stderr(int priority, const char *line)
{
    char prefix[160] = "", when[40], end[] = "\n";
    struct iovec pieces[3];

    timestamp(when, sizeof(when));
    if (atomic_load(&state.journal))
        snprintf(prefix, sizeof(prefix), "<%d>", LOG_PRI(priority));
    else if (!log_is_json())
        snprintf(prefix, sizeof(prefix), "%s %s[%d]: ", when, state.ident, (int)getpid());
    pieces[0] = (struct iovec){prefix, strlen(prefix)};
    pieces[1] = (struct iovec){(void *)(uintptr_t)line, strlen(line)};
    pieces[2] = (struct iovec){end, 1};
    write_pieces(pieces, 3);
}

static void write_line(int priority, const char *line)
{
    pthread_mutex_lock(&state.lock);
    bool to_syslog = atomic_load_explicit(&state.syslog, memory_order_relaxed);
    if (to_syslog)
        syslog(state.facility | priority, "%s", line);
    /* The journal has what goes to syslog already. */
    if (!to_syslog ||
        (priority <= LOG_ERR && atomic_load(&state.echo) && !atomic_load(&state.journal)))
        write_stderr(priority, line);
    pthread_mutex_unlock(&state.lock);
}

void log_early(int priority, const char *message)
{
    const char *word = priority <= LOG_ERR ? "" : "warning: ";

    if (stderr_is_journal())
        fprintf(stderr, "<%d>%s%s\n", LOG_PRI(priority), priority <= LOG_ERR ? "error: " : word,
                message);
    else
        fprintf(stderr, "%s: %s%s\n", state.ident, word, message);
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

/* As a JSON object: `text` is a plain message, else NULL; `object` is one whose members to take. */
static void emit_json(int priority, const char *text, const char *object)
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
    json_key(&json, "priority"); /* `level` is a member of lines */
    json_string(&json, priority_name(priority));
    if (text != NULL) {
        json_key(&json, "message");
        json_string(&json, text);
    } else {
        json_members(&json, object, strlen(object));
    }
    json_object_end(&json);
    if (json_finish(&json, &line, &len) == 0)
        write_line(priority, line);
    else
        write_line(priority, text != NULL ? text : object);
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
        emit_json(priority, line + n, NULL);
    else
        write_line(priority, line);
}

void log_line(int priority, const char *text, const char *json)
{
    if (!log_wanted(priority))
        return;
    if (log_is_json())
        emit_json(priority, json != NULL ? NULL : text, json);
    else
        write_line(priority, text);
}

static const char *quote_text(const char *text, const char *also, char *out, size_t out_len)
{
    size_t n = 0;

    for (; text != NULL && *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = c >= ' ' && c < 0x7f && c != '\\' && strchr(also, c) == NULL;

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

const char *log_quote(const char *text, char *out, size_t out_len)
{
    return quote_text(text, "", out, out_len);
}

const char *log_quote_field(const char *text, char *out, size_t out_len)
{
    return quote_text(text, " <>", out, out_len);
}
