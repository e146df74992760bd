/*
 * Everything that the checks of a Postfix look at, fetched: by postconf(1), postmap(1), and by
 * trying the sockets.
 */
#include "setup/postfix/postfix.h"

#include "setup/postfix/postfix_sockets.h"
#include "setup/postfix/postfix_table.h"
#include "setup/setup_ca.h"
#include "setup/setup_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* postconf reads files and asks nobody; postmap may ask a database. */
enum { COMMAND_MS = 20000 };

/* program [-c dir] words... */
static int command(const struct setup_postfix *postfix, const char *program,
                   const char *const *words, char **out, int *status, char *err, size_t err_size)
{
    const char *argv[8] = {program};
    size_t count = 1;

    if (postfix->config_dir != NULL) {
        argv[count++] = "-c";
        argv[count++] = postfix->config_dir;
    }
    while (*words != NULL && count + 1 < sizeof(argv) / sizeof(argv[0]))
        argv[count++] = *words++;
    return setup_run(argv, NULL, COMMAND_MS, out, status, err, err_size);
}

static int read_one(struct setup_postfix *postfix, const char *option,
                    int (*take)(struct postconf *, const char *), char *err, size_t err_size)
{
    const char *const words[] = {option, NULL};
    char *text;
    int status, error = command(postfix, "postconf", words, &text, &status, err, err_size);

    if (error != 0)
        return error;
    if (status != 0) {
        free(text);
        return -EIO; /* err has what postconf says */
    }
    error = take(&postfix->conf, text != NULL ? text : "");
    free(text);
    if (error != 0)
        snprintf(err, err_size, "postconf %s: %s", option,
                 error == -ENOMEM ? "out of memory" : "it prints something unknown");
    return error;
}

/* As setup_lookup_fn: asks postmap(1), which ends with 1 for both `no` and `cannot`. */
static int ask_table(void *arg, const char *table, const char *key, char *out, size_t size)
{
    const struct setup_postfix *postfix = arg;
    const char *const words[] = {"-q", key, table, NULL};
    char *text;
    int status, error = command(postfix, "postmap", words, &text, &status, out, size);

    if (error != 0)
        return error;
    if (status == 0)
        snprintf(out, size, "%.*s", (int)strcspn(text, "\n"), text);
    free(text);
    if (status == 0)
        return 1;
    if (out[0] == '\0')
        return 0;
    return strstr(out, strerror(ENOENT)) != NULL ? -ENOENT : -EIO;
}

static int count_certificates(void *arg, const char *path)
{
    (void)arg;
    return setup_ca_count(path);
}

/* As setup_try_fn. */
static void try_use(void *arg, struct setup_use *use)
{
    const struct setup_postfix *postfix = arg;
    struct setup_who who;
    char err[300];

    use->probed = true;
    use->error = setup_who_find(postfix->mta.user, &who, err, sizeof(err));
    if (use->error == 0)
        setup_use_probe(&postfix->mta, &who, use);
}

int setup_postfix_read(struct setup_postfix *postfix, char *err, size_t err_size)
{
    static const struct {
        const char *option;
        int (*take)(struct postconf *, const char *);
    } reads[] = {
        {"-x", postconf_read_parameters}, {"-F", postconf_read_fields}, {"-Px", postconf_read_own}};

    postfix->lookup = ask_table;
    postfix->lookup_arg = postfix;
    postfix->values = setup_table_values;
    postfix->values_arg = postfix;
    postfix->connect = setup_probe_port;
    postfix->try_use = try_use;
    postfix->try_arg = postfix;
    postfix->proxy = setup_proxy_try;
    postfix->certificates = count_certificates;
    postfix->mta.move = setup_postfix_move;
    postfix->mta.move_arg = postfix;
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
        int error = read_one(postfix, reads[i].option, reads[i].take, err, err_size);

        if (error != 0)
            return error;
    }
    int error = setup_postfix_derive(postfix);
    if (error != 0)
        snprintf(err, err_size, "out of memory");
    return error;
}

void setup_postfix_fini(struct setup_postfix *postfix)
{
    postconf_fini(&postfix->conf);
}

int setup_postfix_probe(struct setup_postfix *postfix, char *err, size_t err_size)
{
    struct setup_who who;
    int error = setup_who_find(postfix->mta.user, &who, err, err_size);

    if (error == 0)
        setup_mta_probe(&postfix->mta, &who);
    return error;
}
