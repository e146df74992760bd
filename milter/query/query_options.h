/* The command line of requiretls-query. */
#ifndef MILTER_QUERY_QUERY_OPTIONS_H
#define MILTER_QUERY_QUERY_OPTIONS_H

#include "decide/rules.h"

#include <stdbool.h>
#include <stddef.h>

enum query_request { QUERY_REQUEST_AUTO, QUERY_REQUEST_REQUIRE, QUERY_REQUEST_OPTIONAL };

/* Strings are borrowed from argv. */
struct query_options {
    const char *config_path;
    bool config_given; /* -c was: the file must exist */
    bool json;
    bool explain;
    bool probe;
    bool check_setup;
    bool status;
    const char *mta; /* with check_setup: `postfix[:DIR]`, `sendmail[:FILE]`; NULL: find out */
    bool version;
    bool help;
    const char *socket; /* the daemon's, "": the configured one, NULL: look up for ourselves */
    const char *from;   /* NULL: not given; "" or "<>": the null sender, made "" */
    enum query_request request;
    struct rules_header *headers; /* names and values are in header_text */
    size_t header_count;
    char **header_text;
    char **names;
    size_t name_count;
};

/*
 * Parses the command line. Returns 0, or -EINVAL with a message in err, -ENOMEM. Free with
 * query_options_fini in any case.
 */
int query_options_parse(struct query_options *options, int argc, char **argv, char *err,
                        size_t err_size);
/* What --help prints: each option with what it does, and each exit status. */
extern const char query_options_help[];

void query_options_fini(struct query_options *options);

#endif
