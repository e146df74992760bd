/* Command line of requiretls-query. What the options do is requiretls-query(1). */
#include "query/query_options.h"

#include "config/config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPTION_JSON = 256,
    OPTION_SOCKET,
    OPTION_EXPLAIN,
    OPTION_FROM,
    OPTION_REQUIRE,
    OPTION_OPTIONAL,
    OPTION_HEADER,
    OPTION_CHECK_SETUP,
    OPTION_MTA
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"json", no_argument, NULL, OPTION_JSON},
    {"socket", required_argument, NULL, OPTION_SOCKET},
    {"explain", no_argument, NULL, OPTION_EXPLAIN},
    {"from", required_argument, NULL, OPTION_FROM},
    {"require", no_argument, NULL, OPTION_REQUIRE},
    {"optional", no_argument, NULL, OPTION_OPTIONAL},
    {"header", required_argument, NULL, OPTION_HEADER},
    {"check-setup", no_argument, NULL, OPTION_CHECK_SETUP},
    {"mta", required_argument, NULL, OPTION_MTA},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int fail_option(char *err, size_t err_size, const char *what, const char *which)
{
    snprintf(err, err_size, "%s%s%s", what, which != NULL ? ": " : "", which != NULL ? which : "");
    return -EINVAL;
}

static int add_header(struct query_options *options, const char *text, char *err, size_t err_size)
{
    const char *colon = strchr(text, ':');
    if (colon == NULL || colon == text)
        return fail_option(err, err_size, "--header takes 'Name: value'", text);
    char *copy = strdup(text);
    if (copy == NULL)
        return -ENOMEM;
    copy[colon - text] = '\0';
    options->header_text[options->header_count] = copy;
    options->headers[options->header_count] =
        (struct rules_header){.name = copy, .value = copy + (colon - text) + 1};
    options->header_count++;
    options->explain = true;
    return 0;
}

static int set_request(struct query_options *options, enum query_request request, char *err,
                       size_t err_size)
{
    if (options->request != QUERY_REQUEST_AUTO && options->request != request)
        return fail_option(err, err_size, "--require and --optional exclude each other", NULL);
    options->request = request;
    options->explain = true;
    return 0;
}

static int take_option(struct query_options *options, int option, char *err, size_t err_size)
{
    switch (option) {
    case 'c':
        options->config_path = optarg;
        options->config_given = true;
        return 0;
    case 'V':
        options->version = true;
        return 0;
    case 'h':
        options->help = true;
        return 0;
    case OPTION_JSON:
        options->json = true;
        return 0;
    case OPTION_SOCKET:
        options->socket = optarg;
        return 0;
    case OPTION_EXPLAIN:
        options->explain = true;
        return 0;
    case OPTION_FROM:
        options->from = strcmp(optarg, "<>") == 0 ? "" : optarg;
        options->explain = true;
        return 0;
    case OPTION_REQUIRE:
        return set_request(options, QUERY_REQUEST_REQUIRE, err, err_size);
    case OPTION_OPTIONAL:
        return set_request(options, QUERY_REQUEST_OPTIONAL, err, err_size);
    case OPTION_HEADER:
        return add_header(options, optarg, err, err_size);
    case OPTION_CHECK_SETUP:
        options->check_setup = true;
        return 0;
    case OPTION_MTA:
        options->mta = optarg;
        return 0;
    default:
        return fail_option(err, err_size, "see requiretls-query --help", NULL);
    }
}

int query_options_parse(struct query_options *options, int argc, char **argv, char *err,
                        size_t err_size)
{
    *options = (struct query_options){.config_path = CONFIG_DEFAULT_PATH};
    options->headers = calloc((size_t)argc + 1, sizeof(*options->headers));
    options->header_text = calloc((size_t)argc + 1, sizeof(*options->header_text));
    if (!options->headers || !options->header_text)
        return -ENOMEM;
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "c:Vh", long_options, NULL)) != -1;) {
        int result = take_option(options, option, err, err_size);
        if (result < 0)
            return result;
    }
    options->names = argv + optind;
    options->name_count = (size_t)(argc - optind);
    if (options->version || options->help)
        return 0;
    if (options->mta && !options->check_setup)
        return fail_option(err, err_size, "--mta goes with --check-setup", NULL);
    if (options->check_setup && (options->name_count > 0 || options->explain || options->socket))
        return fail_option(err, err_size, "--check-setup takes only -c, --json and --mta", NULL);
    if (options->name_count == 0 && !options->check_setup)
        return fail_option(err, err_size, "no domain given; see requiretls-query --help", NULL);
    return 0;
}

void query_options_fini(struct query_options *options)
{
    for (size_t i = 0; options->header_text && i < options->header_count; i++)
        free(options->header_text[i]);
    free(options->header_text);
    free(options->headers);
    *options = (struct query_options){0};
}
