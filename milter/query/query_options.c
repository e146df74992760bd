/*
 * The command line of requiretls-query, and what --help says of it: query_options_parse takes each
 * option into struct query_options, then tells combinations that make no sense.
 */
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
    OPTION_PROBE,
    OPTION_FROM,
    OPTION_REQUIRE,
    OPTION_OPTIONAL,
    OPTION_HEADER,
    OPTION_CHECK_SETUP,
    OPTION_STATUS,
    OPTION_MTA
};

const char query_options_help[] =
    "usage: requiretls-query [-c FILE] [--json] [--socket [ADDRESS] | --probe]\n"
    "           [--explain] [--from ADDRESS] [--require | --optional] [--header 'NAME: VALUE']...\n"
    "           DOMAIN | ADDRESS | [HOST] | [HOST]:PORT ...\n"
    "       requiretls-query [-c FILE] [--json] --check-setup\n"
    "           [--mta postfix[:DIR] | --mta sendmail[:FILE]]\n"
    "       requiretls-query [-c FILE] [--json] [--socket [ADDRESS]] --status\n"
    "       requiretls-query -V | -h\n"
    "\n"
    "Shows what mail destinations publish, and whether mail with REQUIRETLS may go there.\n"
    "\n"
    "  -c, --config FILE     read this configuration instead of\n"
    "                        " CONFIG_DEFAULT_PATH "\n"
    "  --json                one JSON object a line for each name\n"
    "  --socket [ADDRESS]    ask the running daemon, at unix:/path or inet:host:port; without an\n"
    "                        address where its configuration has [socketmap] listen\n"
    "  --probe               connect to the mail servers of each name as well, now, and show what\n"
    "                        they do: STARTTLS, certificate, DANE, Web PKI, REQUIRETLS\n"
    "  --explain             add each setting of the rules, and the rule that it comes from\n"
    "  --from ADDRESS        the message has this envelope sender (<> for a bounce)\n"
    "  --require             the message asks for REQUIRETLS\n"
    "  --optional            the message has TLS-Required: No\n"
    "  --header 'NAME: VALUE'\n"
    "                        the message has this header field; these four imply --explain\n"
    "  --check-setup         examine this host instead, as root: MTA, sockets, resolvers, store;\n"
    "                        what is wrong, and the commands that mend it\n"
    "  --mta postfix[:DIR], --mta sendmail[:FILE]\n"
    "                        the MTA that --check-setup examines, if not the one that is here\n"
    "  --status              how the running daemon is\n"
    "  -V, --version         print the version\n"
    "  -h, --help            print this\n"
    "\n"
    "Exit status, of several names the worst, 1 before 75:\n"
    "  0   every name is satisfied at level enforce; nothing is wrong\n"
    "  1   one is not; something is wrong, or a warning is active\n"
    "  75  that cannot be known now: a lookup failed, no daemon answered\n"
    "  64  wrong usage\n"
    "  78  the configuration has errors\n";

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"json", no_argument, NULL, OPTION_JSON},
    {"socket", optional_argument, NULL, OPTION_SOCKET},
    {"explain", no_argument, NULL, OPTION_EXPLAIN},
    {"probe", no_argument, NULL, OPTION_PROBE},
    {"from", required_argument, NULL, OPTION_FROM},
    {"require", no_argument, NULL, OPTION_REQUIRE},
    {"optional", no_argument, NULL, OPTION_OPTIONAL},
    {"header", required_argument, NULL, OPTION_HEADER},
    {"check-setup", no_argument, NULL, OPTION_CHECK_SETUP},
    {"status", no_argument, NULL, OPTION_STATUS},
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

/* The word after --socket is its value if it looks like an address, and else a name. */
static const char *socket_value(int argc, char **argv)
{
    if (optarg != NULL)
        return optarg;
    const char *next = optind < argc ? argv[optind] : "";
    if (next[0] != '/' && strncmp(next, "unix:", 5) != 0 && strncmp(next, "inet:", 5) != 0)
        return "";
    optind++;
    return next;
}

static int take_option(struct query_options *options, int option, int argc, char **argv, char *err,
                       size_t err_size)
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
        options->socket = socket_value(argc, argv);
        return 0;
    case OPTION_EXPLAIN:
        options->explain = true;
        return 0;
    case OPTION_PROBE:
        options->probe = true;
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
    case OPTION_STATUS:
        options->status = true;
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
    if (options->headers == NULL || options->header_text == NULL)
        return -ENOMEM;
    optind = 1;
    for (int option; (option = getopt_long(argc, argv, "c:Vh", long_options, NULL)) != -1;) {
        int error = take_option(options, option, argc, argv, err, err_size);
        if (error < 0)
            return error;
    }
    options->names = argv + optind;
    options->name_count = (size_t)(argc - optind);
    if (options->version || options->help)
        return 0;
    if (options->mta != NULL && !options->check_setup)
        return fail_option(err, err_size, "--mta goes with --check-setup", NULL);
    if (options->check_setup &&
        (options->name_count > 0 || options->explain || options->probe || options->socket != NULL))
        return fail_option(err, err_size, "--check-setup takes only -c, --json and --mta", NULL);
    if (options->status &&
        (options->name_count > 0 || options->explain || options->probe || options->check_setup))
        return fail_option(err, err_size, "--status takes only -c, --json and --socket", NULL);
    if (options->probe && options->socket != NULL)
        return fail_option(err, err_size, "--probe and --socket exclude each other", NULL);
    if (options->name_count == 0 && !options->check_setup && !options->status)
        return fail_option(err, err_size, "no domain given; see requiretls-query --help", NULL);
    return 0;
}

void query_options_fini(struct query_options *options)
{
    for (size_t i = 0; options->header_text != NULL && i < options->header_count; i++)
        free(options->header_text[i]);
    free(options->header_text);
    free(options->headers);
    *options = (struct query_options){0};
}
