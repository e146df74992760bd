/*
 * A configuration file with errors: setup_broken makes a finding of each; then setup_can_examine
 * keeps checks from looking at values that the file does not tell. What is left out is said below
 * the last of these findings. Pure.
 */
#include "setup/setup.h"

#include "base/text.h"

void setup_broken(struct setup_report *report, const char *path, const char *error)
{
    report->config_path = path;
    setup_add(report, SETUP_ERROR, "configuration", "%s", error);
    setup_remedy(
        report,
        "correct it first: the daemon does not start with it, and one that runs keeps what "
        "the file said before; requiretls-milter -t -c %s says when it is right",
        setup_word(report, path));
    report->broken = report->count;
}

bool setup_can_examine(const struct config *config, unsigned parts, const char *what,
                       struct setup_report *report)
{
    static const struct {
        unsigned part;
        const char *name;
    } names[] = {
        {CONFIG_PART_SOCKETS, "the sockets"},
        {CONFIG_PART_MILTER, "[milter]"},
        {CONFIG_PART_SOCKETMAP, "[socketmap]"},
        {CONFIG_PART_DNS, "[dns]"},
        {CONFIG_PART_LOOKUPS, "[mta_sts] and [dane]"},
        {CONFIG_PART_CACHE, "[cache]"},
        {CONFIG_PART_RULES, "rules and routes"},
        {CONFIG_PART_USER, "[milter] user"},
        {CONFIG_PART_WAIT, "[milter] rcpt_wait"},
        {CONFIG_PART_PROBE, "[probe]"},
        {CONFIG_PART_DELIVER, "[deliver] and [tlsrpt]"},
    };
    char list[200];
    struct text text;

    if ((config->in_doubt & parts) == 0)
        return true;
    text_init(&text, list, sizeof(list));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((config->in_doubt & parts & names[i].part) != 0)
            text_addf(&text, "%s%s", text.len > 0 ? ", " : "", names[i].name);
    }
    setup_follow_broken(report);
    setup_add(report, SETUP_UNKNOWN, "not-examined", "%s: what the file says of %s is not known",
              what, list);
    setup_follow_end(report);
    return false;
}
