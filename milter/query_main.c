/*
 * requiretls-query: shows what a next-hop publishes and what follows from it. Reads the command
 * line and the configuration, then does one of: look up each name, here or by the daemon, and print
 * it; examine this host; ask the daemon how it is. The exit status is that of base/exit_code.h.
 */
#include "query/query.h"
#include "query/query_status.h"

#include "base/json.h"
#include "decide/rules_check.h"
#include "setup/setup.h"

#include <errno.h>
#include <idn2.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A run that takes longer shows on a terminal how far it is. */
enum { PROGRESS_AFTER_MS = 1000 };

/* Whole lines of JSON with the tool's own members added. */
enum { OUTPUT_MAX = 16 * 1024 * 1024 };

static void on_config_message(void *arg, const char *message)
{
    (void)arg;
    fprintf(stderr, "requiretls-query: %s\n", message);
}

static void on_config_warning(void *arg, const char *message)
{
    (void)arg;
    fprintf(stderr, "requiretls-query: warning: %s\n", message);
}

static struct config *load_config(const struct query_options *options)
{
    char host_name[256] = "localhost";
    struct config *config = NULL;
    gethostname(host_name, sizeof(host_name) - 1);
    int error = options->config_given
                    ? config_load(options->config_path, host_name, on_config_message,
                                  on_config_warning, NULL, &config)
                    : config_load_if_present(options->config_path, host_name, on_config_message,
                                             on_config_warning, NULL, &config);
    if (error < 0)
        return NULL;
    rules_check(config, on_config_warning, NULL);
    return config;
}

/* The name with U-labels where it has any and the terminal can show them; to be freed. */
static char *unicode_of(const struct nexthop *nexthop)
{
    char *unicode = NULL;
    if (nexthop->kind == NEXTHOP_LITERAL || strstr(nexthop->name, "xn--") == NULL)
        return NULL;
    if (idn2_to_unicode_8z8z(nexthop->name, &unicode, 0) != IDN2_OK)
        return NULL;
    return unicode;
}

static void progress(struct query_set *set, bool *shown)
{
    pthread_mutex_lock(&set->lock);
    size_t done = set->done;
    pthread_mutex_unlock(&set->lock);
    fprintf(stderr, "\r%zu of %zu names looked up ", done, set->count);
    *shown = true;
}

static void wait_for(struct query_set *set, size_t index, bool *shown)
{
    while (!query_set_wait(set, index, PROGRESS_AFTER_MS)) {
        if (isatty(STDERR_FILENO))
            progress(set, shown);
    }
    if (*shown)
        fputs("\r\033[K", stderr);
    *shown = false;
}

/* The object with the tool's own members before those of the daemon: one line. */
static bool print_json(const struct query_name *name, const struct query_options *options)
{
    struct json json;
    const char *text;
    char *unicode = unicode_of(&name->nexthop);
    json_init(&json, OUTPUT_MAX);
    json_object_begin(&json);
    json_key(&json, "name");
    json_string(&json, name->given);
    json_key(&json, "unicode");
    json_string(&json, unicode);
    if (options->explain) {
        json_key(&json, "explain");
        query_explain_json(&json, name);
    }
    json_members(&json, name->json, name->json_len);
    json_object_end(&json);
    bool ok = json_finish(&json, &text, NULL) == 0 && puts(text) >= 0;
    json_fini(&json);
    free(unicode);
    return ok;
}

static void print_text(const struct query_name *name, const struct query_options *options,
                       const struct json_value *object)
{
    char *unicode = unicode_of(&name->nexthop);
    bool shown = unicode != NULL && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    query_text(stdout, object, shown ? unicode : NULL);
    if (options->probe)
        query_text_unprobed(stdout, object);
    if (options->explain)
        query_explain_text(stdout, name);
    free(unicode);
}

static int print_name(struct query_name *name, const struct config *config,
                      const struct query_options *options)
{
    struct json_doc *doc;
    if (name->json == NULL) {
        fprintf(stderr, "requiretls-query: %s: %s\n", name->nexthop.text, name->failure);
        return QUERY_EXIT_UNDECIDED;
    }
    int error = json_read(name->json, name->json_len, &doc);
    if (error < 0 || json_root(doc)->type != JSON_OBJECT || name->json[0] != '{') {
        fprintf(stderr, "requiretls-query: %s: %s\n", name->nexthop.text,
                error == -ENOMEM ? "out of memory" : "the answer is not a JSON object");
        if (error == 0)
            json_doc_free(doc);
        return QUERY_EXIT_UNDECIDED;
    }
    int code = query_exit_code(json_root(doc));
    if (options->explain && options->socket == NULL)
        query_explain_decide(config, options, name);
    if (!options->json)
        print_text(name, options, json_root(doc));
    else if (!print_json(name, options))
        code = QUERY_EXIT_UNDECIDED;
    json_doc_free(doc);
    fflush(stdout);
    return code;
}

static int print_all(struct query_set *set, const struct config *config,
                     const struct query_options *options)
{
    bool shown = false;
    int code = QUERY_EXIT_SATISFIED;
    for (size_t i = 0; i < set->count; i++) {
        wait_for(set, i, &shown);
        if (i > 0 && !options->json)
            putchar('\n');
        code = query_worst(code, print_name(&set->names[i], config, options));
    }
    return code;
}

/* Where the daemon is to be asked: as the command line says, or its own first listener. */
static const char *daemon_address(const struct config *config, const struct query_options *options)
{
    if (options->socket != NULL && options->socket[0] != '\0')
        return options->socket;
    const char *address = config_unix_listener(config);
    if (address == NULL && config->socketmap.listen_count > 0)
        address = config->socketmap.listen[0].text;
    if (address == NULL)
        fputs("requiretls-query: [socketmap] listen is empty: there is no socket to ask at\n",
              stderr);
    return address;
}

static int look_up(struct config *config, const struct query_options *options,
                   struct query_set *set)
{
    char err[512] = "";
    const char *address = NULL;
    struct query_local *local = NULL;
    struct query_remote *remote = NULL;
    if (options->socket != NULL && (address = daemon_address(config, options)) == NULL)
        return QUERY_EXIT_CONFIG;
    int error = address != NULL
                    ? query_remote_start(address, set, &remote, err, sizeof(err))
                    : query_local_start(config, set, options->probe, &local, err, sizeof(err));
    if (error < 0) {
        fprintf(stderr, "requiretls-query: %s\n", err);
        return error == -EINVAL ? QUERY_EXIT_USAGE : QUERY_EXIT_UNDECIDED;
    }
    int code = print_all(set, config, options);
    query_local_stop(local);
    query_remote_stop(remote);
    return code;
}

/* All names must be right before any is looked up. */
static int run_query(struct config *config, const struct query_options *options)
{
    struct query_set set;
    int code = QUERY_EXIT_SATISFIED;
    if (query_set_init(&set, options->name_count) < 0) {
        fputs("requiretls-query: out of memory\n", stderr);
        return QUERY_EXIT_UNDECIDED;
    }
    for (size_t i = 0; i < set.count; i++) {
        if (query_name_parse(options->names[i], &set.names[i]) < 0) {
            fprintf(stderr, "requiretls-query: not a domain, address or [host]: %s\n",
                    options->names[i]);
            code = QUERY_EXIT_USAGE;
            continue;
        }
        query_explain_evaluate(config, options, &set.names[i]);
    }
    if (code == QUERY_EXIT_SATISFIED)
        code = look_up(config, options, &set);
    query_set_fini(&set);
    return code;
}

static int examine(const struct config *config, const struct query_options *options,
                   struct setup_report *report)
{
    if (setup_examine(config, options->mta, report) < 0) {
        fprintf(stderr, "requiretls-query: --mta takes postfix[:DIR] or sendmail[:FILE]: %s\n",
                options->mta);
        return QUERY_EXIT_USAGE;
    }
    int code = setup_exit_code(report);
    if (setup_print(report, options->json, stdout) < 0 && code == QUERY_EXIT_SATISFIED)
        code = QUERY_EXIT_UNDECIDED;
    return code;
}

/* Where the errors of the file go. */
struct broken {
    struct setup_report *report;
    const char *path;
};

/* config_report_fn */
static void on_broken(void *arg, const char *message)
{
    struct broken *broken = arg;
    setup_broken(broken->report, broken->path, message);
}

/* Errors in the file do not keep the rest from being examined; the exit status tells of them. */
static int check_setup(const struct query_options *options)
{
    char host_name[256] = "localhost";
    struct setup_report report = {0};
    struct broken broken = {&report, options->config_path};
    struct config *config;
    gethostname(host_name, sizeof(host_name) - 1);
    int error = config_load_in_part(options->config_path, !options->config_given, host_name,
                                    on_broken, on_config_warning, &broken, &config);
    if (config == NULL) {
        fputs("requiretls-query: out of memory\n", stderr);
        return QUERY_EXIT_CONFIG;
    }
    if (error == 0)
        rules_check(config, on_config_warning, NULL);
    int code = examine(config, options, &report);
    if (error < 0 && code != QUERY_EXIT_USAGE)
        code = QUERY_EXIT_CONFIG;
    setup_report_fini(&report);
    config_unref(config);
    return code;
}

/* Asks a daemon although the file has an error: it runs with what the file said before. Where it
 * listens the file tells as far as it can be read, else it is the usual place. */
static int show_status_despite_errors(const struct query_options *options)
{
    char *of_file = config_unix_listener_of_file(options->config_path);
    const char *const addresses[] = {of_file != NULL ? of_file : QUERY_STATUS_USUAL,
                                     QUERY_STATUS_USUAL, QUERY_STATUS_USUAL_DEBIAN};
    /* Who names a file means the daemon of that file. */
    size_t count = !options->config_given ? 3 : of_file != NULL ? 1 : 0;
    int code = QUERY_EXIT_UNDECIDED;
    for (size_t i = 0; i < count && code == QUERY_EXIT_UNDECIDED; i++) {
        if (i == 0 || strcmp(addresses[i], addresses[0]) != 0)
            code = query_status(addresses[i], options->json, stdout);
    }
    free(of_file);
    if (code != QUERY_EXIT_UNDECIDED)
        return QUERY_EXIT_UNSATISFIED;
    fputs("requiretls-query: --socket unix:/path would do without a configuration\n", stderr);
    return QUERY_EXIT_CONFIG;
}

/* The configuration only tells where the socket is. */
static int show_status(const struct query_options *options)
{
    if (options->socket != NULL && options->socket[0] != '\0')
        return query_status(options->socket, options->json, stdout);
    struct config *config = load_config(options);
    if (config == NULL)
        return show_status_despite_errors(options);
    const char *address = config_unix_listener(config);
    int code = QUERY_EXIT_UNDECIDED;
    if (address == NULL)
        fputs("requiretls-query: [socketmap] listen names no unix socket to ask at\n", stderr);
    else
        code = query_status(address, options->json, stdout);
    config_unref(config);
    return code;
}

int main(int argc, char **argv)
{
    struct query_options options;
    char err[256] = "out of memory";
    int code;
    setlocale(LC_CTYPE, "");
    if (query_options_parse(&options, argc, argv, err, sizeof(err)) < 0) {
        fprintf(stderr, "requiretls-query: %s\n", err);
        code = QUERY_EXIT_USAGE;
    } else if (options.help) {
        fputs(query_options_help, stdout);
        code = 0;
    } else if (options.version) {
        puts("requiretls-query " PROJECT_VERSION);
        code = 0;
    } else if (options.status) {
        code = show_status(&options);
    } else if (options.check_setup) {
        code = check_setup(&options);
    } else {
        struct config *config = load_config(&options);
        code = config == NULL ? QUERY_EXIT_CONFIG : run_query(config, &options);
        config_unref(config);
    }
    query_options_fini(&options);
    return code;
}
