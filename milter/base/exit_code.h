/*
 * The exit codes of requiretls-query, with --check-setup or without; as sysexits.h has them
 * from 64.
 */
#ifndef MILTER_BASE_EXIT_CODE_H
#define MILTER_BASE_EXIT_CODE_H

enum {
    QUERY_EXIT_SATISFIED = 0,
    QUERY_EXIT_UNSATISFIED = 1,
    QUERY_EXIT_USAGE = 64,
    QUERY_EXIT_UNDECIDED = 75,
    QUERY_EXIT_CONFIG = 78
};

#endif
