/*
 * Plays a scenario line by line. Each line is one command; the lines that describe the world and
 * those that compare are in files of their own.
 */
#include "scenario_internal.h"

#include "policy/verdict.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int scenario_fail(struct play *play, const char *format, ...)
{
    size_t used =
        (size_t)snprintf(play->err, play->err_size, "%s:%u: ", play->path, play->line_number);
    va_list args;

    va_start(args, format);
    vsnprintf(play->err + used, play->err_size - used, format, args);
    va_end(args);
    return -1;
}

static void on_log(void *arg, int priority, const char *message)
{
    struct play *play = arg;
    size_t used = strlen(play->log);
    (void)priority;

    snprintf(play->log + used, sizeof play->log - used, "%s\n", message);
}

/* Reads a line without comment and line end into play->line. */
static bool read_line(struct play *play)
{
    if (play->have_line) {
        play->have_line = false;
        return true;
    }
    while (fgets(play->line, sizeof play->line, play->file) != NULL) {
        size_t len = strcspn(play->line, "\n");
        play->line_number++;
        play->line[len] = '\0';
        if (play->line[0] != '#' && play->line[strspn(play->line, " ")] != '\0')
            return true;
    }
    return false;
}

const char *scenario_indented(struct play *play)
{
    if (!read_line(play))
        return NULL;
    if (play->line[0] != ' ') {
        play->have_line = true;
        return NULL;
    }
    return play->line + strspn(play->line, " ");
}

struct asker *scenario_asker(struct play *play, const char *label)
{
    for (struct asker *a = play->askers; a != NULL; a = a->next) {
        if (strcmp(a->label, label) == 0)
            return a;
    }
    return NULL;
}

struct asker *scenario_new_asker(struct play *play, const char *label, size_t count)
{
    struct asker *asker = calloc(1, sizeof *asker);

    if (asker == NULL)
        exit(99);
    asker->count = count;
    asker->play = play;
    asker->next = play->askers;
    play->askers = asker;
    asker->asked_ms = sim_world_now(play->sim);
    snprintf(asker->label, sizeof asker->label, "%s", label);
    return asker;
}

void scenario_done(const struct findings *findings, void *arg)
{
    struct asker *asker = arg;

    asker->last_ms = sim_world_now(asker->play->sim);
    if (asker->answered++ == 0)
        asker->first_ms = asker->last_ms;
    findings_unref(asker->findings);
    asker->findings = findings != NULL ? findings_ref(findings) : NULL;
}

static bool is_settled(const struct findings *findings, enum verdict_level level)
{
    const struct verdict_terms terms = {
        .level = level, .can = VERDICT_CAN_DANE | VERDICT_CAN_STS, .web_pki = true};
    struct verdict verdict;

    verdict_derive(findings, &terms, &verdict);
    return verdict.value != VERDICT_PENDING;
}

/* engine_enough_fn */
static bool on_enforce(const struct findings *findings, void *arg)
{
    (void)arg;
    return is_settled(findings, VERDICT_LEVEL_ENFORCE);
}

/* engine_enough_fn */
static bool on_starttls(const struct findings *findings, void *arg)
{
    (void)arg;
    return is_settled(findings, VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS);
}

/* engine_enough_fn */
static bool on_sts(const struct findings *findings, void *arg)
{
    (void)arg;
    return findings->sts.state != FINDINGS_STS_PENDING || findings->sts.late;
}

/* What somebody waits for, and no longer. */
static engine_enough_fn enough_of(const char *word)
{
    if (strcmp(word, "sts") == 0)
        return on_sts;
    return strcmp(word, "enforce") == 0 ? on_enforce : on_starttls;
}

static int ask(struct play *play, char *args)
{
    char name[SIM_NAME_MAX], as[8], label[LABEL_LEN], word[16], value[16];
    engine_enough_fn enough = NULL;
    struct nexthop nexthop;
    struct asker *asker;
    size_t count = 1;
    int used = 0;

    if (sscanf(args, "%299s %7s %31s %n", name, as, label, &used) != 3 || strcmp(as, "as") != 0)
        return scenario_fail(play, "ask NEXTHOP as LABEL ...");
    for (args += used; sscanf(args, "%15s %15s %n", word, value, &used) == 2; args += used) {
        if (strcmp(word, "times") == 0)
            count = (size_t)atoi(value);
        else if (strcmp(word, "until") == 0)
            enough = enough_of(value);
        else
            return scenario_fail(play, "%s?", word);
    }
    if (nexthop_parse(name, &nexthop) < 0)
        return scenario_fail(play, "no next-hop: %s", name);
    asker = scenario_new_asker(play, label, count);
    asker->waiters = calloc(asker->count, sizeof *asker->waiters);
    for (size_t i = 0; i < asker->count; i++) {
        const struct findings *findings = NULL;
        int status;
        asker->waiters[i] =
            (struct core_waiter){.enough = enough, .done = scenario_done, .arg = asker};
        status = core_ask(play->core, &nexthop, &asker->waiters[i], &findings);
        if (status != 0)
            scenario_done(findings, asker);
        findings_unref(findings);
    }
    return 0;
}

static int cancel(struct play *play, char *args)
{
    struct asker *asker = scenario_asker(play, args);

    if (asker == NULL)
        return scenario_fail(play, "nobody asked as %s", args);
    for (size_t i = 0; i < asker->count; i++) {
        if (asker->recording != NULL)
            tlsrpt_lookups_drop(&asker->recording[i].waiter);
        else if (asker->probing == NULL)
            core_drop(&asker->waiters[i]);
        else if (asker->probing[i].request != NULL)
            prober_drop(asker->probing[i].request);
    }
    return 0;
}

/* `N`, milliseconds, or `N s|m|h|d`. */
static bool read_duration(const char *text, long long *ms)
{
    char unit = '\0';
    int got = sscanf(text, "%lld %c", ms, &unit);

    switch (got == 2 ? unit : '\0') {
    case '\0':
        return got == 1;
    case 's':
        *ms *= 1000;
        return true;
    case 'm':
        *ms *= 60 * 1000;
        return true;
    case 'h':
        *ms *= 60 * 60 * 1000;
        return true;
    case 'd':
        *ms *= 24 * 60 * 60 * 1000;
        return true;
    default:
        return false;
    }
}

static int run(struct play *play, char *args)
{
    long long ms;

    if (!read_duration(args, &ms))
        return scenario_fail(play, "run how long?");
    sim_world_run(play->sim, ms);
    return 0;
}

static int wall(struct play *play, char *args)
{
    long long ms;

    if (!read_duration(args, &ms))
        return scenario_fail(play, "wall how far?");
    sim_world_step_wall(play->sim, ms / 1000);
    return 0;
}

static int config(struct play *play, char *args)
{
    struct core_settings *s = &play->settings;
    char *save = NULL;

    for (char *word = strtok_r(args, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        char *value = strchr(word, '=');
        if (value == NULL)
            return scenario_fail(play, "config KEY=VALUE");
        *value++ = '\0';
        if (strcmp(word, "negative_ttl") == 0)
            s->negative_ttl_ms = atoll(value) * 1000;
        else if (strcmp(word, "max_ttl") == 0)
            s->max_ttl_ms = atoll(value) * 1000;
        else if (strcmp(word, "min_retry") == 0)
            s->sts_min_retry_ms = atoll(value) * 1000;
        else if (strcmp(word, "give_up") == 0)
            s->sts_give_up_ms = atoll(value) * 1000;
        else if (strcmp(word, "refresh") == 0)
            s->sts_refresh_ms = atoll(value) * 1000;
        else if (strcmp(word, "max_policy") == 0)
            s->sts_max_policy = (size_t)atoll(value);
        else if (strcmp(word, "max_domains") == 0)
            s->max_domains = (size_t)atoll(value);
        else if (strcmp(word, "max_memory") == 0)
            s->max_memory = (size_t)atoll(value);
        else if (strcmp(word, "prefetch") == 0)
            s->prefetch = strcmp(value, "on") == 0;
        else if (strcmp(word, "dane") == 0)
            s->dane_enable = strcmp(value, "on") == 0;
        else if (strcmp(word, "sts") == 0)
            s->sts_enable = strcmp(value, "on") == 0;
        else if (strcmp(word, "probe") == 0)
            s->probe.enable = strcmp(value, "on") == 0;
        else if (strcmp(word, "probe_ttl") == 0)
            s->probe.ttl_ms = atoll(value) * 1000;
        else if (strcmp(word, "probe_negative_ttl") == 0)
            s->probe.negative_ttl_ms = atoll(value) * 1000;
        else if (strcmp(word, "probe_parallel") == 0)
            s->probe.parallel = (size_t)atoll(value);
        else if (strcmp(word, "probe_per_minute") == 0)
            s->probe.per_minute = (size_t)atoll(value);
        else if (strcmp(word, "probe_port") == 0)
            s->probe.port = (uint16_t)atoi(value);
        else
            return scenario_fail(play, "no such key: %s", word);
    }
    core_configure(play->core, s);
    return 0;
}

static int security(struct play *play, char *args)
{
    sim_world_set_security(play->sim, strcmp(args, "known") == 0);
    return 0;
}

static int check(struct play *play, char *args)
{
    char result[8];
    long delay_ms = 0;

    if (sscanf(args, "%7s delay=%ld", result, &delay_ms) < 1)
        return scenario_fail(play, "check passes|fails [delay=MS]");
    sim_world_set_check(play->sim, strcmp(result, "passes") == 0, delay_ms);
    return 0;
}

static int distrust(struct play *play, char *args)
{
    struct core_settings settings = play->settings;

    (void)args;
    sim_world_withdraw_trust(play->sim);
    core_configure(play->core, &settings);
    return 0;
}

/* core_purged_fn */
static void on_purged(int status, void *arg)
{
    struct play *play = arg;

    play->purge_status = status;
}

static int purge(struct play *play, char *args)
{
    struct nexthop nexthop;

    if (nexthop_parse(args, &nexthop) < 0)
        return scenario_fail(play, "no next-hop: %s", args);
    play->purge_status = 1;
    core_purge(play->core, &nexthop, on_purged, play);
    return play->purge_status != -ENOENT ? 0 : scenario_fail(play, "there was nothing");
}

static int not_cached(struct play *play, char *args)
{
    struct world *world = sim_world_world(play->sim);
    const struct findings *findings;
    struct nexthop nexthop;

    if (nexthop_parse(args, &nexthop) < 0)
        return scenario_fail(play, "no next-hop: %s", args);
    findings = core_cached(play->core, &nexthop, world->ops->mono_ms(world),
                           world->ops->security_known(world));
    findings_unref(findings);
    return findings != NULL ? scenario_fail(play, "%s is cached", args) : 0;
}

static int check_count(struct play *play, const char *what, unsigned long got, unsigned long want)
{
    return got == want ? 0 : scenario_fail(play, "%s: %lu, not %lu", what, got, want);
}

static int sent(struct play *play, char *args)
{
    static const struct {
        const char *name;
        uint16_t type;
    } types[] = {{"A", 1}, {"CNAME", 5}, {"MX", 15}, {"TXT", 16}, {"AAAA", 28}, {"TLSA", 52}};
    char name[SIM_NAME_MAX], type[8];
    unsigned count, total = sim_world_asked(play->sim, NULL, 0), since = play->sent_before;

    if (sscanf(args, "%299s %7s %u", name, type, &count) == 3) {
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
            if (strcmp(type, types[i].name) == 0)
                return check_count(play, args, sim_world_asked(play->sim, name, types[i].type),
                                   count);
        }
    } else if (sscanf(args, "%u", &count) == 1) {
        play->sent_before = total;
        return check_count(play, "sent", total - since, count);
    }
    return scenario_fail(play, "sent [NAME TYPE] N");
}

static int fetched(struct play *play, char *args)
{
    char domain[SIM_NAME_MAX], more = '\0';
    unsigned count, got;

    if (sscanf(args, "%299s %u%c", domain, &count, &more) < 2)
        return scenario_fail(play, "fetched DOMAIN N");
    got = sim_world_fetched(play->sim, domain);
    if (more == '+' && got > count)
        got = count;
    return check_count(play, "fetched", got, count);
}

static int lookups(struct play *play, char *args)
{
    struct engine_stats stats;

    counters_read(core_counters(play->core), &stats);
    return check_count(play, "lookups", stats.lookups, (unsigned long)atol(args));
}

static int outstanding(struct play *play, char *args)
{
    return check_count(play, "outstanding", sim_world_outstanding(play->sim),
                       (unsigned long)atol(args));
}

static int logged(struct play *play, char *args)
{
    return strstr(play->log, args) != NULL ? 0 : scenario_fail(play, "the log is:\n%s", play->log);
}

static int not_logged(struct play *play, char *args)
{
    return strstr(play->log, args) != NULL ? scenario_fail(play, "the log is:\n%s", play->log) : 0;
}

static const struct {
    const char *name;
    int (*run)(struct play *play, char *args);
} commands[] = {
    {"dns", scenario_dns},
    {"https", scenario_https},
    {"smtp", scenario_smtp},
    {"probe", scenario_probe},
    {"known", scenario_known},
    {"not-known", scenario_not_known},
    {"connected", scenario_connected},
    {"at-once", scenario_at_once},
    {"tlsrpt", scenario_tlsrpt},
    {"record", scenario_record},
    {"shared", scenario_shared},
    {"shared-policy", scenario_shared_policy},
    {"shared-asked", scenario_shared_asked},
    {"shared-found", scenario_shared_found},
    {"row", scenario_row},
    {"row-life", scenario_row_life},
    {"rows", scenario_rows},
    {"purged", scenario_purged},
    {"another-host", scenario_another_host},
    {"security", security},
    {"distrust", distrust},
    {"check", check},
    {"config", config},
    {"ask", ask},
    {"cancel", cancel},
    {"purge", purge},
    {"run", run},
    {"wall", wall},
    {"expect", scenario_expect},
    {"cached", scenario_cached},
    {"not-cached", not_cached},
    {"sent", sent},
    {"fetched", fetched},
    {"lookups", lookups},
    {"outstanding", outstanding},
    {"logged", logged},
    {"not-logged", not_logged},
};

static int do_line(struct play *play)
{
    char line[LINE_MAX_LEN];
    char *args;

    memcpy(line, play->line, sizeof line);
    if (line[0] == ' ')
        return scenario_fail(play, "an indented line belongs to nothing");
    args = line + strcspn(line, " ");
    if (*args)
        *args++ = '\0';
    args += strspn(args, " ");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(line, commands[i].name) == 0)
            return commands[i].run(play, args);
    }
    return scenario_fail(play, "no such command: %s", line);
}

static void end(struct play *play)
{
    core_free(play->core); /* answers those who still wait */
    while (play->askers != NULL) {
        struct asker *next = play->askers->next;
        findings_unref(play->askers->findings);
        free(play->askers->waiters);
        free(play->askers->probing);
        free(play->askers->recording);
        free(play->askers);
        play->askers = next;
    }
    sim_world_free(play->sim);
    fclose(play->file);
}

int scenario_play(const char *path, bool verbose, char *err, size_t err_size)
{
    struct play play = {.path = path, .verbose = verbose, .err = err, .err_size = err_size};
    unsigned done = 0;
    int status = 0;

    play.file = fopen(path, "r");
    if (play.file == NULL)
        return scenario_fail(&play, "cannot be read");
    play.sim = sim_world_new();
    play.settings = (struct core_settings){
        .dane_enable = true,
        .sts_enable = true,
        .prefetch = false,
        .sts_min_retry_ms = 5 * 60 * 1000,
        .sts_give_up_ms = 24 * 60 * 60 * 1000,
        .sts_refresh_ms = 24 * 60 * 60 * 1000,
        .sts_max_policy = 64 * 1024,
        .negative_ttl_ms = 5 * 60 * 1000,
        .max_ttl_ms = 24 * 60 * 60 * 1000,
        .max_domains = 1000,
        .probe = {.enable = true,
                  .ttl_ms = 24 * 60 * 60 * 1000,
                  .negative_ttl_ms = 10 * 60 * 1000,
                  .parallel = 20,
                  .per_minute = 60,
                  .port = 25,
                  .log = on_log,
                  .log_arg = &play},
        .log = on_log,
        .log_arg = &play,
    };
    if (core_new(sim_world_world(play.sim), &play.settings, &play.core) < 0)
        exit(99);
    while (status == 0 && read_line(&play)) {
        status = do_line(&play);
        done++;
    }
    if (status == 0 && done < 3)
        status = scenario_fail(&play, "an empty scenario");
    end(&play);
    return status;
}
